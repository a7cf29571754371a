//! What a protocol offers the engine: operations over opaque columns of shares.

use std::any::Any;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::rc::Rc;

use crate::domain::{Domain, Values};

use super::{Failure, Io};

/// What an operation that talks gives: its result, once the peers' bytes have come.
pub type Fut<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + 'a>>;

/// A vector of secret-shared values: this party's share of it, opaque to all but the back end that made it.
#[derive(Clone)]
pub struct Column {
    domain: Domain,
    len: usize,
    share: Rc<dyn Any>,
}

impl Column {
    /// A column of `len` values whose share is `share`.
    pub fn new(domain: Domain, len: usize, share: impl Any) -> Self {
        Self { domain, len, share: Rc::new(share) }
    }

    /// Where its values live.
    pub const fn domain(&self) -> Domain {
        self.domain
    }

    /// How many values.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The share, where it is an `S`.
    ///
    /// # Errors
    /// [`Failure::Program`] where another back end made it.
    pub fn share<S: Any>(&self) -> Result<&S, Failure> {
        self.share.downcast_ref().ok_or(Failure::Program("a column belongs to another back end"))
    }

    /// That two columns fit element by element.
    ///
    /// # Errors
    /// [`Failure::Shape`] where domain or length differ.
    pub fn fits(&self, what: &'static str, other: &Self) -> Result<(), Failure> {
        if (self.domain, self.len) == (other.domain, other.len) {
            return Ok(());
        }
        let (left, right) = (self.domain, other.domain);
        Err(Failure::Shape { what, left, left_len: self.len, right, right_len: other.len })
    }
}

impl std::fmt::Debug for Column {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "column of {} {:?}", self.len, self.domain)
    }
}

/// A public factor: reduced into the column's domain (a negative one to `modulus − |factor|`).
pub type Scalar = i128;

/// Values whose computation a back end has verified: only these can be opened. Made by [`checked`].
pub struct Checked<'a>(&'a [Column]);

impl<'a> Checked<'a> {
    /// The columns.
    pub const fn columns(&self) -> &'a [Column] {
        self.0
    }
}

/// Has the back end verify everything done so far in the session, and with it the columns.
///
/// # Errors
/// Where the check fails: nothing may be opened any more.
pub async fn checked<'a>(backend: &dyn Backend, io: &mut Io, columns: &'a [Column]) -> Result<Checked<'a>, Failure> {
    backend.check(io).await?;
    Ok(Checked(columns))
}

/// How the lowest bits are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncation {
    /// The floor of the quotient, always.
    Exact,
    /// The floor or one more; the back end's page states when it may be wilder, and how likely that is.
    Probabilistic,
}

/// One protocol's operations. Columns are this party's shares; every party makes the same calls in the same order, with [`Io`]s
/// split alike. Element-wise operations refuse columns that do not fit ([`Column::fits`]). What a back end does not offer fails with
/// [`Failure::Unsupported`] and is missing from its [`Capabilities`].
pub trait Backend {
    /// What it offers and promises.
    fn capabilities(&self) -> &Capabilities;

