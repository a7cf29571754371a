//! What a party and the recipient together see says no more than the honest parties' sum.
//!
//! Party 0 of three is corrupt, and so is the recipient. Their simulator is given the sum of the others' inputs alone: contributions and the
//! confirmation of the honest pair's key are uniform; of the honest shares one is uniform and the other what is left of the sum, each under the masks
//! that party 0 knows. 10^5 sessions on the same inputs are held against as many simulated ones.

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

/// What party 0 receives; the honest shares: confirmations of the pairs 01, 02 and 12, masked values; these without the masks that it knows.
fn view(
    received: [[u8; 32]; 2],
    confirmations: [[u8; 32]; 3],
    masked: [[u64; LENGTH]; 2],
    left: [[u64; LENGTH]; 2],
) -> Vec<u64> {
    let bytes = received.iter().chain(&confirmations).flat_map(|bytes| words(bytes));
    bytes.chain(masked.concat()).chain(left.concat()).collect()
}

/// The keys that party 0 shares with the others.
fn pairs(sent: [[u8; 32]; 2], received: [[u8; 32]; 2]) -> [Pair; 2] {
    [0, 1].map(|at| {
        let [ours, theirs] = [sent[at], received[at]].map(Secret::new);
        Pair::derive(&session(b"views"), (0, &ours), (at as u16 + 1, &theirs))
    })
}

/// Its two confirmations and its values.
fn parts(share: &Share) -> ([[u8; 32]; 2], [u64; LENGTH]) {
    let bytes = share.to_bytes();
    let (head, values) = bytes.split_at(bytes.len() - 8 * LENGTH);
    // Each has two bytes of CBOR before it, the values have one.
    let confirmations = head[head.len() - 1 - 2 * 34..].chunks(34).take(2);
    let confirmations: Vec<[u8; 32]> = confirmations.map(|bytes| bytes[2..].try_into().expect("a digest")).collect();
    let values: Vec<u64> = words(values).collect();
    (confirmations.try_into().expect("two"), values.try_into().expect("as many as inputs"))
}

fn real(seed: u64) -> Vec<u64> {
    let mut dice = Dice::new(2 * seed);
    let seeds: [[[u8; 32]; 3]; 3] = std::array::from_fn(|_| std::array::from_fn(|_| bytes(&mut dice)));
    let mut group: Vec<_> = (0..3u16)
        .map(|from| {
            let ours = |to: u16| Secret::new(seeds[usize::from(from)][usize::from(to)]);
            Party::with_contributions(session(b"views"), from, 3, ours).unwrap()
        })
        .collect();
    let mail: Vec<Envelope> = group.iter_mut().flat_map(|party| party.step(Vec::new()).unwrap().0).collect();
    for envelope in mail {
        group[usize::from(envelope.to)].step(vec![envelope]).unwrap();
    }
    let shares = shares(group, &INPUTS.map(|input| input.to_vec()));
    // Party 1 states the confirmations of the pairs 01 and 12, party 2 those of 02 and 12.
    let [([first, both], one), ([second, _], two)] = [parts(&shares[1]), parts(&shares[2])];
    let mut left = [one, two];
    let known = pairs([seeds[0][1], seeds[0][2]], [seeds[1][0], seeds[2][0]]);
    known.iter().zip(&mut left).for_each(|(pair, values)| pair.apply(values, true));
    view([seeds[1][0], seeds[2][0]], [first, second, both], [one, two], left)
}

/// Of the sum of what parties 1 and 2 hold.
fn simulated(seed: u64, sum: [u64; LENGTH]) -> Vec<u64> {
    let mut dice = Dice::new(2 * seed + 1);
    let [sent, received] = [(); 2].map(|()| [(); 2].map(|()| bytes(&mut dice)));
    let known = pairs(sent, received);
    let first: [u64; LENGTH] = std::array::from_fn(|_| dice.draw());
    let left = [first, std::array::from_fn(|at| sum[at].wrapping_sub(first[at]))];
    let mut masked = left;
    known.iter().zip(&mut masked).for_each(|(pair, values)| pair.apply(values, false));
    let [one, two] = known.map(|pair| *pair.confirmation().as_bytes());
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
