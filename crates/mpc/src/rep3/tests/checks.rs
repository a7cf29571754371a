//! What precedes an opening in a session with a verifier.

use std::cell::{Cell, RefCell};

use super::*;
use crate::engine::{Fault, Frame};
use crate::net::sim::Sections;

fn sections(frame: &Frame) -> Vec<(u64, Vec<u8>)> {
    Sections::of(frame).sections
}

/// Party 0 keeps back its input to party 1 while it multiplies with party 2: neither may begin to check, or to open, before party 1 has it. Else party
/// 0 could fit its input to a coin, or to what is opened.
#[test]
fn nothing_is_checked_or_opened_before_all_inputs_have_arrived() {
    for multiply in [false, true] {
        let (mark, seen) = (Rc::new(Cell::new(u64::MAX)), Rc::new(RefCell::new(Vec::new())));
        let (marked, told) = (Rc::clone(&mark), Rc::clone(&seen));
        let work = move |mut io: Io| {
            let mark = Rc::clone(&mark);
            async move {
                let rep3 = Rep3::malicious(&io)?;
                let values = Values::Ring64(vec![5; 10]);
                let own = (io.index() == 2).then_some(&values);
                let y = rep3.input(&mut io, 2, Domain::Ring64, 10, own).await?;
                let own = (io.index() == 0).then_some(&values);
                let x = rep3.input(&mut io, 0, Domain::Ring64, 10, own).await?;
                let column = match multiply {
                    true => rep3.mul(&mut io, &x, &y).await?,
                    false => rep3.linear(&[(1, &x), (1, &y)], None)?,
                };
                mark.set(io.op().0);
                let columns = [column];
                let columns = checked(&rep3, &mut io, &columns).await?;
                rep3.open(&mut io, columns, None).await.map(|_| ())
            }
        };
        let results = local::run_with(3, 3, work, move |frame| {
            if (frame.from, frame.to) == (0, 1) && sections(&frame).iter().any(|(op, _)| *op > 0) {
                return vec![];
            }
            if (frame.from, frame.to) == (2, 0) {
                told.borrow_mut().extend(sections(&frame));
            }
            vec![frame]
        });
        assert_eq!(results[1].0, Err(Failure::blame(0, Fault::Lost)));
        // The meeting's own message comes right after the mark; nothing else of the check is told.
        let late: Vec<u64> = seen.borrow().iter().map(|(op, _)| *op).filter(|op| *op > marked.get() + 1).collect();
        assert_eq!(late, [0u64; 0], "{multiply}");
        assert!(seen.borrow().iter().any(|(op, _)| *op == marked.get() + 1), "party 2 got as far as the meeting");
    }
}

/// A caller that goes on after a failed check gets nothing.
#[test]
fn a_failed_check_is_the_last() {
    for cut_short in [false, true] {
        let work = move |mut io: Io| async move {
            let rep3 = Rep3::malicious(&io)?;
            let x = rep3.random(&mut io, Domain::Ring64, 10).await?;
            let product = [rep3.mul(&mut io, &x, &x).await?];
            if cut_short {
                // Polled once, then dropped.
                let mut check = rep3.check(&mut io);
                std::future::poll_fn(|context| {
                    assert!(check.as_mut().poll(context).is_pending());
                    std::task::Poll::Ready(())
                })
                .await;
            } else {
                let failure = rep3.check(&mut io).await;
                assert!(failure.is_err() || io.index() == 1, "{failure:?}");
            }
            checked(&rep3, &mut io, &product).await.map(|_| ())
        };
        // Party 1 sends a wrong product to party 0.
        let results = local::run_with(3, 4, work, move |mut frame| {
            let mut sections = Sections::of(&frame);
            if (frame.from, frame.to) == (1, 0) && !cut_short {
                for (_, bytes) in sections.sections.iter_mut().filter(|(op, bytes)| *op == 2 && bytes.len() == 80) {
                    bytes[7] ^= 0x80;
                }
                frame.body = sections.body();
            }
            vec![frame]
        });
        for index in [0, 2] {
            let last = Failure::Program("a check of this session has failed: nothing is opened any more");
            assert_eq!(results[index].0, Err(last), "{cut_short}");
        }
    }
}

/// Numbers of operations are given back: a session may check, open and truncate as often as it likes.
#[test]
fn a_session_may_check_often() {
    let results = local::run(3, 5, |mut io| async move {
        let rep3 = Rep3::malicious(&io)?;
        let plain = Rep3::semi_honest(&io)?;
        let mut x = rep3.public(&Values::Ring64(vec![3]))?;
        for _ in 0..100 {
            x = rep3.truncate(&mut io, &rep3.linear(&[(4, &x)], None)?, 2, Truncation::Exact).await?;
            let column = [x.clone()];
            let opened = checked(&rep3, &mut io, &column).await?;
            assert!(rep3.open(&mut io, opened, None).await? == Some(vec![Values::Ring64(vec![3])]));
            x = plain.truncate(&mut io, &plain.linear(&[(4, &x)], None)?, 2, Truncation::Exact).await?;
        }
        Ok(())
    });
    assert!(results.iter().all(|(result, _)| *result == Ok(())));
}

/// A check costs a meeting and what the verifier says; nothing at all where nothing was done.
#[test]
fn a_check_costs_what_is_stated() {
    let results = local::run(3, 6, |mut io| async move {
        let rep3 = Rep3::malicious(&io)?;
        let x = rep3.random(&mut io, Domain::Ring64, 5000).await?;
        rep3.mul(&mut io, &x, &x).await?;
        let before = io.stats();
        rep3.check(&mut io).await?;
        let between = io.stats();
        rep3.check(&mut io).await?;
        assert_eq!(io.stats().payload_sent, between.payload_sent);
        let stated = rep3.cost_of_check(&[(Primitive::Mul, Domain::Ring64, 5000)]);
        Ok((between.payload_sent - before.payload_sent, between.rounds - before.rounds, stated))
    });
    let results: Vec<_> = results.into_iter().map(|(result, _)| result.unwrap()).collect();
    let (_, _, stated) = results[0];
    assert_eq!(results.iter().map(|(sent, ..)| sent).sum::<u64>(), stated.bytes);
    assert!(results.iter().all(|(_, rounds, _)| *rounds == stated.rounds));
}

/// Two parties that are about to verify different products part before they toss a coin.
#[test]
fn parties_at_different_work_are_told_so() {
    let results = local::run(3, 7, |mut io| async move {
        let rep3 = Rep3::malicious(&io)?;
        let x = rep3.random(&mut io, Domain::Ring64, 4).await?;
        let factors =
            if io.index() == 1 { rep3.dot(&mut io, &x, &x, 4).await } else { rep3.mul(&mut io, &x, &x).await };
        factors?;
        rep3.check(&mut io).await
    });
    assert!(matches!(results[2].0, Err(Failure::Party { party: 1, fault: Fault::Inconsistent(_) })));
}
