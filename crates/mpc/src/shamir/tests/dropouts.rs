//! Parties that vanish in the middle, fall silent, or come back.

use std::cell::Cell;
use std::time::Duration;

use super::*;
use crate::engine::{Fault, Party};
use crate::net::sim::{Crash, Silence, Simulation};
use crate::net::{Control, drive, threads};

const ROWS: usize = 70;

/// A long program: inputs, products in sequence, signs, sums, all opened. `ready` counts the parties that have everybody's inputs.
async fn work(io: &mut Io, shamir: &Shamir, ready: &Cell<u16>) -> Result<Vec<Values>, Failure> {
    let inputs = inputs();
    let columns = share(shamir, io, &inputs).await?;
    ready.set(ready.get() + 1);
    let mut product = columns[0].clone();
    for _ in 0..6 {
        product = shamir.mul(io, &product, &columns[1]).await?;
    }
    let negative = shamir.is_negative(io, &columns[2]).await?;
    let number = shamir.from_bits(io, std::slice::from_ref(&negative), Domain::M61).await?;
    let chosen = shamir.mul(io, &number, &product).await?;
    open(shamir, io, &[product, negative, chosen]).await
}

fn inputs() -> [Values; 3] {
    [numbers(Domain::M61, ROWS, 20, 1), numbers(Domain::M61, ROWS, 5, 2), numbers(Domain::M61, ROWS, 50, 3)]
}

fn expected() -> Vec<Values> {
    let [mut product, y, z] = inputs().map(|values| values.elements::<M61>().unwrap().to_vec());
    for _ in 0..6 {
        product.iter_mut().zip(&y).for_each(|(product, y)| *product = product.mul(*y));
    }
    let negative: Vec<bool> = z.iter().map(|z| z.get() > M61::P / 2).collect();
    let chosen = product.iter().zip(&negative).map(|(product, negative)| if *negative { *product } else { M61::ZERO });
    let chosen = Values::M61(chosen.collect());
    vec![Values::M61(product), Values::Bits(negative.into_iter().collect()), chosen]
}

/// Those that are left have the result, if all had the inputs before.
fn survive(parties: u16, threshold: u16, adversary: Adversary, gone: &[(u16, Duration)], seed: u64) -> bool {
    let ready = Rc::new(Cell::new(0));
    let count = Rc::clone(&ready);
    let mut simulation = Simulation::new(parties, seed);
    for (party, at) in gone {
        simulation = simulation.crash(Crash { party: *party, at: *at, back: None });
    }
    let report = simulation.run(move |mut io| {
        let count = Rc::clone(&count);
        async move {
            let shamir = Shamir::new(parties, threshold, adversary)?;
            work(&mut io, &shamir, &count).await
        }
    });
    let all_ready = ready.get() == parties;
    let vanished = |party: usize| gone.iter().any(|(gone, _)| usize::from(*gone) == party);
    for (party, result) in report.last().iter().enumerate().filter(|(party, _)| !vanished(*party)) {
        match result {
            Ok(opened) => assert!(*opened == expected(), "party {party} of {parties}, seed {seed}"),
            Err(Failure::Party { party: lost, fault: Fault::Lost }) if !all_ready => {
                assert!(
                    vanished(usize::from(*lost)) || report.last()[usize::from(*lost)].is_err(),
                    "party {lost}, seed {seed}"
                );
            }
            Err(failure) => panic!("party {party} of {parties}, seed {seed}, {gone:?}: {failure}"),
        }
    }
    all_ready && vanished_in_time(report.last(), gone)
}

fn vanished_in_time(results: &[Result<Vec<Values>, Failure>], gone: &[(u16, Duration)]) -> bool {
    gone.iter().all(|(party, _)| results[usize::from(*party)].is_err())
}

#[test]
fn a_computation_goes_on_without_those_who_vanish() {
    for (parties, threshold) in [(4u16, 1u16), (6, 2), (5, 1)] {
        for adversary in BOTH {
            let mut survived = 0;
            for seed in 0..40 {
                let spare = u64::from(parties - 2 * threshold - 1);
                let gone = |turn: u64| {
                    let party = (seed + turn * 2) % u64::from(parties);
                    (party as u16, Duration::from_micros(500 + (seed * 379 + turn * 611) % 9000))
                };
                let gone: Vec<_> = (0..spare).map(gone).collect();
                survived += u32::from(survive(parties, threshold, adversary, &gone, seed));
            }
            assert!(survived >= 10, "{survived} of 40 vanished in the middle: {parties}, {adversary:?}");
        }
    }
}

