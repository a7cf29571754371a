//! Joint computation among the owners' nodes: each runs its part of an allowed request and seals its share to the
//! requester, so that no node learns the result.
//!
//! One *attempt* has two phases. *Start*: every party checks the request itself, computes its masked share and holds it.
//! *Finish*: once all hold one, each records and keeps its share sealed to the requester. A party that fails in the first
//! phase spoils only the attempt: the next one draws fresh keys.

mod engine;
mod keep;
mod runs;
mod transcript;

use std::sync::Arc;
use std::time::Duration;

use client::api::{Computation, ResultShare};
use contracts::code;
use contracts::message::ResultRecord;
use contracts::read;
use contracts::record::{Phase, Request, Standing};
use crypto::{Digest, Secret};
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use minicbor::{Decode, Encode};
use query::{Program, Table};
use tokio::sync::mpsc;
use wire::Fixed;

use crate::message::{ComputeFinish, ComputeFrame, ComputeStart, ComputeStarted, ComputeState, Done};
use crate::problem::ApiError;
use crate::service::Node;
use crate::store::Share as StoredShare;

pub(crate) use keep::watch;
pub(crate) use runs::Computations;
use runs::{Attempt, Envelope, Run};

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

/// Has every party compute, then finish, unless that is under way; how far it is after a moment. Any party may coordinate, the same
/// request as often as need be: the ledger takes the shares of one run only.
///
/// # Errors
/// `computation_failed` names the party and the phase; `computation_cancelled`.
pub(crate) async fn coordinate(node: &Arc<Node>, request: &Digest) -> Result<Computation, ApiError> {
    if parties(node, request)?.request.phase == Phase::Done {
        return Ok(Computation::done());
    }
    let (errand, new) = node.computations.errand(request);
    if new {
        let (node, request, errand) = (Arc::clone(node), *request, Arc::clone(&errand));
        tokio::spawn(async move {
            let run = {
                let (node, errand) = (Arc::clone(&node), Arc::clone(&errand));
                tokio::spawn(async move { run_errand(&node, &request, &errand).await })
            };
            errand.end(run.await.unwrap_or_else(|panicked| Err(ApiError::internal(panicked))));
            // Who asked has the time to hear of it; then it is forgotten, so that asking again begins anew.
            tokio::time::sleep(ERRAND_LIFE).await;
            node.computations.forget(&request, &errand);
        });
    }
    match errand.outcome(MOMENT).await {
        Some(outcome) => {
            node.computations.forget(request, &errand);
            outcome.map(|()| Computation::done())
        }
        None => {
            let runs = node.computations.under_way(request);
            let progress = runs.first().map(|(_, run)| run.progress()).unwrap_or_default();
            Ok(Computation {
                done: false,
                permille: progress.permille,
                phase: progress.to_string(),
                sent_bytes: progress.sent,
                received_bytes: progress.received,
                rounds: progress.rounds,
            })
        }
    }
}

/// Ends what is under way of a request's computation, here and at the other parties. Whether there was anything.
pub(crate) fn cancel(node: &Arc<Node>, request: &Digest) -> Result<bool, ApiError> {
    let parties = parties(node, request)?;
    let errand = node.computations.known_errand(request);
    if let Some(errand) = &errand {
        errand.cancel();
    }
    let attempts = node.computations.under_way(request);
    for ((_, attempt), run) in &attempts {
        run.cancel();
        let ask = ComputeFinish { request: *request, attempt: *attempt };
        for member in parties.members.iter().filter(|member| **member != node.member) {
            let (node, ask, member) = (Arc::clone(node), ask.clone(), member.clone());
            // Who does not hear of it misses this party before long.
            tokio::spawn(async move { node.call::<_, Done>(&member, "/peer/v1/compute/cancel", &ask).await.ok() });
        }
    }
    Ok(errand.is_some() || !attempts.is_empty())
}

