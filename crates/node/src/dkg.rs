//! Distributed key generation for a new epoch of oracles: FROST's (RFC 9591 leaves it open; Komlo and Goldberg 2020,
//! figure 1), one node relaying for all.
//!
//! The coordinator relays round-one broadcasts to all and round-two packages sealed to their receivers, so it reads no
//! secret. The packages are sealed under the digest of all broadcasts: where it shows different ones to different
//! participants, they do not open. And the epoch begins only when all have confirmed the same key on the ledger.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use contracts::code;
use contracts::message::OraclesConfirm;
use contracts::read;
use crypto::keystore::Keys as _;
use crypto::threshold::{Dealt, Distributed, Parameters};
use crypto::{Digest, Label};
use futures_util::future::join_all;
use wire::{Bytes, Fixed};

use crate::message::{DkgBroadcast, DkgDone, DkgRoundOne, DkgRoundTwo, DkgSecret, DkgStart};
use crate::oracle::share_handle;
use crate::problem::ApiError;
use crate::service::{Node, RECIPIENT};

/// Key generations under way at this node; their secrets live in memory only.
#[derive(Default)]
pub(crate) struct KeyGenerations {
    sessions: Mutex<HashMap<Fixed<16>, Session>>,
}

struct Session {
    start: DkgStart,
    index: u16,
    stage: Stage,
    since: u64,
}

enum Stage {
    Dealt(Dealt),
    Distributed(Distributed),
}

/// Runs a key generation among `participants` and waits until each has confirmed it on the ledger.
///
/// # Errors
/// `oracles_unavailable` names who failed and where.
pub(crate) async fn coordinate(
    node: &Node,
    participants: Vec<String>,
    threshold: u16,
) -> Result<OraclesConfirm, ApiError> {
    entitled(node, &node.member, &participants, threshold)?;
    let epoch = read::oracle_epoch_number(&node.replica.view()?)? + 1;
    let start = DkgStart { session: Fixed(crypto::random()), epoch, participants: participants.clone(), threshold };
    let broadcasts: Vec<DkgBroadcast> = ask(node, &participants, "/peer/v1/dkg/start", |_| start.clone()).await?;
    let all = DkgRoundOne { session: start.session, broadcasts };
    let seconds: Vec<DkgRoundTwo> = ask(node, &participants, "/peer/v1/dkg/exchange", |_| all.clone()).await?;
    let secrets: Vec<DkgSecret> = seconds.into_iter().flat_map(|second| second.secrets).collect();
    let mine = |index: u16| secrets.iter().filter(|secret| secret.to == index).cloned().collect();
    let finish = |index| DkgRoundTwo { session: start.session, secrets: mine(index) };
    let done: Vec<DkgDone> = ask(node, &participants, "/peer/v1/dkg/finish", finish).await?;
    let height = done.iter().map(|done| done.height).max().unwrap_or(0);
    node.replica.wait_for(height).await?;
    let established = read::oracle_epoch(&node.replica.view()?, epoch)?;
    let established = established
        .ok_or_else(|| ApiError::new(code::ORACLES_UNAVAILABLE, "the participants confirmed different keys"))?;
    Ok(established.group)
}

/// Round one at a participant, of what a ballot has decided; where ballots do not govern `coordinator` is a regulator, so that no
/// other member can replace the oracles.
pub(crate) async fn start(node: &Node, coordinator: &str, start: DkgStart) -> Result<DkgBroadcast, ApiError> {
    entitled(node, coordinator, &start.participants, start.threshold)?;
    let index = position(node, &start)?;
    let next = read::oracle_epoch_number(&node.replica.view()?)? + 1;
    if start.epoch != next {
        return Err(ApiError::new(code::ORACLE_DISAGREES, format!("the next oracle epoch is {next}")));
    }
    node.audit.record("node", "oracle.keygen", &start.epoch.to_string(), "ok", &start.participants.join(", ")).await?;
    let session =
        crypto::hash(Label::DKG, &[node.replica.chain().as_ref(), &start.epoch.to_be_bytes(), start.session.as_ref()]);
    let parameters = Parameters::new(session, start.threshold, start.participants.len() as u16).map_err(refused)?;
    let (dealt, package) = parameters.deal(index).map_err(refused)?;
    let now = node.now();
    let mut sessions = node.keygens.sessions.lock().expect("no panic while the sessions are held");
    sessions.retain(|_, session| now.saturating_sub(session.since) < SESSION_LIFE);
    if sessions.len() >= MAX_SESSIONS || sessions.contains_key(&start.session) {
        return Err(ApiError::new(code::BUSY, "too many key generations are under way"));
    }
    sessions.insert(start.session, Session { start, index, stage: Stage::Dealt(dealt), since: now });
    Ok(DkgBroadcast { index, package: Bytes(package) })
}

