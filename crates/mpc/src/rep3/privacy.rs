//! The simulators of the protocol's proofs (Araki et al. 2016, section 3.3 and theorem 4.2), held against real views.
//!
//! A view is what one corrupt party receives, its shares before and after. Its simulator knows neither inputs nor results: it runs the
//! party's own code and hands it uniform bytes for each message, whatever the operation; for an opening it hands it the value minus
//! the parts that the party holds. Each row of a column is one execution: 10^5 of them, all on the same secrets, against as many
//! simulated ones.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::tests::Numbers;
use super::*;
use crate::domain::Bits;
use crate::engine::{Frame, Party, Settings, Status, checked, local};
use crate::views::{ROWS, Track, WORDS, excess, joint};

/// What is computed on two secret columns.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Mul,
    IsNegative,
    ToBits,
    FromBits,
    Truncate(Truncation),
    Shuffle,
}

/// The shares that a party holds before and after, as bytes.
async fn compute(
    mut io: Io,
    operation: Operation,
    owners: [u16; 2],
    secrets: [u64; 2],
) -> Result<Vec<Vec<u8>>, Failure> {
    let rep3 = Rep3::semi_honest(&io)?;
    let mut columns = Vec::new();
    for (owner, secret) in owners.into_iter().zip(secrets) {
        let values = match operation {
            Operation::FromBits => {
                Values::Bits(Bits::from_words(ROWS, vec![if secret & 1 == 1 { u64::MAX } else { 0 }; WORDS]))
            }
            _ => Values::Ring64(vec![secret; ROWS]),
        };
        let own = (io.index() == owner).then_some(&values);
        columns.push(rep3.input(&mut io, owner, values.domain(), ROWS, own).await?);
    }
    let more = match operation {
        Operation::Mul => vec![rep3.mul(&mut io, &columns[0], &columns[1]).await?],
        Operation::IsNegative => vec![rep3.is_negative(&mut io, &columns[0]).await?],
        Operation::ToBits => rep3.to_bits(&mut io, &columns[0], 12).await?,
        Operation::FromBits => vec![rep3.from_bits(&mut io, &columns, Domain::Ring64).await?],
        Operation::Truncate(mode) => vec![rep3.truncate(&mut io, &columns[0], 9, mode).await?],
        Operation::Shuffle => rep3.shuffle(&mut io, &columns).await?,
    };
    columns.extend(more);
    let shares = columns.iter().map(Share::of).collect::<Result<Vec<_>, _>>()?;
    Ok(shares.iter().flat_map(|share| [share.own().to_vec(), share.next().to_vec()]).collect())
}

/// The messages in frames, by operation and sender. The body is as [`Frame`] documents it.
fn messages(frames: &[Frame]) -> BTreeMap<(u64, u16), Vec<u8>> {
    let mut messages: BTreeMap<_, Vec<u8>> = BTreeMap::new();
    for frame in frames {
        let mut rest = &frame.body[24..];
        while let Some((head, tail)) = rest.split_at_checked(12) {
            let op = u64::from_le_bytes(head[..8].try_into().unwrap());
            let len = u32::from_le_bytes(head[8..].try_into().unwrap()) as usize;
            messages.entry((op, frame.from)).or_default().extend(&tail[..len]);
            rest = &tail[len..];
        }
    }
    messages
}

/// The same frames with uniform bytes for all messages: what the simulator sends.
fn simulated(frames: &[Frame], numbers: &mut Numbers) -> Vec<Frame> {
    let blind = |frame: &Frame| {
        let mut body = frame.body.to_vec();
        let mut at = 24;
        while at < body.len() {
            let len = u32::from_le_bytes(body[at + 8..at + 12].try_into().unwrap()) as usize;
            for chunk in body[at + 12..at + 12 + len].chunks_mut(8) {
                let random = numbers.word().to_le_bytes();
                chunk.copy_from_slice(&random[..chunk.len()]);
            }
            at += 12 + len;
        }
        Frame { body: Bytes::from(body), ..*frame }
    };
    frames.iter().map(blind).collect()
}

/// Tracks of a message or share: the lowest and the highest bit of each column of ring elements, or every plane of bits.
fn tracks(bytes: &[u8]) -> Vec<Track> {
    let words: Vec<u64> = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    let columns = words.len() / ROWS;
    if words.len() != columns * ROWS || !(1..=2).contains(&columns) {
        return words.chunks_exact(WORDS).map(<[u64]>::to_vec).collect();
    }
    let bit = |column: usize, place: u32| {
        let word =
            |rows: &[u64]| rows.iter().enumerate().fold(0, |word, (row, value)| word | (value >> place & 1) << row);
        words[column * ROWS..(column + 1) * ROWS].chunks(64).map(word).collect()
    };
    (0..columns).flat_map(|column| [bit(column, 0), bit(column, 63)]).collect()
}

