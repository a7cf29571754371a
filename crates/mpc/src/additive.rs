//! Secure sums by additive sharing with pairwise randomness: a [`Backend`] for linear operations over rings and fields. The page is
//! `docs/spec/mpc/additive.md`.
//!
//! A value is the sum of the parties' parts. An owner's part of its input is the input itself and the others' are zero, so that nothing travels
//! before something leaves a party. What leaves is masked: each pair has a key to which both contributed, and one of the two adds its stream, the
//! other subtracts it. The masks cancel in the sum of all parts and hide everything else from anyone who lacks one honest party's keys.

mod mask;
mod part;
mod share;

pub use share::{Cost, MAX_LENGTH, combine, cost};

use std::cell::{Cell, OnceCell};

use crate::domain::{Domain, Element, M61, P127, Values};
use crate::engine::{
    self, Adversary, Backend, Capabilities, Checked, Column, Failure, Fut, Guarantee, Io, OpId, Primitive, Scalar,
    Truncation, join_all,
};

use mask::Pair;
use part::Part;

/// Most parties in a session.
pub const MAX_PARTIES: u16 = 16;

/// Additive sharing among all parties of a session.
///
/// ```
/// use mpc::additive::{Additive, combine};
/// use mpc::domain::{Domain, Values};
/// use mpc::engine::local;
/// use mpc::program::Builder;
/// use mpc::runner;
///
/// let mut program = Builder::new(3);
/// let inputs: Vec<_> = (0..3).map(|party| (1, program.input(party, Domain::Ring64))).collect();
/// let sum = program.linear(&inputs, 0);
/// program.give(sum);
/// let program = program.finish().unwrap();
/// let results = local::run(3, 1, move |io| {
///     let program = program.clone();
///     async move {
///         let own = usize::from(io.index());
///         let mut inputs = vec![None; 3];
///         inputs[own] = Some(Values::Ring64(vec![own as u64 + 1, u64::MAX]));
///         let backend = Additive::new(&io)?;
///         runner::run(&program, &backend, io, &[2, 2, 2], inputs).await
///     }
/// });
/// // Each share alone is noise; together they are the sum.
/// let shares: Vec<_> = results.into_iter().map(|(result, _)| result.unwrap().share.unwrap()).collect();
/// let session = local::settings(0, 3, 1).session;
/// assert!(combine(&session, Domain::Ring64, &shares).unwrap() == Values::Ring64(vec![6, 0u64.wrapping_sub(3)]));
/// ```
pub struct Additive {
    capabilities: Capabilities,
    index: u16,
    parties: u16,
    /// This party's keys, derived when something first leaves it.
    pairs: OnceCell<Vec<Pair>>,
    /// Whether the recipient's share was made: its masks hide one vector.
    given: Cell<bool>,
}

impl Additive {
    /// This party's end of a session.
    ///
    /// # Errors
    /// [`Failure::Program`] unless there are 2 to [`MAX_PARTIES`] parties.
    pub fn new(io: &Io) -> Result<Self, Failure> {
        Self::seat(io.index(), io.parties())
    }

    /// As [`Additive::new`], outside a session: for its [costs](Backend::cost).
    ///
    /// # Errors
    /// As [`Additive::new`].
    pub fn of(parties: u16) -> Result<Self, Failure> {
        Self::seat(0, parties)
    }

    fn seat(index: u16, parties: u16) -> Result<Self, Failure> {
        if !(2..=MAX_PARTIES).contains(&parties) {
            return Err(Failure::Program("additive sharing is for 2 to 16 parties"));
        }
        let capabilities = Capabilities {
            name: NAME,
            parties: 2..=MAX_PARTIES,
            adversary: Adversary::SemiHonest,
            guarantee: Guarantee::Abort,
            max_corrupt: |parties| parties.saturating_sub(1),
            dropouts: |_| 0,
            domains: &[Domain::Ring64, Domain::Ring128, Domain::M61, Domain::P127],
        };
        Ok(Self { capabilities, index, parties, pairs: OnceCell::new(), given: Cell::new(false) })
    }

    /// Whether this party's part holds what all know.
    const fn leads(&self) -> bool {
        self.index == 0
    }

    /// The keys shared with each peer, in index order.
    fn pairs(&self, io: &Io) -> &[Pair] {
        self.pairs.get_or_init(|| io.peers().map(|peer| Pair::of(io, peer)).collect())
    }

    /// Elements of its own, of nobody's and of others'.
    fn shared<E: Element>(&self, owner: u16, len: usize, values: Option<&Values>) -> Result<Column, Failure> {
        if owner >= self.parties {
            return Err(Failure::Program("an input's owner is a party"));
        }
        if owner != self.index {
            return Ok(Part::<E>(None).column(len));
        }
        let values = values.filter(|values| values.len() == len).and_then(Values::elements::<E>);
        let values = values.ok_or(Failure::Program("an owner gives as many values as stated, of the domain"))?;
        Ok(Part(Some(values.to_vec())).column(len))
    }

