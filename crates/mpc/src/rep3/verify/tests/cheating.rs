//! Every way to go wrong in a product or in the proof is caught, and its author named.

use super::*;
use crate::engine::Fault;

/// Adds one to a part of a product of the proof.
struct Bend {
    step: usize,
    at: usize,
}

impl<S: Scalar> Conduct<S> for Bend {
    fn products(&self, step: usize, parts: &mut [S]) {
        if step == self.step {
            let at = self.at % parts.len();
            parts[at] = parts[at].add(S::ONE);
        }
    }
}

/// Opens something else than it has: `F`, `F'` or `H`.
struct Forge(usize);

impl<S: Scalar> Conduct<S> for Forge {
    fn opening(&self, parts: &mut [S]) {
        parts[self.0] = parts[self.0].add(S::ONE);
    }
}

/// Lies about its masks once the check has failed.
struct Deny;

impl<S: Scalar> Conduct<S> for Deny {
    fn masks(&self, sum: &mut S) {
        *sum = sum.add(S::ONE);
    }
}

/// What both honest parties say.
fn verdicts<E: Extension>(
    shapes: &[(Shape, usize)],
    errors: &[Error<E::Atom>],
    liar: u16,
    conduct: Rc<dyn Conduct<E::Scalar>>,
) -> [Result<(), Failure>; 2] {
    let runs = run::<E>(u64::from(liar), shapes, errors, Some((liar, conduct)));
    [(liar + 1) % 3, (liar + 2) % 3].map(|index| runs[usize::from(index)].0.clone())
}

fn is_named<E: Extension>(shapes: &[(Shape, usize)], at: &[(usize, usize)], errors: &[E::Atom]) {
    for (record, result) in at {
        for (error, liar) in errors.iter().flat_map(|error| (0..3u16).map(move |liar| (*error, liar))) {
            let verdicts = verdicts::<E>(shapes, &[(liar, *record, *result, error)], liar, Rc::new(Honest));
            let named = Err(Failure::blame(liar, Fault::Proof));
            assert_eq!(verdicts, [named.clone(), named], "{error:?} in result {result} of record {record}");
        }
    }
}

fn mixed() -> Vec<(Shape, usize)> {
    vec![
        (EACH, 5000),
        (Shape::Dot { groups: 2 }, 3000),
        (Shape::Matrix { rows: 3, inner: 5, columns: 2 }, 0),
        (EACH, 3),
    ]
}

#[test]
fn whoever_sends_a_wrong_product_is_named() {
    let at = [(0, 0), (0, 7), (0, 2500), (0, 4999), (1, 0), (1, 1), (2, 0), (2, 5), (3, 2)];
    is_named::<Ring64>(&mixed(), &at, &[1, 1 << 63, u64::MAX]);
    is_named::<Bits>(
        &[(EACH, 5000), (EACH, 3)],
        &[(0, 0), (0, 7), (0, 4999), (1, 2)],
        &[Word(1), Word(1 << 63), Word(u64::MAX)],
    );
    is_named::<Ring64>(&[(EACH, 1)], &[(0, 0)], &[1, 1 << 63]);
    is_named::<Bits>(&[(EACH, 1)], &[(0, 0)], &[Word(1)]);
}

#[test]
fn whoever_sends_a_wrong_long_product_is_named() {
    is_named::<Ring128>(&[(EACH, 600), (Shape::Dot { groups: 1 }, 90)], &[(0, 599), (1, 0)], &[1, 1 << 127]);
}

#[test]
fn errors_that_cancel_in_the_sum_are_caught() {
    let errors = |liar| [(liar, 0, 0, 1), (liar, 0, 1, u64::MAX), (liar, 0, 8, 1), (liar, 0, 16, u64::MAX)];
    for liar in 0..3 {
        let verdicts = verdicts::<Ring64>(&[(EACH, 4000)], &errors(liar), liar, Rc::new(Honest));
        assert!(verdicts.iter().all(|verdict| *verdict == Err(Failure::blame(liar, Fault::Proof))));
    }
}

fn proofs_bent<E: Extension>(shapes: &[(Shape, usize)], steps: usize) {
    for (step, at, liar) in (0..steps).flat_map(|step| [(step, 0, 0), (step, 5, 1), (step, usize::MAX, 2)]) {
        let verdicts = verdicts::<E>(shapes, &[], liar, Rc::new(Bend { step, at }));
        let named = Err(Failure::blame(liar, Fault::Proof));
        assert_eq!(verdicts, [named.clone(), named], "step {step}, {at}");
    }
}

#[test]
fn whoever_bends_the_proof_is_named() {
    // The first products, the reductions, the last step.
    let steps = |shapes: &[(Shape, usize)]| {
        let shapes: Rc<[_]> = shapes.into();
        let runs = local::run(3, 1, move |mut io| {
            let shapes = Rc::clone(&shapes);
            async move {
                let products = multiply::<u64>(&mut io, &shapes, &[]).await?;
                Ok(plan::Plan::new::<Ring64>(&products).0.reductions.len())
            }
        });
        runs[0].0.clone().unwrap() + 2
    };
    proofs_bent::<Ring64>(&mixed(), steps(&mixed()));
    proofs_bent::<Bits>(&[(EACH, 900)], 3);
    proofs_bent::<Ring64>(&[(EACH, 1)], 1);
}

#[test]
fn whoever_forges_an_opening_is_in_dispute() {
    for (what, liar) in (0..3).flat_map(|what| (0..3u16).map(move |liar| (what, liar))) {
        let verdicts = verdicts::<Ring64>(&[(EACH, 100)], &[], liar, Rc::new(Forge(what)));
        // Only the party after is lied to; the other one is content, or loses it.
        assert!(matches!(verdicts[0], Err(Failure::Dispute { low, high, .. }) if low == liar || high == liar));
        assert!(verdicts[1] == Ok(()), "{:?}", verdicts[1]);
    }
}

#[test]
fn whoever_denies_its_masks_is_in_dispute() {
    for liar in 0..3 {
        let verdicts = verdicts::<Ring64>(&[(EACH, 100)], &[(liar, 0, 3, 1)], liar, Rc::new(Deny));
        for verdict in &verdicts {
            let just = match verdict {
                Err(Failure::Dispute { low, high, .. }) => *low == liar || *high == liar,
                Err(Failure::Party { party, fault: Fault::Proof }) => *party == liar,
                _ => false,
            };
            assert!(just, "{verdict:?}");
        }
    }
}