/// Real and simulated views of `corrupt`, who owns no input.
fn views(operation: Operation, corrupt: u16, secrets: [u64; 2]) -> [Vec<Track>; 2] {
    let owners = [(corrupt + 1) % 3, (corrupt + 2) % 3];
    let frames = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&frames);
    let network = move |frame: Frame| {
        if frame.to == corrupt {
            seen.borrow_mut().push(frame.clone());
        }
        vec![frame]
    };
    let seed = 100 + u64::from(corrupt);
    let mut results = local::run_with(3, seed, move |io| compute(io, operation, owners, secrets), network);
    let real = results.swap_remove(usize::from(corrupt)).0.unwrap();
    let view = |messages: BTreeMap<(u64, u16), Vec<u8>>, shares: Vec<Vec<u8>>| {
        messages.into_values().chain(shares).flat_map(|bytes| tracks(&bytes)).collect()
    };
    let real_view = view(messages(&frames.borrow()), real);
    let blind = simulated(&frames.borrow(), &mut Numbers(seed));
    let received = messages(&blind);
    let settings = Settings { run: local::settings(corrupt, 3, seed).run, ..local::settings(corrupt, 3, seed + 50) };
    let mut party = Party::new(settings, move |io| compute(io, operation, owners, [0, 0])).unwrap();
    party.step([]).unwrap();
    let (_, Status::Done(shares)) = party.step(blind).unwrap() else { panic!("all its messages are there") };
    [real_view, view(received, shares)]
}

#[test]
fn products_views_are_simulated() {
    for corrupt in 0..3 {
        let [real, simulated] = views(Operation::Mul, corrupt, [3, 0x8000_0000_0000_0005]);
        assert!(excess(&real, &simulated) < 0.0, "party {corrupt}");
        // Low bits of all shares together.
        let low = |view: &[Track]| view[view.len() - 12..].iter().step_by(2).cloned().collect::<Vec<_>>();
        let (real, simulated) = (low(&real), low(&simulated));
        let excess = joint(&real, &simulated, &(0..real.len()).collect::<Vec<_>>());
        assert!(excess < 0.0, "party {corrupt}: {excess}");
    }
}

#[test]
fn conversions_views_are_simulated() {
    let conversions = [
        Operation::IsNegative,
        Operation::ToBits,
        Operation::FromBits,
        Operation::Truncate(Truncation::Exact),
        Operation::Truncate(Truncation::Probabilistic),
        Operation::Shuffle,
    ];
    for (operation, corrupt) in
        conversions.into_iter().flat_map(|operation| (0..3).map(move |party| (operation, party)))
    {
        let [real, simulated] = views(operation, corrupt, [u64::MAX - 4, 1]);
        let excess = excess(&real, &simulated);
        assert!(excess < 0.0, "{operation:?}, party {corrupt}: {excess}");
    }
}

#[test]
fn openings_views_are_simulated() {
    for corrupt in 0..3u16 {
        let secret = 0xffff_ffff_ffff_fff6u64;
        let owner = (corrupt + 1) % 3;
        let mut results = local::run(3, 9, move |mut io| async move {
            let rep3 = Rep3::semi_honest(&io)?;
            let values = Values::Ring64(vec![secret; ROWS]);
            let own = (io.index() == owner).then_some(&values);
            let x = rep3.input(&mut io, owner, Domain::Ring64, ROWS, own).await?;
            let one = rep3.public(&Values::Ring64(vec![1; ROWS]))?;
            let column = [rep3.mul(&mut io, &x, &one).await?];
            let share = Share::of(&column[0])?;
            checked(&rep3, &mut io, &column).await?;
            let missing = rep3.missing_parts(&mut io, std::slice::from_ref(&share), None).await?.unwrap();
            Ok([share.own().to_vec(), share.next().to_vec(), bytemuck::cast_slice(&missing[0]).to_vec()])
        });
        let real: Vec<Track> =
            results.swap_remove(usize::from(corrupt)).0.unwrap().iter().flat_map(|b| tracks(b)).collect();
        let mut numbers = Numbers(u64::from(corrupt));
        let [own, next] = [(); 2].map(|()| (0..ROWS).map(|_| numbers.word()).collect::<Vec<u64>>());
        let message: Vec<u64> =
            own.iter().zip(&next).map(|(own, next)| secret.wrapping_sub(*own).wrapping_sub(*next)).collect();
        let simulated: Vec<Track> = [own, next, message].iter().flat_map(|b| tracks(bytemuck::cast_slice(b))).collect();
        assert!(excess(&real, &simulated) < 0.0, "party {corrupt}");
        let excess = joint(&real, &simulated, &(0..real.len()).collect::<Vec<_>>());
        assert!(excess < 0.0, "party {corrupt}: {excess}");
    }
}

#[test]
fn a_leak_is_noticed() {
    let [mut real, mut simulated] = views(Operation::Mul, 0, [7, 8]);
    // As if a message were a share that the party holds.
    real.push(real[real.len() - 12].clone());
    let mut numbers = Numbers(3);
    simulated.push((0..WORDS).map(|_| numbers.word()).collect());
    assert!(excess(&real, &simulated) > 1000.0);
}
