//! What the products should come to: a public linear function of all parties' messages, once the coins are tossed.

use std::borrow::Cow;

use crate::rep3::{Atom, Product, Shape};

use super::batch::Batch;
use super::coin::Challenges;
use super::extension::{Extension, OCTET, Scalar, multilinear, point_of, quadratic};
use super::plan::{LAST, Plan, states};
use super::proof::is_matrix;

/// Codes of step 1.
pub(crate) struct First {
    /// By batch: [`First::each`] for each of its units.
    pub(crate) codes: Vec<Vec<u64>>,
    /// By matrix record: of its rows and of its columns.
    pub(crate) matrices: Vec<[Vec<u64>; 2]>,
}

impl First {
    pub(crate) fn draw<E: Extension>(
        plan: &Plan,
        batches: &[Batch<'_, E::Atom>],
        products: &[Product<E::Atom>],
        challenges: &mut Challenges,
    ) -> Self {
        let bits = E::Scalar::CHALLENGE_BITS;
        let codes = batches
            .iter()
            .map(|batch| challenges.codes(batch.kind.units() * Self::each::<E::Scalar>(batch), bits))
            .collect();
        let mut matrices = Vec::new();
        if plan.matrices {
            for product in products.iter().filter(|product| states(*product)).filter(is_matrix) {
                let Shape::Matrix { rows, columns, .. } = product.shape else { continue };
                matrices.push([rows, columns].map(|count| challenges.codes(count, bits)));
            }
        }
        Self { codes, matrices }
    }

    /// Codes of a unit.
    pub(crate) const fn each<S: Scalar>(batch: &Batch<'_, S::Atom>) -> usize {
        if batch.kind.by_term { 1 } else { OCTET / S::LANES }
    }
}

/// Codes of step 3.
pub(crate) struct Point {
    /// `r`.
    pub(crate) first: Vec<u64>,
    /// `λ` of batches by term.
    pub(crate) by_term: u64,
    /// `λ` of matrices.
    pub(crate) matrices: u64,
}

impl Point {
    pub(crate) fn draw<S: Scalar>(plan: &Plan, challenges: &mut Challenges) -> Self {
        let first = challenges.codes(plan.first as usize, S::CHALLENGE_BITS);
        let kinds = challenges.codes(2, S::CHALLENGE_BITS);
        Self { first, by_term: kinds[0], matrices: kinds[1] }
    }
}

/// All challenges of a check.
pub(crate) struct Claim {
    plan: Plan,
    first: First,
    point: Point,
    /// Of step 5, by reduction.
    pub(crate) reductions: Vec<Vec<u64>>,
    /// `r` of step 7.
    pub(crate) last: Vec<u64>,
    /// `s` of step 7.
    pub(crate) mask: u64,
}

impl Claim {
    pub(crate) const fn new(plan: Plan, first: First, point: Point) -> Self {
        Self { plan, first, point, reductions: Vec::new(), last: Vec::new(), mask: 0 }
    }

