//! Sessions that are cut short, and go on.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use mpc::domain::{Domain, Values};
use mpc::engine::{Adversary, Failure, Fault, local};
use mpc::net::sim::{Crash, Dice, Simulation, Weather, WrongShare};
use mpc::program::Builder;
use mpc::runner::{Checkpoint, Memory, Observer, Phase, Report, Session, Store};
use mpc::shamir::Shamir;

use super::random;
use super::run::{MALICIOUS, Protocol, SEMI_HONEST, SHAMIR, Sample, reference};
use super::samples;

/// What a party's disk has seen.
#[derive(Default)]
struct Disk {
    memory: Memory,
    saved: RefCell<Vec<Vec<u8>>>,
}

impl Store for Disk {
    fn save(&self, slot: usize, checkpoint: &[u8]) -> std::io::Result<()> {
        self.saved.borrow_mut().push(checkpoint.to_vec());
        self.memory.save(slot, checkpoint)
    }

    fn load(&self, slot: usize) -> std::io::Result<Option<Vec<u8>>> {
        self.memory.load(slot)
    }

    fn destroy(&self) -> std::io::Result<()> {
        self.memory.destroy()
    }
}

/// Remembers where each run began.
#[derive(Default)]
struct Begun(RefCell<Vec<usize>>);

impl Observer for Begun {
    fn report(&self, report: &Report) {
        if report.phase == Phase::Agreement {
            self.0.borrow_mut().push(0);
        } else if let Some(first) = self.0.borrow_mut().last_mut()
            && *first == 0
        {
            // The first operation that ended in this run, and those before it.
            *first = report.done;
        }
    }
}

/// Runs a sample in a simulation where a party crashes at some time and comes back: the last run opens what the reference does.
/// Returns where each run of party 0 began.
fn crash(protocol: Protocol, sample: &Sample, seed: u64, every: usize) -> Vec<usize> {
    let expected = reference(sample).unwrap();
    let disks: Vec<Rc<Disk>> = (0..3).map(|_| Rc::default()).collect();
    let begun = Rc::new(Begun::default());
    let mut dice = Dice::new(seed);
    let mut simulation = Simulation::new(3, seed).weather(Weather { reorder: true, ..Weather::default() });
    for turn in 0..1 + dice.below(3) {
        simulation = simulation.crash(Crash {
            party: dice.below(3) as u16,
            at: Duration::from_secs(60 * turn) + Duration::from_micros(dice.below(40_000)),
            back: Some(Duration::from_secs(20)),
        });
    }
    let (program, stores, observer) = (sample.clone(), disks.clone(), Rc::clone(&begun));
    let report = simulation.run(move |io| {
        let (sample, store, begun) =
            (program.clone(), Rc::clone(&stores[usize::from(io.index())]), Rc::clone(&observer));
        async move {
            let backend = (protocol.make)(&io);
            let (lengths, inputs) = (sample.lengths(), sample.held(io.index()));
            let session = Session::new(&sample.program, &*backend, &lengths).keep(&*store, every);
            let first = io.index() == 0;
            let session = if first { session.observe(&*begun) } else { session };
            session.run(io, inputs).await
        }
    });
    for (party, result) in report.last().iter().enumerate() {
        let outcome = result.as_ref().unwrap_or_else(|failure| panic!("seed {seed}, party {party}: {failure}"));
        for (found, expected) in outcome.opened.iter().zip(&expected.opened) {
            assert!(found.is_none() || found == expected, "seed {seed}, party {party}, {}", sample.name);
        }
        assert!(outcome.opened.iter().filter(|found| found.is_some()).count() + 1 >= outcome.opened.len());
        for slot in 0..mpc::runner::SLOTS {
            assert!(disks[party].load(slot).unwrap().is_none(), "nothing is left at the end");
        }
    }
    // No two runs of a party made one checkpoint of the same name, nor the same shares of one.
    let mut names = BTreeSet::new();
    for bytes in disks[0].saved.borrow().iter() {
        let checkpoint = Checkpoint::from_bytes(bytes).unwrap();
        assert_eq!(checkpoint.to_bytes(), *bytes);
        assert!(names.insert((checkpoint.epoch().run.0, checkpoint.epoch().done)));
    }
    begun.0.take()
}

