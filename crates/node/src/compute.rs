//! Joint computation among the owners' nodes: each runs its part of an allowed request and seals its share to the
//! requester, so that no node learns the result.
//!
//! One *attempt* has two phases. *Start*: every party checks the request itself, computes its masked share and holds it.
//! *Finish*: once all hold one, each records and keeps its share sealed to the requester. A party that fails in the first
//! phase spoils only the attempt: the next one draws fresh keys.

mod engine;
mod transcript;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use client::api::ResultShare;
use contracts::code;
use contracts::message::ResultRecord;
use contracts::read;
use contracts::record::{Phase, Request, Standing};
use crypto::{Digest, Secret};
use futures_util::future::join_all;
use minicbor::{Decode, Encode};
use mpc::additive::{Envelope, Party, Status};
use query::{Program, Table};
use tokio::sync::mpsc;
use transcript::Transcript;
use wire::Fixed;

use crate::message::{ComputeFinish, ComputeFrame, ComputeStart, ComputeStarted, Done};
use crate::problem::ApiError;
use crate::service::Node;
use crate::store::Share as StoredShare;

/// Attempts under way at this node.
#[derive(Default)]
pub(crate) struct Computations {
    /// Held while this node coordinates.
    coordinating: tokio::sync::Mutex<()>,
    attempts: Mutex<HashMap<Attempt, Seat>>,
}

/// A request and the attempt at it.
type Attempt = (Digest, Fixed<16>);

struct Seat {
    /// Frames from peers; a peer may speak before this party has started.
    inbox: mpsc::Sender<Envelope>,
    waiting: Option<mpsc::Receiver<Envelope>>,
    since: u64,
}

impl Computations {
    /// Runs `act` on the attempt's seat, made if need be; forgets attempts that ended long ago.
    fn seat<R>(&self, attempt: Attempt, now: u64, act: impl FnOnce(&mut Seat) -> R) -> Result<R, ApiError> {
        let mut attempts = self.attempts.lock().expect("no panic while the attempts are held");
        attempts.retain(|_, seat| now.saturating_sub(seat.since) < ATTEMPT_LIFE);
        if attempts.len() >= MAX_ATTEMPTS && !attempts.contains_key(&attempt) {
            return Err(ApiError::new(code::BUSY, "too many computations are under way"));
        }
        let seat = attempts.entry(attempt).or_insert_with(|| {
            let (inbox, waiting) = mpsc::channel(MAX_WAITING);
            Seat { inbox, waiting: Some(waiting), since: now }
        });
        Ok(act(seat))
    }
}

/// The parties of a request's computation: the owners of its contracts, in the request's order, then the helpers.
struct Parties {
    request: Request,
    members: Vec<String>,
    /// How many of them are owners.
    owners: u16,
    /// This node's place.
    own: u16,
    program: Program,
    program_digest: Digest,
    /// Follows from the contracts' terms.
    protocol: contracts::Protocol,
    /// This node's own, unless it helps.
    asset: Option<Digest>,
}

/// What a run gave this party: its share of the result, and what it sent and received for it.
struct Made {
    share: Secret<Vec<u8>>,
    transcript: Digest,
}

/// A share kept under its attempt until all parties have theirs.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Held {
    #[n(0)]
    sealed: wire::Bytes,
    #[n(1)]
    transcript: Digest,
}

/// Has every party compute, then finish. Any party may coordinate, the same request as often as need be: the ledger takes the
/// shares of one run only.
///
/// # Errors
/// `computation_failed` names the party and the phase.
pub(crate) async fn coordinate(node: &Node, request: &Digest) -> Result<(), ApiError> {
    let parties = parties(node, request)?;
    if parties.request.phase != Phase::Done {
        let _turn = node.computations.coordinating.lock().await;
        let attempt = Fixed(crypto::random());
        let start = ComputeStart { request: *request, attempt, height: node.replica.height() };
        let started = parties
            .members
            .iter()
            .map(|member| node.call::<_, ComputeStarted>(member, "/peer/v1/compute/start", &start));
        let started = join_all(started).await;
        // Where an earlier attempt was recorded by some, the others hold their shares of it and finish it; this one's
        // start then fails at those, for want of the first ones' messages.
        let attempt = match started.iter().flatten().find_map(|started| started.recorded) {
            Some(earlier) => earlier,
            None => {
                enough(&parties, "start", started)?;
                attempt
            }
        };
        let finish = ComputeFinish { request: *request, attempt };
        let finished =
            parties.members.iter().map(|member| node.call::<_, Done>(member, "/peer/v1/compute/finish", &finish));
        enough(&parties, "finish", join_all(finished).await)?;
    }
    Ok(())
}