    /// `H`, of results and messages: of a party's parts, or of its masks in their stead. `results` are by record; `messages` are those of
    /// step 2 (where there are any), of each reduction, and of step 6.
    pub(crate) fn value<E: Extension>(
        &self,
        batches: &[Batch<'_, E::Atom>],
        products: &[Product<E::Atom>],
        results: &[Cow<'_, [E::Atom]>],
        messages: &[&[E::Scalar]],
    ) -> E::Scalar {
        let mut messages = messages.iter();
        let mut next = || *messages.next().expect("a message for each exchange");
        let points = self.plan.first_points();
        let sent: &[E::Scalar] = if points == [0, 0] { &[] } else { next() };
        let mut value = self.first::<E>(batches, products, results, sent);
        for point in &self.reductions {
            value = reduce(value, next(), point);
        }
        // (1−s)² U V + s (1−s) (U σ + ρ V) + s² ρ σ.
        let (sent, masked) = next().split_at(3usize.pow(LAST) - 1);
        let s = E::Scalar::challenge(self.mask);
        let rest = E::Scalar::ONE.sub(s);
        let middle = multilinear::<E::Scalar>(&self.last).iter().zip(masked).fold(E::Scalar::ZERO, dot);
        let product = reduce(value, sent, &self.last);
        rest.mul(rest).mul(product).add(s.mul(rest).mul(middle)).add(s.mul(s).mul(masked[OCTET]))
    }

    /// `h` of step 4.
    fn first<E: Extension>(
        &self,
        batches: &[Batch<'_, E::Atom>],
        products: &[Product<E::Atom>],
        results: &[Cow<'_, [E::Atom]>],
        sent: &[E::Scalar],
    ) -> E::Scalar {
        let t = self.plan.first;
        let rows = 1usize << t;
        let zero = E::Scalar::ZERO;
        let mut sums = E::sums(rows);
        let mut by_term = zero;
        for (batch, codes) in batches.iter().zip(&self.first.codes) {
            let results = batch.results_of(results);
            if batch.kind.by_term {
                let terms = results.iter().zip(codes);
                by_term = terms
                    .fold(by_term, |sum, (z, code)| sum.add(E::Scalar::embed(*z).mul(E::Scalar::challenge(*code))));
                continue;
            }
            let each = First::each::<E::Scalar>(batch);
            let whole = results.len() / batch.kind.size();
            let (head, tail) = results.split_at(whole * batch.kind.size());
            E::absorb(&mut sums, rows, head, &codes[..whole * each]);
            if !tail.is_empty() {
                let mut tail = tail.to_vec();
                tail.resize(batch.kind.size(), E::Atom::ZERO);
                E::absorb(&mut sums, rows, &tail, &codes[whole * each..]);
            }
        }
        let (of_results, of_terms) = sent.split_at(self.plan.first_points()[0]);
        let mut value = zero;
        if self.plan.by_result {
            let weights = quadratic::<E::Scalar>(&self.point.first);
            let mut plain = vec![None; weights.len()];
            for (row, sum) in E::finish(sums).into_iter().enumerate() {
                plain[point_of(row, t)] = Some(sum);
            }
            let mut of_results = of_results.iter();
            for (plain, weight) in plain.into_iter().zip(weights) {
                let point =
                    plain.or_else(|| of_results.next().copied()).expect("all points but those of rows are sent");
                value = value.add(point.mul(weight));
            }
        }
        if self.plan.by_term {
            let kind = E::Scalar::challenge(self.point.by_term);
            value = value.add(kind.mul(reduce(by_term, of_terms, &self.point.first)));
        }
        let mut sum = zero;
        let matrices = products.iter().zip(results).filter(|(product, _)| states(*product) && is_matrix(product));
        for ((_, results), [rows, columns]) in matrices.zip(&self.first.matrices) {
            for (results, row) in results.chunks_exact(columns.len()).zip(rows) {
                let terms = results.iter().zip(columns);
                let inner =
                    terms.fold(zero, |sum, (z, code)| sum.add(E::Scalar::embed(*z).mul(E::Scalar::challenge(*code))));
                sum = sum.add(inner.mul(E::Scalar::challenge(*row)));
            }
        }
        value.add(sum.mul(E::Scalar::challenge(self.point.matrices)))
    }
}

/// The value at a point of what sums up to `sum` over `{0,1}^t`, of its values at all points but 0.
fn reduce<S: Scalar>(sum: S, sent: &[S], point: &[u64]) -> S {
    let t = point.len() as u32;
    let plain = (1..1 << t).map(|row| sent[point_of(row, t) - 1]);
    let zero = plain.fold(sum, S::sub);
    let weights = quadratic::<S>(point);
    weights[1..].iter().zip(sent).fold(zero.mul(weights[0]), dot)
}

fn dot<S: Scalar>(sum: S, (left, right): (&S, &S)) -> S {
    sum.add(left.mul(*right))
}
