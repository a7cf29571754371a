//! Ed25519 (RFC 8032) with strict verification, always under a label.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock};

use aws_lc_rs::digest::{self, SHA512};
use dalek5::constants::ED25519_BASEPOINT_POINT;
use dalek5::edwards::{CompressedEdwardsY, EdwardsPoint};
use dalek5::scalar::Scalar;
use dalek5::traits::Identity as _;
use ed25519_dalek::Signer as _;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::Fixed;

use crate::{Label, random};

/// An Ed25519 public key: 32 bytes, not yet known to be a valid point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct PublicKey(#[n(0)] pub Fixed<32>);

impl PublicKey {
    /// Verifies a labelled signature.
    ///
    /// # Errors
    /// [`InvalidSignature`] when key or signature is not canonical, of small order, or does not match.
    pub fn verify(&self, label: Label, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        self.verify_parts(&[&label.prefix(), message], signature)
    }

    /// Verifies a signature over exactly these bytes, for formats that others define.
    ///
    /// # Errors
    /// As [`PublicKey::verify`].
    pub fn verify_raw(&self, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        self.verify_parts(&[message], signature)
    }

    fn verify_parts(&self, message: &[&[u8]], signature: &Signature) -> Result<(), InvalidSignature> {
        let known = Points::of(self).ok_or(InvalidSignature)?;
        let r = known.r(self, message, signature).ok_or(InvalidSignature)?;
        known.judge(self, signature, &r.compress())
    }

    /// [`PublicKey::verify`] for many keys, texts and signatures under one label; results in the same order. One signature among many takes four
    /// fifths of the time of one alone.
    pub fn verify_all<'a>(
        label: Label,
        all: impl IntoIterator<Item = (Self, &'a [u8], &'a Signature)>,
    ) -> Vec<Result<(), InvalidSignature>> {
        let prefix = label.prefix();
        let (mut keys, mut results, mut points, mut places) = (HashMap::new(), Vec::new(), Vec::new(), Vec::new());
        for (at, (key, message, signature)) in all.into_iter().enumerate() {
            results.push(Err(InvalidSignature));
            let known: &Option<Arc<Known>> = keys.entry(key).or_insert_with(|| Points::of(&key));
            if let Some(point) = known.as_ref().and_then(|known| known.r(&key, &[&prefix, message], signature)) {
                points.push(point);
                places.push((at, key, signature));
            }
        }
        // All of them encoded together: alone, the division takes a fifth of the time.
        let encoded = EdwardsPoint::compress_batch_alloc(&points);
        for (encoded, (at, key, signature)) in encoded.iter().zip(places) {
            let known = keys.get(&key).and_then(Option::as_ref).ok_or(InvalidSignature);
            results[at] = known.and_then(|known| known.judge(&key, signature, encoded));
        }
        results
    }

    /// Whether the encoded y-coordinate is below p = 2^255 − 19 (RFC 8032 §5.1.3, step 1), which the library reduces
    /// instead of refusing.
    fn is_canonical(&self) -> bool {
        let [first, middle @ .., last] = self.0.as_bytes();
        last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff) || *first < 0xed
    }
}

/// The canonical encodings of the eight points of small order.
const SMALL_ORDER: [[u8; 32]; 8] = {
    let (mut one, mut minus_one, mut zero) = ([0; 32], [0xff; 32], [[0; 32]; 2]);
    one[0] = 1;
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    zero[1][31] = 0x80;
    let mut eighth = [
        *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
        *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
        [0; 32],
        [0; 32],
    ];
    (eighth[2], eighth[3]) = (eighth[0], eighth[1]);
    eighth[2][31] |= 0x80;
    eighth[3][31] |= 0x80;
    let [a, b, c, d] = eighth;
    [one, minus_one, zero[0], zero[1], a, b, c, d]
};

/// Keys whose signatures verified: decoding one costs a fifth of a verification, and the same few sign most of what comes in.
#[derive(Default)]
struct Points {
    young: HashMap<PublicKey, Arc<Known>>,
    old: HashMap<PublicKey, Arc<Known>>,
}