/// Ends this party's part of an attempt, because another party asks for it.
pub(crate) async fn cancelled_by(node: &Node, member: &str, asked: &ComputeFinish) -> Result<Done, ApiError> {
    if let Some(run) = node.computations.run(&(asked.request, asked.attempt)) {
        node.audit.record(member, "compute.cancel", &asked.request.to_string(), "ok", "by another party").await?;
        run.cancel();
    }
    Ok(Done {})
}

/// Both phases at all parties.
async fn run_errand(node: &Node, request: &Digest, errand: &Run) -> Result<(), ApiError> {
    let _turn = tokio::select! {
        turn = node.computations.coordinating.lock() => turn,
        () = errand.cancelled() => return Err(cancelled()),
    };
    let parties = parties(node, request)?;
    if parties.request.phase == Phase::Done {
        return Ok(());
    }
    let attempt = tokio::select! {
        attempt = have_started(node, &parties) => attempt?,
        () = errand.cancelled() => return Err(cancelled()),
    };
    let finish = ComputeFinish { request: *request, attempt };
    let finished =
        parties.members.iter().map(|member| node.call::<_, Done>(member, "/peer/v1/compute/finish", &finish));
    let answers = join_all(finished).await.into_iter();
    let answers = answers.map(|answer| answer.map_err(|error| during(error, "recording the shares")));
    enough(&parties, parties.members.iter().zip(answers).collect())
}

/// The first phase at all parties: the attempt that they hold shares of. Ends as soon as too many have failed.
async fn have_started(node: &Node, parties: &Parties) -> Result<Fixed<16>, ApiError> {
    let (request, attempt) = (parties.request.id, Fixed(crypto::random()));
    let start = ComputeStart { request, attempt, height: node.replica.height() };
    let ask = ComputeFinish { request, attempt };
    let (start, at) = (&start, &ask);
    let begun = parties.members.iter().map(|member| async move { (member, begin(node, member, start, at).await) });
    let mut begun: FuturesUnordered<_> = begun.collect();
    let mut answers = Vec::new();
    let can_fail = parties.members.len() - parties.protocol.enough();
    while let Some((member, answer)) = begun.next().await {
        // Where an earlier attempt was recorded by some, the others hold their shares of it and finish it; this one is of no use then.
        if let Ok(Some(earlier)) = answer {
            let cancel = "/peer/v1/compute/cancel";
            join_all(parties.members.iter().map(|member| node.call::<_, Done>(member, cancel, &ask))).await;
            return Ok(earlier);
        }
        answers.push((member, answer));
        if answers.iter().filter(|(_, answer)| answer.is_err()).count() > can_fail {
            break;
        }
    }
    enough(parties, answers)?;
    Ok(attempt)
}

/// Has a party start, and waits until it holds its share, unless it has recorded that of an earlier attempt.
async fn begin(
    node: &Node,
    member: &str,
    start: &ComputeStart,
    ask: &ComputeFinish,
) -> Result<Option<Fixed<16>>, ApiError> {
    let started = node.call(member, "/peer/v1/compute/start", start).await;
    let started: ComputeStarted = started.map_err(|error| during(error, "beginning"))?;
    if started.recorded.is_some() {
        return Ok(started.recorded);
    }
    let mut misses = 0;
    loop {
        match node.call::<_, ComputeState>(member, "/peer/v1/compute/wait", ask).await {
            Ok(state) if state.held => return Ok(None),
            Ok(_) => misses = 0,
            // One that was out of reach for a moment may still be at it.
            Err(error) if error.code == code::PEER_UNREACHABLE.code && misses < MISSES => {
                misses += 1;
                tokio::time::sleep(MOMENT).await;
            }
            Err(error) if error.code == code::PEER_UNREACHABLE.code || error.detail.ends_with(NO_PART) => {
                // It cannot say at what it was: as far as this party has come itself.
                let own = node.computations.run(&(ask.request, ask.attempt)).map(|run| run.progress());
                return Err(during(error, &own.unwrap_or_default().to_string()));
            }
            // It says itself at what it was.
            Err(error) => return Err(error),
        }
    }
}

