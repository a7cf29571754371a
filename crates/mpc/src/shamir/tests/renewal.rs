//! New shares of old values.

use super::*;
use crate::net::sim::{Simulation, WrongShare};

const ROWS: usize = 67;

fn secrets() -> [Values; 3] {
    [numbers(Domain::M61, ROWS, 61, 1), numbers(Domain::P127, ROWS, 127, 2), numbers(Domain::Bits, ROWS, 9, 3)]
}

#[test]
fn refreshed_shares_are_new_and_hold_the_same() {
    for (parties, threshold) in SIZES {
        for adversary in BOTH {
            let results = local::run(parties, 3, move |mut io| async move {
                let shamir = Shamir::new(parties, threshold, adversary)?;
                let columns = share(&shamir, &mut io, &secrets()).await?;
                let mut shares = Vec::new();
                let mut fresh = Vec::new();
                for column in &columns {
                    let new = shamir.refresh(&mut io, column).await?;
                    shares.push([shamir.export(column)?, shamir.export(&new)?].map(|share| share.expose(Vec::clone)));
                    fresh.push(new);
                }
                let product = shamir.mul(&mut io, &fresh[0], &columns[0]).await?;
                let mut opened = open(&shamir, &mut io, &[&fresh[..], &[product]].concat()).await?;
                let square = opened.pop().expect("the product is opened");
                assert_eq!(square.len(), ROWS);
                Ok((opened, shares))
            });
            for (result, _) in results {
                let (opened, shares) = result.unwrap();
                assert!(opened == secrets());
                for [before, after] in &shares[..2] {
                    let same = before.chunks(8).zip(after.chunks(8)).filter(|(before, after)| before == after).count();
                    assert_eq!(same, 0, "every share is new");
                }
                assert_ne!(shares[2][0], shares[2][1]);
            }
        }
    }
}

/// Hands columns from some members to others, and opens them there.
fn handed(
    from: (&'static [u16], u16),
    to: (&'static [u16], u16),
    absent: &'static [u16],
    adversary: Adversary,
    bits: bool,
) {
    let parties = 1 + from.0.iter().chain(to.0).copied().max().unwrap();
    let results = local::run(parties, 12, move |mut io| async move {
        let old = Shamir::among(from.0.to_vec(), from.1, adversary)?;
        let new = Shamir::among(to.0.to_vec(), to.1, adversary)?;
        let is_old = from.0.contains(&io.index());
        let mut opened = Vec::new();
        // Strands of their own: who is no old member takes no part in the inputs.
        let mut strands = io.split(2);
        let mut columns = Vec::new();
        for (owner, values) in from.0.iter().zip(secrets()) {
            let mine = (*owner == io.index()).then_some(&values);
            if is_old {
                columns.push(old.input(&mut strands[0], *owner, values.domain(), ROWS, mine).await?);
            }
        }
        let count = if bits { 3 } else { 2 };
        let mut handed = Vec::new();
        for (place, values) in secrets().iter().take(count).enumerate() {
            let column = columns.get(place).filter(|_| !absent.contains(&io.index()));
            handed.push(old.reshare(&mut strands[1], &new, absent, values.domain(), ROWS, column).await?);
        }
        if to.0.contains(&io.index()) {
            let columns: Vec<_> = handed.into_iter().map(|column| column.expect("a new member")).collect();
            opened = open(&new, &mut io, &columns).await?;
        }
        Ok(opened)
    });
    for (index, (result, _)) in (0u16..).zip(results) {
        let opened = result.unwrap_or_else(|failure| panic!("{from:?} to {to:?}, party {index}: {failure}"));
        assert_eq!(opened.is_empty(), !to.0.contains(&index));
        assert!(opened.iter().zip(&secrets()).all(|(opened, secret)| opened == secret), "{from:?} to {to:?}");
    }
}

#[test]
fn other_members_take_over() {
    for adversary in BOTH {
        handed((&[0, 1, 2], 1), (&[3, 4, 5], 1), &[], adversary, true);
        handed((&[0, 1, 2], 1), (&[1, 2, 3, 4, 5], 2), &[], adversary, false);
        handed((&[4, 0, 1, 2, 3], 2), (&[3, 0, 5], 1), &[], adversary, false);
        handed((&[0, 1, 2, 3], 1), (&[3, 2, 1, 0, 4], 1), &[], adversary, true);
        handed((&[0, 1, 2, 3], 1), (&[1, 2, 3, 4], 1), &[0], adversary, true);
        handed((&[0, 1, 2, 3], 1), (&[0, 2, 3, 4], 1), &[0], adversary, true);
        handed((&[0, 1, 2, 3, 4, 5], 2), (&[0, 1, 2, 3, 4, 5], 2), &[4], adversary, true);
    }
}

#[test]
fn too_few_old_members_are_refused() {
    for (adversary, absent) in [(Adversary::SemiHonest, vec![0, 1]), (Adversary::Malicious, vec![1])] {
        let results = local::run(3, 1, move |mut io| {
            let absent = absent.clone();
            async move {
                let shamir = Shamir::new(3, 1, adversary)?;
                let column = shamir.public(&Values::from_i64(Domain::M61, &[1]))?;
                shamir.reshare(&mut io, &shamir, &absent, Domain::M61, 1, Some(&column)).await
            }
        });
        assert!(results.into_iter().all(|(result, _)| matches!(result, Err(Failure::Program(_)))));
    }
}

#[test]
fn lies_about_new_shares_are_noticed() {
    let mut noticed = 0;
    for seed in 0..150 {
        let liar = (seed % 4) as u16;
        let report =
            Simulation::new(4, seed).corrupt(liar, WrongShare { permille: 60 }).run(move |mut io| async move {
                let (old, new) = (Shamir::new(4, 1, Adversary::Malicious)?, Shamir::new(4, 1, Adversary::Malicious)?);
                let mut columns = Vec::new();
                for (place, values) in secrets().iter().enumerate() {
                    // Not an input of the liar's.
                    let owner = ((place as u16 % 3) + liar + 1) % 4;
                    let mine = (owner == io.index()).then_some(values);
                    columns.push(old.input(&mut io, owner, values.domain(), ROWS, mine).await?);
                }
                let mut renewed = Vec::new();
                for column in &columns {
                    let fresh = old.refresh(&mut io, column).await?;
                    let column =
                        old.reshare(&mut io, &new, &[], fresh.domain(), ROWS, Some(&fresh)).await?.expect("a member");
                    let honest = (liar + 1) % 4;
                    let given = (io.index() != honest).then_some(&column);
                    renewed.push(new.repair(&mut io, honest, column.domain(), ROWS, given).await?.unwrap_or(column));
                }
                open(&new, &mut io, &renewed).await
            });
        for (party, result) in report.last().iter().enumerate().filter(|(party, _)| *party != usize::from(liar)) {
            match result {
                Ok(opened) => assert!(*opened == secrets(), "seed {seed}: party {party}"),
                Err(failure) => blame::falls_on(failure, liar, seed),
            }
        }
        noticed += u32::from(
            report.last().iter().enumerate().any(|(party, result)| party != usize::from(liar) && result.is_err()),
        );
    }
    assert!(noticed > 75, "{noticed} of 150");
}
