//! Random programs that stay within what operations take.

use mpc::domain::{Domain, Values};
use mpc::program::{Builder, Numbers as Column, Program, Truths};

use super::run::{Numbers, Sample};

/// A column of numbers, `|v| < 2^bits`; past the domain's width they wrap.
#[derive(Clone, Copy)]
struct Known {
    column: Column,
    bits: u32,
}

/// A program of about `size` operations over columns of `len` rows, decided by the seed.
pub(crate) fn sample(seed: u64, domain: Domain, len: usize, size: usize) -> Sample {
    let (clear, _) = build(seed, domain, len, size, true);
    let (program, inputs) = build(seed, domain, len, size, false);
    Sample { name: format!("random program {seed}, {len} rows of {domain:?}"), program, clear, inputs }
}

fn build(seed: u64, domain: Domain, len: usize, size: usize, opens: bool) -> (Program, Vec<Values>) {
    let mut dice = Numbers(seed);
    let mut program = Builder::new(3);
    let (mut inputs, mut numbers, mut truths): (Vec<Values>, Vec<Known>, Vec<Truths>) = Default::default();
    for at in 0..2 + dice.below(3) {
        let bits = [8, 20, 50, 62][dice.below(4)];
        let values: Vec<i64> = (0..len).map(|_| dice.signed(bits)).collect();
        inputs.push(Values::from_i64(domain, &values));
        numbers.push(Known { column: program.input(at as u16 % 3, domain), bits });
    }
    inputs.push(Values::Bits((0..len).map(|_| dice.next() & 1 == 1).collect()));
    truths.push(program.input_truths(dice.below(3) as u16));
    let width = domain.width();
    for _ in 0..size {
        let [a, b] = [0, 1].map(|_| numbers[dice.below(numbers.len())]);
        let [p, q] = [0, 1].map(|_| truths[dice.below(truths.len())]);
        let both = a.bits.max(b.bits);
        let mut number = |column, bits: u32| numbers.push(Known { column, bits: bits.min(width) });
        match dice.below(20) {
            0 => number(program.linear(&[(dice.signed(3), a.column), (-1, b.column)], dice.signed(9)), both + 5),
            1 => number(program.mul(a.column, b.column), a.bits + b.bits),
            2 => number(program.prefix_sum(a.column), a.bits + 8),
            3 => truths.push(program.and(p, q)),
            4 => truths.push(program.xor(p, q)),
            5 => truths.push(program.not(p)),
            6 => truths.push(program.less(a.column, b.column)),
            7 => truths.push(program.equal(a.column, b.column)),
            8 => number(program.select(p, a.column, b.column), both),
            9 => number(program.min(a.column, b.column), both),
            10 => number(program.max(a.column, b.column), both),
            11 => number(program.abs(a.column), a.bits),
            12 if a.bits < width - 5 => number(program.div_public(a.column, 1 + dice.next() % 1000), a.bits + 1),
            13 if both < width - 6 => {
                // Never by zero.
                let divisor = program.abs(b.column);
                let divisor = program.linear(&[(1, divisor)], 1);
                number(program.div(a.column, divisor), a.bits + 1);
            }
            14 if a.bits < width - 4 => {
                let square = program.abs(a.column);
                number(program.sqrt(square), a.bits / 2 + 1);
            }
            15 if a.bits + b.bits < width - 3 => number(program.mul_fixed(a.column, b.column, 7), a.bits + b.bits - 6),
            16 if a.bits < 60 => {
                let other = if domain == Domain::Ring64 { Domain::Ring128 } else { Domain::Ring64 };
                let there = program.convert(a.column, other);
                let back = program.convert(there, domain);
                number(back, a.bits);
            }
            17 => number(program.to_number(p, domain), 1),
            18 => {
                let sorted = program.sort(a.column, &[b.column]);
                number(sorted[0], a.bits);
                number(sorted[1], b.bits);
            }
            19 => number(program.segmented_sum(p, a.column), a.bits + 8),
            _ => {}
        }
    }
    for known in &numbers {
        program.open(known.column);
    }
    for truth in &truths {
        program.open(*truth);
    }
    let total = program.dot(numbers[0].column, numbers[1].column);
    program.open_to(2, total);
    if opens {
        program.open(total);
    } else {
        program.give(total);
    }
    (program.finish().expect("it opens something"), inputs)
}