/// Refuses a node that is no party of the request's computation.
pub(crate) async fn party_only(node: &Node, request: &Digest, member: &str, height: u64) -> Result<(), ApiError> {
    node.replica.wait_for(height).await?;
    if parties(node, request)?.members.iter().any(|party| party == member) {
        return Ok(());
    }
    Err(ApiError::new(code::NOT_PERMITTED, "only parties of the computation may run it"))
}

/// First phase at a party: checks the request itself, reads its own table and computes its masked share.
pub(crate) async fn start(node: &Node, start: ComputeStart) -> Result<ComputeStarted, ApiError> {
    node.replica.wait_for(start.height).await?;
    let parties = parties(node, &start.request)?;
    if own_share(node, &start.request).await?.is_some() {
        let recorded = kept(node, &start.request, RECORDED).await?.and_then(|kept| Fixed::from_slice(&kept.sealed));
        return Ok(ComputeStarted { recorded });
    }
    let attempt = (start.request, start.attempt);
    let now = node.now();
    node.audit.record("node", "compute.start", &start.request.to_string(), "ok", &parties.members.join(", ")).await?;

    let session = contracts::session(&start.request);
    let inbox = node
        .computations
        .seat(attempt, now, |seat| seat.waiting.take())?
        .ok_or_else(|| ApiError::new(code::COMPUTATION_FAILED, "this attempt has started already"))?;
    let made = match parties.protocol.name {
        contracts::ADDITIVE => additive(node, &parties, attempt, inbox).await,
        _ => engine::run(node, &parties, attempt, inbox).await,
    };
    node.computations.attempts.lock().expect("no panic while the attempts are held").remove(&attempt);
    let Made { share, transcript } = made?;
    let ephemeral = &parties.request.apply.ephemeral;
    let info = client::result::share_info(&node.member);
    // Sealed to the requester alone.
    let sealed = share.expose(|share| crypto::kem::seal(ephemeral, &info, session.as_ref(), share)).map_err(failed)?;
    let held = Held { sealed: wire::to_vec(&sealed).into(), transcript };
    // Kept durably under the attempt: once another party has recorded its share, this one cannot be made again.
    let held = StoredShare {
        party: pending(&start.attempt),
        sealed: wire::to_vec(&held).into(),
        transaction: Digest::from([0; 32]),
    };
    node.store.put_share(&start.request, &held).await?;
    Ok(ComputeStarted { recorded: None })
}

/// Sums by additive sharing: one message to each peer, then the share.
async fn additive(
    node: &Node,
    parties: &Parties,
    attempt: Attempt,
    mut inbox: mpsc::Receiver<Envelope>,
) -> Result<Made, ApiError> {
    let session = contracts::session(&attempt.0);
    let mut party = Party::new(session, parties.own, parties.members.len() as u16).map_err(failed)?;
    let mut transcript = Transcript::default();
    let (outbox, mut status) = party.step(Vec::new()).map_err(failed)?;
    for envelope in &outbox {
        envelope.body.expose(|body| transcript.add(envelope.from, envelope.to, body));
    }
    let local = local(node, parties);
    let send = join_all(outbox.into_iter().map(|envelope| send(node, parties, attempt, envelope)));
    let (local, sent) = tokio::join!(local, send);
    let input = local?.ok_or_else(|| ApiError::internal("nobody helps in `additive`"))?;
    sent.into_iter().collect::<Result<Vec<_>, _>>()?;
    while let Status::Waiting(missing) = &status {
        let names: Vec<_> =
            missing.iter().filter_map(|index| parties.members.get(usize::from(*index))).cloned().collect();
        let frame = tokio::time::timeout(PATIENCE, inbox.recv()).await.ok().flatten();
        let frame = frame
            .ok_or_else(|| ApiError::new(code::COMPUTATION_FAILED, format!("no word from {}", names.join(", "))))?;
        frame.body.expose(|body| transcript.add(frame.from, frame.to, body));
        status = party.step(vec![frame]).map_err(failed)?.1;
    }
    let share = party.share(&input).map_err(failed)?;
    Ok(Made { share: Secret::new(share.to_bytes()), transcript: transcript.digest(&session) })
}

