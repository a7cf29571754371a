//! Products in the field of 2^128 elements, modulo `X^128 + X^7 + X^2 + X + 1`.

use super::words;

/// The product of two elements.
#[inline]
pub(crate) fn multiply(a: u128, b: u128) -> u128 {
    #[cfg(target_arch = "x86_64")]
    if words::have_instruction() {
        // SAFETY: the processor has the instruction that the function is compiled for.
        return unsafe { multiply_by_instruction(a, b) };
    }
    product(a, b, words::multiply)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "pclmulqdq")]
fn multiply_by_instruction(a: u128, b: u128) -> u128 {
    product(a, b, |a, b| words::multiply_by_instruction(a, b))
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
            assert_eq!(product(a, b, words::multiply), slow(a, b));
        }
        for edge in [0, 1, u128::MAX, 1 << 127, u128::from(u64::MAX)] {
            assert_eq!(product(edge, u128::MAX, words::multiply), slow(edge, u128::MAX));
            assert_eq!(multiply(edge, u128::MAX), slow(edge, u128::MAX));
            assert_eq!(multiply(edge, edge), slow(edge, edge));
        }
    }
}
