//! What operations cost, in bytes that all parties send together and in messages in sequence.

use crate::domain::Domain;
use crate::engine::{Cost, Primitive};

use super::Shamir;
use super::convert::ROWS;
use super::verify::{FOLD, levels};

/// Bytes of an element of a field of challenges.
const WIDE: usize = 16;
/// Bytes of a digest of what was opened.
const DIGEST: usize = 32;

/// What an operation costs, and what it leaves to be checked.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bill {
    pub(crate) cost: Cost,
    /// Pairs in the inner product of a check: in the small prime field, in the large one, of bits.
    pub(crate) pairs: [usize; 3],
}

impl Shamir {
    /// What the sets' keys cost, where anything needs them: inputs where members may vanish, and at most what is not linear.
    pub(super) fn agreeing(&self, done: &[Primitive]) -> Cost {
        let asks = |primitive: &Primitive| {
            !matches!(primitive, Primitive::Input | Primitive::Open | Primitive::OpenTo | Primitive::HandOut)
        };
        let anything = |primitive: &Primitive| self.is_tolerant() || asks(primitive);
        // Sets of two have their pair's stream.
        let others = self.seats() - self.threshold - 1;
        if others == 1 || !done.iter().any(anything) {
            return Cost::default();
        }
        let (keys, pairs) = (16 * self.sets.len() * others, self.seats() * (self.seats() - 1));
        match self.is_malicious() {
            true => Cost { bytes: (keys + 32 * pairs) as u64, rounds: 2 },
            false => Cost { bytes: keys as u64, rounds: u32::from(keys > 0) },
        }
    }

    pub(crate) fn bill(&self, primitive: Primitive, domain: Domain, len: usize) -> Bill {
        let (n, t) = (self.seats(), self.threshold);
        let bytes = self.bytes(domain, len);
        match primitive {
            Primitive::Input => {
                let dealt = plus(one((n - 1 - t) * bytes), self.checked_dealing(bytes));
                // A bit is its own square.
                plus(dealt, noted(domain, if domain == Domain::Bits { len.next_multiple_of(64) } else { 0 }))
            }
            Primitive::Mul => self.each(domain, len),
            Primitive::Dot(groups) => self.sums(domain, groups, len),
            Primitive::Matmul([rows, inner, columns]) => self.sums(domain, rows * columns, inner),
            Primitive::Truncate(bits, _) => self.truncation(domain, len, bits as usize),
            Primitive::ToBits(count) => {
                self.in_batches(len, |rows| self.decomposition(domain, rows, Some(count as usize)))
            }
            Primitive::IsNegative => self.in_batches(len, |rows| self.decomposition(domain, rows, None)),
            Primitive::FromBits(count) => self.composition(domain, len, count as usize),
            Primitive::Shuffle => times(one((t + 1) * (n - 1 - t) * bytes), self.sets.len()),
            Primitive::Random if self.sets.is_empty() => times(one((n - 1 - t) * bytes), t + 1),
            Primitive::Random | Primitive::HandOut => Bill::default(),
            Primitive::Open => self.opening(bytes),
            Primitive::OpenTo => one(self.senders() * bytes),
        }
    }

    /// The check of so many pairs.
    pub(crate) fn checking(&self, pairs: [usize; 3]) -> Cost {
        let one = |pairs: usize| {
            if !self.is_malicious() || pairs == 0 {
                return Bill::default();
            }
            let step = plus(self.reduction((2 * FOLD - 2) * WIDE), self.coin_cost());
            let last = plus(plus(self.reduction((2 * FOLD + 1) * WIDE), self.coin_cost()), self.opening(3 * WIDE));
            plus(self.coin_cost(), plus(times(step, levels(pairs) as usize), last))
        };
        pairs.into_iter().map(one).fold(Bill::default(), plus).cost
    }

    /// Bytes of a share.
    fn bytes(&self, domain: Domain, len: usize) -> usize {
        match domain {
            Domain::Bits => {
                len.div_ceil(64)
                    * 8
                    * if self.seats() <= 3 {
                        2
                    } else if self.seats() <= 15 {
                        4
                    } else {
                        8
                    }
            }
            _ => domain.bytes(len),
        }
    }

    /// Products, element by element.
    fn each(&self, domain: Domain, len: usize) -> Bill {
        let pairs = if domain == Domain::Bits { len.next_multiple_of(64) } else { len };
        plus(self.reduction(self.bytes(domain, len)), noted(domain, pairs))
    }

    /// So many sums of products, which become so many pairs.
    fn sums(&self, domain: Domain, sums: usize, pairs: usize) -> Bill {
        let noted = if sums > 0 { noted(domain, pairs.max(1)) } else { Bill::default() };
        plus(self.reduction(self.bytes(domain, sums)), noted)
    }

