//! Contracts signed twice: with Ed25519 and, where the members have decided on it, with ML-DSA-65.
//!
//! The second signature stands as one more field at the end of the arguments, and is over the transaction without it: here are its form,
//! the keys that make it, and who needs it. The format page is `docs/spec/signers.md`.

use std::borrow::Cow;

use crypto::{Digest, Label, PublicKey, mldsa};
use ledger::{Failure, Transaction};

use crate::application::World;
use crate::message::SignerRegister;
use crate::ordering::MAX_CHANGES;
use crate::record::{MemberKey, Notice, Principal, Signer, SignerKey};
use crate::{code, key, read};

/// The transactions that are signed twice: contract, method, and how many fields their arguments have without the second signature.
pub const SIGNED_TWICE: [(&str, &str, u8); 6] = [
    ("contracts", "offer", 1),
    ("contracts", "amend", 2),
    ("contracts", "resume", 1),
    ("requests", "apply", 5),
    ("requests", "approve", 3),
    ("members", "principal_add", 3),
];

/// The arguments of `contract.method` without the second signature, and that, where there is one. What has not the form is given back as
/// it is, and is then no method's arguments.
pub fn split<'a>(contract: &str, method: &str, arguments: &'a [u8]) -> (Cow<'a, [u8]>, Option<mldsa::Signature>) {
    let signed = || {
        let fields = fields(contract, method)?;
        let (&first, _) = arguments.split_first()?;
        let rest = arguments.len().checked_sub(mldsa::SIGNATURE)?;
        let (rest, signature) = arguments.split_at_checked(rest)?;
        let rest = rest.strip_suffix(&SIGNATURE_HEAD)?;
        (first == array(fields + 1) && !rest.is_empty()).then_some(())?;
        let mut plain = rest.to_vec();
        plain[0] = array(fields);
        Some((Cow::Owned(plain), Some(mldsa::Signature::from_slice(signature)?)))
    };
    signed().unwrap_or((Cow::Borrowed(arguments), None))
}

/// Arguments of `contract.method` with a second signature; none where the method has no place for one, or these are not its arguments.
pub fn join(contract: &str, method: &str, plain: &[u8], signature: &mldsa::Signature) -> Option<Vec<u8>> {
    let fields = fields(contract, method)?;
    let (first, rest) = plain.split_first()?;
    (*first == array(fields)).then_some(())?;
    Some([&[array(fields + 1)][..], rest, &SIGNATURE_HEAD, signature.as_ref()].concat())
}

/// What the second signature of a transaction is over, under [`Label::CONTRACT`]: the transaction with these arguments, without it.
pub fn signed_twice(transaction: &Transaction, plain: &[u8]) -> Vec<u8> {
    wire::to_vec(&Transaction { arguments: plain.to_vec().into(), ..transaction.clone() })
}

/// What a signer's new ML-DSA key, and the one before, sign under [`Label::SIGNER`]: canonical CBOR of `[chain, signer, key]`.
pub fn statement(chain: &Digest, signer: &PublicKey, key: &mldsa::PublicKey) -> Vec<u8> {
    wire::to_vec(&(chain, signer, key))
}

impl SignerRegister {
    /// Whether the key has signed that it is this signer's, for this chain.
    pub fn is_possessed(&self, chain: &Digest, signer: &PublicKey) -> bool {
        self.key.verify(Label::SIGNER, &statement(chain, signer, &self.key), &self.possession).is_ok()
    }

    /// Whether `before` has signed that the key takes its place; none where nothing says so.
    pub fn is_handed_over(&self, chain: &Digest, signer: &PublicKey, before: &mldsa::PublicKey) -> Option<bool> {
        let statement = statement(chain, signer, &self.key);
        self.handover.as_ref().map(|handover| before.verify(Label::SIGNER, &statement, handover).is_ok())
    }
}

/// A signer has an ML-DSA key, its first or another.
pub(crate) fn register(world: &mut World<'_>, registration: &SignerRegister) -> Result<(), Failure> {
    let signer = world.sender()?;
    let before = read::signer(world.state, &signer)?;
    if before.is_none() && !read::asks_signing(world.state)? {
        // As on ledgers of versions that knew of none.
        let message = "no method `signers.register` while the parameters do not ask for ML-DSA on contracts";
        return Err(code::UNKNOWN_METHOD.refuse(message));
    }
    let id = registration.key.id();
    let validators = read::ml_dsa_holder(world.state, &id)?;
    if validators.is_some() || read::signer_key(world.state, &id)?.is_some() {
        return Err(code::KEY_TAKEN.refuse("the ML-DSA key was registered before"));
    }
    if !registration.is_possessed(&world.chain, &signer) {
        return Err(code::BAD_SIGNATURE.refuse("the ML-DSA key has not signed that it is this signer's"));
    }
    let changes = match &before {
        None if registration.handover.is_some() => {
            return Err(code::MALFORMED.refuse("the signer has no ML-DSA key that could hand over to this one"));
        }
        None => 0,
        Some(before) => match registration.is_handed_over(&world.chain, &signer, &before.key) {
            None => {
                let message = "the signer has an ML-DSA key, which alone can put another in its place";
                return Err(code::ML_DSA_MISSING.refuse(message));
            }
            Some(false) => {
                return Err(code::BAD_SIGNATURE.refuse("the signer's ML-DSA key has not handed over to this one"));
            }
            Some(true) if before.changes >= MAX_CHANGES => {
                return Err(code::TOO_MANY.refuse(format!("a signer's ML-DSA key changes {MAX_CHANGES} times at most")));
            }
            Some(true) => before.changes + 1,
        },
    };
    let record = Signer { key: registration.key.clone(), since: world.now, transaction: world.id, changes };
    world.put(key::signer(&signer), &record);
    world.put(key::signer_key(&id), &SignerKey { signer, transaction: world.id });
    let members = member(world, &signer)?.into_iter().collect();
    let notice = Notice { members, detail: id.to_string(), ..world.notice(signer) };
    world.emit("signer.registered", notice);
    Ok(())
}

