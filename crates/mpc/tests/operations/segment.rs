use std::collections::BTreeMap;

use mpc::circuit::segment;
use mpc::circuit::{Method, Range};
use mpc::domain::Domain;

use super::harness::{NUMBERS, Numbers, expect, values};

#[test]
fn sums_and_copies_stay_within_segments() {
    for domain in NUMBERS {
        for len in [0usize, 1, 2, 3, 4, 5, 31, 64, 100, 1001] {
            let mut numbers = Numbers(len as u64 + 1);
            let column: Vec<i128> = (0..len).map(|_| numbers.integer(40)).collect();
            let starts: Vec<i128> = (0..len).map(|_| i128::from(numbers.next().is_multiple_of(4))).collect();
            let (mut sums, mut firsts, mut all) = (Vec::new(), Vec::new(), Vec::new());
            let (mut sum, mut first, mut total) = (0, 0, 0);
            for (row, value) in column.iter().enumerate() {
                if row == 0 || starts[row] == 1 {
                    (sum, first) = (0, *value);
                }
                sum += value;
                total += value;
                sums.push(sum);
                firsts.push(first);
                all.push(total);
            }
            let inputs = [values(Domain::Bits, &starts), values(domain, &column)];
            let expected = [values(domain, &sums), values(domain, &firsts), values(domain, &all)];
            expect("segments", &inputs, &expected, async |backend, io, columns| {
                let (starts, rest) = (&columns[0], &columns[1..]);
                let mut found = segment::prefix_sums(backend, io, starts, rest).await?;
                found.extend(segment::copy_first(backend, io, starts, rest).await?);
                found.push(segment::prefix_sum(backend, &rest[0])?);
                Ok(found)
            });
        }
    }
}

#[test]
fn rows_are_added_up_by_secret_keys() {
    for method in [None, Some(Method::Quick), Some(Method::Radix), Some(Method::Network)] {
        for (len, different) in [(0usize, 1), (1, 1), (2, 1), (40, 3), (150, 70), (150, 1)] {
            let mut numbers = Numbers(7);
            let keys: Vec<(i128, i128)> = (0..len)
                .map(|_| (i128::from(numbers.next() % different) - 3, i128::from(numbers.next() & 1)))
                .collect();
            let amounts = numbers.integers(40, len);
            let mut groups: BTreeMap<(i128, i128), (i128, i128)> = BTreeMap::new();
            for (key, amount) in keys.iter().zip(&amounts) {
                let group = groups.entry(*key).or_default();
                group.0 += amount;
                group.1 += 1;
            }
            let mut padded: Vec<[i128; 5]> =
                groups.iter().map(|((a, b), (sum, count))| [1, *a, *b, *sum, *count]).collect();
            padded.resize(len, [0; 5]);
            let column = |at: usize| padded.iter().map(|row| row[at]).collect::<Vec<_>>();
            let inputs = [
                values(Domain::Ring64, &keys.iter().map(|(key, _)| *key).collect::<Vec<_>>()),
                values(Domain::Bits, &keys.iter().map(|(_, key)| *key).collect::<Vec<_>>()),
                values(Domain::Ring64, &amounts),
            ];
            let expected = [
                values(Domain::Bits, &column(0)),
                values(Domain::Ring64, &column(1)),
                values(Domain::Bits, &column(2)),
                values(Domain::Ring64, &column(3)),
                values(Domain::Ring64, &column(4)),
                values(Domain::Ring64, &[groups.len() as i128]),
            ];
            let what = format!("groups of {len} rows by {method:?}");
            expect(&what, &inputs, &expected, async move |backend, io, columns| {
                let keys = [(&columns[0], Range::Bits(10)), (&columns[1], Range::Full)];
                let found = segment::group_sums(backend, io, &keys, &columns[2..], method).await?;
                let count = segment::distinct(backend, io, &keys, Domain::Ring64, method).await?;
                Ok([vec![found.present], found.keys, found.sums, vec![found.counts, count]].concat())
            });
        }
    }
}