    /// Shares a vector that `owner` holds; the others give `None`.
    fn input<'a>(
        &'a self,
        io: &'a mut Io,
        owner: u16,
        domain: Domain,
        len: usize,
        values: Option<&'a Values>,
    ) -> Fut<'a, Column>;

    /// Shares of what everybody knows. Local.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] for a domain that the back end lacks.
    fn public(&self, values: &Values) -> Result<Column, Failure>;

    /// `Σ factor · column + constant`, element-wise, in a ring or field; in [`Domain::Bits`] the exclusive or of the columns with odd
    /// factors and the constant. Local. At least one term.
    ///
    /// # Errors
    /// [`Failure::Shape`].
    fn linear(&self, terms: &[(Scalar, &Column)], constant: Option<&Values>) -> Result<Column, Failure>;

    /// The rows named, in this order; a row may be named more than once. Local. Serves slices, repetitions and public permutations.
    ///
    /// # Errors
    /// [`Failure::Program`] for a row past the end.
    fn gather(&self, column: &Column, rows: &[u32]) -> Result<Column, Failure>;

    /// [`Backend::gather`] of each column. Local. A back end that packs bits gathers many columns of them faster together.
    ///
    /// # Errors
    /// As [`Backend::gather`].
    fn gather_all(&self, columns: &[Column], rows: &[u32]) -> Result<Vec<Column>, Failure> {
        columns.iter().map(|column| self.gather(column, rows)).collect()
    }

    /// One column after the other, all of one domain. Local.
    ///
    /// # Errors
    /// [`Failure::Shape`].
    fn concat(&self, columns: &[Column]) -> Result<Column, Failure>;

    /// Each row plus all before it. Local; not for bits.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] for bits.
    fn prefix_sum(&self, column: &Column) -> Result<Column, Failure>;

    /// Sums of `column.len() / groups` consecutive rows each; `groups` divides the length. Local; not for bits.
    ///
    /// # Errors
    /// [`Failure::Shape`], [`Failure::Unsupported`] for bits.
    fn sum(&self, column: &Column, groups: usize) -> Result<Column, Failure>;

    /// Products, element-wise, of columns of one ring or field; in [`Domain::Bits`] the conjunction.
    fn mul<'a>(&'a self, io: &'a mut Io, left: &'a Column, right: &'a Column) -> Fut<'a, Column>;

    /// Inner products of `groups` stretches of equal length: `groups` values.
    fn dot<'a>(&'a self, io: &'a mut Io, left: &'a Column, right: &'a Column, groups: usize) -> Fut<'a, Column>;

    /// The matrix product of `left` (`rows × inner`, by rows) and `right` (`inner × columns`, by rows): `rows × columns`.
    fn matmul<'a>(&'a self, io: &'a mut Io, left: &'a Column, right: &'a Column, shape: [usize; 3]) -> Fut<'a, Column>;

    /// Floor of the signed quotient by `2^bits`, of values with `|v| < 2^(width − 2)` of the domain.
    fn truncate<'a>(&'a self, io: &'a mut Io, column: &'a Column, bits: u32, mode: Truncation) -> Fut<'a, Column>;

    /// The lowest `count` bits of each value (two's complement for a negative one), lowest first: `count` columns of bits. In a field,
    /// of values with `|v| < 2^(count − 1)`.
    fn to_bits<'a>(&'a self, io: &'a mut Io, column: &'a Column, count: u32) -> Fut<'a, Vec<Column>>;

    /// Whether each value is negative: a column of bits. In a field, of values with `|v| < 2^(width − 2)` of what the back end states.
    fn is_negative<'a>(&'a self, io: &'a mut Io, column: &'a Column) -> Fut<'a, Column>;

    /// `Σ 2^j · bits[j]` as values of a ring or field; 1 to `width` columns.
    #[expect(clippy::wrong_self_convention, reason = "the back end converts; it is no value itself")]
    fn from_bits<'a>(&'a self, io: &'a mut Io, bits: &'a [Column], domain: Domain) -> Fut<'a, Column>;

    /// The columns' rows in one secret random order, the same for all columns; they are of one length and any domain.
    fn shuffle<'a>(&'a self, io: &'a mut Io, columns: &'a [Column]) -> Fut<'a, Vec<Column>>;

    /// Uniform values that nobody knows.
    fn random<'a>(&'a self, io: &'a mut Io, domain: Domain, len: usize) -> Fut<'a, Column>;

    /// Verifies everything done so far. A back end without checks has nothing to do. Callers use [`checked`].
    fn check<'a>(&'a self, io: &'a mut Io) -> Fut<'a, ()>;

    /// Opens columns to all, or to one party alone (`None` at the others).
    fn open<'a>(&'a self, io: &'a mut Io, columns: Checked<'a>, to: Option<u16>) -> Fut<'a, Option<Vec<Values>>>;

    /// This party's share of columns for recipients who are no parties, in bytes: noise to whoever lacks the others', and all
    /// that a recipient needs beside them ([`crate::rep3::combine`]).
    fn hand_out<'a>(&'a self, _: &'a mut Io, _: Checked<'a>) -> Fut<'a, Vec<u8>> {
        let protocol = self.capabilities().name;
        Box::pin(std::future::ready(Err(Failure::Unsupported { protocol, what: "results for outsiders" })))
    }

    /// This party's share of a verified column, for a checkpoint: secret bytes, which [`Backend::load`] reads.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] where the back end's columns do not outlast a session.
    fn save(&self, _: &Column) -> Result<Vec<u8>, Failure> {
        Err(Failure::Unsupported { protocol: self.capabilities().name, what: "checkpoints" })
    }

    /// The column of `len` values whose share [`Backend::save`] wrote, in this session or an earlier run of it.
    ///
    /// # Errors
    /// [`Failure::Unsupported`]; [`Failure::Program`] for bytes that are no such share.
    fn load(&self, _domain: Domain, _len: usize, _bytes: &[u8]) -> Result<Column, Failure> {
        Err(Failure::Unsupported { protocol: self.capabilities().name, what: "checkpoints" })
    }

    /// Whether it offers an operation. One that does not fails with [`Failure::Unsupported`], before it sends anything.
    fn offers(&self, _: Primitive) -> bool {
        true
    }

    /// Whether it only counts costs, so that what it opens means nothing. A circuit whose course depends on opened values then draws
    /// them from their distribution, as the simulator of its privacy proof does.
    fn is_rehearsal(&self) -> bool {
        false
    }

    /// What an operation on `len` values costs, as the protocol's page states it.
    fn cost(&self, primitive: Primitive, domain: Domain, len: usize) -> Cost;

    /// What [`Backend::check`] costs after these operations, all since the last check: each with domain and length as [`Backend::cost`]
    /// takes them. A back end without checks has nothing to do.
    fn cost_of_check(&self, _done: &[(Primitive, Domain, usize)]) -> Cost {
        Cost::default()
    }

    /// What keys of the back end's own cost, beside the session's set-up, where a session does these operations, at most; to the byte where all
    /// of them are linear. Most have none.
    fn cost_of_keys(&self, _done: &[Primitive]) -> Cost {
        Cost::default()
    }
}

