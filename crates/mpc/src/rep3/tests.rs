//! Every operation against the back end in the clear, at the stated cost.

use std::pin::Pin;
use std::rc::Rc;

use super::*;
use crate::domain::Bits;
use crate::engine::{Stats, checked, local};
use crate::plain::Plain;

/// Takes every product on trust: what malicious mode computes is then to be right, and to cost what it says but for the check.
struct Trusting;

impl Verifier for Trusting {
    fn verify<'a>(&'a self, _: &'a mut Io, _: Vec<Record>) -> Fut<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn cost(&self, _: usize) -> Cost {
        Cost::default()
    }
}

/// Verifies each product by opening its factors and result: no secrecy, no doubt.
struct Opening;

impl Verifier for Opening {
    fn verify<'a>(&'a self, io: &'a mut Io, records: Vec<Record>) -> Fut<'a, ()> {
        async fn holds<A: Atom>(io: &mut Io, product: &Product<A>) -> Result<bool, Failure> {
            let mut opened = Vec::new();
            for span in [&product.left, &product.right, &product.out] {
                let (op, seat) = (io.op(), Seat::of(io)?);
                io.send(op, seat.before, bytemuck::cast_slice(span.next()));
                let mut third = vec![A::ZERO; span.len()];
                io.receive(op, seat.after, bytemuck::cast_slice_mut(&mut third)).await?;
                linear::plus(&mut third, span.own());
                linear::plus(&mut third, span.next());
                opened.push(third);
            }
            let (x, y, z) = (&opened[0], &opened[1], &opened[2]);
            Ok(match product.shape {
                Shape::Each => (0..z.len()).all(|k| x[k].times(y[k]) == z[k]),
                Shape::Dot { groups } => (0..groups).all(|g| {
                    let range = g * x.len() / groups..(g + 1) * x.len() / groups;
                    range.fold(A::ZERO, |sum, k| sum.plus(x[k].times(y[k]))) == z[g]
                }),
                Shape::Matrix { inner, columns, .. } => (0..z.len()).all(|at| {
                    let (row, column) = (at / columns, at % columns);
                    let term = |sum: A, k: usize| sum.plus(x[row * inner + k].times(y[k * columns + column]));
                    (0..inner).fold(A::ZERO, term) == z[at]
                }),
            })
        }
        Box::pin(async move {
            for record in &records {
                let holds = match record {
                    Record::Ring64(product) => holds(io, product).await?,
                    Record::Ring128(product) => holds(io, product).await?,
                    Record::Bits(product) => holds(io, product).await?,
                };
                if !holds {
                    return Err(Failure::Cheated { fault: crate::engine::Fault::Proof });
                }
            }
            Ok(())
        })
    }

    fn cost(&self, _: usize) -> Cost {
        Cost::default()
    }
}

use super::record::Product;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    SemiHonest,
    Trusting,
    Opening,
}

fn rep3(io: &Io, mode: Mode) -> Result<Rep3, Failure> {
    match mode {
        Mode::SemiHonest => Rep3::semi_honest(io),
        Mode::Trusting => Rep3::verified_by(io, Box::new(Trusting)),
        Mode::Opening => Rep3::verified_by(io, Box::new(Opening)),
    }
}

/// What is computed on secret inputs, by any back end.
type Work = Rc<
    dyn for<'a> Fn(
        &'a dyn Backend,
        &'a mut Io,
        Vec<Column>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Column>, Failure>> + 'a>>,
>;

fn work<F>(work: F) -> Work
where
    F: for<'a> Fn(
            &'a dyn Backend,
            &'a mut Io,
            Vec<Column>,
        ) -> Pin<Box<dyn Future<Output = Result<Vec<Column>, Failure>> + 'a>>
        + 'static,
{
    Rc::new(work)
}

/// Does `work` on columns of which party `k % 3` owns number `k`; the results opened to all, and what each party sent.
fn secretly(mode: Mode, inputs: &[Values], work: &Work) -> Vec<(Result<Vec<Values>, Failure>, Stats)> {
    let (inputs, work) = (inputs.to_vec(), Rc::clone(work));
    local::run(3, 11, move |mut io| {
        let (inputs, work) = (inputs.clone(), Rc::clone(&work));
        async move {
            let rep3 = rep3(&io, mode)?;
            let mut columns = Vec::new();
            for (owner, values) in (0..).zip(&inputs) {
                let own = (owner % 3 == io.index()).then_some(values);
                columns.push(rep3.input(&mut io, owner % 3, values.domain(), values.len(), own).await?);
            }
            let results = work(&rep3, &mut io, columns).await?;
            let opened = checked(&rep3, &mut io, &results).await?;
            rep3.open(&mut io, opened, None).await.map(|opened| opened.expect("opened to all"))
        }
    })
}

fn plainly(inputs: &[Values], work: &Work) -> Vec<Values> {
    let (inputs, work) = (inputs.to_vec(), Rc::clone(work));
    let mut results = local::run(1, 1, move |mut io| {
        let (inputs, work) = (inputs.clone(), Rc::clone(&work));
        async move {
            let plain = Plain::default();
            let columns = inputs.iter().map(|values| plain.public(values)).collect::<Result<_, _>>()?;
            let results = work(&plain, &mut io, columns).await?;
            let opened = checked(&plain, &mut io, &results).await?;
            plain.open(&mut io, opened, None).await.map(|opened| opened.expect("opened to all"))
        }
    });
    results.remove(0).0.expect("in the clear nothing fails")
}

