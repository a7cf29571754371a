//! Shamir sharing among n parties of which a minority t is corrupt: a [`Backend`] over prime fields and bits.
//!
//! A value is a polynomial of degree `t`; party `i` holds it at point `i + 1`. Additions are local, a multiplication takes one round, any `t`
//! shares are noise. Bits are shared over a binary field just large enough for the points, 64 to a machine word, so that exclusive or is
//! free. With more than `2t + 1` parties a computation goes on while `2t + 1` of them are there. The page is
//! `docs/spec/mpc/shamir.md`.

mod adder;
mod convert;
mod cost;
mod deal;
mod decode;
mod extension;
mod field;
mod handout;
mod keep;
mod ledger;
mod local;
mod masked;
mod open;
mod renew;
mod scheme;
mod sets;
mod shuffle;
mod slices;
#[cfg(test)]
mod tests;
mod verify;

use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use zeroize::Zeroize as _;

use crate::domain::{Domain, M61, P127, Values};
use crate::engine::{
    Adversary, Backend, Capabilities, Checked, Column, Cost, Failure, Fut, Guarantee, Io, OpId, Primitive, Scalar,
    Truncation,
};

use field::{Lane, Valued, lanes};
pub use handout::{Combined, combine};
use ledger::Ledger;
use scheme::Scheme;
use sets::Agreement;

/// Lanes of a tile: what is computed, sent and received at a time.
pub(crate) const TILE: usize = 4096;
/// Tiles sent ahead of those received: more than a frame holds, so that frames leave full.
pub(crate) const LAG: usize = 16;
/// Most sets of `n − t` parties whose keys are agreed on.
const MAX_SETS: usize = 2000;

/// Shamir sharing among members of a session.
pub struct Shamir {
    capabilities: Capabilities,
    /// Parties of the session, by seat.
    members: Vec<u16>,
    threshold: usize,
    /// All sets of `n − t` seats; none where there are too many.
    sets: Vec<u64>,
    /// Number of the set-up's messages.
    setup: OpId,
    agreement: RefCell<Agreement>,
    schemes: RefCell<HashMap<TypeId, Rc<dyn std::any::Any>>>,
    ledger: RefCell<Ledger>,
    /// Seats that are known to have sent wrong shares.
    cheaters: RefCell<BTreeSet<usize>>,
    /// Whether a check has failed: nothing is opened any more.
    spoiled: Cell<bool>,
}

impl Shamir {
    /// Among the parties `0 .. parties` of a session, of which up to `threshold` are corrupt, `1 <= threshold < parties / 2`.
    ///
    /// # Errors
    /// [`Failure::Program`] for another threshold, for more than 63 parties, or against malicious parties where there are more than 2,000 sets
    /// of `parties − threshold`.
    pub fn new(parties: u16, threshold: u16, adversary: Adversary) -> Result<Self, Failure> {
        Self::among((0..parties).collect(), threshold, adversary)
    }

    /// Among some of a session's parties, each in the seat of its place in `members`. Parties that are no members can receive a
    /// [`Shamir::reshare`] from them, or hand one over.
    ///
    /// # Errors
    /// As [`Shamir::new`], and for a member named twice.
    pub fn among(members: Vec<u16>, threshold: u16, adversary: Adversary) -> Result<Self, Failure> {
        let (seats, t) = (members.len(), usize::from(threshold));
        if t == 0 || seats <= 2 * t || seats > MAX_SEATS {
            return Err(Failure::Program(
                "a threshold is at least one and less than half the members, of whom there are at most 63",
            ));
        }
        if members.iter().collect::<BTreeSet<_>>().len() != seats {
            return Err(Failure::Program("a member is named once"));
        }
        let few = scheme::count_sets(seats, t, MAX_SETS) <= MAX_SETS;
        if !few && adversary == Adversary::Malicious {
            return Err(Failure::Program("checks need random sharings, which so many parties cannot draw"));
        }
        let name = members.iter().fold(u64::from(threshold), |name, member| {
            (name ^ u64::from(*member)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17)
        });
        let capabilities = Capabilities {
            name: "shamir",
            parties: seats as u16..=seats as u16,
            adversary,
            guarantee: Guarantee::Abort,
            max_corrupt: MAX_CORRUPT[t],
            dropouts: if few { DROPOUTS[t] } else { |_| 0 },
            domains: if few { &[Domain::M61, Domain::P127, Domain::Bits] } else { &[Domain::M61, Domain::P127] },
        };
        Ok(Self {
            capabilities,
            members,
            threshold: t,
            sets: if few { scheme::sets(seats, t) } else { Vec::new() },
            setup: OpId(1 << 63 | (name & 0xffff_ffff) << 8),
            agreement: RefCell::new(Agreement::Unasked),
            schemes: RefCell::default(),
            ledger: RefCell::default(),
            cheaters: RefCell::default(),
            spoiled: Cell::new(false),
        })
    }

