//! Reed–Solomon decoding of shares: which of them are wrong.

use super::field::{Field as _, Wide};

/// The places of wrong shares, where at most `(shares − threshold − 1) / 2` are: Berlekamp and Welch (US patent 4,633,470; as in Gemmell and
/// Sudan, 1992): polynomials `E` (monic, of degree `e`) and `Q` (of degree at most `t + e`) with `Q(x_i) = y_i E(x_i)` for all shares
/// give `Q / E`. Time depends on the shares: for values about to be public.
pub(crate) fn vartime_wrong<W: Wide>(threshold: usize, seats: &[usize], shares: &[W]) -> Option<Vec<usize>> {
    let points: Vec<W> = seats.iter().map(|seat| W::constant(W::Scalar::point(*seat))).collect();
    let most = (seats.len().checked_sub(threshold + 1)?) / 2;
    (0..=most).find_map(|errors| {
        let polynomial = solve(threshold, errors, &points, shares)?;
        let wrong: Vec<_> =
            (0..seats.len()).filter(|place| evaluate(&polynomial, points[*place]) != shares[*place]).collect();
        (wrong.len() <= errors).then_some(wrong)
    })
}

fn evaluate<W: Wide>(polynomial: &[W], at: W) -> W {
    polynomial.iter().rev().fold(W::NIL, |sum, factor| sum.product(at).sum(*factor))
}

/// A polynomial of degree `threshold` from which the shares differ in at most `errors` places, if there is one.
fn solve<W: Wide>(threshold: usize, errors: usize, points: &[W], shares: &[W]) -> Option<Vec<W>> {
    let one = W::constant(W::Scalar::ONE);
    // Unknown: t + e + 1 coefficients of Q, then e of E.
    let (long, unknown) = (threshold + errors + 1, threshold + 2 * errors + 1);
    let row = |(x, y): (&W, &W)| {
        let mut row = Vec::with_capacity(unknown + 1);
        let mut power = one;
        let mut powers = Vec::new();
        for _ in 0..long.max(errors + 1) {
            powers.push(power);
            power = power.product(*x);
        }
        row.extend_from_slice(&powers[..long]);
        row.extend(powers[..errors].iter().map(|power| W::NIL.difference(power.product(*y))));
        row.push(powers[errors].product(*y));
        row
    };
    let rows: Vec<Vec<W>> = points.iter().zip(shares).map(row).collect();
    let solution = eliminate(rows, unknown)?;
    let (mut over, mut under) = (solution[..long].to_vec(), solution[long..].to_vec());
    under.push(one);
    // Long division; E is monic.
    let mut quotient = vec![W::NIL; threshold + 1];
    for place in (0..=threshold).rev() {
        let factor = over[place + errors];
        quotient[place] = factor;
        for (step, value) in under.iter().enumerate() {
            over[place + step] = over[place + step].difference(factor.product(*value));
        }
    }
    over.iter().all(|rest| *rest == W::NIL).then_some(quotient)
}

/// A solution of linear equations, each row its factors and then its constant; unknowns that are free are zero.
fn eliminate<W: Wide>(mut rows: Vec<Vec<W>>, unknown: usize) -> Option<Vec<W>> {
    let mut leads = Vec::new();
    for column in 0..unknown {
        let done = leads.len();
        let Some(pivot) = (done..rows.len()).find(|row| rows[*row][column] != W::NIL) else { continue };
        rows.swap(done, pivot);
        let inverse = rows[done][column].inverse();
        let lead: Vec<W> = rows[done].iter().map(|value| value.product(inverse)).collect();
        for (place, row) in rows.iter_mut().enumerate().filter(|(place, _)| *place != done) {
            debug_assert_ne!(place, done);
            let factor = row[column];
            row.iter_mut().zip(&lead).for_each(|(value, lead)| *value = value.difference(factor.product(*lead)));
        }
        rows[done] = lead;
        leads.push(column);
    }
    if rows[leads.len()..].iter().any(|row| row[unknown] != W::NIL) {
        return None;
    }
    let mut solution = vec![W::NIL; unknown];
    for (row, column) in rows.iter().zip(leads) {
        solution[column] = row[unknown];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::super::extension::{Binary, M61x2};
    use super::*;
    use crate::domain::P127;

    fn corrects<W: Wide>() {
        let number = |value: usize| W::constant(W::Scalar::point(value % 15));
        for (seats, threshold) in [(4, 1), (7, 2), (10, 3), (13, 4)] {
            for errors in 0..=threshold {
                let polynomial: Vec<W> = (0..=threshold).map(|place| number(place * 5 + errors)).collect();
                let all: Vec<_> = (0..seats).collect();
                let mut shares: Vec<W> = all.iter().map(|seat| evaluate(&polynomial, number(*seat))).collect();
                let wrong: Vec<_> = (0..errors).map(|error| (error * 3 + 1) % seats).collect();
                for place in &wrong {
                    shares[*place] = shares[*place].sum(number(*place + 3));
                }
                let mut found = vartime_wrong(threshold, &all, &shares).unwrap();
                let mut expected = wrong;
                expected.sort_unstable();
                found.sort_unstable();
                assert_eq!(found, expected, "{seats} {threshold}");
            }
        }
    }

    #[test]
    fn wrong_shares_are_found() {
        corrects::<P127>();
        corrects::<M61x2>();
        corrects::<Binary<4>>();
    }
}