/// Refuses a node that is no party of the request's computation.
pub(crate) async fn party_only(node: &Node, request: &Digest, member: &str, height: u64) -> Result<(), ApiError> {
    node.replica.wait_for(height).await?;
    if parties(node, request)?.members.iter().any(|party| party == member) {
        return Ok(());
    }
    Err(ApiError::new(code::NOT_PERMITTED, "only parties of the computation may run it"))
}

/// First phase at a party: checks the request itself, then reads its own table and computes its share, for which [`wait`] waits.
pub(crate) async fn start(node: &Arc<Node>, start: ComputeStart) -> Result<ComputeStarted, ApiError> {
    node.replica.wait_for(start.height).await?;
    let parties = parties(node, &start.request)?;
    if own_share(node, &start.request).await?.is_some() {
        let recorded = kept(node, &start.request, RECORDED).await?.and_then(|kept| Fixed::from_slice(&kept.sealed));
        return Ok(ComputeStarted { recorded });
    }
    let attempt = (start.request, start.attempt);
    node.audit.record("node", "compute.start", &start.request.to_string(), "ok", &parties.members.join(", ")).await?;
    // Said twice where the first answer was lost on the way: the part goes on.
    let Some((inbox, run)) = node.computations.begin(attempt, node.now())? else {
        return Ok(ComputeStarted { recorded: None });
    };
    let part = {
        let (node, run) = (Arc::clone(node), Arc::clone(&run));
        tokio::spawn(async move { part(&node, &parties, attempt, inbox, &run).await })
    };
    tokio::spawn(async move {
        let outcome = part.await.unwrap_or_else(|panicked| Err(ApiError::internal(panicked)));
        let outcome = outcome.map_err(|error| during(error, &run.progress().to_string()));
        if let Err(error) = &outcome {
            tracing::warn!(request = %attempt.0, %error, "a computation ended without a result");
        }
        run.end(outcome);
    });
    Ok(ComputeStarted { recorded: None })
}

/// Whether this party holds its share of an attempt that it has started; it answers at the latest after some seconds.
///
/// # Errors
/// Why it will hold none.
pub(crate) async fn wait(node: &Node, asked: &ComputeFinish) -> Result<ComputeState, ApiError> {
    let run = node.computations.run(&(asked.request, asked.attempt)).ok_or_else(no_part)?;
    let outcome = run.outcome(WAIT).await.transpose()?;
    Ok(ComputeState { held: outcome.is_some() })
}

/// This party's part of an attempt: at its end its share is on disk.
async fn part(
    node: &Node,
    parties: &Parties,
    attempt: Attempt,
    inbox: mpsc::Receiver<Envelope>,
    run: &Arc<Run>,
) -> Result<(), ApiError> {
    let (request, number) = attempt;
    let made = engine::run(node, parties, attempt, inbox, run).await;
    if run.is_cancelled() {
        // Who wanted it to end wants nothing of it kept.
        let detail = match keep::forget_cancelled(node, &attempt).await? {
            true => "nothing of it is kept",
            false => "what is kept is of the attempt after it",
        };
        node.audit.record("node", "compute.cancelled", &request.to_string(), "ok", detail).await?;
        return Err(cancelled());
    }
    let Made { share, transcript } = made?;
    let ephemeral = &parties.request.apply.ephemeral;
    let (session, info) = (contracts::session(&request), client::result::share_info(&node.member));
    // Sealed to the requester alone.
    let sealed = share.expose(|share| crypto::kem::seal(ephemeral, &info, session.as_ref(), share)).map_err(failed)?;
    let held = Held { sealed: wire::to_vec(&sealed).into(), transcript };
    // Kept durably under the attempt: once another party has recorded its share, this one cannot be made again.
    let held =
        StoredShare { party: pending(&number), sealed: wire::to_vec(&held).into(), transaction: Digest::from([0; 32]) };
    node.store.put_share(&request, &held).await?;
    // The engine has emptied its checkpoints; their key goes too.
    keep::forget(node, &request).await
}