    /// Parties that were found to have sent wrong shares which could be corrected.
    pub fn cheaters(&self) -> Vec<u16> {
        self.cheaters.borrow().iter().map(|seat| self.members[*seat]).collect()
    }

    const fn seats(&self) -> usize {
        self.members.len()
    }

    /// This party's seat.
    fn seat(&self, io: &Io) -> Result<usize, Failure> {
        let seat = self.members.iter().position(|member| *member == io.index());
        if self.members.iter().any(|member| *member >= io.parties()) {
            return Err(Failure::Program("members are parties of the session"));
        }
        seat.ok_or(Failure::Program("this party is no member"))
    }

    /// Whether a seat's member is known to have sent a wrong share.
    fn is_cheater(&self, seat: usize) -> bool {
        self.cheaters.borrow().contains(&seat)
    }

    /// The other members.
    fn peers(&self, seat: usize) -> impl Iterator<Item = u16> + '_ {
        let own = self.members[seat];
        self.members.iter().copied().filter(move |member| *member != own)
    }

    fn is_malicious(&self) -> bool {
        self.capabilities.adversary == Adversary::Malicious
    }

    /// Whether members may vanish: then nothing depends on who is there.
    const fn is_tolerant(&self) -> bool {
        self.members.len() > 2 * self.threshold + 1 && !self.sets.is_empty()
    }

    fn scheme<L: Lane>(&self, io: &Io) -> Result<Rc<Scheme<L>>, Failure> {
        let known = self.schemes.borrow().get(&TypeId::of::<L>()).cloned();
        let scheme = match known {
            Some(scheme) => scheme,
            None => {
                let scheme: Rc<dyn std::any::Any> =
                    Rc::new(Scheme::<L>::new(self.seats(), self.threshold, self.seat(io)?, &self.sets));
                self.schemes.borrow_mut().insert(TypeId::of::<L>(), Rc::clone(&scheme));
                scheme
            }
        };
        Ok(scheme.downcast().expect("a scheme stands under its own type"))
    }

    const fn unsupported(&self, what: &'static str) -> Failure {
        Failure::Unsupported { protocol: "shamir", what }
    }
}

/// This party's shares of a column; wiped on drop.
pub(crate) struct Shares<L: Lane>(pub(crate) Vec<L>);

impl<L: Lane> Drop for Shares<L> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The share within a column. The ledger keeps columns alive by it.
pub(crate) type Held<L> = Rc<Shares<L>>;

/// A column of shares.
pub(crate) fn column<L: Lane>(len: usize, shares: Vec<L>) -> Column {
    debug_assert_eq!(shares.len(), lanes::<L>(len));
    Column::new(L::DOMAIN, len, Rc::new(Shares(shares)))
}

/// A column's shares.
pub(crate) fn held<L: Lane>(column: &Column) -> Result<&Held<L>, Failure> {
    column.share()
}

/// Calls a function generic over [`Valued`] lanes with those of a domain.
macro_rules! by_lane {
    ($self:expr, $domain:expr, $call:ident ( $($argument:expr),* )) => {
        match ($domain, $self.seats()) {
            (Domain::M61, _) => $self.$call::<M61>($($argument),*),
            (Domain::P127, _) => $self.$call::<P127>($($argument),*),
            (Domain::Bits, ..=3) => $self.$call::<[u64; 2]>($($argument),*),
            (Domain::Bits, ..=15) => $self.$call::<[u64; 4]>($($argument),*),
            (Domain::Bits, _) => $self.$call::<[u64; 8]>($($argument),*),
            _ => Err($self.unsupported("rings")),
        }
    };
}
pub(crate) use by_lane;

/// The same for functions that talk.
macro_rules! talk_by_lane {
    ($self:expr, $domain:expr, $call:ident ( $($argument:expr),* )) => {
        match ($domain, $self.seats()) {
            (Domain::M61, _) => Box::pin($self.$call::<M61>($($argument),*)),
            (Domain::P127, _) => Box::pin($self.$call::<P127>($($argument),*)),
            (Domain::Bits, ..=3) => Box::pin($self.$call::<[u64; 2]>($($argument),*)),
            (Domain::Bits, ..=15) => Box::pin($self.$call::<[u64; 4]>($($argument),*)),
            (Domain::Bits, _) => Box::pin($self.$call::<[u64; 8]>($($argument),*)),
            _ => Box::pin(std::future::ready(Err($self.unsupported("rings")))),
        }
    };
}
pub(crate) use talk_by_lane;

