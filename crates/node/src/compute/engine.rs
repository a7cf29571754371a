//! A run on the engine of `mpc`: a party on a thread of its own, its frames through the peers' API.

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use contracts::{ADDITIVE, Protocol, SHAMIR};
use crypto::Secret;
use futures_util::future::join_all;
use futures_util::stream::StreamExt as _;
use mpc::additive::Additive;
use mpc::domain::{Domain, Values};
use mpc::engine::{Adversary, Backend, Failure, Fault, Frame, Party, Settings, Status};
use mpc::rep3::Rep3;
use mpc::runner::{Observer, Phase, Report, Session};
use mpc::shamir::Shamir;
use tokio::sync::mpsc;

use super::keep::Checkpoints;
use super::runs::{Envelope, Progress, Run};
use super::transcript::Transcript;
use super::{Attempt, Made, PATIENCE, Parties, failed, local, send};
use crate::config::Drill;
use crate::message::{ComputeFinish, Done};
use crate::problem::ApiError;
use crate::service::Node;

/// Computes the sums of the owners' vectors under the protocol of the contracts; the share is for the requester
/// ([`mpc::additive::combine`], [`mpc::rep3::combine`], [`mpc::shamir::combine`]).
pub(super) async fn run(
    node: &Node,
    parties: &Parties,
    attempt: Attempt,
    inbox: mpsc::Receiver<Envelope>,
    run: &Arc<Run>,
) -> Result<Made, ApiError> {
    run.tell(Progress { phase: "reading its table", ..Progress::default() });
    let input = local(node, parties).await?;
    run.tell(Progress { phase: "agreeing on keys", ..Progress::default() });
    let (outbox, mut frames) = mpsc::channel(MAX_QUEUED);
    let (losses, lost) = mpsc::unbounded_channel();
    let settings = Settings {
        session: contracts::session(&attempt.0),
        run: *attempt.1.as_bytes(),
        index: parties.own,
        parties: parties.protocol.parties,
        seed: Secret::random(),
        inbox_limit: INBOX_LIMIT,
    };
    let drill = node.compute.drill;
    let kept = match client::plan::checkpoints(&parties.protocol) {
        Some(every) => Some((Checkpoints::open(node, &attempt.0).await?, every)),
        None => None,
    };
    let work = Work {
        drill,
        protocol: parties.protocol,
        owners: parties.owners,
        program: parties.program.clone(),
        input,
        kept,
        run: Arc::clone(run),
    };
    let runtime = tokio::runtime::Handle::current();
    let session = settings.session;
    let awaited = Arc::new(Mutex::new(Vec::new()));
    let links = Links { inbox, lost, outbox, awaited: awaited.clone(), runtime };
    let watching = watch(node, parties, attempt, &awaited, losses.clone());
    let computing = tokio::task::spawn_blocking(move || drive(settings, work, links));
    let sending = async {
        // A few at once: a party sorts them by their numbers.
        let queue = futures_util::stream::poll_fn(move |context| frames.poll_recv(context));
        let mut sends = queue
            .map(|frame: Frame| {
                let to = frame.to;
                let body = Secret::new(frame.body.to_vec());
                async move {
                    let envelope = Envelope { from: frame.from, to, body };
                    (to, tokio::time::timeout(PATIENCE, send(node, parties, attempt, envelope)).await)
                }
            })
            .buffer_unordered(4);
        loop {
            let next = tokio::select! {
                next = sends.next() => next,
                // Nobody waits for what was cancelled.
                () = run.cancelled() => None,
            };
            let Some((to, sent)) = next else { break };
            let problem = match sent {
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            tracing::warn!(request = %parties.request.id, problem, "a frame did not arrive");
            // Nobody listens any more where the run has ended.
            _ = losses.send((to, "a message did not reach it"));
        }
    };
    let working = async { tokio::join!(computing, sending) };
    let (computed, ()) = tokio::select! {
        done = working => done,
        never = watching => match never {},
    };
    if let (Ok(Err(Ended { failure: Failure::Cancelled, .. })), Some(drill)) = (&computed, node.compute.drill) {
        tracing::error!(?drill, "a drill: this process ends in the middle of a computation");
        std::process::exit(DRILLED);
    }
    let resumed = run.progress().resumed;
    if resumed > 0 {
        let detail = format!("after {resumed} operations that an earlier run had kept");
        node.audit.record("node", "compute.resume", &parties.request.id.to_string(), "ok", &detail).await?;
    }
    let (share, transcript) = computed.map_err(ApiError::internal)?.map_err(|ended| blame(&ended, parties))?;
    Ok(Made { share, transcript: transcript.digest(&session) })
}

/// Asks those whom this party awaits, from time to time, whether they still are at it: a process that has died says nothing by itself.
async fn watch(
    node: &Node,
    parties: &Parties,
    (request, attempt): Attempt,
    awaited: &Mutex<Vec<u16>>,
    losses: mpsc::UnboundedSender<Loss>,
) -> Infallible {
    loop {
        tokio::time::sleep(WATCH).await;
        let peers = awaited.lock().expect("no panic while it is held").clone();
        let asked = peers.into_iter().map(|peer| async move {
            let member = &parties.members[usize::from(peer)];
            let ask = ComputeFinish { request, attempt };
            let alive = node.call::<_, Done>(member, "/peer/v1/compute/alive", &ask);
            let alive = tokio::time::timeout(ANSWER, alive).await;
            (peer, matches!(alive, Ok(Ok(_))))
        });
        for (peer, alive) in join_all(asked).await {
            if !alive {
                tracing::warn!(%request, party = parties.members[usize::from(peer)], "a party no longer takes part");
                // Nobody listens any more where the run has ended.
                _ = losses.send((peer, "it takes no part any more"));
            }
        }
    }
}

/// What a party computes.
struct Work {
    drill: Option<Drill>,
    protocol: Protocol,
    owners: u16,
    program: query::Program,
    /// Its own vector, unless it helps.
    input: Option<Secret<Vec<u64>>>,
    /// What is left of a run before this one, and where this one's is kept.
    kept: Option<(Checkpoints, usize)>,
    run: Arc<Run>,
}

impl Work {
    /// The words as values of the protocol's numbers, and their sum's program.
    fn plan(&self) -> (mpc::program::Program, Vec<usize>, Option<Values>) {
        let domain = if self.protocol.name == SHAMIR { Domain::P127 } else { Domain::Ring64 };
        let program = self.program.joint(self.protocol.parties, self.owners, domain);
        let lengths = vec![self.program.length(); usize::from(self.owners)];
        // The values stay this party's: the engine shares them, and wipes them when done.
        let values = self.input.as_ref().map(|input| {
            input.expose(|words| match domain {
                Domain::Ring64 => Values::Ring64(words.clone()),
                _ => Values::from_i64(domain, &words.iter().map(|word| word.cast_signed()).collect::<Vec<_>>()),
            })
        });
        (program, lengths, values)
    }
}

/// How a party on a thread of its own meets the others.
struct Links {
    inbox: mpsc::Receiver<Envelope>,
    /// Peers that are not to be waited for.
    lost: mpsc::UnboundedReceiver<Loss>,
    outbox: mpsc::Sender<Frame>,
    /// Whose frames it cannot go on without.
    awaited: Arc<Mutex<Vec<u16>>>,
    runtime: tokio::runtime::Handle,
}

/// A peer that is gone to this party, and how that is known.
type Loss = (u16, &'static str);

/// A run's end without a result.
struct Ended {
    failure: Failure,
    /// Why somebody is lost, where that is the failure.
    why: Option<&'static str>,
}

/// Steps the party until it ends. Runs on a thread that may block.
fn drive(settings: Settings, work: Work, links: Links) -> Result<(Secret<Vec<u8>>, Transcript), Ended> {
    let mut losses = HashMap::new();
    step(settings, work, links, &mut losses).map_err(|failure| {
        let why = match &failure {
            Failure::Party { party, fault: Fault::Lost } => losses.get(party).copied(),
            _ => None,
        };
        Ended { failure, why }
    })
}

fn step(
    settings: Settings,
    work: Work,
    mut links: Links,
    losses: &mut HashMap<u16, &'static str>,
) -> Result<(Secret<Vec<u8>>, Transcript), Failure> {
    let own = usize::from(settings.index);
    let (program, lengths, values) = work.plan();
    let mut inputs = vec![None; lengths.len()];
    if let Some(place) = inputs.get_mut(own) {
        *place = values;
    }
    let protocol = work.protocol;
    let run = Arc::clone(&work.run);
    let desk = Rc::new(Desk { drill: work.drill, ends: Cell::new(false), run: work.run });
    let watched = Rc::clone(&desk);
    let kept = work.kept;
    let mut party = Party::new(settings, move |io| async move {
        let backend: Box<dyn Backend> = match protocol.name {
            ADDITIVE => Box::new(Additive::new(&io)?),
            SHAMIR => {
                let adversary = match protocol.adversary {
                    policy::Adversary::SemiHonest => Adversary::SemiHonest,
                    _ => Adversary::Malicious,
                };
                Box::new(Shamir::new(protocol.parties, protocol.corrupt, adversary)?)
            }
            _ => Box::new(Rep3::malicious(&io)?),
        };
        let session = Session::new(&program, &*backend, &lengths).observe(&*watched);
        match &kept {
            Some((kept, every)) => session.keep(kept, *every).run(io, inputs).await,
            None => session.run(io, inputs).await,
        }
    })?;
    let mut transcript = Transcript::default();
    let mut arrived: Vec<Frame> = Vec::new();
    loop {
        let (frames, status) = party.step(arrived.drain(..))?;
        if desk.ends.get() {
            return Err(Failure::Cancelled);
        }
        for frame in frames {
            transcript.add(frame.from, frame.to, &frame.body);
            links.outbox.blocking_send(frame).map_err(|_| Failure::Cancelled)?;
        }
        if let Status::Done(outcome) = status {
            let share = outcome.share.ok_or(Failure::Program("the program gives the recipient a column"))?;
            return Ok((Secret::new(share), transcript));
        }
        *links.awaited.lock().expect("no panic while it is held") = party.awaits();
        let (inbox, lost) = (&mut links.inbox, &mut links.lost);
        let news = links.runtime.block_on(tokio::time::timeout(PATIENCE, async {
            tokio::select! {
                biased;
                () = run.cancelled() => News::Cancelled,
                frame = inbox.recv() => News::Frame(frame),
                Some(loss) = lost.recv() => News::Lost(loss),
            }
        }));
        match news {
            Ok(News::Frame(Some(Envelope { from, to, body }))) => {
                // Secret between the two parties; the engine reads it and drops it.
                let body: Bytes = body.expose(Clone::clone).into();
                transcript.add(from, to, &body);
                arrived.push(Frame { from, to, body });
            }
            Ok(News::Frame(None) | News::Cancelled) => return Err(Failure::Cancelled),
            Ok(News::Lost((peer, why))) => {
                losses.entry(peer).or_insert(why);
                party.lose(peer);
            }
            Err(_) => {
                for peer in party.awaits() {
                    losses.entry(peer).or_insert("no word in time");
                    party.lose(peer);
                }
            }
        }
    }
}

/// Says how far the run is, and notices where it is to end.
struct Desk {
    drill: Option<Drill>,
    /// A drill ends it here.
    ends: Cell<bool>,
    run: Arc<Run>,
}

impl Observer for Desk {
    fn report(&self, report: &Report) {
        let here = match self.drill {
            Some(Drill::Inputs) => matches!(report.phase, Phase::Operation(_)),
            Some(Drill::Release) => report.phase == Phase::Release,
            None => false,
        };
        self.ends.set(self.ends.get() || here);
        let phase = match report.phase {
            Phase::Agreement => "agreeing from where to go on",
            Phase::Operation(_) => "computing",
            Phase::Checkpoint => "keeping what is verified",
            Phase::Release => "verifying and giving out",
        };
        let operation = match report.phase {
            Phase::Operation(at) => Some((at + 1, report.total)),
            _ => None,
        };
        self.run.tell(Progress {
            operation,
            resumed: report.resumed,
            permille: (report.done.saturating_mul(1000) / report.total.max(1)).min(1000) as u16,
            phase,
            sent: report.stats.bytes_sent,
            received: report.stats.bytes_received,
            rounds: report.stats.rounds,
        });
    }

    fn is_cancelled(&self) -> bool {
        self.ends.get() || self.run.is_cancelled()
    }
}

/// What a party waits for.
enum News {
    Cancelled,
    Frame(Option<Envelope>),
    Lost(Loss),
}

/// A failure in the members' names.
fn blame(Ended { failure, why }: &Ended, parties: &Parties) -> ApiError {
    let name = |index: &u16| parties.members.get(usize::from(*index)).map_or("?", String::as_str);
    match failure {
        Failure::Party { party, fault } => {
            let why = why.map_or_else(|| fault.to_string(), str::to_owned);
            failed(format!("{}: {why}", name(party)))
        }
        Failure::Dispute { low, high, fault } => {
            failed(format!("{} and {} are in dispute, one of them misbehaves: {fault}", name(low), name(high)))
        }
        other => failed(other),
    }
}

/// How often those who are awaited are asked whether they still are at it, and how long they may take to answer.
const WATCH: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(5);
/// The process's exit status at the end of a drill.
const DRILLED: i32 = 86;
/// Frames that may wait to be sent.
const MAX_QUEUED: usize = 64;
/// Bytes of a peer that may wait: a vector of 65,536 words is half a MiB.
const INBOX_LIMIT: usize = 16 << 20;
