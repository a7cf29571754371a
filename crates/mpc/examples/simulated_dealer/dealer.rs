//! Additive shares of two parties, with products by dealt triples (Beaver 1991).
//!
//! Parties 0 and 1 hold `x = x₀ + x₁` modulo 2^64, or bits `x₀ ⊕ x₁`; party 2 is the dealer, which is trusted and holds nothing (its share of
//! every column is zero). Truncation, matrix products and shuffles are left out: what needs them fails, or finds another way.

use mpc::domain::{Bits, Domain, Values, gather_word};
use mpc::engine::{
    Adversary, Backend, Capabilities, Checked, Column, Cost, Failure, Fut, Guarantee, Io, Primitive, Scalar, Truncation,
};

/// The back end, at one party.
pub(crate) struct Dealer {
    party: u16,
    capabilities: Capabilities,
}

/// Who deals.
const DEALER: u16 = 2;

impl Dealer {
    pub(crate) fn new(party: u16) -> Self {
        Self {
            party,
            capabilities: Capabilities {
                name: "simulated dealer",
                parties: 3..=3,
                adversary: Adversary::SemiHonest,
                guarantee: Guarantee::Abort,
                max_corrupt: |_| 0,
                dropouts: |_| 0,
                domains: &[Domain::Ring64, Domain::Bits],
            },
        }
    }
}

/// A share's words: one for each value of the ring, or 64 bits each.
struct Share(Vec<u64>);

/// How words add and multiply: as numbers or as bits.
#[derive(Clone, Copy)]
enum Arithmetic {
    Numbers,
    Bits,
}

impl Arithmetic {
    const fn of(domain: Domain) -> Self {
        if matches!(domain, Domain::Bits) { Self::Bits } else { Self::Numbers }
    }

    fn add(self, left: &mut [u64], right: &[u64]) {
        left.iter_mut().zip(right).for_each(|(x, y)| match self {
            Self::Numbers => *x = x.wrapping_add(*y),
            Self::Bits => *x ^= y,
        });
    }

    fn sub(self, left: &mut [u64], right: &[u64]) {
        left.iter_mut().zip(right).for_each(|(x, y)| match self {
            Self::Numbers => *x = x.wrapping_sub(*y),
            Self::Bits => *x ^= y,
        });
    }

    fn mul(self, left: &[u64], right: &[u64]) -> Vec<u64> {
        let product = |(x, y): (&u64, &u64)| match self {
            Self::Numbers => x.wrapping_mul(*y),
            Self::Bits => x & y,
        };
        left.iter().zip(right).map(product).collect()
    }
}

fn column(domain: Domain, len: usize, words: Vec<u64>) -> Column {
    Column::new(domain, len, Share(words))
}

fn words(column: &Column) -> Result<&[u64], Failure> {
    Ok(&column.share::<Share>()?.0)
}

const fn unsupported(what: &'static str) -> Failure {
    Failure::Unsupported { protocol: "simulated dealer", what }
}

/// The words of values in the clear.
fn plain(values: &Values) -> Result<&[u64], Failure> {
    match (values.elements::<u64>(), values.bits()) {
        (Some(numbers), _) => Ok(numbers),
        (_, Some(bits)) => Ok(bits.words()),
        _ => Err(unsupported("this domain")),
    }
}

/// Products of shared words: the dealer's triple `c = a b` masks both factors, which are opened.
async fn multiply(io: &mut Io, arithmetic: Arithmetic, left: &[u64], right: &[u64]) -> Result<Vec<u64>, Failure> {
    let ops = [io.op(), io.op(), io.op()];
    let (opening, len) = (io.op(), left.len());
    if io.index() == DEALER {
        let whole = |at: usize| {
            let mut sum: Vec<u64> = io.pair(0).vector(ops[at], len);
            arithmetic.add(&mut sum, &io.pair(1).vector(ops[at], len));
            sum
        };
        let mut product = arithmetic.mul(&whole(0), &whole(1));
        arithmetic.sub(&mut product, &io.pair(0).vector(ops[2], len));
        io.send_elements(ops[2], 1, &product);
        return Ok(vec![0; len]);
    }
    let peer = 1 - io.index();
    let (a, b) = (io.pair(DEALER).vector(ops[0], len), io.pair(DEALER).vector(ops[1], len));
    let (mut d, mut e) = (left.to_vec(), right.to_vec());
    arithmetic.sub(&mut d, &a);
    arithmetic.sub(&mut e, &b);
    io.send_elements(opening, peer, &d);
    io.send_elements(opening, peer, &e);
    let mut product = vec![0; len];
    if io.index() == 0 {
        product = io.pair(DEALER).vector(ops[2], len);
    } else {
        io.receive_elements(ops[2], DEALER, &mut product).await?;
    }
    let (mut theirs, mut other) = (vec![0; len], vec![0; len]);
    io.receive_elements(opening, peer, &mut theirs).await?;
    io.receive_elements(opening, peer, &mut other).await?;
    arithmetic.add(&mut d, &theirs);
    arithmetic.add(&mut e, &other);
    // x y = c + d b + e a + d e
    arithmetic.add(&mut product, &arithmetic.mul(&d, &b));
    arithmetic.add(&mut product, &arithmetic.mul(&e, &a));
    if io.index() == 0 {
        arithmetic.add(&mut product, &arithmetic.mul(&d, &e));
    }
    Ok(product)
}

