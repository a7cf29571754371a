//! Shamir's sharing of 32 bytes: five limbs of 52 bits, each shared over the field of 2^61 − 1 elements.
//!
//! Nothing here branches or indexes on a secret.

use crypto::Secret;
use zeroize::{Zeroize as _, Zeroizing};

use super::mask::Stream;

/// Bytes of a share: five field elements, u64 little-endian.
pub(super) const SHARE: usize = 8 * LIMBS;

/// One share per point: any `threshold` of them give the secret, fewer say nothing. Points are not 0 and differ.
pub(super) fn split(
    secret: &Secret<[u8; 32]>,
    threshold: usize,
    points: impl Iterator<Item = u64>,
    coins: &mut Stream,
) -> Vec<Secret<[u8; SHARE]>> {
    // Coefficients from the constant term upwards.
    let mut coefficients = Zeroizing::new(Vec::with_capacity(threshold));
    coefficients.push(secret.expose(to_limbs));
    coefficients.resize_with(threshold, || std::array::from_fn(|_| element(coins)));
    points
        .map(|point| {
            let mut sum = [0; LIMBS];
            for coefficient in coefficients.iter().rev() {
                for (sum, coefficient) in sum.iter_mut().zip(coefficient) {
                    *sum = add(multiply(*sum, point), *coefficient);
                }
            }
            let share = Secret::new(to_bytes(&sum));
            sum.zeroize();
            share
        })
        .collect()
}

/// The secret from shares at distinct points, as many as the threshold; `None` when they share no 32 bytes.
pub(super) fn join(shares: &[(u64, &Secret<[u8; SHARE]>)]) -> Option<Secret<[u8; 32]>> {
    // Lagrange's coefficients at 0: ∏ x_j / (x_i ∏ (x_j − x_i)), j ≠ i. Points are public.
    let all = shares.iter().fold(1, |product, (point, _)| multiply(product, *point));
    let mut sum = Zeroizing::new([0; LIMBS]);
    for (point, share) in shares {
        let below = shares
            .iter()
            .filter(|(other, _)| other != point)
            .fold(*point, |product, (other, _)| multiply(product, add(*other, P - point)));
        let weight = multiply(all, invert(below));
        let mut limbs = share.expose(from_bytes)?;
        for (sum, limb) in sum.iter_mut().zip(&limbs) {
            *sum = add(*sum, multiply(*limb, weight));
        }
        limbs.zeroize();
    }
    from_limbs(&sum)
}

/// Whether the bytes are a share at all.
pub(super) fn is_share(bytes: &[u8; SHARE]) -> bool {
    from_bytes(bytes).is_some()
}

fn to_limbs(secret: &[u8; 32]) -> [u64; LIMBS] {
    let mut wide = Zeroizing::new([0; 40]);
    wide[..32].copy_from_slice(secret);
    // 52 bits are six and a half bytes: limb i starts at bit 52 i.
    std::array::from_fn(|limb| {
        let at = limb * 52;
        let word = u64::from_le_bytes(wide[at / 8..at / 8 + 8].try_into().expect("eight bytes"));
        (word >> (at % 8)) & ((1 << 52) - 1)
    })
}

fn from_limbs(limbs: &[u64; LIMBS]) -> Option<Secret<[u8; 32]>> {
    let mut wide = Zeroizing::new([0u8; 40]);
    let mut excess = 0;
    for (limb, value) in limbs.iter().enumerate() {
        let (at, bits) = (limb * 52, if limb == LIMBS - 1 { 48 } else { 52 });
        excess |= value >> bits;
        let shifted = value << (at % 8);
        for (byte, value) in wide[at / 8..].iter_mut().zip(shifted.to_le_bytes()) {
            *byte |= value;
        }
    }
    // A secret of 32 bytes always fits; that shares do not belong together may be known.
    (excess == 0).then(|| Secret::new(wide[..32].try_into().expect("32 bytes")))
}

fn to_bytes(limbs: &[u64; LIMBS]) -> [u8; SHARE] {
    let mut bytes = [0; SHARE];
    for (bytes, limb) in bytes.chunks_exact_mut(8).zip(limbs) {
        bytes.copy_from_slice(&reduce(*limb).to_le_bytes());
    }
    bytes
}

fn from_bytes(bytes: &[u8; SHARE]) -> Option<[u64; LIMBS]> {
    let mut limbs = [0; LIMBS];
    for (limb, bytes) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    }
    limbs.iter().all(|limb| *limb < P).then_some(limbs)
}

/// A uniform element.
fn element(coins: &mut Stream) -> u64 {
    loop {
        let word = coins.word() & P;
        // One word in 2^61 is drawn again.
        if word != P {
            return word;
        }
    }
}

/// Sum of two elements below 2^61; below P.
const fn add(a: u64, b: u64) -> u64 {
    reduce(a + b)
}

const fn multiply(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    reduce((product as u64 & P) + (product >> 61) as u64)
}

/// From below 2^62 to below P, without a branch.
const fn reduce(value: u64) -> u64 {
    let folded = (value & P) + (value >> 61);
    let less = folded.wrapping_sub(P);
    // The sign bit of the difference says whether the value was below P already.
    less.wrapping_add(P & (less >> 63).wrapping_neg())
}

/// `a^(P−2)` (Fermat), for points, which are public.
fn invert(a: u64) -> u64 {
    let (mut power, mut base, mut exponent) = (1, a, P - 2);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = multiply(power, base);
        }
        base = multiply(base, base);
        exponent >>= 1;
    }
    power
}

/// 2^61 − 1, a Mersenne prime.
const P: u64 = (1 << 61) - 1;
const LIMBS: usize = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_threshold_of_shares_gives_the_secret(secret in any::<[u8; 32]>(), t in 1usize..20, more in 0usize..20, skip in 0usize..20) {
            let skip = skip.min(more);
            let mut coins = Stream::new(&Secret::random());
            let points: Vec<u64> = (0..(t + more) as u64).map(|i| 7 * i + 1).collect();
            let shares = split(&Secret::new(secret), t, points.iter().copied(), &mut coins);
            let chosen: Vec<_> = points.iter().copied().zip(&shares).skip(skip).take(t).collect();
            let joined = join(&chosen).unwrap();
            prop_assert!(joined.expose(|joined| *joined == secret));
            if t > 1 {
                // One share fewer gives something else (but for a chance of 2^-256).
                prop_assert!(join(&chosen[1..]).is_none_or(|joined| joined.expose(|joined| *joined != secret)));
            }
        }

        #[test]
        fn the_field_is_a_field(a in 0..P, b in 0..P, c in 1..P) {
            let wide = |x: u128| (x % u128::from(P)) as u64;
            prop_assert_eq!(add(a, b), wide(u128::from(a) + u128::from(b)));
            prop_assert_eq!(multiply(a, b), wide(u128::from(a) * u128::from(b)));
            prop_assert_eq!(multiply(c, invert(c)), 1);
        }
    }

    #[test]
    fn edges() {
        for secret in [[0; 32], [0xff; 32]] {
            let limbs = to_limbs(&secret);
            assert!(from_limbs(&limbs).unwrap().expose(|bytes| *bytes == secret));
        }
        assert_eq!((reduce(P), reduce(P - 1), reduce(2 * P), reduce(0)), (0, P - 1, 0, 0));
        assert_eq!((add(P - 1, P - 1), multiply(P - 1, P - 1)), (P - 2, 1));
        let mut bytes = [0; SHARE];
        bytes[..8].copy_from_slice(&P.to_le_bytes());
        assert!(!is_share(&bytes), "an element has one encoding");
    }
}
