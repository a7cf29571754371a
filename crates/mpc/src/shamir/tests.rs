//! Everything at once: all parties in one thread.

mod against_plain;
mod blame;
mod byzantine;
mod costs;
mod dropouts;
mod handout;
mod page;
mod privacy;
mod renewal;
mod transcripts;

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::domain::{Domain, Element as _, M61, P127, Values};
use crate::engine::{Adversary, Backend, Column, Failure, Fut, Io, checked, local};
use crate::plain::Plain;

use super::Shamir;

/// A program over any back end. Values of all inputs are known to whoever runs it.
type Script = Rc<dyn for<'a> Fn(&'a dyn Backend, &'a mut Io, &'a [Values]) -> Fut<'a, Vec<Values>>>;

/// Shares inputs, each by another owner.
async fn share(backend: &dyn Backend, io: &mut Io, inputs: &[Values]) -> Result<Vec<Column>, Failure> {
    let mut columns = Vec::new();
    for (index, values) in inputs.iter().enumerate() {
        let owner = (index % usize::from(io.parties())) as u16;
        let mine = (owner == io.index()).then_some(values);
        columns.push(backend.input(io, owner, values.domain(), values.len(), mine).await?);
    }
    Ok(columns)
}

async fn open(backend: &dyn Backend, io: &mut Io, columns: &[Column]) -> Result<Vec<Values>, Failure> {
    let columns = checked(backend, io, columns).await?;
    Ok(backend.open(io, columns, None).await?.expect("opened to all"))
}

/// Runs a script in the clear and among parties; all agree.
fn same(parties: u16, threshold: u16, adversary: Adversary, seed: u64, inputs: &[Values], script: &Script) {
    let (work, values) = (Rc::clone(script), inputs.to_vec());
    let expected = local::run(1, 1, move |mut io| {
        let (work, values) = (Rc::clone(&work), values.clone());
        async move { work(&Plain::default(), &mut io, &values).await }
    });
    let expected = expected[0].0.clone().expect("the plain run succeeds");
    let (work, values) = (Rc::clone(script), inputs.to_vec());
    let results = local::run(parties, seed, move |mut io| {
        let (work, values) = (Rc::clone(&work), values.clone());
        async move {
            let shamir = Shamir::new(parties, threshold, adversary)?;
            work(&shamir, &mut io, &values).await
        }
    });
    for (index, (result, _)) in results.into_iter().enumerate() {
        let opened = result.unwrap_or_else(|failure| panic!("party {index} of {parties}, {inputs:?}: {failure}"));
        assert_eq!(opened.len(), expected.len());
        for (place, (opened, expected)) in opened.iter().zip(&expected).enumerate() {
            assert!(
                opened == expected,
                "party {index} of {parties}, {adversary:?}, result {place}: {}",
                show(opened, expected)
            );
        }
    }
}

fn show(opened: &Values, expected: &Values) -> String {
    let numbers = |values: &Values| -> Vec<u128> {
        match values.domain() {
            Domain::M61 => values.elements::<M61>().unwrap().iter().map(|value| value.to_u128()).collect(),
            Domain::P127 => values.elements::<P127>().unwrap().iter().map(|value| value.to_u128()).collect(),
            _ => values.bits().unwrap().iter().map(u128::from).collect(),
        }
    };
    let (opened, expected) = (numbers(opened), numbers(expected));
    let place = opened.iter().zip(&expected).position(|(opened, expected)| opened != expected);
    format!(
        "{} for {} values, first at {place:?}: {:x?} for {:x?}",
        opened.len(),
        expected.len(),
        place.map(|place| opened[place]),
        place.map(|place| expected[place])
    )
}

/// Numbers from a seed, the edges first: `|v| < 2^(bits − 1)`.
fn numbers(domain: Domain, len: usize, bits: u32, seed: u64) -> Values {
    let max = (1i128 << (bits - 1)) - 1;
    let mut state = u128::from(seed) << 64 | 0x9e37_79b9_7f4a_7c15;
    let mut next = move || {
        state = state.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(0x5851_f42d);
        ((state >> 1) ^ (state >> 67)) as i128 & i128::MAX
    };
    let values: Vec<i128> = [0, -1, 1, max, -max]
        .into_iter()
        .chain(std::iter::repeat_with(move || next() % (max + 1) * if next() & 1 == 1 { 1 } else { -1 }))
        .take(len)
        .collect();
    match domain {
        Domain::M61 => Values::M61(values.iter().map(|value| crate::plain::scalar(*value)).collect()),
        Domain::P127 => Values::P127(values.iter().map(|value| crate::plain::scalar(*value)).collect()),
        _ => Values::Bits(values.iter().map(|value| value & 1 == 1).collect()),
    }
}

/// Parties and thresholds that are tried.
const SIZES: [(u16, u16); 4] = [(3, 1), (4, 1), (5, 2), (7, 3)];
const BOTH: [Adversary; 2] = [Adversary::SemiHonest, Adversary::Malicious];
