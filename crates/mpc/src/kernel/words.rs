//! Products of two words as polynomials over bits, in plain code and by the processor's instruction.

#[cfg(test)]
thread_local! {
    /// Whether a test has its thread do without the instruction.
    pub(crate) static PLAIN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether the processor has the instruction.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn have_instruction() -> bool {
    #[cfg(test)]
    if PLAIN.get() {
        return false;
    }
    is_x86_feature_detected!("pclmulqdq")
}

/// Their product by the instruction.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "pclmulqdq")]
pub(super) fn multiply_by_instruction(a: u64, b: u64) -> u128 {
    use std::arch::x86_64::{_mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_unpackhi_epi64};
    let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, a as i64), _mm_set_epi64x(0, b as i64));
    let word = |half| u128::from(_mm_cvtsi128_si64(half) as u64);
    word(product) | word(_mm_unpackhi_epi64(product, product)) << 64
}

/// Their product, without table or branch: every fourth bit apart, so that carries do not meet (Pornin, BearSSL `ctmul64`).
#[inline]
pub(super) fn multiply(a: u64, b: u64) -> u128 {
    const EVERY: u64 = 0x1111_1111_1111_1111;
    const WIDE: u128 = 0x1111_1111_1111_1111_1111_1111_1111_1111;
    // Sixteen bits to a class: a column's sum is at most 16, which would spill; the top class bit is taken apart.
    let split = |value: u64, class: u32| value & (EVERY << class);
    let mut sum = 0;
    for class in 0..4 {
        let mut column = 0u128;
        for from in 0..4 {
            let with = (class + 4 - from) % 4;
            let (x, y) = (split(a, from), split(b, with));
            // Fifteen bits of x, then the last one alone.
            let rest = x & !(1 << (60 + from));
            column ^= (u128::from(rest) * u128::from(y)) & (WIDE << class);
            column ^= (u128::from(y) << (60 + from)) & 0u128.wrapping_sub(u128::from(x >> (60 + from) & 1));
        }
        sum ^= column & (WIDE << class);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::super::carryless;

    fn slow(a: u64, b: u64) -> u128 {
        (0..64).filter(|place| b >> place & 1 == 1).fold(0, |sum, place| sum ^ u128::from(a) << place)
    }

    /// Modulo `X^64 + X^4 + X^3 + X + 1`, bit by bit.
    fn reduced(mut value: u128) -> u64 {
        for place in (64..128).rev() {
            if value >> place & 1 == 1 {
                value ^= (1 << 64 | 0b1_1011) << (place - 64);
            }
        }
        value as u64
    }

    #[test]
    fn products_are_those_of_the_schoolbook() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ (state >> 29)
        };
        let edges = [0, 1, 2, u64::MAX, 1 << 63, 0x8000_0000_0000_0001, 0x1111_1111_1111_1111];
        let mut pairs: Vec<(u64, u64)> = edges.iter().flat_map(|a| edges.map(|b| (*a, b))).collect();
        pairs.extend((0..2000).map(|_| (next(), next())));
        for (a, b) in pairs {
            assert_eq!(super::multiply(a, b), slow(a, b));
            for plain in [true, false] {
                super::PLAIN.set(plain);
                assert_eq!(carryless::multiply(a, b), reduced(slow(a, b)), "{a:x} {b:x}");
            }
        }
    }
}