impl Backend for Shamir {
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
        talk_by_lane!(self, domain, share_input(io, owner, len, values))
    }

    fn public(&self, values: &Values) -> Result<Column, Failure> {
        by_lane!(self, values.domain(), share_public(values))
    }

    fn linear(&self, terms: &[(Scalar, &Column)], constant: Option<&Values>) -> Result<Column, Failure> {
        let (_, first) = terms.first().ok_or(Failure::Program("a linear combination has a term"))?;
        by_lane!(self, first.domain(), combination(terms, constant))
    }

    fn gather(&self, column: &Column, rows: &[u32]) -> Result<Column, Failure> {
        by_lane!(self, column.domain(), rows_of(column, rows))
    }

    fn concat(&self, columns: &[Column]) -> Result<Column, Failure> {
        let first = columns.first().ok_or(Failure::Program("at least one column"))?;
        by_lane!(self, first.domain(), chain(columns))
    }

    fn prefix_sum(&self, column: &Column) -> Result<Column, Failure> {
        self.no_bits(column.domain(), "prefix sums of bits")?;
        by_lane!(self, column.domain(), running_sum(column))
    }

    fn sum(&self, column: &Column, groups: usize) -> Result<Column, Failure> {
        self.no_bits(column.domain(), "sums of bits")?;
        by_lane!(self, column.domain(), group_sums(column, groups))
    }

    fn mul<'a>(&'a self, io: &'a mut Io, left: &'a Column, right: &'a Column) -> Fut<'a, Column> {
        talk_by_lane!(self, left.domain(), products(io, left, right))
    }

    fn dot<'a>(&'a self, io: &'a mut Io, left: &'a Column, right: &'a Column, groups: usize) -> Fut<'a, Column> {
        talk_by_lane!(self, left.domain(), inner_products(io, left, right, groups))
    }

    fn matmul<'a>(&'a self, io: &'a mut Io, left: &'a Column, right: &'a Column, shape: [usize; 3]) -> Fut<'a, Column> {
        talk_by_lane!(self, left.domain(), matrix_product(io, left, right, shape))
    }

    fn truncate<'a>(&'a self, io: &'a mut Io, column: &'a Column, bits: u32, mode: Truncation) -> Fut<'a, Column> {
        Box::pin(self.truncated(io, column, bits, mode))
    }

    fn to_bits<'a>(&'a self, io: &'a mut Io, column: &'a Column, count: u32) -> Fut<'a, Vec<Column>> {
        Box::pin(self.bits_of(io, column, count))
    }

    fn is_negative<'a>(&'a self, io: &'a mut Io, column: &'a Column) -> Fut<'a, Column> {
        Box::pin(self.sign_of(io, column))
    }

    fn from_bits<'a>(&'a self, io: &'a mut Io, bits: &'a [Column], domain: Domain) -> Fut<'a, Column> {
        Box::pin(self.number_of(io, bits, domain))
    }

    fn shuffle<'a>(&'a self, io: &'a mut Io, columns: &'a [Column]) -> Fut<'a, Vec<Column>> {
        Box::pin(self.shuffled(io, columns))
    }

    fn random<'a>(&'a self, io: &'a mut Io, domain: Domain, len: usize) -> Fut<'a, Column> {
        talk_by_lane!(self, domain, random_column(io, len))
    }

    fn check<'a>(&'a self, io: &'a mut Io) -> Fut<'a, ()> {
        Box::pin(self.verify(io))
    }

    fn open<'a>(&'a self, io: &'a mut Io, columns: Checked<'a>, to: Option<u16>) -> Fut<'a, Option<Vec<Values>>> {
        Box::pin(self.opened(io, columns, to))
    }

    fn hand_out<'a>(&'a self, io: &'a mut Io, columns: Checked<'a>) -> Fut<'a, Vec<u8>> {
        let share = self.seat(io).and_then(|seat| self.share_out(seat, columns.columns()));
        Box::pin(std::future::ready(share))
    }

    fn save(&self, column: &Column) -> Result<Vec<u8>, Failure> {
        by_lane!(self, column.domain(), bytes_of(column))
    }

    fn load(&self, domain: Domain, len: usize, bytes: &[u8]) -> Result<Column, Failure> {
        by_lane!(self, domain, load_column(len, bytes))
    }

    fn offers(&self, primitive: Primitive) -> bool {
        primitive != Primitive::Shuffle || !self.is_malicious()
    }

    fn cost(&self, primitive: Primitive, domain: Domain, len: usize) -> Cost {
        self.bill(primitive, domain, len).cost
    }

    fn cost_of_check(&self, done: &[(Primitive, Domain, usize)]) -> Cost {
        let mut pairs = [0; 3];
        for (primitive, domain, len) in done {
            let more = self.bill(*primitive, *domain, *len).pairs;
            pairs.iter_mut().zip(more).for_each(|(pairs, more)| *pairs += more);
        }
        self.checking(pairs)
    }

    fn cost_of_keys(&self, done: &[Primitive]) -> Cost {
        self.agreeing(done)
    }
}

