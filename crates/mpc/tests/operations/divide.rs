use mpc::circuit::Range;
use mpc::circuit::divide::{self, Rounding};
use mpc::domain::Domain;

use super::harness::{LENGTHS, NUMBERS, Numbers, expect, values};

fn floor(value: i128, divisor: i128) -> i128 {
    let quotient = value.wrapping_div_euclid(divisor);
    // Euclid's remainder is never negative; the floor's is of the divisor's sign.
    if divisor < 0 && value.wrapping_rem_euclid(divisor) != 0 { quotient - 1 } else { quotient }
}

#[test]
fn quotients_by_public_numbers_are_exact() {
    for domain in NUMBERS {
        let most = domain.width() - 4;
        let divisors = [1, 2, 3, -3, 7, 10, -8, 97, 1000, 65_536, 999_983, 1 << 31, (1 << 40) + 1, (1 << 55) + 3];
        for divisor in divisors {
            for bits in [8, 31, 45, most + 1] {
                let mut numbers = Numbers(divisor as u64);
                let mut column = numbers.integers(bits - 1, 40);
                let multiples = numbers.integers(bits - 1, 20);
                column.extend(multiples.iter().map(|value| value - value % divisor));
                column.extend(
                    multiples.iter().map(|value| value - value % divisor - 1).filter(|v| *v >= -(1 << (bits - 2))),
                );
                let range = if bits > most { Range::Full } else { Range::Bits(bits) };
                let expected = [values(domain, &column.iter().map(|value| floor(*value, divisor)).collect::<Vec<_>>())];
                let what = format!("{domain:?} of {bits} bits by {divisor}");
                expect(&what, &[values(domain, &column)], &expected, async move |backend, io, columns| {
                    let column = &columns[0];
                    Ok(vec![divide::by_public(backend, io, column, divisor, Rounding::Floor, range).await?])
                });
            }
        }
    }
}

#[test]
fn money_is_rounded_as_stated() {
    let mut column = Numbers(1).integers(44, 60);
    column.extend(-20..20);
    for (rate, unit) in [(1, 2), (19, 100), (-7, 1000), (1, 3), (250, 12)] {
        let exact = |rounding: Rounding| -> Vec<i128> {
            let round = |value: &i128| match rounding {
                Rounding::Floor => floor(value * rate, unit),
                Rounding::Ceiling => -floor(-value * rate, unit),
                Rounding::Nearest => floor(2 * value * rate + unit, 2 * unit),
            };
            column.iter().map(round).collect()
        };
        let ways = [Rounding::Floor, Rounding::Ceiling, Rounding::Nearest];
        let expected = ways.map(|rounding| values(Domain::Ring64, &exact(rounding)));
        expect("money", &[values(Domain::Ring64, &column)], &expected, async move |backend, io, columns| {
            let mut results = Vec::new();
            for rounding in ways {
                results.push(divide::ratio(backend, io, &columns[0], rate, unit, rounding, Range::Bits(44)).await?);
            }
            Ok(results)
        });
    }
}

#[test]
fn quotients_of_secret_integers_are_exact() {
    for domain in NUMBERS {
        for bits in [2, 9, 32, domain.width() - 3] {
            let mut numbers = Numbers(2);
            let edges = numbers.integers(bits, 9);
            let (mut left, mut right) = (Vec::new(), Vec::new());
            for x in &edges {
                for y in edges.iter().filter(|y| **y != 0) {
                    left.push(*x);
                    right.push(*y);
                }
            }
            for _ in 0..40 {
                left.push(numbers.integer(bits));
                let size = 2 + (numbers.next() % u64::from(bits - 1)) as u32;
                right.push(match numbers.integer(size) {
                    0 => 1,
                    value => value,
                });
            }
            let quotients: Vec<i128> = left.iter().zip(&right).map(|(x, y)| floor(*x, *y)).collect();
            let rests: Vec<i128> = left.iter().zip(&right).zip(&quotients).map(|((x, y), q)| x - q * y).collect();
            let inputs = [values(domain, &left), values(domain, &right)];
            let expected = [values(domain, &quotients), values(domain, &rests)];
            expect("quotient", &inputs, &expected, async move |backend, io, columns| {
                let found = divide::floor(backend, io, &columns[0], &columns[1], bits).await?;
                Ok(vec![found.quotient, found.remainder])
            });
        }
    }
}

#[test]
fn a_division_by_zero_fails_nothing() {
    for len in LENGTHS {
        let column = vec![5; len];
        let inputs = [values(Domain::Ring64, &column), values(Domain::Ring64, &vec![0; len])];
        expect("by zero", &inputs, &[values(Domain::Ring64, &column)], async |backend, io, columns| {
            // The remainder is the dividend, whatever the quotient.
            Ok(vec![divide::floor(backend, io, &columns[0], &columns[1], 8).await?.remainder])
        });
    }
}

#[test]
fn integer_roots_are_exact() {
    for domain in NUMBERS {
        for bits in [1, 8, 31, (domain.width() - 2) / 2 * 2] {
            let mut numbers = Numbers(3);
            let mut column: Vec<i128> =
                numbers.integers(bits, 60).iter().map(|v| (v & (i128::MAX >> (127 - bits))).abs()).collect();
            let roots: Vec<i128> = column.iter().map(|value| value.isqrt()).collect();
            column.extend(roots.iter().map(|root| root * root));
            column.extend(roots.iter().map(|root| (root * root - 1).max(0)));
            column.push((1 << bits) - 1);
            let expected = [values(domain, &column.iter().map(|value| value.isqrt()).collect::<Vec<_>>())];
            expect("floor_sqrt", &[values(domain, &column)], &expected, async move |backend, io, columns| {
                Ok(vec![divide::floor_sqrt(backend, io, &columns[0], bits).await?])
            });
        }
    }
}
