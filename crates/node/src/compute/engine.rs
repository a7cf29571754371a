//! A run on the engine of `mpc`: a party on a thread of its own, its frames through the peers' API.

use bytes::Bytes;
use contracts::code;
use crypto::Secret;
use futures_util::stream::StreamExt as _;
use mpc::additive::Envelope;
use mpc::domain::Values;
use mpc::engine::{Failure, Frame, Party, Settings, Status};
use mpc::rep3::Rep3;
use tokio::sync::mpsc;

use super::transcript::Transcript;
use super::{Attempt, Made, PATIENCE, Parties, failed, local, send};
use crate::problem::ApiError;
use crate::service::Node;

/// Computes the sums of all parties' vectors under `rep3`, every step verified; the share is for [`mpc::engine::Backend::combine`].
pub(super) async fn run(
    node: &Node,
    parties: &Parties,
    attempt: Attempt,
    inbox: mpsc::Receiver<Envelope>,
) -> Result<Made, ApiError> {
    let input = local(node, parties).await?;
    let (outbox, mut frames) = mpsc::channel(MAX_QUEUED);
    let count = parties.members.len() as u16;
    let settings = Settings {
        session: contracts::session(&attempt.0),
        run: *attempt.1.as_bytes(),
        index: parties.own,
        parties: count,
        seed: Secret::random(),
        inbox_limit: INBOX_LIMIT,
    };
    let program = parties.program.joint(count);
    let runtime = tokio::runtime::Handle::current();
    let session = settings.session;
    let computing = tokio::task::spawn_blocking(move || drive(settings, program, &input, inbox, &outbox, &runtime));
    let sending = async {
        // A few at once: a party sorts them by their numbers.
        let queue = futures_util::stream::poll_fn(move |context| frames.poll_recv(context));
        let mut sends = queue
            .map(|frame: Frame| {
                let body = Secret::new(frame.body.to_vec());
                send(node, parties, attempt, Envelope { from: frame.from, to: frame.to, body })
            })
            .buffer_unordered(4);
        while let Some(sent) = sends.next().await {
            sent?;
        }
        Ok::<_, ApiError>(())
    };
    let (computed, sent) = tokio::join!(computing, sending);
    sent?;
    let (share, transcript) = computed.map_err(ApiError::internal)?.map_err(|failure| blame(&failure, parties))?;
    Ok(Made { share, transcript: transcript.digest(&session) })
}

/// Steps the party until it ends. Runs on a thread that may block.
fn drive(
    settings: Settings,
    program: mpc::program::Program,
    input: &Secret<Vec<u64>>,
    mut inbox: mpsc::Receiver<Envelope>,
    outbox: &mpsc::Sender<Frame>,
    runtime: &tokio::runtime::Handle,
) -> Result<(Secret<Vec<u8>>, Transcript), Failure> {
    let (own, count) = (usize::from(settings.index), usize::from(settings.parties));
    let lengths = vec![input.expose(Vec::len); count];
    let mut inputs = vec![None; count];
    // The values stay this party's: the engine shares them, and wipes them when done.
    inputs[own] = Some(Values::Ring64(input.expose(Clone::clone)));
    let mut party = Party::new(settings, move |io| async move {
        let backend = Rep3::malicious();
        mpc::runner::run(&program, &backend, io, &lengths, inputs).await
    })?;
    let mut transcript = Transcript::default();
    let mut arrived: Vec<Frame> = Vec::new();
    loop {
        let (frames, status) = party.step(arrived.drain(..))?;
        for frame in frames {
            transcript.add(frame.from, frame.to, &frame.body);
            outbox.blocking_send(frame).map_err(|_| Failure::Cancelled)?;
        }
        if let Status::Done(outcome) = status {
            let share = outcome.share.ok_or(Failure::Program("the program gives the recipient a column"))?;
            return Ok((Secret::new(share), transcript));
        }
        match runtime.block_on(tokio::time::timeout(PATIENCE, inbox.recv())) {
            Ok(Some(Envelope { from, to, body })) => {
                // Secret between the two parties; the engine reads it and drops it.
                let body: Bytes = body.expose(Clone::clone).into();
                transcript.add(from, to, &body);
                arrived.push(Frame { from, to, body });
            }
            Ok(None) => return Err(Failure::Cancelled),
            Err(_) => {
                for peer in (0..count as u16).filter(|peer| usize::from(*peer) != own) {
                    party.lose(peer);
                }
            }
        }
    }
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

/// Frames that may wait to be sent.
const MAX_QUEUED: usize = 64;
/// Bytes of a peer that may wait: a vector of 65,536 words is half a MiB.
const INBOX_LIMIT: usize = 16 << 20;
