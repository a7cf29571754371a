//! Where each record stands in the world state: short ASCII paths.

use crypto::escrow::EscrowKey;
use crypto::{Digest, PublicKey};

use crate::message::ContractVersion;
use crate::record::{Alarm, Trigger, TriggerKind};

pub(crate) const MEMBERS: &str = "member/";
pub(crate) const ISSUERS: &str = "issuer/";
pub(crate) const ASSETS: &str = "asset/";
pub(crate) const CONTRACTS: &str = "contract/";
pub(crate) const REQUESTS: &str = "request/";
/// Operators', nodes' and cosigners' keys.
pub(crate) const MEMBER_KEYS: &str = "member-key/";
pub(crate) const INSTALLED: &str = "module/installed/";
pub(crate) const VERIFIERS: &str = "verifier/registered/";
/// How many verifiers were ever registered.
pub(crate) const VERIFIER_COUNT: &str = "verifier/count";
pub(crate) const SIGNERS: &str = "signer/";
pub(crate) const EPOCHS: &str = "validators/epoch/";
pub(crate) const EPOCH: &str = "validators/current";
pub(crate) const ORACLE_EPOCHS: &str = "oracles/epoch/";
pub(crate) const ORACLES: &str = "oracles/current";
pub(crate) const QUORUM: &str = "ordering/quorum";
pub(crate) const PARAMETERS: &str = "governance/parameters";
/// How many members are suspended or removed.
pub(crate) const BARRED: &str = "governance/barred";
/// The group of oracles that a ballot decided last.
pub(crate) const DECIDED_ORACLES: &str = "governance/oracles";
/// The escrow agents that a ballot decided last.
pub(crate) const DECIDED_ESCROW: &str = "escrow/decided";
pub(crate) const ESCROW: &str = "escrow/current";
pub(crate) const ESCROW_EPOCHS: &str = "escrow/epoch/";
/// Openings by the time until which agents contribute.
pub(crate) const ESCROW_OPENINGS: &str = "escrow/opening-until/";
/// The delay of recoveries before it was made shorter.
pub(crate) const LONGER_DELAY: &str = "governance/delay";
/// That keys may be void.
pub(crate) const VOID: &str = "governance/void";
pub(crate) const RECOVERIES: &str = "recovery/";
pub(crate) const DUE: &str = "due/";
/// The same for contracts' windows and requests, of which there may be many: done when all else is.
pub(crate) const DEADLINES: &str = "deadline/";
/// What contracts in WebAssembly are to be called for.
pub(crate) const RINGING: &str = "alarm/";
/// At which height private payloads were begun with.
pub(crate) const PRIVATE_BEGUN: &str = "private/begun";
pub(crate) const PROPOSALS: &str = "proposal-by-time/";
pub(crate) const OPEN_PROPOSALS: &str = "proposal-open/";

pub(crate) fn member(name: &str) -> String {
    format!("{MEMBERS}{name}")
}

/// Whose key: operators', nodes' and cosigners' keys.
pub(crate) fn member_key(key: &PublicKey) -> String {
    format!("{MEMBER_KEYS}{key}")
}

/// The member whose node has a TLS key.
pub(crate) fn tls(spki: &Digest) -> String {
    format!("tls/{spki}")
}

pub(crate) fn invitation(token: &Digest) -> String {
    format!("invitation/{token}")
}

/// The validators of an epoch; numbers are padded so that their order is the keys' order.
pub(crate) fn epoch(number: u64) -> String {
    format!("{EPOCHS}{number:020}")
}

/// Where a member's node takes part in the ordering.
pub(crate) fn seat(member: &str) -> String {
    format!("ordering/seat/{member}")
}

/// The ML-DSA key that a member's node has registered last.
pub(crate) fn ml_dsa(member: &str) -> String {
    format!("ordering/ml-dsa/{member}")
}

/// Whose an ML-DSA key is, or was.
pub(crate) fn ml_dsa_key(id: &Digest) -> String {
    format!("ml-dsa-key/{id}")
}

/// The ML-DSA key with which a key signs contracts beside itself.
pub(crate) fn signer(key: &PublicKey) -> String {
    format!("{SIGNERS}{key}")
}

/// Whose such an ML-DSA key is, or was.
pub(crate) fn signer_key(id: &Digest) -> String {
    format!("signer-key/{id}")
}

/// How often a member's place among the validators, or its key there, has changed.
pub(crate) fn changes(member: &str) -> String {
    format!("ordering/changes/{member}")
}

pub(crate) fn principal(key: &PublicKey) -> String {
    format!("principal/{key}")
}

pub(crate) fn principals_of(member: &str) -> String {
    format!("principal-of/{member}/")
}

pub(crate) fn issuer(key: &PublicKey) -> String {
    format!("{ISSUERS}{key}")
}

pub(crate) fn issuer_name(name: &str) -> String {
    format!("issuer-name/{name}")
}

pub(crate) fn oracle_epoch(number: u64) -> String {
    format!("{ORACLE_EPOCHS}{number:020}")
}

pub(crate) fn confirmations(number: u64) -> String {
    format!("oracles/pending/{number:020}/")
}

pub(crate) fn escrow_epoch(number: u64) -> String {
    format!("{ESCROW_EPOCHS}{number:020}")
}

/// The newest epoch of the agents of an escrow key.
pub(crate) fn escrow_key(key: &EscrowKey) -> String {
    format!("escrow/key/{key}")
}

