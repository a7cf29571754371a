//! One corrupt party at a time: a malicious back end never opens a wrong result. Each behaviour is a file.
//!
//! A normal run plays more than 30,000 sessions: of each of ten behaviours 3,000 of a small program, and of most 500 of a large one. A nightly one plays
//! 10,000 of each.

mod equivocation;
mod inconsistent_sharing;
mod late_dealing;
mod oversized_frame;
mod replay;
mod silence;
mod stale_session;
mod swapped_messages;
mod truncated_frame;
mod wrong_product;
mod wrong_share;

use super::*;
use crate::net::sim::{Behaviour, Simulation};

const ROWS: usize = 5;
/// Seeds of a normal run, and of the nightly one.
const SEEDS: std::ops::Range<u64> = 0..500;
const NIGHTLY: std::ops::Range<u64> = 0..10_000;
/// Seeds of the small program.
const SMALL: std::ops::Range<u64> = 20_000..23_000;
/// Members and thresholds.
const SESSIONS: [(u16, u16); 3] = [(3, 1), (4, 1), (5, 2)];

/// None is the liar's: it may lie about its own as it likes.
fn inputs() -> [Values; 4] {
    [
        numbers(Domain::M61, ROWS, 40, 1),
        numbers(Domain::M61, ROWS, 18, 2),
        numbers(Domain::P127, ROWS, 60, 3),
        numbers(Domain::Bits, 70, 9, 4),
    ]
}

fn owner(place: usize, liar: u16, parties: u16) -> u16 {
    (liar + 1 + place as u16 % (parties - 1)) % parties
}

/// Products of all kinds, a sign, numbers from bits.
async fn work(io: &mut Io, shamir: &Shamir, liar: u16) -> Result<Vec<Values>, Failure> {
    let mut columns = Vec::new();
    for (place, values) in inputs().iter().enumerate() {
        let owner = owner(place, liar, io.parties());
        let mine = (owner == io.index()).then_some(values);
        columns.push(shamir.input(io, owner, values.domain(), values.len(), mine).await?);
    }
    let product = shamir.mul(io, &columns[0], &columns[1]).await?;
    let dot = shamir.dot(io, &product, &columns[1], 1).await?;
    let wide = shamir.mul(io, &columns[2], &columns[2]).await?;
    let both = shamir.mul(io, &columns[3], &shamir.gather(&columns[3], &(0..70).rev().collect::<Vec<_>>())?).await?;
    let negative = shamir.is_negative(io, &columns[0]).await?;
    let number = shamir.from_bits(io, std::slice::from_ref(&negative), Domain::M61).await?;
    let least = shamir.gather(&both, &(0..ROWS as u32).collect::<Vec<_>>())?;
    let both_numbers = shamir.from_bits(io, &[least], Domain::P127).await?;
    open(shamir, io, &[product, dot, wide, both, negative, number, both_numbers]).await
}

fn expected() -> Vec<Values> {
    let [x, y, z, bits] = inputs();
    let (x, y, z) = (x.elements::<M61>().unwrap(), y.elements::<M61>().unwrap(), z.elements::<P127>().unwrap());
    let product: Vec<M61> = x.iter().zip(y).map(|(x, y)| x.mul(*y)).collect();
    let dot = product.iter().zip(y).fold(M61::ZERO, |sum, (x, y)| sum.add(x.mul(*y)));
    let wide = z.iter().map(|z| z.mul(*z)).collect();
    let bits: Vec<bool> = bits.bits().unwrap().iter().collect();
    let both: Vec<bool> = bits.iter().zip(bits.iter().rev()).map(|(x, y)| x & y).collect();
    let negative: Vec<bool> = x.iter().map(|x| x.get() > M61::P / 2).collect();
    let number = negative.iter().map(|bit| M61::from_u128((*bit).into())).collect();
    let both_numbers = both[..ROWS].iter().map(|bit| P127::from_u128((*bit).into())).collect();
    vec![
        Values::M61(product),
        Values::M61(vec![dot]),
        Values::P127(wide),
        Values::Bits(both.into_iter().collect()),
        Values::Bits(negative.into_iter().collect()),
        Values::M61(number),
        Values::P127(both_numbers),
    ]
}

