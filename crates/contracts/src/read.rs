//! Typed reads of the world state, for nodes and for the rules themselves.

use std::collections::BTreeSet;

use crypto::escrow::EscrowKey;
use crypto::{Digest, PublicKey, mldsa};
use ledger::{Consortium, Epoch, Failure, State, Unreadable};
use minicbor::{Decode, Encode};

use crate::message::{Apply, ContractVersion, Parameters};
use crate::record::{
    AccreditedIssuer, Alarm, Asset, Barred, Confirmation, Contract, DecidedEscrow, DecidedOracles, Duty,
    EscrowContribution, EscrowDealt, EscrowDestroyed, EscrowEpoch, EscrowOpening, EscrowReceived, Grant, Installed,
    Kept, Member, MemberKey, OracleEpoch, PendingModule, Principal, Private, Proposal, Quorum, Recovering, Request,
    Signer, SignerKey, Tally, Trigger, ValidatorSet, Verifier, Version,
};
use crate::{assets, governance, key};

/// Most items of a page.
pub const MAX_PAGE: usize = 200;

/// Part of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the listing's order.
    pub items: Vec<T>,
    /// Where the next page starts; absent on the last one.
    pub next: Option<String>,
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The store holds something else than these contracts wrote.
    #[error("the record at `{key}` is damaged: {detail}")]
    Damaged {
        /// Where.
        key: String,
        /// What the reader found.
        detail: String,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { code: "unreadable".into(), message: error.to_string(), fatal: true }
    }
}

/// A member by name.
///
/// # Errors
/// [`Error`], as every function here: the store failed or is damaged.
pub fn member(state: &dyn State, name: &str) -> Result<Option<Member>, Error> {
    get(state, &key::member(name))
}

/// Whether and how a member is suspended or removed. Who is no member is not.
pub fn barred(state: &dyn State, name: &str) -> Result<Option<Barred>, Error> {
    // One look where nobody is, which is nearly always.
    match get::<u64>(state, key::BARRED)?.unwrap_or(0) {
        0 => Ok(None),
        _ => Ok(member(state, name)?.and_then(|member| member.barred)),
    }
}

/// The members that are neither suspended nor removed, by name.
pub fn active_members(state: &dyn State) -> Result<Vec<Member>, Error> {
    Ok(members(state)?.into_iter().filter(Member::is_active).collect())
}

/// All members, by name; suspended and removed ones among them.
pub fn members(state: &dyn State) -> Result<Vec<Member>, Error> {
    all(state, key::MEMBERS)
}

/// Whose operator, node or cosigner key it is.
pub fn member_key(state: &dyn State, key: &PublicKey) -> Result<Option<MemberKey>, Error> {
    get(state, &key::member_key(key))
}

/// The members for whom more than one operator key is, was or was to be in force: with which of them they joined the state does not say.
pub fn rekeyed(state: &dyn State) -> Result<BTreeSet<String>, Error> {
    let mut rekeyed = BTreeSet::new();
    // One look where no key was ever proposed.
    if get::<bool>(state, key::VOID)?.is_none() {
        return Ok(rekeyed);
    }
    let held: Vec<MemberKey> = all(state, key::MEMBER_KEYS)?;
    let mut seen = BTreeSet::new();
    for held in held.into_iter().filter(|held| held.duty == Duty::Operator) {
        if !seen.insert(held.member.clone()) {
            rekeyed.insert(held.member);
        }
    }
    Ok(rekeyed)
}

/// The name of the active member whose node has this TLS key (SHA-256 of its subject public key info).
pub fn member_by_tls(state: &dyn State, spki: &Digest) -> Result<Option<String>, Error> {
    let Some(name) = get::<String>(state, &key::tls(spki))? else { return Ok(None) };
    Ok(barred(state, &name)?.is_none().then_some(name))
}

/// A principal by key, revoked or not.
pub fn principal(state: &dyn State, key: &PublicKey) -> Result<Option<Principal>, Error> {
    get(state, &key::principal(key))
}

