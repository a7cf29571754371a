//! The check over all rings, honest and not.

mod cheating;
mod kernels;
mod privacy;
mod rates;

use std::rc::Rc;

use crate::engine::{Failure, Io, OpId, Stats, local};
use crate::prg::Prg;

use super::super::share::Span;
use super::super::{Atom, Product, Replicated, Shape, Word};
use super::extension::{Extension, OCTET, Scalar};
use super::proof::{Conduct, Honest, prove};
use super::reference::Reference;
use super::wide::{Bits, Ring64};
use super::{Ring128, plan};

/// An error that a party adds to a result of a record: party, record, result, error.
pub(super) type Error<A> = (u16, usize, usize, A);

/// Shapes of records: left and right lengths follow.
pub(super) fn lengths(shape: Shape, left: usize) -> [usize; 3] {
    match shape {
        Shape::Each => [left; 3],
        Shape::Dot { groups } => [left, left, groups],
        Shape::Matrix { rows, inner, columns } => [rows * inner, inner * columns, rows * columns],
    }
}

/// Multiplies random vectors as rep3 does, with errors.
pub(super) async fn multiply<A: Atom>(
    io: &mut Io,
    shapes: &[(Shape, usize)],
    errors: &[Error<A>],
) -> Result<Vec<Product<A>>, Failure> {
    let (index, after) = (io.index(), (io.index() + 1) % 3);
    let before = (io.index() + 2) % 3;
    let mut products = Vec::new();
    for (record, (shape, left)) in shapes.iter().enumerate() {
        let [left, right, results] = lengths(*shape, *left);
        let mut random = |len: usize| {
            let op = io.op();
            Rc::new(Replicated::<A> { own: noise(&io.pair(before), op, len), next: noise(&io.pair(after), op, len) })
        };
        let (x, y) = (random(left), random(right));
        let op = io.op();
        let (plus, minus) = (noise::<A>(&io.pair(after), op, results), noise::<A>(&io.pair(before), op, results));
        let mut own: Vec<A> = plus.into_iter().zip(minus).map(|(plus, minus)| plus.minus(minus)).collect();
        let term = |x_at: usize, y_at: usize| {
            x.own[x_at].times(y.own[y_at].plus(y.next[y_at])).plus(x.next[x_at].times(y.own[y_at]))
        };
        for (at, z) in own.iter_mut().enumerate() {
            match *shape {
                Shape::Matrix { inner, columns, .. } => {
                    (0..inner).for_each(|k| *z = z.plus(term(at / columns * inner + k, k * columns + at % columns)));
                }
                _ => (at * left / results..(at + 1) * left / results).for_each(|k| *z = z.plus(term(k, k))),
            }
        }
        for (party, at_record, at, error) in errors {
            if (*party, *at_record) == (index, record) {
                own[*at] = own[*at].plus(*error);
            }
        }
        io.send(op, before, bytemuck::cast_slice(&own));
        let mut next = vec![A::zeroed(); results];
        io.receive(op, after, bytemuck::cast_slice_mut(&mut next)).await?;
        let out = Rc::new(Replicated { own, next });
        products.push(Product { op, left: Span::all(&x), right: Span::all(&y), out: Span::all(&out), shape: *shape });
    }
    Ok(products)
}

pub(super) fn noise<A: Atom>(prg: &Prg, op: OpId, len: usize) -> Vec<A> {
    let mut out = vec![A::zeroed(); len];
    prg.fill(op, 0, bytemuck::cast_slice_mut(&mut out));
    out
}

/// A party and what it does instead of following the proof.
pub(super) type Cheat<S> = (u16, Rc<dyn Conduct<S>>);

/// All three parties multiply with errors and verify, party `cheat.0` with that conduct. Returns outcomes and what the check alone sent.
pub(super) fn run<E: Extension>(
    seed: u64,
    shapes: &[(Shape, usize)],
    errors: &[Error<E::Atom>],
    cheat: Option<Cheat<E::Scalar>>,
) -> Vec<(Result<(), Failure>, Stats)> {
    let (shapes, errors): (Rc<[_]>, Rc<[_]>) = (shapes.into(), errors.into());
    local::run(3, seed, move |mut io| {
        let (shapes, errors, cheat) = (Rc::clone(&shapes), Rc::clone(&errors), cheat.clone());
        async move {
            let products = multiply::<E::Atom>(&mut io, &shapes, &errors).await?;
            match cheat {
                Some((party, conduct)) if party == io.index() => prove::<E>(&mut io, &products, &*conduct).await,
                _ => prove::<E>(&mut io, &products, &Honest).await,
            }
        }
    })
}