/// Second phase at a party: records the sealed share of the attempt and keeps it as the result's.
pub(crate) async fn finish(node: &Node, finish: ComputeFinish) -> Result<Done, ApiError> {
    if own_share(node, &finish.request).await?.is_some() {
        return Ok(Done {});
    }
    let Some(held) = kept(node, &finish.request, &pending(&finish.attempt)).await? else {
        // Where enough others have recorded theirs, this one is not needed.
        return match parties(node, &finish.request)?.request.phase {
            Phase::Done => Ok(Done {}),
            _ => Err(ApiError::new(code::COMPUTATION_FAILED, "this node holds no share of that attempt")),
        };
    };
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
    // One at a time: who asks for the share while its record is on its way would record it again.
    let _turn = node.computations.recording.lock().await;
    if let Some(recorded) = recorded_share(node, request).await? {
        return Ok(Some(recorded));
    }
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
    node.computations.deliver((frame.request, frame.attempt), node.now(), envelope)?;
    Ok(Done {})
}

/// Answers whether this node takes part in an attempt, or has yet to.
pub(crate) fn alive(node: &Node, asked: &ComputeFinish) -> Result<Done, ApiError> {
    match node.computations.is_alive(&(asked.request, asked.attempt)) {
        true => Ok(Done {}),
        false => Err(no_part()),
    }
}

fn no_part() -> ApiError {
    ApiError::new(code::COMPUTATION_FAILED, NO_PART)
}

fn cancelled() -> ApiError {
    ApiError::new(code::COMPUTATION_CANCELLED, "nothing came out of it, and nothing of it is kept")
}

/// This node's sealed share of a request's result, if it was made. A share that was kept but whose record did not reach
/// the ledger (the node stopped between the two) is recorded now.
pub(crate) async fn own_share(node: &Node, request: &Digest) -> Result<Option<ResultShare>, ApiError> {
    if kept(node, request, &node.member).await?.is_none() {
        return Ok(None);
    }
    if let Some(recorded) = recorded_share(node, request).await? {
        return Ok(Some(recorded));
    }
    let attempt = kept(node, request, RECORDED).await?.and_then(|kept| Fixed::from_slice(&kept.sealed));
    let attempt = attempt.ok_or_else(|| ApiError::internal("a share is kept after its attempt"))?;
    let held = kept(node, request, &pending(&attempt)).await?;
    let held = held.ok_or_else(|| ApiError::internal("a share is kept under its attempt first"))?;
    record(node, request, attempt, unpack(&held)?).await
}