#[test]
fn sessions_go_on_after_crashes() {
    let mut later = 0;
    for seed in 0..30 {
        let protocol = [SEMI_HONEST, MALICIOUS][seed as usize % 2];
        let sample = random::sample(seed / 6, Domain::Ring64, 7, 16);
        let begun = crash(protocol, &sample, seed, 3);
        later += begun.iter().skip(1).filter(|first| **first > 3).count();
    }
    assert!(later >= 5, "some runs begin where an earlier one was: {later}");
}

#[test]
fn shamir_sessions_go_on_after_crashes() {
    for seed in 0..6 {
        let operation = samples::OPERATIONS.iter().find(|(name, ..)| *name == "min").unwrap();
        crash(SHAMIR, &samples::sample(operation, Domain::P127, 5, seed), seed, 2);
    }
}

/// Of four parties one vanishes and the others go on; then another one does, and that is one too many. When all are back, they go on
/// from what all hold, or begin anew.
#[test]
fn a_session_that_went_on_without_a_party_goes_on_when_all_are_back() {
    let mut program = Builder::new(4);
    let [mut product, factor] = [0, 1].map(|owner| program.input(owner, Domain::P127));
    for _ in 0..12 {
        product = program.mul(product, factor);
    }
    program.open(product);
    let program = program.finish().unwrap();
    let expected = Values::from_i64(Domain::P127, &[5 << 12, -7 << 12]);
    let mut begun = BTreeSet::new();
    for seed in 0..24 {
        let adversary = [Adversary::SemiHonest, Adversary::Malicious][seed as usize % 2];
        let disks: Vec<Rc<Disk>> = (0..4).map(|_| Rc::default()).collect();
        let run = |seed, gone: &[(u16, u64)]| {
            let mut simulation = Simulation::new(4, seed);
            for (party, at) in gone {
                simulation = simulation.crash(Crash { party: *party, at: Duration::from_micros(*at), back: None });
            }
            let (program, stores, first) = (program.clone(), disks.clone(), Rc::new(Begun::default()));
            let observer = Rc::clone(&first);
            let report = simulation.run(move |io| {
                let own = usize::from(io.index());
                let (program, store, begun) = (program.clone(), Rc::clone(&stores[own]), Rc::clone(&observer));
                async move {
                    let backend = Shamir::new(4, 1, adversary)?;
                    let own = io.index();
                    let input =
                        |owner, values: [i64; 2]| (own == owner).then(|| Values::from_i64(Domain::P127, &values));
                    let inputs = vec![input(0, [5, -7]), input(1, [2, 2])];
                    let session = Session::new(&program, &backend, &[2, 2]).keep(&*store, 3);
                    let session = if own == 0 { session.observe(&*begun) } else { session };
                    session.run(io, inputs).await
                }
            });
            (report, first.0.take())
        };
        let (first, later) = (3_000 + seed * 431 % 5_000, 500 + seed * 977 % 9_000);
        let (report, _) = run(seed, &[(3, first), (2, first + later)]);
        if report.last()[..2].iter().all(Result::is_ok) {
            continue;
        }
        let (report, places) = run(100 + seed, &[]);
        for result in report.last() {
            assert_eq!(result.as_ref().unwrap().opened, [Some(expected.clone())], "seed {seed}");
        }
        begun.extend(places);
    }
    assert!(begun.len() >= 3, "some begin anew, some from an earlier checkpoint, some from a later: {begun:?}");
}

