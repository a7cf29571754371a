//! Verifiers of proofs: registered by ballots, asked by contracts in WebAssembly.
//!
//! The format page is `docs/spec/proofs.md`.

use std::fmt;

use crypto::{Digest, Label, hash};
use ledger::{Consortium, ConsortiumError, Failure, ProvenState, State, VerifiedState};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wasm::bounds::{MAX_FUEL, MAX_VERIFIER, PROOF, VERIFY};
use wire::{Bytes, Limits};

use crate::application::World;
use crate::message::{System, VerifierName, VerifierPlan};
use crate::record::{Notice, Proposal, Verifier};
use crate::{code, key, members, read};

/// Verifiers that a ledger has registered at a time.
pub const MAX_VERIFIERS: usize = 32;
/// Bytes of a verifying key.
pub const MAX_VERIFYING_KEY: usize = 32 * 1024;

/// Of every byte of a verifying key, which is read for every proof.
const KEY_BYTE: u64 = 32;
/// Of a signature by ML-DSA-65.
const ML_DSA: u64 = 100_000;
/// A consortium's arrays lie within each other no deeper.
const KEY: Limits = Limits { bytes: MAX_VERIFYING_KEY, depth: 16 };

/// A verifying key that was read and found good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyingKey {
    /// Who answers for another ledger.
    LedgerState(Consortium),
}

impl VerifyingKey {
    /// Reads the key of a system.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(system: System, bytes: &[u8]) -> Result<Self, KeyError> {
        let read = match system {
            System::LedgerState => {
                let consortium: Consortium = wire::from_slice(bytes, KEY).map_err(|error| match error {
                    wire::Error::TooLong { found, limit } => KeyError::TooLong { found, limit },
                    error => KeyError::Form(error.to_string()),
                })?;
                consortium.check()?;
                Self::LedgerState(consortium)
            }
        };
        // A call pays for the proof's bytes, too, and has something to do with what is proven.
        let (found, limit) = (PROOF + read.fuel(bytes.len()), MAX_FUEL / 2);
        if found > limit { Err(KeyError::TooDear { found, limit }) } else { Ok(read) }
    }

    /// What verifying one proof costs at most, where the key has so many bytes: besides what the proof's bytes do.
    pub fn fuel(&self, size: usize) -> u64 {
        let signatures = match self {
            Self::LedgerState(consortium) => {
                let of = |epoch: &ledger::PinnedEpoch| {
                    let epoch = epoch.epoch();
                    epoch.quorum() as u64 * (VERIFY + if epoch.demands_ml_dsa() { ML_DSA } else { 0 })
                };
                consortium.epochs.iter().map(of).max().unwrap_or_default()
            }
        };
        KEY_BYTE * size as u64 + signatures
    }

    /// What a proof proves, as the contract gets it; none where it proves nothing under this key.
    pub fn verify(&self, proof: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::LedgerState(consortium) => {
                let proof = ProvenState::parse(std::str::from_utf8(proof).ok()?).ok()?;
                let VerifiedState { header, key, value, .. } = proof.verify(consortium).ok()?;
                let (height, time) = (header.height, header.time);
                let value = value.map(Bytes);
                Some(wire::to_vec(&StateStatement { chain: header.chain, key: Bytes(key), value, height, time }))
            }
        }
    }

    /// The ledger whose proofs it verifies.
    pub fn ledger(&self) -> ForeignLedger {
        let Self::LedgerState(consortium) = self;
        let newest = consortium.epochs.last().map(ledger::PinnedEpoch::epoch);
        let validators = newest.iter().flat_map(|epoch| &epoch.validators);
        ForeignLedger {
            name: consortium.name.clone(),
            chain: consortium.chain,
            fingerprint: consortium.fingerprint(),
            epoch: newest.as_ref().map_or(0, |epoch| epoch.number),
            validators: validators.map(|validator| validator.name.clone()).collect(),
            quorum: newest.as_ref().map_or(0, |epoch| epoch.quorum() as u32),
            ml_dsa: newest.as_ref().is_some_and(ledger::Epoch::demands_ml_dsa),
        }
    }
}

/// Why bytes are no verifying key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Longer than a key may be.
    #[error("the key has {found} bytes, at most {limit} are accepted: leave the earliest epochs and the oracles out")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// Not of the system's form.
    #[error("the key is no consortium in canonical CBOR: {0}")]
    Form(String),
    /// A consortium that is none.
    #[error(transparent)]
    Consortium(#[from] ConsortiumError),
    /// A call has too little fuel for a proof and all else.
    #[error("a proof would cost {found} of fuel, and may cost {limit}: leave early epochs of many validators out")]
    TooDear {
        /// What it would cost.
        found: u64,
        /// What it may cost: half of what a call has.
        limit: u64,
    },
}

/// What a proof of another ledger's state proves: the CBOR that a contract reads.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StateStatement {
    /// The ledger.
    #[n(0)]
    pub chain: Digest,
    /// The key in its state.
    #[n(1)]
    pub key: Bytes,
    /// What stood there; none where nothing did.
    #[n(2)]
    pub value: Option<Bytes>,
    /// After which of its blocks.
    #[n(3)]
    pub height: u64,
    /// That block's time, Unix milliseconds.
    #[n(4)]
    pub time: u64,
}