/// A key, decoded: in canonical encoding, and not of small order.
struct Known {
    /// −A.
    minus: EdwardsPoint,
    verified: AtomicU32,
    /// Its multiples, once it has verified so much that making them pays.
    table: OnceLock<Multiples<6>>,
}

/// What a point gives for every digit at every place of a scalar, in signed digits of so many bits: multiplying takes one addition for each place
/// and no doublings, and so, for both points of a signature, two thirds of the time. In variable time: for scalars that are public.
struct Multiples<const BITS: usize>(Vec<EdwardsPoint>);

/// Tables that there are.
static TABLES: AtomicUsize = AtomicUsize::new(0);

/// Whether the library multiplies faster than a table does: with this processor's vectors of eight, where they are compiled in.
fn wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    let wide =
        cfg!(any(curve25519_dalek_backend = "avx512", all(target_feature = "avx512ifma", target_feature = "avx512vl")))
            && is_x86_feature_detected!("avx512ifma")
            && is_x86_feature_detected!("avx512vl");
    #[cfg(not(target_arch = "x86_64"))]
    let wide = false;
    wide
}

impl Points {
    fn shared() -> &'static RwLock<Self> {
        static POINTS: OnceLock<RwLock<Points>> = OnceLock::new();
        POINTS.get_or_init(RwLock::default)
    }

    /// The key, decoded; none where no signature of it can be valid.
    fn of(key: &PublicKey) -> Option<Arc<Known>> {
        Self::known(key).or_else(|| Known::decode(key).map(Arc::new))
    }

    fn known(key: &PublicKey) -> Option<Arc<Known>> {
        let points = Self::shared().read().unwrap_or_else(PoisonError::into_inner);
        points.young.get(key).or_else(|| points.old.get(key)).cloned()
    }

    fn keep(key: PublicKey, known: &Arc<Known>) {
        let mut points = Self::shared().write().unwrap_or_else(PoisonError::into_inner);
        // Another call may have been first, and have its table.
        if points.young.contains_key(&key) || points.old.contains_key(&key) {
            return;
        }
        if points.young.len() >= KEPT {
            points.old = std::mem::take(&mut points.young);
        }
        points.young.insert(key, known.clone());
    }
}

impl Known {
    fn decode(key: &PublicKey) -> Option<Self> {
        let point = key.is_canonical().then(|| CompressedEdwardsY(*key.0.as_bytes()).decompress()).flatten()?;
        let fit = !point.is_small_order();
        fit.then(|| Self { minus: -point, verified: AtomicU32::new(0), table: OnceLock::new() })
    }