impl Dealer {
    /// The lowest bits of the sum of the two parties' shares: a prefix adder (Sklansky 1960).
    async fn decompose(&self, io: &mut Io, from: &Column, count: u32) -> Result<Vec<Column>, Failure> {
        if from.domain() != Domain::Ring64 || !(1..=64).contains(&count) {
            return Err(unsupported("bits of this domain, or so many"));
        }
        let (len, count) = (from.len(), count as usize);
        let shares = words(from)?;
        let size = len.div_ceil(64);
        let bits = |place: usize| shares.iter().map(|share| share >> place & 1 == 1).collect::<Bits>();
        let planes: Vec<u64> = (0..count).flat_map(|place| bits(place).words().to_vec()).collect();
        // Each addend is known to one party: the other's share of it is zero.
        let addend = |party: u16| if io.index() == party { planes.clone() } else { vec![0; planes.len()] };
        let (left, right) = (addend(0), addend(1));
        let mut generate = multiply(io, Arithmetic::Bits, &left, &right).await?;
        let mut either = left;
        Arithmetic::Bits.add(&mut either, &right);
        let (mut propagate, mut span) = (either.clone(), 1);
        while span < count {
            let targets: Vec<usize> = (0..count).filter(|place| place / span % 2 == 1).collect();
            let pick = |from: &[u64], below: bool| -> Vec<u64> {
                let place = |place: usize| if below { place / span * span - 1 } else { place };
                targets.iter().flat_map(|at| from[place(*at) * size..(place(*at) + 1) * size].to_vec()).collect()
            };
            let above = pick(&propagate, false);
            let left = [above.as_slice(), &above].concat();
            let right = [pick(&generate, true), pick(&propagate, true)].concat();
            let found = multiply(io, Arithmetic::Bits, &left, &right).await?;
            let (carried, passed) = found.split_at(above.len());
            for (at, place) in targets.iter().enumerate() {
                let (here, there) = (place * size..(place + 1) * size, at * size..(at + 1) * size);
                Arithmetic::Bits.add(&mut generate[here.clone()], &carried[there.clone()]);
                propagate[here].copy_from_slice(&passed[there]);
            }
            span *= 2;
        }
        // A place's sum is its own bits' and the carry's out of the place below.
        let sums = (0..count).map(|place| {
            let mut sum = either[place * size..(place + 1) * size].to_vec();
            if place > 0 {
                Arithmetic::Bits.add(&mut sum, &generate[(place - 1) * size..place * size]);
            }
            column(Domain::Bits, len, sum)
        });
        Ok(sums.collect())
    }

    /// `Σ 2^j bit_j`: of a shared bit, `b₀ + b₁ − 2 b₀ b₁`.
    async fn compose(&self, io: &mut Io, bits: &[Column], domain: Domain) -> Result<Column, Failure> {
        if domain != Domain::Ring64 {
            return Err(unsupported("this domain"));
        }
        let len = bits.first().map_or(0, Column::len);
        let mut shares = Vec::with_capacity(bits.len() * len);
        for column in bits {
            let words = words(column)?;
            shares.extend((0..len).map(|row| words[row / 64] >> (row % 64) & 1));
        }
        let addend = |party: u16| if io.index() == party { shares.clone() } else { vec![0; shares.len()] };
        let both = multiply(io, Arithmetic::Numbers, &addend(0), &addend(1)).await?;
        let mut sum = vec![0u64; len];
        for (at, (share, both)) in shares.iter().zip(&both).enumerate() {
            let own = if io.index() == DEALER { 0 } else { *share };
            let bit = own.wrapping_sub(both.wrapping_mul(2));
            sum[at % len] = sum[at % len].wrapping_add(bit << (at / len));
        }
        Ok(column(domain, len, sum))
    }
}

