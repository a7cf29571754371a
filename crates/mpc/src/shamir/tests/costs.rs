//! What operations send is what is stated.

use super::*;
use crate::engine::{Cost, Primitive, Truncation};

/// Payload of all parties and rounds of an operation on shared columns, after everything was set up.
fn measure(parties: u16, threshold: u16, adversary: Adversary, inputs: [Values; 2], script: Script) -> Cost {
    let results = local::run(parties, 5, move |mut io| {
        let (inputs, script) = (inputs.clone(), Rc::clone(&script));
        async move {
            let shamir = Shamir::new(parties, threshold, adversary)?;
            let columns = share(&shamir, &mut io, &inputs).await?;
            shamir.check(&mut io).await?;
            if parties < 16 {
                shamir.keys(&io).await?;
            }
            shamir.assemble(&mut io).await?;
            let before = io.stats();
            script(&shamir, &mut io, &columns).await?;
            let after = io.stats();
            Ok((after.payload_sent - before.payload_sent, after.rounds - before.rounds))
        }
    });
    results
        .into_iter()
        .map(|(result, _)| result.unwrap())
        .fold(Cost::default(), |sum, (bytes, rounds)| Cost { bytes: sum.bytes + bytes, rounds: sum.rounds.max(rounds) })
}

/// An operation on two columns.
type Script = Rc<dyn for<'a> Fn(&'a Shamir, &'a mut Io, &'a [Column]) -> Fut<'a, ()>>;

fn script(work: impl for<'a> Fn(&'a Shamir, &'a mut Io, &'a [Column]) -> Fut<'a, ()> + 'static) -> Script {
    Rc::new(work)
}

/// The same, and the check of what it leaves to be checked.
fn and_check(work: &Script) -> Script {
    let work = Rc::clone(work);
    script(move |shamir, io, columns| {
        let work = Rc::clone(&work);
        Box::pin(async move {
            work(shamir, io, columns).await?;
            shamir.check(io).await
        })
    })
}

#[track_caller]
fn is_stated(primitive: Primitive, domain: Domain, len: usize, work: &Script) {
    for (parties, threshold) in [(3, 1), (4, 1), (5, 2), (17, 8)] {
        for adversary in BOTH {
            let Ok(shamir) = Shamir::new(parties, threshold, adversary) else { continue };
            if primitive == Primitive::Shuffle && adversary == Adversary::Malicious {
                // Not offered.
                continue;
            }
            let plain = matches!(primitive, Primitive::Input | Primitive::Mul | Primitive::Open | Primitive::OpenTo);
            if parties > 7 && (!plain || domain == Domain::Bits) {
                continue;
            }
            let inputs = [numbers(domain, len, 20, 1), numbers(domain, len, 20, 2)];
            let measured = measure(parties, threshold, adversary, inputs.clone(), Rc::clone(work));
            let stated = shamir.cost(primitive, domain, len);
            if adversary == Adversary::Malicious {
                let checked = measure(parties, threshold, adversary, inputs, and_check(work));
                let check = shamir.cost_of_check(&[(primitive, domain, len)]);
                assert_eq!(
                    checked,
                    Cost { bytes: measured.bytes + check.bytes, rounds: measured.rounds + check.rounds },
                    "{primitive:?} of {len} {domain:?} among {parties}, and its check"
                );
            }
            // What awaits nothing leaves early: the passes of a shuffle may overlap.
            let overlaps = primitive == Primitive::Shuffle && measured.rounds < stated.rounds;
            let stated = if overlaps { Cost { rounds: measured.rounds, ..stated } } else { stated };
            assert_eq!(
                measured, stated,
                "{primitive:?} of {len} {domain:?} among {parties} with {threshold}, {adversary:?}"
            );
        }
    }
}

