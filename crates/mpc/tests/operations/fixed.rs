use mpc::circuit::Fixed;
use mpc::circuit::fixed;
use mpc::domain::Domain;
use mpc::engine::Truncation;

use super::harness::{NUMBERS, Numbers, expect, integers, outcomes, values};

/// Bits of an operand whose quotient keeps in range, and places of the iteration.
const fn limits(domain: Domain) -> (u32, u32) {
    match domain {
        Domain::Ring64 => (31, 30),
        Domain::M61 => (29, 28),
        Domain::P127 => (62, 60),
        _ => (63, 60),
    }
}

#[test]
fn products_are_floors_of_the_exact_ones() {
    for domain in NUMBERS {
        let mut numbers = Numbers(1);
        let (left, right) = (numbers.integers(26, 60), numbers.integers(28, 60).into_iter().rev().collect::<Vec<_>>());
        let inputs = [values(domain, &left), values(domain, &right)];
        let products: Vec<i128> = left.iter().zip(&right).map(|(x, y)| x * y).collect();
        let expected = [
            values(domain, &products.iter().map(|product| product >> 16).collect::<Vec<_>>()),
            values(domain, &products),
            values(domain, &left.iter().zip(&right).map(|(x, y)| (x << 2) + y).collect::<Vec<_>>()),
        ];
        expect("products", &inputs, &expected, async |backend, io, columns| {
            let (x, y) = (Fixed::new(columns[0].clone(), 14), Fixed::new(columns[1].clone(), 16));
            Ok(vec![
                fixed::mul(backend, io, &x, &y, 14, Truncation::Exact).await?.column,
                fixed::mul(backend, io, &x, &y, 30, Truncation::Exact).await?.column,
                fixed::add(backend, &x, &y)?.column,
            ])
        });
        // 28 of the places are left for what a probabilistic truncation needs.
        let small: Vec<i128> = left.iter().map(|value| value >> 16).collect();
        let inputs = [values(domain, &small), values(domain, &small)];
        for (name, found) in outcomes(&inputs, async |backend, io, columns| {
            let (x, y) = (Fixed::new(columns[0].clone(), 8), Fixed::new(columns[1].clone(), 8));
            Ok(vec![fixed::mul(backend, io, &x, &y, 8, Truncation::Probabilistic).await?.column])
        }) {
            for (found, x) in integers(&found[0]).iter().zip(&small) {
                assert!([0, 1].contains(&(found - ((x * x) >> 8))), "{name}: {found} for {x}²");
            }
        }
    }
}

#[test]
fn quotients_keep_their_error_bound() {
    for domain in NUMBERS {
        let (bits, places) = limits(domain);
        for scale in [0, 8, 16, places.min(24)] {
            let mut numbers = Numbers(2);
            let (mut left, mut right) = (Vec::new(), Vec::new());
            while left.len() < 400 {
                let sizes =
                    [2 + (numbers.next() % u64::from(bits)) as u32, 2 + (numbers.next() % u64::from(bits)) as u32];
                let (x, y) = (numbers.integer(sizes[0]), numbers.integer(sizes[1]));
                let near = 1 + numbers.integer(3).abs();
                for y in [y, 1, -1, 3, 1 << (bits - 1), (1 << bits) - 1, (1 << (bits - near as u32)) - 1] {
                    if y != 0 && ((x << scale) / y).abs() < 1 << (bits - 1) {
                        left.push(x);
                        right.push(y);
                    }
                }
            }
            let inputs = [values(domain, &left), values(domain, &right)];
            let found = outcomes(&inputs, async move |backend, io, columns| {
                let (x, y) = (Fixed::new(columns[0].clone(), 5), Fixed::new(columns[1].clone(), 5));
                Ok(vec![fixed::div(backend, io, &x, &y, scale, bits, Truncation::Exact).await?.column])
            });
            for (name, found) in found {
                let mut worst = 0.0f64;
                for ((found, x), y) in integers(&found[0]).iter().zip(&left).zip(&right) {
                    // |found · y − x · 2^scale| / |y|
                    let off = (found * y - (x << scale)).abs() as f64 / y.abs() as f64;
                    let bound = 2.0 + ((x << scale) / y).abs() as f64 * (4.0 - f64::from(places)).exp2();
                    worst = worst.max(off / bound);
                    assert!(
                        off < bound,
                        "{name} {domain:?} scale {scale}: {x} / {y} = {found}, off by {off}, bound {bound}"
                    );
                }
                println!("{name} {domain:?} scale {scale}: worst error {worst:.2} of the bound");
            }
        }
    }
}

#[test]
fn reciprocals_and_zero() {
    for domain in NUMBERS {
        let (bits, _) = limits(domain);
        let column = [0, 1, -1, 3, 256, -300, 1 << 20];
        let found = outcomes(&[values(domain, &column)], async move |backend, io, columns| {
            let value = Fixed::new(columns[0].clone(), 8);
            Ok(vec![fixed::reciprocal(backend, io, &value, 20, bits, Truncation::Exact).await?.column])
        });
        for (name, found) in found {
            let found = Fixed::decode(&found[0], 20);
            assert_eq!(found[0], 0.0, "{name}");
            for (found, value) in found.iter().zip(column).skip(1) {
                let exact = 256.0 / value as f64;
                assert!((found - exact).abs() < 3e-6 + exact.abs() * 1e-7, "{name}: 1/{value} = {found} for {exact}");
            }
        }
    }
}

#[test]
fn roots_keep_their_error_bound() {
    for domain in NUMBERS {
        let places: u32 = match domain {
            Domain::Ring64 => 29,
            Domain::M61 => 27,
            _ => 60,
        };
        for (bits, own, scale) in
            [(8, 0, 0), (31, 16, 16), (31, 15, 10), (32, 0, 12), (20, 20, 10), (domain.width() - 2, 0, 0)]
        {
            let mut numbers = Numbers(3);
            let size = |numbers: &mut Numbers| 1 + (numbers.next() % u64::from(bits)) as u32;
            let mut column: Vec<i128> = (0..300)
                .map(|_| {
                    let size = size(&mut numbers);
                    numbers.integer(127) & ((1 << size) - 1)
                })
                .collect();
            column.extend([0, 1, 2, 3, 4, (1 << bits) - 1, 1 << (bits - 1), (1 << (bits - 1)) - 1]);
            let found = outcomes(&[values(domain, &column)], async move |backend, io, columns| {
                let value = Fixed::new(columns[0].clone(), own);
                Ok(vec![fixed::sqrt(backend, io, &value, scale, bits, Truncation::Exact).await?.column])
            });
            for (name, found) in found {
                let mut worst = 0.0f64;
                for (found, value) in integers(&found[0]).iter().zip(&column) {
                    // The exact root of v 2^lift, to as many places more as an integer root allows.
                    let lift = 2 * i64::from(scale) - i64::from(own);
                    let room = i64::from(value.leading_zeros()) - 2;
                    let more = (room - lift).min(24) / 2 * 2;
                    let exact = (value << (more + lift)).isqrt();
                    let off = ((found << (more / 2)) - exact).abs() as f64 / (more as f64 / 2.0).exp2();
                    let bound = 2.0 + *found as f64 * (4.0 - f64::from(places)).exp2();
                    worst = worst.max(off / bound);
                    assert!(off < bound, "{name} {domain:?} {bits} {own} {scale}: √{value} = {found}, off by {off}");
                }
                println!("{name} {domain:?} {bits} {own} {scale}: worst error {worst:.2} of the bound");
            }
        }
    }
}
