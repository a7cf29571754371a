//! The sum, compared with the reference's linear combination.

use super::*;
use crate::domain::Values;
use crate::engine::Backend as _;
use crate::plain::Plain;

/// Values of a party: what wraps around first, then any.
fn values(party: u64, len: usize) -> Vec<u64> {
    let mut dice = crate::net::sim::Dice::new(party);
    let edges = [0, u64::MAX, 1, i64::MAX as u64, i64::MIN as u64, i64::MIN as u64 + 1];
    // Another edge at each party.
    (0..len).map(|at| if at < 40 { edges[(at + at / 6 * party as usize) % 6] } else { dice.draw() }).collect()
}

fn is_as_in_the_clear(parties_of: u16, len: usize) {
    let inputs: Vec<Vec<u64>> = (0..parties_of).map(|party| values(party.into(), len)).collect();
    let plain = Plain::default();
    let columns: Vec<_> =
        inputs.iter().map(|input| plain.public(&Values::Ring64(input.clone())).expect("a ring")).collect();
    let terms: Vec<_> = columns.iter().map(|column| (1, column)).collect();
    let sum = plain.linear(&terms, None).expect("columns of one length");
    let expected = sum.share::<Values>().expect("in the clear");
    // Longer vectors take several sessions.
    let mut found = Vec::with_capacity(len);
    for from in (0..len).step_by(MAX_LENGTH) {
        let part: Vec<Vec<u64>> = inputs.iter().map(|input| input[from..len.min(from + MAX_LENGTH)].to_vec()).collect();
        let mut group = parties(parties_of);
        exchange(&mut group);
        found.extend(Share::sum(session(b"test"), &shares(group, &part)).expect("they fit together"));
    }
    assert!(*expected == Values::Ring64(found), "{len} values of {parties_of}");
}

#[test]
fn sums_are_as_in_the_clear() {
    for parties in [2, 3, MAX_PARTIES] {
        for len in [1, 2, 7, 4095, 4096, 4097, MAX_LENGTH] {
            is_as_in_the_clear(parties, len);
        }
    }
}

#[test]
fn sums_of_a_million_values_are_as_in_the_clear() {
    is_as_in_the_clear(3, 1_000_000);
}
