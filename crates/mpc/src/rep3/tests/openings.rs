//! Openings, honest and forged.

use super::*;

#[test]
fn opens_to_one_and_draws_at_random() {
    for mode in [Mode::SemiHonest, Mode::Trusting] {
        for to in 0..3 {
            let results = local::run(3, 4, move |mut io| async move {
                let rep3 = rep3(&io, mode)?;
                let columns = [
                    rep3.random(&mut io, Domain::Ring64, 100).await?,
                    rep3.random(&mut io, Domain::Ring128, 3).await?,
                    rep3.random(&mut io, Domain::Bits, 70).await?,
                ];
                let opened = checked(&rep3, &mut io, &columns).await?;
                let first = rep3.open(&mut io, opened, Some(to)).await?;
                let opened = checked(&rep3, &mut io, &columns).await?;
                Ok((first, rep3.open(&mut io, opened, None).await?))
            });
            let all: Vec<_> = results.into_iter().map(|(result, _)| result.unwrap()).collect();
            for (party, (first, second)) in (0..).zip(&all) {
                assert!(second.is_some() && *second == all[0].1);
                assert!(if party == to { first == second } else { first.is_none() });
            }
            let drawn = all[0].1.as_ref().unwrap()[0].elements::<u64>().unwrap();
            let distinct: std::collections::BTreeSet<_> = drawn.iter().collect();
            assert_eq!(distinct.len(), 100);
        }
    }
}

#[test]
fn a_forged_opening_is_a_dispute() {
    for (mode, forger) in [(Mode::SemiHonest, 2), (Mode::Trusting, 2), (Mode::Trusting, 0)] {
        let work = move |mut io: Io| async move {
            let rep3 = rep3(&io, mode)?;
            let column = [rep3.random(&mut io, Domain::Ring64, 10).await?];
            let opened = checked(&rep3, &mut io, &column).await?;
            rep3.open(&mut io, opened, None).await
        };
        // Party 1 gets its part from party 2 and what vouches for it from party 0; the first frame is the set-up's.
        let results = local::run_with(3, 8, work, move |mut frame| {
            if (frame.from, frame.to) == (forger, 1) && frame.body[16] > 0 {
                let mut body = frame.body.to_vec();
                *body.last_mut().unwrap() ^= 1;
                frame.body = body.into();
            }
            vec![frame]
        });
        let wrong = results[1].0.as_ref();
        if mode == Mode::SemiHonest {
            assert!(wrong.unwrap() != results[0].0.as_ref().unwrap());
        } else {
            assert!(matches!(wrong, Err(Failure::Dispute { low: 0, high: 2, .. })));
        }
        assert!(results[0].0.is_ok() && results[2].0.is_ok());
    }
}