/// Refuses a key generation that neither a ballot has decided nor, where ballots do not govern, a regulator's node starts.
fn entitled(node: &Node, coordinator: &str, participants: &[String], threshold: u16) -> Result<(), ApiError> {
    let view = node.replica.view()?;
    if read::parameters(&view)?.is_none() {
        return match read::member(&view, coordinator)?.is_some_and(|member| member.regulator) {
            true => Ok(()),
            false => Err(ApiError::new(code::NOT_PERMITTED, "a regulator's node starts a key generation")),
        };
    }
    let decided = read::decided_oracles(&view)?.map(|decided| decided.plan);
    match decided.is_some_and(|plan| plan.participants == participants && plan.threshold == threshold) {
        true => Ok(()),
        false => Err(ApiError::new(code::BALLOTS_GOVERN, "no ballot has decided these oracles, in this order")),
    }
}

/// Round two at a participant: secret packages, each sealed to its receiver's registered key.
pub(crate) async fn exchange(node: &Node, all: DkgRoundOne) -> Result<DkgRoundTwo, ApiError> {
    let mut session = take(node, &all.session)?;
    let Stage::Dealt(dealt) = session.stage else { return Err(refused("round one is over")) };
    let broadcasts: BTreeMap<u16, Vec<u8>> = all.broadcasts.into_iter().map(|one| (one.index, one.package.0)).collect();
    let (distributed, packages) = dealt.distribute(&broadcasts).map_err(refused)?;
    let transcript = distributed.transcript();
    let view = node.replica.view()?;
    let mut secrets = Vec::new();
    for (to, package) in packages {
        let member = &session.start.participants[usize::from(to) - 1];
        let card =
            read::member(&view, member)?.ok_or_else(|| ApiError::new(code::UNKNOWN_MEMBER, member.clone()))?.card;
        let info = secret_info(&transcript, session.index, to);
        let sealed =
            package.expose(|package| crypto::kem::seal(&card.recipient, &info, b"", package)).map_err(refused)?;
        secrets.push(DkgSecret { from: session.index, to, sealed });
    }
    session.stage = Stage::Distributed(distributed);
    put(node, all.session, session);
    Ok(DkgRoundTwo { session: all.session, secrets })
}

/// The end at a participant: opens the packages sealed to it, keeps its share and confirms the group's key.
pub(crate) async fn finish(node: &Node, round: DkgRoundTwo) -> Result<DkgDone, ApiError> {
    let session = take(node, &round.session)?;
    let Stage::Distributed(distributed) = session.stage else { return Err(refused("round two has not begun")) };
    let transcript = distributed.transcript();
    let mut packages = BTreeMap::new();
    for secret in round.secrets.iter().filter(|secret| secret.to == session.index) {
        let info = secret_info(&transcript, secret.from, secret.to);
        // A package made under other broadcasts does not open: a relay that showed different ones is found out here.
        packages.insert(secret.from, node.keys.unwrap(RECIPIENT, &info, b"", &secret.sealed)?);
    }
    let (share, group) = distributed.finish(&packages).map_err(refused)?;
    node.keys.put_secret(&share_handle(&group.key), share.to_secret())?;
    let confirm = OraclesConfirm {
        epoch: session.start.epoch,
        threshold: session.start.threshold,
        participants: session.start.participants,
        key: group.key,
        group: wire::to_vec(&group).into(),
    };
    let placed = node.submit_ok(vec![node.prepare("oracles", "confirm", &confirm)?]).await?;
    let last = placed.last().ok_or_else(|| ApiError::internal("one transaction was submitted"))?;
    Ok(DkgDone { height: last.height, key: confirm.key })
}

/// Asks every participant at once; answers in their order.
async fn ask<M, A>(
    node: &Node,
    participants: &[String],
    path: &str,
    message: impl Fn(u16) -> M,
) -> Result<Vec<A>, ApiError>
where
    M: minicbor::Encode<()>,
    A: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    let asked = (1u16..).zip(participants).map(|(index, member)| {
        let message = message(index);
        async move { node.call::<M, A>(member, path, &message).await }
    });
    let answers = join_all(asked).await;
    answers
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| ApiError::new(code::ORACLES_UNAVAILABLE, error.detail))
}

/// This node's number among the participants, from 1.
fn position(node: &Node, start: &DkgStart) -> Result<u16, ApiError> {
    let place = start.participants.iter().position(|member| *member == node.member);
    place
        .map(|place| place as u16 + 1)
        .ok_or_else(|| ApiError::new(code::NOT_PERMITTED, format!("{} is no participant", node.member)))
}

fn take(node: &Node, session: &Fixed<16>) -> Result<Session, ApiError> {
    let taken = node.keygens.sessions.lock().expect("no panic while the sessions are held").remove(session);
    taken.ok_or_else(|| refused("no such key generation"))
}

fn put(node: &Node, name: Fixed<16>, session: Session) {
    node.keygens.sessions.lock().expect("no panic while the sessions are held").insert(name, session);
}

/// HPKE's info of a round-two package: label, transcript, from, to.
fn secret_info(transcript: &Digest, from: u16, to: u16) -> Vec<u8> {
    [Label::DKG.as_str().as_bytes(), transcript.as_ref(), &from.to_be_bytes(), &to.to_be_bytes()].concat()
}

fn refused(error: impl ToString) -> ApiError {
    ApiError::new(code::ORACLE_DISAGREES, error.to_string())
}

const SESSION_LIFE: u64 = 5 * 60 * 1000;
const MAX_SESSIONS: usize = 16;