/// Holds a transaction to its second signature, where it has or needs one; its arguments without that. The world then knows the key.
pub(crate) fn check<'a>(world: &mut World<'_>, transaction: &'a Transaction) -> Result<Cow<'a, [u8]>, Failure> {
    let (contract, method) = (transaction.contract.as_str(), transaction.method.as_str());
    if fields(contract, method).is_none() {
        return Ok(Cow::Borrowed(&transaction.arguments));
    }
    let (plain, signature) = split(contract, method, &transaction.arguments);
    let missing = |message: &str| Err(code::ML_DSA_MISSING.refuse(message));
    match (read::signer(world.state, &transaction.sender)?, signature) {
        (Some(signer), Some(signature)) => {
            let statement = signed_twice(transaction, &plain);
            if signer.key.verify(Label::CONTRACT, &statement, &signature).is_err() {
                return Err(code::BAD_SIGNATURE.refuse("the second signature is not the sender's ML-DSA key's"));
            }
            world.ml_dsa = Some(signer.key.id());
            Ok(plain)
        }
        (Some(_), None) => missing("the sender has registered an ML-DSA key, and has not signed with it"),
        (None, signature) => match (read::asks_signing(world.state)?, signature) {
            (true, _) => missing("contracts are signed with ML-DSA too, and the sender has registered no such key"),
            (false, Some(_)) => Err(code::MALFORMED.refuse("a second signature by a sender without an ML-DSA key")),
            (false, None) => Ok(plain),
        },
    }
}

/// The member that a key belongs to, if any.
fn member(world: &World<'_>, signer: &PublicKey) -> Result<Option<String>, Failure> {
    match world.get::<MemberKey>(&key::member_key(signer))? {
        Some(held) => Ok(Some(held.member)),
        None => Ok(world.get::<Principal>(&key::principal(signer))?.map(|principal| principal.member)),
    }
}

fn fields(contract: &str, method: &str) -> Option<u8> {
    let found = SIGNED_TWICE.iter().find(|(its, named, _)| (*its, *named) == (contract, method));
    found.map(|(_, _, fields)| *fields)
}

/// The head of an array of so many items, fewer than 24.
const fn array(items: u8) -> u8 {
    0x80 | items
}

/// The head of a byte string of 3,309 bytes.
const SIGNATURE_HEAD: [u8; 3] = [0x59, (mldsa::SIGNATURE >> 8) as u8, mldsa::SIGNATURE as u8];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::{Bytes, Limits};

    use super::*;

    fn signature(byte: u8) -> mldsa::Signature {
        mldsa::Signature::from_slice(&[byte; mldsa::SIGNATURE]).unwrap()
    }

    #[test]
    fn a_signed_form_is_the_array_with_one_more_field() {
        let plain = wire::to_vec(&(Digest::from([1; 32]), Digest::from([2; 32]), true));
        let joined = join("requests", "approve", &plain, &signature(7)).unwrap();
        type Signed = (Digest, Digest, bool, Bytes);
        let read: Signed = wire::from_slice(&joined, Limits::small()).unwrap();
        assert_eq!(read.3.0, [7; mldsa::SIGNATURE]);
        assert_eq!(split("requests", "approve", &joined), (Cow::Owned(plain.clone()), Some(signature(7))));
        // Other methods have no such place, and other arguments are left alone.
        assert_eq!(join("contracts", "suspend", &plain, &signature(7)), None);
        assert_eq!(join("contracts", "offer", &plain, &signature(7)), None);
        for (contract, method) in [("requests", "apply"), ("requests", "cancel"), ("approve", "requests")] {
            assert_eq!(split(contract, method, &joined), (Cow::Borrowed(&joined[..]), None));
        }
        for cut in [0, 1, 2, plain.len(), joined.len() - 1] {
            assert_eq!(split("requests", "approve", &joined[..cut]).1, None);
        }
    }

    #[test]
    fn every_method_has_a_head_of_one_byte() {
        for (contract, method, fields) in SIGNED_TWICE {
            assert!(fields + 1 < 24);
            let plain = [&[array(fields)][..], &vec![0xf6; usize::from(fields)]].concat();
            let joined = join(contract, method, &plain, &signature(1)).unwrap();
            assert_eq!(split(contract, method, &joined), (Cow::Owned(plain), Some(signature(1))));
        }
    }

    proptest! {
        #[test]
        fn what_is_split_is_joined_again(bytes in prop::collection::vec(any::<u8>(), 0..40), tail: bool, head in 0x80u8..0x88) {
            let mut bytes = bytes;
            if tail {
                bytes.insert(0, head);
                bytes.extend(SIGNATURE_HEAD);
                bytes.extend([9; mldsa::SIGNATURE]);
            }
            for (contract, method, _) in SIGNED_TWICE {
                match split(contract, method, &bytes) {
                    (plain, Some(signature)) => {
                        prop_assert_eq!(join(contract, method, &plain, &signature).unwrap(), bytes.clone());
                        prop_assert_eq!(split(contract, method, &plain).1, None);
                    }
                    (plain, None) => prop_assert_eq!(&*plain, &bytes[..]),
                }
            }
        }
    }
}
