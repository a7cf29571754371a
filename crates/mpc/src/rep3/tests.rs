//! Every operation against the back end in the clear, at the stated cost.

use std::pin::Pin;
use std::rc::Rc;

mod checks;
mod million;
mod openings;
mod operations;
mod page;
mod transcripts;
mod verified;
mod wrong_product;

use super::record::Product;
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

    fn cost(&self, _: &record::Sizes) -> Cost {
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
            let sum =
                |at: usize| product.terms(at).fold(A::ZERO, |sum, (left, right)| sum.plus(x[left].times(y[right])));
            Ok((0..z.len()).all(|at| sum(at) == z[at]))
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

    fn cost(&self, _: &record::Sizes) -> Cost {
        Cost::default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    SemiHonest,
    Trusting,
    Opening,
    Sublinear,
    Sacrifice,
}

fn rep3(io: &Io, mode: Mode) -> Result<Rep3, Failure> {
    match mode {
        Mode::SemiHonest => Rep3::semi_honest(io),
        Mode::Trusting => Rep3::verified_by(io, Box::new(Trusting)),
        Mode::Opening => Rep3::verified_by(io, Box::new(Opening)),
        Mode::Sublinear => Rep3::malicious(io),
        Mode::Sacrifice => Rep3::malicious_by_sacrifice(io),
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
        // Openings are vouched for, and the check before begins with a meeting.
        let (digests, meeting) = if mode == Mode::Trusting { (96, ledger::MEETING) } else { (0, Cost::default()) };
        let opened: u64 =
            expected.iter().map(|values| cost(Primitive::Open, values.domain(), values.len()).bytes - digests).sum();
        let set_up = 6 * 32 + meeting.bytes;
        assert_eq!(sent - set_up - ends - opened - digests, stated.bytes, "{what}, {mode:?}: bytes of {len}");
        let others = u32::from(opened + digests > 0) + inputs.iter().filter(|values| !values.is_empty()).count() as u32;
        // Messages that need nothing from others leave early: a chain of several steps may be one shorter than stated.
        let early = u32::from(matches!(primitive, Primitive::Truncate(_, Truncation::Exact)) && stated.rounds > 0);
        let least = 1 + stated.rounds - early + meeting.rounds + u32::from(opened + digests > 0);
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