/// What is dealt, by dealer.
pub(crate) fn escrow_dealt(proposal: &Digest) -> String {
    format!("escrow/dealt/{proposal}/")
}

/// What is received, by agent.
pub(crate) fn escrow_received(proposal: &Digest) -> String {
    format!("escrow/received/{proposal}/")
}

/// Whose place it is under one of the two prefixes before.
pub(crate) fn escrow_place(prefix: &str, index: u16) -> String {
    format!("{prefix}{index:05}")
}

/// The shares of an epoch that are destroyed, by member.
pub(crate) fn escrow_destroyed(epoch: u64) -> String {
    format!("escrow/destroyed/{epoch:020}/")
}

pub(crate) fn escrow_opening(proposal: &Digest) -> String {
    format!("escrow/opening/{proposal}")
}

/// Where an opening stands in the index by time.
pub(crate) fn escrow_until(until: u64, proposal: &Digest) -> String {
    stamped(ESCROW_OPENINGS, until, proposal)
}

/// Whose asset a sealed object is, where it was registered since there are escrow agents.
pub(crate) fn object(id: &Digest) -> String {
    format!("escrow/object/{id}")
}

/// The parts of an opening, by epoch and agent.
pub(crate) fn escrow_contributions(proposal: &Digest) -> String {
    format!("escrow/contribution/{proposal}/")
}

pub(crate) fn proposal(id: &Digest) -> String {
    format!("proposal/{id}")
}

/// A member's proposals that are not closed.
pub(crate) fn open_proposals(member: &str) -> String {
    format!("{OPEN_PROPOSALS}{member}/")
}

/// A member's recovery that is under way.
pub(crate) fn recovery(member: &str) -> String {
    format!("{RECOVERIES}{member}")
}

/// What the ledger does by itself: by time first, so that the order of the keys is the order of doing.
pub(crate) fn due(trigger: &Trigger) -> String {
    let Trigger { at, kind, subject } = trigger;
    let prefix = match kind {
        TriggerKind::Expire | TriggerKind::Recover => DUE,
        TriggerKind::Begin | TriggerKind::End | TriggerKind::Lapse => DEADLINES,
    };
    format!("{prefix}{at:016x}-{:02x}-{subject}", *kind as u8)
}

/// The first moment at which a request is no longer decided.
pub(crate) fn deadline_of(request: &Digest) -> String {
    format!("deadline-of/{request}")
}

/// That it was told of a contract that its window has ended, and not since that it began.
pub(crate) fn ended(contract: &Digest) -> String {
    format!("contract-ended/{contract}")
}

/// A contract's alarm where the ledger looks: by time first, so that the order of the keys is the order of calling.
pub(crate) fn ringing(alarm: &Alarm) -> String {
    let Alarm { at, contract, name } = alarm;
    format!("{RINGING}{at:016x}/{contract}/{name}")
}

/// A contract's alarms where the contract's are found.
pub(crate) fn alarms(contract: &str) -> String {
    format!("module/alarm/{contract}/")
}

/// The module that a member has stored.
pub(crate) fn pending(member: &str) -> String {
    format!("module/pending/{member}")
}

/// A contract in WebAssembly.
pub(crate) fn installed(name: &str) -> String {
    format!("{INSTALLED}{name}")
}

/// Its module's bytes.
pub(crate) fn code(name: &str) -> String {
    format!("module/code/{name}")
}

/// How much it keeps.
pub(crate) fn usage(name: &str) -> String {
    format!("module/usage/{name}")
}

/// What a contract in WebAssembly keeps.
pub(crate) fn kept(name: &str) -> String {
    format!("module/kept/{name}/")
}

/// A verifier of proofs.
pub(crate) fn verifier(name: &str) -> String {
    format!("{VERIFIERS}{name}")
}

/// Its key's bytes.
pub(crate) fn verifying_key(name: &str) -> String {
    format!("verifier/key/{name}")
}

/// A payload that some members hold.
pub(crate) fn private(id: &Digest) -> String {
    format!("private/{id}")
}

/// All that a member is a holder of.
pub(crate) fn privates_of(member: &str) -> String {
    format!("private-of/{member}/")
}

/// What a member's node has yet to say something of.
pub(crate) fn open_privates(member: &str) -> String {
    format!("private-open/{member}/")
}

pub(crate) fn asset(id: &Digest) -> String {
    format!("{ASSETS}{id}")
}

pub(crate) fn contract(id: &Digest) -> String {
    format!("{CONTRACTS}{id}")
}

pub(crate) fn version(version: &ContractVersion) -> String {
    format!("contract-version/{}/{:010}", version.contract, version.version)
}

pub(crate) fn request(id: &Digest) -> String {
    format!("{REQUESTS}{id}")
}

pub(crate) fn requests_of(requester: &PublicKey) -> String {
    format!("request-by-requester/{requester}/")
}

pub(crate) fn requests_under(contract: &Digest) -> String {
    format!("request-by-contract/{contract}/")
}

/// Requests in which the member's node or approvers may have something to do.
pub(crate) fn open(owner: &str) -> String {
    format!("open/{owner}/")
}

pub(crate) fn pending_count(requester: &PublicKey) -> String {
    format!("pending-count/{requester}")
}

/// The end of an index key: time first, so that pages come in the order of application.
pub(crate) fn stamped(prefix: &str, since: u64, id: &Digest) -> String {
    format!("{prefix}{since:016x}-{id}")
}

pub(crate) fn grant(id: &Digest) -> String {
    format!("grant/{id}")
}
