//! A million values.

use super::*;

const MANY: usize = 1_000_000;

fn agree(modes: &[Mode], inputs: &[Values], work: &Work) {
    let expected = plainly(inputs, work);
    for mode in modes {
        for (party, (result, _)) in secretly(*mode, inputs, work).into_iter().enumerate() {
            let opened = result.unwrap_or_else(|failure| panic!("{mode:?}: {failure}"));
            assert!(opened == expected, "{mode:?}, party {party}");
        }
    }
}

#[test]
fn sums_and_products_are_as_in_the_clear() {
    let all = work(|backend, io, columns| {
        Box::pin(async move {
            let (x, y) = (&columns[0], &columns[1]);
            Ok(vec![
                backend.linear(&[(3, x), (-5, y)], None)?,
                backend.mul(io, x, y).await?,
                backend.dot(io, x, y, 1).await?,
            ])
        })
    });
    let mut numbers = Numbers(31);
    let inputs = [numbers.values(Domain::Ring64, MANY), numbers.values(Domain::Ring64, MANY)];
    agree(&[Mode::SemiHonest, Mode::Sublinear, Mode::Sacrifice], &inputs, &all);
}

#[test]
fn conjunctions_are_as_in_the_clear() {
    let and = work(|backend, io, columns| {
        Box::pin(async move { Ok(vec![backend.mul(io, &columns[0], &columns[1]).await?]) })
    });
    let mut numbers = Numbers(32);
    let inputs = [numbers.values(Domain::Bits, MANY), numbers.values(Domain::Bits, MANY)];
    agree(&[Mode::SemiHonest, Mode::Sublinear, Mode::Sacrifice], &inputs, &and);
}

/// For the nightly script: all other operations, and the long ring.
#[test]
#[ignore = "a million values: minutes"]
fn all_operations_are_as_in_the_clear() {
    let all = work(|backend, io, columns| {
        Box::pin(async move {
            let (x, y) = (&columns[0], &columns[1]);
            let bits = backend.to_bits(io, x, 20).await?;
            let rows: Vec<u32> = (0..MANY as u32).rev().collect();
            Ok(vec![
                backend.mul(io, x, y).await?,
                backend.dot(io, x, y, MANY / 10).await?,
                backend.matmul(io, x, y, [100, MANY / 100, 100]).await?,
                backend.is_negative(io, x).await?,
                backend.from_bits(io, &bits, x.domain()).await?,
                backend.truncate(io, y, 7, Truncation::Exact).await?,
                backend.prefix_sum(x)?,
                backend.sum(x, 1000)?,
                backend.gather(y, &rows)?,
            ])
        })
    });
    let mut numbers = Numbers(33);
    for (domain, modes) in
        [(Domain::Ring64, &[Mode::SemiHonest, Mode::Sublinear][..]), (Domain::Ring128, &[Mode::SemiHonest][..])]
    {
        let width = domain.width();
        let inputs = [numbers.bounded(domain, MANY, width - 2), numbers.bounded(domain, MANY, width - 2)];
        agree(modes, &inputs, &all);
    }
}
