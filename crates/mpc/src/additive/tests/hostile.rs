//! Sessions through hostile networks, with crashes and one who does not follow the protocol, each from a seed. Against whom lies nothing is
//! promised about the sum; that nobody honest is named for more than being gone, and that nothing hangs, is.

use std::time::Duration;

use super::*;
use crate::net::sim::{
    Behaviour, Crash, Dice, Oversized, Replay, Silence, Simulation, Stale, Swapped, Truncated, Weather, WrongShare,
};

fn inputs() -> Vec<Values> {
    (0..3u64).map(|party| ring(&[party + 1, u64::MAX - party, 100])).collect()
}

fn expected() -> Values {
    ring(&[6, 0u64.wrapping_sub(6), 300])
}

/// The sum, opened to all, and this party's share of it.
async fn work(mut io: Io) -> Result<(Values, Vec<u8>), Failure> {
    let (inputs, backend) = (inputs(), Additive::new(&io)?);
    let mut columns = Vec::new();
    for (owner, values) in (0..).zip(&inputs) {
        let own = (owner == io.index()).then_some(values);
        columns.push(backend.input(&mut io, owner, Domain::Ring64, 3, own).await?);
    }
    let sum = [backend.linear(&columns.iter().map(|column| (1, column)).collect::<Vec<_>>(), None)?];
    let columns = checked(&backend, &mut io, &sum).await?;
    let share = backend.hand_out(&mut io, columns).await?;
    let columns = checked(&backend, &mut io, &sum).await?;
    let opened = backend.open(&mut io, columns, None).await?;
    Ok((opened.expect("opened to all").remove(0), share))
}

#[test]
fn bad_weather_and_crashes_end_in_the_sum_or_somebody_gone() {
    let (mut right, mut failed) = (0, 0);
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let weather = if dice.chance(500) { Weather::storm() } else { Weather::default() };
        let simulation = Simulation::new(3, seed).weather(weather);
        let simulation = match dice.below(2) {
            0 => simulation.crash(Crash {
                party: dice.below(3) as u16,
                at: Duration::from_micros(dice.below(400_000)),
                back: dice.chance(700).then_some(Duration::from_secs(30)),
            }),
            _ => simulation,
        };
        let report = simulation.run(work);
        for results in &report.runs {
            for result in results {
                match result {
                    Ok((opened, _)) => {
                        right += 1;
                        assert!(*opened == expected(), "seed {seed}");
                    }
                    Err(Failure::Party { fault: Fault::Lost, .. } | Failure::Cancelled) => failed += 1,
                    Err(other) => panic!("seed {seed}: {other}"),
                }
            }
            let shares: Option<Vec<Vec<u8>>> =
                results.iter().map(|result| result.as_ref().ok().map(|(_, share)| share.clone())).collect();
            if let Some(shares) = shares {
                let name = &session_of(&shares);
                assert!(combine(name, Domain::Ring64, &shares).unwrap() == expected(), "seed {seed}");
            }
        }
    }
    assert!(right > 0 && failed > 0, "{right} right, {failed} failed");
}

/// The session that shares state: its digest follows the array's head, the version and the text's head.
fn session_of(shares: &[Vec<u8>]) -> Digest {
    Digest::from(<[u8; 32]>::try_from(&shares[0][4..36]).unwrap())
}

fn suffer<B: Behaviour + 'static>(behaviour: impl Fn(u64) -> B) {
    for seed in 0..20 {
        let report = Simulation::new(3, seed).corrupt(2, behaviour(seed)).run(work);
        for result in report.last().iter().take(2) {
            match result {
                Ok(_) | Err(Failure::Cheated { .. } | Failure::Party { fault: Fault::Lost, .. }) => {}
                Err(Failure::Party { party, .. }) => assert_eq!(*party, 2, "seed {seed}"),
                Err(other) => panic!("seed {seed}: {other}"),
            }
        }
    }
}

#[test]
fn nobody_honest_is_named_for_what_another_does() {
    suffer(|_| WrongShare { permille: 500 });
    suffer(|_| Replay::default());
    suffer(|seed| Silence { after: seed as u32 % 4 });
    suffer(|_| Truncated { permille: 500 });
    suffer(|_| Oversized { permille: 500 });
    suffer(|_| Stale { permille: 500 });
    suffer(|_| Swapped::default());
}
