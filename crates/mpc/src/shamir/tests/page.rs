//! What docs/spec/mpc/shamir.md states of costs is what [`Backend::cost`] states; the tests of [`super::costs`] hold that against what is sent.

use super::*;
use crate::engine::{Cost, Primitive};

/// The table of its section on cost, for `n` members and `b` bytes of a share: input, product, open to all, open to one, coin, product of 9 elements of
/// challenges, of 6, opening of one.
struct Page {
    n: u64,
    t: u64,
    malicious: bool,
}

impl Page {
    fn spare(&self) -> bool {
        self.n > 2 * self.t + 1
    }

    fn input(&self, b: u64) -> Cost {
        let (n, t) = (self.n, self.t);
        let more = self.malicious && self.spare();
        cost((n - 1 - t) * b + if more { n * (n - 1) * (1 + 2 * W) } else { 0 }, if more { 4 } else { 1 })
    }

    /// `P(b)`.
    fn product(&self, b: u64) -> Cost {
        let (n, t) = (self.n, self.t);
        match (self.spare(), self.malicious) {
            (false, _) => cost(n * t * b, 1),
            (true, false) => cost(n * (n - 1) * b, 1),
            (true, true) => cost(n * (n - 1) * b + 32 * n * (n - 1), 2),
        }
    }

    fn open(&self, b: u64) -> Cost {
        let (n, t) = (self.n, self.t);
        match (self.malicious, self.spare()) {
            (true, _) => cost(n * (n - 1) * b, 1),
            (false, false) => cost(n * t * b, 1),
            (false, true) => cost(n * (n - 1 - t) * b, 1),
        }
    }

    fn open_to_one(&self, b: u64) -> Cost {
        let (n, t) = (self.n, self.t);
        match (self.malicious, self.spare()) {
            (true, _) => cost((n - 1) * b, 1),
            (false, false) => cost(t * b, 1),
            (false, true) => cost((n - 1 - t) * b, 1),
        }
    }

    fn check(&self, pairs: u64) -> Cost {
        let levels = (0..).find(|level| 4u64.pow(*level) >= pairs).expect("some power");
        let l = u64::from(1.max(levels.saturating_sub(1)));
        let coin = self.n * (self.n - 1) * (1 + W);
        let bytes = self.product(9 * W).bytes + 3 * self.open(W).bytes + (l + 2) * coin + l * self.product(6 * W).bytes;
        cost(bytes, if self.spare() { 7 + 4 * l } else { 6 + 3 * l })
    }

    fn shuffle(&self, b: u64) -> Cost {
        let sets = (0..self.t).fold(1, |sets, k| sets * (self.n - k) / (k + 1));
        cost(sets * (self.t + 1) * (self.n - 1 - self.t) * b, sets)
    }
}

const W: u64 = 16;

fn cost(bytes: u64, rounds: u64) -> Cost {
    Cost { bytes, rounds: rounds as u32 }
}

#[test]
fn costs_are_as_the_page_states() {
    for (parties, threshold) in [(3, 1), (4, 1), (5, 1), (5, 2), (7, 2), (7, 3)] {
        for adversary in BOTH {
            let shamir = Shamir::new(parties, threshold, adversary).unwrap();
            let page = Page { n: parties.into(), t: threshold.into(), malicious: adversary == Adversary::Malicious };
            for (domain, len) in [(Domain::M61, 1usize), (Domain::M61, 300), (Domain::P127, 70), (Domain::Bits, 65)] {
                let b = match domain {
                    Domain::M61 => 8 * len,
                    Domain::P127 => 16 * len,
                    _ => 8 * (if parties <= 3 { 2 } else { 4 }) * len.div_ceil(64),
                } as u64;
                let is = |primitive, stated: Cost| {
                    let found = shamir.cost(primitive, domain, len);
                    assert_eq!(found, stated, "{primitive:?} of {len} {domain:?} among {parties}, {adversary:?}");
                };
                is(Primitive::Input, page.input(b));
                is(Primitive::Mul, page.product(b));
                is(Primitive::Open, page.open(b));
                is(Primitive::OpenTo, page.open_to_one(b));
                is(Primitive::Shuffle, page.shuffle(b));
                is(Primitive::Random, Cost::default());
                if domain != Domain::Bits {
                    let one = b / len as u64;
                    is(Primitive::Dot(len), page.product(b));
                    is(Primitive::Dot(1), page.product(one));
                    is(Primitive::Matmul([2, len, 3]), page.product(6 * one));
                }
            }
            for pairs in [1usize, 4, 5, 16, 17, 64, 65, 1 << 20, (1 << 20) + 1] {
                let stated = if page.malicious { page.check(pairs as u64) } else { Cost::default() };
                let found = shamir.cost_of_check(&[(Primitive::Mul, Domain::M61, pairs)]);
                assert_eq!(found, stated, "a check of {pairs} among {parties}");
            }
        }
    }
}

/// Its example: a sign in the large field among three, in rounds.
#[test]
fn a_sign_takes_the_rounds_that_the_page_states() {
    let shamir = Shamir::new(3, 1, Adversary::SemiHonest).unwrap();
    assert_eq!(shamir.cost(Primitive::IsNegative, Domain::P127, 10).rounds, 2 + 1 + 7 + 1 + 1);
}