/// The operations of a [`Backend`] that talk, for stating their cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Primitive {
    /// [`Backend::input`].
    Input,
    /// [`Backend::mul`].
    Mul,
    /// [`Backend::dot`] with this many groups.
    Dot(usize),
    /// [`Backend::matmul`] with this shape.
    Matmul([usize; 3]),
    /// [`Backend::truncate`] by this many bits.
    Truncate(u32, Truncation),
    /// [`Backend::to_bits`] of this many bits.
    ToBits(u32),
    /// [`Backend::is_negative`].
    IsNegative,
    /// [`Backend::from_bits`] of this many bits.
    FromBits(u32),
    /// [`Backend::shuffle`], of one column.
    Shuffle,
    /// [`Backend::random`].
    Random,
    /// [`Backend::open`] to all.
    Open,
    /// [`Backend::open`] to one party.
    OpenTo,
    /// [`Backend::hand_out`], whatever is given.
    HandOut,
}

/// What an operation costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Payload that all parties together send, in bytes; frames' headers come on top.
    pub bytes: u64,
    /// Messages in sequence.
    pub rounds: u32,
}

/// What the corrupt parties may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Adversary {
    /// Follow the protocol, and pool what they saw.
    SemiHonest,
    /// Anything.
    Malicious,
}

/// What honest parties get when something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarantee {
    /// No wrong result is accepted from a party within the model; there may be none.
    Abort,
    /// Where there is none, a cheater is named (or a pair of which one cheated).
    IdentifiedAbort,
    /// The result, even so.
    Output,
}

/// What a back end offers and promises.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// The protocol's name in contracts and receipts.
    pub name: &'static str,
    /// How many parties it runs with.
    pub parties: RangeInclusive<u16>,
    /// Against whom.
    pub adversary: Adversary,
    /// What then.
    pub guarantee: Guarantee,
    /// Most corrupt parties, in a session of so many.
    pub max_corrupt: fn(parties: u16) -> u16,
    /// Most parties that may vanish without stopping a session of so many.
    pub dropouts: fn(parties: u16) -> u16,
    /// Where its values can live.
    pub domains: &'static [Domain],
}