/// What `docs/spec/mpc/sessions.md` states: bytes and rounds at the beginning, and at each cut.
#[test]
fn keeping_costs_what_the_page_states() {
    let run = |sample: &Sample, every: Option<usize>| {
        let disks: Vec<Rc<Disk>> = (0..3).map(|_| Rc::default()).collect();
        let (sample, stores) = (sample.clone(), disks.clone());
        let results = local::run(3, 5, move |io| {
            let (sample, store) = (sample.clone(), Rc::clone(&stores[usize::from(io.index())]));
            async move {
                let backend = (SEMI_HONEST.make)(&io);
                let (lengths, inputs) = (sample.lengths(), sample.held(io.index()));
                let session = Session::new(&sample.program, &*backend, &lengths);
                let session = if let Some(every) = every { session.keep(&*store, every) } else { session };
                session.run(io, inputs).await.map(|_| ())
            }
        });
        assert!(results.iter().all(|(result, _)| result.is_ok()));
        let bytes: u64 = results.iter().map(|(_, stats)| stats.payload_sent).sum();
        let rounds = results.iter().map(|(_, stats)| stats.rounds).max().unwrap_or(0);
        (bytes, rounds, disks[0].saved.borrow().len())
    };
    for (seed, every) in [(1, 3), (2, 2), (3, 5)] {
        let sample = random::sample(seed, Domain::Ring64, 7, 16);
        let ((bytes, rounds, cuts), (least, fewest, _)) = (run(&sample, Some(every)), run(&sample, None));
        assert!(cuts > 0);
        assert_eq!(bytes - least, (80 + 44) * 6 + 6 * cuts as u64, "{cuts} cuts");
        // Where it is cut, what was side by side may come one after the other.
        assert!(rounds - fewest >= 2 + cuts as u32, "{rounds} rounds, {fewest} without {cuts} cuts");
    }
}

/// Runs one session over given stores until the network stops after so many frames.
fn cut(sample: &Sample, stores: &[Rc<Disk>], seed: u64, frames: usize) -> Vec<Result<(), Failure>> {
    let (sample, stores, mut sent) = (sample.clone(), stores.to_vec(), 0);
    let results = local::run_with(
        3,
        seed,
        move |io| {
            let (sample, store) = (sample.clone(), Rc::clone(&stores[usize::from(io.index())]));
            async move {
                let backend = (MALICIOUS.make)(&io);
                let (lengths, inputs) = (sample.lengths(), sample.held(io.index()));
                let session = Session::new(&sample.program, &*backend, &lengths).keep(&*store, 3);
                session.run(io, inputs).await.map(|_| ())
            }
        },
        move |frame| {
            sent += 1;
            if sent > frames { vec![] } else { vec![frame] }
        },
    );
    results.into_iter().map(|(result, _)| result).collect()
}

fn done(disk: &Disk) -> Vec<(u32, u32)> {
    let held = (0..mpc::runner::SLOTS).filter_map(|slot| disk.load(slot).unwrap());
    let mut held: Vec<_> = held
        .map(|bytes| {
            let checkpoint = Checkpoint::from_bytes(&bytes).unwrap();
            (checkpoint.epoch().number, checkpoint.epoch().done)
        })
        .collect();
    held.sort_unstable();
    held
}

/// Wherever it is cut, parties' latest checkpoints are at most one apart, and all hold one in common; and so after each resumption.
#[test]
fn wherever_a_session_is_cut_all_hold_a_checkpoint_in_common() {
    let sample = random::sample(2, Domain::Ring64, 5, 14);
    for frames in (20..400).step_by(17) {
        let stores: Vec<Rc<Disk>> = (0..3).map(|_| Rc::default()).collect();
        let mut reached = 0;
        for turn in 0..3 {
            let results = cut(&sample, &stores, 100 * turn + frames as u64, frames);
            if results.iter().all(Result::is_ok) {
                break;
            }
            if results.iter().any(Result::is_ok) {
                // One had everything when the network stopped, and its store is empty: the others begin anew.
                break;
            }
            let held: Vec<BTreeSet<_>> = stores.iter().map(|disk| done(disk).into_iter().collect()).collect();
            let common: Vec<_> = held[0].iter().filter(|one| held.iter().all(|held| held.contains(one))).collect();
            let furthest = held.iter().flatten().map(|(_, done)| *done).max().unwrap_or(0);
            let last = common.iter().map(|(_, done)| *done).max().unwrap_or(0);
            assert!(last >= reached, "{frames} frames, turn {turn}: {held:?}");
            assert!(furthest == last || furthest > 0, "{held:?}");
            reached = last;
        }
    }
}

