//! A program for each operation.

use mpc::domain::{Domain, Values};
use mpc::program::{Builder, Numbers as Column, Truths};

use super::run::{Numbers, Sample};

/// What a sample's operation is given: two columns of numbers below `2^bits`, one above zero, and two of truths, where it
/// takes some.
pub(crate) struct Given {
    pub(crate) a: Column,
    pub(crate) b: Column,
    pub(crate) above: Column,
    truths: Option<[Truths; 2]>,
    pub(crate) domain: Domain,
    pub(crate) len: usize,
    /// Whether to open what would be given.
    pub(crate) opens: bool,
}

impl Given {
    fn p(&self) -> Truths {
        self.truths.expect("an operation on truths is given some")[0]
    }

    fn q(&self) -> Truths {
        self.truths.expect("an operation on truths is given some")[1]
    }
}

type Build = fn(&mut Builder, &Given);

/// All operations, by name.
pub(crate) const OPERATIONS: &[(&str, u32, Build)] = &[
    ("constant", 62, |program, given| {
        let sum = program.constant_like(given.a, -7);
        program.open(sum);
    }),
    ("linear", 62, |program, given| {
        let sum = program.linear(&[(3, given.a), (-2, given.b)], 11);
        program.open(sum);
    }),
    ("mul", 63, |program, given| {
        let product = program.mul(given.a, given.b);
        program.open(product);
    }),
    ("dot", 63, |program, given| {
        let product = program.dot(given.a, given.b);
        program.open_to(1, product);
    }),
    ("matmul", 63, |program, given| {
        let product = program.matmul(given.a, given.b, [1, given.len as u32, 1]);
        let outer = program.matmul(given.a, given.b, [given.len as u32, 1, given.len as u32]);
        program.open(product);
        program.open(outer);
    }),
    ("sum", 63, |program, given| {
        let sum = program.sum(given.a);
        program.open(sum);
    }),
    ("prefix_sum", 63, |program, given| {
        let sums = program.prefix_sum(given.a);
        program.open(sums);
    }),
    ("and", 1, |program, given| {
        let both = program.and(given.p(), given.q());
        program.open(both);
    }),
    ("xor", 1, |program, given| {
        let one = program.xor(given.p(), given.q());
        let not = program.not(one);
        program.open(one);
        program.open(not);
    }),
    ("less", 63, |program, given| {
        let less = program.less(given.a, given.b);
        program.open(less);
    }),
    ("equal", 2, |program, given| {
        let equal = program.equal(given.a, given.b);
        program.open(equal);
    }),
    ("select", 63, |program, given| {
        let chosen = program.select(given.p(), given.a, given.b);
        program.open(chosen);
    }),
    ("min", 63, |program, given| {
        let least = program.min(given.a, given.b);
        program.open(least);
    }),
    ("max", 63, |program, given| {
        let most = program.max(given.a, given.b);
        program.open(most);
    }),
    ("abs", 63, |program, given| {
        let size = program.abs(given.a);
        program.open(size);
    }),
    ("div_public", 58, |program, given| {
        let quotient = program.div_public(given.a, 1000);
        program.open(quotient);
    }),
    ("div", 58, |program, given| {
        let quotient = program.div(given.a, given.above);
        program.open(quotient);
    }),
    ("sqrt", 58, |program, given| {
        let root = program.sqrt(given.above);
        program.open(root);
    }),
    ("mul_fixed", 30, |program, given| {
        let product = program.mul_fixed(given.a, given.b, 16);
        program.open(product);
    }),
    ("convert", 40, |program, given| {
        let to = match given.domain {
            Domain::Ring64 => Domain::Ring128,
            Domain::Ring128 => Domain::Ring64,
            Domain::M61 => Domain::P127,
            _ => Domain::M61,
        };
        let converted = program.convert(given.a, to);
        program.open(converted);
    }),
    ("to_number", 1, |program, given| {
        let number = program.to_number(given.p(), given.domain);
        program.open(number);
    }),
    ("shuffle", 63, |program, given| {
        let shuffled = program.shuffle(&[given.a, given.b]);
        let products = program.mul(shuffled[0], shuffled[1]);
        let sum = program.sum(products);
        program.open(sum);
    }),
    ("sort", 63, |program, given| {
        for column in program.sort(given.a, &[given.b]) {
            program.open(column);
        }
    }),
    ("segmented_sum", 60, |program, given| {
        let sums = program.segmented_sum(given.p(), given.a);
        program.open(sums);
    }),
    ("give", 63, |program, given| {
        if given.opens {
            program.open(given.a);
            program.open(given.p());
        } else {
            program.give(given.a);
            program.give(given.p());
        }
    }),
    ("give_sum", 62, |program, given| {
        let sum = program.linear(&[(1, given.a), (1, given.b), (1, given.above)], 5);
        if given.opens {
            program.open(sum);
        } else {
            program.give(sum);
        }
    }),
];

/// A sample of one of [`OPERATIONS`].
pub(crate) fn sample((name, bits, build): &(&str, u32, Build), domain: Domain, len: usize, seed: u64) -> Sample {
    let of_truths = TRUTHS.contains(name);
    let [program, clear] = [false, true].map(|opens| {
        let mut program = Builder::new(3);
        let [a, b, above] = [0, 1, 2].map(|party| program.input(party, domain));
        let truths = of_truths.then(|| [1, 2].map(|party| program.input_truths(party)));
        build(&mut program, &Given { a, b, above, truths, domain, len, opens });
        program.finish().expect("it opens something")
    });
    let mut numbers = Numbers(seed);
    // Operations with a sign need room in a field.
    let bits = (*bits).min(domain.width() - if domain.width() % 2 == 1 { 5 } else { 1 });
    let mut column = |act: fn(&mut Numbers, u32) -> i64| {
        let values: Vec<i64> = (0..len).map(|_| act(&mut numbers, bits)).collect();
        Values::from_i64(domain, &values)
    };
    let any = |numbers: &mut Numbers, bits| numbers.signed(bits);
    let (a, b) = (column(any), column(any));
    let above = column(|numbers, bits| (numbers.signed(bits) & i64::MAX >> (63 - bits)) | 1);
    let mut truths = || Values::Bits((0..len).map(|_| numbers.next() & 1 == 1).collect());
    let mut inputs = vec![a, b, above];
    if of_truths {
        inputs.extend([truths(), truths()]);
    }
    Sample { name: format!("{name} of {len} {domain:?}"), program, clear, inputs }
}

/// Operations of [`OPERATIONS`] that are given truths.
const TRUTHS: [&str; 6] = ["and", "xor", "select", "to_number", "segmented_sum", "give"];
