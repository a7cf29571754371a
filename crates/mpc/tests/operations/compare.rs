use mpc::circuit::{Operand, Range, compare};
use mpc::domain::Domain;
use proptest::prelude::*;

use super::harness::{LENGTHS, NUMBERS, Numbers, expect, signed_bits, truths, values};

/// All pairs of edges, then random ones.
fn pairs(bits: u32, len: usize, seed: u64) -> (Vec<i128>, Vec<i128>) {
    let mut numbers = Numbers(seed);
    let edges = numbers.integers(bits, 9);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for x in &edges {
        for y in &edges {
            left.push(*x);
            right.push(*y);
        }
    }
    for at in 0..len {
        left.push(numbers.integer(bits));
        right.push(if at % 5 == 0 { left[left.len() - 1] } else { numbers.integer(bits) });
    }
    (left, right)
}

fn all_six(domain: Domain, left: &[i128], right: &[i128], range: Range) {
    let inputs = [values(domain, left), values(domain, right)];
    let mut expected = Vec::new();
    let pairs = || left.iter().zip(right);
    expected.push(truths(pairs().map(|(x, y)| x < y)));
    expected.push(truths(pairs().map(|(x, y)| x <= y)));
    expected.push(truths(pairs().map(|(x, y)| x > y)));
    expected.push(truths(pairs().map(|(x, y)| x >= y)));
    expected.push(truths(pairs().map(|(x, y)| x == y)));
    expected.push(truths(pairs().map(|(x, y)| x != y)));
    expect("comparisons", &inputs, &expected, async move |backend, io, columns| {
        let (x, y) = (&columns[0], &columns[1]);
        Ok(vec![
            compare::lt(backend, io, x, y, range).await?,
            compare::le(backend, io, x, y, range).await?,
            compare::gt(backend, io, x, y, range).await?,
            compare::ge(backend, io, x, y, range).await?,
            compare::eq(backend, io, x, y, range).await?,
            compare::ne(backend, io, x, y, range).await?,
        ])
    });
    let public = values(domain, right);
    expect("comparisons with public values", &inputs[..1], &expected, async move |backend, io, columns| {
        let (x, y) = (&columns[0], &public);
        Ok(vec![
            compare::lt(backend, io, x, y, range).await?,
            compare::le(backend, io, x, y, range).await?,
            compare::gt(backend, io, x, y, range).await?,
            compare::ge(backend, io, x, y, range).await?,
            compare::eq(backend, io, x, y, range).await?,
            compare::ne(backend, io, x, y, range).await?,
        ])
    });
}

#[test]
fn comparisons_are_exact_over_the_whole_domain() {
    for domain in NUMBERS {
        let (left, right) = pairs(signed_bits(domain), 100, 1);
        all_six(domain, &left, &right, Range::Full);
    }
}

#[test]
fn comparisons_of_narrow_values_are_exact() {
    for domain in NUMBERS {
        for bits in [1, 8, 17, 32, 48] {
            let (left, right) = pairs(bits, 60, 2);
            let fit = |value: &i128| (*value).clamp(-(1 << (bits - 1)), (1 << (bits - 1)) - 1);
            let (left, right): (Vec<_>, Vec<_>) = (left.iter().map(fit).collect(), right.iter().map(fit).collect());
            all_six(domain, &left, &right, Range::Bits(bits));
        }
    }
}

#[test]
fn unsigned_comparisons_take_every_value() {
    let (left, right) = pairs(64, 100, 3);
    let expected = [truths(left.iter().zip(&right).map(|(x, y)| (*x as u64) < (*y as u64)))];
    let inputs = [values(Domain::Ring64, &left), values(Domain::Ring64, &right)];
    expect("unsigned", &inputs, &expected, async |backend, io, columns| {
        Ok(vec![compare::lt(backend, io, &columns[0], &columns[1], Range::Unsigned).await?])
    });
}