/// A principal by key, if neither it is revoked nor its member barred.
pub fn active_principal(state: &dyn State, key: &PublicKey) -> Result<Option<Principal>, Error> {
    match principal(state, key)?.filter(|principal| !principal.revoked) {
        Some(principal) if barred(state, &principal.member)?.is_none() => Ok(Some(principal)),
        _ => Ok(None),
    }
}

/// A member's principals by name; of a name that passed on, the newest holder.
pub fn principals_of(
    state: &dyn State,
    member: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Principal>, Error> {
    follow(state, &key::principals_of(member), after, limit, |holder: PublicKey| key::principal(&holder))
}

/// An issuer by key, revoked or not.
pub fn issuer(state: &dyn State, key: &PublicKey) -> Result<Option<AccreditedIssuer>, Error> {
    get(state, &key::issuer(key))
}

/// Issuers, revoked ones among them.
pub fn issuers(state: &dyn State, after: Option<&str>, limit: usize) -> Result<Page<AccreditedIssuer>, Error> {
    page(state, key::ISSUERS, after, limit)
}

/// An asset.
pub fn asset(state: &dyn State, id: &Digest) -> Result<Option<Asset>, Error> {
    get(state, &key::asset(id))
}

/// An asset by owner and name.
pub fn asset_named(state: &dyn State, chain: &Digest, owner: &str, name: &str) -> Result<Option<Asset>, Error> {
    asset(state, &assets::identity(chain, owner, name))
}

/// Assets, retired ones among them.
pub fn assets(state: &dyn State, after: Option<&str>, limit: usize) -> Result<Page<Asset>, Error> {
    page(state, key::ASSETS, after, limit)
}

/// A contract at its newest version.
pub fn contract(state: &dyn State, id: &Digest) -> Result<Option<Contract>, Error> {
    get(state, &key::contract(id))
}

/// Contracts at their newest versions, ended ones among them.
pub fn contracts(state: &dyn State, after: Option<&str>, limit: usize) -> Result<Page<Contract>, Error> {
    page(state, key::CONTRACTS, after, limit)
}

/// A contract's terms at a version.
pub fn version(state: &dyn State, version: &ContractVersion) -> Result<Option<Version>, Error> {
    get(state, &key::version(version))
}

/// A request.
pub fn request(state: &dyn State, id: &Digest) -> Result<Option<Request>, Error> {
    get(state, &key::request(id))
}

/// All requests, ended ones among them, by identity.
pub fn requests(state: &dyn State, after: Option<&str>, limit: usize) -> Result<Page<Request>, Error> {
    page(state, key::REQUESTS, after, limit)
}

/// A requester's requests, oldest first.
pub fn requests_of(
    state: &dyn State,
    requester: &PublicKey,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Request>, Error> {
    follow(state, &key::requests_of(requester), after, limit, |id: Digest| key::request(&id))
}

/// Requests under a contract, oldest first.
pub fn requests_under(
    state: &dyn State,
    contract: &Digest,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Request>, Error> {
    follow(state, &key::requests_under(contract), after, limit, |id: Digest| key::request(&id))
}

/// Requests under any contract of a member in which its node or approvers may have something to do, oldest first:
/// pending ones, and allowed ones until the grant is issued or the result is complete.
pub fn open_requests(
    state: &dyn State,
    owner: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Request>, Error> {
    follow(state, &key::open(owner), after, limit, |id: Digest| key::request(&id))
}

/// A grant.
pub fn grant(state: &dyn State, id: &Digest) -> Result<Option<Grant>, Error> {
    get(state, &key::grant(id))
}

/// The oracles in force; none before the first epoch.
pub fn oracles(state: &dyn State) -> Result<Option<OracleEpoch>, Error> {
    oracle_epoch(state, oracle_epoch_number(state)?)
}

/// The oracles of an epoch.
pub fn oracle_epoch(state: &dyn State, number: u64) -> Result<Option<OracleEpoch>, Error> {
    get(state, &key::oracle_epoch(number))
}

/// The number of the oracle epoch in force; 0 before the first.
pub fn oracle_epoch_number(state: &dyn State) -> Result<u64, Error> {
    Ok(get(state, key::ORACLES)?.unwrap_or(0))
}

/// What members have confirmed of an epoch that has not begun, by member.
pub fn confirmations(state: &dyn State, number: u64) -> Result<Vec<Confirmation>, Error> {
    all(state, &key::confirmations(number))
}

/// What ballots are counted by; none where the founder and the regulators still have their lone powers.
pub fn parameters(state: &dyn State) -> Result<Option<Parameters>, Error> {
    get(state, key::PARAMETERS)
}

/// A proposal.
pub fn proposal(state: &dyn State, id: &Digest) -> Result<Option<Proposal>, Error> {
    get(state, &key::proposal(id))
}

/// Proposals, oldest first.
pub fn proposals(state: &dyn State, after: Option<&str>, limit: usize) -> Result<Page<Proposal>, Error> {
    follow(state, key::PROPOSALS, after, limit, |id: Digest| key::proposal(&id))
}

/// Proposals that are not closed, by proposer; those whose time has run out among them.
pub fn open_proposals(state: &dyn State, after: Option<&str>, limit: usize) -> Result<Page<Proposal>, Error> {
    follow(state, key::OPEN_PROPOSALS, after, limit, |id: Digest| key::proposal(&id))
}

/// A proposal's ballots as they count now, by the parameters in force.
pub fn tally(state: &dyn State, proposal: &Proposal) -> Result<Tally, Error> {
    let parameters: Parameters = need(state, key::PARAMETERS)?;
    Ok(governance::count(proposal, &active_members(state)?, &parameters))
}

/// A member's recovery that is under way.
pub fn recovery(state: &dyn State, member: &str) -> Result<Option<Recovering>, Error> {
    get(state, &key::recovery(member))
}

/// All recoveries that are under way, by member: one of each at most.
pub fn recoveries(state: &dyn State) -> Result<Vec<Recovering>, Error> {
    all(state, key::RECOVERIES)
}

/// What the ledger does next by itself, due or not.
pub fn next_trigger(state: &dyn State) -> Result<Option<Trigger>, Error> {
    Ok(page(state, key::DUE, None, 1)?.items.into_iter().next())
}

/// Which contract's window begins or ends next, or which request does, due or not.
pub fn next_deadline(state: &dyn State) -> Result<Option<Trigger>, Error> {
    Ok(page(state, key::DEADLINES, None, 1)?.items.into_iter().next())
}

/// When a request ends if nobody decides it before, Unix milliseconds: the first moment too late. None where it is decided, or has no such time.
pub fn deadline(state: &dyn State, request: &Digest) -> Result<Option<u64>, Error> {
    get(state, &key::deadline_of(request))
}

/// Whether the ledger told that a contract's window has ended, and not since that it began.
pub fn has_ended(state: &dyn State, contract: &Digest) -> Result<bool, Error> {
    Ok(get::<u64>(state, &key::ended(contract))?.is_some())
}

/// What contract in WebAssembly the ledger calls next, due or not.
pub fn next_alarm(state: &dyn State) -> Result<Option<Alarm>, Error> {
    Ok(page(state, key::RINGING, None, 1)?.items.into_iter().next())
}

/// The alarms that a contract in WebAssembly has set, by name: at most 64.
pub fn alarms(state: &dyn State, contract: &str) -> Result<Vec<Alarm>, Error> {
    all(state, &key::alarms(contract))
}

/// The group of oracles that a ballot decided, while it waits for its key.
pub fn decided_oracles(state: &dyn State) -> Result<Option<DecidedOracles>, Error> {
    let next = oracle_epoch_number(state)? + 1;
    Ok(get::<DecidedOracles>(state, key::DECIDED_ORACLES)?.filter(|decided| decided.epoch == next))
}

/// The escrow agents in force; none before the first epoch.
pub fn escrow(state: &dyn State) -> Result<Option<EscrowEpoch>, Error> {
    escrow_epoch(state, escrow_epoch_number(state)?)
}

/// The number of the escrow agents' epoch in force; 0 before the first.
pub fn escrow_epoch_number(state: &dyn State) -> Result<u64, Error> {
    Ok(get(state, key::ESCROW)?.unwrap_or(0))
}

/// The escrow agents of an epoch.
pub fn escrow_epoch(state: &dyn State, number: u64) -> Result<Option<EscrowEpoch>, Error> {
    get(state, &key::escrow_epoch(number))
}

/// The newest epoch of the agents that hold an escrow key.
pub fn escrow_of(state: &dyn State, held: &EscrowKey) -> Result<Option<EscrowEpoch>, Error> {
    match get::<u64>(state, &key::escrow_key(held))? {
        None => Ok(None),
        Some(number) => need(state, &key::escrow_epoch(number)).map(Some),
    }
}

/// The escrow agents that a ballot decided, while they do not hold the key.
pub fn decided_escrow(state: &dyn State) -> Result<Option<DecidedEscrow>, Error> {
    let next = escrow_epoch_number(state)? + 1;
    Ok(get::<DecidedEscrow>(state, key::DECIDED_ESCROW)?.filter(|decided| decided.epoch == next))
}

/// What is dealt so far by a decision, by dealer.
pub fn escrow_dealt(state: &dyn State, proposal: &Digest) -> Result<Vec<EscrowDealt>, Error> {
    all(state, &key::escrow_dealt(proposal))
}

/// What agents that are to be have received so far by a decision, by agent.
pub fn escrow_received(state: &dyn State, proposal: &Digest) -> Result<Vec<EscrowReceived>, Error> {
    all(state, &key::escrow_received(proposal))
}

/// Which agents of an epoch have destroyed their shares, by name.
pub fn escrow_destroyed(state: &dyn State, epoch: u64) -> Result<Vec<EscrowDestroyed>, Error> {
    all(state, &key::escrow_destroyed(epoch))
}

/// An opening that the members have decided.
pub fn escrow_opening(state: &dyn State, proposal: &Digest) -> Result<Option<EscrowOpening>, Error> {
    get(state, &key::escrow_opening(proposal))
}

/// Openings that the members have decided, by the time until which agents contribute.
pub fn escrow_openings(state: &dyn State, after: Option<&str>, limit: usize) -> Result<Page<EscrowOpening>, Error> {
    follow(state, key::ESCROW_OPENINGS, after, limit, |id: Digest| key::escrow_opening(&id))
}

/// Where in [`escrow_openings`] those begin to which agents contribute at this time, Unix milliseconds.
pub fn escrow_opening_cursor(now: u64) -> String {
    format!("{now:016x}")
}

/// The agents' parts of an opening, by epoch and agent.
pub fn escrow_contributions(state: &dyn State, proposal: &Digest) -> Result<Vec<EscrowContribution>, Error> {
    all(state, &key::escrow_contributions(proposal))
}

/// The module that a member has stored and no ballot has installed.
pub fn pending_module(state: &dyn State, member: &str) -> Result<Option<PendingModule>, Error> {
    get(state, &key::pending(member))
}

/// A contract in WebAssembly; uninstalled ones are there until nothing of them is left.
pub fn installed(state: &dyn State, name: &str) -> Result<Option<Installed>, Error> {
    get(state, &key::installed(name))
}

/// The contracts in WebAssembly by name, uninstalled ones among them: at most [`crate::MAX_INSTALLED`].
pub fn installed_contracts(state: &dyn State) -> Result<Vec<Installed>, Error> {
    all(state, key::INSTALLED)
}

/// A registered verifier of proofs.
pub fn verifier(state: &dyn State, name: &str) -> Result<Option<Verifier>, Error> {
    get(state, &key::verifier(name))
}

/// The registered verifiers of proofs by name: at most [`crate::MAX_VERIFIERS`].
pub fn verifiers(state: &dyn State) -> Result<Vec<Verifier>, Error> {
    all(state, key::VERIFIERS)
}

/// The key of a registered verifier.
pub fn verifying_key(state: &dyn State, name: &str) -> Result<Option<wire::Bytes>, Error> {
    get(state, &key::verifying_key(name))
}

/// The bytes of the module that a contract in WebAssembly runs.
pub fn module(state: &dyn State, name: &str) -> Result<Option<wire::Bytes>, Error> {
    get(state, &key::code(name))
}

/// How much a contract in WebAssembly keeps.
pub fn usage(state: &dyn State, name: &str) -> Result<Kept, Error> {
    Ok(get(state, &key::usage(name))?.unwrap_or_default())
}

/// The key of the world state under which a contract in WebAssembly keeps one of its own.
pub fn kept_key(name: &str, key: &str) -> String {
    format!("{}{key}", key::kept(name))
}

/// What a contract in WebAssembly keeps under one of its keys.
pub fn kept(state: &dyn State, name: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
    Ok(state.get(kept_key(name, key).as_bytes())?)
}

/// Whether members may put private payloads: the height at which that was begun.
pub fn private_begun(state: &dyn State) -> Result<Option<u64>, Error> {
    get(state, key::PRIVATE_BEGUN)
}

/// A payload that some members hold.
pub fn private(state: &dyn State, id: &Digest) -> Result<Option<Private>, Error> {
    get(state, &key::private(id))
}

/// All payloads that a member is a holder of, oldest first; purged ones among them.
pub fn privates_of(state: &dyn State, member: &str, after: Option<&str>, limit: usize) -> Result<Page<Private>, Error> {
    follow(state, &key::privates_of(member), after, limit, |id: Digest| key::private(&id))
}

/// Payloads of which a member's node has yet to say something, oldest first: a recipient that it holds it, or has purged it; every holder
/// of one that the sender wants purged that it has.
pub fn open_privates(
    state: &dyn State,
    member: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Private>, Error> {
    follow(state, &key::open_privates(member), after, limit, |id: Digest| key::private(&id))
}

/// The key of the world state under which a private payload's record stands.
pub fn private_key(id: &Digest) -> String {
    key::private(id)
}

/// The validators in force.
pub fn epoch(state: &dyn State) -> Result<Epoch, Error> {
    let number = get(state, key::EPOCH)?.unwrap_or(0);
    let set: ValidatorSet = need(state, &key::epoch(number))?;
    Ok(Epoch { number, validators: set.validators })
}

/// The epoch of this number, once it was made; [`ledger::Ledger::epoch`] has only those that were in force after a block.
pub fn validators(state: &dyn State, number: u64) -> Result<Option<Epoch>, Error> {
    let set: Option<ValidatorSet> = get(state, &key::epoch(number))?;
    Ok(set.map(|set| Epoch { number, validators: set.validators }))
}

/// The validators that order the ledger; none while one node does.
pub fn quorum(state: &dyn State) -> Result<Option<Quorum>, Error> {
    get(state, key::QUORUM)
}

/// The ML-DSA key that a member's node has registered.
pub fn ml_dsa(state: &dyn State, member: &str) -> Result<Option<mldsa::PublicKey>, Error> {
    get(state, &key::ml_dsa(member))
}

/// Whose an ML-DSA key of this [identifier](mldsa::PublicKey::id) is, or was.
pub fn ml_dsa_holder(state: &dyn State, id: &Digest) -> Result<Option<String>, Error> {
    get(state, &key::ml_dsa_key(id))
}

/// Whether members' nodes are to register ML-DSA keys, so that validators cosign with them.
pub fn asks_ml_dsa(state: &dyn State) -> Result<bool, Error> {
    Ok(parameters(state)?.is_some_and(|parameters| parameters.cosigning.is_some()))
}

/// Whether contracts, applications and approvals are to be signed with ML-DSA too, by everyone.
pub fn asks_signing(state: &dyn State) -> Result<bool, Error> {
    Ok(parameters(state)?.is_some_and(|parameters| parameters.signing.is_some()))
}

/// The ML-DSA key with which a key signs contracts beside itself, once it has registered one.
pub fn signer(state: &dyn State, key: &PublicKey) -> Result<Option<Signer>, Error> {
    get(state, &key::signer(key))
}

/// The ML-DSA keys with which contracts are signed now, in the order of their signers.
pub fn signers(state: &dyn State, after: Option<&str>, limit: usize) -> Result<Page<Signer>, Error> {
    page(state, key::SIGNERS, after, limit)
}

/// Whose an ML-DSA key of this [identifier](mldsa::PublicKey::id) is, or was, that contracts are signed with.
pub fn signer_key(state: &dyn State, id: &Digest) -> Result<Option<SignerKey>, Error> {
    get(state, &key::signer_key(id))
}

/// The transactions that registered the ML-DSA keys of these identifiers.
pub fn registrations(state: &dyn State, keys: impl IntoIterator<Item = Digest>) -> Result<Vec<Digest>, Error> {
    let mut ids = Vec::new();
    for key in keys {
        ids.extend(signer_key(state, &key)?.map(|registered| registered.transaction));
    }
    Ok(ids)
}

/// The validators whose nodes have registered no ML-DSA key where the parameters ask for one; as long as there are any, no epoch demands it.
pub fn ml_dsa_missing(state: &dyn State) -> Result<Vec<String>, Error> {
    let mut missing = Vec::new();
    if asks_ml_dsa(state)? {
        for validator in epoch(state)?.validators {
            if ml_dsa(state, &validator.name)?.is_none() {
                missing.push(validator.name);
            }
        }
    }
    Ok(missing)
}

/// Where a member's node takes part in the ordering, as `host:port`.
pub fn seat(state: &dyn State, member: &str) -> Result<Option<String>, Error> {
    get(state, &key::seat(member))
}

/// The consortium with all its epochs so far: what a reader pins to check receipts offline. `start` tells the log's size at
/// which an epoch began: [`ledger::View::epoch_start`].
pub fn consortium(
    state: &dyn State,
    chain: &Digest,
    name: &str,
    start: impl Fn(u64) -> Result<u64, Unreadable>,
) -> Result<Consortium, Error> {
    let sets: Vec<ValidatorSet> = all(state, key::EPOCHS)?;
    let oracles: Vec<OracleEpoch> = all(state, key::ORACLE_EPOCHS)?;
    let pinned =
        |(number, set): (u64, ValidatorSet)| Ok(Epoch { number, validators: set.validators }.pinned(start(number)?));
    let epochs = (1..).zip(sets).map(pinned).collect::<Result<_, Unreadable>>()?;
    let oracles = oracles.into_iter().map(|OracleEpoch { group, .. }| ledger::Oracles {
        epoch: group.epoch,
        threshold: group.threshold,
        participants: group.participants,
        key: group.key,
    });
    Ok(Consortium {
        format: Consortium::FORMAT.into(),
        name: name.into(),
        chain: *chain,
        epochs,
        oracles: oracles.collect(),
    })
}

/// The transactions that belong to a request, as [`crate::chain::check`] wants them in one receipt: registrations of the
/// assets, offers and amendments it was made under, the application, approvals, the confirmations of the oracles that
/// judged, then verdict, decline or cancellation, grant, release or results; and before them the registrations of the ML-DSA keys that
/// any of them is signed with. None where there is no such request.
///
/// For the receipt of a later refusal, add the refused transaction.
pub fn chain_ids(state: &dyn State, request: &Digest) -> Result<Vec<Digest>, Error> {
    let Some(request) = self::request(state, request)? else { return Ok(vec![]) };
    let mut ids = contract_ids(state, &request.apply)?;
    let signed = request.approvals.iter().filter_map(|approval| approval.ml_dsa).chain(request.ml_dsa);
    ids.extend(registrations(state, signed)?);
    ids.push(request.id);
    ids.extend(request.approvals.iter().map(|approval| approval.transaction));
    if let Some(verdict) = &request.verdict
        && let Some(oracles) = oracle_epoch(state, verdict.epoch)?
    {
        ids.extend(oracles.confirmations);
    }
    ids.extend(request.decided);
    ids.extend(request.grant);
    ids.extend(request.ended);
    // An objection both is an approval and decides; a key signs more than once.
    let mut seen = std::collections::BTreeSet::new();
    ids.retain(|id| seen.insert(*id));
    Ok(ids)
}

/// The transactions behind the contracts that an application names, for the receipt of one that was refused at once.
/// Contracts and versions that do not exist have none.
pub fn contract_ids(state: &dyn State, apply: &Apply) -> Result<Vec<Digest>, Error> {
    let mut ids = Vec::new();
    for wanted in &apply.contracts {
        let Some(version) = version(state, wanted)? else { continue };
        if let Some(asset) = asset(state, &version.terms.asset)? {
            ids.push(asset.transaction);
        }
        let mut signed: Vec<Digest> = version.ml_dsa.into_iter().collect();
        ids.push(wanted.contract);
        if version.transaction != wanted.contract {
            ids.push(version.transaction);
            let first = self::version(state, &ContractVersion { version: 1, ..*wanted })?;
            signed.extend(first.and_then(|first| first.ml_dsa));
        }
        ids.extend(registrations(state, signed)?);
    }
    Ok(ids)
}

/// The record under a key. What these contracts wrote is canonical, so only its shape is checked.
pub(crate) fn get<T: for<'b> Decode<'b, ()>>(state: &dyn State, key: &str) -> Result<Option<T>, Error> {
    state.get(key.as_bytes())?.map(|bytes| decode(key, &bytes)).transpose()
}

pub(crate) fn need<T: for<'b> Decode<'b, ()>>(state: &dyn State, key: &str) -> Result<T, Error> {
    get(state, key)?.ok_or_else(|| Error::Damaged { key: key.into(), detail: "it is absent".into() })
}

pub(crate) fn decode<T: for<'b> Decode<'b, ()>>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    minicbor::decode(bytes).map_err(|error| Error::Damaged { key: key.into(), detail: error.to_string() })
}

/// All records under a prefix, for lists that the rules keep short.
fn all<T: for<'b> Decode<'b, ()>>(state: &dyn State, prefix: &str) -> Result<Vec<T>, Error> {
    let mut records = Vec::new();
    let mut after = None;
    loop {
        let Page { items, next } = page(state, prefix, after.as_deref(), MAX_PAGE)?;
        records.extend(items);
        after = next;
        if after.is_none() {
            return Ok(records);
        }
    }
}

/// A page of records; `after` is [`Page::next`] of the page before.
pub(crate) fn page<T: for<'b> Decode<'b, ()>>(
    state: &dyn State,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<T>, Error> {
    let limit = limit.clamp(1, MAX_PAGE);
    let after = after.map(|after| format!("{prefix}{after}"));
    let mut pairs = state.scan(prefix.as_bytes(), after.as_deref().map(str::as_bytes), limit + 1)?;
    let more = pairs.len() > limit;
    pairs.truncate(limit);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let next = pairs.last().filter(|_| more).map(|(key, _)| text(&key[prefix.len()..]));
    let items = pairs.iter().map(|(key, value)| decode(&text(key), value)).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}

/// A page of an index whose entries lead to records.
fn follow<I, T>(
    state: &dyn State,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    lead: impl Fn(I) -> String,
) -> Result<Page<T>, Error>
where
    I: Encode<()> + for<'b> Decode<'b, ()>,
    T: for<'b> Decode<'b, ()>,
{
    let Page { items, next } = page::<I>(state, prefix, after, limit)?;
    let items = items.into_iter().map(|entry| need(state, &lead(entry))).collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}