impl Shamir {
    fn no_bits(&self, domain: Domain, what: &'static str) -> Result<(), Failure> {
        if domain == Domain::Bits { Err(self.unsupported(what)) } else { Ok(()) }
    }

    /// Deals an owner's values. Against malicious parties, that they are on polynomials of degree `t` is verified at once, and bits are noted to be
    /// verified as such.
    async fn share_input<L: Valued>(
        &self,
        io: &mut Io,
        owner: u16,
        len: usize,
        values: Option<&Values>,
    ) -> Result<Column, Failure> {
        let mine = if owner == io.index() { values } else { None };
        if mine.is_some_and(|values| values.len() != len) {
            return Err(Failure::Program("an owner gives as many values as stated"));
        }
        let mine = mine.map(L::read).transpose()?;
        self.share_lanes(io, owner, len, mine).await
    }

    /// Deals an owner's lanes.
    async fn share_lanes<L: Valued>(
        &self,
        io: &mut Io,
        owner: u16,
        len: usize,
        mine: Option<Vec<L>>,
    ) -> Result<Column, Failure> {
        let dealer = self.members.iter().position(|member| *member == owner);
        let dealer = dealer.ok_or(Failure::Program("an input's owner is a member"))?;
        let mine = mine.map(Shares);
        if self.is_tolerant() {
            // Members can vanish once the keys are there.
            self.keys(io).await?;
        }
        let op = io.op();
        let shares = self.deal(io, dealer, len, mine.as_ref().map(|mine| &*mine.0)).await?;
        self.verify_dealt(io, &shares).await?;
        let column = column::<L>(len, shares);
        if L::WIDTH > 1 {
            // A bit is its own square.
            let shares = held::<L>(&column)?;
            self.note_products(op, shares, shares, shares, ledger::Relation::Products);
        }
        Ok(column)
    }

    async fn products<L: Valued>(&self, io: &mut Io, left: &Column, right: &Column) -> Result<Column, Failure> {
        left.fits("mul", right)?;
        let shares = self.multiply(io, held::<L>(left)?, held::<L>(right)?).await?;
        Ok(Column::new(L::DOMAIN, left.len(), shares))
    }

    /// Products of vectors of shares, noted to be checked.
    pub(crate) async fn multiply<L: Lane>(
        &self,
        io: &mut Io,
        left: &Held<L>,
        right: &Held<L>,
    ) -> Result<Held<L>, Failure> {
        let op = io.op();
        let source = |at: usize, out: &mut [L]| {
            let (left, right) = (&left.0[at..at + out.len()], &right.0[at..at + out.len()]);
            out.iter_mut().zip(left.iter().zip(right)).for_each(|(out, (x, y))| *out = x.product(*y));
        };
        let products = Rc::new(Shares(self.reduce(io, left.0.len(), source).await?));
        self.note_products(op, left, right, &products, ledger::Relation::Products);
        Ok(products)
    }

    async fn inner_products<L: Valued>(
        &self,
        io: &mut Io,
        left: &Column,
        right: &Column,
        groups: usize,
    ) -> Result<Column, Failure> {
        left.fits("dot", right)?;
        self.no_bits(left.domain(), "inner products of bits")?;
        if groups == 0 || !left.len().is_multiple_of(groups) {
            return Err(Failure::Program("groups divide a column's length"));
        }
        let op = io.op();
        let (x, y, size) = (held::<L>(left)?, held::<L>(right)?, left.len() / groups);
        let source = |at: usize, out: &mut [L]| {
            for (group, out) in (at..).zip(out) {
                let range = group * size..(group + 1) * size;
                *out = L::dot(&x.0[range.clone()], &y.0[range]);
            }
        };
        let sums = Rc::new(Shares(self.reduce(io, groups, source).await?));
        self.note_products(op, x, y, &sums, ledger::Relation::Groups(size));
        Ok(Column::new(L::DOMAIN, groups, sums))
    }

