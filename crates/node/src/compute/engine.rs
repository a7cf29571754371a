//! A run on the engine of `mpc`: a party on a thread of its own, its frames through the peers' API.

use bytes::Bytes;
use contracts::{Protocol, SHAMIR, code};
use crypto::Secret;
use futures_util::stream::StreamExt as _;
use mpc::additive::Envelope;
use mpc::domain::{Domain, Values};
use mpc::engine::{Adversary, Backend, Failure, Frame, Party, Settings, Status};
use mpc::rep3::Rep3;
use mpc::shamir::Shamir;
use tokio::sync::mpsc;

use super::transcript::Transcript;
use super::{Attempt, Made, PATIENCE, Parties, failed, local, send};
use crate::problem::ApiError;
use crate::service::Node;

/// Computes the sums of the owners' vectors under the protocol of the contracts; the share is for the requester
/// ([`mpc::rep3::combine`], [`mpc::shamir::combine`]).
pub(super) async fn run(
    node: &Node,
    parties: &Parties,
    attempt: Attempt,
    inbox: mpsc::Receiver<Envelope>,
) -> Result<Made, ApiError> {
    let input = local(node, parties).await?;
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
    let work = Work { protocol: parties.protocol, owners: parties.owners, program: parties.program.clone(), input };
    let runtime = tokio::runtime::Handle::current();
    let session = settings.session;
    let links = Links { inbox, lost, outbox, runtime };
    let computing = tokio::task::spawn_blocking(move || drive(settings, work, links));
    let drill = node.compute.drill_frames;
    let sending = async {
        // A few at once: a party sorts them by their numbers. In a drill one by one, so that those before the last have arrived.
        let at_once = if drill == 0 { 4 } else { 1 };
        let mut count = 0;
        let queue = futures_util::stream::poll_fn(move |context| frames.poll_recv(context));
        let mut sends = queue
            .map(|frame: Frame| {
                count += 1;
                let (index, to) = (count, frame.to);
                let body = Secret::new(frame.body.to_vec());
                async move {
                    if drill > 0 && index > drill {
                        tracing::error!(drill, "a drill: this process ends in the middle of a computation");
                        std::process::exit(DRILLED);
                    }
                    let envelope = Envelope { from: frame.from, to, body };
                    (to, tokio::time::timeout(PATIENCE, send(node, parties, attempt, envelope)).await)
                }
            })
            .buffer_unordered(at_once);
        while let Some((to, sent)) = sends.next().await {
            let problem = match sent {
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            tracing::warn!(request = %parties.request.id, problem, "a frame did not arrive");
            // Nobody listens any more where the run has ended.
            _ = losses.send(to);
        }
    };
    let (computed, ()) = tokio::join!(computing, sending);
    let (share, transcript) = computed.map_err(ApiError::internal)?.map_err(|failure| blame(&failure, parties))?;
    Ok(Made { share, transcript: transcript.digest(&session) })
}

/// What a party computes.
struct Work {
    protocol: Protocol,
    owners: u16,
    program: query::Program,
    /// Its own vector, unless it helps.
    input: Option<Secret<Vec<u64>>>,
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
    /// Peers that frames do not reach.
    lost: mpsc::UnboundedReceiver<u16>,
    outbox: mpsc::Sender<Frame>,
    runtime: tokio::runtime::Handle,
}

/// Steps the party until it ends. Runs on a thread that may block.
fn drive(settings: Settings, work: Work, mut links: Links) -> Result<(Secret<Vec<u8>>, Transcript), Failure> {
    let own = usize::from(settings.index);
    let (program, lengths, values) = work.plan();
    let mut inputs = vec![None; lengths.len()];
    if let Some(place) = inputs.get_mut(own) {
        *place = values;
    }
    let protocol = work.protocol;
    let mut party = Party::new(settings, move |io| async move {
        let backend: Box<dyn Backend> = match protocol.name {
            SHAMIR => {
                let adversary = match protocol.adversary {
                    policy::Adversary::SemiHonest => Adversary::SemiHonest,
                    _ => Adversary::Malicious,
                };
                Box::new(Shamir::new(protocol.parties, protocol.corrupt, adversary)?)
            }
            _ => Box::new(Rep3::malicious(&io)?),
        };
        mpc::runner::run(&program, &*backend, io, &lengths, inputs).await
    })?;
    let mut transcript = Transcript::default();
    let mut arrived: Vec<Frame> = Vec::new();
    loop {
        let (frames, status) = party.step(arrived.drain(..))?;
        for frame in frames {
            transcript.add(frame.from, frame.to, &frame.body);
            links.outbox.blocking_send(frame).map_err(|_| Failure::Cancelled)?;
        }
        if let Status::Done(outcome) = status {
            let share = outcome.share.ok_or(Failure::Program("the program gives the recipient a column"))?;
            return Ok((Secret::new(share), transcript));
        }
        let (inbox, lost) = (&mut links.inbox, &mut links.lost);
        let news = links.runtime.block_on(tokio::time::timeout(PATIENCE, async {
            tokio::select! {
                biased;
                frame = inbox.recv() => News::Frame(frame),
                Some(peer) = lost.recv() => News::Lost(peer),
            }
        }));
        match news {
            Ok(News::Frame(Some(Envelope { from, to, body }))) => {
                // Secret between the two parties; the engine reads it and drops it.
                let body: Bytes = body.expose(Clone::clone).into();
                transcript.add(from, to, &body);
                arrived.push(Frame { from, to, body });
            }
            Ok(News::Frame(None)) => return Err(Failure::Cancelled),
            Ok(News::Lost(peer)) => party.lose(peer),
            Err(_) => party.awaits().into_iter().for_each(|peer| party.lose(peer)),
        }
    }
}

/// What a party waits for.
enum News {
    Frame(Option<Envelope>),
    Lost(u16),
}

/// A failure in the members' names.
fn blame(failure: &Failure, parties: &Parties) -> ApiError {
    let name = |index: &u16| parties.members.get(usize::from(*index)).map_or("?", String::as_str);
    match failure {
        Failure::Party { party, fault } => ApiError::new(code::COMPUTATION_FAILED, format!("{}: {fault}", name(party))),
        Failure::Dispute { low, high, fault } => ApiError::new(
            code::COMPUTATION_FAILED,
            format!("{} and {} are in dispute, one of them misbehaves: {fault}", name(low), name(high)),
        ),
        other => failed(other),
    }
}

/// The process's exit status at the end of a drill.
const DRILLED: i32 = 86;
/// Frames that may wait to be sent.
const MAX_QUEUED: usize = 64;
/// Bytes of a peer that may wait: a vector of 65,536 words is half a MiB.
const INBOX_LIMIT: usize = 16 << 20;