#[test]
fn more_than_can_be_spared_end_it() {
    for adversary in BOTH {
        for seed in 0..10 {
            let at = Duration::from_micros(4500);
            let report = Simulation::new(4, seed)
                .crash(Crash { party: 1, at, back: None })
                .crash(Crash { party: 3, at, back: None })
                .run(move |mut io| async move {
                    let shamir = Shamir::new(4, 1, adversary)?;
                    work(&mut io, &shamir, &Cell::new(0)).await
                });
            for survivor in [0, 2] {
                let result = &report.last()[survivor];
                assert!(matches!(result, Err(Failure::Party { party: 1 | 3, fault: Fault::Lost })), "{result:?}");
            }
        }
    }
}

#[test]
fn one_who_falls_silent_is_done_without() {
    let mut stalled = 0;
    for adversary in BOTH {
        for silent in 0..4u16 {
            for after in [30, 40, 55] {
                let ready = Rc::new(Cell::new(0));
                let count = Rc::clone(&ready);
                let report =
                    Simulation::new(4, u64::from(after)).corrupt(silent, Silence { after }).run(move |mut io| {
                        let count = Rc::clone(&count);
                        async move {
                            let shamir = Shamir::new(4, 1, adversary)?;
                            work(&mut io, &shamir, &count).await
                        }
                    });
                assert_eq!(ready.get(), 4, "all inputs are there after {after} frames");
                stalled += u32::from(report.stalled);
                for (party, result) in
                    report.last().iter().enumerate().filter(|(party, _)| *party != usize::from(silent))
                {
                    assert!(result.as_ref().is_ok_and(|opened| *opened == expected()), "party {party}: {result:?}");
                }
            }
        }
    }
    assert!(stalled >= 12, "{stalled} of 24 sessions awaited the silent one");
}

#[test]
fn threads_go_on_without_one_that_stops() {
    let parties: Vec<_> = threads::links(4)
        .into_iter()
        .map(|links| {
            std::thread::spawn(move || {
                let party = Party::new(local::settings(links.index(), 4, 3), |mut io| async move {
                    let shamir = Shamir::new(4, 1, Adversary::Malicious)?;
                    if io.index() != 1 {
                        return work(&mut io, &shamir, &Cell::new(0)).await;
                    }
                    let columns = share(&shamir, &mut io, &inputs()).await?;
                    let square = shamir.mul(&mut io, &columns[0], &columns[1]).await?;
                    shamir.mul(&mut io, &square, &columns[1]).await?;
                    Err(Failure::Cancelled)
                });
                drive(party.unwrap(), links, &mut |_| {}, &Control::default()).0
            })
        })
        .collect();
    for (index, party) in parties.into_iter().enumerate() {
        match party.join().unwrap() {
            Ok(opened) => assert!(index != 1 && opened == expected()),
            Err(failure) => assert!(index == 1 && failure == Failure::Cancelled, "party {index}: {failure}"),
        }
    }
}

/// What parties keep between sessions: their shares of two columns, as bytes.
type Kept = Vec<Option<[Vec<u8>; 2]>>;

/// A session from which party 2 vanishes before the product is there.
fn interrupted(adversary: Adversary) -> Kept {
    let results = local::run(4, 21, move |mut io| async move {
        let shamir = Shamir::new(4, 1, adversary)?;
        let columns = share(&shamir, &mut io, &inputs()).await?;
        shamir.mul(&mut io, &columns[1], &columns[2]).await?;
        if io.index() == 2 {
            return Err(Failure::Cancelled);
        }
        let product = shamir.mul(&mut io, &columns[0], &columns[1]).await?;
        checked(&shamir, &mut io, &[]).await?;
        let mut kept = Vec::new();
        for column in [&product, &columns[2]] {
            kept.push(shamir.export(column)?.expose(Vec::clone));
        }
        Ok([kept.remove(0), kept.remove(0)])
    });
    results.into_iter().map(|(result, _)| result.ok()).collect()
}