    async fn matrix_product<L: Valued>(
        &self,
        io: &mut Io,
        left: &Column,
        right: &Column,
        shape: [usize; 3],
    ) -> Result<Column, Failure> {
        let [rows, inner, columns] = shape;
        let sizes = (rows.checked_mul(inner), inner.checked_mul(columns));
        if left.domain() != right.domain() || sizes != (Some(left.len()), Some(right.len())) {
            return Err(Failure::Program("matrices have the sizes their shape states"));
        }
        self.no_bits(left.domain(), "products of bit matrices")?;
        let op = io.op();
        let (x, y) = (held::<L>(left)?, held::<L>(right)?);
        // Columns of the right matrix lie together.
        let turned: Vec<L> = (0..columns)
            .flat_map(|column| (0..inner).map(move |row| (row, column)))
            .map(|(r, c)| y.0[r * columns + c])
            .collect();
        let turned = Shares(turned);
        let source = |at: usize, out: &mut [L]| {
            for (cell, out) in (at..).zip(out) {
                let (row, column) = (cell / columns, cell % columns);
                *out = L::dot(&x.0[row * inner..][..inner], &turned.0[column * inner..][..inner]);
            }
        };
        let cells = Rc::new(Shares(self.reduce(io, rows * columns, source).await?));
        self.note_products(op, x, y, &cells, ledger::Relation::Matrix(shape));
        Ok(Column::new(L::DOMAIN, rows * columns, cells))
    }

    async fn random_column<L: Valued>(&self, io: &mut Io, len: usize) -> Result<Column, Failure> {
        if !self.sets.is_empty() {
            return Ok(column(len, self.draw_column::<L>(io, len, true).await?));
        }
        // Without sets each of t + 1 parties deals what it draws.
        let mut sum = vec![L::NIL; lanes::<L>(len)];
        for dealer in 0..=self.threshold {
            let mine = (self.seat(io)? == dealer).then(|| {
                let op = io.op();
                let mut mine = vec![L::NIL; lanes::<L>(len)];
                sets::stream_tile(io.own(), op, 0, true, &mut mine);
                Shares(mine)
            });
            if mine.is_none() {
                io.op();
            }
            let dealt = self.deal(io, dealer, len, mine.as_ref().map(|mine| &*mine.0)).await?;
            sum.iter_mut().zip(&dealt).for_each(|(sum, dealt)| *sum = sum.sum(*dealt));
        }
        Ok(column(len, sum))
    }

    async fn opened<'a>(
        &'a self,
        io: &'a mut Io,
        columns: Checked<'a>,
        to: Option<u16>,
    ) -> Result<Option<Vec<Values>>, Failure> {
        if self.spoiled.get() {
            return Err(Failure::Program("nothing is opened after a check that failed"));
        }
        let seat = to.map(|to| self.members.iter().position(|member| *member == to));
        if seat == Some(None) {
            return Err(Failure::Program("a result's recipient is a member"));
        }
        let columns = columns.columns();
        let ops: Vec<_> = columns.iter().map(|_| io.op()).collect();
        let io = &*io;
        let open = |(column, op): (&'a Column, OpId)| -> Fut<'a, Option<Values>> {
            talk_by_lane!(self, column.domain(), open_column(io, op, column, seat.flatten()))
        };
        let opened = crate::engine::join_all(columns.iter().zip(ops).map(open).collect()).await?;
        Ok(opened.into_iter().collect())
    }

    async fn open_column<L: Valued>(
        &self,
        io: &Io,
        op: OpId,
        column: &Column,
        to: Option<usize>,
    ) -> Result<Option<Values>, Failure> {
        let lanes = self.reveal(io, op, &held::<L>(column)?.0, to, true).await?;
        Ok(lanes.map(|lanes| L::write(lanes, column.len())))
    }
}

/// As many as small fields have points.
const MAX_SEATS: usize = 63;

/// Capabilities are functions of the number of parties alone; the threshold is in their choice.
macro_rules! by_threshold {
    ($($t:literal)*) => {
        const MAX_CORRUPT: [fn(u16) -> u16; 32] = [$(|_| $t),*];
        const DROPOUTS: [fn(u16) -> u16; 32] = [$(|parties| parties.saturating_sub(2 * $t + 1)),*];
    };
}
by_threshold!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
