//! From numbers to their bits and back.
//!
//! A number is opened under a mask `r = Σ_A r_A mod p`, uniform, of which each `r_A` is known to the members of a set; since they know its bits too,
//! everybody has shares of these for nothing. The bits of the number are those of `c − Σ r_A`, where `−r` modulo `2^k − 1` is the
//! complement of `r`. The masks hide perfectly, but for the streams.

use crate::domain::{Domain, M61, P127, Values};
use crate::engine::{Backend as _, Column, Failure, Io, Truncation};

use super::field::{Field, Lane, Valued, lanes};
use super::sets::stream_tile;
use super::{Shamir, Shares, TILE, column, held};

/// A prime field of `2^BITS − 1` elements.
pub(crate) trait Prime: Valued + Field + Lane<Scalar = Self> {
    const BITS: usize;
    fn integer(self) -> u128;
    fn power_of_two(exponent: usize) -> Self;
    fn from_bit(bit: bool) -> Self;
}

impl Prime for M61 {
    const BITS: usize = 61;
    fn integer(self) -> u128 {
        self.get().into()
    }
    fn power_of_two(exponent: usize) -> Self {
        crate::domain::Element::from_u128(1 << (exponent % 61))
    }
    fn from_bit(bit: bool) -> Self {
        crate::domain::Element::from_u128(bit.into())
    }
}

impl Prime for P127 {
    const BITS: usize = 127;
    fn integer(self) -> u128 {
        crate::domain::Element::to_u128(self)
    }
    fn power_of_two(exponent: usize) -> Self {
        crate::domain::Element::from_u128(1 << (exponent % 127))
    }
    fn from_bit(bit: bool) -> Self {
        crate::domain::Element::from_u128(bit.into())
    }
}

/// Rows of a column that are converted at a time: bounds memory.
pub(crate) const ROWS: usize = 1 << 17;

/// Calls a method with the lanes of a field and of bits.
macro_rules! by_field_and_bits {
    ($self:expr, $domain:expr, $call:ident ( $($argument:expr),* )) => {
        match ($domain, $self.seats()) {
            (Domain::M61, ..=3) => $self.$call::<M61, [u64; 2]>($($argument),*).await,
            (Domain::M61, ..=15) => $self.$call::<M61, [u64; 4]>($($argument),*).await,
            (Domain::M61, _) => $self.$call::<M61, [u64; 8]>($($argument),*).await,
            (Domain::P127, ..=3) => $self.$call::<P127, [u64; 2]>($($argument),*).await,
            (Domain::P127, ..=15) => $self.$call::<P127, [u64; 4]>($($argument),*).await,
            (Domain::P127, _) => $self.$call::<P127, [u64; 8]>($($argument),*).await,
            _ => Err($self.unsupported("conversions of other domains than prime fields")),
        }
    };
}

impl Shamir {
    pub(crate) async fn sign_of(&self, io: &mut Io, from: &Column) -> Result<Column, Failure> {
        let parts = by_field_and_bits!(self, from.domain(), signs(io, from))?;
        self.concat(&parts)
    }

    pub(crate) async fn bits_of(&self, io: &mut Io, from: &Column, count: u32) -> Result<Vec<Column>, Failure> {
        if count == 0 {
            return Ok(Vec::new());
        }
        if count >= from.domain().width() {
            return Err(self.unsupported("as many bits as the field has, or more"));
        }
        // 2^offset makes the value positive, and is no part of the lowest bits but perhaps their sign.
        let offset = (from.domain().width() as usize - 2).max(count as usize);
        by_field_and_bits!(self, from.domain(), low_bits(io, from, offset, 0..count as usize))
    }

