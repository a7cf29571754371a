//! A party errs in a product and stands by it: what it sends, what it keeps and what it goes on to compute with are one sharing of a wrong value.
//! Only the check can tell.

use super::*;
use crate::engine::Fault;

/// Multiplies as if the left factor were off by `error` in this party's own part, and covers it up.
async fn cheat<A: Atom>(
    rep3: &Rep3,
    io: &mut Io,
    left: &Rc<Replicated<A>>,
    right: &Rc<Replicated<A>>,
    error: (usize, A),
) -> Result<Rc<Replicated<A>>, Failure> {
    let mut wrong = Replicated::clone(left);
    wrong.own[error.0] = wrong.own[error.0].plus(error.1);
    let product = rep3.each(io, &Rc::new(wrong), right).await?;
    let mut records = rep3.ledger.records.borrow_mut();
    let last = records.pop().expect("the product just made");
    let honest = |op| {
        A::record(Product {
            op,
            left: Span::all(left),
            right: Span::all(right),
            out: Span::all(&product),
            shape: Shape::Each,
        })
    };
    records.push(honest(last.op()));
    drop(records);
    Ok(product)
}

/// A session in which `liar` errs; what both honest parties get.
fn session<A: Atom>(seed: u64, mode: Mode, len: usize, liar: u16, error: (usize, A)) -> [Result<(), Failure>; 2] {
    let runs = local::run(3, seed, move |mut io| async move {
        let rep3 = rep3(&io, mode)?;
        let [x, y] = [sharing::random::<A>(&mut io, len)?, sharing::random::<A>(&mut io, len)?].map(Rc::new);
        let product = match io.index() == liar {
            true => cheat(&rep3, &mut io, &x, &y, error).await?,
            false => rep3.each(&mut io, &x, &y).await?,
        };
        // Work that builds on it.
        rep3.each(&mut io, &product, &x).await?;
        rep3.check(&mut io).await
    });
    [(liar + 1) % 3, (liar + 2) % 3].map(|index| runs[usize::from(index)].0.clone())
}

fn is_caught<A: Atom>(mode: Mode, sessions: u64, errors: &[A]) {
    let mut numbers = Numbers(21);
    for seed in 0..sessions {
        let len = 1 + numbers.word() as usize % 40;
        let liar = (numbers.word() % 3) as u16;
        let error = errors[numbers.word() as usize % errors.len()];
        for verdict in session(seed, mode, len, liar, (numbers.word() as usize % len, error)) {
            let named = match &verdict {
                Err(Failure::Party { party, fault: Fault::Proof }) => *party == liar,
                Err(Failure::Cheated { fault: Fault::Proof }) => mode == Mode::Sacrifice,
                _ => false,
            };
            assert!(named, "{mode:?}, seed {seed}: {verdict:?}");
        }
    }
}

#[test]
fn is_caught_and_its_author_named() {
    is_caught::<u64>(Mode::Sublinear, 300, &[1, 3, u64::MAX]);
    is_caught::<Word>(Mode::Sublinear, 300, &[Word(u64::MAX)]);
    is_caught::<u128>(Mode::Sublinear, 30, &[1, u128::MAX]);
}

#[test]
fn is_caught_by_sacrifice() {
    is_caught::<u64>(Mode::Sacrifice, 200, &[1, 3, u64::MAX]);
    is_caught::<Word>(Mode::Sacrifice, 100, &[Word(u64::MAX)]);
    is_caught::<u128>(Mode::Sacrifice, 50, &[1, u128::MAX]);
}