#[test]
fn products_and_openings() {
    for domain in [Domain::M61, Domain::P127, Domain::Bits] {
        for len in [0, 1, 65, 300] {
            is_stated(
                Primitive::Mul,
                domain,
                len,
                &script(|shamir, io, columns| {
                    Box::pin(async move { shamir.mul(io, &columns[0], &columns[1]).await.map(|_| ()) })
                }),
            );
            is_stated(
                Primitive::Input,
                domain,
                len,
                &script(|shamir, io, columns| {
                    Box::pin(async move {
                        let values = numbers(columns[0].domain(), columns[0].len(), 20, 9);
                        let mine = (io.index() == 1).then_some(&values);
                        shamir.input(io, 1, values.domain(), values.len(), mine).await.map(|_| ())
                    })
                }),
            );
            is_stated(
                Primitive::Open,
                domain,
                len,
                &script(|shamir, io, columns| {
                    Box::pin(async move {
                        let columns = checked(shamir, io, &columns[..1]).await?;
                        shamir.open(io, columns, None).await.map(|_| ())
                    })
                }),
            );
            is_stated(
                Primitive::OpenTo,
                domain,
                len,
                &script(|shamir, io, columns| {
                    Box::pin(async move {
                        let columns = checked(shamir, io, &columns[..1]).await?;
                        shamir.open(io, columns, Some(2)).await.map(|_| ())
                    })
                }),
            );
            is_stated(
                Primitive::Shuffle,
                domain,
                len,
                &script(|shamir, io, columns| {
                    Box::pin(async move {
                        if shamir.is_malicious() {
                            // Not offered: nothing to compare.
                            return Ok(());
                        }
                        shamir.shuffle(io, &columns[..1]).await.map(|_| ())
                    })
                }),
            );
            is_stated(
                Primitive::Random,
                domain,
                len,
                &script(|shamir, io, columns| {
                    Box::pin(async move { shamir.random(io, columns[0].domain(), columns[0].len()).await.map(|_| ()) })
                }),
            );
        }
    }
    for len in [6, 60] {
        is_stated(
            Primitive::Dot(3),
            Domain::P127,
            len,
            &script(|shamir, io, columns| {
                Box::pin(async move { shamir.dot(io, &columns[0], &columns[1], 3).await.map(|_| ()) })
            }),
        );
        is_stated(
            Primitive::Matmul([2, 3, 2]),
            Domain::M61,
            6,
            &script(|shamir, io, columns| {
                Box::pin(async move { shamir.matmul(io, &columns[0], &columns[1], [2, 3, 2]).await.map(|_| ()) })
            }),
        );
    }
}

#[test]
fn conversions() {
    for domain in [Domain::M61, Domain::P127] {
        for len in [1, 70] {
            is_stated(
                Primitive::IsNegative,
                domain,
                len,
                &script(|shamir, io, columns| {
                    Box::pin(async move { shamir.is_negative(io, &columns[0]).await.map(|_| ()) })
                }),
            );
            for count in [1, 21, domain.width() - 1] {
                is_stated(
                    Primitive::ToBits(count),
                    domain,
                    len,
                    &script(move |shamir, io, columns| {
                        Box::pin(async move { shamir.to_bits(io, &columns[0], count).await.map(|_| ()) })
                    }),
                );
            }
            for bits in [0, 5, 40, domain.width() - 1] {
                is_stated(
                    Primitive::Truncate(bits, Truncation::Exact),
                    domain,
                    len,
                    &script(move |shamir, io, columns| {
                        Box::pin(
                            async move { shamir.truncate(io, &columns[0], bits, Truncation::Exact).await.map(|_| ()) },
                        )
                    }),
                );
            }
            for count in [1u32, 7] {
                is_stated(
                    Primitive::FromBits(count),
                    domain,
                    len,
                    &script(move |shamir, io, columns| {
                        Box::pin(async move {
                            let bits = shamir.public(&numbers(Domain::Bits, columns[0].len(), 9, 4))?;
                            shamir.from_bits(io, &vec![bits; count as usize], columns[0].domain()).await.map(|_| ())
                        })
                    }),
                );
            }
        }
    }
}

#[test]
fn checks() {
    for domain in [Domain::M61, Domain::P127, Domain::Bits] {
        for len in [64usize, 320, 1280, 4096] {
            for (parties, threshold) in [(3, 1), (4, 1), (5, 2)] {
                let inputs = [numbers(domain, len, 20, 1), numbers(domain, len, 20, 2)];
                let both = |checks: bool| {
                    measure(
                        parties,
                        threshold,
                        Adversary::Malicious,
                        inputs.clone(),
                        script(move |shamir, io, columns| {
                            Box::pin(async move {
                                shamir.mul(io, &columns[0], &columns[1]).await?;
                                if checks { shamir.check(io).await } else { Ok(()) }
                            })
                        }),
                    )
                };
                let (with, without) = (both(true), both(false));
                let shamir = Shamir::new(parties, threshold, Adversary::Malicious).unwrap();
                let stated = shamir.cost_of_check(&[(Primitive::Mul, domain, len)]);
                assert_eq!(with.bytes - without.bytes, stated.bytes, "{len} {domain:?} among {parties}");
                assert_eq!(with.rounds - without.rounds, stated.rounds, "{len} {domain:?} among {parties}");
            }
        }
    }
}
