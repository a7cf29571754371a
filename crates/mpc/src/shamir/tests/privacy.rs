//! What corrupt parties see says nothing of the secrets.
//!
//! The simulator of the proofs (Ben-Or, Goldwasser, Wigderson 1988; Damgård and Nielsen 2007, §4; Goyal and Song 2020, §6) runs the honest parties
//! on zeros, or, where something is opened, on any values with these results. Each row of a column is one execution: 10^5 real ones on the same
//! secrets are held against as many simulated ones. Compared are, by Pearson's statistic, single bits of what `t` corrupt parties receive and
//! of their shares before and after, parities of pairs of them, and joint values of six.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;
use crate::domain::Bits;
use crate::engine::{Frame, Truncation};
use crate::net::sim::{Dice, Sections};
use crate::views::{ROWS, Track, WORDS, joint, parity};

/// Bits of a view that are looked at, at most.
const TRACKS: usize = 1200;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    Mul,
    MulBits,
    IsNegative,
    FromBits,
    Truncate,
    Shuffle,
    Refresh,
    /// A product, checked and opened.
    Open,
}

/// What a party holds before and after, as bytes.
async fn compute(
    mut io: Io,
    operation: Operation,
    (parties, threshold): (u16, u16),
    adversary: Adversary,
    secrets: [i64; 2],
) -> Result<Vec<Vec<u8>>, Failure> {
    let shamir = Shamir::new(parties, threshold, adversary)?;
    let domain = if matches!(operation, Operation::MulBits | Operation::FromBits) { Domain::Bits } else { Domain::M61 };
    let mut columns = Vec::new();
    for (place, secret) in secrets.iter().enumerate() {
        // The last parties are honest.
        let owner = parties - 1 - place as u16;
        let values = match domain {
            Domain::Bits => {
                Values::Bits(Bits::from_words(ROWS, vec![if secret & 1 == 1 { u64::MAX } else { 0 }; WORDS]))
            }
            _ => Values::from_i64(domain, &vec![*secret; ROWS]),
        };
        let mine = (io.index() == owner).then_some(&values);
        columns.push(shamir.input(&mut io, owner, domain, ROWS, mine).await?);
    }
    let (x, y) = (&columns[0], &columns[1]);
    let more = match operation {
        Operation::Mul | Operation::MulBits => vec![shamir.mul(&mut io, x, y).await?],
        Operation::IsNegative => vec![shamir.is_negative(&mut io, x).await?],
        Operation::FromBits => vec![shamir.from_bits(&mut io, &columns, Domain::M61).await?],
        Operation::Truncate => vec![shamir.truncate(&mut io, x, 3, Truncation::Exact).await?],
        Operation::Shuffle => shamir.shuffle(&mut io, &columns).await?,
        Operation::Refresh => vec![shamir.refresh(&mut io, x).await?],
        Operation::Open => {
            let product = shamir.mul(&mut io, x, y).await?;
            open(&shamir, &mut io, std::slice::from_ref(&product)).await?;
            vec![product]
        }
    };
    columns.extend(more);
    columns.iter().map(|column| Ok(shamir.export(column)?.expose(Vec::clone))).collect()
}

/// What parties `0 .. threshold` see of each execution.
fn view(operation: Operation, session: (u16, u16), adversary: Adversary, secrets: [i64; 2], seed: u64) -> Vec<Track> {
    let messages = Rc::new(RefCell::new(BTreeMap::<_, Vec<u8>>::new()));
    let seen = Rc::clone(&messages);
    let network = move |frame: Frame| {
        if frame.to < session.1 && frame.from >= session.1 {
            for (op, bytes) in Sections::of(&frame).sections {
                seen.borrow_mut().entry((op, frame.from, frame.to)).or_default().extend(bytes);
            }
        }
        vec![frame]
    };
    let results =
        local::run_with(session.0, seed, move |io| compute(io, operation, session, adversary, secrets), network);
    let shares = results.into_iter().take(usize::from(session.1)).flat_map(|(result, _)| result.unwrap());
    let messages = messages.take().into_values();
    messages.chain(shares).flat_map(|bytes| tracks(&bytes)).collect()
}

