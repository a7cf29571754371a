//! Every behaviour and every weather against a toy protocol that catches what a malicious back end must.
//!
//! The toy: every party's number is known to the next party too, and both tell it to all; whoever hears two different numbers has a pair
//! in dispute, and at the end all compare what they heard.

use std::time::Duration;

use crypto::sha256;

use super::*;
use crate::engine::{Fault, OpId};

const PARTIES: u16 = 4;
const LIAR: u16 = 2;

fn number(owner: u16) -> u64 {
    u64::from(owner) * 1000 + 17
}

fn right() -> u64 {
    (0..PARTIES).map(number).sum()
}

async fn toy(mut io: Io) -> Result<u64, Failure> {
    let (own, before) = (io.index(), (io.index() + PARTIES - 1) % PARTIES);
    let (first, second, last) = (io.op(), io.op(), io.op());
    for peer in io.peers() {
        io.send_elements(first, peer, &[number(own)]);
        io.send_elements(second, peer, &[number(before)]);
    }
    let mut heard = vec![[0u64; 2]; usize::from(PARTIES)];
    heard[usize::from(own)][0] = number(own);
    heard[usize::from(before)][1] = number(before);
    for peer in io.peers() {
        let (mut told, mut vouched) = ([0u64], [0u64]);
        io.receive_elements(first, peer, &mut told).await?;
        io.receive_elements(second, peer, &mut vouched).await?;
        heard[usize::from(peer)][0] = told[0];
        heard[usize::from((peer + PARTIES - 1) % PARTIES)][1] = vouched[0];
    }
    for owner in 0..PARTIES {
        let [told, vouched] = heard[usize::from(owner)];
        if told != vouched {
            let (low, high) = (owner.min((owner + 1) % PARTIES), owner.max((owner + 1) % PARTIES));
            return Err(Failure::Dispute { low, high, fault: Fault::Inconsistent(first) });
        }
    }
    // All heard the same.
    let digest = *sha256(&[bytemuck::cast_slice(&heard)]).as_bytes();
    io.peers().for_each(|peer| io.send(last, peer, &digest));
    for peer in io.peers() {
        let mut theirs = [0; 32];
        io.receive(last, peer, &mut theirs).await?;
        if theirs != digest {
            return Err(Failure::Cheated { fault: Fault::Inconsistent(last) });
        }
    }
    Ok(heard.iter().map(|[number, _]| number).sum())
}

/// What must hold whatever happens: right or a named failure, and nobody honest named for more than being gone.
fn hold(report: &Report<u64>, liar: Option<u16>) {
    let seed = report.seed;
    for results in &report.runs {
        for (index, result) in results.iter().enumerate().filter(|(index, _)| Some(*index as u16) != liar) {
            match result {
                Ok(sum) => assert_eq!(*sum, right(), "seed {seed}: party {index} accepts a wrong result"),
                Err(Failure::Party { party, fault }) => {
                    assert!(*fault == Fault::Lost || Some(*party) == liar, "seed {seed}: {index} says {result:?}");
                }
                Err(Failure::Dispute { low, high, .. }) => {
                    assert!(liar == Some(*low) || liar == Some(*high), "seed {seed}: {index} says {result:?}");
                }
                Err(Failure::Cheated { .. }) => assert!(liar.is_some(), "seed {seed}: {index} says {result:?}"),
                Err(Failure::Cancelled) => {}
                Err(other) => panic!("seed {seed}: party {index} ends with {other}"),
            }
        }
    }
}

#[test]
fn the_weather_delays_and_never_harms() {
    for seed in 0..400 {
        let report = Simulation::new(PARTIES, seed).weather(Weather::storm()).run(toy);
        hold(&report, None);
        assert!(report.last().iter().all(|result| *result == Ok(right())), "seed {seed}: {:?}", report.last());
        assert!(report.elapsed >= Duration::from_millis(75), "three messages one after the other");
    }
}

#[test]
fn links_that_are_lost_end_a_session_cleanly() {
    let mut failed = 0;
    for seed in 0..400 {
        let weather = Weather { loss: 300, retries: 3, ..Weather::storm() };
        let report = Simulation::new(PARTIES, seed).weather(weather).run(toy);
        hold(&report, None);
        failed += usize::from(report.last().iter().any(Result::is_err));
    }
    assert!(failed > 50, "{failed}");
}

#[test]
fn one_seed_is_one_course_of_events() {
    let play = |seed| {
        let report = Simulation::new(PARTIES, seed)
            .weather(Weather { loss: 200, retries: 4, ..Weather::storm() })
            .corrupt(LIAR, WrongShare { permille: 100 })
            .run(toy);
        (format!("{:?}", report.runs), report.elapsed, report.stats)
    };
    assert!((0..50).all(|seed| play(seed) == play(seed)));
    assert!((0..50).any(|seed| play(seed) != play(seed + 1)));
}