    /// Exactly the floor, whatever the mode.
    pub(crate) async fn truncated(
        &self,
        io: &mut Io,
        from: &Column,
        bits: u32,
        _: Truncation,
    ) -> Result<Column, Failure> {
        if bits == 0 {
            return Ok(from.clone());
        }
        let domain = from.domain();
        self.no_bits(domain, "truncation of bits")?;
        let (bits, offset) = (bits as usize, domain.width() as usize - 2);
        let power = |exponent: usize| 1i128 << exponent;
        if bits >= offset {
            let negative = self.sign_of(io, from).await?;
            let negative = self.number_of(io, &[negative], domain).await?;
            return self.linear(&[(-1, &negative)], None);
        }
        if bits <= offset / 2 {
            let low = by_field_and_bits!(self, domain, low_bits(io, from, offset, 0..bits))?;
            let low = self.number_of(io, &low, domain).await?;
            // 2^(width) is one, so that 2^(width − bits) is the inverse of 2^bits.
            let inverse = power(domain.width() as usize - bits);
            return self.linear(&[(inverse, from), (-inverse, &low)], None);
        }
        let high = by_field_and_bits!(self, domain, low_bits(io, from, offset, bits..offset + 1))?;
        let high = self.number_of(io, &high, domain).await?;
        let shift = Values::from_i64(domain, &[1]);
        let shift =
            self.linear(&[(-power(offset - bits), &self.gather(&self.public(&shift)?, &vec![0; from.len()])?)], None)?;
        self.linear(&[(1, &high), (1, &shift)], None)
    }

    pub(crate) async fn number_of(&self, io: &mut Io, bits: &[Column], domain: Domain) -> Result<Column, Failure> {
        let first = bits.first().ok_or(Failure::Program("at least one column of bits"))?;
        for column in bits {
            first.fits("from_bits", column)?;
        }
        self.fits_bits(first, bits.len(), domain)?;
        by_field_and_bits!(self, domain, compose(io, bits))
    }

    fn fits_bits(&self, first: &Column, count: usize, domain: Domain) -> Result<(), Failure> {
        if first.domain() != Domain::Bits {
            return Err(Failure::Program("a column of bits"));
        }
        if count > domain.width() as usize {
            return Err(Failure::Program("no more bits than the domain has"));
        }
        Ok(())
    }

    /// Signs, a column of bits for each stretch of [`ROWS`]: the top bit of `2x + 1`, which is never zero.
    async fn signs<F: Prime, L: Valued>(&self, io: &mut Io, from: &Column) -> Result<Vec<Column>, Failure> {
        let mut parts = vec![column::<L>(0, Vec::new())];
        for rows in held::<F>(from)?.0.chunks(ROWS) {
            let odd = Shares(rows.iter().map(|share| share.plus(*share).plus(<F as Field>::ONE)).collect());
            let numbers = self.masked_bits::<F, L>(io, odd).await?;
            let sum = self.add_up(io, numbers, F::BITS).await?;
            parts.push(column(rows.len(), self.top_of_sum(io, sum, F::BITS).await?));
        }
        Ok(parts)
    }

    /// Bits of `x + 2^offset`, which is positive.
    async fn low_bits<F: Prime, L: Valued>(
        &self,
        io: &mut Io,
        from: &Column,
        offset: usize,
        range: std::ops::Range<usize>,
    ) -> Result<Vec<Column>, Failure> {
        // One more than the two powers that may meet: the offset of the widest values is a single power.
        let offset = F::power_of_two(offset.min(F::BITS - 1));
        let mut parts = vec![vec![column::<L>(0, Vec::new())]; range.len()];
        for rows in held::<F>(from)?.0.chunks(ROWS) {
            let positive = Shares(rows.iter().map(|share| share.plus(offset)).collect());
            let numbers = self.masked_bits::<F, L>(io, positive).await?;
            let sum = self.add_up(io, numbers, F::BITS).await?;
            let low = self.low_of_sum(io, sum, F::BITS, range.end).await?;
            let size = lanes::<L>(rows.len());
            for (place, part) in range.clone().zip(&mut parts) {
                part.push(column(rows.len(), low[place * size..(place + 1) * size].to_vec()));
            }
        }
        parts.iter().map(|part| self.concat(part)).collect()
    }

