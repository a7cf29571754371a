use mpc::circuit::convert;
use mpc::circuit::logic::{self, Bitwise};
use mpc::domain::Domain;

use super::harness::{LENGTHS, NUMBERS, Numbers, expect, truths, values};

#[test]
fn bits_combine() {
    for len in LENGTHS {
        let mut numbers = Numbers(1);
        let planes: Vec<Vec<bool>> =
            (0..5).map(|_| (0..len).map(|_| !numbers.next().is_multiple_of(4)).collect()).collect();
        let inputs: Vec<_> = planes.iter().map(|plane| truths(plane.iter().copied())).collect();
        let row = |at: usize| planes.iter().map(move |plane| plane[at]);
        let expected = [
            truths((0..len).map(|at| planes[0][at] & planes[1][at])),
            truths((0..len).map(|at| planes[0][at] | planes[1][at])),
            truths((0..len).map(|at| planes[0][at] ^ planes[1][at])),
            truths((0..len).map(|at| !planes[0][at])),
            truths((0..len).map(|at| row(at).all(|bit| bit))),
            truths((0..len).map(|at| row(at).any(|bit| bit))),
        ];
        expect("bits", &inputs, &expected, async |backend, io, columns| {
            let (x, y) = (&columns[0], &columns[1]);
            Ok(vec![
                logic::and(backend, io, x, y).await?,
                logic::or(backend, io, x, y).await?,
                logic::xor(backend, x, y)?,
                logic::not(backend, x)?,
                logic::all(backend, io, columns.to_vec()).await?,
                logic::any(backend, io, columns).await?,
            ])
        });
    }
}

#[test]
fn higher_bits_are_felt_below() {
    for width in [1usize, 2, 5, 8, 13] {
        let mut numbers = Numbers(2);
        let words: Vec<u64> = (0..70).map(|_| numbers.next() & numbers.next() & ((1 << width) - 1)).collect();
        let plane = |place: usize| truths(words.iter().map(|word| word >> place & 1 == 1));
        let inputs: Vec<_> = (0..width).map(plane).collect();
        let expected: Vec<_> = (0..width).map(|place| truths(words.iter().map(|word| word >> place > 0))).collect();
        expect("suffix_or", &inputs, &expected, async |backend, io, columns| {
            logic::suffix_or(backend, io, columns).await
        });
    }
}

#[test]
fn integers_combine_bit_by_bit() {
    for domain in NUMBERS {
        for width in [8u32, 33, domain.width() - 1, domain.width()] {
            let mut numbers = Numbers(3);
            let (left, right) = (numbers.integers(width - 1, 40), numbers.integers(width - 1, 40));
            let right: Vec<_> = right.into_iter().rev().collect();
            let inputs = [values(domain, &left), values(domain, &right)];
            let pairs = || left.iter().zip(&right);
            let ones = |value: &i128| i128::from((value & (i128::MAX >> (127 - width.min(127)))).count_ones());
            let ones = |value: &i128| if width == 128 { i128::from(value.count_ones()) } else { ones(value) };
            let expected = [
                values(domain, &pairs().map(|(x, y)| x & y).collect::<Vec<_>>()),
                values(domain, &pairs().map(|(x, y)| x | y).collect::<Vec<_>>()),
                values(domain, &pairs().map(|(x, y)| x ^ y).collect::<Vec<_>>()),
                values(domain, &left.iter().map(|x| !x).collect::<Vec<_>>()),
                values(domain, &left.iter().map(ones).collect::<Vec<_>>()),
            ];
            expect("bitwise", &inputs, &expected, async move |backend, io, columns| {
                let (x, y) = (&columns[0], &columns[1]);
                Ok(vec![
                    logic::bitwise(backend, io, Bitwise::And, x, y, width).await?,
                    logic::bitwise(backend, io, Bitwise::Or, x, y, width).await?,
                    logic::bitwise(backend, io, Bitwise::Xor, x, y, width).await?,
                    logic::complement_integer(backend, x)?,
                    logic::popcount(backend, io, x, width).await?,
                ])
            });
        }
    }
}

#[test]
fn shifts_by_public_amounts() {
    for domain in NUMBERS {
        for places in [0u32, 1, 7, 20] {
            let mut numbers = Numbers(4);
            let column = numbers.integers(30, 40);
            let expected = [
                values(domain, &column.iter().map(|value| value << places).collect::<Vec<_>>()),
                values(domain, &column.iter().map(|value| value >> places).collect::<Vec<_>>()),
                values(domain, &column.iter().map(|value| (value & ((1 << 32) - 1)) >> places).collect::<Vec<_>>()),
            ];
            expect("shifts", &[values(domain, &column)], &expected, async move |backend, io, columns| {
                let x = &columns[0];
                Ok(vec![
                    logic::shift_left(backend, x, places)?,
                    logic::shift_right(backend, io, x, places).await?,
                    logic::shift_right_logical(backend, io, x, 32, places).await?,
                ])
            });
        }
    }
}

#[test]
fn values_move_between_domains() {
    for from in NUMBERS {
        for to in NUMBERS {
            for width in [5, 32, from.width().min(to.width()) - 1, from.width().min(to.width())] {
                let mut numbers = Numbers(5);
                // In a field the lowest integer of so many bits is out of reach.
                let lowest = if width == 128 { i128::MIN } else { -(1i128 << (width - 1)) };
                let fields = [from, to].iter().any(|domain| matches!(domain, Domain::M61 | Domain::P127));
                let column: Vec<_> =
                    numbers.integers(width, 50).into_iter().filter(|v| !fields || *v != lowest).collect();
                let expected = [values(to, &column)];
                expect("convert", &[values(from, &column)], &expected, async move |backend, io, columns| {
                    Ok(vec![convert(backend, io, &columns[0], to, width).await?])
                });
            }
        }
        let bits = [1, 0, 1, 1];
        let expected = [values(from, &bits)];
        expect("convert bits", &[values(Domain::Bits, &bits)], &expected, async move |backend, io, columns| {
            Ok(vec![convert(backend, io, &columns[0], from, 1).await?])
        });
    }
}