fn again(shamir: &Shamir, kept: Option<&[Vec<u8>; 2]>) -> Result<Vec<Option<Column>>, Failure> {
    let import = |bytes: &Vec<u8>| shamir.import(Domain::M61, ROWS, &crypto::Secret::new(bytes.clone()));
    match kept {
        Some(kept) => kept.iter().map(|bytes| import(bytes).map(Some)).collect(),
        None => Ok(vec![None, None]),
    }
}

fn product_and_third() -> [Values; 2] {
    let [x, y, z] = inputs();
    let product = x.elements::<M61>().unwrap().iter().zip(y.elements::<M61>().unwrap()).map(|(x, y)| x.mul(*y));
    [Values::M61(product.collect()), z]
}

#[test]
fn one_who_comes_back_catches_up_by_repair() {
    for adversary in BOTH {
        let kept = Rc::new(interrupted(adversary));
        assert!(kept[2].is_none());
        let results = local::run(4, 22, move |mut io| {
            let kept = Rc::clone(&kept);
            async move {
                let shamir = Shamir::new(4, 1, adversary)?;
                let mut columns = Vec::new();
                for column in again(&shamir, kept[usize::from(io.index())].as_ref())? {
                    let repaired = shamir.repair(&mut io, 2, Domain::M61, ROWS, column.as_ref()).await?;
                    columns.push(repaired.or(column).expect("kept or repaired"));
                }
                let square = shamir.mul(&mut io, &columns[0], &columns[0]).await?;
                let results = open(&shamir, &mut io, &[&columns[..], &[square]].concat()).await?;
                // Party 2 can stand in for one that vanishes now.
                if io.index() == 3 {
                    return Ok(results);
                }
                let more = shamir.mul(&mut io, &columns[0], &columns[1]).await?;
                assert_eq!(open(&shamir, &mut io, &[more]).await?[0].len(), ROWS);
                Ok(results)
            }
        });
        let [product, third] = product_and_third();
        for (result, _) in results {
            let opened = result.unwrap();
            assert!(opened[0] == product && opened[1] == third);
        }
    }
}

#[test]
fn one_who_comes_back_catches_up_by_resharing() {
    for adversary in BOTH {
        let kept = Rc::new(interrupted(adversary));
        let results = local::run(4, 23, move |mut io| {
            let kept = Rc::clone(&kept);
            async move {
                let (old, new) = (Shamir::new(4, 1, adversary)?, Shamir::new(4, 1, adversary)?);
                let mut columns = Vec::new();
                for column in again(&old, kept[usize::from(io.index())].as_ref())? {
                    let column = old.reshare(&mut io, &new, &[2], Domain::M61, ROWS, column.as_ref()).await?;
                    columns.push(column.expect("all are new members"));
                }
                open(&new, &mut io, &columns).await
            }
        });
        let [product, third] = product_and_third();
        for (result, _) in results {
            let opened = result.unwrap();
            assert!(opened[0] == product && opened[1] == third);
        }
    }
}

#[test]
fn a_new_run_repeats_no_randomness() {
    // Two runs of one session, as after a crash: what a party sends has nothing in common, though inputs and session are the same.
    let sent = |seed| {
        let frames = Rc::new(std::cell::RefCell::new(Vec::new()));
        let tap = Rc::clone(&frames);
        let results = local::run_with(
            4,
            seed,
            |mut io| async move { work(&mut io, &Shamir::new(4, 1, Adversary::Malicious)?, &Cell::new(0)).await },
            move |frame| {
                tap.borrow_mut().push(frame.body.clone());
                vec![frame]
            },
        );
        assert!(results.into_iter().all(|(result, _)| result.is_ok()));
        let bodies = frames.borrow().concat();
        // Aligned or not, 16 bytes in common would be a stream used twice.
        bodies
            .windows(16)
            .map(<[u8]>::to_vec)
            .filter(|window| window.iter().collect::<BTreeSet<_>>().len() > 12)
            .collect::<BTreeSet<_>>()
    };
    let (first, second) = (sent(31), sent(32));
    let opened = expected();
    // Openings of results are sharings; only what is public (headers of sections) may come again.
    let common = first.intersection(&second).count();
    assert!(common < opened[0].len(), "{common} stretches of 16 bytes in common");
}
