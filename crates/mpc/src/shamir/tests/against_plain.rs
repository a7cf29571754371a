//! Every operation, compared with the reference.

use super::*;
use crate::engine::{Truncation, join_all};
use crate::shamir::TILE;

fn script(
    work: impl for<'a> Fn(&'a dyn Backend, &'a mut Io, &'a [Values]) -> Fut<'a, Vec<Values>> + 'static,
) -> Script {
    Rc::new(work)
}

fn arithmetic() -> Script {
    script(|backend, io, inputs| {
        Box::pin(async move {
            let columns = share(backend, io, inputs).await?;
            let (x, y) = (&columns[0], &columns[1]);
            let product = backend.mul(io, x, y).await?;
            let mut results = vec![product.clone()];
            let constant = inputs[0].clone();
            results.push(backend.linear(&[(3, x), (-5, &product), (i128::MIN, y)], Some(&constant))?);
            let again = backend.mul(io, &results[1], &product).await?;
            results.push(backend.concat(&[again, product.clone(), backend.public(&constant)?])?);
            let rows: Vec<u32> = (0..x.len() as u32).rev().flat_map(|row| [row, row / 2]).collect();
            results.push(backend.gather(&results[2], &rows)?);
            if x.domain() != Domain::Bits {
                results.push(backend.prefix_sum(x)?);
                results.push(backend.sum(&product, 1)?);
                results.push(backend.dot(io, x, y, 1).await?);
                if x.len() % 2 == 0 {
                    results.push(backend.dot(io, x, &product, 2).await?);
                    results.push(backend.sum(y, 2)?);
                    let half = x.len() / 2;
                    results.push(backend.matmul(io, x, y, [2, half, 2]).await?);
                    results.push(backend.matmul(io, x, y, [half, 2, half.min(1) * half]).await?);
                }
            }
            open(backend, io, &results).await
        })
    })
}

#[test]
fn arithmetic_is_as_in_the_clear() {
    for (parties, threshold) in SIZES {
        for adversary in BOTH {
            for domain in [Domain::M61, Domain::P127, Domain::Bits] {
                let bits = if domain == Domain::M61 { 61 } else { 127 };
                for len in [0, 1, 2, 7, 64, 65, 130] {
                    let inputs = [numbers(domain, len, bits, 1), numbers(domain, len, bits, 2)];
                    same(parties, threshold, adversary, 11, &inputs, &arithmetic());
                }
            }
        }
    }
}

fn products() -> Script {
    script(|backend, io, inputs| {
        Box::pin(async move {
            let columns = share(backend, io, inputs).await?;
            let product = backend.mul(io, &columns[0], &columns[1]).await?;
            open(backend, io, &[product]).await
        })
    })
}

#[test]
fn columns_of_many_tiles_are_as_in_the_clear() {
    for (parties, threshold) in [(3, 1), (4, 1), (5, 2)] {
        for adversary in BOTH {
            for len in [TILE - 1, TILE, TILE + 1, 20 * TILE + 3] {
                let inputs = [numbers(Domain::M61, len, 61, 1), numbers(Domain::M61, len, 61, 2)];
                same(parties, threshold, adversary, 5, &inputs, &products());
            }
            let len = 64 * TILE + 65;
            let inputs = [numbers(Domain::Bits, len, 5, 1), numbers(Domain::Bits, len, 9, 7)];
            same(parties, threshold, adversary, 5, &inputs, &products());
            let inputs = [numbers(Domain::P127, 3 * TILE + 1, 127, 1), numbers(Domain::P127, 3 * TILE + 1, 127, 7)];
            same(parties, threshold, adversary, 5, &inputs, &products());
        }
    }
}

#[test]
fn sums_and_products_of_a_million_values_are_as_in_the_clear() {
    let work = script(|backend, io, inputs| {
        Box::pin(async move {
            let columns = share(backend, io, inputs).await?;
            let (x, y) = (&columns[0], &columns[1]);
            let sum = backend.linear(&[(3, x), (-5, y)], Some(&inputs[0]))?;
            let results = [sum, backend.mul(io, x, y).await?, backend.dot(io, x, y, 1).await?];
            open(backend, io, &results).await
        })
    });
    for (domain, bits, parties, threshold) in
        [(Domain::M61, 61, 3, 1), (Domain::M61, 61, 4, 1), (Domain::M61, 61, 5, 2), (Domain::P127, 127, 3, 1)]
    {
        let inputs = [numbers(domain, 1_000_000, bits, 1), numbers(domain, 1_000_000, bits, 2)];
        for adversary in BOTH {
            same(parties, threshold, adversary, 5, &inputs, &work);
        }
    }
}

