use mpc::circuit::Range;
use mpc::circuit::choose::{self, Extreme};
use mpc::domain::Domain;

use super::harness::{LENGTHS, NUMBERS, Numbers, expect, signed_bits, values};

#[test]
fn a_bit_selects_numbers_and_bits() {
    for domain in NUMBERS {
        for len in LENGTHS {
            let mut numbers = Numbers(1);
            let (yes, no) = (numbers.integers(60, len), numbers.integers(60, len));
            let bits: Vec<i128> = (0..len).map(|_| i128::from(numbers.next() & 1)).collect();
            let pick = |row: usize| if bits[row] == 1 { yes[row] } else { no[row] };
            let chosen: Vec<i128> = (0..len).map(pick).collect();
            let inputs = [values(Domain::Bits, &bits), values(domain, &yes), values(domain, &no)];
            let inputs = [inputs.as_slice(), &[values(Domain::Bits, &yes), values(Domain::Bits, &no)]].concat();
            let expected = [values(domain, &chosen), values(Domain::Bits, &chosen)];
            expect("select", &inputs, &expected, async |backend, io, columns| {
                let pairs = [(&columns[1], &columns[2]), (&columns[3], &columns[4])];
                choose::select_all(backend, io, &columns[0], &pairs).await
            });
        }
    }
}

#[test]
fn minimum_maximum_absolute_value_and_clamp() {
    for domain in NUMBERS {
        let mut numbers = Numbers(2);
        let bits = signed_bits(domain);
        let (left, right) =
            (numbers.integers(bits, 70), numbers.integers(bits, 70).into_iter().rev().collect::<Vec<_>>());
        let inputs = [values(domain, &left), values(domain, &right)];
        let pairs = || left.iter().zip(&right);
        let smallest = if bits == 128 { i128::MIN } else { -(1 << (bits - 1)) };
        let abs = |value: &i128| if *value == smallest && bits == domain.width() { smallest } else { value.abs() };
        let expected = [
            values(domain, &pairs().map(|(x, y)| *x.min(y)).collect::<Vec<_>>()),
            values(domain, &pairs().map(|(x, y)| *x.max(y)).collect::<Vec<_>>()),
            values(domain, &left.iter().map(abs).collect::<Vec<_>>()),
            values(domain, &left.iter().map(|x| *x.clamp(&-100, &1_000_000)).collect::<Vec<_>>()),
        ];
        expect("min max abs clamp", &inputs, &expected, async |backend, io, columns| {
            let (x, y) = (&columns[0], &columns[1]);
            Ok(vec![
                choose::min(backend, io, x, y, Range::Full).await?,
                choose::max(backend, io, x, y, Range::Full).await?,
                choose::abs(backend, io, x).await?,
                choose::clamp(backend, io, x, -100, 1_000_000, Range::Full).await?,
            ])
        });
    }
}

#[test]
fn the_first_of_the_extremes_is_found_with_its_payload() {
    for (groups, rows) in [(1, 1), (1, 2), (1, 7), (3, 5), (4, 8), (2, 13), (65, 3)] {
        let mut numbers = Numbers(3);
        // Few different values, so that there are ties.
        let column: Vec<i128> = (0..groups * rows).map(|_| numbers.integer(4)).collect();
        let payload: Vec<i128> = (0..groups * rows).map(|_| numbers.integer(60)).collect();
        let inputs = [values(Domain::Ring64, &column), values(Domain::M61, &payload), values(Domain::Bits, &payload)];
        let inputs = [inputs[0].clone(), values(Domain::Ring64, &payload), inputs[2].clone()];
        for which in [Extreme::Least, Extreme::Greatest] {
            let found: Vec<usize> = (0..groups)
                .map(|group| {
                    let rows = group * rows..(group + 1) * rows;
                    let best = match which {
                        Extreme::Least => column[rows.clone()].iter().min(),
                        Extreme::Greatest => column[rows.clone()].iter().max(),
                    };
                    rows.clone().find(|row| Some(&column[*row]) == best).unwrap()
                })
                .collect();
            let pick = |from: &[i128]| found.iter().map(|row| from[*row]).collect::<Vec<_>>();
            let expected = [
                values(Domain::Ring64, &pick(&column)),
                values(Domain::Ring64, &found.iter().map(|row| (row % rows) as i128).collect::<Vec<_>>()),
                values(Domain::Ring64, &pick(&payload)),
                values(Domain::Bits, &pick(&payload)),
            ];
            expect("extreme", &inputs, &expected, async move |backend, io, columns| {
                let (range, payload) = (Range::Bits(8), &columns[1..]);
                let found = choose::extreme(backend, io, which, &columns[0], payload, groups, range).await?;
                Ok([vec![found.value, found.row], found.payload].concat())
            });
        }
    }
}
