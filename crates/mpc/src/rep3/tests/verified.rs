//! Every operation with products verified in earnest, by either check.

use super::*;

const CHECKS: [Mode; 2] = [Mode::Sublinear, Mode::Sacrifice];

fn agree(what: &str, inputs: &[Values], work: &Work) {
    let expected = plainly(inputs, work);
    for mode in CHECKS {
        for (party, (result, _)) in secretly(mode, inputs, work).into_iter().enumerate() {
            let opened = result.unwrap_or_else(|failure| panic!("{what}, {mode:?}: {failure}"));
            assert!(opened == expected, "{what}, {mode:?}, party {party}");
        }
    }
}

#[test]
fn computes_on_rings() {
    let mut numbers = Numbers(11);
    for (domain, len) in [(Domain::Ring64, 1), (Domain::Ring64, 66), (Domain::Ring128, 10)] {
        let width = domain.width();
        let all = work(move |backend, io, columns| {
            Box::pin(async move {
                let (x, y) = (&columns[0], &columns[1]);
                let bits = backend.to_bits(io, x, width).await?;
                Ok(vec![
                    backend.mul(io, x, y).await?,
                    backend.dot(io, x, y, 1).await?,
                    backend.dot(io, x, y, len).await?,
                    backend.matmul(io, x, y, [len, 1, len]).await?,
                    backend.is_negative(io, x).await?,
                    backend.from_bits(io, &bits, domain).await?,
                    backend.truncate(io, y, 7, Truncation::Probabilistic).await?,
                    backend.mul(io, &bits[0], &bits[1]).await?,
                ])
            })
        });
        let inputs = [numbers.bounded(domain, len, width - 2), numbers.bounded(domain, len, width - 2)];
        agree("rings", &inputs, &all);
    }
}

#[test]
fn computes_on_words() {
    let mut numbers = Numbers(12);
    let and = work(|backend, io, columns| {
        Box::pin(async move { Ok(vec![backend.mul(io, &columns[0], &columns[1]).await?]) })
    });
    for len in [0, 1, 64, 65, 4100] {
        agree("words", &[numbers.values(Domain::Bits, len), numbers.values(Domain::Bits, len)], &and);
    }
}