/// This node's sealed share, where its record is on the ledger.
async fn recorded_share(node: &Node, request: &Digest) -> Result<Option<ResultShare>, ApiError> {
    let Some(StoredShare { party, sealed, transaction }) = kept(node, request, &node.member).await? else {
        return Ok(None);
    };
    let committed = node.replica.committed(&transaction)?.is_some_and(|committed| committed.outcome.is_ok());
    Ok(committed.then_some(ResultShare { party, sealed, transaction }))
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
        // What is held of it is destroyed when the first of its contracts ends.
        if all.iter().any(|terms| terms.window.not_after <= node.now()) {
            return Err(ApiError::new(code::CONTRACT_NOT_IN_FORCE, "a contract's window has ended"));
        }
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

/// Refuses to go on where fewer parties than it takes answered well.
fn enough<T>(parties: &Parties, answers: Vec<(&String, Result<T, ApiError>)>) -> Result<(), ApiError> {
    let (mut good, mut failures) = (0, Vec::new());
    for (member, answer) in answers {
        match answer {
            Ok(_) => good += 1,
            Err(error) if error.code == code::COMPUTATION_CANCELLED.code => return Err(error),
            Err(error) => failures.push((member.as_str(), error)),
        }
    }
    let failures = told(&parties.members, &failures);
    if good < parties.protocol.enough() {
        return Err(ApiError::new(code::COMPUTATION_FAILED, failures));
    }
    if !failures.is_empty() {
        tracing::warn!(request = %parties.request.id, failures, "a computation goes on without a party");
    }
    Ok(())
}

/// What members answered, each once: who failed, why and at what; and who says so, where it is another.
fn told(members: &[String], failures: &[(&str, ApiError)]) -> String {
    let away = |error: &ApiError| error.code == code::PEER_UNREACHABLE.code;
    // Where somebody is away, the others' failures are for want of it.
    let some_away = failures.iter().any(|(_, error)| away(error));
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for (member, error) in failures.iter().filter(|(_, error)| away(error) || !some_away) {
        // The detail begins with the member that it is of.
        let own = error.detail.strip_prefix(member).and_then(|rest| rest.strip_prefix(": "));
        let of_another = own.filter(|rest| {
            let mut others = members.iter().filter(|other| other != member);
            others.any(|other| rest.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with(": ")))
        });
        let (what, says) = of_another.map_or((error.detail.as_str(), None), |what| (what, Some(*member)));
        match told.iter_mut().find(|(known, _)| known == what) {
            Some((_, known)) => known.extend(says),
            None => told.push((what.to_owned(), says.into_iter().collect())),
        }
    }
    let one = |(what, says): &(String, Vec<&str>)| match says.as_slice() {
        [] => what.clone(),
        says => format!("{what} (says {})", says.join(", ")),
    };
    told.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A failure that says at what it came about, unless somebody wanted the end.
fn during(error: ApiError, phase: &str) -> ApiError {
    if error.code == code::COMPUTATION_CANCELLED.code || phase.is_empty() {
        return error;
    }
    ApiError { detail: format!("{}, while {phase}", error.detail), ..error }
}

fn failed(error: impl ToString) -> ApiError {
    ApiError::new(code::COMPUTATION_FAILED, error.to_string())
}

/// What a node says of an attempt that it knows nothing of, for example after it has started anew.
const NO_PART: &str = "this node takes no part in that attempt";
/// The store's name for the attempt whose share was recorded.
const RECORDED: &str = "recorded attempt";
/// How long a party waits for another's message.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer waits for the end, so that what is quick is answered at once.
const MOMENT: Duration = Duration::from_secs(1);
/// As above, between nodes.
const WAIT: Duration = Duration::from_secs(20);
/// How often in a row a party may be out of reach.
const MISSES: u32 = 2;
/// How long the outcome of an errand is kept for who asks.
const ERRAND_LIFE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: code::Code, detail: &str) -> ApiError {
        during(ApiError::new(code, detail), "computing (operation 5 of 21)")
    }

    #[test]
    fn a_failure_names_the_party_what_it_was_at_and_why() {
        let members = ["st-anna", "riverside", "northgate"].map(str::to_owned);
        let lost = || failure(code::COMPUTATION_FAILED, "riverside: northgate: no word in time");
        let expected = "northgate: no word in time, while computing (operation 5 of 21) (says riverside)";
        assert_eq!(told(&members, &[("riverside", lost())]), expected);
        // The same by two, at different places; one's own.
        let other =
            ApiError::new(code::COMPUTATION_FAILED, "st-anna: northgate: no word in time, while agreeing on keys");
        let own =
            ApiError::new(code::COMPUTATION_FAILED, "northgate: this party's table is none, while reading its table");
        let expected =
            format!("{expected}; northgate: no word in time, while agreeing on keys (says st-anna); {}", own.detail);
        assert_eq!(told(&members, &[("riverside", lost()), ("st-anna", other), ("northgate", own)]), expected);
        let same = failure(code::COMPUTATION_FAILED, "st-anna: northgate: no word in time");
        let both = "northgate: no word in time, while computing (operation 5 of 21) (says riverside, st-anna)";
        assert_eq!(told(&members, &[("riverside", lost()), ("st-anna", same)]), both);
        // Who is away spoils it for the others.
        let away = failure(code::PEER_UNREACHABLE, "northgate: connection refused");
        let expected = "northgate: connection refused, while computing (operation 5 of 21)";
        assert_eq!(told(&members, &[("riverside", lost()), ("northgate", away)]), expected);
        assert_eq!(during(cancelled(), "computing").detail, cancelled().detail);
    }
}
