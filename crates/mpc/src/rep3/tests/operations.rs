//! Each operation against the back end in the clear, at its stated cost.

use super::*;

const SIZES: [usize; 9] = [0, 1, 2, 63, 64, 65, 513, 4095, 4097];
const RINGS: [Domain; 2] = [Domain::Ring64, Domain::Ring128];

#[test]
fn multiplies() {
    let mul = work(|backend, io, columns| {
        Box::pin(async move { Ok(vec![backend.mul(io, &columns[0], &columns[1]).await?]) })
    });
    let mut numbers = Numbers(1);
    for domain in [Domain::Ring64, Domain::Ring128, Domain::Bits] {
        for len in SIZES {
            let inputs = [numbers.values(domain, len), numbers.values(domain, len)];
            agrees("mul", &inputs, Some((Primitive::Mul, domain, len)), &mul);
        }
    }
}

#[test]
fn sums_products() {
    let mut numbers = Numbers(2);
    for domain in RINGS {
        for (len, groups) in [(0, 1), (0, 3), (1, 1), (6, 2), (65, 65), (4097, 1), (8200, 4100), (12_300, 3)] {
            let dot = work(move |backend, io, columns| {
                Box::pin(async move { Ok(vec![backend.dot(io, &columns[0], &columns[1], groups).await?]) })
            });
            let inputs = [numbers.values(domain, len), numbers.values(domain, len)];
            agrees("dot", &inputs, Some((Primitive::Dot(groups), domain, len)), &dot);
        }
        for shape in [[0, 2, 3], [1, 1, 1], [2, 3, 4], [3, 0, 2], [7, 65, 9], [5, 3, 257], [33, 70, 1]] {
            let [rows, inner, columns] = shape;
            let matmul = work(move |backend, io, columns| {
                Box::pin(async move { Ok(vec![backend.matmul(io, &columns[0], &columns[1], shape).await?]) })
            });
            let inputs = [numbers.values(domain, rows * inner), numbers.values(domain, inner * columns)];
            agrees("matmul", &inputs, Some((Primitive::Matmul(shape), domain, rows * columns)), &matmul);
        }
    }
}

#[test]
fn works_locally() {
    let mut numbers = Numbers(3);
    for domain in [Domain::Ring64, Domain::Ring128, Domain::Bits] {
        for len in [1, 2, 63, 64, 65, 130, 4097] {
            let constant = numbers.values(domain, len);
            let local = work(move |backend, _, columns| {
                let constant = constant.clone();
                Box::pin(async move {
                    let (x, y) = (&columns[0], &columns[1]);
                    let known = backend.public(&constant)?;
                    let rows: Vec<u32> = (0..x.len() as u32 * 2).map(|k| k * 7 % x.len() as u32).collect();
                    let mut results = vec![
                        backend.linear(&[(3, x), (-5, y), (1, x), (0, y), (1, &known)], Some(&constant))?,
                        backend.gather(x, &rows)?,
                        backend.gather(x, &[])?,
                        backend.concat(&[x.clone(), y.clone(), backend.gather(y, &rows[1..])?, x.clone(), known])?,
                    ];
                    if x.domain() != Domain::Bits {
                        results.extend([backend.prefix_sum(x)?, backend.sum(x, 1)?, backend.sum(x, x.len())?]);
                    }
                    Ok(results)
                })
            });
            agrees("local", &[numbers.values(domain, len), numbers.values(domain, len)], None, &local);
        }
    }
}

#[test]
fn finds_signs() {
    let negative =
        work(|backend, io, columns| Box::pin(async move { Ok(vec![backend.is_negative(io, &columns[0]).await?]) }));
    let mut numbers = Numbers(4);
    for domain in RINGS {
        for len in SIZES {
            agrees("sign", &[numbers.values(domain, len)], Some((Primitive::IsNegative, domain, len)), &negative);
        }
    }
}

#[test]
fn decomposes() {
    let mut numbers = Numbers(5);
    let counts = (0..=66).chain([100, 126, 127, 128, 130]);
    for (domain, count) in RINGS.into_iter().flat_map(|domain| counts.clone().map(move |count| (domain, count))) {
        let to_bits =
            work(move |backend, io, columns| Box::pin(async move { backend.to_bits(io, &columns[0], count).await }));
        let len = [1, 64, 130][count as usize % 3];
        agrees("to_bits", &[numbers.values(domain, len)], Some((Primitive::ToBits(count), domain, len)), &to_bits);
    }
}

#[test]
fn composes() {
    let mut numbers = Numbers(6);
    for (domain, count) in RINGS.into_iter().flat_map(|domain| [1, 2, 7, 64, 128].map(move |count| (domain, count))) {
        if count > domain.width() as usize {
            continue;
        }
        for len in [0, 1, 65, 700] {
            let from_bits = work(move |backend, io, columns| {
                Box::pin(async move { Ok(vec![backend.from_bits(io, &columns, domain).await?]) })
            });
            let inputs: Vec<Values> = (0..count).map(|_| numbers.values(Domain::Bits, len)).collect();
            let stated = Some((Primitive::FromBits(count as u32), domain, len));
            agrees("from_bits", &inputs, stated, &from_bits);
        }
    }
}

