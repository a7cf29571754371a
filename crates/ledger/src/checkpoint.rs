//! Checkpoints of the transaction log and their cosignatures, in the C2SP formats (`tlog-checkpoint`, `signed-note`,
//! `tlog-cosignature` v1).

use std::fmt::Write as _;

use crypto::{Digest, InvalidSignature, Label, PublicKey, Signature, mldsa, sha256};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::text;

use crate::note::{timed, timed_ml_dsa};
use crate::{Consortium, Epoch, Header, ReceiptError, Validator};

/// What validators cosign about a block: size and root of the log, header, epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The chain; its origin line is `sottovoce/<chain>`.
    pub chain: Digest,
    /// Leaves in the log.
    pub size: u64,
    /// Root of the log.
    pub root: Digest,
    /// Digest of the block's header.
    pub header: Digest,
    /// The epoch whose validators answer for it.
    pub epoch: u64,
}

impl Checkpoint {
    /// The checkpoint of a block.
    pub fn of(header: &Header) -> Self {
        let Header { chain, log_size, log_root, epoch, .. } = header;
        Self { chain: *chain, size: *log_size, root: *log_root, header: header.digest(), epoch: *epoch }
    }

    /// The note's text: origin, size, root, then the extension lines `header` and `epoch`.
    pub fn body(&self) -> String {
        let (root, header) = (text::to_base64(self.root.as_ref()), text::to_base64(self.header.as_ref()));
        let Self { chain, size, epoch, .. } = self;
        format!("{ORIGIN}{chain}\n{size}\n{root}\nheader {header}\nepoch {epoch}\n")
    }

    /// The signed note: body, a blank line, one signature line for each validator and its cosignature, and after it one with its ML-DSA
    /// signature where it has such a key.
    pub fn note<'a>(&self, cosignatures: impl IntoIterator<Item = (&'a Validator, Cosignature)>) -> String {
        let mut note = self.body();
        note.push('\n');
        let mut line = |name: &str, id: [u8; 4], time: u64, signature: &[u8]| {
            let blob = [&id, &time.to_be_bytes()[..], signature].concat();
            writeln!(note, "\u{2014} {name} {}", text::to_base64(&blob)).expect("writing to a String cannot fail");
        };
        for (Validator { name, key, ml_dsa }, Cosignature { time, signature, ml_dsa: also }) in cosignatures {
            line(name, key_id(name, COSIGNATURE_V1, key.0.as_ref()), time, signature.0.as_ref());
            if let (Some(key), Some(also)) = (ml_dsa, also) {
                line(name, ml_dsa_key_id(name, key), time, also.as_ref());
            }
        }
        note
    }

    /// Cosigns: `signer` signs exactly the bytes it is given. `time` is in Unix seconds.
    ///
    /// # Errors
    /// Those of `signer`.
    pub fn cosign<E>(&self, time: u64, signer: impl FnOnce(&[u8]) -> Result<Signature, E>) -> Result<Cosignature, E> {
        Ok(Cosignature { time, signature: signer(self.cosigned(time).as_bytes())?, ml_dsa: None })
    }

    /// Adds to a validator's cosignature what its ML-DSA key says: `signer` signs the bytes it is given under the label.
    ///
    /// # Errors
    /// Those of `signer`.
    pub fn cosign_ml_dsa<E>(
        &self,
        name: &str,
        cosignature: Cosignature,
        signer: impl FnOnce(Label, &[u8]) -> Result<mldsa::Signature, E>,
    ) -> Result<Cosignature, E> {
        let signature = signer(Label::COSIGNATURE, &self.claimed(name, cosignature.time))?;
        Ok(Cosignature { ml_dsa: Some(signature), ..cosignature })
    }

    /// Verifies the Ed25519 signature of a cosignature, and no other: what a validator's is worth says [`Validator::verify`].
    ///
    /// # Errors
    /// [`crypto::InvalidSignature`].
    pub fn verify(&self, key: &PublicKey, cosignature: &Cosignature) -> Result<(), crypto::InvalidSignature> {
        key.verify_raw(self.cosigned(cosignature.time).as_bytes(), &cosignature.signature)
    }

    /// Verifies what a validator's ML-DSA key says of this checkpoint.
    pub(crate) fn verify_ml_dsa(
        &self,
        name: &str,
        key: &mldsa::PublicKey,
        time: u64,
        signature: &mldsa::Signature,
    ) -> Result<(), InvalidSignature> {
        key.verify(Label::COSIGNATURE, &self.claimed(name, time), signature)
    }

    /// Reads a body written by [`Checkpoint::body`]; any other spelling is refused.
    pub(crate) fn parse_body(body: &str) -> Option<Self> {
        let mut lines = body.split('\n');
        let mut next = || lines.next();
        let chain = next()?.strip_prefix(ORIGIN)?.parse().ok()?;
        let size = next()?.parse().ok()?;
        let root = digest(next()?)?;
        let header = digest(next()?.strip_prefix("header ")?)?;
        let epoch = next()?.strip_prefix("epoch ")?.parse().ok()?;
        let checkpoint = Self { chain, size, root, header, epoch };
        (checkpoint.body() == body).then_some(checkpoint)
    }

    /// Reads a validator's signature lines against the epoch, one, or two where the epoch demands ML-DSA: names and key ids must be the
    /// validator's, and both lines say one time.
    fn parse_signature<'a>(lines: &[String], epoch: &'a Epoch) -> Option<(usize, &'a Validator, Cosignature)> {
        let (first, also) = lines.split_first()?;
        let (name, id, rest) = signature_line(first)?;
        let (place, validator) = epoch.validator(name)?;
        let of_key = id == key_id(name, COSIGNATURE_V1, validator.key.0.as_ref());
        let mut cosignature = timed(&rest).filter(|_| of_key)?;
        match (&validator.ml_dsa, also) {
            (None, []) => {}
            (Some(key), [also]) => {
                let (other, id, rest) = signature_line(also)?;
                let (time, signature) = timed_ml_dsa(&rest)?;
                if (other, id, time) != (name, ml_dsa_key_id(name, key), cosignature.time) {
                    return None;
                }
                cosignature.ml_dsa = Some(signature);
            }
            _ => return None,
        }
        Some((place, validator, cosignature))
    }

    /// What a validator's ML-DSA key signs under its label: its name too, unlike version 1 of C2SP's cosignatures.
    fn claimed(&self, name: &str, time: u64) -> Vec<u8> {
        #[derive(Encode)]
        #[cbor(array)]
        struct Claim<'a> {
            #[n(0)]
            name: &'a str,
            #[n(1)]
            time: u64,
            #[n(2)]
            body: &'a str,
        }
        wire::to_vec(&Claim { name, time, body: &self.body() })
    }

    fn cosigned(&self, time: u64) -> String {
        format!("cosignature/v1\ntime {time}\n{}", self.body())
    }
}