    /// Masks a column and sends it, a tile at a time, to all or to one; where this one is to know, adds up all parties' some tiles behind.
    async fn opened<E: Element>(
        &self,
        io: &Io,
        op: OpId,
        column: &Column,
        to: Option<u16>,
    ) -> Result<Option<Values>, Failure> {
        let (part, len) = (Part::<E>::of(column)?, column.len());
        let pairs = self.pairs(io);
        let readers: Vec<u16> = io.peers().filter(|peer| to.is_none_or(|to| to == *peer)).collect();
        let knows = to.is_none_or(|to| to == self.index);
        let mut sum = Vec::with_capacity(if knows { len } else { TILE });
        let mut theirs = vec![E::ZERO; if knows { len.min(TILE) } else { 0 }];
        let tiles = len.div_ceil(TILE);
        for step in 0..tiles + LAG {
            if step < tiles {
                let at = step * TILE;
                let behind = sum.len();
                part.append_to(at..len.min(at + TILE), &mut sum);
                let tile = &mut sum[behind..];
                pairs.iter().for_each(|pair| pair.apply(op, at, tile, self.index));
                readers.iter().for_each(|reader| io.send_elements(op, *reader, tile));
                if !knows {
                    sum.clear();
                }
            }
            if let Some(tile) = step.checked_sub(LAG).filter(|_| knows) {
                let at = tile * TILE;
                let tile = &mut sum[at..len.min(at + TILE)];
                let theirs = &mut theirs[..tile.len()];
                for peer in io.peers() {
                    io.receive_elements(op, peer, theirs).await?;
                    tile.iter_mut().zip(&*theirs).for_each(|(sum, part)| *sum = sum.add(*part));
                }
            }
        }
        if !knows {
            return Ok(None);
        }
        Ok(Some(E::values(sum)))
    }

    /// This party's share of columns of one domain, one after the other.
    fn handed<E: Element>(&self, io: &Io, columns: &[Column]) -> Result<Vec<u8>, Failure> {
        let mut values = Vec::with_capacity(columns.iter().map(Column::len).sum());
        for column in columns {
            Part::<E>::of(column)?.append_to(0..column.len(), &mut values);
        }
        if self.given.replace(true) {
            return Err(Failure::Program("a session's share is handed out once: its masks hide one vector"));
        }
        share::write(io.session(), self.index, self.pairs(io), values)
    }
}

/// Does what is generic over [`Element`] for a domain.
macro_rules! by_element {
    ($domain:expr, $element:ident => $work:expr) => {
        match $domain {
            Domain::Ring64 => {
                type $element = u64;
                $work
            }
            Domain::Ring128 => {
                type $element = u128;
                $work
            }
            Domain::M61 => {
                type $element = M61;
                $work
            }
            Domain::P127 => {
                type $element = P127;
                $work
            }
            Domain::Bits => Err(unsupported("bits")),
        }
    };
}