/// Tracks of a message or share: some bits of each vector of elements, or the planes of bits. What is not one value for each execution, such as
/// the check's few elements, is none.
fn tracks(bytes: &[u8]) -> Vec<Track> {
    if bytes.len() < WORDS * 8 {
        return Vec::new();
    }
    let words: Vec<u64> = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    if words.len() == ROWS {
        let bit = |place: u32| {
            let word =
                |rows: &[u64]| rows.iter().enumerate().fold(0, |word, (row, value)| word | (value >> place & 1) << row);
            words.chunks(64).map(word).collect()
        };
        return [0, 1, 59, 60].map(bit).into();
    }
    // Lanes of two or four words, 64 executions to each, one vector after the other.
    let degree = if words.len().is_multiple_of(4 * WORDS) { 4 } else { 2 };
    let plane = |vector: &[u64], place: usize| vector.iter().skip(place).step_by(degree).copied().collect();
    words.chunks_exact(degree * WORDS).flat_map(|vector| (0..degree).map(move |place| plane(vector, place))).collect()
}

/// The largest excess over its threshold.
fn excess(real: &[Track], simulated: &[Track]) -> f64 {
    assert_eq!(real.len(), simulated.len());
    assert!(!real.is_empty());
    let mut dice = Dice::new(real.len() as u64);
    let mut draw = |bound: usize| dice.below(bound as u64) as usize;
    let some: Vec<usize> =
        (0..real.len().min(TRACKS)).map(|place| if real.len() <= TRACKS { place } else { draw(real.len()) }).collect();
    let singles = some.iter().map(|track| [*track; 2]);
    let pairs: Vec<_> = (0..4 * TRACKS).map(|_| [some[draw(some.len())], some[draw(some.len())]]).collect();
    let worst = singles.chain(pairs).map(|pair| parity(real, simulated, pair)).fold(f64::MIN, f64::max);
    let six = (0..30).map(|_| [(); 6].map(|()| some[draw(some.len())]));
    six.map(|chosen| joint(real, simulated, &chosen)).fold(worst, f64::max)
}

#[track_caller]
fn is_simulated(operation: Operation, session: (u16, u16), adversary: Adversary) {
    // Results that are opened are the same.
    let (secrets, zeros) = if operation == Operation::Open { ([3, -5], [-15, 1]) } else { ([-3, 5], [0, 0]) };
    let [real, simulated] =
        [(secrets, 1), (zeros, 2)].map(|(secrets, seed)| view(operation, session, adversary, secrets, seed));
    let excess = excess(&real, &simulated);
    assert!(excess < 0.0, "{operation:?} among {session:?}, {adversary:?}: {excess}");
}

#[test]
fn views_of_products_are_simulated() {
    for session in [(3, 1), (4, 1), (5, 2)] {
        for adversary in BOTH {
            for operation in [Operation::Mul, Operation::MulBits, Operation::Open] {
                is_simulated(operation, session, adversary);
            }
        }
    }
}

#[test]
fn views_of_conversions_are_simulated() {
    for session in [(3, 1), (4, 1)] {
        for operation in
            [Operation::IsNegative, Operation::FromBits, Operation::Truncate, Operation::Shuffle, Operation::Refresh]
        {
            is_simulated(operation, session, Adversary::SemiHonest);
        }
    }
}

#[test]
fn a_leak_is_noticed() {
    let [mut real, mut simulated] = [([7, 8], 1), ([0, 0], 2)]
        .map(|(secrets, seed)| view(Operation::Mul, (3, 1), Adversary::SemiHonest, secrets, seed));
    // As if a bit of a secret came through, now and then.
    real.push((0..WORDS).map(|word| if word % 32 == 0 { u64::MAX } else { real[0][word] }).collect());
    simulated.push(simulated[0].clone());
    assert!(excess(&real, &simulated) > 100.0);
}

/// Before the check nothing shows that a bit is one: its other coefficients are masked as well.
#[test]
fn what_is_no_bit_stays_masked() {
    let shares = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&shares);
    let results = local::run_with(
        3,
        5,
        |mut io| async move {
            let shamir = Shamir::new(3, 1, Adversary::Malicious)?;
            let crooked = crate::shamir::column::<[u64; 2]>(64 * 64, vec![[0, u64::MAX]; 64]);
            shamir.from_bits(&mut io, &[crooked], Domain::M61).await.map(|_| ())
        },
        move |frame| {
            if (frame.from, frame.to) == (1, 0) {
                seen.borrow_mut()
                    .extend(Sections::of(&frame).sections.into_iter().filter(|(_, bytes)| bytes.len() == 64 * 16));
            }
            vec![frame]
        },
    );
    assert!(results.into_iter().all(|(result, _)| result.is_ok()));
    let (_, opened) = &shares.borrow()[0];
    let ones: u32 = opened.chunks(16).flat_map(|lane| &lane[8..]).map(|byte| byte.count_ones()).sum();
    assert!((1800..2300).contains(&ones), "{ones} of 4096");
}
