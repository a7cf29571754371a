//! It deals other numbers than its products.

use super::*;

/// Sessions in which the liar's factor is off by a constant, in one of the products; honest parties' shares of the result are consistent.
fn sessions(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let (parties, threshold) = SESSIONS[(seed % 3) as usize];
        let liar = (seed / 3 % u64::from(parties)) as u16;
        let wrong = seed / 15 % 4;
        let results = local::run(parties, seed, move |mut io| async move {
            let shamir = Shamir::new(parties, threshold, Adversary::Malicious)?;
            let mut columns = Vec::new();
            for (place, values) in inputs().iter().enumerate() {
                let owner = owner(place, liar, parties);
                let mine = (owner == io.index()).then_some(values);
                columns.push(shamir.input(&mut io, owner, values.domain(), values.len(), mine).await?);
            }
            // What it takes for its factor, where it lies.
            let off = |place: u64, column: &Column| {
                let constant = match column.domain() {
                    Domain::Bits => Values::from_i64(Domain::Bits, &[1; 70]),
                    domain => Values::from_i64(domain, &[1; ROWS]),
                };
                let lies = io.index() == liar && wrong == place;
                if lies { shamir.linear(&[(1, column)], Some(&constant)) } else { Ok(column.clone()) }
            };
            let factors = [off(0, &columns[0])?, off(1, &columns[1])?, off(2, &columns[2])?, off(3, &columns[3])?];
            let product = shamir.mul(&mut io, &factors[0], &columns[1]).await?;
            let dot = shamir.dot(&mut io, &factors[1], &columns[1], 1).await?;
            let wide = shamir.mul(&mut io, &factors[2], &columns[2]).await?;
            let both = shamir.mul(&mut io, &factors[3], &columns[3]).await?;
            open(&shamir, &mut io, &[product, dot, wide, both]).await
        });
        for (party, (result, _)) in results.iter().enumerate().filter(|(party, _)| *party != usize::from(liar)) {
            assert!(
                matches!(result, Err(Failure::Cheated { .. })),
                "seed {seed}: party {party} of {parties}: {result:?}"
            );
        }
    }
}

#[test]
fn no_wrong_result() {
    sessions(SEEDS);
}

#[test]
fn no_wrong_result_of_many_more() {
    sessions(SMALL);
}

#[test]
#[ignore = "nightly: 10,000 sessions"]
fn no_wrong_result_in_many_sessions() {
    sessions(NIGHTLY);
}

/// What semi-honest parties do not promise.
#[test]
fn semi_honest_parties_may_open_wrong_results() {
    let results = local::run(3, 2, |mut io| async move {
        let shamir = Shamir::new(3, 1, Adversary::SemiHonest)?;
        let x = shamir.public(&Values::from_i64(Domain::M61, &[6]))?;
        let constant = Values::from_i64(Domain::M61, &[i64::from(io.index() == 2)]);
        let product = shamir.mul(&mut io, &shamir.linear(&[(1, &x)], Some(&constant))?, &x).await?;
        open(&shamir, &mut io, &[product]).await
    });
    assert!(
        results
            .iter()
            .all(|(result, _)| result.as_ref().is_ok_and(|opened| opened[0] != Values::from_i64(Domain::M61, &[36])))
    );
}
