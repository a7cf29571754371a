//! Signed checkpoints as others publish them: the note, who of the consortium cosigned it, and which witnesses.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crypto::{PublicKey, Signature, mldsa};
use wire::{Fixed, text};

use crate::checkpoint::{COSIGNATURE_V1, verify_cosigned};
use crate::{Checkpoint, Consortium, Cosignature, Epoch, ReceiptError, key_id, ml_dsa_key_id};

/// A checkpoint with signature lines (C2SP `signed-note`), read but not verified: nothing in it can be believed yet.
///
/// Unlike a receipt, which carries exactly a quorum, a note carries whatever lines its publisher has: more validators'
/// than needed, witnesses', and such as this reader does not know and ignores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    checkpoint: Checkpoint,
    lines: Vec<Line>,
}

/// A signature line: `— <name> <base64 of key id and signature>`. Lines come by name, key id, and what follows it: the time first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) name: String,
    id: [u8; 4],
    rest: Vec<u8>,
}

impl Note {
    /// Reads a note of at most 1 MiB and 512 signature lines.
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE {
            return Err(NoteError::Form);
        }
        let read = || {
            let (body, signatures) = note.split_once("\n\n")?;
            let checkpoint = Checkpoint::parse_body(&format!("{body}\n"))?;
            let lines = signatures.strip_suffix('\n')?.split('\n').map(Line::read).collect::<Option<Vec<_>>>()?;
            (lines.len() <= MAX_LINES).then_some(Self { checkpoint, lines })
        };
        read().ok_or(NoteError::Form)
    }

    /// What is claimed.
    pub const fn danger_unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Adds a signature line as a witness returned it; false where it is malformed or there already.
    pub fn add_line(&mut self, line: &str) -> bool {
        match Line::read(line) {
            Some(line) if !self.lines.contains(&line) && self.lines.len() < MAX_LINES => {
                self.lines.push(line);
                true
            }
            _ => false,
        }
    }

    /// Verifies against the pinned consortium: chain, that the log's size lies within the epoch, and cosignatures of a quorum
    /// of its validators at least, each by both its keys where the epoch demands ML-DSA. Lines of others are ignored; a line under a
    /// validator's name and a key id of its that does not verify refuses the whole note.
    ///
    /// # Errors
    /// [`NoteError::Unproven`].
    pub fn verify(&self, consortium: &Consortium) -> Result<VerifiedNote, NoteError> {
        let epoch = consortium.accountable(&self.checkpoint)?.epoch();
        let (mut cosigners, mut ml_dsa) = (BTreeSet::new(), BTreeSet::new());
        for (at, line) in self.lines.iter().enumerate() {
            let Some((place, validator)) = epoch.validator(&line.name) else { continue };
            let name = &validator.name;
            let first = line.id == key_id(name, COSIGNATURE_V1, validator.key.0.as_ref());
            let second = validator.ml_dsa.as_ref().filter(|key| line.id == ml_dsa_key_id(name, key));
            let refused = ReceiptError::Cosignature { at };
            // Where both ids are one, the length tells.
            match (second.zip(timed_ml_dsa(&line.rest)), first) {
                (Some((key, (time, signature))), _) => {
                    self.checkpoint.verify_ml_dsa(name, key, time, &signature).map_err(|_| refused)?;
                    ml_dsa.insert(place);
                }
                (None, true) => {
                    verify_cosigned(&self.checkpoint, &validator.key, &line.rest).ok_or(refused)?;
                    cosigners.insert(place);
                }
                (None, false) if second.is_some() => return Err(refused.into()),
                (None, false) => {}
            }
        }
        let expected = epoch.quorum();
        if cosigners.len() < expected {
            return Err(ReceiptError::Quorum { found: cosigners.len(), expected }.into());
        }
        if epoch.demands_ml_dsa() {
            cosigners.retain(|place| ml_dsa.contains(place));
            if cosigners.len() < expected {
                let (epoch, found) = (epoch.number, cosigners.len());
                return Err(ReceiptError::MlDsa { epoch, found, expected }.into());
            }
        }
        let cosigners = cosigners.into_iter().map(|place| epoch.validators[place].name.clone()).collect();
        Ok(VerifiedNote { checkpoint: self.checkpoint, cosigners, ml_dsa: epoch.demands_ml_dsa() })
    }

    /// When a witness cosigned this checkpoint, Unix seconds; none where it has not, or its line does not verify.
    pub fn witnessed(&self, witness: &WitnessKey) -> Option<u64> {
        self.lines.iter().find_map(|line| line.cosigned(witness, &self.checkpoint))
    }

    /// The lines for a receipt's testimony, in its order, at most `most`, none twice: those that these witnesses have made; without such, all
    /// that have the form of a witness's and are of no validator of the epoch. Of several by one key the earliest.
    pub(crate) fn testimony(&self, epoch: &Epoch, pinned: Option<&[WitnessKey]>, most: usize) -> Vec<Line> {
        let of_validator = |line: &Line| {
            let keys = epoch.validator(&line.name).map(|(_, validator)| (&validator.key, validator.ml_dsa.as_ref()));
            keys.is_some_and(|(key, ml_dsa)| {
                line.id == key_id(&line.name, COSIGNATURE_V1, key.0.as_ref())
                    || ml_dsa.is_some_and(|key| line.id == ml_dsa_key_id(&line.name, key))
            })
        };
        let fits = |line: &&Line| match pinned {
            Some(keys) => keys.iter().any(|key| line.cosigned(key, &self.checkpoint).is_some()),
            None => line.is_witness() && !of_validator(line),
        };
        let mut lines: Vec<Line> = self.lines.iter().filter(fits).cloned().collect();
        lines.sort();
        lines.dedup_by(|later, earlier| !earlier.precedes(later));
        lines.truncate(most);
        lines
    }
}