/// Plays many seeds with one liar; how many sessions ended without a result at some honest party.
fn suffer<B: Behaviour + 'static>(seeds: u64, behaviour: impl Fn(u64) -> B) -> usize {
    let mut failed = 0;
    for seed in 0..seeds {
        let weather = if seed % 2 == 0 { Weather::default() } else { Weather::storm() };
        let report = Simulation::new(PARTIES, seed).weather(weather).corrupt(LIAR, behaviour(seed)).run(toy);
        hold(&report, Some(LIAR));
        let honest = report.last().iter().enumerate().filter(|(index, _)| *index != usize::from(LIAR));
        failed += usize::from(honest.into_iter().any(|(_, result)| result.is_err()));
    }
    failed
}

#[test]
fn a_wrong_share_is_caught() {
    assert!(suffer(300, |_| WrongShare { permille: 200 }) > 150);
}

#[test]
fn a_replay_is_caught_or_harmless() {
    assert!(suffer(300, |_| Replay::default()) > 50);
}

#[test]
fn equivocation_is_caught() {
    assert_eq!(suffer(300, |seed| Equivocation { to: [0, 1, 3][seed as usize % 3] }), 300);
}

#[test]
fn silence_ends_in_time_and_is_named() {
    assert!(suffer(300, |seed| Silence { after: (seed % 9) as u32 }) > 250);
    let report = Simulation::new(PARTIES, 1).corrupt(LIAR, Silence { after: 3 }).run(toy);
    assert!(report.stalled);
    for index in [0, 1, 3] {
        assert_eq!(report.last()[index], Err(Failure::blame(LIAR, Fault::Lost)));
    }
}

#[test]
fn truncated_frames_are_named() {
    assert!(suffer(300, |_| Truncated { permille: 300 }) > 200);
}

#[test]
fn oversized_frames_are_named() {
    assert!(suffer(300, |_| Oversized { permille: 300 }) > 200);
}

#[test]
fn frames_of_another_run_are_named() {
    assert!(suffer(300, |_| Stale { permille: 300 }) > 200);
}

#[test]
fn swapped_messages_are_caught() {
    assert!(suffer(300, |_| Swapped::default()) > 150);
}

#[test]
fn a_party_that_crashes_ends_the_run_and_the_next_one_succeeds() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let crash = Crash {
            party: dice.below(u64::from(PARTIES)) as u16,
            at: Duration::from_micros(dice.below(120_000)),
            back: Some(Duration::from_secs(1 + dice.below(30))),
        };
        let report = Simulation::new(PARTIES, seed).weather(Weather::storm()).crash(crash).run(toy);
        hold(&report, None);
        assert!(report.last().iter().all(|result| *result == Ok(right())), "seed {seed}: {:?}", report.runs);
    }
    let gone = Crash { party: 1, at: Duration::from_micros(300), back: None };
    let report = Simulation::new(PARTIES, 1).crash(gone).run(toy);
    hold(&report, None);
    assert_eq!(report.last()[0], Err(Failure::blame(1, Fault::Lost)));
}

#[test]
fn no_run_repeats_the_randomness_of_another() {
    let draw = |io: Io| async move {
        let mut sample = vec![io.own().vector::<u64>(OpId(9), 1)[0]];
        sample.extend(io.peers().map(|peer| io.pair(peer).vector::<u64>(OpId(9), 1)[0]));
        // Long enough for the crash to come in between.
        let mut io = io;
        for _ in 0..20 {
            let op = io.op();
            io.peers().for_each(|peer| io.send(op, peer, &[1]));
            for peer in io.peers() {
                io.receive(op, peer, &mut [0]).await?;
            }
        }
        Ok(sample)
    };
    let all = |back: bool| -> Vec<u64> {
        let crash = Crash { party: 1, at: Duration::from_millis(400), back: back.then(|| Duration::from_secs(20)) };
        let report = Simulation::new(3, 5).weather(Weather::storm()).crash(crash).run(draw);
        report.last().iter().flatten().flatten().copied().collect()
    };
    let (second, none) = (all(true), all(false));
    assert_eq!((second.len(), none.len()), (9, 0));
    // The first run, played to its end, drew other numbers.
    let first = Simulation::new(3, 5).weather(Weather::storm()).run(draw);
    assert!(first.last().iter().flatten().flatten().all(|number| !second.contains(number)));
}
