//! How far a run is, where it stopped and why, and its end on request.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use mpc::domain::Domain;
use mpc::engine::{Failure, Fault, Party, local};
use mpc::net::sim::{Crash, Simulation};
use mpc::net::{Cancel, Control, drive, threads};
use mpc::runner::{Observer, Phase, Report, Session, Watch};

use super::run::{MALICIOUS, SEMI_HONEST};
use super::{random, samples};

/// Sees that a run only goes forward.
#[derive(Default)]
struct Forward {
    last: Cell<Option<Report>>,
    reports: Cell<usize>,
}

impl Observer for Forward {
    fn report(&self, report: &Report) {
        if let Some(last) = self.last.get() {
            assert!(report.done >= last.done && report.total == last.total);
            assert!(report.stats.bytes_sent >= last.stats.bytes_sent && report.stats.rounds >= last.stats.rounds);
        }
        self.last.set(Some(*report));
        self.reports.set(self.reports.get() + 1);
    }
}

#[test]
fn a_run_goes_forward_to_its_end() {
    for protocol in [SEMI_HONEST, MALICIOUS] {
        let results = local::run(3, 1, move |io| async move {
            let (sample, backend, watch) =
                (random::sample(3, Domain::Ring64, 9, 20), (protocol.make)(&io), Forward::default());
            let (lengths, inputs) = (sample.lengths(), sample.held(io.index()));
            let session = Session::new(&sample.program, &*backend, &lengths).observe(&watch);
            session.run(io, inputs).await?;
            let last = watch.last.get().unwrap();
            assert_eq!((last.done, last.phase), (last.total, Phase::Release));
            assert!(watch.reports.get() > last.total && last.stats.payload_sent > 0 && last.stats.rounds > 3);
            Ok(())
        });
        assert!(results.iter().all(|(result, _)| result.is_ok()));
    }
}

/// Asks for the end in the middle.
struct Impatient;

impl Observer for Impatient {
    fn is_cancelled(&self) -> bool {
        true
    }
}

#[test]
fn a_run_ends_on_request() {
    let results = local::run(3, 1, |io| async move {
        let (sample, backend) = (random::sample(3, Domain::Ring64, 9, 20), (SEMI_HONEST.make)(&io));
        let (lengths, inputs) = (sample.lengths(), sample.held(io.index()));
        Session::new(&sample.program, &*backend, &lengths).observe(&Impatient).run(io, inputs).await
    });
    assert!(results.iter().all(|(result, _)| *result == Err(Failure::Cancelled)));
}

/// Driven by threads: one party's owner cancels, the others are told that it is gone, at which operation.
#[test]
fn a_driven_run_ends_on_request_and_tells_its_progress() {
    let cancel = Cancel::default();
    let parties: Vec<_> = threads::links(3)
        .into_iter()
        .map(|links| {
            let mine = if links.index() == 1 { cancel.clone() } else { Cancel::default() };
            std::thread::spawn(move || {
                let control = Control { cancel: mine, ..Control::default() };
                let watch = Watch::new(control.cancel.clone(), control.meter.clone());
                let (index, observer) = (links.index(), watch.clone());
                let sample = samples::sample(&samples::OPERATIONS[16], Domain::Ring64, 20_000, 5);
                let program = sample.program.clone();
                let party = Party::new(local::settings(index, 3, 7), move |io| async move {
                    let backend = (MALICIOUS.make)(&io);
                    let (lengths, inputs) = (sample.lengths(), sample.held(io.index()));
                    Session::new(&sample.program, &*backend, &lengths).observe(&observer).run(io, inputs).await
                });
                let mut permille = Vec::new();
                let (result, _) =
                    drive(party.unwrap(), links, &mut |progress| permille.push(progress.permille), &control);
                assert!(permille.is_sorted() && permille.iter().all(|permille| *permille < 1000));
                watch.stopped(&program, result.unwrap_err())
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    cancel.cancel();
    for (index, party) in parties.into_iter().enumerate() {
        let stopped = party.join().unwrap();
        match index {
            1 => assert_eq!(stopped.failure, Failure::Cancelled),
            _ => assert!(stopped.failure.is_interruption(), "{stopped}"),
        }
        assert_eq!(stopped.operation, Some("div"), "{stopped}");
        assert!(stopped.to_string().starts_with("at operation 3 (div): "), "{stopped}");
    }
}

/// A party that crashes: the others say who, at which operation.
#[test]
fn who_is_gone_and_when_is_told() {
    let watches: Vec<Watch> = (0..3).map(|_| Watch::default()).collect();
    let observers = watches.clone();
    let sample = Rc::new(random::sample(11, Domain::Ring64, 9, 20));
    let program = sample.program.clone();
    let crash = Crash { party: 2, at: Duration::from_millis(10), back: None };
    let report = Simulation::new(3, 6).crash(crash).run(move |io| {
        let (sample, watch) = (Rc::clone(&sample), observers[usize::from(io.index())].clone());
        async move {
            let backend = (SEMI_HONEST.make)(&io);
            let (lengths, inputs) = (sample.lengths(), sample.held(io.index()));
            Session::new(&sample.program, &*backend, &lengths).observe(&watch).run(io, inputs).await
        }
    });
    let mut named = 0;
    for party in [0, 1] {
        let failure = report.last()[party].clone().unwrap_err();
        let stopped = watches[party].stopped(&program, failure);
        // One that ended for that reason is itself gone to who waited for it.
        named += usize::from(stopped.failure == Failure::blame(2, Fault::Lost));
        assert!(stopped.failure.is_interruption(), "{stopped}");
        assert!(matches!(stopped.phase, Some(Phase::Operation(_))) && stopped.operation.is_some(), "{stopped}");
    }
    assert!(named > 0);
}