/// Second phase at a party: records the sealed share of the attempt and keeps it as the result's.
pub(crate) async fn finish(node: &Node, finish: ComputeFinish) -> Result<Done, ApiError> {
    if own_share(node, &finish.request).await?.is_some() {
        return Ok(Done {});
    }
    let held = kept(node, &finish.request, &pending(&finish.attempt)).await?;
    let held =
        held.ok_or_else(|| ApiError::new(code::COMPUTATION_FAILED, "this node holds no share of that attempt"))?;
    let held = unpack(&held)?;
    let attempt = finish.attempt.as_bytes().to_vec().into();
    node.store
        .put_share(
            &finish.request,
            &StoredShare { party: RECORDED.into(), sealed: attempt, transaction: Digest::from([0; 32]) },
        )
        .await?;
    record(node, &finish.request, finish.attempt, held).await?;
    Ok(Done {})
}

/// Keeps the sealed share, then puts its record on the ledger. Where enough others have recorded theirs meanwhile, this one is not needed.
async fn record(node: &Node, request: &Digest, run: Fixed<16>, held: Held) -> Result<Option<ResultShare>, ApiError> {
    let Held { sealed, transcript } = held;
    let parties = parties(node, request)?;
    if parties.request.phase == Phase::Done {
        return Ok(None);
    }
    let record = ResultRecord {
        request: *request,
        party: node.member.clone(),
        run,
        session: contracts::session(request),
        protocol: parties.protocol.name.into(),
        adversary: parties.protocol.adversary.to_string(),
        parties: parties.members.clone(),
        program: parties.program_digest,
        share: crypto::sha256(&[&sealed]),
        transcript,
        simulated: false,
    };
    let transaction = node.prepare("results", "record", &record)?;
    let id = transaction.id();
    let kept = StoredShare { party: node.member.clone(), sealed: sealed.clone(), transaction: id };
    node.store.put_share(request, &kept).await?;
    node.audit.record("node", "compute.share", &request.to_string(), "ok", "sealed to the requester").await?;
    let placed = node.submit(vec![transaction]).await?;
    match placed.first().map(|placed| placed.code.as_str()) {
        Some(ledger::OK) => Ok(Some(ResultShare { party: node.member.clone(), sealed, transaction: id })),
        Some(closed) if closed == code::REQUEST_CLOSED.code && parties.protocol.dropouts > 0 => Ok(None),
        refused => {
            Err(ApiError::coded(refused.unwrap_or_default(), format!("transaction {id} was refused and is on record")))
        }
    }
}

/// Takes a peer's frame.
pub(crate) async fn receive(node: &Node, from: &str, frame: ComputeFrame) -> Result<Done, ApiError> {
    node.replica.wait_for(frame.height).await?;
    let parties = parties(node, &frame.request)?;
    if parties.members.get(usize::from(frame.from)).map(String::as_str) != Some(from) {
        return Err(ApiError::new(code::NOT_PERMITTED, "a party speaks for itself alone"));
    }
    let envelope = Envelope { from: frame.from, to: frame.to, body: Secret::new(frame.payload.0) };
    let inbox = node.computations.seat((frame.request, frame.attempt), node.now(), |seat| seat.inbox.clone())?;
    inbox.try_send(envelope).map_err(|_| ApiError::new(code::BUSY, "this attempt has had all its messages"))?;
    Ok(Done {})
}