/// A validator's signature over a checkpoint at a time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Cosignature {
    /// When, Unix seconds.
    #[n(0)]
    pub time: u64,
    /// Ed25519 over `cosignature/v1\ntime <time>\n<body>`.
    #[n(1)]
    pub signature: Signature,
    /// ML-DSA-65 over the validator's name, the time and the body, where its epoch demands it.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ml_dsa: Option<mldsa::Signature>,
}

/// A note key's id (C2SP `signed-note`): the first four bytes of `SHA-256(name ‖ 0x0A ‖ kind ‖ key)`.
pub fn key_id(name: &str, kind: u8, key: &[u8]) -> [u8; 4] {
    let digest = sha256(&[name.as_bytes(), b"\n", &[kind], key]);
    *digest.as_bytes().first_chunk().expect("a digest has 32 bytes")
}

/// The note key id of a validator's ML-DSA key: type `0xff`, which C2SP leaves to others, and the name of this one.
pub fn ml_dsa_key_id(name: &str, key: &mldsa::PublicKey) -> [u8; 4] {
    let digest = sha256(&[name.as_bytes(), b"\n", ML_DSA_TYPE, key.as_ref()]);
    *digest.as_bytes().first_chunk().expect("a digest has 32 bytes")
}

/// Name, key id and signature of a line; the last as its algorithm has it.
fn signature_line(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let blob = text::base64(blob).ok()?;
    let (id, rest) = blob.split_first_chunk::<4>()?;
    Some((name, *id, rest.to_vec()))
}

fn digest(base64: &str) -> Option<Digest> {
    Some(Digest(wire::Fixed::from_slice(&text::base64(base64).ok()?)?))
}

const ORIGIN: &str = "sottovoce/";

/// The note signature type of `tlog-cosignature` v1 with Ed25519.
pub(crate) const COSIGNATURE_V1: u8 = 4;

/// The note signature type of [`ml_dsa_key_id`].
const ML_DSA_TYPE: &[u8] = b"\xffsottovoce/ml-dsa-65";

/// What stands after the key id in a signature line, verified under `key`: when it was cosigned.
pub(crate) fn verify_cosigned(checkpoint: &Checkpoint, key: &PublicKey, rest: &[u8]) -> Option<u64> {
    let cosignature = timed(rest)?;
    checkpoint.verify(key, &cosignature).ok()?;
    Some(cosignature.time)
}

