//! Shares for recipients who are no parties, and what recipients make of them.

use std::rc::Rc;

use crypto::Secret;
use minicbor::{Decode, Encode};
use wire::{Bytes, Limits};

use crate::domain::{Domain, Values};
use crate::engine::{Column, Failure, Fault, Io, OpId};
use crate::prg::Prg;
use crate::program::Kind;

use super::Rep3;
use super::column::{Share, of_bits, of_ring};
use super::seat::noise;
use super::share::{Atom, Replicated, Word};
use super::sharing::random;

/// A party's share of the columns given to a recipient: noise without another party's.
#[derive(Encode, Decode)]
#[cbor(array)]
struct HandOut {
    #[n(0)]
    version: u8,
    #[n(1)]
    party: u16,
    #[n(2)]
    columns: Vec<Part>,
}

#[derive(PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Part {
    #[n(0)]
    domain: Kind,
    #[n(1)]
    len: u64,
    /// `x_i`, elements little-endian.
    #[n(2)]
    own: Bytes,
    /// `x_{i+1}`.
    #[n(3)]
    next: Bytes,
}

impl Rep3 {
    /// This party's share of columns, for a recipient.
    ///
    /// A recipient sees all three parts of each, and parts of several columns may tell more than their sums do: those of `x + z` and `y + z`
    /// tell `z`, where they are inputs. So a sharing of zero is added, from a stream that the three parties toss a key for.
    pub(super) async fn give(&self, io: &mut Io, columns: &[Column]) -> Result<Vec<u8>, Failure> {
        let prg = self.common_stream(io).await?;
        let ops: Vec<[OpId; 2]> = (0..columns.len() as u64).map(|at| [OpId(2 * at), OpId(2 * at + 1)]).collect();
        let part = |(column, ops): (&Column, &[OpId; 2])| {
            let [own, next] = match Share::of(column)? {
                Share::Ring64(share) => self.fresh(&prg, *ops, &share),
                Share::Ring128(share) => self.fresh(&prg, *ops, &share),
                Share::Bits(share, _) => self.fresh(&prg, *ops, &share),
            };
            // Given to the recipient on purpose: the caller seals it to it.
            Ok(Part { domain: column.domain().into(), len: column.len() as u64, own: own.into(), next: next.into() })
        };
        let columns = columns.iter().zip(&ops).map(part).collect::<Result<_, Failure>>()?;
        Ok(wire::to_vec(&HandOut { version: VERSION, party: self.seat.index, columns }))
    }

    /// A stream that all three parties know and nobody else.
    async fn common_stream(&self, io: &mut Io) -> Result<Prg, Failure> {
        let key = Share::Ring128(Rc::new(random(io, 1)?));
        let missing = self.missing_parts(io, std::slice::from_ref(&key), None).await?.expect("opened to all");
        let key = key.values(missing.concat());
        let key: &[u128] = key.elements().expect("it is of that ring");
        Ok(Prg::new(&Secret::new(key[0].to_le_bytes())))
    }

    /// This party's two parts, as bytes: part 0 has one stream added, part 1 another, and from part 2 both are taken.
    fn fresh<A: Atom>(&self, prg: &Prg, ops: [OpId; 2], share: &Replicated<A>) -> [Vec<u8>; 2] {
        let [first, second] = ops.map(|op| noise::<A>(prg, op, share.len()));
        [(self.seat.index, &share.own), (self.seat.after, &share.next)].map(|(index, part)| {
            let added = |at: usize| match index {
                0 => part[at].plus(first[at]),
                1 => part[at].plus(second[at]),
                _ => part[at].minus(first[at]).minus(second[at]),
            };
            let part: Vec<A> = (0..part.len()).map(added).collect();
            bytemuck::cast_slice(&part).to_vec()
        })
    }
}

/// The values in the three parties' shares, by party: what a recipient does. Each part is held by two parties, so that one of them cannot change
/// anything unnoticed.
///
/// # Errors
/// Names the party whose share is none, or the two of whom one lies.
pub fn combine(shares: &[Vec<u8>; 3]) -> Result<Vec<Values>, Failure> {
    let mut read = Vec::with_capacity(3);
    for (party, bytes) in (0..3).zip(shares) {
        let malformed = |what| Failure::blame(party, Fault::Malformed(what));
        let limits = Limits { bytes: MAX_BYTES, depth: 8 };
        let found: HandOut = wire::from_slice(bytes, limits).map_err(|_| malformed("it is no share"))?;
        let fits = |part: &Part| {
            let domain = Domain::from(part.domain);
            let len = usize::try_from(part.len).ok().filter(|len| *len <= MAX_BYTES);
            matches!(domain, Domain::Ring64 | Domain::Ring128 | Domain::Bits)
                && len
                    .is_some_and(|len| domain.bytes(len) == part.own.0.len() && domain.bytes(len) == part.next.0.len())
        };
        if found.version != VERSION || found.party != party || !found.columns.iter().all(fits) {
            return Err(malformed("it is not this party's share, or its columns are not as long as they say"));
        }
        read.push(found.columns);
    }
    for party in 0..3 {
        let after = (party + 1) % 3;
        let alike =
            |(one, other): (&Part, &Part)| (one.domain, one.len, &one.next) == (other.domain, other.len, &other.own);
        let (ours, theirs) = (&read[party], &read[after]);
        if ours.len() != theirs.len() || !ours.iter().zip(theirs).all(alike) {
            let (low, high) = (party.min(after) as u16, party.max(after) as u16);
            return Err(Failure::Dispute { low, high, fault: Fault::Malformed("their shares of the result differ") });
        }
    }
    // Parts x_0 and x_1 by the first party, x_2 by the third.
    read[0].iter().zip(&read[2]).map(|(first, third)| values(first, &third.own.0)).collect()
}

