//! Galois rings: `Z_{2^k}[X]/(f)`, `f` irreducible modulo 2.

use crate::rep3::Atom;

use super::extension::{OCTET, Scalar};

/// An element of `GR(2^k, D)`, `k` the bits of `W`: its coefficients, lowest first.
///
/// The modulus is `X^D + Σ X^tap` ([`taps`]); the exceptional set is the polynomials with coefficients 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Galois<W, const D: usize>(pub(crate) [W; D]);

/// Lower exponents of the modulus of each degree in use: 48 in earnest, the others in tests with toy parameters.
pub(crate) const fn taps(degree: usize) -> &'static [usize] {
    match degree {
        2..=4 | 6 => &[0, 1],
        5 => &[0, 2],
        8 => &[0, 1, 3, 4],
        48 => &[0, 2, 3, 5],
        _ => panic!("a degree with a modulus"),
    }
}

impl<W: Atom, const D: usize> Galois<W, D> {
    /// Reduces coefficients of which those from `D` on may be anything. Taps are at most `D/2 + 1`, so that each is moved but twice.
    pub(crate) fn reduce(coefficients: &mut [W]) -> Self {
        for high in (D..coefficients.len()).rev() {
            let value = coefficients[high];
            for tap in taps(D) {
                let low = &mut coefficients[high - D + tap];
                *low = low.minus(value);
            }
        }
        let mut out = [W::ZERO; D];
        let len = coefficients.len().min(D);
        out[..len].copy_from_slice(&coefficients[..len]);
        Self(out)
    }
}

/// Rings have a one; words of bits stand for 64 values and are no coefficients.
pub(crate) trait Coefficient: Atom {
    /// Neutral for multiplication.
    const ONE: Self;
}

impl Coefficient for u64 {
    const ONE: Self = 1;
}

impl Coefficient for u128 {
    const ONE: Self = 1;
}

impl<W: Coefficient, const D: usize> Scalar for Galois<W, D> {
    type Atom = W;
    const ZERO: Self = Self([W::ZERO; D]);
    const ONE: Self = {
        let mut one = [W::ZERO; D];
        one[0] = W::ONE;
        Self(one)
    };
    const CHALLENGE_BITS: u32 = D as u32;
    const VALUES: usize = 1;
    const LANES: usize = if D < OCTET { 1 } else { OCTET };
    const BYTES: usize = D * size_of::<W>();

    #[inline]
    fn add(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(left, right)| *left = left.plus(right));
        self
    }

    #[inline]
    fn sub(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(left, right)| *left = left.minus(right));
        self
    }

    fn mul(self, other: Self) -> Self {
        let mut long = [[W::ZERO; D]; 2];
        let long = long.as_flattened_mut();
        for (at, left) in self.0.iter().enumerate() {
            for (sum, right) in long[at..at + D].iter_mut().zip(other.0) {
                *sum = sum.plus(left.times(right));
            }
        }
        Self::reduce(long)
    }

    fn shift(self, power: usize) -> Self {
        let mut long = vec![W::ZERO; D + power];
        long[power..].copy_from_slice(&self.0);
        Self::reduce(&mut long)
    }

    fn challenge(code: u64) -> Self {
        let mut out = [W::ZERO; D];
        for (bit, coefficient) in out.iter_mut().enumerate() {
            if code >> bit & 1 == 1 {
                *coefficient = W::ONE;
            }
        }
        Self(out)
    }

    #[inline]
    fn embed(atom: W) -> Self {
        let mut out = Self::ZERO;
        out.0[0] = atom;
        out
    }

    #[inline]
    fn value(atom: W, _: usize) -> Self {
        Self::embed(atom)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(bytemuck::cast_slice(&self.0));
    }

    fn read(bytes: &[u8]) -> Self {
        let mut out = Self::ZERO;
        bytemuck::cast_slice_mut(&mut out.0).copy_from_slice(bytes);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rabin's test over GF(2): `X^(2^d) = X`, and `X^(2^(d/p)) − X` is prime to the modulus for each prime `p` of `d`.
    fn irreducible(degree: usize) -> bool {
        let modulus = taps(degree).iter().fold(1u128 << degree, |sum, tap| sum | 1 << tap);
        let reduce = |mut value: u128| {
            for bit in (degree..128).rev() {
                if value >> bit & 1 == 1 {
                    value ^= modulus << (bit - degree);
                }
            }
            value
        };
        let square = |value: u128| {
            reduce((0..degree).filter(|bit| value >> bit & 1 == 1).fold(0, |sum, bit| sum | 1 << (2 * bit)))
        };
        let frobenius = |times: usize| (0..times).fold(2u128, |value, _| square(value));
        let gcd = |mut a: u128, mut b: u128| {
            while b != 0 {
                while a != 0 && a.ilog2() >= b.ilog2() {
                    a ^= b << (a.ilog2() - b.ilog2());
                }
                (a, b) = (b, a);
            }
            a
        };
        let primes = [2, 3, 5].into_iter().filter(|prime| degree.is_multiple_of(*prime));
        frobenius(degree) == reduce(2)
            && primes.into_iter().all(|prime| gcd(modulus, frobenius(degree / prime) ^ 2) == 1)
    }

    #[test]
    fn moduli_are_irreducible() {
        for degree in [2, 3, 4, 5, 6, 8, 48] {
            assert!(irreducible(degree), "{degree}");
        }
    }

    #[test]
    fn x_to_the_degree_is_what_the_taps_say() {
        type G = Galois<u64, 48>;
        let x = G::challenge(2);
        let mut power = G::ONE;
        for exponent in 0..60 {
            assert_eq!(power, G::ONE.shift(exponent));
            power = power.mul(x);
        }
        assert_eq!(G::ONE.shift(48), G::ZERO.sub(G::challenge(0b10_1101)));
    }
}