impl Line {
    pub(crate) fn read(line: &str) -> Option<Self> {
        let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let blob = text::base64(blob).ok()?;
        let (id, rest) = blob.split_first_chunk::<4>()?;
        let well_formed = is_key_name(name) && !rest.is_empty();
        well_formed.then(|| Self { name: name.to_owned(), id: *id, rest: rest.to_vec() })
    }

    /// Whether it has the form of a witness's: such a name, a time, and as many bytes as an Ed25519 signature has.
    pub(crate) fn is_witness(&self) -> bool {
        WitnessKey::is_name(&self.name) && timed(&self.rest).is_some()
    }

    /// Whether it stands under the witness's name and key id.
    pub(crate) fn is_of(&self, witness: &WitnessKey) -> bool {
        self.name == witness.name && self.id == witness.id()
    }

    /// When the witness cosigned the checkpoint, Unix seconds; none where this is not its line, or does not verify.
    pub(crate) fn cosigned(&self, witness: &WitnessKey, checkpoint: &Checkpoint) -> Option<u64> {
        self.is_of(witness).then(|| verify_cosigned(checkpoint, &witness.key, &self.rest)).flatten()
    }

    /// Whether it comes before another in a testimony, which has one line for each name and key id.
    pub(crate) fn precedes(&self, other: &Self) -> bool {
        (&self.name, self.id) < (&other.name, other.id)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, id, rest } = self;
        write!(f, "\u{2014} {name} {}", text::to_base64(&[id.as_slice(), rest].concat()))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.checkpoint.body())?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A checkpoint that a quorum of its epoch's validators cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedNote {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Who cosigned, in the epoch's order.
    pub cosigners: Vec<String>,
    /// Whether they cosigned with ML-DSA-65 as well, as the epoch demands.
    pub ml_dsa: bool,
}

/// A witness as others name it: C2SP's verifier key, `<name>+<key id>+<base64 of 0x04 and the Ed25519 key>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WitnessKey {
    name: String,
    key: PublicKey,
}

impl WitnessKey {
    /// A witness's name and key.
    ///
    /// # Errors
    /// [`NoteError::Witness`] unless the name has 1–128 visible ASCII characters, no plus sign among them.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, NoteError> {
        if Self::is_name(name) { Ok(Self { name: name.to_owned(), key }) } else { Err(NoteError::Witness) }
    }

    /// Whether a witness may have this name.
    pub fn is_name(name: &str) -> bool {
        is_key_name(name) && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// The name in its signature lines.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its key.
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// The line that carries its cosignature, without a line end.
    pub fn line(&self, cosignature: &Cosignature) -> String {
        let Cosignature { time, signature, ml_dsa: _ } = cosignature;
        let blob = [self.id().as_slice(), &time.to_be_bytes(), signature.0.as_ref()].concat();
        format!("\u{2014} {} {}", self.name, text::to_base64(&blob))
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, COSIGNATURE_V1, self.key.0.as_ref())
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[COSIGNATURE_V1], self.key.0.as_ref()].concat();
        write!(f, "{}+{}+{}", self.name, text::to_hex(&self.id()), text::to_base64(&key))
    }
}

