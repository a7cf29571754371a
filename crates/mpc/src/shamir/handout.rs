//! Shares for recipients who are no parties, and what recipients make of them.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};
use wire::{Bytes, Limits};

use crate::domain::{Domain, M61, P127, Values};
use crate::engine::{Column, Failure, Fault};
use crate::program::Kind;

use super::field::{Field as _, Lane, Valued, lanes};
use super::open::decode;
use super::{Shamir, by_lane, held};

/// A party's share of the columns given to a recipient: noise without `threshold` others'.
#[derive(Encode, Decode)]
#[cbor(array)]
struct HandOut {
    #[n(0)]
    version: u8,
    #[n(1)]
    seat: u16,
    #[n(2)]
    columns: Vec<Part>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Part {
    #[n(0)]
    domain: Kind,
    #[n(1)]
    len: u64,
    /// The polynomial's values at the seat's point, elements little-endian; of bits, the words of one coefficient after the other, 64 bits each.
    #[n(2)]
    share: Bytes,
}

/// What a recipient made of parties' shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combined {
    /// The columns' values.
    pub values: Vec<Values>,
    /// Seats whose shares were wrong, or none at all.
    pub cheaters: Vec<u16>,
}

impl Shamir {
    /// This party's share of columns, for a recipient.
    pub(crate) fn share_out(&self, seat: usize, columns: &[Column]) -> Result<Vec<u8>, Failure> {
        if self.spoiled.get() {
            return Err(Failure::Program("nothing is given away after a check that failed"));
        }
        let part = |column: &Column| {
            // Given to the recipient on purpose: the caller seals it to it.
            let share = by_lane!(self, column.domain(), bytes_of(column))?;
            Ok(Part { domain: column.domain().into(), len: column.len() as u64, share: share.into() })
        };
        let columns = columns.iter().map(part).collect::<Result<_, Failure>>()?;
        Ok(wire::to_vec(&HandOut { version: VERSION, seat: seat as u16, columns }))
    }

    /// A column's shares as bytes.
    pub(crate) fn bytes_of<L: Valued>(&self, column: &Column) -> Result<Vec<u8>, Failure> {
        Ok(bytemuck::cast_slice(&held::<L>(column)?.0).to_vec())
    }
}

/// The values in the shares of the parties of a session with so many members and this threshold, each with its seat; up to
/// `members − (2 threshold + 1)` of them may be missing. Up to `threshold` of the shares may be wrong: with `2 threshold + 1` of
/// them that is noticed, with `3 threshold + 1` it is corrected. Members and threshold are what the recipient knows beforehand, from the contract:
/// of those who send shares a majority may be corrupt.
///
/// # Errors
/// [`Failure::Program`] for too few shares, or a seat that is none or comes twice. [`Failure::Cheated`] where shares contradict each other and it cannot
/// be told whose are wrong.
pub fn combine(members: u16, threshold: u16, shares: &[(u16, Vec<u8>)]) -> Result<Combined, Failure> {
    let (count, t) = (usize::from(members), usize::from(threshold));
    if t == 0 || count <= 2 * t || count > super::MAX_SEATS {
        return Err(Failure::Program(
            "a threshold is at least one and less than half the members, of whom there are at most 63",
        ));
    }
    let seats: BTreeSet<_> = shares.iter().map(|(seat, _)| *seat).collect();
    if seats.len() < shares.len() || seats.iter().any(|seat| *seat >= members) || shares.len() < 2 * t + 1 {
        return Err(Failure::Program("shares of 2 threshold + 1 members or more, one of each"));
    }
    let read: Vec<_> = shares.iter().map(|(seat, bytes)| (usize::from(*seat), read(*seat, bytes, count))).collect();
    // The honest are the majority of 2 threshold + 1 or more, and state the same columns.
    let shape = |columns: &[Part]| columns.iter().map(|part| (Domain::from(part.domain), part.len)).collect::<Vec<_>>();
    let shapes: Vec<_> = read.iter().map(|(_, columns)| columns.as_deref().map(shape)).collect();
    let majority = shapes
        .iter()
        .flatten()
        .find(|one| 2 * shapes.iter().flatten().filter(|other| other == one).count() > shapes.len());
    let unclear = || Failure::Cheated { fault: Fault::Malformed("the shares of the result contradict each other") };
    let shape = majority.ok_or_else(unclear)?;
    let fits = |found: &Option<Vec<(Domain, u64)>>| found.as_ref() == Some(shape);
    let mut cheaters: BTreeSet<usize> =
        read.iter().zip(&shapes).filter(|(_, found)| !fits(found)).map(|((seat, _), _)| *seat).collect();
    let answers: Vec<(usize, &[Part])> =
        read.iter().filter_map(|(seat, columns)| Some((*seat, columns.as_deref()?))).collect();
    let values = loop {
        let known = cheaters.len();
        let values: Option<Vec<_>> =
            (0..shape.len()).map(|column| values(count, t, &mut cheaters, &answers, column)).collect();
        let values = values.ok_or_else(unclear)?;
        // Who lies in a column is believed in none.
        if cheaters.len() == known {
            break values;
        }
    };
    Ok(Combined { values, cheaters: cheaters.into_iter().map(|seat| seat as u16).collect() })
}

