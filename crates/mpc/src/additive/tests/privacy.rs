//! What a party and the recipient together see says no more than the honest parties' sum.
//!
//! Party 0 of three is corrupt, and so is the recipient. The sum is handed to the recipient, and opened to party 0. Their simulator is given the sum of the
//! others' inputs alone: contributions and the confirmation of the honest pair's key are uniform; of the honest shares, and of the honest parts opened, one is
//! uniform and the other what is left of the sum, each under the masks that party 0 knows. 10^5 sessions on the same inputs are held against as many simulated ones.

use super::*;
use crate::net::sim::Dice;
use crate::views::{excess, executed};

const LENGTH: usize = 2;
/// Of all parties. The honest ones' sum is all that may show.
const INPUTS: [[u64; LENGTH]; 3] = [[1, 2], [u64::MAX, 0], [1 << 63, 12_345]];

fn bytes(dice: &mut Dice) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&dice.draw().to_le_bytes()));
    bytes
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
}

/// Values of two parties.
type Both = [[u64; LENGTH]; 2];

/// What party 0 receives; the honest shares: confirmations of the pairs 01, 02 and 12, masked values; the honest parts opened to it; both without the
/// masks that it knows.
fn view(received: [[u8; 32]; 2], confirmations: [[u8; 32]; 3], masked: [Both; 2], left: [Both; 2]) -> Vec<u64> {
    let bytes = received.iter().chain(&confirmations).flat_map(|bytes| words(bytes));
    bytes.chain(masked.concat().concat()).chain(left.concat().concat()).collect()
}

/// The keys that party 0 shares with the others.
fn pairs(sent: [[u8; 32]; 2], received: [[u8; 32]; 2]) -> Vec<Pair> {
    let seed = |from: u16, to: u16| match (from, to) {
        (0, to) => sent[usize::from(to) - 1],
        (from, 0) => received[usize::from(from) - 1],
        _ => [0; 32],
    };
    agreed(&session(), 3, seed).swap_remove(0)
}

/// Its two confirmations and its values.
fn parts(share: &[u8]) -> ([[u8; 32]; 2], [u64; LENGTH]) {
    let (head, values) = share.split_at(share.len() - 8 * LENGTH);
    // Each has two bytes of CBOR before it, the values have one.
    let confirmations = head[head.len() - 1 - 2 * 34..].chunks(34).take(2);
    let confirmations: Vec<[u8; 32]> = confirmations.map(|bytes| bytes[2..].try_into().expect("a digest")).collect();
    let values: Vec<u64> = words(values).collect();
    (confirmations.try_into().expect("two"), values.try_into().expect("as many as inputs"))
}

/// The number of the only opening: the session's first operation.
const OPENING: OpId = OpId(1);

async fn work(mut io: Io) -> Result<Vec<u8>, Failure> {
    let (backend, own) = (Additive::new(&io)?, ring(&INPUTS[usize::from(io.index())]));
    let mut columns = Vec::new();
    for owner in 0..3 {
        let own = (owner == io.index()).then_some(&own);
        columns.push(backend.input(&mut io, owner, Domain::Ring64, LENGTH, own).await?);
    }
    let sum = [backend.linear(&columns.iter().map(|column| (1, column)).collect::<Vec<_>>(), None)?];
    let columns = checked(&backend, &mut io, &sum).await?;
    let share = backend.hand_out(&mut io, columns).await?;
    let columns = checked(&backend, &mut io, &sum).await?;
    backend.open(&mut io, columns, Some(0)).await?;
    Ok(share)
}

fn real(seed: u64) -> Vec<u64> {
    let (mut sent, mut received) = ([[0; 32]; 2], [[0; 32]; 2]);
    let mut opened: Both = [[0; LENGTH]; 2];
    let results = local::run_with(3, seed, work, |frame| {
        match (frame.from, frame.to) {
            (0, to) => sent[usize::from(to) - 1] = contribution(&frame),
            (from, 0) => {
                let (from, section) = (usize::from(from) - 1, &frame.body[24 + 12..]);
                match section.len() {
                    32 => received[from] = contribution(&frame),
                    _ => opened[from] = words(section).collect::<Vec<_>>().try_into().expect("its part"),
                }
            }
            _ => {}
        }
        vec![frame]
    });
    let shares: Vec<Vec<u8>> = results.into_iter().map(|(share, _)| share.unwrap()).collect();
    // Party 1 states the confirmations of the pairs 01 and 12, party 2 those of 02 and 12.
    let [([first, both], one), ([second, _], two)] = [parts(&shares[1]), parts(&shares[2])];
    let masked = [[one, two], opened];
    let mut left = masked;
    for (at, pair) in pairs(sent, received).iter().enumerate() {
        // As the lower party it adds what the higher one took off.
        pair.apply(OpId(0), 0, &mut left[0][at], 0);
        pair.apply(OPENING, 0, &mut left[1][at], 0);
    }
    view(received, [first, second, both], masked, left)
}

/// Of the sum of what parties 1 and 2 hold.
fn simulated(seed: u64, sum: [u64; LENGTH]) -> Vec<u64> {
    let mut dice = Dice::new(2 * seed + 1);
    let [sent, received] = [(); 2].map(|()| [(); 2].map(|()| bytes(&mut dice)));
    let known = pairs(sent, received);
    let left = [(); 2].map(|()| {
        let first: [u64; LENGTH] = std::array::from_fn(|_| dice.draw());
        [first, std::array::from_fn(|at| sum[at].wrapping_sub(first[at]))]
    });
    let mut masked = left;
    for (at, pair) in known.iter().enumerate() {
        pair.apply(OpId(0), 0, &mut masked[0][at], at as u16 + 1);
        pair.apply(OPENING, 0, &mut masked[1][at], at as u16 + 1);
    }
    let [one, two] = [0, 1].map(|at| *known[at].confirmation().as_bytes());
    view(received, [one, two, bytes(&mut dice)], masked, left)
}

#[test]
fn views_are_simulated() {
    let [real] = executed(|seed| [real(seed)]);
    let sum = [0, 1].map(|at| INPUTS[1][at].wrapping_add(INPUTS[2][at]));
    let [same] = executed(|seed| [simulated(seed, sum)]);
    let found = excess(&real, &same);
    assert!(found < 0.0, "{found}");
    // Of another sum the views are others.
    let [other] = executed(|seed| [simulated(seed, [sum[0], sum[1] ^ 1])]);
    assert!(excess(&real, &other) > 1000.0);
}