impl FromStr for WitnessKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let read = || {
            // Base64 may hold plus signs; a name may not.
            let mut parts = text.splitn(3, '+');
            let (name, _, key) = (parts.next()?, parts.next()?, text::base64(parts.next()?).ok()?);
            let key = key.strip_prefix(&[COSIGNATURE_V1])?;
            let key = Self::new(name, PublicKey(Fixed::from_slice(key)?)).ok()?;
            (key.to_string() == text).then_some(key)
        };
        read().ok_or(NoteError::Witness)
    }
}

/// Why a note proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Not a checkpoint of a chain with signature lines, or too long.
    #[error("the text is not a signed checkpoint of a chain")]
    Form,
    /// Not a witness's verifier key.
    #[error("not the key of a witness: `<name>+<key id>+<base64 of type 4 and an Ed25519 key>`")]
    Witness,
    /// The consortium does not stand behind it.
    #[error(transparent)]
    Unproven(#[from] ReceiptError),
    /// No witness, or none of those named, has cosigned it.
    #[error("no witness has cosigned the checkpoint of {size} entries")]
    Unwitnessed {
        /// Its size.
        size: u64,
    },
}

/// Signature over a checkpoint: what stands after the key id.
pub(crate) fn timed(rest: &[u8]) -> Option<Cosignature> {
    let (time, signature) = rest.split_first_chunk::<8>()?;
    let signature = Signature(Fixed::from_slice(signature)?);
    Some(Cosignature { time: u64::from_be_bytes(*time), signature, ml_dsa: None })
}

/// The same of an ML-DSA line.
pub(crate) fn timed_ml_dsa(rest: &[u8]) -> Option<(u64, mldsa::Signature)> {
    let (time, signature) = rest.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*time), mldsa::Signature::from_slice(signature)?))
}

/// A name of a note key: not empty, no spaces, no control characters, no plus sign.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|one| one.is_whitespace() || one.is_control() || one == '+')
}

/// Longest note: 1 MiB. An ML-DSA line has 4.5 KiB, and an epoch up to 128 validators.
pub const MAX_NOTE: usize = 1 << 20;

/// Most signature lines: four times as many as an epoch may have validators.
const MAX_LINES: usize = 512;

#[cfg(test)]
mod tests {
    use crypto::{Digest, SigningKey};

    use super::*;
    use crate::{Genesis, Validator};

    fn keys() -> Vec<SigningKey> {
        (1..=4).map(|seed| SigningKey::from_seed(&[seed; 32])).collect()
    }

    fn validators() -> Vec<Validator> {
        let named = ["a", "b", "c", "d"].into_iter().zip(keys());
        named.map(|(name, key)| Validator::new(name.into(), key.public())).collect()
    }

    fn consortium() -> Consortium {
        let genesis = Genesis { name: "t".into(), created: 1, application: vec![].into(), nonce: Fixed([1; 16]) };
        let mut consortium = Consortium::new(&genesis);
        consortium.epochs.push(Epoch { number: 0, validators: validators() }.pinned(0));
        consortium
    }

    fn checkpoint() -> Checkpoint {
        let digest = |byte| Digest::from([byte; 32]);
        Checkpoint { chain: consortium().chain, size: 9, root: digest(2), header: digest(3), epoch: 0 }
    }

    fn signed(by: &[usize]) -> String {
        let (keys, validators) = (keys(), validators());
        let cosignature = |at: &usize| {
            (&validators[*at], checkpoint().cosign(5, |bytes| Ok::<_, ()>(keys[*at].sign_raw(bytes))).unwrap())
        };
        checkpoint().note(by.iter().map(cosignature))
    }