/// A seat's columns, where its bytes are shares as it should send them.
fn read(seat: u16, bytes: &[u8], members: usize) -> Option<Vec<Part>> {
    let found: HandOut = wire::from_slice(bytes, Limits { bytes: MAX_BYTES, depth: 8 }).ok()?;
    let fits = |part: &Part| {
        let len = usize::try_from(part.len).ok().filter(|len| *len <= MAX_BYTES)?;
        match (Domain::from(part.domain), members) {
            (Domain::M61, _) => is_share::<M61>(len, &part.share),
            (Domain::P127, _) => is_share::<P127>(len, &part.share),
            (Domain::Bits, ..=3) => is_share::<[u64; 2]>(len, &part.share),
            (Domain::Bits, ..=15) => is_share::<[u64; 4]>(len, &part.share),
            (Domain::Bits, _) => is_share::<[u64; 8]>(len, &part.share),
            _ => None,
        }
    };
    let valid = found.version == VERSION && found.seat == seat && found.columns.iter().all(|part| fits(part).is_some());
    valid.then_some(found.columns)
}

fn is_share<L: Lane>(len: usize, share: &Bytes) -> Option<()> {
    let valid =
        share.0.len() == lanes::<L>(len) * size_of::<L>() && elements::<L>(share).iter().all(|lane| lane.is_valid());
    valid.then_some(())
}

/// Lanes from their bytes, however these are aligned.
fn elements<L: Lane>(share: &Bytes) -> Vec<L> {
    share.0.chunks_exact(size_of::<L>()).map(bytemuck::pod_read_unaligned).collect()
}

/// One column's values.
fn values(
    members: usize,
    threshold: usize,
    cheaters: &mut BTreeSet<usize>,
    answers: &[(usize, &[Part])],
    column: usize,
) -> Option<Values> {
    let believed: Vec<_> = answers
        .iter()
        .filter(|(seat, _)| !cheaters.contains(seat))
        .map(|(seat, parts)| (*seat, &parts[column]))
        .collect();
    let (_, first) = believed.first()?;
    match (Domain::from(first.domain), members) {
        (Domain::M61, _) => decoded::<M61>(threshold, cheaters, &believed),
        (Domain::P127, _) => decoded::<P127>(threshold, cheaters, &believed),
        (_, ..=3) => decoded::<[u64; 2]>(threshold, cheaters, &believed),
        (_, ..=15) => decoded::<[u64; 4]>(threshold, cheaters, &believed),
        _ => decoded::<[u64; 8]>(threshold, cheaters, &believed),
    }
}

fn decoded<L: Valued>(threshold: usize, cheaters: &mut BTreeSet<usize>, answers: &[(usize, &Part)]) -> Option<Values> {
    let lanes: Vec<_> = answers.iter().map(|(seat, part)| (*seat, elements::<L>(&part.share))).collect();
    let mut out = vec![L::NIL; lanes.first()?.1.len()];
    let tiles = lanes.iter().map(|(seat, lanes)| (*seat, &**lanes)).collect();
    decode(threshold, cheaters, tiles, true, L::Scalar::ZERO, &mut out)?;
    Some(L::write(out, usize::try_from(answers[0].1.len).ok()?))
}

const VERSION: u8 = 1;
/// Longest share: some tens of millions of values.
const MAX_BYTES: usize = 512 << 20;