    /// RFC 8032 §5.1.7 without cofactor, as the strict verification of others does it: s·B − k·A, which R must encode, where s is canonical; the
    /// message in parts.
    fn r(&self, key: &PublicKey, message: &[&[u8]], signature: &Signature) -> Option<EdwardsPoint> {
        static BASE: LazyLock<Multiples<8>> = LazyLock::new(|| Multiples::of(ED25519_BASEPOINT_POINT));
        let (r, s) = signature.0.as_bytes().split_first_chunk()?;
        let s = Scalar::from_canonical_bytes(s.try_into().ok()?).into_option()?;
        let mut context = digest::Context::new(&SHA512);
        for part in [r as &[u8; 32] as &[u8], key.0.as_bytes()].into_iter().chain(message.iter().copied()) {
            context.update(part);
        }
        let digest = context.finish();
        let k = Scalar::from_bytes_mod_order_wide(digest.as_ref().try_into().expect("SHA-512 has 64 bytes"));
        let Some(table) = self.table.get() else {
            return Some(EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &self.minus, &s));
        };
        let mut summands: Summands = [EdwardsPoint::identity(); _];
        let count = BASE.choose(&s, &mut summands, 0);
        let count = table.choose(&k, &mut summands, count);
        Some(summands[..count].iter().sum())
    }

    /// Whether this is R, and not of small order. What matched is the canonical encoding of a point, which is of small order if it is one of these:
    /// nobody has to decode it.
    fn judge(
        self: &Arc<Self>,
        key: &PublicKey,
        signature: &Signature,
        r: &CompressedEdwardsY,
    ) -> Result<(), InvalidSignature> {
        if r.as_bytes() != signature.r() || SMALL_ORDER.contains(signature.r()) {
            return Err(InvalidSignature);
        }
        match self.verified.fetch_add(1, Ordering::Relaxed) {
            0 => Points::keep(*key, self),
            // One call alone reaches it; those meanwhile verify without a table.
            MANY if !wide() => self.tabulate(),
            _ => {}
        }
        Ok(())
    }

    /// Makes the table, if there is room for one more.
    fn tabulate(&self) {
        let free = |tables| (tables < MOST_TABLES).then_some(tables + 1);
        if TABLES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_ok()
            && self.table.set(Multiples::of(self.minus)).is_err()
        {
            TABLES.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        if self.table.get().is_some() {
            TABLES.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl<const BITS: usize> Multiples<BITS> {
    /// Digits of 256 bits, so that the highest of a scalar, which has 253, carries nothing on.
    const PLACES: usize = 256usize.div_ceil(BITS);
    /// Largest digit; the multiples of a place.
    const HALF: usize = 1 << (BITS - 1);

    fn of(point: EdwardsPoint) -> Self {
        let mut multiples = Vec::with_capacity(Self::PLACES * Self::HALF);
        let mut unit = point;
        for _ in 0..Self::PLACES {
            let mut multiple = unit;
            for _ in 1..Self::HALF {
                multiples.push(multiple);
                multiple += unit;
            }
            multiples.push(multiple);
            unit = multiple + multiple;
        }
        Self(multiples)
    }

    /// Adds what a scalar takes to the summands from `count` on; how many there are then.
    fn choose(&self, scalar: &Scalar, summands: &mut Summands, mut count: usize) -> usize {
        let mut limbs = [0u64; 5];
        for (limb, bytes) in limbs.iter_mut().zip(scalar.as_bytes().chunks_exact(8)) {
            *limb = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        }
        let mut carry = 0;
        for (place, multiples) in self.0.chunks_exact(Self::HALF).enumerate() {
            let (limb, shift) = (place * BITS / 64, place * BITS % 64);
            let pair = u128::from(limbs[limb]) | u128::from(limbs[limb + 1]) << 64;
            let digit = (pair >> shift) as usize % (1 << BITS) + carry;
            carry = usize::from(digit > Self::HALF);
            summands[count] = match digit {
                0 => continue,
                _ if carry == 0 => multiples[digit - 1],
                _ if digit == 1 << BITS => continue,
                _ => -multiples[(1 << BITS) - digit - 1],
            };
            count += 1;
        }
        count
    }
}

/// What two multiplications add. Copied before any is added, so that the processor fetches many at the same time: tables are larger than its caches.
type Summands = [EdwardsPoint; Multiples::<6>::PLACES + Multiples::<8>::PLACES];

/// Points in one generation of two, of some 250 bytes each.
const KEPT: usize = 2048;
/// Verifications until a key gets a table: making one takes as long as ten.
const MANY: u32 = 100;
/// Most tables, of 215 KiB each.
const MOST_TABLES: usize = 128;

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Signature(#[n(0)] pub Fixed<64>);

impl Signature {
    /// R, as it is encoded.
    fn r(&self) -> &[u8; 32] {
        self.0.as_bytes().first_chunk().expect("64 bytes begin with 32")
    }
}

/// An Ed25519 private key; wiped on drop.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A fresh key.
    pub fn generate() -> Self {
        Self::from_seed(&random())
    }

    /// The key of an RFC 8032 seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The matching public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(Fixed(self.0.verifying_key().to_bytes()))
    }

    /// The RFC 8032 seed, for a key store.
    pub(crate) fn seed(&self) -> crate::Secret<[u8; 32]> {
        crate::Secret::new(self.0.to_bytes())
    }

    /// Signs under a label: the message signed is `len(label) as u8 ‖ label ‖ message`.
    pub fn sign(&self, label: Label, message: &[u8]) -> Signature {
        self.sign_raw(&labelled(label, message))
    }

    /// Signs exactly these bytes, for formats that others define.
    pub fn sign_raw(&self, message: &[u8]) -> Signature {
        Signature(Fixed(self.0.sign(message).to_bytes()))
    }
}

/// The signature does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct InvalidSignature;

/// What is signed under a label.
pub(crate) fn labelled(label: Label, message: &[u8]) -> Vec<u8> {
    let prefix = label.prefix();
    let mut bytes = Vec::with_capacity(prefix.len() + message.len());
    bytes.extend_from_slice(&prefix);
    bytes.extend_from_slice(message);
    bytes
}

macro_rules! hex_text {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $type {
            type Err = wire::text::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

hex_text!(PublicKey);
hex_text!(Signature);

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Verifier as _, VerifyingKey};
    use frost_ed25519::{Ciphersuite as _, Ed25519Sha512};
    use proptest::prelude::*;

    use super::*;

    /// What is taken must be exactly what the library's own strict verification takes.
    fn agrees(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let parsed = ed25519_dalek::Signature::from_bytes(signature.0.as_bytes());
        let library = VerifyingKey::from_bytes(key.0.as_bytes()).ok();
        let strict =
            key.is_canonical() && library.is_some_and(|library| library.verify_strict(message, &parsed).is_ok());
        // Twice: a key that is known then takes another way.
        for _ in 0..2 {
            assert_eq!(key.verify_raw(message, signature).is_ok(), strict, "{key} {signature}");
        }
        let many = PublicKey::verify_all(Label::TRANSACTION, [(*key, message, signature), (*key, b"", signature)]);
        assert_eq!(many[0], key.verify(Label::TRANSACTION, message, signature));
        let (plain, tabled) = (Known::decode(key), Known::decode(key));
        assert_eq!(plain.is_some(), key.is_canonical() && library.is_some_and(|library| !library.is_weak()));
        for known in plain.into_iter().chain(tabled.inspect(|known| {
            let _ = known.table.set(Multiples::of(known.minus));
            TABLES.fetch_add(1, Ordering::Relaxed);
        })) {
            let matches = known.r(key, &[message], signature).is_some_and(|r| r.compress().as_bytes() == signature.r());
            let loose = library.is_some_and(|library| library.verify(message, &parsed).is_ok());
            assert_eq!(matches, loose, "{key} {signature}");
            assert_eq!(matches && !SMALL_ORDER.contains(parsed.r_bytes()), strict, "{key} {signature}");
        }
        strict
    }

    #[test]
    fn the_points_of_small_order_are_these() {
        for (at, encoded) in SMALL_ORDER.iter().enumerate() {
            assert!(!SMALL_ORDER[..at].contains(encoded));
            let point = VerifyingKey::from_bytes(encoded).unwrap();
            assert!(point.is_weak());
            assert!(Known::decode(&PublicKey(Fixed(*encoded))).is_none());
        }
    }

    #[test]
    fn verification_is_as_strict_as_the_librarys() {
        let key = SigningKey::from_seed(&[7; 32]);
        let signature = key.sign_raw(b"text");
        assert!(agrees(&key.public(), b"text", &signature) && !agrees(&key.public(), b"texts", &signature));
        // Every bit of a signature counts.
        for bit in 0..512 {
            let mut altered = signature;
            altered.0.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!agrees(&key.public(), b"text", &altered));
        }
        // Points of small order as key, as R, or as both, with s = 0: without the strictness some of these would verify for any text.
        let mut zero = Signature(Fixed([0; 64]));
        let mut loose = 0;
        for r in SMALL_ORDER {
            zero.0.0[..32].copy_from_slice(&r);
            for a in SMALL_ORDER.into_iter().chain([*key.public().0.as_bytes()]) {
                assert!(!agrees(&PublicKey(Fixed(a)), b"text", &zero));
                let parsed = ed25519_dalek::Signature::from_bytes(zero.0.as_bytes());
                loose += usize::from(VerifyingKey::from_bytes(&a).unwrap().verify(b"text", &parsed).is_ok());
            }
        }
        assert!(loose > 0);
    }

    #[test]
    fn a_signature_with_r_of_small_order_is_refused_though_it_matches() {
        // Whoever holds a private key can choose R of small order: r = 0 gives the identity, and s = k·a.
        let private = SigningKey::from_seed(&[9; 32]);
        let (key, r) = (private.public(), SMALL_ORDER[0]);
        let k = Ed25519Sha512::H2(&[&r[..], key.0.as_bytes(), b"text"].concat());
        let mut signature = Signature(Fixed([0; 64]));
        signature.0.0[..32].copy_from_slice(&r);
        signature.0.0[32..].copy_from_slice((k * private.0.to_scalar()).as_bytes());
        let parsed = ed25519_dalek::Signature::from_bytes(signature.0.as_bytes());
        assert!(VerifyingKey::from_bytes(key.0.as_bytes()).unwrap().verify(b"text", &parsed).is_ok());
        assert!(!agrees(&key, b"text", &signature));
    }

    #[test]
    fn keys_and_r_of_mixed_order_are_judged_as_the_library_does() {
        // A = a·B + T and R = r·B + U, with T and U of small order: each text matches for some U only, and never by a cofactor.
        let private = SigningKey::from_seed(&[5; 32]);
        let point = |bytes: &[u8; 32]| CompressedEdwardsY(*bytes).decompress().unwrap();
        let same = |scalar: &[u8; 32]| Scalar::from_bytes_mod_order(*scalar);
        let (a, r) = (same(private.0.to_scalar().as_bytes()), Scalar::from(77u8));
        let mut taken = 0;
        for (t, u) in SMALL_ORDER.iter().flat_map(|t| SMALL_ORDER.iter().map(move |u| (t, u))) {
            let key = (EdwardsPoint::mul_base(&a) + point(t)).compress().to_bytes();
            let r_bytes = (EdwardsPoint::mul_base(&r) + point(u)).compress().to_bytes();
            let k = Ed25519Sha512::H2(&[&r_bytes[..], &key, b"text"].concat());
            let mut signature = Signature(Fixed([0; 64]));
            signature.0.0[..32].copy_from_slice(&r_bytes);
            signature.0.0[32..].copy_from_slice((r + same(k.as_bytes()) * a).as_bytes());
            taken += usize::from(agrees(&PublicKey(Fixed(key)), b"text", &signature));
        }
        assert!((1..64).contains(&taken), "{taken}");
    }

    proptest! {
        #[test]
        fn multiples_multiply_as_the_library_does(bytes: [u8; 32], other: [u8; 32], places in 0usize..=32) {
            let point = EdwardsPoint::mul_base(&Scalar::from_bytes_mod_order(other)) + CompressedEdwardsY(SMALL_ORDER[4]).decompress().unwrap();
            let (six, eight) = (Multiples::<6>::of(point), Multiples::<8>::of(point));
            // Runs of ones and of zeros carry furthest.
            let mut runs = [0xff; 32];
            runs[places..].copy_from_slice(&bytes[places..]);
            let scalars = [bytes, runs, runs.map(|byte| !byte), bytes.map(|byte| byte & 0xf0)].map(Scalar::from_bytes_mod_order);
            for scalar in [Scalar::ZERO, Scalar::ONE, -Scalar::ONE].into_iter().chain(scalars) {
                let mut summands: Summands = [EdwardsPoint::identity(); _];
                let first = six.choose(&scalar, &mut summands, 0);
                let all = eight.choose(&scalar, &mut summands, first);
                prop_assert_eq!(summands[..first].iter().sum::<EdwardsPoint>(), scalar * point);
                prop_assert_eq!(summands[first..all].iter().sum::<EdwardsPoint>(), scalar * point);
                // And both at once, as the library does it with the vectors that this processor has.
                let base = Scalar::from_bytes_mod_order(bytes.map(|byte| byte.rotate_left(3)));
                for base in [scalar, -scalar, base, Scalar::ZERO] {
                    let both = EdwardsPoint::vartime_double_scalar_mul_basepoint(&scalar, &point, &base);
                    prop_assert_eq!(both, scalar * point + EdwardsPoint::mul_base(&base));
                    let both = EdwardsPoint::vartime_double_scalar_mul_basepoint(&base, &-point, &scalar);
                    prop_assert_eq!(both, base * -point + EdwardsPoint::mul_base(&scalar));
                }
            }
        }
    }

    #[test]
    fn a_busy_key_gets_a_table_and_is_judged_alike() {
        let private = SigningKey::from_seed(&[6; 32]);
        let key = private.public();
        for number in 0..2 * MANY {
            let message = number.to_le_bytes();
            let mut signature = private.sign_raw(&message);
            key.verify_raw(&message, &signature).unwrap();
            signature.0.0[(number % 64) as usize] ^= 1;
            assert_eq!(key.verify_raw(&message, &signature), Err(InvalidSignature));
            // Where the library is faster without, nobody else makes one.
            if number == MANY
                && wide()
                && let Some(known) = Points::known(&key)
            {
                assert!(known.table.get().is_none());
                known.tabulate();
            }
        }
        assert!(Points::known(&key).is_none_or(|known| wide() || known.table.get().is_some()));
    }

    #[test]
    fn many_are_judged_as_each_alone() {
        let (busy, fresh) = (SigningKey::from_seed(&[3; 32]), SigningKey::from_seed(&[4; 32]));
        let label = Label::TRANSACTION;
        // R of small order, as only who holds the key can make it.
        let mut small = Signature(Fixed([0; 64]));
        small.0.0[..32].copy_from_slice(&SMALL_ORDER[0]);
        let k =
            Ed25519Sha512::H2(&[&SMALL_ORDER[0][..], busy.public().0.as_bytes(), &labelled(label, b"text")].concat());
        small.0.0[32..].copy_from_slice((k * busy.0.to_scalar()).as_bytes());
        let mut all = vec![(busy.public(), b"text".to_vec(), small)];
        for number in 0..40u8 {
            for (key, other) in [(&busy, &fresh), (&fresh, &busy)] {
                let text = vec![number; usize::from(number)];
                let mut signature = key.sign(label, &text);
                let key = if number % 5 == 4 { other.public() } else { key.public() };
                if number % 3 == 2 {
                    signature.0.0[usize::from(number)] ^= 1 << (number % 8);
                }
                all.push((key, text, signature));
            }
        }
        let alone: Vec<_> = all.iter().map(|(key, text, signature)| key.verify(label, text, signature)).collect();
        // Until one of the keys has had its table throughout: tests beside this one may take it.
        let tabled = || Points::known(&busy.public()).is_some_and(|known| known.table.get().is_some());
        let many = loop {
            for _ in 0..2 * MANY {
                busy.public().verify(label, b"text", &busy.sign(label, b"text")).unwrap();
            }
            if wide()
                && let Some(known) = Points::known(&busy.public()).filter(|known| known.table.get().is_none())
            {
                known.tabulate();
            }
            let before = tabled();
            let many =
                PublicKey::verify_all(label, all.iter().map(|(key, text, signature)| (*key, &text[..], signature)));
            if before && tabled() {
                break many;
            }
        };
        assert_eq!(many, alone);
        assert_eq!(many.iter().filter(|result| result.is_ok()).count(), 2 * (40 - 8 - 13 + 2));
        assert_eq!(many[0], Err(InvalidSignature));
        assert_eq!(PublicKey::verify_all(label, []), []);
    }

    #[test]
    fn what_is_kept_of_keys_is_bounded() {
        for number in 0..2 * KEPT + 10 {
            let key = SigningKey::from_seed(&crate::sha256(&[&number.to_le_bytes()]).0.0);
            key.public().verify_raw(b"text", &key.sign_raw(b"text")).unwrap();
        }
        let points = Points::shared().read().unwrap();
        assert!(points.young.len() <= KEPT && points.old.len() <= KEPT && !points.old.is_empty());
    }
}
