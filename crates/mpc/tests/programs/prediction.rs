//! What the planner predicts, against what is measured.

use std::rc::Rc;

use mpc::domain::Domain;
use mpc::engine::{Failure, local};
use mpc::planner::Prediction;

use super::run::{ADDITIVE, MALICIOUS, Protocol, SEMI_HONEST, SHAMIR, SHAMIR_MALICIOUS, Sample, over};
use super::{random, samples};

fn prediction(protocol: Protocol, sample: &Sample) -> Result<Prediction, Failure> {
    let found: Rc<std::cell::RefCell<Option<Result<Prediction, Failure>>>> = Rc::default();
    let (shown, sample) = (Rc::clone(&found), sample.clone());
    // A back end wants an end of a session.
    local::run(protocol.parties, 1, move |io| {
        if io.index() == 0 {
            shown.replace(Some((protocol.predict)(&io, &sample)));
        }
        async { Ok(()) }
    });
    found.take().expect("one party predicts")
}

/// Bytes and rounds, set-up included, as predicted and as measured.
fn compare(protocol: Protocol, sample: &Sample) -> Option<[(u64, u64); 2]> {
    let results = over(protocol, sample, 9);
    match prediction(protocol, sample) {
        Err(Failure::Unsupported { .. }) => {
            assert!(results.iter().any(|(result, _)| matches!(result, Err(Failure::Unsupported { .. }))));
            None
        }
        Err(failure) => panic!("{}: {failure}", sample.name),
        Ok(predicted) => {
            let parties = u64::from(protocol.parties);
            let sent: u64 = results.iter().map(|(_, stats)| stats.payload_sent).sum();
            let rounds = results.iter().map(|(_, stats)| stats.rounds).max().unwrap_or(0);
            let setup = 32 * parties * (parties - 1);
            Some([(predicted.bytes, sent - setup), (predicted.rounds.into(), rounds.into())])
        }
    }
}

/// Whether two figures differ by no more than so many hundredths, or by no more than `least`.
fn near((predicted, measured): (u64, u64), percent: u64, least: u64) -> bool {
    let apart = predicted.abs_diff(measured);
    apart <= least || apart * 100 <= measured * percent
}

fn table(protocol: Protocol, samples: impl IntoIterator<Item = Sample>, bytes: (u64, u64), rounds: (u64, u64)) {
    let mut wrong = Vec::new();
    for sample in samples {
        let Some([sent, turns]) = compare(protocol, &sample) else { continue };
        if !near(sent, bytes.0, bytes.1) || !near(turns, rounds.0, rounds.1) {
            wrong.push(format!("{}: bytes {sent:?}, rounds {turns:?}", sample.name));
        }
    }
    assert!(wrong.is_empty(), "{} (predicted, measured):\n{}", protocol.name, wrong.join("\n"));
}

fn each(domains: &[Domain], lens: &[usize]) -> Vec<Sample> {
    let mut all = Vec::new();
    for domain in domains.iter().copied() {
        for operation in samples::OPERATIONS {
            all.extend(lens.iter().map(|len| samples::sample(operation, domain, *len, 4)));
        }
    }
    all
}

const RINGS: [Domain; 2] = [Domain::Ring64, Domain::Ring128];

/// Bytes to the byte, but for a sort, whose comparisons depend on a permutation that is drawn; rounds: at most a quarter more than measured.
#[test]
fn semi_honest_costs_are_predicted() {
    let (sorts, others): (Vec<_>, Vec<_>) =
        each(&RINGS, &[100]).into_iter().partition(|one| one.name.starts_with("sort"));
    table(SEMI_HONEST, others, (0, 0), (25, 2));
    table(SEMI_HONEST, sorts, (10, 0), (50, 0));
}

/// Bytes and rounds as measured, checks and gifts included: nothing is drawn, for there is no shuffle.
#[test]
fn malicious_costs_are_predicted() {
    table(MALICIOUS, each(&RINGS, &[100]), (0, 0), (0, 0));
}

/// To the byte and the round.
#[test]
fn costs_by_additive_sharing_are_predicted() {
    let all = each(&[Domain::Ring64, Domain::Ring128, Domain::M61, Domain::P127], &[1, 100, 4097]);
    table(ADDITIVE, all, (0, 0), (0, 0));
}

/// The same over a field, but for the keys, which are agreed on at the first need.
#[test]
fn costs_by_shamir_sharing_are_predicted() {
    let (sorts, others): (Vec<_>, Vec<_>) =
        each(&[Domain::M61], &[100]).into_iter().partition(|one| one.name.starts_with("sort"));
    table(SHAMIR, others, (0, 0), (25, 2));
    table(SHAMIR, sorts, (10, 0), (50, 0));
    table(SHAMIR_MALICIOUS, each(&[Domain::M61], &[20]), (0, 192), (20, 8));
}

#[test]
fn costs_of_whole_programs_are_predicted() {
    let programs = || (0..12).map(|seed| random::sample(seed, Domain::Ring64, 50, 12));
    table(SEMI_HONEST, programs(), (5, 0), (25, 2));
    table(MALICIOUS, programs(), (0, 0), (0, 0));
}
