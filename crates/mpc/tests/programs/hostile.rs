//! Whole programs through hostile networks, with liars and crashes, all from one seed.

use std::rc::Rc;
use std::time::Duration;

use mpc::domain::Domain;
use mpc::engine::{Failure, Fault};
use mpc::net::sim::{
    Crash, Dice, Equivocation, Oversized, Replay, Report, Silence, Simulation, Stale, Swapped, Truncated, Weather,
    WrongShare,
};
use mpc::runner::{self, Outcome};

use super::random;
use super::run::{MALICIOUS, Sample, reference};

/// A network that is bad in some ways, each more or less.
fn weather(dice: &mut Dice) -> Weather {
    let storm = Weather::storm();
    let mut some = |most: u64| if dice.chance(500) { dice.below(most) } else { 0 };
    let (latency, jitter) = (some(200_000), some(300_000));
    let (loss, tamper, duplicate, reorder) = (some(300) as u32, some(200) as u32, some(300) as u32, some(2) == 1);
    let retries = if some(4) == 1 { 2 } else { 20 };
    Weather {
        latency: Duration::from_micros(latency),
        jitter: Duration::from_micros(jitter),
        loss,
        tamper,
        duplicate,
        reorder,
        retries,
        ..storm
    }
}

/// The last of three parties lies in some way, or none.
fn corrupt(simulation: Simulation, dice: &mut Dice) -> (Simulation, bool) {
    let permille = 5 + dice.below(200) as u32;
    let simulation = match dice.below(10) {
        0 => simulation.corrupt(2, WrongShare { permille }),
        1 => simulation.corrupt(2, Replay::default()),
        2 => simulation.corrupt(2, Equivocation { to: dice.below(2) as u16 }),
        3 => simulation.corrupt(2, Silence { after: dice.below(40) as u32 }),
        4 => simulation.corrupt(2, Truncated { permille }),
        5 => simulation.corrupt(2, Oversized { permille }),
        6 => simulation.corrupt(2, Stale { permille }),
        7 => simulation.corrupt(2, Swapped::default()),
        _ => return (simulation, false),
    };
    (simulation, true)
}

fn play(sample: &Rc<Sample>, seed: u64) -> (Report<Outcome>, bool) {
    let mut dice = Dice::new(seed);
    let (simulation, lies) = corrupt(Simulation::new(3, seed).weather(weather(&mut dice)), &mut dice);
    let simulation = match dice.below(3) {
        0 => simulation.crash(Crash {
            party: dice.below(3) as u16,
            at: Duration::from_micros(dice.below(3_000_000)),
            back: dice.chance(700).then_some(Duration::from_secs(30)),
        }),
        _ => simulation,
    };
    let sample = Rc::clone(sample);
    let report = simulation.run(move |io| {
        let sample = Rc::clone(&sample);
        async move {
            let (backend, inputs) = ((MALICIOUS.make)(&io), sample.held(io.index()));
            runner::run(&sample.program, &*backend, io, &sample.lengths(), inputs).await
        }
    });
    (report, lies)
}

/// Right or a named failure, in the end; and the honest are named for no more than being gone.
fn hold(seeds: std::ops::Range<u64>) {
    let (mut right, mut failed, mut caught) = (0, 0, 0);
    for seed in seeds {
        // Lies may change inputs that their owner gives: only those of the honest are compared.
        let sample = Rc::new(random::sample(seed % 5, Domain::Ring64, 4, 8));
        let expected = reference(&sample).unwrap();
        let (report, lies) = play(&sample, seed);
        for results in &report.runs {
            if let [Ok(one), Ok(other), ..] = &results[..] {
                // What both honest parties have, is the same.
                let both = one.opened.iter().zip(&other.opened);
                assert!(both.into_iter().all(|(one, other)| one == other), "seed {seed}");
            }
            for (party, result) in results.iter().enumerate().take(if lies { 2 } else { 3 }) {
                match result {
                    Ok(outcome) => {
                        right += 1;
                        for (found, expected) in outcome.opened.iter().zip(&expected.opened).filter(|_| !lies) {
                            assert!(found.is_none() || found == expected, "seed {seed}, party {party}");
                        }
                    }
                    Err(Failure::Party { fault: Fault::Lost, .. } | Failure::Cancelled) => failed += 1,
                    Err(Failure::Party { party: named, fault }) => {
                        assert!(lies && *named == 2, "seed {seed}: party {party} accuses {named}: {fault}");
                        caught += 1;
                    }
                    Err(Failure::Dispute { low, high, fault }) => {
                        assert!(lies && *low < 2 && *high == 2, "seed {seed}: {low} and {high}: {fault}");
                        caught += 1;
                    }
                    Err(Failure::Cheated { .. } | Failure::Program(_)) => {
                        assert!(lies, "seed {seed}, party {party}: {result:?}");
                        caught += 1;
                    }
                    Err(other) => panic!("seed {seed}, party {party}: {other}"),
                }
            }
        }
        if !lies && report.runs.len() > 1 {
            assert!(report.runs[0].iter().any(Result::is_err));
        }
    }
    assert!(right > 0 && failed > 0 && caught > 0, "{right} right, {failed} failed, {caught} caught");
}

#[test]
fn hostile_networks_end_in_results_or_named_failures() {
    hold(0..120);
}

#[test]
#[ignore = "nightly: thousands of sessions"]
fn many_hostile_networks_end_in_results_or_named_failures() {
    hold(1_000..6_000);
}

#[test]
fn a_seed_plays_again_exactly() {
    let sample = Rc::new(random::sample(1, Domain::Ring64, 4, 8));
    for seed in [3, 8, 21] {
        let [(first, _), (second, _)] = [0, 1].map(|_| play(&sample, seed));
        assert_eq!((first.elapsed, first.stats, first.stalled), (second.elapsed, second.stats, second.stalled));
        assert!(first.runs == second.runs, "seed {seed}");
    }
}