    /// Shared numbers whose sum is `x` modulo `p`: the opened `x + r`, and for each set the complement of its part of `r`.
    async fn masked_bits<F: Prime, L: Valued>(&self, io: &mut Io, mut x: Shares<F>) -> Result<Vec<Vec<L>>, Failure> {
        let op = io.op();
        let keys = self.keys(io).await?;
        let seat = self.seat(io)?;
        let (fields, small) = (self.scheme::<F>(io)?, self.scheme::<L>(io)?);
        let rows = x.0.len();
        let size = lanes::<L>(rows);
        let complement = L::constant(L::Scalar::ONE);
        let mut numbers = Vec::with_capacity(self.sets.len() + 1);
        let mut mine = keys.iter().zip(fields.sets.iter().zip(&small.sets));
        for set in &self.sets {
            let mut number = vec![complement; F::BITS * size];
            if set >> seat & 1 == 1 {
                let (key, (share, factor)) = mine.next().expect("a key for each set that this party is in");
                let mut part = vec![F::NIL; TILE];
                for (tile, x) in x.0.chunks_mut(TILE).enumerate() {
                    let part = &mut part[..x.len()];
                    stream_tile(key, op, tile * TILE, false, part);
                    x.iter_mut().zip(&*part).for_each(|(x, part)| *x = x.plus(share.times(*part)));
                    spread::<F, L>(part, tile * TILE / 64, size, &mut number, |bits| bits.scaled(*factor));
                }
                zeroize::Zeroize::zeroize(&mut part);
            }
            numbers.push(number);
        }
        let opened = self.reveal_strictly(io, &x.0).await?;
        let mut number = vec![L::NIL; F::BITS * size];
        spread::<F, L>(&opened, 0, size, &mut number, |bits| bits);
        numbers.push(number);
        Ok(numbers)
    }

    /// `Σ 2^j bits_j`. Each bit is opened under a random element of the small field, of which the lowest coefficient, the exclusive or of the sets'
    /// ones, is known in the prime field, too: as the product of the sets' signs. The other coefficients are masked as well: before the
    /// check nothing shows that a bit is one, and what malicious parties added to a factor would bring others out there.
    async fn compose<F: Prime, L: Valued>(&self, io: &mut Io, bits: &[Column]) -> Result<Column, Failure> {
        let rows = bits[0].len();
        let mut sum = vec![F::NIL; rows];
        // As many columns at a time as have about as many bits as rows are converted at a time.
        for (group, columns) in bits.chunks((ROWS / rows.max(1)).max(1)).enumerate() {
            let first = group * (ROWS / rows.max(1)).max(1);
            let size = lanes::<L>(rows);
            let op = io.op();
            let keys = self.keys(io).await?;
            let mut masked = Vec::with_capacity(columns.len() * size);
            for bits in columns {
                masked.extend_from_slice(&held::<L>(bits)?.0);
            }
            for (tile, masked) in masked.chunks_mut(TILE).enumerate() {
                self.draw(io, &keys, op, tile * TILE, false, masked)?;
            }
            let signs = self.signs_of_sets::<F, L>(io, &keys, op, masked.len())?;
            let (op, aside) = (io.op(), io.aside());
            let opening = self.reveal(&aside, op, &masked, None, false);
            let (opened, signs) = crate::engine::join(opening, self.product_of(io, signs)).await?;
            let opened = opened.expect("opened to all");
            let half = F::power_of_two(F::BITS - 1);
            for (place, bits) in opened.chunks(size.max(1)).enumerate() {
                let weight = F::power_of_two(first + place).times(half);
                for (row, sum) in sum.iter_mut().enumerate() {
                    // (1 − 2 (o ⊕ ρ)) = (1 − 2 o) (1 − 2 ρ).
                    let sign = signs.0[place * size * 64 + row];
                    let opened = bits[row / 64].bit(row % 64);
                    let sign = if opened { <F as Field>::ZERO.minus(sign) } else { sign };
                    *sum = sum.plus(weight.times(<F as Field>::ONE.minus(sign)));
                }
            }
        }
        Ok(column(rows, sum))
    }