impl Backend for Dealer {
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
        Box::pin(async move {
            let (op, arithmetic) = (io.op(), Arithmetic::of(domain));
            let count = if domain == Domain::Bits { len.div_ceil(64) } else { len };
            // Party 0's share is the pair's stream with the owner, or the owner's own; the rest goes to party 1.
            let share = match (io.index(), owner) {
                (DEALER, owner) if owner != DEALER => vec![0; count],
                (index, owner) if index == owner => {
                    let mut rest = plain(values.ok_or(Failure::Program("an owner has values"))?)?.to_vec();
                    let hidden: Vec<u64> = match owner {
                        0 => io.own().vector(op, count),
                        _ => io.pair(0).vector(op, count),
                    };
                    arithmetic.sub(&mut rest, &hidden);
                    if owner != 1 {
                        io.send_elements(op, 1, &rest);
                    }
                    match owner {
                        0 => hidden,
                        1 => rest,
                        _ => vec![0; count],
                    }
                }
                (0, owner) => io.pair(owner).vector(op, count),
                (_, owner) => {
                    let mut share = vec![0; count];
                    io.receive_elements(op, owner, &mut share).await?;
                    share
                }
            };
            Ok(column(domain, len, share))
        })
    }

    /// What everybody knows is party 0's share.
    fn public(&self, values: &Values) -> Result<Column, Failure> {
        let words = plain(values)?;
        let share = if self.party == 0 { words.to_vec() } else { vec![0; words.len()] };
        Ok(column(values.domain(), values.len(), share))
    }

    fn linear(&self, terms: &[(Scalar, &Column)], constant: Option<&Values>) -> Result<Column, Failure> {
        let (_, first) = terms.first().ok_or(Failure::Program("a linear combination has a term"))?;
        let arithmetic = Arithmetic::of(first.domain());
        let mut sum = vec![0; words(first)?.len()];
        for (factor, term) in terms {
            first.fits("linear", term)?;
            let factor = match arithmetic {
                Arithmetic::Numbers => *factor as u64,
                Arithmetic::Bits => (*factor as u64 & 1).wrapping_neg(),
            };
            let factors = vec![factor; sum.len()];
            arithmetic.add(&mut sum, &arithmetic.mul(&factors, words(term)?));
        }
        if let Some(constant) = constant {
            let constant = self.public(constant)?;
            first.fits("linear", &constant)?;
            arithmetic.add(&mut sum, words(&constant)?);
        }
        Ok(column(first.domain(), first.len(), sum))
    }

    fn gather(&self, from: &Column, rows: &[u32]) -> Result<Column, Failure> {
        if rows.iter().any(|row| *row as usize >= from.len()) {
            return Err(Failure::Program("a row past the end"));
        }
        let share = words(from)?;
        let picked = match from.domain() {
            Domain::Bits => rows.chunks(64).map(|rows| gather_word(share, rows)).collect(),
            _ => rows.iter().map(|row| share[*row as usize]).collect(),
        };
        Ok(column(from.domain(), rows.len(), picked))
    }

    fn concat(&self, columns: &[Column]) -> Result<Column, Failure> {
        let first = columns.first().ok_or(Failure::Program("at least one column"))?;
        if columns.iter().any(|column| column.domain() != first.domain()) {
            return Err(Failure::Program("columns of one domain"));
        }
        let len = columns.iter().map(Column::len).sum();
        let shares = columns.iter().map(words).collect::<Result<Vec<_>, _>>()?;
        if first.domain() != Domain::Bits {
            return Ok(column(first.domain(), len, shares.concat()));
        }
        let bits = columns.iter().zip(shares);
        let bits: Bits =
            bits.flat_map(|(column, share)| (0..column.len()).map(|at| share[at / 64] >> (at % 64) & 1 == 1)).collect();
        Ok(column(Domain::Bits, len, bits.words().to_vec()))
    }

    fn prefix_sum(&self, from: &Column) -> Result<Column, Failure> {
        if from.domain() != Domain::Ring64 {
            return Err(unsupported("prefix sums of bits"));
        }
        let mut sum = 0u64;
        let add = |value: &u64| {
            sum = sum.wrapping_add(*value);
            sum
        };
        Ok(column(from.domain(), from.len(), words(from)?.iter().map(add).collect()))
    }

    fn sum(&self, from: &Column, groups: usize) -> Result<Column, Failure> {
        if from.domain() != Domain::Ring64 {
            return Err(unsupported("sums of bits"));
        }
        if groups == 0 || !from.len().is_multiple_of(groups) {
            return Err(Failure::Program("groups divide a column's length"));
        }
        let (share, rows) = (words(from)?, from.len() / groups);
        let sum =
            |group: usize| share[group * rows..(group + 1) * rows].iter().fold(0, |sum: u64, x| sum.wrapping_add(*x));
        Ok(column(from.domain(), groups, (0..groups).map(sum).collect()))
    }

    fn mul<'a>(&'a self, io: &'a mut Io, left: &'a Column, right: &'a Column) -> Fut<'a, Column> {
        Box::pin(async move {
            left.fits("mul", right)?;
            let product = multiply(io, Arithmetic::of(left.domain()), words(left)?, words(right)?).await?;
            Ok(column(left.domain(), left.len(), product))
        })
    }

    fn dot<'a>(&'a self, io: &'a mut Io, left: &'a Column, right: &'a Column, groups: usize) -> Fut<'a, Column> {
        Box::pin(async move {
            let products = self.mul(io, left, right).await?;
            self.sum(&products, groups)
        })
    }

    fn matmul<'a>(&'a self, _: &'a mut Io, _: &'a Column, _: &'a Column, _: [usize; 3]) -> Fut<'a, Column> {
        lacks("matrix products")
    }

    fn truncate<'a>(&'a self, _: &'a mut Io, _: &'a Column, _: u32, _: Truncation) -> Fut<'a, Column> {
        lacks("truncation")
    }

    fn to_bits<'a>(&'a self, io: &'a mut Io, from: &'a Column, count: u32) -> Fut<'a, Vec<Column>> {
        Box::pin(self.decompose(io, from, count))
    }

    fn is_negative<'a>(&'a self, io: &'a mut Io, from: &'a Column) -> Fut<'a, Column> {
        Box::pin(async move {
            let mut bits = self.decompose(io, from, 64).await?;
            bits.pop().ok_or(Failure::Program("64 bits"))
        })
    }

    fn from_bits<'a>(&'a self, io: &'a mut Io, bits: &'a [Column], domain: Domain) -> Fut<'a, Column> {
        Box::pin(self.compose(io, bits, domain))
    }

    fn shuffle<'a>(&'a self, _: &'a mut Io, _: &'a [Column]) -> Fut<'a, Vec<Column>> {
        lacks("a shuffle")
    }

    fn random<'a>(&'a self, io: &'a mut Io, domain: Domain, len: usize) -> Fut<'a, Column> {
        Box::pin(async move {
            let (op, count) = (io.op(), if domain == Domain::Bits { len.div_ceil(64) } else { len });
            let share = if self.party == DEALER { vec![0; count] } else { io.own().vector(op, count) };
            Ok(column(domain, len, share))
        })
    }

    fn check<'a>(&'a self, _: &'a mut Io) -> Fut<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Parties 0 and 1 send their shares to whoever is to see the values.
    fn open<'a>(&'a self, io: &'a mut Io, columns: Checked<'a>, to: Option<u16>) -> Fut<'a, Option<Vec<Values>>> {
        Box::pin(async move {
            let ops: Vec<_> = columns.columns().iter().map(|_| io.op()).collect();
            let sees = |party: u16| to.is_none_or(|to| to == party);
            if self.party != DEALER {
                for (op, column) in ops.iter().zip(columns.columns()) {
                    for peer in io.peers().filter(|peer| sees(*peer)) {
                        io.send_elements(*op, peer, words(column)?);
                    }
                }
            }
            if !sees(self.party) {
                return Ok(None);
            }
            let mut opened = Vec::new();
            for (op, column) in ops.iter().zip(columns.columns()) {
                let mut sum = words(column)?.to_vec();
                let mut share = vec![0; sum.len()];
                for peer in io.peers().filter(|peer| *peer != DEALER) {
                    io.receive_elements(*op, peer, &mut share).await?;
                    Arithmetic::of(column.domain()).add(&mut sum, &share);
                }
                opened.push(match column.domain() {
                    Domain::Bits => Values::Bits(Bits::from_words(column.len(), sum)),
                    _ => Values::Ring64(sum),
                });
            }
            Ok(Some(opened))
        })
    }

    /// Payload of all three parties.
    fn cost(&self, primitive: Primitive, domain: Domain, len: usize) -> Cost {
        let size = domain.bytes(len) as u64;
        let plane = Domain::Bits.bytes(len) as u64;
        // Two factors each way, and the dealer's part.
        let product = 5;
        let (bytes, rounds) = match primitive {
            Primitive::Input => (size, 1),
            Primitive::Mul | Primitive::Dot(_) => (product * size, 1),
            Primitive::ToBits(count) => sum_cost(count, plane * product),
            Primitive::IsNegative => sum_cost(64, plane * product),
            Primitive::FromBits(count) => (product * size * u64::from(count), 1),
            Primitive::Open => (4 * size, 1),
            Primitive::OpenTo => (2 * size, 1),
            _ => (0, 0),
        };
        Cost { bytes, rounds }
    }
}

/// A prefix adder's cost.
fn sum_cost(count: u32, product: u64) -> (u64, u32) {
    let levels = count.next_power_of_two().ilog2();
    (product * u64::from(count + count * levels), 1 + levels)
}

fn lacks<'a, T: 'a>(what: &'static str) -> Fut<'a, T> {
    Box::pin(std::future::ready(Err(unsupported(what))))
}