    #[test]
    fn a_quorum_or_more_in_any_order_proves_a_note() {
        for by in [vec![0, 1, 2], vec![3, 1, 0], vec![2, 3, 0, 1], vec![0, 0, 1, 2]] {
            let text = signed(&by);
            let note = Note::parse(&text).unwrap();
            assert_eq!(note.to_string(), text);
            assert_eq!(note.verify(&consortium()).unwrap().checkpoint, checkpoint(), "{by:?}");
        }
        for by in [vec![0, 1], vec![0, 0, 1], vec![1, 1, 1, 1]] {
            let refused = Note::parse(&signed(&by)).unwrap().verify(&consortium());
            assert!(matches!(refused, Err(NoteError::Unproven(ReceiptError::Quorum { .. }))), "{by:?}");
        }
    }

    #[test]
    fn strangers_lines_are_ignored_and_false_ones_are_not() {
        let stranger = WitnessKey::new("w.example/1", SigningKey::from_seed(&[9; 32]).public()).unwrap();
        let sign = |bytes: &[u8]| Ok::<_, ()>(SigningKey::from_seed(&[9; 32]).sign_raw(bytes));
        let mut note = Note::parse(&signed(&[0, 1, 2])).unwrap();
        assert_eq!(note.witnessed(&stranger), None);
        let line = stranger.line(&checkpoint().cosign(7, sign).unwrap());
        assert!(note.add_line(&line) && !note.add_line(&line) && !note.add_line("— w"));
        assert_eq!(note.witnessed(&stranger), Some(7));
        let note = Note::parse(&note.to_string()).unwrap();
        assert!(note.verify(&consortium()).is_ok());
        // A validator's name over another key is a stranger's; over its own key and another text, a lie.
        let imitated = WitnessKey::new("d", stranger.key()).unwrap();
        let mut note = Note::parse(&signed(&[0, 1, 2])).unwrap();
        assert!(note.add_line(&imitated.line(&checkpoint().cosign(7, sign).unwrap())));
        assert!(note.verify(&consortium()).is_ok());
        let other = Checkpoint { size: 8, ..checkpoint() };
        let own = WitnessKey::new("d", validators()[3].key).unwrap();
        assert!(note.add_line(&own.line(&other.cosign(7, |bytes| Ok::<_, ()>(keys()[3].sign_raw(bytes))).unwrap())));
        assert!(matches!(note.verify(&consortium()), Err(NoteError::Unproven(ReceiptError::Cosignature { at: 4 }))));
    }

    #[test]
    fn the_epoch_must_answer_for_it() {
        let note = Note::parse(&signed(&[0, 1, 2])).unwrap();
        let mut ended = consortium();
        ended.epochs.push(Epoch { number: 1, validators: validators() }.pinned(8));
        assert!(matches!(
            note.verify(&ended),
            Err(NoteError::Unproven(ReceiptError::OutsideEpoch { epoch: 0, size: 9 }))
        ));
        let mut other = consortium();
        other.chain = Digest::from([7; 32]);
        assert!(matches!(note.verify(&other), Err(NoteError::Unproven(ReceiptError::Chain { .. }))));
        let mut later = consortium();
        later.epochs[0].number = 1;
        assert!(matches!(note.verify(&later), Err(NoteError::Unproven(ReceiptError::UnknownEpoch { found: 0 }))));
    }

    #[test]
    fn notes_and_keys_have_one_spelling() {
        let text = signed(&[0, 1, 2]);
        for other in [
            text.trim_end().to_owned(),
            format!("{text}\n"),
            text.replacen("\n\n", "\n\n\n", 1),
            text.replace("— a ", "— a+b "),
            text.replace("— a ", "- a "),
            text.replace("— a ", "—  a "),
            text.replace("\n", "\r\n"),
            text.replace("=\n", "\n"),
            format!("{text}{}", "x".repeat(MAX_NOTE)),
            String::new(),
        ] {
            assert_eq!(Note::parse(&other), Err(NoteError::Form), "{other}");
        }
        let key = WitnessKey::new("w.example/1", SigningKey::from_seed(&[9; 32]).public()).unwrap();
        assert_eq!(key.to_string().parse::<WitnessKey>(), Ok(key.clone()));
        let text = key.to_string();
        for other in [text.replace('1', "2"), format!("{text} "), text.replace("w.", "W w."), text.replace("+B", "+A")]
        {
            assert_eq!(other.parse::<WitnessKey>(), Err(NoteError::Witness), "{other}");
        }
        assert!(["", "a b", "a+b", "é", "a\n"].iter().all(|name| WitnessKey::new(name, key.key()).is_err()));
    }
}
