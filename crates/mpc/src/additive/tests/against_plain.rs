//! Every operation, compared with the reference.

use super::*;
use crate::engine::Fut;
use crate::plain::Plain;

type Script = std::rc::Rc<dyn for<'a> Fn(&'a dyn Backend, &'a mut Io, Vec<Column>) -> Fut<'a, Vec<Column>>>;

fn script(work: impl for<'a> Fn(&'a dyn Backend, &'a mut Io, Vec<Column>) -> Fut<'a, Vec<Column>> + 'static) -> Script {
    std::rc::Rc::new(work)
}

const DOMAINS: [Domain; 4] = [Domain::Ring64, Domain::Ring128, Domain::M61, Domain::P127];

/// Values of an owner: what wraps around first, then any.
fn values(domain: Domain, owner: u64, len: usize) -> Values {
    let mut dice = crate::net::sim::Dice::new(owner);
    let edges = [0, u128::MAX, 1, u128::MAX >> 1, 1 << 63, (1 << 61) - 2];
    // Another edge at each owner.
    let any = (0..len).map(|at| match at {
        ..40 => edges[(at + at / 6 * owner as usize) % 6],
        _ => u128::from(dice.draw()) << 64 | u128::from(dice.draw()),
    });
    fn all<E: Element>(any: impl Iterator<Item = u128>) -> Values {
        E::values(any.map(E::from_u128).collect())
    }
    match domain {
        Domain::Ring64 => all::<u64>(any),
        Domain::Ring128 => all::<u128>(any),
        Domain::M61 => all::<M61>(any),
        _ => all::<P127>(any),
    }
}

/// Does `work` on columns owned in turn and opens the results, at the stated cost.
fn over(parties: u16, plain: bool, inputs: &[Values], work: &Script) -> Vec<(Vec<Values>, Stats)> {
    let (inputs, work) = (inputs.to_vec(), work.clone());
    let results = local::run(parties, 3, move |mut io| {
        let (inputs, work) = (inputs.clone(), work.clone());
        async move {
            let backend: Box<dyn Backend> =
                if plain { Box::new(Plain::default()) } else { Box::new(Additive::new(&io)?) };
            let mut columns = Vec::new();
            for (owner, values) in (0..io.parties()).cycle().zip(&inputs) {
                let own = (owner == io.index()).then_some(values);
                columns.push(backend.input(&mut io, owner, values.domain(), values.len(), own).await?);
            }
            let before = io.stats().payload_sent;
            let results = work(&*backend, &mut io, columns).await?;
            assert_eq!(io.stats().payload_sent, before, "all is local but openings");
            let results = checked(&*backend, &mut io, &results).await?;
            backend.open(&mut io, results, None).await.map(|opened| opened.expect("opened to all"))
        }
    });
    results.into_iter().map(|(opened, stats)| (opened.unwrap(), stats)).collect()
}

fn is_as_in_the_clear(parties: u16, inputs: &[Values], work: &Script) {
    let expected = over(1, true, inputs, work).remove(0).0;
    let found = over(parties, false, inputs, work);
    let sent: u64 = found.iter().map(|(_, stats)| stats.payload_sent).sum();
    let backend = Additive::of(parties).unwrap();
    let costs: Vec<_> = expected.iter().map(|one| backend.cost(Primitive::Open, one.domain(), one.len())).collect();
    let opened: u64 = costs.iter().map(|cost| cost.bytes).sum();
    assert_eq!(sent, cost(parties, 1).bytes + opened, "{parties} parties");
    let rounds = 1 + costs.iter().map(|cost| cost.rounds).max().unwrap_or(0);
    for (opened, stats) in found {
        assert!(opened == expected, "{inputs:?} of {parties}");
        assert_eq!(stats.rounds, rounds);
    }
}

fn operations() -> Script {
    script(|backend, _, columns| {
        Box::pin(async move {
            let (x, y) = (&columns[0], &columns[1]);
            let known = values(x.domain(), 9, x.len());
            let public = backend.public(&known)?;
            let rows: Vec<u32> = (0..x.len() as u32).rev().flat_map(|row| [row, row / 2]).collect();
            let mut results = vec![
                backend.linear(&[(3, x), (-5, y), (1, x), (0, y), (1, &public), (i128::MIN, y)], Some(&known))?,
                backend.linear(&[(0, x)], None)?,
                backend.gather(x, &rows)?,
                backend.gather(y, &[])?,
                backend.concat(&[x.clone(), y.clone(), public.clone(), backend.gather(y, &rows)?])?,
                backend.concat(std::slice::from_ref(y))?,
                backend.prefix_sum(x)?,
                backend.sum(y, 1)?,
                public,
            ];
            if x.len() % 3 == 0 {
                results.extend([backend.sum(x, 3)?, backend.sum(&results[0], x.len().max(1))?]);
            }
            Ok(results)
        })
    })
}

