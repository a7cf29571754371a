//! Three parties of which one may be corrupt, by replicated secret sharing (Araki, Furukawa, Lindell, Nof, Ohara, CCS 2016).
//!
//! `docs/spec/mpc/rep3.md` states protocols, costs and what they survive.

mod adder;
mod column;
mod convert;
mod cost;
mod handout;
mod keep;
mod ledger;
mod linear;
mod plane;
mod product;
mod record;
mod seat;
mod share;
mod sharing;
mod shuffle;
mod verify;

use std::rc::Rc;

use crate::domain::{Domain, Values};
use crate::engine::{
    Adversary, Backend, Capabilities, Checked, Column, Cost, Failure, Fut, Guarantee, Io, Primitive, Scalar, Truncation,
};
use crate::kernel::Level;

use column::{Share, no_bits, no_field, of_bits, of_ring, ring};
use ledger::Ledger;
use product::Factors;
use seat::Seat;

pub use handout::combine;
pub(crate) use record::{Product, Record, Shape, Verifier};
pub(crate) use share::{Atom, Replicated, Ring, Span, Word};
pub use verify::Rehearsal;

/// The protocol's name.
const NAME: &str = "rep3";

/// One party's end of the protocol, for one session.
pub struct Rep3 {
    seat: Seat,
    level: Level,
    capabilities: Capabilities,
    verifier: Option<Box<dyn Verifier>>,
    ledger: Ledger,
}

impl Rep3 {
    /// Against a party that follows the protocol and looks at all it sees.
    ///
    /// # Errors
    /// [`Failure::Program`] unless the session has three parties.
    pub fn semi_honest(io: &Io) -> Result<Self, Failure> {
        Self::new(io, None)
    }

    /// Against a party that does anything: before each opening all products since the last one are verified (`docs/spec/mpc/rep3-malicious.md`).
    /// Inputs are consistent whatever their owner sends; conversions consist of local steps and products; openings are vouched for by
    /// both holders of a part. Shuffles are not offered.
    ///
    /// # Errors
    /// [`Failure::Program`] unless the session has three parties.
    pub fn malicious(io: &Io) -> Result<Self, Failure> {
        Self::new(io, Some(Box::new(verify::Sublinear)))
    }

    /// As [`Rep3::malicious`], but each product is verified by another of random factors that is given up for it: simple, and linear in
    /// communication. The reference that [`Rep3::malicious`] is held against, and what to fall back to.
    ///
    /// # Errors
    /// [`Failure::Program`] unless the session has three parties.
    pub fn malicious_by_sacrifice(io: &Io) -> Result<Self, Failure> {
        Self::new(io, Some(Box::new(verify::Sacrifice)))
    }

    #[cfg(test)]
    pub(crate) fn verified_by(io: &Io, verifier: Box<dyn Verifier>) -> Result<Self, Failure> {
        Self::new(io, Some(verifier))
    }

    fn new(io: &Io, verifier: Option<Box<dyn Verifier>>) -> Result<Self, Failure> {
        let capabilities = Capabilities {
            name: NAME,
            parties: 3..=3,
            adversary: if verifier.is_some() { Adversary::Malicious } else { Adversary::SemiHonest },
            guarantee: Guarantee::Abort,
            max_corrupt: |_| 1,
            dropouts: |_| 0,
            domains: &[Domain::Ring64, Domain::Ring128, Domain::Bits],
        };
        Ok(Self { seat: Seat::of(io)?, level: Level::detect(), capabilities, verifier, ledger: Ledger::default() })
    }

    /// Notes a vector of products for the verifier.
    fn record(&self, record: impl FnOnce() -> Record) {
        if self.verifier.is_some() {
            self.ledger.record(record());
        }
    }

    async fn each<A: Atom>(
        &self,
        io: &mut Io,
        left: &Rc<Replicated<A>>,
        right: &Rc<Replicated<A>>,
    ) -> Result<Rc<Replicated<A>>, Failure> {
        self.product(io, Factors::each(Span::all(left), Span::all(right))).await
    }