/// Answers whether this node takes part in an attempt, or has yet to.
pub(crate) fn alive(node: &Node, asked: &ComputeFinish) -> Result<Done, ApiError> {
    let attempts = node.computations.attempts.lock().expect("no panic while the attempts are held");
    match attempts.contains_key(&(asked.request, asked.attempt)) {
        true => Ok(Done {}),
        false => Err(ApiError::new(code::COMPUTATION_FAILED, "this node takes no part in that attempt")),
    }
}

/// This node's sealed share of a request's result, if it was made. A share that was kept but whose record did not reach
/// the ledger (the node stopped between the two) is recorded now.
pub(crate) async fn own_share(node: &Node, request: &Digest) -> Result<Option<ResultShare>, ApiError> {
    let Some(StoredShare { party, sealed, transaction }) = kept(node, request, &node.member).await? else {
        return Ok(None);
    };
    if node.replica.committed(&transaction)?.is_some_and(|committed| committed.outcome.is_ok()) {
        return Ok(Some(ResultShare { party, sealed, transaction }));
    }
    let attempt = kept(node, request, RECORDED).await?.and_then(|kept| Fixed::from_slice(&kept.sealed));
    let attempt = attempt.ok_or_else(|| ApiError::internal("a share is kept after its attempt"))?;
    let held = kept(node, request, &pending(&attempt)).await?;
    let held = held.ok_or_else(|| ApiError::internal("a share is kept under its attempt first"))?;
    record(node, request, attempt, unpack(&held)?).await
}

fn unpack(stored: &StoredShare) -> Result<Held, ApiError> {
    wire::from_slice(&stored.sealed, wire::Limits::large()).map_err(ApiError::internal)
}

async fn kept(node: &Node, request: &Digest, party: &str) -> Result<Option<StoredShare>, ApiError> {
    Ok(node.store.shares(request).await?.into_iter().find(|share| share.party == party))
}

/// The store's name for a share not yet recorded.
fn pending(attempt: &Fixed<16>) -> String {
    format!("attempt {attempt}")
}

/// Reads the request from this node's own replica and checks that it may run here.
fn parties(node: &Node, id: &Digest) -> Result<Parties, ApiError> {
    let view = node.replica.view()?;
    let request = read::request(&view, id)?.ok_or_else(|| ApiError::new(code::UNKNOWN_REQUEST, id.to_string()))?;
    match &request.phase {
        Phase::Allowed | Phase::Done => {}
        Phase::Refused(code) => return Err(ApiError::coded(code, "the request was refused")),
        _ => return Err(ApiError::new(code::APPROVALS_MISSING, "the request has no verdict yet")),
    }
    let (mut assets, mut all) = (Vec::new(), Vec::new());
    let mut standing = Standing::Active;
    for named in &request.apply.contracts {
        let contract = read::contract(&view, &named.contract)?
            .ok_or_else(|| ApiError::new(code::UNKNOWN_CONTRACT, named.contract.to_string()))?;
        // The terms that were applied under and judged, whatever was offered since.
        let version = read::version(&view, named)?
            .ok_or_else(|| ApiError::new(code::CONTRACT_CHANGED, format!("no version {}", named.version)))?;
        if standing == Standing::Active {
            standing = contract.standing;
        }
        assets.push(version.terms.asset);
        all.push(version.terms);
    }
    let members: Vec<String> = request.parties().cloned().collect();
    let own = members.iter().position(|member| *member == node.member).ok_or_else(|| {
        ApiError::new(code::NOT_PERMITTED, format!("{} is no party of this computation", node.member))
    })?;
    if own >= assets.len() && !node.compute.help {
        let message = format!("{} helps in no computation: its operator has not set `compute.help`", node.member);
        return Err(ApiError::new(code::NOT_PERMITTED, message));
    }
    if request.phase == Phase::Allowed {
        let expired = request.verdict.as_ref().is_none_or(|verdict| verdict.not_after < node.now());
        if expired || standing != Standing::Active {
            let code = if expired { code::VERDICT_EXPIRED } else { code::CONTRACT_NOT_IN_FORCE };
            return Err(ApiError::new(code, "the computation may no longer begin"));
        }
    }
    let protocol = contracts::protocol(&all).map_err(|reason| ApiError::new(code::NO_PROTOCOL, reason))?;
    let bytes = all.into_iter().next().and_then(|terms| terms.program);
    let bytes =
        bytes.ok_or_else(|| ApiError::new(code::NOT_PERMITTED, "the contract is for release, not for computing"))?;
    let program = Program::from_bytes(&bytes).map_err(failed)?;
    let program_digest = program.digest();
    let (owners, asset) = (assets.len() as u16, assets.get(own).copied());
    Ok(Parties { request, members, owners, own: own as u16, program, program_digest, protocol, asset })
}