#[test]
fn operations_are_as_in_the_clear() {
    for domain in DOMAINS {
        for len in [0, 1, 2, 3, 7, 64, 65, TILE - 1, TILE, TILE + 1] {
            for parties in [2, 3, 5, MAX_PARTIES] {
                let inputs = [values(domain, 1, len), values(domain, 2, len)];
                is_as_in_the_clear(parties, &inputs, &operations());
            }
        }
    }
}

fn sum_of_all() -> Script {
    script(|backend, _, columns| {
        Box::pin(async move {
            let terms: Vec<_> = columns.iter().map(|column| (1, column)).collect();
            Ok(vec![backend.linear(&terms, None)?])
        })
    })
}

#[test]
fn sums_are_as_in_the_clear() {
    for parties in [2, 3, MAX_PARTIES] {
        for len in [1, 2, 7, TILE - 1, TILE, TILE + 1, MAX_LENGTH] {
            let inputs: Vec<Values> = (0..parties).map(|party| values(Domain::Ring64, party.into(), len)).collect();
            is_as_in_the_clear(parties, &inputs, &sum_of_all());
        }
    }
}

#[test]
fn sums_of_a_million_values_are_as_in_the_clear() {
    for domain in DOMAINS {
        let inputs: Vec<Values> = (0..3).map(|party| values(domain, party, 1_000_000)).collect();
        is_as_in_the_clear(3, &inputs, &sum_of_all());
    }
}

/// What is handed out is what is opened.
#[test]
fn columns_given_together_are_as_in_the_clear() {
    for domain in DOMAINS {
        let inputs = [values(domain, 1, 5), values(domain, 2, 5), values(domain, 3, 2)];
        let given = |plain: bool, parties: u16| {
            let inputs = inputs.clone();
            local::run(parties, 3, move |mut io| {
                let inputs = inputs.clone();
                async move {
                    let backend: Box<dyn Backend> =
                        if plain { Box::new(Plain::default()) } else { Box::new(Additive::new(&io)?) };
                    let mut columns = Vec::new();
                    for (owner, values) in (0..io.parties()).cycle().zip(&inputs) {
                        let own = (owner == io.index()).then_some(values);
                        columns.push(backend.input(&mut io, owner, values.domain(), values.len(), own).await?);
                    }
                    let sum = backend.linear(&[(2, &columns[0]), (-1, &columns[1])], None)?;
                    let columns = [sum, columns[2].clone()];
                    let all = [backend.concat(&columns)?];
                    if plain {
                        let all = checked(&*backend, &mut io, &all).await?;
                        return backend.open(&mut io, all, None).await.map(|opened| (opened, Vec::new()));
                    }
                    let columns = checked(&*backend, &mut io, &columns).await?;
                    backend.hand_out(&mut io, columns).await.map(|share| (None, share))
                }
            })
        };
        let expected = given(true, 1).remove(0).0.unwrap().0.unwrap().remove(0);
        let shares: Vec<_> = given(false, 4).into_iter().map(|(result, _)| result.unwrap().1).collect();
        assert!(combine(&session(), domain, &shares).unwrap() == expected, "{domain:?}");
    }
}

#[test]
fn a_random_column_is_one_and_nobody_s() {
    for domain in DOMAINS {
        let work = script(move |backend, io, _| {
            Box::pin(async move {
                let random = backend.random(io, domain, 3).await?;
                let nothing = backend.linear(&[(1, &random), (-1, &random)], None)?;
                Ok(vec![random, nothing])
            })
        });
        let opened: Vec<_> = over(3, false, &[], &work).into_iter().map(|(opened, _)| opened).collect();
        assert!(opened[0] == opened[1] && opened[0] == opened[2]);
        assert!(opened[0][0] != opened[0][1] && opened[0][1] == Values::zeros(domain, 3));
    }
}