fn values(part: &Part, third: &[u8]) -> Result<Values, Failure> {
    let len = part.len as usize;
    let column = match Domain::from(part.domain) {
        Domain::Ring64 => of_ring::<u64>(Replicated { own: elements(&part.own.0), next: elements(&part.next.0) }),
        Domain::Ring128 => of_ring::<u128>(Replicated { own: elements(&part.own.0), next: elements(&part.next.0) }),
        _ => of_bits(len, Replicated::<Word> { own: elements(&part.own.0), next: elements(&part.next.0) }),
    };
    Ok(Share::of(&column)?.values(elements(third)))
}

/// Elements from their bytes, however these are aligned.
fn elements<A: bytemuck::Pod>(bytes: &[u8]) -> Vec<A> {
    bytes.chunks_exact(size_of::<A>()).map(bytemuck::pod_read_unaligned).collect()
}

const VERSION: u8 = 1;
/// Longest share: some tens of millions of values.
const MAX_BYTES: usize = 512 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Bits;
    use crate::engine::{Backend as _, checked, local};
    use crate::program::Builder;
    use crate::runner;

    fn shares() -> [Vec<u8>; 3] {
        let mut program = Builder::new(3);
        let inputs: Vec<_> = (0..3).map(|party| (1, program.input(party, Domain::Ring64))).collect();
        let sum = program.linear(&inputs, 0);
        let square = program.mul(sum, sum);
        let truths = program.input_truths(1);
        program.give(square);
        program.give(truths);
        let program = program.finish().unwrap();
        let results = local::run(3, 4, move |io| {
            let program = program.clone();
            async move {
                let own = usize::from(io.index());
                let mut inputs = vec![None; 4];
                inputs[own] = Some(Values::Ring64(vec![own as u64 + 1, u64::MAX, 7]));
                if own == 1 {
                    inputs[3] = Some(Values::Bits([true, false, true].into_iter().collect()));
                }
                let backend = Rep3::malicious(&io)?;
                assert_eq!((backend.capabilities().max_corrupt)(3), 1);
                runner::run(&program, &backend, io, &[3, 3, 3, 3], inputs).await
            }
        });
        let shares: Vec<_> = results.into_iter().map(|(result, _)| result.unwrap().share.unwrap()).collect();
        shares.try_into().unwrap()
    }

    #[test]
    fn a_recipient_learns_the_values_and_notices_a_changed_share() {
        let shares = shares();
        let values = combine(&shares).unwrap();
        assert!(values[0] == Values::Ring64(vec![36, 9, 441]));
        let bits: Bits = [true, false, true].into_iter().collect();
        assert!(values[1] == Values::Bits(bits));
        for party in 0..3 {
            for at in 0..shares[party].len() {
                let mut changed = shares.clone();
                changed[party][at] ^= 1;
                let Err(failure) = combine(&changed) else { panic!("byte {at} of party {party} was not noticed") };
                let named = match failure {
                    Failure::Party { party: named, .. } => usize::from(named) == party,
                    Failure::Dispute { low, high, .. } => [low, high].map(usize::from).contains(&party),
                    _ => false,
                };
                assert!(named, "{failure}");
            }
        }
    }

    /// What a recipient of `x + z` and `y + z` sees must not tell it `z`.
    #[test]
    fn a_recipient_learns_no_more_than_the_values() {
        for malicious in [false, true] {
            let results = local::run(3, 6, move |mut io| async move {
                let rep3 = if malicious { Rep3::malicious(&io) } else { Rep3::semi_honest(&io) }?;
                let mut inputs = Vec::new();
                for owner in 0..3 {
                    let values = Values::Ring64(vec![u64::from(owner) + 1]);
                    let own = (io.index() == owner).then_some(&values);
                    inputs.push(rep3.input(&mut io, owner, Domain::Ring64, 1, own).await?);
                }
                let [x, y, z] = [&inputs[0], &inputs[1], &inputs[2]];
                let sums = [rep3.linear(&[(1, x), (1, z)], None)?, rep3.linear(&[(1, y), (1, z)], None)?];
                let sums = checked(&rep3, &mut io, &sums).await?;
                let before = io.stats().payload_sent;
                let share = rep3.hand_out(&mut io, sums).await?;
                Ok((share, io.stats().payload_sent - before))
            });
            let results: Vec<_> = results.into_iter().map(|(result, _)| result.unwrap()).collect();
            let stated = if malicious { 48 } else { 16 };
            assert!(results.iter().all(|(_, sent)| *sent == stated));
            let shares: [Vec<u8>; 3] =
                results.into_iter().map(|(share, _)| share).collect::<Vec<_>>().try_into().unwrap();
            assert!(combine(&shares).unwrap() == [Values::Ring64(vec![4]), Values::Ring64(vec![5])]);
            // The owner of z gave part 2 of x + z what it took from z in part 0 of y + z.
            let read = |party: usize| {
                let limits = Limits { bytes: MAX_BYTES, depth: 8 };
                wire::from_slice::<HandOut>(&shares[party], limits).unwrap().columns
            };
            let told = elements::<u64>(&read(2)[0].own.0)[0].wrapping_add(elements::<u64>(&read(0)[1].own.0)[0]);
            assert_ne!(told, 3);
        }
    }
}