/// Verifies that exactly a quorum of the validators that answer for a checkpoint cosigned it, in their epoch's order;
/// their names, and whether they did with ML-DSA as well, as their epoch demands or not.
pub(crate) fn verify_quorum(
    checkpoint: &Checkpoint,
    lines: &[String],
    consortium: &Consortium,
) -> Result<(Vec<String>, bool), ReceiptError> {
    let epoch = &consortium.accountable(checkpoint)?.epoch();
    let (quorum, demands) = (epoch.quorum(), epoch.demands_ml_dsa());
    let each = if demands { 2 } else { 1 };
    if demands && lines.len() == quorum {
        return Err(ReceiptError::MlDsa { epoch: epoch.number, found: 0, expected: quorum });
    }
    if lines.len() != quorum * each {
        return Err(ReceiptError::Quorum { found: lines.len(), expected: quorum * each });
    }
    let mut cosigners = Vec::new();
    let mut next = 0;
    for (at, lines) in lines.chunks(each).enumerate() {
        let refused = ReceiptError::Cosignature { at };
        let (place, validator, cosignature) = Checkpoint::parse_signature(lines, epoch).ok_or(refused.clone())?;
        if place < next {
            return Err(ReceiptError::CosignatureOrder { at });
        }
        validator.verify(checkpoint, &cosignature).map_err(|_| refused)?;
        next = place + 1;
        cosigners.push(validator.name.clone());
    }
    Ok((cosigners, demands))
}

#[cfg(test)]
mod tests {
    use crypto::SigningKey;

    use super::*;

    fn sample() -> Checkpoint {
        let d = |byte| Digest::from([byte; 32]);
        Checkpoint { chain: d(1), size: 42, root: d(2), header: d(3), epoch: 7 }
    }

    #[test]
    fn the_note_has_the_documented_bytes() {
        let validator = Validator::new("st-anna".into(), SigningKey::from_seed(&[5; 32]).public());
        let cosignature = Cosignature { time: 1_679_315_147, signature: Signature(wire::Fixed([9; 64])), ml_dsa: None };
        let note = sample().note([(&validator, cosignature)]);
        let lines: Vec<&str> = note.split('\n').collect();
        assert_eq!(lines[0], "sottovoce/".to_owned() + &"01".repeat(32));
        assert_eq!(
            lines[1..7],
            [
                "42",
                "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
                "header AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=",
                "epoch 7",
                "",
                lines[6],
            ]
        );
        let blob = text::base64(lines[6].strip_prefix("— st-anna ").unwrap()).unwrap();
        assert_eq!(blob[..4], key_id("st-anna", 4, validator.key.0.as_ref()));
        assert_eq!(blob[4..12], 1_679_315_147u64.to_be_bytes());
        assert_eq!(blob[12..], [9; 64]);
        assert_eq!(lines[7..], [""]);
        assert!(sample().cosigned(1_679_315_147).starts_with("cosignature/v1\ntime 1679315147\nsottovoce/0101"));
    }

    #[test]
    fn the_key_id_of_a_published_note_key() {
        // golang.org/x/mod/sumdb/note's documentation: PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW
        let key = text::base64("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        assert_eq!(text::to_hex(&key_id("PeterNeumann", key[0], &key[1..])), "c74f20a3");
        // And its signature, so that raw verification is the one that notes mean.
        let message =
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let blob = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let blob = text::base64(blob).unwrap();
        let key = PublicKey(wire::Fixed::from_slice(&key[1..]).unwrap());
        let signature = Signature(wire::Fixed::from_slice(&blob[4..]).unwrap());
        assert_eq!(text::to_hex(&blob[..4]), "c74f20a3");
        assert!(key.verify_raw(message.as_bytes(), &signature).is_ok());
        assert!(key.verify_raw(&message.as_bytes()[1..], &signature).is_err());
    }

    #[test]
    fn bodies_have_one_spelling() {
        let body = sample().body();
        assert_eq!(Checkpoint::parse_body(&body), Some(sample()));
        for other in [
            body.replace("\n42\n", "\n042\n"),
            body.replace("\n42\n", "\n+42\n"),
            body.replace("epoch 7", "epoch  7"),
            body.replace("AwM=", "AwN="),
            body.replace("sottovoce/01", "sottovoce/0A"),
            format!("{body}more\n"),
            format!("{body}\n"),
            body.trim_end().to_owned(),
            body.replace('\n', "\r\n"),
        ] {
            assert_ne!(other, body);
            assert_eq!(Checkpoint::parse_body(&other), None, "{other}");
        }
    }

    #[test]
    fn cosignatures_bind_time_and_body() {
        let key = SigningKey::generate();
        let cosignature = sample().cosign(5, |message| Ok::<_, ()>(key.sign_raw(message))).unwrap();
        assert!(sample().verify(&key.public(), &cosignature).is_ok());
        assert!(sample().verify(&key.public(), &Cosignature { time: 6, ..cosignature.clone() }).is_err());
        assert!(Checkpoint { epoch: 8, ..sample() }.verify(&key.public(), &cosignature).is_err());
        assert!(sample().verify(&SigningKey::generate().public(), &cosignature).is_err());
    }
}
