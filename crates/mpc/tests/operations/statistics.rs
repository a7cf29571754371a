use mpc::circuit::divide::Rounding;
use mpc::circuit::statistics;
use mpc::domain::Domain;

use super::harness::{NUMBERS, Numbers, expect, values};

#[test]
fn moments_are_exact() {
    for domain in NUMBERS {
        for (groups, rows) in [(1usize, 2usize), (3, 7), (10, 30)] {
            let mut numbers = Numbers(1);
            let column: Vec<i128> = (0..groups * rows).map(|_| numbers.integer(18)).collect();
            let of =
                |work: &dyn Fn(&[i128]) -> i128| values(domain, &column.chunks(rows).map(work).collect::<Vec<_>>());
            let m = rows as i128;
            let (sum, squares) =
                (|x: &[i128]| x.iter().sum::<i128>(), |x: &[i128]| x.iter().map(|v| v * v).sum::<i128>());
            let spread = |x: &[i128]| m * squares(x) - sum(x) * sum(x);
            let expected = [
                of(&|x| sum(x)),
                of(&|x| squares(x)),
                of(&|x| (sum(x) << 4).div_euclid(m)),
                of(&|x| spread(x)),
                of(&|x| ((2 * (spread(x) << 2)) + m * m).div_euclid(2 * m * m)),
                of(&|x| spread(x).div_euclid(m * (m - 1))),
            ];
            expect("moments", &[values(domain, &column)], &expected, async move |backend, io, columns| {
                let x = &columns[0];
                let (sums, squares) = statistics::moments(backend, io, x, groups).await?;
                Ok(vec![
                    sums,
                    squares,
                    statistics::mean(backend, io, x, groups, 4, Rounding::Floor).await?,
                    statistics::scaled_variance(backend, io, x, groups).await?,
                    statistics::variance(backend, io, x, groups, false, 2, Rounding::Nearest).await?,
                    statistics::variance(backend, io, x, groups, true, 0, Rounding::Floor).await?,
                ])
            });
        }
    }
}

#[test]
fn a_sample_of_one_row_has_no_variance() {
    let kind = &super::harness::kinds()[0];
    let inputs = [values(Domain::Ring64, &[1, 2])];
    let failed = super::harness::run(kind, &inputs, async |backend, io, columns| {
        Ok(vec![statistics::variance(backend, io, &columns[0], 2, true, 0, Rounding::Floor).await?])
    });
    assert!(failed.is_err());
}
