//! The check by sacrifice, honest and not, and its error with toy parameters.

use std::rc::Rc;

use crate::engine::{Stats, local};
use crate::rep3::verify::proof::Conduct;
use crate::rep3::verify::tests::{Error, multiply, shapes_in_use};
use crate::rep3::{Atom, Product, Shape, Word};

use super::*;

type Outcome = Result<(Cost, u64, u32), Failure>;

/// Multiplies with errors and verifies; what the check was to cost and did.
fn run<A: Atom>(seed: u64, shapes: &[(Shape, usize)], errors: &[Error<A>]) -> Vec<Outcome> {
    let (shapes, errors): (Rc<[_]>, Rc<[_]>) = (shapes.into(), errors.into());
    let runs = local::run(3, seed, move |mut io| {
        let (shapes, errors) = (Rc::clone(&shapes), Rc::clone(&errors));
        async move {
            let products = multiply::<A>(&mut io, &shapes, &errors).await?;
            let records: Vec<Record> = products.into_iter().map(A::record).collect();
            let (stated, before) = (Sacrifice.cost(&Sizes::of(&records)), io.stats());
            verify(&mut io, records).await?;
            let after = io.stats();
            Ok((stated, after.payload_sent - before.payload_sent, after.rounds - before.rounds))
        }
    });
    runs.into_iter().map(|(outcome, _): (Outcome, Stats)| outcome).collect()
}

fn true_products_pass_at_the_stated_cost<A: Atom>(each_only: bool) {
    let fits = |shapes: &Vec<(Shape, usize)>| !each_only || shapes.iter().all(|(shape, _)| *shape == Shape::Each);
    for (seed, shapes) in shapes_in_use().into_iter().enumerate().filter(|(_, shapes)| fits(shapes)) {
        let outcomes: Vec<_> = run::<A>(seed as u64, &shapes, &[]).into_iter().map(Result::unwrap).collect();
        assert_eq!(outcomes.iter().map(|(_, sent, _)| sent).sum::<u64>(), outcomes[0].0.bytes, "{shapes:?}");
        assert_eq!(outcomes.iter().map(|(.., rounds)| *rounds).max(), Some(outcomes[0].0.rounds), "{shapes:?}");
    }
}

#[test]
fn true_products_pass() {
    true_products_pass_at_the_stated_cost::<u64>(false);
    true_products_pass_at_the_stated_cost::<u128>(false);
    true_products_pass_at_the_stated_cost::<Word>(true);
}

fn errors_are_caught<A: Atom>(shapes: &[(Shape, usize)], at: &[(usize, usize)], errors: &[A]) {
    for (seed, (record, result)) in at.iter().enumerate() {
        for (error, party) in errors.iter().flat_map(|error| (0..3u16).map(move |party| (*error, party))) {
            let outcomes = run::<A>(seed as u64, shapes, &[(party, *record, *result, error)]);
            for (index, outcome) in (0..).zip(outcomes).filter(|(index, _)| *index != party) {
                assert!(matches!(outcome, Err(Failure::Cheated { .. })), "{index} accepts {error:?} of {party}");
            }
        }
    }
}

#[test]
fn every_error_is_caught() {
    let dot = (Shape::Dot { groups: 3 }, 60);
    let matrix = (Shape::Matrix { rows: 3, inner: 4, columns: 2 }, 0);
    let (each, at) = ((Shape::Each, 20), [(0, 0), (0, 19), (1, 1), (2, 5)]);
    errors_are_caught::<u64>(&[each, dot, matrix], &at, &[1, 1 << 63, u64::MAX, 0x1_0000_0000]);
    errors_are_caught::<u128>(&[each, dot, matrix], &at, &[1, 1 << 127, 1 << 64]);
    errors_are_caught::<Word>(&[each, (Shape::Each, 3)], &[(0, 0), (0, 19), (1, 2)], &[Word(1), Word(1 << 63)]);
}

/// Adds something to parts of products before they are sent.
struct Bend<S>(Vec<(usize, S)>, fn(S, S) -> S);

impl<S: Copy> Conduct<S> for Bend<S> {
    fn products(&self, _: usize, parts: &mut [S]) {
        for (at, error) in &self.0 {
            parts[*at] = (self.1)(parts[*at], *error);
        }
    }
}

/// How often a liar with one wrong product among `len` gets away with `bend`.
fn rate<A: Atom, S: Copy + 'static>(
    error: A,
    bend: &Bend<S>,
    prove: impl AsyncFn(&mut Io, &[Product<A>], &dyn Conduct<S>) -> Result<(), Failure> + Copy + 'static,
) -> f64 {
    let mut passed = 0;
    for seed in 0..RUNS {
        let (places, add) = (bend.0.clone(), bend.1);
        let runs = local::run(3, seed, move |mut io| {
            let places = places.clone();
            async move {
                let products = multiply::<A>(&mut io, &[(Shape::Each, 1)], &[(1, 0, 0, error)]).await?;
                let conduct = Bend(if io.index() == 1 { places } else { Vec::new() }, add);
                prove(&mut io, &products, &conduct).await
            }
        });
        let honest = [&runs[0].0, &runs[2].0].map(Result::is_ok);
        assert_eq!(honest[0], honest[1], "the honest agree");
        passed += u32::from(honest[0]);
    }
    f64::from(passed) / RUNS as f64
}

const RUNS: u64 = 4000;

fn near(found: f64, expected: f64) {
    let deviation = (expected * (1.0 - expected) / RUNS as f64).sqrt();
    assert!((found - expected).abs() < 5.0 * deviation, "{found}, {expected} expected");
}

/// With 16 challenges the error that is hardest to see, `2^63`, passes once in 16.
#[test]
fn rings_let_through_one_challenge_in_all() {
    let places = vec![(0, 1u128 << 63), (1, 5 << 63)];
    let bend = Bend(places, u128::wrapping_add);
    near(
        rate(1u64 << 63, &bend, async |io, products, conduct| rings::prove(io, products, 4, conduct).await),
        1.0 / 16.0,
    );
}

/// One conjunction and buckets of one, two: the bad triples must be those of its bucket, `1 / C(2, 1)` and `1 / C(4, 2)`.
#[test]
fn words_let_through_one_choice_in_all() {
    let add = |x: Word, y: Word| x.plus(y);
    let bend = Bend(vec![(0, Word(4))], add);
    near(
        rate(Word(4), &bend, async |io, products, conduct| words::prove(io, products, |_| 1, conduct).await),
        1.0 / 2.0,
    );
    let bend = Bend(vec![(0, Word(4)), (1, Word(4))], add);
    near(
        rate(Word(4), &bend, async |io, products, conduct| words::prove(io, products, |_| 2, conduct).await),
        1.0 / 6.0,
    );
}

#[test]
fn buckets_are_as_large_as_the_page_says() {
    assert_eq!([1, 100_000, 1 << 20].map(words::bucket), [22, 3, 2]);
}

#[test]
fn what_is_not_zero_is_no_zero() {
    for (own, next, expected) in [(1u8, 2u8, Ok(())), (1, 3, Err(Failure::Cheated { fault: Fault::Proof }))] {
        let runs = local::run(3, 1, move |mut io| async move {
            let seat = Seat::of(&io)?;
            // Parts whose exclusive or is zero, or is not.
            let parts = [own, next, 3];
            let [x, y] = [seat.index, seat.after].map(|part| parts[usize::from(part)]);
            zero(&mut io, seat, [&[x], &[y], &[x ^ y]]).await
        });
        assert!(runs.iter().all(|(outcome, _)| *outcome == expected));
    }
}