/// A damaged checkpoint is as good as none; one of another program is not taken for this one's.
#[test]
fn what_does_not_fit_is_not_resumed() {
    let sample = random::sample(2, Domain::Ring64, 5, 14);
    let other = random::sample(3, Domain::Ring64, 5, 14);
    for spoil in [0, 1] {
        let stores: Vec<Rc<Disk>> = (0..3).map(|_| Rc::default()).collect();
        let results = cut(&sample, &stores, 5, 200);
        assert!(results.iter().all(Result::is_err) && stores.iter().all(|disk| !done(disk).is_empty()));
        if spoil == 0 {
            for slot in 0..mpc::runner::SLOTS {
                if let Some(mut bytes) = stores[1].load(slot).unwrap() {
                    bytes.truncate(bytes.len() / 2);
                    stores[1].save(slot, &bytes).unwrap();
                }
            }
        }
        let next = if spoil == 0 { &sample } else { &other };
        assert!(cut(next, &stores, 6, usize::MAX).iter().all(Result::is_ok));
    }
}

/// A session that ended because somebody cheated leaves nothing to go on from.
#[test]
fn nothing_is_kept_after_a_failed_check() {
    let sample = random::sample(2, Domain::Ring64, 5, 14);
    let mut caught = 0;
    for seed in 0..20 {
        let stores: Vec<Rc<Disk>> = (0..3).map(|_| Rc::default()).collect();
        let (program, disks) = (sample.clone(), stores.clone());
        let report = Simulation::new(3, seed).corrupt(2, WrongShare { permille: 20 }).run(move |io| {
            let (sample, store) = (program.clone(), Rc::clone(&disks[usize::from(io.index())]));
            async move {
                let backend = (MALICIOUS.make)(&io);
                let (lengths, inputs) = (sample.lengths(), sample.held(io.index()));
                Session::new(&sample.program, &*backend, &lengths).keep(&*store, 3).run(io, inputs).await.map(|_| ())
            }
        });
        #[expect(clippy::needless_range_loop, reason = "it indexes the reports as well")]
        for party in 0..2 {
            match &report.last()[party] {
                Ok(()) => {}
                Err(
                    Failure::Party { party: 2, fault: Fault::Lost }
                    | Failure::Party { party: 0 | 1, fault: Fault::Lost },
                ) => {}
                Err(_) => {
                    caught += 1;
                    assert!(done(&stores[party]).is_empty(), "seed {seed}");
                }
            }
        }
    }
    assert!(caught > 5, "{caught}");
}

/// A party that tells each peer something else of what it holds ends the run.
#[test]
fn parties_that_are_told_different_things_do_not_go_on() {
    let sample = random::sample(2, Domain::Ring64, 5, 14);
    let stores: Vec<Rc<Disk>> = (0..3).map(|_| Rc::default()).collect();
    assert!(cut(&sample, &stores, 5, 200).iter().all(Result::is_err));
    // Party 2 claims to party 0 to hold nothing: its first message after the set-up is changed.
    let (program, disks, mut sent) = (sample.clone(), stores.clone(), 0);
    let results = local::run_with(
        3,
        6,
        move |io| {
            let (sample, store) = (program.clone(), Rc::clone(&disks[usize::from(io.index())]));
            async move {
                let backend = (MALICIOUS.make)(&io);
                let (lengths, inputs) = (sample.lengths(), sample.held(io.index()));
                Session::new(&sample.program, &*backend, &lengths).keep(&*store, 3).run(io, inputs).await.map(|_| ())
            }
        },
        move |mut frame| {
            if (frame.from, frame.to) == (2, 0) {
                sent += 1;
                if sent == 2 {
                    let mut body = frame.body.to_vec();
                    body[36..].fill(0);
                    frame.body = body.into();
                }
            }
            vec![frame]
        },
    );
    for (party, (result, _)) in results.into_iter().enumerate().take(2) {
        assert!(matches!(result, Err(Failure::Cheated { fault: Fault::Inconsistent(_) })), "party {party}: {result:?}");
        assert!(done(&stores[party]).is_empty());
    }
}
