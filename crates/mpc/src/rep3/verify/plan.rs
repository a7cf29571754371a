//! How a check goes, from public lengths alone: the same at all parties.

use crate::engine::Cost;
use crate::rep3::record::Size;
use crate::rep3::{Atom, Product, Shape};

use super::batch::{Batch, Kind};
use super::extension::{Extension, OCTET, Scalar};

/// Variables of the last step: eight elements are left.
pub(crate) const LAST: u32 = OCTET.ilog2();
/// What the last step sends besides the points: the middle coefficients and the last one.
pub(crate) const MASKED: usize = OCTET + 1;

/// Lengths of a check over one ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Variables of the first reduction.
    pub(crate) first: u32,
    /// Whether there are batches by result, batches by term, matrices.
    pub(crate) by_result: bool,
    /// As said.
    pub(crate) by_term: bool,
    /// As said.
    pub(crate) matrices: bool,
    /// Octets that are lifted.
    pub(crate) packs: usize,
    /// Variables of each further reduction.
    pub(crate) reductions: Vec<u32>,
}

impl Plan {
    /// The plan for records, and these sorted.
    pub(crate) fn new<'a, E: Extension>(products: &'a [Product<E::Atom>]) -> (Self, Vec<Batch<'a, E::Atom>>) {
        let sizes: Vec<Size> = products.iter().map(Product::size).collect();
        let plan = Self::of::<E>(&sizes);
        let batches = Batch::sort(products, plan.first);
        (plan, batches)
    }

    /// The plan for records of these sizes.
    pub(crate) fn of<E: Extension>(sizes: &[Size]) -> Self {
        let words: usize = sizes.iter().map(|size| size.left.max(size.results)).sum();
        let first = first_variables::<E>(words);
        let kinds = Kind::sort(sizes, first);
        let inner = sizes.iter().filter_map(|size| match size.shape {
            Shape::Matrix { inner, .. } if size.results > 0 => Some(inner),
            _ => None,
        });
        let matrices: Vec<usize> = inner.map(|inner| inner.div_ceil(OCTET)).collect();
        let blocks: usize = kinds.iter().map(Kind::blocks).sum();
        let lifted = (blocks + matrices.iter().sum::<usize>()) * E::Scalar::VALUES;
        let mut packs = lifted;
        let mut reductions = Vec::new();
        while packs > 1 {
            let variables = E::variables(packs).min(packs.next_power_of_two().ilog2());
            reductions.push(variables);
            packs = packs.div_ceil(1 << variables);
        }
        Self {
            first,
            by_result: kinds.iter().any(|kind| !kind.by_term),
            by_term: kinds.iter().any(|kind| kind.by_term),
            matrices: !matrices.is_empty(),
            packs: lifted,
            reductions,
        }
    }

    /// Elements that a party sends in the first reduction, by result and by term.
    pub(crate) fn first_points(&self) -> [usize; 2] {
        let (points, rows) = (3usize.pow(self.first), 1 << self.first);
        [usize::from(self.by_result) * (points - rows), usize::from(self.by_term) * (points - 1)]
    }

    /// Coins.
    pub(crate) fn coins(&self) -> usize {
        2 + usize::from(self.first_points() != [0, 0]) + self.reductions.len()
    }

    /// Challenges: the degree of the polynomial that must vanish for an error to pass is at most twice their number and six.
    #[cfg(test)]
    pub(crate) fn variables(&self) -> u32 {
        self.first + self.reductions.iter().sum::<u32>() + LAST
    }

    /// What the check costs where it passes.
    pub(crate) fn cost<S: Scalar>(&self) -> Cost {
        let reductions = self.reductions.iter().copied().chain([LAST]);
        let points: usize = reductions.map(|variables| 3usize.pow(variables) - 1).sum();
        let elements = self.first_points().iter().sum::<usize>() + points + MASKED + 3;
        let each = 64 * self.coins() + 32 + elements * S::BYTES;
        let rounds = 2 * self.coins();
        Cost { bytes: 3 * each as u64, rounds: rounds as u32 }
    }
}

/// `t` of the first reduction, for so many words.
fn first_variables<E: Extension>(words: usize) -> u32 {
    let bits = words.max(1).ilog2();
    let variables = if E::Scalar::VALUES == 1 { bits.saturating_sub(6) / 2 } else { bits / 2 };
    variables.min(E::FIRST)
}

/// What verifying records of one ring, of these sizes, costs.
pub(crate) fn cost<E: Extension>(sizes: &[Size]) -> Cost {
    if sizes.iter().any(|size| size.results > 0) { Plan::of::<E>(sizes).cost::<E::Scalar>() } else { Cost::default() }
}

/// Whether a record states anything.
pub(crate) fn states<A: Atom>(product: &Product<A>) -> bool {
    product.out.len() > 0
}