/// This party's vector: its own table, opened in memory only. Nothing of a helper.
async fn local(node: &Node, parties: &Parties) -> Result<Option<Secret<Vec<u64>>>, ApiError> {
    let Some(asset) = &parties.asset else { return Ok(None) };
    let opened = crate::assets::open(node, asset).await?;
    let (program, count) = (parties.program.clone(), parties.owners);
    let vector = tokio::task::spawn_blocking(move || -> Result<_, String> {
        let table = opened.expose(|bytes| Table::read(bytes.as_slice())).map_err(|error| error.to_string())?;
        program.local(&table, count).map_err(|error| error.to_string())
    });
    vector.await.map_err(ApiError::internal)?.map(Some).map_err(|error| {
        // What the table is like stays with its owner.
        tracing::error!(request = %parties.request.id, error, "this member's table does not fit the program");
        ApiError::new(
            code::COMPUTATION_FAILED,
            "this party's table does not fit the program; its operator's log says why",
        )
    })
}

async fn send(
    node: &Node,
    parties: &Parties,
    (request, attempt): Attempt,
    envelope: Envelope,
) -> Result<Done, ApiError> {
    let to = &parties.members[usize::from(envelope.to)];
    // The payload is secret between these two parties; the link is mutual TLS.
    let payload = envelope.body.expose(|body| body.clone()).into();
    let height = node.replica.height();
    let frame = ComputeFrame { request, attempt, from: envelope.from, to: envelope.to, payload, height };
    node.call(to, "/peer/v1/compute/frame", &frame).await
}

/// The answers, where as many parties as it takes gave one.
fn enough<T>(parties: &Parties, phase: &str, answers: Vec<Result<T, ApiError>>) -> Result<Vec<T>, ApiError> {
    let (mut good, mut away, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for (member, answer) in parties.members.iter().zip(answers) {
        match answer {
            Ok(answer) => good.push(answer),
            Err(error) if error.code == code::PEER_UNREACHABLE.code => away.push(error.to_string()),
            Err(error) => failures.push(format!("{member}: {error}")),
        }
    }
    // Where somebody is away, the others' failures are for want of it.
    let failures = if away.is_empty() { failures.join("; ") } else { away.join("; ") };
    if good.len() < parties.protocol.enough() {
        return Err(ApiError::new(code::COMPUTATION_FAILED, format!("phase {phase}: {failures}")));
    }
    if !failures.is_empty() {
        tracing::warn!(request = %parties.request.id, phase, failures, "a computation goes on without a party");
    }
    Ok(good)
}

fn failed(error: impl ToString) -> ApiError {
    ApiError::new(code::COMPUTATION_FAILED, error.to_string())
}

/// The store's name for the attempt whose share was recorded.
const RECORDED: &str = "recorded attempt";
/// How long a party waits for another's message.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages of an attempt that may wait to be read.
const MAX_WAITING: usize = 256;
const ATTEMPT_LIFE: u64 = 10 * 60 * 1000;
const MAX_ATTEMPTS: usize = 64;