impl Backend for Additive {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn input<'a>(
        &'a self,
        _: &'a mut Io,
        owner: u16,
        domain: Domain,
        len: usize,
        values: Option<&'a Values>,
    ) -> Fut<'a, Column> {
        ready(by_element!(domain, E => self.shared::<E>(owner, len, values)))
    }

    fn public(&self, values: &Values) -> Result<Column, Failure> {
        // The part of the party that leads, all others' are zero.
        by_element!(values.domain(), E => self.shared::<E>(0, values.len(), Some(values)))
    }

    fn linear(&self, terms: &[(Scalar, &Column)], constant: Option<&Values>) -> Result<Column, Failure> {
        let (_, first) = terms.first().ok_or(Failure::Program("a linear combination has a term"))?;
        by_element!(first.domain(), E => part::linear::<E>(self.leads(), terms, constant))
    }

    fn gather(&self, column: &Column, rows: &[u32]) -> Result<Column, Failure> {
        by_element!(column.domain(), E => part::gather::<E>(column, rows))
    }

    fn concat(&self, columns: &[Column]) -> Result<Column, Failure> {
        let first = columns.first().ok_or(Failure::Program("at least one column"))?;
        by_element!(first.domain(), E => part::concat::<E>(columns))
    }

    fn prefix_sum(&self, column: &Column) -> Result<Column, Failure> {
        by_element!(column.domain(), E => part::prefix_sum::<E>(column))
    }

    fn sum(&self, column: &Column, groups: usize) -> Result<Column, Failure> {
        by_element!(column.domain(), E => part::sum::<E>(column, groups))
    }

    fn mul<'a>(&'a self, _: &'a mut Io, _: &'a Column, _: &'a Column) -> Fut<'a, Column> {
        ready(Err(unsupported("products")))
    }

    fn dot<'a>(&'a self, _: &'a mut Io, _: &'a Column, _: &'a Column, _: usize) -> Fut<'a, Column> {
        ready(Err(unsupported("inner products")))
    }

    fn matmul<'a>(&'a self, _: &'a mut Io, _: &'a Column, _: &'a Column, _: [usize; 3]) -> Fut<'a, Column> {
        ready(Err(unsupported("products of matrices")))
    }

    fn truncate<'a>(&'a self, _: &'a mut Io, _: &'a Column, _: u32, _: Truncation) -> Fut<'a, Column> {
        ready(Err(unsupported("truncation")))
    }

    fn to_bits<'a>(&'a self, _: &'a mut Io, _: &'a Column, _: u32) -> Fut<'a, Vec<Column>> {
        ready(Err(unsupported("bits")))
    }

    fn is_negative<'a>(&'a self, _: &'a mut Io, _: &'a Column) -> Fut<'a, Column> {
        ready(Err(unsupported("signs")))
    }

    fn from_bits<'a>(&'a self, _: &'a mut Io, _: &'a [Column], _: Domain) -> Fut<'a, Column> {
        ready(Err(unsupported("bits")))
    }

    fn shuffle<'a>(&'a self, _: &'a mut Io, _: &'a [Column]) -> Fut<'a, Vec<Column>> {
        ready(Err(unsupported("shuffles")))
    }

    /// Each party's part is its own draw: the sum is uniform to all who lack one.
    fn random<'a>(&'a self, io: &'a mut Io, domain: Domain, len: usize) -> Fut<'a, Column> {
        let op = io.op();
        ready(by_element!(domain, E => Ok(Part::<E>(Some(io.own().vector(op, len))).column(len))))
    }

    /// Parties follow the protocol: there is nothing to verify.
    fn check<'a>(&'a self, _: &'a mut Io) -> Fut<'a, ()> {
        ready(Ok(()))
    }

    fn open<'a>(&'a self, io: &'a mut Io, columns: Checked<'a>, to: Option<u16>) -> Fut<'a, Option<Vec<Values>>> {
        let ops: Vec<OpId> = columns.columns().iter().map(|_| io.op()).collect();
        let io: &Io = io;
        Box::pin(async move {
            let one = |(op, column): (OpId, &'a Column)| -> Fut<'a, Option<Values>> {
                match column.domain() {
                    Domain::Ring64 => Box::pin(self.opened::<u64>(io, op, column, to)),
                    Domain::Ring128 => Box::pin(self.opened::<u128>(io, op, column, to)),
                    Domain::M61 => Box::pin(self.opened::<M61>(io, op, column, to)),
                    Domain::P127 => Box::pin(self.opened::<P127>(io, op, column, to)),
                    Domain::Bits => ready(Err(unsupported("bits"))),
                }
            };
            let opened = join_all(ops.into_iter().zip(columns.columns()).map(one).collect()).await?;
            // Of no column, too, only who is to know has a result.
            Ok(to.is_none_or(|to| to == self.index).then(|| opened.into_iter().flatten().collect()))
        })
    }

    fn hand_out<'a>(&'a self, io: &'a mut Io, columns: Checked<'a>) -> Fut<'a, Vec<u8>> {
        let columns = columns.columns();
        let domain = columns.first().map_or(Domain::Ring64, Column::domain);
        if columns.iter().any(|column| column.domain() != domain) {
            return ready(Err(unsupported("results of several domains in one share")));
        }
        ready(by_element!(domain, E => self.handed::<E>(io, columns)))
    }

    fn offers(&self, primitive: Primitive) -> bool {
        use Primitive::{HandOut, Input, Open, OpenTo, Random};
        matches!(primitive, Input | Random | Open | OpenTo | HandOut)
    }

    fn cost(&self, primitive: Primitive, domain: Domain, len: usize) -> engine::Cost {
        let readers = match primitive {
            Primitive::Open => self.parties,
            Primitive::OpenTo => 1,
            _ => 0,
        };
        let bytes = u64::from(readers) * u64::from(self.parties - 1) * domain.bytes(len) as u64;
        // A long vector is sent some tiles ahead of what is received.
        let rounds = if bytes > 0 { len.div_ceil(TILE * LAG) as u32 } else { 0 };
        engine::Cost { bytes, rounds }
    }
}

fn ready<'a, T: 'a>(value: Result<T, Failure>) -> Fut<'a, T> {
    Box::pin(std::future::ready(value))
}

const fn unsupported(what: &'static str) -> Failure {
    Failure::Unsupported { protocol: NAME, what }
}

const NAME: &str = "additive";
/// Elements masked and sent at a time.
const TILE: usize = 4096;
/// Tiles sent ahead of those received: some frames, so that they leave full, and few enough that their memory is used again and again.
const LAG: usize = 64;

#[cfg(test)]
mod tests;