    /// For each set, shares of `1 − 2 bit` for the bits of its stream.
    fn signs_of_sets<F: Prime, L: Valued>(
        &self,
        io: &Io,
        keys: &super::sets::Keys,
        op: crate::engine::OpId,
        len: usize,
    ) -> Result<Vec<Vec<F>>, Failure> {
        let (seat, scheme) = (self.seat(io)?, self.scheme::<F>(io)?);
        let mut mine = keys.iter().zip(&scheme.sets);
        let signs = |set: &u64| {
            let mut signs = vec![F::NIL; len * 64];
            if set >> seat & 1 == 1 {
                let (key, share) = mine.next().expect("a key for each set that this party is in");
                let shares = [*share, <F as Field>::ZERO.minus(*share)];
                let mut tile = vec![L::NIL; TILE];
                for (index, signs) in signs.chunks_mut(TILE * 64).enumerate() {
                    let tile = &mut tile[..signs.len() / 64];
                    stream_tile(key, op, index * TILE, false, tile);
                    for (signs, lane) in signs.chunks_mut(64).zip(tile) {
                        for (place, sign) in signs.iter_mut().enumerate() {
                            // Without a branch on the secret bit.
                            let bit = F::from_bit(lane.bit(place));
                            *sign = shares[0].plus(bit.times(shares[1].minus(shares[0])));
                        }
                    }
                }
            }
            signs
        };
        Ok(self.sets.iter().map(signs).collect())
    }

    /// The product of all vectors, two becoming one in a round.
    async fn product_of<F: Prime>(&self, io: &mut Io, mut factors: Vec<Vec<F>>) -> Result<Shares<F>, Failure> {
        while factors.len() > 1 {
            let (pairs, size) = (factors.len() / 2, factors[0].len());
            let rest = factors.split_off(2 * pairs);
            let left = factors.iter().step_by(2).flatten().copied().collect();
            let right = factors.iter().skip(1).step_by(2).flatten().copied().collect();
            let products = self.both::<F>(io, left, right).await?;
            factors = products.0.chunks(size.max(1)).map(<[F]>::to_vec).collect();
            factors.resize_with(pairs, Vec::new);
            factors.extend(rest);
        }
        Ok(Shares(factors.pop().unwrap_or_default()))
    }
}

/// Adds the bits of integers, 64 to a lane, to the lanes of a number, as `part` makes them of a lane of plain bits. `lane` is the first one's place.
fn spread<F: Prime, L: Valued>(integers: &[F], lane: usize, size: usize, number: &mut [L], part: impl Fn(L) -> L) {
    for (step, integers) in integers.chunks(64).enumerate() {
        for half in 0..F::BITS.div_ceil(64) {
            let mut square = [0u64; 64];
            for (row, integer) in square.iter_mut().zip(integers) {
                *row = (integer.integer() >> (64 * half)) as u64;
            }
            transpose(&mut square);
            for (bit, word) in square.iter().enumerate().take(F::BITS - 64 * half) {
                let place = &mut number[(64 * half + bit) * size + lane + step];
                *place = place.sum(part(L::from_word(*word)));
            }
        }
    }
}

/// Turns a square of bits: bit `j` of word `i` changes places with bit `i` of word `j` (Warren, Hacker's Delight, §7-3, with the lowest bit first).
fn transpose(square: &mut [u64; 64]) {
    let mut width = 32;
    let mut mask = 0x0000_0000_ffff_ffff_u64;
    while width > 0 {
        let mut row = 0;
        while row < 64 {
            let swapped = (square[row] >> width ^ square[row + width]) & mask;
            square[row] ^= swapped << width;
            square[row + width] ^= swapped;
            row = (row + width + 1) & !width;
        }
        width /= 2;
        mask ^= mask << width;
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_square_is_turned() {
        let mut square: [u64; 64] = std::array::from_fn(|row| (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let before = square;
        super::transpose(&mut square);
        for (i, row) in square.iter().enumerate() {
            for (j, column) in before.iter().enumerate() {
                assert_eq!(row >> j & 1, column >> i & 1);
            }
        }
    }
}