/// Who answers for another ledger, for people to compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignLedger {
    /// The consortium's name.
    pub name: String,
    /// The chain.
    pub chain: Digest,
    /// The consortium file's fingerprint, in groups.
    pub fingerprint: String,
    /// The newest epoch that the file knows: proofs from later ones are refused.
    pub epoch: u64,
    /// That epoch's validators.
    pub validators: Vec<String>,
    /// How many of them have to cosign.
    pub quorum: u32,
    /// Whether they cosign with ML-DSA-65, too.
    pub ml_dsa: bool,
}

impl System {
    /// Its name and version.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LedgerState => "ledger.state/v1",
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a verifier is known by: `H(VERIFIER, [system, key])`.
pub fn verifier_digest(system: System, key: &[u8]) -> Digest {
    hash(Label::VERIFIER, &[system.name().as_bytes(), key])
}

/// Registers a verifier under its name, or in the place of the one that the proposal names.
pub(crate) fn register(world: &mut World<'_>, plan: &VerifierPlan, proposal: &Proposal) -> Result<(), Failure> {
    let VerifierPlan { name, system, key: bytes, replaces } = plan;
    members::check_name(name, MAX_VERIFIER, false)?;
    let read = VerifyingKey::read(*system, bytes).map_err(|error| match error {
        KeyError::TooLong { .. } => code::OVERSIZE.refuse(error.to_string()),
        error => code::VERIFIER_REFUSED.refuse(error.to_string()),
    })?;
    if read.ledger().chain == world.chain {
        return Err(code::VERIFIER_REFUSED.refuse("the key is this ledger's: verifiers are of others"));
    }
    let verifier = verifier_digest(*system, bytes);
    let before: Option<Verifier> = world.get(&key::verifier(name))?;
    match (&before, replaces) {
        (Some(before), _) if before.verifier == verifier => {
            return Err(code::ALREADY_RECORDED.refuse(format!("`{name}` is verifier {verifier}")));
        }
        (Some(before), Some(replaces)) if before.verifier == *replaces => {
            let old = kept(world.state, before)?.ledger().chain;
            if old != read.ledger().chain {
                let message = format!("`{name}` is of ledger {old}: retire it before the name is another's");
                return Err(code::VERIFIER_REFUSED.refuse(message));
            }
        }
        (Some(before), None) => {
            return Err(code::VERIFIER_EXISTS.refuse(format!("`{name}` is verifier {}", before.verifier)));
        }
        (_, Some(replaces)) => return Err(unknown(name, replaces)),
        (None, None) => check_number(world)?,
    }
    let number = world.get::<u64>(key::VERIFIER_COUNT)?.unwrap_or(0).saturating_add(1);
    let registered = Verifier {
        name: name.clone(),
        system: *system,
        verifier,
        number,
        fuel: read.fuel(bytes.len()),
        size: bytes.len() as u32,
        since: world.now,
        proposal: proposal.id,
    };
    world.put(key::VERIFIER_COUNT.into(), &number);
    world.put(key::verifier(name), &registered);
    world.put(key::verifying_key(name), bytes);
    let notice = Notice { detail: verifier.to_string(), ..world.notice(name) };
    world.emit("verifier.registered", notice);
    Ok(())
}

/// Takes a verifier off: its name is free.
pub(crate) fn retire(world: &mut World<'_>, named: &VerifierName) -> Result<(), Failure> {
    let VerifierName { name, verifier } = named;
    let found: Option<Verifier> = world.get(&key::verifier(name))?;
    if found.is_none_or(|found| found.verifier != *verifier) {
        return Err(unknown(name, verifier));
    }
    world.remove(key::verifier(name));
    world.remove(key::verifying_key(name));
    let notice = Notice { detail: verifier.to_string(), ..world.notice(name) };
    world.emit("verifier.retired", notice);
    Ok(())
}

/// What a proof proves under a registered verifier.
pub(crate) fn verify(state: &dyn State, name: &str, proof: &[u8]) -> Result<Option<Vec<u8>>, read::Error> {
    let Some(found) = read::verifier(state, name)? else { return Ok(None) };
    Ok(kept(state, &found)?.verify(proof))
}

/// The key of a registered verifier: it was found good then.
fn kept(state: &dyn State, verifier: &Verifier) -> Result<VerifyingKey, read::Error> {
    let place = key::verifying_key(&verifier.name);
    let bytes: Bytes = read::need(state, &place)?;
    VerifyingKey::read(verifier.system, &bytes)
        .map_err(|error| read::Error::Damaged { key: place, detail: error.to_string() })
}

fn unknown(name: &str, verifier: &Digest) -> Failure {
    code::UNKNOWN_VERIFIER.refuse(format!("verifier {verifier} is not registered as `{name}`"))
}

fn check_number(world: &World<'_>) -> Result<(), Failure> {
    match read::verifiers(world.state)?.len() < MAX_VERIFIERS {
        true => Ok(()),
        false => Err(code::TOO_MANY.refuse(format!("this ledger has {MAX_VERIFIERS} verifiers: retire one first"))),
    }
}