/// For the nightly script: a million values of each domain.
#[test]
#[ignore = "a million values: minutes"]
fn a_million_values_are_as_in_the_clear() {
    for (parties, threshold) in SIZES {
        for adversary in BOTH {
            for domain in [Domain::M61, Domain::P127, Domain::Bits] {
                let inputs = [numbers(domain, 1_000_000, 61, 1), numbers(domain, 1_000_000, 61, 2)];
                same(parties, threshold, adversary, 5, &inputs, &products());
            }
        }
    }
}

/// For the nightly script: the operations that are not products alone.
#[test]
#[ignore = "a million values: minutes"]
fn a_million_values_are_converted_as_in_the_clear() {
    same(3, 1, Adversary::SemiHonest, 3, &[numbers(Domain::M61, 1_000_000, 60, 4)], &conversions(61, &[16]));
    same(3, 1, Adversary::Malicious, 3, &[numbers(Domain::M61, 100_000, 60, 4)], &conversions(61, &[16]));
}

fn conversions(width: u32, shifts: &'static [u32]) -> Script {
    script(move |backend, io, inputs| {
        Box::pin(async move {
            let columns = share(backend, io, inputs).await?;
            let x = &columns[0];
            let mut results = vec![backend.is_negative(io, x).await?];
            let bits = backend.to_bits(io, x, width - 1).await?;
            results.push(backend.from_bits(io, &bits, x.domain()).await?);
            let other = if x.domain() == Domain::M61 { Domain::P127 } else { Domain::M61 };
            results.push(backend.from_bits(io, &bits[..5], other).await?);
            results.extend(bits);
            results.push(backend.from_bits(io, &results[..1], x.domain()).await?);
            for shift in shifts {
                results.push(backend.truncate(io, x, *shift, Truncation::Exact).await?);
                results.push(backend.truncate(io, x, *shift, Truncation::Probabilistic).await?);
            }
            open(backend, io, &results).await
        })
    })
}

fn bits_and_signs(sizes: &[(u16, u16)], lens: &[usize]) {
    for (parties, threshold) in sizes {
        for adversary in BOTH {
            for len in lens {
                // |v| < 2^(width − 2).
                let compare = |domain, bits, work: Script| {
                    same(*parties, *threshold, adversary, 3, &[numbers(domain, *len, bits, 4)], &work);
                };
                compare(Domain::M61, 60, conversions(61, &[0, 1, 16, 29, 30, 58, 60]));
                compare(Domain::P127, 126, conversions(127, &[1, 20, 63, 124]));
                compare(Domain::P127, 64, conversions(127, &[32]));
            }
        }
    }
}

#[test]
fn bits_and_signs_are_as_in_the_clear() {
    bits_and_signs(&SIZES[..2], &[0, 1, 67]);
    bits_and_signs(&[(5, 2)], &[7]);
    for adversary in BOTH {
        same(7, 3, adversary, 3, &[numbers(Domain::M61, 6, 60, 4)], &conversions(61, &[16]));
    }
}

#[test]
#[ignore = "nightly: seven parties have many sets"]
fn bits_and_signs_of_many_parties_are_as_in_the_clear() {
    bits_and_signs(&SIZES, &[0, 1, 67]);
}

#[test]
fn few_bits_are_as_in_the_clear() {
    for domain in [Domain::M61, Domain::P127] {
        for count in [1u32, 2, 8] {
            let work = script(move |backend, io, inputs| {
                Box::pin(async move {
                    let columns = share(backend, io, inputs).await?;
                    let bits = backend.to_bits(io, &columns[0], count + 1).await?;
                    open(backend, io, &bits).await
                })
            });
            same(3, 1, Adversary::SemiHonest, 3, &[numbers(domain, 200, count + 1, 4)], &work);
        }
    }
}

#[test]
fn strands_side_by_side_are_as_in_the_clear() {
    let work = script(|backend, io, inputs| {
        Box::pin(async move {
            let columns = share(backend, io, inputs).await?;
            let strands = io.split(columns.len());
            let each = columns.iter().zip(strands).map(|(column, mut io)| async move {
                let square = backend.mul(&mut io, column, column).await?;
                let cube = backend.mul(&mut io, &square, column).await?;
                let negative = backend.is_negative(&mut io, column).await?;
                Ok::<_, Failure>(vec![square, cube, negative])
            });
            let results = join_all(each.collect()).await?.concat();
            open(backend, io, &results).await
        })
    });
    for (parties, threshold) in SIZES {
        for adversary in BOTH {
            let inputs =
                [numbers(Domain::M61, 40, 30, 1), numbers(Domain::P127, 3, 60, 2), numbers(Domain::M61, 1, 20, 3)];
            same(parties, threshold, adversary, 9, &inputs, &work);
        }
    }
}

