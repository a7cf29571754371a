//! Products in the field of 2^128 elements, modulo `X^128 + X^7 + X^2 + X + 1`.

/// The product of two elements.
#[inline]
pub(crate) fn multiply(a: u128, b: u128) -> u128 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("pclmulqdq") {
        // SAFETY: the processor has the instruction that the function is compiled for.
        return unsafe { multiply_by_instruction(a, b) };
    }
    product(a, b, carryless)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "pclmulqdq")]
fn multiply_by_instruction(a: u128, b: u128) -> u128 {
    use std::arch::x86_64::{_mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_unpackhi_epi64};
    product(a, b, |a, b| {
        let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, a as i64), _mm_set_epi64x(0, b as i64));
        let word = |half| u128::from(_mm_cvtsi128_si64(half) as u64);
        word(product) | word(_mm_unpackhi_epi64(product, product)) << 64
    })
}

#[inline(always)]
fn product(a: u128, b: u128, carryless: impl Fn(u64, u64) -> u128) -> u128 {
    let (a0, a1) = (a as u64, (a >> 64) as u64);
    let (b0, b1) = (b as u64, (b >> 64) as u64);
    let (low, high) = (carryless(a0, b0), carryless(a1, b1));
    let middle = carryless(a0 ^ a1, b0 ^ b1) ^ low ^ high;
    let (low, high) = (low ^ (middle << 64), high ^ (middle >> 64));
    // x^128 = x^7 + x^2 + x + 1; what that pushes past the end is folded once more.
    let over = (high >> 127) ^ (high >> 126) ^ (high >> 121);
    let fold = |value: u128| value ^ (value << 1) ^ (value << 2) ^ (value << 7);
    low ^ fold(high) ^ fold(over)
}

/// Product of polynomials over bits, without table or branch: every fourth bit apart, so that carries do not meet (Pornin, BearSSL `ctmul64`).
#[inline]
fn carryless(a: u64, b: u64) -> u128 {
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
    use super::*;

    fn slow(a: u128, b: u128) -> u128 {
        let mut sum = 0;
        for place in (0..128).rev() {
            sum = (sum << 1) ^ if sum >> 127 == 1 { 0x87 } else { 0 };
            sum ^= if b >> place & 1 == 1 { a } else { 0 };
        }
        sum
    }

    #[test]
    fn binary_products_are_those_of_the_schoolbook() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u128;
        let mut next = || {
            state = state.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(7);
            state ^ (state >> 61)
        };
        for _ in 0..2000 {
            let (a, b) = (next(), next());
            assert_eq!(multiply(a, b), slow(a, b));
            assert_eq!(product(a, b, carryless), slow(a, b));
        }
        for edge in [0, 1, u128::MAX, 1 << 127, u128::from(u64::MAX)] {
            assert_eq!(product(edge, u128::MAX, carryless), slow(edge, u128::MAX));
            assert_eq!(multiply(edge, u128::MAX), slow(edge, u128::MAX));
            assert_eq!(multiply(edge, edge), slow(edge, edge));
        }
    }
}