const EACH: Shape = Shape::Each;

pub(super) fn shapes_in_use() -> Vec<Vec<(Shape, usize)>> {
    let dot = |groups: usize, terms: usize| (Shape::Dot { groups }, groups * terms);
    let matrix = |rows, inner, columns| (Shape::Matrix { rows, inner, columns }, 0);
    let mut all: Vec<Vec<_>> = [0, 1, 2, 7, 8, 9, 63, 64, 65, 511, 512, 513, 4095, 4096, 4097, 70_001]
        .into_iter()
        .map(|len| vec![(EACH, len)])
        .collect();
    all.push(Vec::new());
    all.push(vec![(EACH, 0), (EACH, 3), (EACH, 5000), (EACH, 0), (EACH, 1)]);
    all.push(vec![dot(1, 1), dot(1, 2), dot(3, 100), dot(1, 20_000), dot(2000, 3), dot(5, 0), dot(4, 3)]);
    all.push(vec![dot(1, 50_000)]);
    all.push(vec![matrix(1, 1, 1), matrix(3, 17, 5), matrix(8, 1, 2), matrix(2, 0, 2), matrix(0, 4, 4)]);
    all.push(vec![(EACH, 3000), dot(1, 4000), dot(900, 2), matrix(20, 30, 10), (EACH, 100)]);
    all
}

fn honest_passes<E: Extension>() {
    for (seed, shapes) in shapes_in_use().into_iter().enumerate() {
        let runs = run::<E>(seed as u64, &shapes, &[], None);
        for (result, _) in runs {
            assert_eq!(result, Ok(()), "{shapes:?}");
        }
    }
}

#[test]
fn true_products_pass_over_all_rings() {
    honest_passes::<Ring64>();
    honest_passes::<Bits>();
}

#[test]
fn true_products_pass_over_the_long_ring() {
    honest_passes::<Ring128>();
}

#[test]
fn true_products_pass_over_references_and_toys() {
    honest_passes::<Reference<super::galois::Galois<u64, 4>>>();
    honest_passes::<Reference<super::galois::Galois<u64, 8>>>();
}

fn cost_is_as_stated<E: Extension>() {
    for (seed, shapes) in shapes_in_use().into_iter().enumerate() {
        let products = |check: bool| {
            let shapes = shapes.clone();
            local::run(3, seed as u64, move |mut io| {
                let shapes = shapes.clone();
                async move {
                    let products = multiply::<E::Atom>(&mut io, &shapes, &[]).await?;
                    if check {
                        prove::<E>(&mut io, &products, &Honest).await?;
                    }
                    Ok(plan::cost::<E>(&products.iter().map(Product::size).collect::<Vec<_>>()))
                }
            })
        };
        let (without, with) = (products(false), products(true));
        let sent = |runs: &[(_, Stats)]| runs.iter().map(|(_, stats)| stats.payload_sent).sum::<u64>();
        let rounds = |runs: &[(_, Stats)]| runs.iter().map(|(_, stats)| stats.rounds).max().unwrap();
        let stated = with[0].0.clone().unwrap();
        assert_eq!(sent(&with) - sent(&without), stated.bytes, "{shapes:?}");
        assert_eq!(rounds(&with) - rounds(&without), stated.rounds, "{shapes:?}");
    }
}

#[test]
fn cost_is_as_the_page_states() {
    cost_is_as_stated::<Ring64>();
    cost_is_as_stated::<Bits>();
}

#[test]
fn error_is_below_its_bound() {
    // 2^32 words in eight records of different kinds: the formula of the page.
    let variables = |first: u32, octets: u32| first + octets + 3 + super::plan::LAST;
    let degree = 2.0 * f64::from(variables(6, 32)) + 8.0;
    assert!(degree / ((1u64 << Galois48::CHALLENGE_BITS) as f64 - 1.0) < 2f64.powi(-40));
    let shapes = vec![(EACH, 70_001)];
    let variables = local::run(3, 1, move |mut io| {
        let shapes = shapes.clone();
        async move {
            let products = multiply::<u64>(&mut io, &shapes, &[]).await?;
            Ok(plan::Plan::new::<Ring64>(&products).0.variables())
        }
    });
    assert!(variables[0].0.clone().unwrap() <= 17 + 6);
}

type Galois48 = super::galois::Galois<u64, 48>;
