//! The rings that challenges come from, and what a check does in bulk over them.

use std::fmt::Debug;

use crate::rep3::Atom;

/// Words of a block's row, and elements of a [`Extension::Pack`].
pub(crate) const OCTET: usize = 8;

/// An element of a challenge ring: an extension of what [`Atom`]s hold, with an exceptional set `S` (any two of its elements differ by a
/// unit).
pub(crate) trait Scalar: Copy + PartialEq + Debug + 'static {
    /// What is checked.
    type Atom: Atom;
    /// Neutral for addition.
    const ZERO: Self;
    /// Neutral for multiplication.
    const ONE: Self;
    /// `log2 |S|`.
    const CHALLENGE_BITS: u32;
    /// Values of the base ring that an atom stands for: 1, or 64 bits.
    const VALUES: usize;
    /// Lanes of an octet that share one challenge, told apart by powers of `X`: `LANES · VALUES` does not exceed the degree.
    const LANES: usize;
    /// Bytes on the wire.
    const BYTES: usize;
    /// Sum.
    #[must_use]
    fn add(self, other: Self) -> Self;
    /// Difference.
    #[must_use]
    fn sub(self, other: Self) -> Self;
    /// Product.
    #[must_use]
    fn mul(self, other: Self) -> Self;
    /// Product with `X^power`, `power < 64`.
    #[must_use]
    fn shift(self, power: usize) -> Self;
    /// The element of `S` with this code, of [`Scalar::CHALLENGE_BITS`] bits.
    fn challenge(code: u64) -> Self;
    /// `Σ_b X^b · value(b)`: the packing of an atom, injective.
    fn embed(atom: Self::Atom) -> Self;
    /// One of an atom's values.
    fn value(atom: Self::Atom, index: usize) -> Self;
    /// Appends its bytes.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads it from [`Scalar::BYTES`] bytes. All are valid.
    fn read(bytes: &[u8]) -> Self;
}

/// Weights of a block's words in a sum of packed words.
#[derive(Clone, Copy)]
pub(crate) enum Weights<'a> {
    /// By lane: `8 / LANES` codes `α`; lane `n` weighs `α[n / LANES] · X^((n mod LANES) · VALUES)`.
    Lanes(&'a [u64]),
    /// One code for the whole block.
    Whole(u64),
}

/// Bulk work over a challenge ring. Blocks are of rows of eight atoms ([`OCTET`]), one after the other; where there are three points to a variable,
/// the number of a point is written in base 3, its digits 0, 1, 2 = ∞ being those of the rows' bits.
pub(crate) trait Extension: 'static {
    /// The ring.
    type Scalar: Scalar<Atom = Self::Atom>;
    /// What is checked.
    type Atom: Atom;
    /// Eight elements.
    type Pack: Clone;
    /// Sums of packed words under way, one for each of a number of rows.
    type Sums;

    /// Most variables of the first reduction.
    const FIRST: u32;

    /// Variables of a reduction of so many octets.
    fn variables(packs: usize) -> u32;

    /// Writes the products of each block at `3^t` points, as rows: `x_i (y_i + y_{i+1}) + x_{i+1} y_i` for the extensions of the block's `2^t` rows.
    /// Those of points without ∞ are zero unless `all`.
    fn expand(x: [&[Self::Atom]; 2], y: [&[Self::Atom]; 2], t: u32, all: bool, rows: &mut [Self::Atom]);

    /// Sums at zero.
    fn sums(rows: usize) -> Self::Sums;

    /// Adds the packed words of blocks of `rows` rows. `codes` are `8 / LANES` for each block.
    fn absorb(sums: &mut Self::Sums, rows: usize, words: &[Self::Atom], codes: &[u64]);

    /// The sums.
    fn finish(sums: Self::Sums) -> Vec<Self::Scalar>;

    /// `Σ_a weights[a] · row a`: for each block (of as many rows as weights) `VALUES` octets, of the words' first values, second values and so on.
    fn lift(words: &[Self::Atom], weights: &[Self::Scalar], out: &mut Vec<Self::Pack>);

    /// Multiplies a block's `VALUES` octets by the words' weights, and by `X^b` in octet `b`.
    fn scale(packs: &mut [Self::Pack], weights: Weights<'_>);

    /// The products of two vectors at `3^t` points, summed over groups of `2^t` octets (the last padded with zeros) and over lanes.
    fn products(u: [&[Self::Pack]; 2], v: [&[Self::Pack]; 2], t: u32) -> Vec<Self::Scalar>;

    /// The extensions of groups of `2^t` octets at a point of codes.
    fn fold(packs: Vec<Self::Pack>, point: &[u64]) -> Vec<Self::Pack>;

    /// The elements of an octet.
    fn unpack(pack: &Self::Pack) -> [Self::Scalar; OCTET];
}

/// `χ_a(r)` for all `2^t` rows.
pub(crate) fn multilinear<S: Scalar>(point: &[u64]) -> Vec<S> {
    let mut weights = vec![S::ONE];
    for code in point {
        let r = S::challenge(*code);
        let high: Vec<S> = weights.iter().map(|weight| weight.mul(r)).collect();
        weights = weights.iter().zip(&high).map(|(weight, high)| weight.sub(*high)).collect();
        weights.extend(high);
    }
    weights
}

/// The weights of the `3^t` points in the value at `point`: `1 − r`, `r`, `r (r − 1)` for each variable.
pub(crate) fn quadratic<S: Scalar>(point: &[u64]) -> Vec<S> {
    let mut weights = vec![S::ONE];
    for code in point {
        let r = S::challenge(*code);
        let factors = [S::ONE.sub(r), r, r.mul(r.sub(S::ONE))];
        weights = factors.iter().flat_map(|factor| weights.iter().map(|weight| weight.mul(*factor))).collect();
    }
    weights
}

/// The extension of `2^t` values to `3^t` points.
pub(crate) fn points<S: Scalar>(rows: &[S]) -> Vec<S> {
    if rows.len() <= 1 {
        return rows.to_vec();
    }
    let (low, high) = rows.split_at(rows.len() / 2);
    let steep: Vec<S> = high.iter().zip(low).map(|(high, low)| high.sub(*low)).collect();
    [points(low), points(high), points(&steep)].concat()
}

/// The point of `{0,1,∞}^t` that is row `row`.
pub(crate) fn point_of(row: usize, t: u32) -> usize {
    (0..t).map(|bit| (row >> bit & 1) * 3usize.pow(bit)).sum()
}
