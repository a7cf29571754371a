//! Polynomials: Lagrange factors, and how a secret is dealt.

use super::field::{Field, Lane};

/// Factors `c` with `f(at) = Σ c_k · f(nodes_k)` for every polynomial of a degree below the number of nodes.
pub(crate) fn lagrange<S: Field>(nodes: &[S], at: S) -> Vec<S> {
    let factor = |(place, node): (usize, &S)| {
        let others = nodes.iter().enumerate().filter(|(other, _)| *other != place);
        let (over, under) = others.fold((S::ONE, S::ONE), |(over, under), (_, other)| {
            (over.times(at.minus(*other)), under.times(node.minus(*other)))
        });
        over.times(under.inverse())
    };
    nodes.iter().enumerate().map(factor).collect()
}

/// How a dealer shares a secret with a degree-t polynomial of which `t` receivers know their shares beforehand, by the stream that each
/// has with the dealer; only the others' shares travel.
pub(crate) struct Dealing<S> {
    /// Seats that draw their shares from streams, `t` of them.
    pub(crate) silent: Vec<usize>,
    /// Seats that are told, each with factors of the secret and of the silent seats' shares.
    pub(crate) told: Vec<(usize, Vec<S>)>,
    /// The same for the dealer's own share, where the dealer has a seat.
    pub(crate) own: Option<Vec<S>>,
}

impl<S: Field> Dealing<S> {
    /// To `seats` seats with threshold `threshold`, by the dealer at a seat, or by one without. A dealer's silent seats are those that follow
    /// its own, so that no pair is silent both ways in one operation (`seats > 2 threshold`).
    pub(crate) fn new(seats: usize, threshold: usize, dealer: Option<usize>) -> Self {
        let silent: Vec<_> = match dealer {
            Some(seat) => (1..=threshold).map(|step| (seat + step) % seats).collect(),
            None => (0..threshold).collect(),
        };
        let nodes: Vec<_> = [S::ZERO].into_iter().chain(silent.iter().map(|seat| S::point(*seat))).collect();
        let factors = |seat: usize| lagrange(&nodes, S::point(seat));
        let told = (0..seats).filter(|seat| Some(*seat) != dealer && !silent.contains(seat));
        Self { told: told.map(|seat| (seat, factors(seat))).collect(), own: dealer.map(factors), silent }
    }

    /// Whether a seat draws its share from a stream when another seat deals.
    pub(crate) const fn is_silent(seats: usize, threshold: usize, dealer: usize, seat: usize) -> bool {
        let step = (seat + seats - dealer) % seats;
        step != 0 && step <= threshold
    }
}

/// All that depends on the parties' number, the threshold and this party's seat alone.
pub(crate) struct Scheme<L: Lane> {
    /// Factors of the first `2t + 1` seats' shares in a secret of a polynomial of degree `2t`.
    pub(crate) product: Vec<L::Scalar>,
    /// How this party deals.
    pub(crate) dealing: Dealing<L::Scalar>,
    /// For each set of seats that holds a key with this party ([`super::sets`]): this party's share where the set's secret is one.
    pub(crate) sets: Vec<L::Scalar>,
    /// This party's point and its powers up to the threshold, from the zeroth.
    pub(crate) powers: Vec<L::Scalar>,
}

impl<L: Lane> Scheme<L> {
    pub(crate) fn new(seats: usize, threshold: usize, seat: usize, sets: &[u64]) -> Self {
        let points: Vec<_> = (0..seats).map(L::Scalar::point).collect();
        let share = |members: &u64| {
            // The polynomial that is one at zero and vanishes outside the set.
            let absent = (0..seats).filter(|seat| members >> seat & 1 == 0).map(|seat| points[seat]);
            absent.fold(L::Scalar::ONE, |share, point| share.times(point.minus(points[seat])).times(point.inverse()))
        };
        let power = |state: &mut L::Scalar| {
            let now = *state;
            *state = now.times(points[seat]);
            Some(now)
        };
        Self {
            product: lagrange(&points[..2 * threshold + 1], L::Scalar::ZERO),
            dealing: Dealing::new(seats, threshold, Some(seat)),
            sets: sets.iter().filter(|members| *members >> seat & 1 == 1).map(share).collect(),
            powers: (0..=threshold).scan(L::Scalar::ONE, |state, _| power(state)).collect(),
        }
    }
}

/// All sets of `seats − threshold` seats, as masks, in one order for everybody. One of them has only honest members.
pub(crate) fn sets(seats: usize, threshold: usize) -> Vec<u64> {
    fn extend(seats: usize, absent: usize, from: usize, mask: u64, out: &mut Vec<u64>) {
        if absent == 0 {
            out.push(mask);
            return;
        }
        for seat in from..=seats - absent {
            extend(seats, absent - 1, seat + 1, mask & !(1 << seat), out);
        }
    }
    let mut out = Vec::new();
    extend(seats, threshold, 0, (1 << seats) - 1, &mut out);
    out
}

/// How many such sets there are, or more than `bound`.
pub(crate) fn count_sets(seats: usize, threshold: usize, bound: usize) -> usize {
    let mut count = 1;
    for step in 0..threshold {
        count = count * (seats - step) / (step + 1);
        if count > bound {
            return bound + 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::super::slices::Gf;
    use super::*;
    use crate::domain::{Element as _, M61, P127};

    fn agrees<S: Field>() {
        for (seats, threshold) in [(3, 1), (4, 1), (5, 2), (7, 3)] {
            // f(X) = 1 + X + … + X^t.
            let at = |point: S| {
                (0..=threshold).fold((S::ZERO, S::ONE), |(sum, power), _| (sum.plus(power), power.times(point))).0
            };
            let points: Vec<_> = (0..seats).map(S::point).collect();
            let zero = lagrange(&points, S::ZERO);
            assert_eq!(zero.iter().zip(&points).fold(S::ZERO, |sum, (c, point)| sum.plus(c.times(at(*point)))), S::ONE);
            for dealer in 0..seats {
                let dealing = Dealing::<S>::new(seats, threshold, Some(dealer));
                let known: Vec<_> =
                    [S::ONE].into_iter().chain(dealing.silent.iter().map(|seat| at(points[*seat]))).collect();
                for (seat, factors) in dealing
                    .told
                    .iter()
                    .map(|(seat, factors)| (*seat, factors))
                    .chain([(dealer, dealing.own.as_ref().unwrap())])
                {
                    assert_eq!(
                        factors.iter().zip(&known).fold(S::ZERO, |sum, (c, value)| sum.plus(c.times(*value))),
                        at(points[seat])
                    );
                }
                for seat in 0..seats {
                    assert_eq!(dealing.silent.contains(&seat), Dealing::<S>::is_silent(seats, threshold, dealer, seat));
                }
            }
        }
    }

    #[test]
    fn every_factor_belongs_to_one_polynomial() {
        agrees::<M61>();
        agrees::<P127>();
        agrees::<Gf<4>>();
        assert_eq!(
            lagrange(&[M61::from_i64(1), M61::from_i64(2)], M61::from_i64(0)),
            [M61::from_i64(2), M61::from_i64(-1)]
        );
    }

    #[test]
    fn sets_are_all_of_one_size() {
        for (seats, threshold, count) in [(3, 1, 3), (4, 1, 4), (5, 2, 10), (7, 3, 35)] {
            let sets = sets(seats, threshold);
            assert_eq!(sets.len(), count);
            assert_eq!(count_sets(seats, threshold, 1000), count);
            assert!(sets.iter().all(|set| set.count_ones() as usize == seats - threshold));
        }
        assert_eq!(count_sets(63, 31, 1000), 1001);
    }
}