/// The liar's own input and what it is multiplied with; products of others' numbers and bits.
async fn small_work(io: &mut Io, shamir: &Shamir, liar: u16) -> Result<Vec<Values>, Failure> {
    let [x, y, _, bits] = inputs();
    let mut columns = Vec::new();
    for (place, values) in [&x, &x, &y, &bits].into_iter().enumerate() {
        let owner = if place == 0 { liar } else { owner(place, liar, io.parties()) };
        let mine = (owner == io.index()).then_some(values);
        columns.push(shamir.input(io, owner, values.domain(), values.len(), mine).await?);
    }
    let [w, x, y, bits] = &columns[..] else { unreachable!("four inputs") };
    let results = [
        w.clone(),
        shamir.mul(io, w, x).await?,
        shamir.mul(io, x, y).await?,
        shamir.dot(io, x, y, 1).await?,
        shamir.mul(io, bits, bits).await?,
    ];
    open(shamir, io, &results).await
}

/// What the small program opens, whatever input the liar is taken to have.
fn small_is_right(opened: &[Values]) -> bool {
    let [x, y, _, bits] = inputs();
    let (x, y) = (x.elements::<M61>().unwrap(), y.elements::<M61>().unwrap());
    let of = |left: &[M61], right: &[M61]| left.iter().zip(right).map(|(x, y)| x.mul(*y)).collect::<Vec<_>>();
    let dot = of(x, y).into_iter().fold(M61::ZERO, |sum, product| sum.add(product));
    opened[0].elements::<M61>().is_some_and(|w| {
        opened[1..] == [Values::M61(of(w, x)), Values::M61(of(x, y)), Values::M61(vec![dot]), bits.clone()]
    })
}

/// Nobody honest takes a wrong result or another than the others', or names somebody honest. Whether anybody honest has none.
fn hold(results: &[Result<Vec<Values>, Failure>], liar: u16, seed: u64, is_right: impl Fn(&[Values]) -> bool) -> bool {
    let mut failed = false;
    let mut first: Option<&[Values]> = None;
    for (party, result) in results.iter().enumerate().filter(|(party, _)| *party != usize::from(liar)) {
        match result {
            Ok(opened) => {
                let right = is_right(opened) && *first.get_or_insert(opened) == *opened;
                assert!(right, "seed {seed}: party {party} of {} has a wrong result", results.len());
            }
            Err(failure) => {
                failed = true;
                blame::falls_on(failure, liar, seed);
            }
        }
    }
    failed
}

/// Plays all seeds with a liar, among three, four and five; how many ended without a result somewhere.
fn suffer<B: Behaviour + 'static>(seeds: std::ops::Range<u64>, behaviour: impl Fn(u64) -> B) -> usize {
    let expected = expected();
    let play = |seed: u64| {
        let (parties, threshold) = SESSIONS[(seed % 3) as usize];
        let liar = (seed / 3 % u64::from(parties)) as u16;
        let report = Simulation::new(parties, seed).corrupt(liar, behaviour(seed)).run(move |mut io| async move {
            let shamir = Shamir::new(parties, threshold, Adversary::Malicious)?;
            work(&mut io, &shamir, liar).await
        });
        hold(report.last(), liar, seed, |opened| opened == expected)
    };
    seeds.filter(|seed| play(*seed)).count()
}

/// The same with the small program, mostly among three and four.
fn suffer_small<B: Behaviour + 'static>(behaviour: impl Fn(u64) -> B) -> usize {
    let play = |seed: u64| {
        let (parties, threshold) = SESSIONS[if seed.is_multiple_of(10) { 2 } else { (seed % 2) as usize }];
        let liar = (seed / 2 % u64::from(parties)) as u16;
        let report = Simulation::new(parties, seed).corrupt(liar, behaviour(seed)).run(move |mut io| async move {
            let shamir = Shamir::new(parties, threshold, Adversary::Malicious)?;
            small_work(&mut io, &shamir, liar).await
        });
        hold(report.last(), liar, seed, small_is_right)
    };
    SMALL.filter(|seed| play(*seed)).count()
}

/// The messages of a multiplication in a frame: those of operations from the first after the inputs on.
fn change(frame: &crate::engine::Frame, ops: impl Fn(u64) -> bool, with: impl Fn(&mut [u8])) -> crate::engine::Frame {
    let mut sections = crate::net::sim::Sections::of(frame);
    sections.sections.iter_mut().filter(|(op, _)| ops(*op)).for_each(|(_, bytes)| with(bytes));
    crate::engine::Frame { body: sections.body(), ..*frame }
}
