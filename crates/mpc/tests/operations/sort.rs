use mpc::circuit::sort::{compact, partition, sort};
use mpc::circuit::{Key, Method, Order, Range};
use mpc::domain::Domain;

use super::harness::{Numbers, expect, values};

const METHODS: [Option<Method>; 4] = [Some(Method::Quick), Some(Method::Radix), Some(Method::Network), None];

/// Rows in stable order.
fn order(keys: &[i128], descending: bool) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..keys.len()).collect();
    rows.sort_by_key(|row| if descending { -keys[*row] } else { keys[*row] });
    rows
}

fn pick(from: &[i128], rows: &[usize]) -> Vec<i128> {
    rows.iter().map(|row| from[*row]).collect()
}

#[test]
fn rows_come_in_stable_order_by_every_method() {
    for method in METHODS {
        for (len, bits) in
            [(0, 64), (1, 64), (2, 3), (3, 64), (17, 2), (63, 8), (65, 64), (300, 1), (300, 64), (1000, 12)]
        {
            for descending in [false, true] {
                let mut numbers = Numbers(len as u64);
                let keys: Vec<i128> = if bits < 4 {
                    (0..len).map(|_| numbers.integer(bits)).collect()
                } else {
                    numbers.integers(bits, len).into_iter().map(|key| key.max(-i128::from(i64::MAX))).collect()
                };
                let (numbers_too, flags) = (numbers.integers(60, len), numbers.integers(60, len));
                let rows = order(&keys, descending);
                let inputs =
                    [values(Domain::Ring64, &keys), values(Domain::Ring64, &numbers_too), values(Domain::Bits, &flags)];
                let expected = [
                    values(Domain::Ring64, &pick(&keys, &rows)),
                    values(Domain::Ring64, &pick(&numbers_too, &rows)),
                    values(Domain::Bits, &pick(&flags, &rows)),
                ];
                let range = if bits == 64 { Range::Full } else { Range::Bits(bits) };
                let order = if descending { Order::Descending } else { Order::Ascending };
                let what = format!("{method:?} of {len} keys of {bits} bits");
                expect(&what, &inputs, &expected, async move |backend, io, columns| {
                    let key = Key { column: &columns[0], range, order };
                    sort(backend, io, &[key], columns, method).await
                });
            }
        }
    }
}

#[test]
fn heavy_rows_and_other_domains_sort_too() {
    for domain in [Domain::Ring128, Domain::M61, Domain::P127] {
        for method in METHODS {
            let mut numbers = Numbers(9);
            let bits = domain.width() - 1;
            let keys = numbers.integers(bits, 90);
            let payload: Vec<Vec<i128>> = (0..4).map(|_| numbers.integers(bits, 90)).collect();
            let rows = order(&keys, false);
            let inputs: Vec<_> = std::iter::once(&keys).chain(&payload).map(|column| values(domain, column)).collect();
            let expected: Vec<_> =
                std::iter::once(&keys).chain(&payload).map(|column| values(domain, &pick(column, &rows))).collect();
            expect("heavy rows", &inputs, &expected, async move |backend, io, columns| {
                let key = Key { column: &columns[0], range: Range::Full, order: Order::Ascending };
                sort(backend, io, &[key], columns, method).await
            });
        }
    }
}

#[test]
fn the_first_key_counts_most() {
    let mut numbers = Numbers(10);
    let len = 200;
    let first: Vec<i128> = (0..len).map(|_| numbers.integer(3)).collect();
    let second: Vec<i128> = (0..len).map(|_| i128::from(numbers.next() % 5)).collect();
    let third: Vec<i128> = (0..len).map(|_| i128::from(numbers.next() & 1)).collect();
    let mut rows: Vec<usize> = (0..len).collect();
    rows.sort_by_key(|row| (first[*row], -second[*row], third[*row]));
    let columns = [(Domain::Ring64, &first), (Domain::Ring64, &second), (Domain::Bits, &third)];
    let inputs = columns.map(|(domain, column)| values(domain, column));
    let expected = columns.map(|(domain, column)| values(domain, &pick(column, &rows)));
    for method in METHODS {
        expect("three keys", &inputs, &expected, async move |backend, io, columns| {
            let keys = [
                Key { column: &columns[0], range: Range::Bits(3), order: Order::Ascending },
                Key { column: &columns[1], range: Range::Unsigned, order: Order::Descending },
                Key { column: &columns[2], range: Range::Full, order: Order::Ascending },
            ];
            sort(backend, io, &keys, columns, method).await
        });
    }
}

#[test]
fn rows_whose_bit_is_set_come_first() {
    for len in [0usize, 1, 2, 64, 333] {
        let mut numbers = Numbers(11);
        let bits: Vec<i128> = (0..len).map(|_| i128::from(numbers.next().is_multiple_of(3))).collect();
        let column = numbers.integers(64, len);
        let (mut rows, rest): (Vec<usize>, Vec<usize>) = (0..len).partition(|row| bits[*row] == 1);
        let kept = values(Domain::Ring64, &pick(&column, &rows));
        rows.extend(rest);
        let inputs = [values(Domain::Bits, &bits), values(Domain::Ring64, &column)];
        let expected = [values(Domain::Ring64, &pick(&column, &rows)), kept];
        expect("partition", &inputs, &expected, async |backend, io, columns| {
            let mut both = partition(backend, io, &columns[0], &columns[1..]).await?;
            both.extend(compact(backend, io, &columns[0], &columns[1..]).await?);
            Ok(both)
        });
    }
}