#[test]
fn truncates() {
    let mut numbers = Numbers(7);
    for domain in RINGS {
        let width = domain.width();
        for bits in [0, 1, 2, 3, 16, 31, 32, width - 3, width - 2, width - 1, width, 200] {
            for len in [0, 1, 65, 300] {
                let exact = work(move |backend, io, columns| {
                    Box::pin(async move { Ok(vec![backend.truncate(io, &columns[0], bits, Truncation::Exact).await?]) })
                });
                let inputs = [numbers.bounded(domain, len, width - 2)];
                let primitive = Primitive::Truncate(bits, Truncation::Exact);
                agrees("truncate", &inputs, Some((primitive, domain, len)), &exact);
            }
        }
    }
}

#[test]
fn truncates_with_little_error() {
    let mut numbers = Numbers(8);
    for bits in [1, 2, 20, 61, 62, 63] {
        let probabilistic = work(move |backend, io, columns| {
            Box::pin(async move {
                // A product's parts are fresh; an input's are not all.
                let one = backend.public(&Values::Ring64(vec![1; columns[0].len()]))?;
                let fresh = backend.mul(io, &columns[0], &one).await?;
                Ok(vec![backend.truncate(io, &fresh, bits, Truncation::Probabilistic).await?])
            })
        });
        let inputs = [numbers.bounded(Domain::Ring64, 3000, 62)];
        let floors = plainly(&inputs, &probabilistic);
        let (result, _) = secretly(Mode::SemiHonest, &inputs, &probabilistic).swap_remove(1);
        let found = result.unwrap();
        let (floors, found) = (floors[0].elements::<u64>().unwrap(), found[0].elements::<u64>().unwrap());
        let more: Vec<u64> = found.iter().zip(floors).map(|(found, floor)| found.wrapping_sub(*floor)).collect();
        assert!(more.iter().all(|more| *more <= 1));
        // One more as often as the fraction says, give or take six standard deviations.
        let fraction = |value: &u64| {
            let bits = bits.min(62);
            (value & ((1 << bits) - 1)) as f64 / (1u64 << bits) as f64
        };
        let expected: f64 = inputs[0].elements::<u64>().unwrap().iter().map(fraction).sum();
        let found = more.iter().sum::<u64>() as f64;
        assert!((found - expected).abs() < 6.0 * 3000f64.sqrt() / 2.0, "{bits}: {found} of {expected}");
    }
}

#[test]
fn shuffles_rows_together() {
    for len in [0usize, 1, 2, 65, 3000] {
        let shuffle = work(|backend, io, columns| Box::pin(async move { backend.shuffle(io, &columns).await }));
        let keys = Values::Ring64((0..len as u64).collect());
        let wide = Values::Ring128((0..len as u128).map(|key| key << 70).collect());
        let odd = Values::Bits((0..len).map(|key| key % 2 == 1).collect());
        let results = secretly(Mode::SemiHonest, &[keys, wide, odd], &shuffle);
        let sent: u64 = results.iter().map(|(_, stats)| stats.payload_sent).sum();
        let each: u64 = [Domain::Ring64, Domain::Ring128, Domain::Bits]
            .map(|domain| {
                let cost = |primitive| cost::cost(false, primitive, domain, len).bytes;
                cost(Primitive::Input) + cost(Primitive::Shuffle) + cost(Primitive::Open)
            })
            .iter()
            .sum();
        assert_eq!(sent, 192 + each);
        let opened: Vec<_> = results.into_iter().map(|(result, _)| result.unwrap()).collect();
        assert!(opened[0] == opened[1] && opened[0] == opened[2]);
        let keys = opened[0][0].elements::<u64>().unwrap();
        let (wide, odd) = (opened[0][1].elements::<u128>().unwrap(), opened[0][2].bits().unwrap());
        let mut sorted = keys.to_vec();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..len as u64));
        assert!(
            keys.iter()
                .enumerate()
                .all(|(row, key)| wide[row] == u128::from(*key) << 70 && odd.get(row) == (key % 2 == 1))
        );
        assert!(len < 65 || !keys.is_sorted());
    }
}

#[test]
fn refuses_what_it_does_not_offer() {
    let results = local::run(3, 1, |mut io| async move {
        let rep3 = Rep3::verified_by(&io, Box::new(Trusting))?;
        let x = rep3.public(&Values::from_i64(Domain::Ring64, &[1, 2]))?;
        let bits = rep3.public(&Values::from_i64(Domain::Bits, &[1, 0]))?;
        assert!(rep3.public(&Values::from_i64(Domain::M61, &[1])).is_err());
        assert!(rep3.mul(&mut io, &x, &bits).await.is_err());
        assert!(rep3.matmul(&mut io, &x, &x, [usize::MAX, 2, 1]).await.is_err());
        assert!(rep3.dot(&mut io, &x, &x, 3).await.is_err());
        assert!(rep3.gather(&x, &[2]).is_err());
        assert!(matches!(rep3.shuffle(&mut io, std::slice::from_ref(&x)).await, Err(Failure::Unsupported { .. })));
        assert!(rep3.input(&mut io, 3, Domain::Ring64, 1, None).await.is_err());
        rep3.is_negative(&mut io, &bits).await.map(|_| ())
    });
    assert!(results.iter().all(|(result, _)| matches!(result, Err(Failure::Unsupported { .. }))));
    assert!(
        local::run(2, 1, |io| async move { Rep3::semi_honest(&io).map(|_| ()) })
            .iter()
            .all(|(result, _)| result.is_err())
    );
}
