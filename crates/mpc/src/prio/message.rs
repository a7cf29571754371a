//! What travels between client, aggregators and collector. Each message is `[version, kind, task, …]`; sizes are exact.

use crypto::{Digest, Label, Secret, hash};
use minicbor::{Decode, Encode};
use wire::{Bytes, Limits};
use zeroize::Zeroize as _;

use super::{Error, Nonce, Reason, Role, Task};

/// A client's message to one aggregator.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(super) struct Report {
    #[n(0)]
    pub(super) aggregator: u8,
    #[n(1)]
    pub(super) nonce: Nonce,
    #[n(2)]
    pub(super) public: Bytes,
    #[n(3)]
    pub(super) input: Bytes,
}

impl Drop for Report {
    fn drop(&mut self) {
        self.input.0.zeroize();
    }
}

/// An aggregator's message to the other: a verifier share of each report it holds.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(super) struct Verifiers {
    #[n(0)]
    pub(super) aggregator: u8,
    #[n(1)]
    pub(super) step: u32,
    /// In order of nonces.
    #[n(2)]
    pub(super) items: Vec<Verifier>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
pub(super) struct Verifier {
    #[n(0)]
    pub(super) nonce: Nonce,
    /// Of the public share: a client must have told both aggregators the same.
    #[n(1)]
    pub(super) public: Digest,
    #[n(2)]
    pub(super) share: Bytes,
}

/// An aggregator's message to the collector.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(super) struct Total {
    #[n(0)]
    pub(super) aggregator: u8,
    #[n(1)]
    pub(super) batch: u32,
    #[n(2)]
    pub(super) count: u32,
    /// Of the nonces of all reports in it.
    #[n(3)]
    pub(super) reports: Digest,
    #[n(4)]
    pub(super) share: Bytes,
}

impl Drop for Total {
    fn drop(&mut self) {
        self.share.0.zeroize();
    }
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Report = 0,
    Verifiers = 1,
    Total = 2,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Frame<T> {
    #[n(0)]
    version: u8,
    #[n(1)]
    kind: u8,
    #[n(2)]
    task: Digest,
    #[n(3)]
    body: T,
}

pub(super) fn write<T: Encode<()>>(task: &Task, kind: Kind, body: T) -> Vec<u8> {
    wire::to_vec(&Frame { version: VERSION, kind: kind as u8, task: *task.id(), body })
}

/// Reads a message of this kind and task.
pub(super) fn read<T>(task: &Task, kind: Kind, bytes: &[u8]) -> Result<T, Reason>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let sizes = task.sizes();
    let most = match kind {
        Kind::Report => sizes.public + sizes.inputs[0],
        Kind::Verifiers => MAX_PENDING * (sizes.verifier + 64),
        Kind::Total => sizes.aggregate,
    };
    let limits = Limits { bytes: most + 256, depth: 5 };
    let frame: Frame<T> = wire::from_slice(bytes, limits).map_err(|_| Reason::Malformed)?;
    if frame.version != VERSION || frame.kind != kind as u8 || frame.task != *task.id() {
        return Err(Reason::OtherTask);
    }
    Ok(frame.body)
}

/// What two aggregators compare of a report's public share.
pub(super) fn public_digest(task: &Task, nonce: &Nonce, public: &[u8]) -> Digest {
    hash(Label::PRIO, &[b"public", task.id().as_ref(), nonce.as_ref(), public])
}

/// What they state of a batch's reports, nonces in ascending order.
pub(super) fn reports_digest<'a>(task: &Task, batch: u32, nonces: impl Iterator<Item = &'a Nonce>) -> Digest {
    let nonces: Vec<u8> = nonces.flat_map(|nonce| *nonce.as_bytes()).collect();
    hash(Label::PRIO, &[b"reports", task.id().as_ref(), &batch.to_be_bytes(), &nonces])
}

/// A total that aggregator `role` is known to have sent.
pub(super) fn read_total(task: &Task, role: Role, bytes: &Secret<Vec<u8>>) -> Result<Total, Error> {
    let total: Total =
        bytes.expose(|bytes| read(task, Kind::Total, bytes)).map_err(|reason| Error::Aggregator { role, reason })?;
    if usize::from(total.aggregator) != role as usize {
        return Err(Error::Aggregator { role, reason: Reason::OtherTask });
    }
    Ok(total)
}

/// What a task costs, exactly; framing of links and TLS not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Rounds between the aggregators.
    pub rounds: u32,
    /// Bytes of a client's report to the leader and to the helper.
    pub report: [u64; 2],
    /// Bytes of one report's part in the message between aggregators.
    pub verifier: u64,
    /// Bytes of the rest of that message, for steps and numbers of reports below 24; up to 8 more above.
    pub verifiers: u64,
    /// Bytes of an aggregator's message to the collector, for a batch number below 24 and a count below 256; up to 7 more
    /// above.
    pub total: u64,
}

impl Cost {
    /// The cost of a task.
    pub fn of(task: &Task) -> Self {
        let sizes = task.sizes();
        let string = |length: usize| length as u64 + head(length as u64);
        let report = |input| FRAME + 1 + 1 + 17 + string(sizes.public) + string(input);
        Self {
            rounds: 1,
            report: sizes.inputs.map(report),
            verifier: 1 + 17 + 34 + string(sizes.verifier),
            verifiers: FRAME + 1 + 1 + 1 + 1,
            total: FRAME + 1 + 1 + 1 + 2 + 34 + string(sizes.aggregate),
        }
    }
}

/// Bytes of a CBOR head with this argument.
const fn head(argument: u64) -> u64 {
    match argument {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 5,
    }
}

/// Most reports that await the other aggregator at a time.
pub const MAX_PENDING: usize = 65_536;

const VERSION: u8 = 1;

/// `[version, kind, task, …]`: 1 + 1 + 1 + 34.
const FRAME: u64 = 37;
