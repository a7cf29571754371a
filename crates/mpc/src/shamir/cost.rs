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

impl Shamir {
    pub(crate) fn stated_cost(&self, primitive: Primitive, domain: Domain, len: usize) -> Cost {
        let (n, t) = (self.seats(), self.threshold);
        let bytes = self.bytes(domain, len);
        match primitive {
            Primitive::Input => plus(one((n - 1 - t) * bytes), self.checked_dealing(bytes)),
            Primitive::Mul => self.reduction(bytes),
            Primitive::Dot(groups) => self.reduction(self.bytes(domain, groups)),
            Primitive::Matmul([rows, _, columns]) => self.reduction(self.bytes(domain, rows * columns)),
            Primitive::Truncate(bits, _) => self.truncation(domain, len, bits as usize),
            Primitive::ToBits(count) => {
                self.in_batches(len, |rows| self.decomposition(domain, rows, Some(count as usize)))
            }
            Primitive::IsNegative => self.in_batches(len, |rows| self.decomposition(domain, rows, None)),
            Primitive::FromBits(count) => self.composition(domain, len, count as usize),
            Primitive::Shuffle => times(one((t + 1) * (n - 1 - t) * bytes), self.sets.len()),
            Primitive::Random if self.sets.is_empty() => times(one((n - 1 - t) * bytes), t + 1),
            Primitive::Random => Cost::default(),
            Primitive::Check(products) => self.checking(products),
            Primitive::Open => self.opening(bytes),
            Primitive::OpenTo => one(self.senders() * bytes),
        }
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

    fn reduction(&self, bytes: usize) -> Cost {
        let (n, t) = (self.seats(), self.threshold);
        if !self.is_tolerant() {
            return one((2 * t + 1) * (n - 1 - t) * bytes);
        }
        let compared = one(if self.is_malicious() && bytes > 0 { n * (n - 1) * DIGEST } else { 0 });
        plus(one(n * (n - 1) * bytes), compared)
    }

    /// The check of a dealing's degree.
    fn checked_dealing(&self, bytes: usize) -> Cost {
        if self.is_malicious() && self.is_tolerant() && bytes > 0 {
            plus(self.coin_cost(), self.opening(WIDE))
        } else {
            Cost::default()
        }
    }

    /// All wait for each other, then open a random value.
    fn coin_cost(&self) -> Cost {
        plus(one(self.seats() * (self.seats() - 1)), self.opening(WIDE))
    }

    fn opening(&self, bytes: usize) -> Cost {
        one(self.seats() * self.senders() * bytes)
    }

    fn in_batches(&self, len: usize, cost: impl Fn(usize) -> Cost) -> Cost {
        let full = times(cost(ROWS), len / ROWS);
        if len % ROWS == 0 { full } else { plus(full, cost(len % ROWS)) }
    }

    /// Masked opening, carry-save additions, then the carries: of the top bit alone, or of all.
    fn decomposition(&self, domain: Domain, rows: usize, count: Option<usize>) -> Cost {
        let width = domain.width() as usize;
        let both = |positions: usize| self.reduction(positions * self.bytes(Domain::Bits, rows));
        let mut cost = self.opening(domain.bytes(rows));
        let mut numbers = self.sets.len() + 1;
        while numbers > 2 {
            cost = plus(cost, both(numbers / 3 * width));
            numbers -= numbers / 3;
        }
        cost = plus(cost, both(width));
        let Some(count) = count else {
            let mut stretches = width - 1;
            while stretches > 1 {
                cost = plus(cost, both(stretches / 2 * 2));
                stretches -= stretches / 2;
            }
            return plus(cost, both(1));
        };
        let mut block = 1;
        while block < width {
            cost = plus(cost, both(2 * (0..width).filter(|place| place & block != 0).count()));
            block *= 2;
        }
        if count > 1 { plus(cost, both(count - 1)) } else { cost }
    }

    fn composition(&self, domain: Domain, rows: usize, count: usize) -> Cost {
        let group = (ROWS / rows.max(1)).max(1);
        let part = |columns: usize| {
            let lanes = columns * rows.div_ceil(64);
            let mut products = Cost::default();
            let mut factors = self.sets.len();
            while factors > 1 {
                products = plus(products, self.reduction(factors / 2 * domain.bytes(lanes * 64)));
                factors -= factors / 2;
            }
            let opening = self.opening(self.bytes(Domain::Bits, lanes * 64));
            Cost { bytes: opening.bytes + products.bytes, rounds: opening.rounds.max(products.rounds) }
        };
        if rows == 0 {
            return Cost::default();
        }
        let full = times(part(group), count / group);
        if count % group == 0 { full } else { plus(full, part(count % group)) }
    }

    fn truncation(&self, domain: Domain, len: usize, bits: usize) -> Cost {
        let offset = domain.width() as usize - 2;
        if bits == 0 {
            return Cost::default();
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

    fn checking(&self, products: usize) -> Cost {
        if !self.is_malicious() || products == 0 {
            return Cost::default();
        }
        let step = plus(self.reduction((2 * FOLD - 2) * WIDE), self.coin_cost());
        let last = plus(plus(self.reduction((2 * FOLD + 1) * WIDE), self.coin_cost()), self.opening(3 * WIDE));
        plus(self.coin_cost(), plus(times(step, levels(products) as usize), last))
    }
}

const fn one(bytes: usize) -> Cost {
    Cost { bytes: bytes as u64, rounds: (bytes > 0) as u32 }
}

const fn plus(left: Cost, right: Cost) -> Cost {
    Cost { bytes: left.bytes + right.bytes, rounds: left.rounds + right.rounds }
}

const fn times(cost: Cost, count: usize) -> Cost {
    Cost { bytes: cost.bytes * count as u64, rounds: cost.rounds * count as u32 }
}