#[test]
fn comparisons_with_one_number_and_of_bits() {
    let mut numbers = Numbers(4);
    for bound in [0, 5, -5, i128::from(i64::MAX), i128::from(i64::MIN)] {
        let left = numbers.integers(64, 40);
        let expected = [truths(left.iter().map(|x| *x < bound)), truths(left.iter().map(|x| *x == bound))];
        expect("one number", &[values(Domain::Ring64, &left)], &expected, async move |backend, io, columns| {
            let x = &columns[0];
            Ok(vec![
                compare::lt(backend, io, x, bound, Range::Full).await?,
                compare::eq(backend, io, x, Operand::Scalar(bound), Range::Full).await?,
            ])
        });
    }
    let (x, y) = ([0, 0, 1, 1], [0, 1, 0, 1]);
    let inputs = [values(Domain::Bits, &x), values(Domain::Bits, &y)];
    let expected = [[0, 1, 0, 0], [1, 0, 0, 1]].map(|bits| values(Domain::Bits, &bits));
    expect("bits", &inputs, &expected, async |backend, io, columns| {
        let (x, y) = (&columns[0], &columns[1]);
        Ok(vec![compare::lt(backend, io, x, y, Range::Full).await?, compare::eq(backend, io, x, y, Range::Full).await?])
    });
}

#[test]
fn comparisons_take_columns_of_any_length() {
    for len in LENGTHS {
        let mut numbers = Numbers(5);
        let (left, right) = (numbers.integers(64, len), numbers.integers(64, len));
        let inputs = [values(Domain::Ring64, &left), values(Domain::Ring64, &right)];
        let expected =
            [truths(left.iter().zip(&right).map(|(x, y)| x < y)), truths(left.iter().zip(&right).map(|(x, y)| x == y))];
        expect("lengths", &inputs, &expected, async |backend, io, columns| {
            let (x, y) = (&columns[0], &columns[1]);
            Ok(vec![
                compare::lt(backend, io, x, y, Range::Full).await?,
                compare::eq(backend, io, x, y, Range::Full).await?,
            ])
        });
    }
}

#[test]
fn zeros_are_found_under_a_mask_in_fields() {
    for domain in [Domain::M61, Domain::P127] {
        let mut column = Numbers(6).integers(domain.width(), 100);
        column.extend([0; 10]);
        let expected = [truths(column.iter().map(|value| *value == 0))];
        expect("zero by mask", &[values(domain, &column)], &expected, async |backend, io, columns| {
            Ok(vec![compare::zero_by_mask(backend, io, &columns[0]).await?])
        });
    }
}

#[test]
fn numbers_given_by_bits_compare() {
    let mut numbers = Numbers(7);
    for width in [1usize, 2, 3, 7, 64, 78] {
        let side = |numbers: &mut Numbers| -> Vec<u128> {
            (0..100).map(|_| (numbers.integer(127) as u128) & ((1 << width) - 1) >> (numbers.next() % 3)).collect()
        };
        let (left, mut right) = (side(&mut numbers), side(&mut numbers));
        right[..20].copy_from_slice(&left[..20]);
        let planes = |side: &[u128]| -> Vec<_> {
            (0..width).map(|place| truths(side.iter().map(|value| value >> place & 1 == 1))).collect()
        };
        let inputs = [planes(&left), planes(&right)].concat();
        let expected = [truths(left.iter().zip(&right).map(|(x, y)| x < y))];
        expect("bits", &inputs, &expected, async move |backend, io, columns| {
            Ok(vec![compare::lt_bits(backend, io, &columns[..width], &columns[width..]).await?])
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn comparisons_agree_with_integers(pairs in proptest::collection::vec((any::<i64>(), any::<i64>()), 1..40)) {
        let (left, right): (Vec<i128>, Vec<i128>) = pairs.iter().map(|(x, y)| (i128::from(*x), i128::from(*y))).unzip();
        all_six(Domain::Ring64, &left, &right, Range::Full);
    }
}