    fn reduction(&self, bytes: usize) -> Bill {
        let (n, t) = (self.seats(), self.threshold);
        if !self.is_tolerant() {
            return one((2 * t + 1) * (n - 1 - t) * bytes);
        }
        let compared = one(if self.is_malicious() && bytes > 0 { n * (n - 1) * DIGEST } else { 0 });
        plus(one(n * (n - 1) * bytes), compared)
    }

    /// The check of a dealing's degree.
    fn checked_dealing(&self, bytes: usize) -> Bill {
        if self.is_malicious() && self.is_tolerant() && bytes > 0 {
            plus(self.coin_cost(), self.opening(WIDE))
        } else {
            Bill::default()
        }
    }

    /// All wait for each other, then open a random value.
    fn coin_cost(&self) -> Bill {
        plus(one(self.seats() * (self.seats() - 1)), self.opening(WIDE))
    }

    fn opening(&self, bytes: usize) -> Bill {
        one(self.seats() * self.senders() * bytes)
    }

    fn in_batches(&self, len: usize, bill: impl Fn(usize) -> Bill) -> Bill {
        let full = times(bill(ROWS), len / ROWS);
        if len.is_multiple_of(ROWS) { full } else { plus(full, bill(len % ROWS)) }
    }

    /// Masked opening, carry-save additions, then the carries: of the top bit alone, or of all.
    fn decomposition(&self, domain: Domain, rows: usize, count: Option<usize>) -> Bill {
        let width = domain.width() as usize;
        let both = |positions: usize| self.each(Domain::Bits, positions * rows.next_multiple_of(64));
        let mut bill = self.opening(domain.bytes(rows));
        let mut numbers = self.sets.len() + 1;
        while numbers > 2 {
            bill = plus(bill, both(numbers / 3 * width));
            numbers -= numbers / 3;
        }
        bill = plus(bill, both(width));
        let Some(count) = count else {
            let mut stretches = width - 1;
            while stretches > 1 {
                bill = plus(bill, both(stretches / 2 * 2));
                stretches -= stretches / 2;
            }
            return plus(bill, both(1));
        };
        let mut block = 1;
        while block < width {
            bill = plus(bill, both(2 * (0..width).filter(|place| place & block != 0).count()));
            block *= 2;
        }
        if count > 1 { plus(bill, both(count - 1)) } else { bill }
    }

    fn composition(&self, domain: Domain, rows: usize, count: usize) -> Bill {
        let group = (ROWS / rows.max(1)).max(1);
        let part = |columns: usize| {
            let lanes = columns * rows.div_ceil(64);
            let mut products = Bill::default();
            let mut factors = self.sets.len();
            while factors > 1 {
                products = plus(products, self.each(domain, factors / 2 * lanes * 64));
                factors -= factors / 2;
            }
            let opening = self.opening(self.bytes(Domain::Bits, lanes * 64));
            // Side by side.
            let rounds = opening.cost.rounds.max(products.cost.rounds);
            let both = plus(opening, products);
            Bill { cost: Cost { rounds, ..both.cost }, ..both }
        };
        if rows == 0 {
            return Bill::default();
        }
        let full = times(part(group), count / group);
        if count.is_multiple_of(group) { full } else { plus(full, part(count % group)) }
    }

    fn truncation(&self, domain: Domain, len: usize, bits: usize) -> Bill {
        let offset = domain.width() as usize - 2;
        if bits == 0 {
            return Bill::default();
        }
        let split = |end: usize, count: usize| {
            let low = self.in_batches(len, |rows| self.decomposition(domain, rows, Some(end)));
            plus(low, self.composition(domain, len, count))
        };
        if bits >= offset {
            let sign = self.in_batches(len, |rows| self.decomposition(domain, rows, None));
            plus(sign, self.composition(domain, len, 1))
        } else if bits <= offset / 2 {
            split(bits, bits)
        } else {
            split(offset + 1, offset + 1 - bits)
        }
    }
}

/// Nothing sent; so many pairs to be checked.
const fn noted(domain: Domain, pairs: usize) -> Bill {
    let cost = Cost { bytes: 0, rounds: 0 };
    match domain {
        Domain::M61 => Bill { cost, pairs: [pairs, 0, 0] },
        Domain::P127 => Bill { cost, pairs: [0, pairs, 0] },
        _ => Bill { cost, pairs: [0, 0, pairs] },
    }
}

const fn one(bytes: usize) -> Bill {
    Bill { cost: Cost { bytes: bytes as u64, rounds: (bytes > 0) as u32 }, pairs: [0; 3] }
}

fn plus(left: Bill, right: Bill) -> Bill {
    let (x, y) = (left.cost, right.cost);
    Bill {
        cost: Cost { bytes: x.bytes + y.bytes, rounds: x.rounds + y.rounds },
        pairs: std::array::from_fn(|place| left.pairs[place] + right.pairs[place]),
    }
}

fn times(bill: Bill, count: usize) -> Bill {
    Bill {
        cost: Cost { bytes: bill.cost.bytes * count as u64, rounds: bill.cost.rounds * count as u32 },
        pairs: bill.pairs.map(|pairs| pairs * count),
    }
}