/// All three parties get what the back end in the clear gets, in all modes; the operation costs `stated` in each.
fn agrees(what: &str, inputs: &[Values], stated: Option<(Primitive, Domain, usize)>, work: &Work) {
    let expected = plainly(inputs, work);
    for mode in [Mode::SemiHonest, Mode::Trusting, Mode::Opening] {
        let results = secretly(mode, inputs, work);
        let sent: u64 = results.iter().map(|(_, stats)| stats.payload_sent).sum();
        let rounds = results.iter().map(|(_, stats)| stats.rounds).max().unwrap_or(0);
        for (party, (result, _)) in results.into_iter().enumerate() {
            let opened = result.unwrap_or_else(|failure| panic!("{what}, {mode:?}: {failure}"));
            assert!(opened == expected, "{what}, {mode:?}, party {party}");
        }
        let (Some((primitive, domain, len)), true) = (stated, mode != Mode::Opening) else { continue };
        let cost = |primitive, domain, len| cost::cost(mode == Mode::Trusting, primitive, domain, len);
        let stated = cost(primitive, domain, len);
        let ends: u64 = inputs.iter().map(|values| cost(Primitive::Input, values.domain(), values.len()).bytes).sum();
        let digests = if mode == Mode::Trusting { 96 } else { 0 };
        let opened: u64 =
            expected.iter().map(|values| cost(Primitive::Open, values.domain(), values.len()).bytes - digests).sum();
        let set_up = 6 * 32;
        assert_eq!(sent - set_up - ends - opened - digests, stated.bytes, "{what}, {mode:?}: bytes of {len}");
        let others = u32::from(opened + digests > 0) + inputs.iter().filter(|values| !values.is_empty()).count() as u32;
        // Messages that need nothing from others leave early: a chain of several steps may be one shorter than stated.
        let early = u32::from(matches!(primitive, Primitive::Truncate(_, Truncation::Exact)) && stated.rounds > 0);
        let least = 1 + stated.rounds - early + u32::from(opened + digests > 0);
        assert!((least..=least + others).contains(&rounds), "{what}, {mode:?}: {rounds} rounds, {stated:?} stated");
    }
}

/// A fixed sequence (SplitMix64).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Signed integers of all magnitudes below `2^bits`, the edges among them.
    fn integers(&mut self, len: usize, bits: u32) -> Vec<i128> {
        let edge = 1i128 << (bits - 1);
        let edges = [0, -1, 1, edge + (edge - 1), -edge - (edge - 1), edge, -edge];
        let random = |numbers: &mut Self| {
            let wide = i128::from(numbers.word() as i64) << 64 | i128::from(numbers.word());
            wide >> (128 - (numbers.word() % u64::from(bits) + 1).min(127) as u32)
        };
        (0..len).map(|k| if k % 3 == 0 { edges[k / 3 % edges.len()] } else { random(self) }).collect()
    }

    fn values(&mut self, domain: Domain, len: usize) -> Values {
        self.bounded(domain, len, domain.width())
    }

    fn bounded(&mut self, domain: Domain, len: usize, bits: u32) -> Values {
        match domain {
            Domain::Ring64 => Values::Ring64(self.integers(len, bits).into_iter().map(|value| value as u64).collect()),
            Domain::Ring128 => {
                Values::Ring128(self.integers(len, bits.min(127)).into_iter().map(|value| value as u128).collect())
            }
            Domain::Bits => Values::Bits(Bits::from_words(len, (0..len.div_ceil(64)).map(|_| self.word()).collect())),
            _ => unreachable!("rings and bits"),
        }
    }
}

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

#[test]
fn all_kernels_give_one_transcript() {
    let transcripts: Vec<_> = Level::available()
        .into_iter()
        .map(|level| {
            let frames = Rc::new(RefCell::new(Vec::new()));
            let seen = Rc::clone(&frames);
            let work = move |mut io: Io| async move {
                let mut rep3 = Rep3::semi_honest(&io)?;
                rep3.level = level;
                let values = Numbers(9).values(Domain::Ring64, 1000);
                let x = rep3.input(&mut io, 0, Domain::Ring64, 1000, Some(&values)).await?;
                let y = rep3.mul(&mut io, &x, &x).await?;
                let z = rep3.matmul(&mut io, &x, &y, [20, 50, 20]).await?;
                let z = rep3.truncate(&mut io, &z, 20, Truncation::Exact).await?;
                let bits = rep3.to_bits(&mut io, &z, 64).await?;
                let z = rep3.from_bits(&mut io, &bits, Domain::Ring128).await?;
                let columns = [rep3.dot(&mut io, &z, &z, 4).await?];
                let opened = checked(&rep3, &mut io, &columns).await?;
                rep3.open(&mut io, opened, None).await
            };
            let results = local::run_with(3, 2, work, move |frame| {
                seen.borrow_mut().push((frame.from, frame.to, frame.body.clone()));
                vec![frame]
            });
            assert!(results.iter().all(|(result, _)| result.is_ok()));
            frames.take()
        })
        .collect();
    assert!(transcripts[0].len() > 30);
    assert!(transcripts.iter().all(|transcript| *transcript == transcripts[0]));
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