    async fn shaped<R: Ring>(
        &self,
        io: &mut Io,
        left: &Column,
        right: &Column,
        shape: Shape,
    ) -> Result<Column, Failure> {
        let (left, right) = (ring::<R>(left)?, ring::<R>(right)?);
        let factors = Factors { left: Span::all(&left), right: Span::all(&right), shape };
        self.product(io, factors).await.map(of_ring)
    }
}

impl Backend for Rep3 {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn input<'a>(
        &'a self,
        io: &'a mut Io,
        owner: u16,
        domain: Domain,
        len: usize,
        values: Option<&'a Values>,
    ) -> Fut<'a, Column> {
        async fn rings<R: Ring>(
            io: &mut Io,
            owner: u16,
            len: usize,
            values: Option<&Values>,
        ) -> Result<Column, Failure> {
            let values =
                values.map(|values| R::slice(values).ok_or(Failure::Program("values of the domain announced")));
            let values = values.transpose()?.map(<[R]>::to_vec);
            sharing::deal(io, owner, len, values).await.map(of_ring)
        }
        Box::pin(async move {
            if owner >= 3 {
                return Err(Failure::Program("an owner is one of the parties"));
            }
            self.ledger.owe();
            match domain {
                Domain::Ring64 => rings::<u64>(io, owner, len, values).await,
                Domain::Ring128 => rings::<u128>(io, owner, len, values).await,
                Domain::Bits => {
                    let bits =
                        values.map(|values| values.bits().ok_or(Failure::Program("values of the domain announced")));
                    let bits = bits.transpose()?;
                    if bits.is_some_and(|bits| bits.len() != len) {
                        return Err(Failure::Program("as many values as were announced"));
                    }
                    let words = bits.map(|bits| bits.words().iter().map(|word| Word(*word)).collect());
                    sharing::deal(io, owner, column::words(len), words).await.map(|share| of_bits(len, share))
                }
                _ => Err(no_field()),
            }
        })
    }

    fn public(&self, values: &Values) -> Result<Column, Failure> {
        match values {
            Values::Ring64(values) => Ok(of_ring(self.constant(values))),
            Values::Ring128(values) => Ok(of_ring(self.constant(values))),
            Values::Bits(bits) => Ok(of_bits(bits.len(), self.constant(bytemuck::cast_slice(bits.words())))),
            _ => Err(no_field()),
        }
    }

    fn linear(&self, terms: &[(Scalar, &Column)], constant: Option<&Values>) -> Result<Column, Failure> {
        let (_, first) = terms.first().ok_or(Failure::Program("a linear combination has a term"))?;
        terms.iter().try_for_each(|(_, term)| first.fits("linear", term))?;
        if let Some(constant) =
            constant.filter(|constant| (constant.domain(), constant.len()) != (first.domain(), first.len()))
        {
            let (left, right) = (first.domain(), constant.domain());
            return Err(Failure::Shape {
                what: "linear",
                left,
                left_len: first.len(),
                right,
                right_len: constant.len(),
            });
        }
        match first.domain() {
            Domain::Ring64 => self.linear_ring::<u64>(terms, constant),
            Domain::Ring128 => self.linear_ring::<u128>(terms, constant),
            Domain::Bits => self.linear_bits(terms, constant),
            _ => Err(no_field()),
        }
    }

    fn gather(&self, column: &Column, rows: &[u32]) -> Result<Column, Failure> {
        linear::within(column, rows)?;
        match column.domain() {
            Domain::Ring64 => linear::gather_ring::<u64>(column, rows),
            Domain::Ring128 => linear::gather_ring::<u128>(column, rows),
            Domain::Bits => linear::gather_bits(column, rows),
            _ => Err(no_field()),
        }
    }

    fn gather_all(&self, columns: &[Column], rows: &[u32]) -> Result<Vec<Column>, Failure> {
        if columns.iter().any(|column| column.domain() != Domain::Bits) {
            return columns.iter().map(|column| self.gather(column, rows)).collect();
        }
        linear::gather_all_bits(columns, rows)
    }

    fn concat(&self, columns: &[Column]) -> Result<Column, Failure> {
        let first = columns.first().ok_or(Failure::Program("at least one column"))?;
        if columns.iter().any(|column| column.domain() != first.domain()) {
            return Err(Failure::Program("columns of one domain"));
        }
        match first.domain() {
            Domain::Ring64 => linear::concat_ring::<u64>(columns),
            Domain::Ring128 => linear::concat_ring::<u128>(columns),
            Domain::Bits => linear::concat_bits(columns),
            _ => Err(no_field()),
        }
    }

    fn prefix_sum(&self, column: &Column) -> Result<Column, Failure> {
        match column.domain() {
            Domain::Ring64 => linear::prefix_sum::<u64>(column),
            Domain::Ring128 => linear::prefix_sum::<u128>(column),
            Domain::Bits => Err(no_bits("prefix sums of bits")),
            _ => Err(no_field()),
        }
    }

    fn sum(&self, column: &Column, groups: usize) -> Result<Column, Failure> {
        match column.domain() {
            Domain::Ring64 => linear::sum::<u64>(column, groups),
            Domain::Ring128 => linear::sum::<u128>(column, groups),
            Domain::Bits => Err(no_bits("sums of bits")),
            _ => Err(no_field()),
        }
    }

    fn mul<'a>(&'a self, io: &'a mut Io, left: &'a Column, right: &'a Column) -> Fut<'a, Column> {
        Box::pin(async move {
            left.fits("mul", right)?;
            match (Share::of(left)?, Share::of(right)?) {
                (Share::Ring64(x), Share::Ring64(y)) => self.each(io, &x, &y).await.map(of_ring),
                (Share::Ring128(x), Share::Ring128(y)) => self.each(io, &x, &y).await.map(of_ring),
                (Share::Bits(x, len), Share::Bits(y, _)) => self.each(io, &x, &y).await.map(|z| of_bits(len, z)),
                _ => Err(no_field()),
            }
        })
    }

    fn dot<'a>(&'a self, io: &'a mut Io, left: &'a Column, right: &'a Column, groups: usize) -> Fut<'a, Column> {
        Box::pin(async move {
            left.fits("dot", right)?;
            linear::stretch(left.len(), groups)?;
            let shape = Shape::Dot { groups };
            match left.domain() {
                Domain::Ring64 => self.shaped::<u64>(io, left, right, shape).await,
                Domain::Ring128 => self.shaped::<u128>(io, left, right, shape).await,
                Domain::Bits => Err(no_bits("inner products of bits")),
                _ => Err(no_field()),
            }
        })
    }

    fn matmul<'a>(&'a self, io: &'a mut Io, left: &'a Column, right: &'a Column, shape: [usize; 3]) -> Fut<'a, Column> {
        Box::pin(async move {
            let [rows, inner, columns] = shape;
            let size = |x: usize, y: usize| x.checked_mul(y).ok_or(Failure::Program("a matrix of that size"));
            if (size(rows, inner)?, size(inner, columns)?) != (left.len(), right.len()) {
                return Err(Failure::Program("matrices have the sizes their shape states"));
            }
            size(rows, columns)?;
            let shape = Shape::Matrix { rows, inner, columns };
            match (left.domain(), right.domain()) {
                (Domain::Ring64, Domain::Ring64) => self.shaped::<u64>(io, left, right, shape).await,
                (Domain::Ring128, Domain::Ring128) => self.shaped::<u128>(io, left, right, shape).await,
                (Domain::Bits, _) => Err(no_bits("products of bit matrices")),
                _ => Err(Failure::Program("matrices of one ring")),
            }
        })
    }

    fn truncate<'a>(&'a self, io: &'a mut Io, column: &'a Column, bits: u32, mode: Truncation) -> Fut<'a, Column> {
        Box::pin(async move {
            match Share::of(column)? {
                Share::Ring64(share) => self.divide(io, &share, bits, mode).await,
                Share::Ring128(share) => self.divide(io, &share, bits, mode).await,
                Share::Bits(..) => Err(no_bits("truncation of bits")),
            }
        })
    }

    fn to_bits<'a>(&'a self, io: &'a mut Io, column: &'a Column, count: u32) -> Fut<'a, Vec<Column>> {
        Box::pin(async move {
            match Share::of(column)? {
                Share::Ring64(share) => self.decompose(io, &share, count).await,
                Share::Ring128(share) => self.decompose(io, &share, count).await,
                Share::Bits(..) => Err(no_bits("bits of bits")),
            }
        })
    }

    fn is_negative<'a>(&'a self, io: &'a mut Io, column: &'a Column) -> Fut<'a, Column> {
        Box::pin(async move {
            let sign = match Share::of(column)? {
                Share::Ring64(share) => self.bit(io, &*share, 63).await?,
                Share::Ring128(share) => self.bit(io, &*share, 127).await?,
                Share::Bits(..) => return Err(no_bits("the sign of bits")),
            };
            Ok(of_bits(column.len(), sign))
        })
    }

    fn from_bits<'a>(&'a self, io: &'a mut Io, bits: &'a [Column], domain: Domain) -> Fut<'a, Column> {
        Box::pin(async move {
            match domain {
                Domain::Ring64 => self.compose::<u64>(io, bits).await,
                Domain::Ring128 => self.compose::<u128>(io, bits).await,
                Domain::Bits => Err(no_bits("bits of bits")),
                _ => Err(no_field()),
            }
        })
    }

    fn shuffle<'a>(&'a self, io: &'a mut Io, columns: &'a [Column]) -> Fut<'a, Vec<Column>> {
        Box::pin(async move {
            if self.verifier.is_some() {
                return Err(Failure::Unsupported { protocol: NAME, what: "shuffles against a malicious party" });
            }
            self.shuffle_columns(io, columns).await
        })
    }

    fn random<'a>(&'a self, io: &'a mut Io, domain: Domain, len: usize) -> Fut<'a, Column> {
        Box::pin(std::future::ready(match domain {
            Domain::Ring64 => sharing::random::<u64>(io, len).map(of_ring),
            Domain::Ring128 => sharing::random::<u128>(io, len).map(of_ring),
            Domain::Bits => sharing::random::<Word>(io, column::words(len)).map(|share| of_bits(len, share)),
            _ => Err(no_field()),
        }))
    }

    fn check<'a>(&'a self, io: &'a mut Io) -> Fut<'a, ()> {
        Box::pin(self.settle(io))
    }

    fn open<'a>(&'a self, io: &'a mut Io, columns: Checked<'a>, to: Option<u16>) -> Fut<'a, Option<Vec<Values>>> {
        Box::pin(async move {
            let shares = columns.columns().iter().map(Share::of).collect::<Result<Vec<_>, _>>()?;
            let missing = self.missing_parts(io, &shares, to).await?;
            Ok(missing.map(|missing| shares.iter().zip(missing).map(|(share, part)| share.values(part)).collect()))
        })
    }

    fn hand_out<'a>(&'a self, io: &'a mut Io, columns: Checked<'a>) -> Fut<'a, Vec<u8>> {
        Box::pin(self.give(io, columns.columns()))
    }

    fn save(&self, column: &Column) -> Result<Vec<u8>, Failure> {
        keep::save(column)
    }

    fn load(&self, domain: Domain, len: usize, bytes: &[u8]) -> Result<Column, Failure> {
        keep::load(domain, len, bytes)
    }

    fn offers(&self, primitive: Primitive) -> bool {
        primitive != Primitive::Shuffle || self.verifier.is_none()
    }

    fn cost(&self, primitive: Primitive, domain: Domain, len: usize) -> Cost {
        cost::cost(self.verifier.is_some(), primitive, domain, len)
    }

    fn cost_of_check(&self, done: &[(Primitive, Domain, usize)]) -> Cost {
        let Some(verifier) = &self.verifier else { return Cost::default() };
        let (mut sizes, mut owing) = (record::Sizes::default(), false);
        for (primitive, domain, len) in done {
            owing |= cost::record(*primitive, *domain, *len, &mut sizes);
        }
        if !owing {
            return Cost::default();
        }
        let Cost { bytes, rounds } = verifier.cost(&sizes);
        Cost { bytes: bytes + ledger::MEETING.bytes, rounds: rounds + ledger::MEETING.rounds }
    }
}

#[cfg(test)]
mod privacy;
#[cfg(test)]
mod tests;