#[test]
fn a_result_is_opened_to_one_alone() {
    let results = local::run(4, 4, |mut io| async move {
        let backend = Additive::new(&io)?;
        let own = Values::from_i64(Domain::P127, &[i64::from(io.index()), -7]);
        let mut columns = Vec::new();
        for owner in 0..4 {
            let own = (owner == io.index()).then_some(&own);
            columns.push(backend.input(&mut io, owner, Domain::P127, 2, own).await?);
        }
        let columns = [backend.linear(&columns.iter().map(|column| (1, column)).collect::<Vec<_>>(), None)?];
        let columns = checked(&backend, &mut io, &columns).await?;
        backend.open(&mut io, columns, Some(2)).await
    });
    let sent: u64 = results.iter().map(|(_, stats)| stats.payload_sent).sum();
    let stated = Additive::of(4).unwrap().cost(Primitive::OpenTo, Domain::P127, 2);
    assert_eq!((sent, stated.bytes), (cost(4, 1).bytes + 96, 96));
    for (index, (result, _)) in results.into_iter().enumerate() {
        match result.unwrap() {
            Some(opened) => assert!(index == 2 && opened == [Values::from_i64(Domain::P127, &[6, -28])]),
            None => assert_ne!(index, 2),
        }
    }
}

#[test]
fn what_is_not_offered_says_so() {
    let results = local::run(3, 6, |mut io| async move {
        let backend = Additive::new(&io)?;
        let column = backend.public(&Values::from_i64(Domain::M61, &[1, 2]))?;
        let io = &mut io;
        let refused = [
            backend.mul(io, &column, &column).await.err(),
            backend.dot(io, &column, &column, 1).await.err(),
            backend.matmul(io, &column, &column, [1, 2, 1]).await.err(),
            backend.truncate(io, &column, 1, Truncation::Exact).await.err(),
            backend.to_bits(io, &column, 3).await.err(),
            backend.is_negative(io, &column).await.err(),
            backend.from_bits(io, std::slice::from_ref(&column), Domain::M61).await.err(),
            backend.shuffle(io, std::slice::from_ref(&column)).await.err(),
            backend.public(&Values::from_i64(Domain::Bits, &[1])).err(),
            backend.input(io, 0, Domain::Bits, 1, None).await.err(),
            // Nothing outlasts a session: masks are a run's, and there is no talk to be spared.
            backend.save(&column).err(),
            backend.load(Domain::M61, 2, &[0; 16]).err(),
        ];
        let mixed = [column, backend.public(&ring(&[1]))?];
        let mixed = checked(&backend, io, &mixed).await?;
        let mixed = backend.hand_out(io, mixed).await.err();
        assert_eq!(io.stats().payload_sent, 64);
        Ok(refused.into_iter().chain([mixed]).collect::<Vec<_>>())
    });
    for (result, _) in results {
        for failure in result.unwrap() {
            assert!(matches!(failure, Some(Failure::Unsupported { protocol: "additive", .. })), "{failure:?}");
        }
    }
    let backend = Additive::of(3).unwrap();
    let offered = [Primitive::Input, Primitive::Random, Primitive::Open, Primitive::OpenTo, Primitive::HandOut];
    let refused = [Primitive::Mul, Primitive::Dot(1), Primitive::Matmul([1, 1, 1]), Primitive::IsNegative];
    assert!(offered.into_iter().all(|one| backend.offers(one)));
    assert!(!refused.into_iter().chain([Primitive::Shuffle, Primitive::ToBits(1)]).any(|one| backend.offers(one)));
}

#[test]
fn what_does_not_fit_is_refused() {
    let results = local::run(2, 6, |mut io| async move {
        let backend = Additive::new(&io)?;
        let [x, y] = [&[1, 2][..], &[1]].map(|values| backend.public(&ring(values)));
        let (x, y) = (x?, y?);
        let field = backend.public(&Values::from_i64(Domain::M61, &[1, 2]))?;
        assert!(backend.linear(&[(1, &x), (1, &y)], None).is_err());
        assert!(backend.linear(&[(1, &x), (1, &field)], None).is_err());
        assert!(backend.linear(&[(1, &x)], Some(&ring(&[1]))).is_err());
        assert!(backend.linear(&[], None).is_err());
        assert!(backend.gather(&x, &[2]).is_err());
        assert!(backend.concat(&[]).is_err() && backend.concat(&[x.clone(), field]).is_err());
        assert!(backend.sum(&x, 0).is_err() && backend.sum(&x, 3).is_err());
        let (owns, long) = (io.index() == 0, ring(&[1, 2, 3]));
        assert_eq!(backend.input(&mut io, 0, Domain::Ring64, 2, Some(&long)).await.is_err(), owns);
        assert_eq!(backend.input(&mut io, 0, Domain::M61, 3, Some(&long)).await.is_err(), owns);
        assert_eq!(backend.input(&mut io, 0, Domain::Ring64, 3, None).await.is_err(), owns);
        assert!(backend.input(&mut io, 2, Domain::Ring64, 2, None).await.is_err());
        Ok(())
    });
    assert!(results.iter().all(|(result, _)| result.is_ok()));
}