#[test]
fn a_shuffle_permutes_all_columns_alike() {
    for (parties, threshold) in SIZES {
        for len in [0usize, 1, 2, 100] {
            let results = local::run(parties, 6, move |mut io| async move {
                let shamir = Shamir::new(parties, threshold, Adversary::SemiHonest)?;
                let rows: Vec<i64> = (0..len as i64).collect();
                let columns: Vec<_> = [Domain::M61, Domain::P127, Domain::Bits]
                    .iter()
                    .map(|domain| shamir.public(&Values::from_i64(*domain, &rows)))
                    .collect::<Result<_, _>>()?;
                let mixed = shamir.shuffle(&mut io, &columns).await?;
                let again = shamir.shuffle(&mut io, &columns[..1]).await?;
                open(&shamir, &mut io, &[mixed, again].concat()).await
            });
            for (result, _) in &results {
                let opened = result.as_ref().unwrap();
                let order: Vec<u64> = opened[0].elements::<M61>().unwrap().iter().map(|value| value.get()).collect();
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..len as u64).collect::<Vec<_>>());
                let wide: Vec<u64> =
                    opened[1].elements::<P127>().unwrap().iter().map(|value| value.to_u128() as u64).collect();
                assert_eq!(wide, order);
                assert!(opened[2] == Values::Bits(order.iter().map(|row| row & 1 == 1).collect()));
                if len == 100 {
                    assert!(opened[3] != opened[0]);
                    assert_ne!(order, sorted);
                }
                assert!(results[0].0.as_ref().unwrap() == opened);
            }
        }
    }
}

#[test]
fn what_is_not_offered_says_so() {
    let results = local::run(3, 6, |mut io| async move {
        let shamir = Shamir::new(3, 1, Adversary::Malicious)?;
        let column = shamir.public(&Values::from_i64(Domain::M61, &[1, 2]))?;
        let shuffle = shamir.shuffle(&mut io, std::slice::from_ref(&column)).await;
        let wide = shamir.to_bits(&mut io, &column, 61).await;
        let ring = shamir.public(&Values::from_i64(Domain::Ring64, &[1]));
        let input = shamir.input(&mut io, 0, Domain::Ring64, 1, None).await;
        Ok([shuffle.err(), wide.err(), ring.err(), input.err()])
    });
    for (result, _) in results {
        for failure in result.unwrap() {
            assert!(matches!(failure, Some(Failure::Unsupported { protocol: "shamir", .. })), "{failure:?}");
        }
    }
    for (parties, threshold, adversary) in [
        (3, 0, Adversary::SemiHonest),
        (4, 2, Adversary::SemiHonest),
        (64, 1, Adversary::SemiHonest),
        (40, 19, Adversary::Malicious),
    ] {
        assert!(Shamir::new(parties, threshold, adversary).is_err());
    }
}

#[test]
fn many_parties_compute_without_sets() {
    let work = script(|backend, io, inputs| {
        Box::pin(async move {
            let columns = share(backend, io, inputs).await?;
            let product = backend.mul(io, &columns[0], &columns[1]).await?;
            let random = backend.random(io, Domain::M61, 3).await?;
            let nothing = backend.linear(&[(1, &random), (-1, &random)], None)?;
            open(backend, io, &[product, nothing]).await
        })
    });
    for (parties, threshold) in [(17, 8), (20, 9), (32, 15)] {
        let inputs = [numbers(Domain::M61, 70, 61, 1), numbers(Domain::M61, 70, 61, 2)];
        same(parties, threshold, Adversary::SemiHonest, 2, &inputs, &work);
    }
}

#[test]
fn a_result_is_opened_to_one_alone() {
    for (parties, threshold) in SIZES {
        for adversary in BOTH {
            let results = local::run(parties, 4, move |mut io| async move {
                let shamir = Shamir::new(parties, threshold, adversary)?;
                let column = shamir.public(&Values::from_i64(Domain::P127, &[-7, 5]))?;
                let random = shamir.random(&mut io, Domain::P127, 2).await?;
                let columns = [column, random];
                let columns = checked(&shamir, &mut io, &columns).await?;
                shamir.open(&mut io, columns, Some(2)).await
            });
            for (index, (result, _)) in results.into_iter().enumerate() {
                match result.unwrap() {
                    Some(opened) => assert!(index == 2 && opened[0] == Values::from_i64(Domain::P127, &[-7, 5])),
                    None => assert_ne!(index, 2),
                }
            }
        }
    }
}
