//! The check's simulator (docs/spec/mpc/rep3-malicious.md, "Zero knowledge") against real views, by the same statistics as the protocol's.
//!
//! It draws what others send uniformly: coins and digests of coins, products under fresh masks, `F` and `F'` under `ρ` and `σ`; `H` and the last
//! digest follow from these and what the party holds, which makes each of them uniform by itself. That `H` is what it must be, the check verifies.

use std::cell::RefCell;

use super::super::super::tests::Numbers;
use super::super::super::{Rep3, Share};
use super::*;
use crate::domain::{Bits as Packed, Domain, Values};
use crate::engine::Backend as _;
use crate::net::sim::Sections;
use crate::views::{excess, executed};

/// What a party received in one execution, but for the greeting of the check (public), and at party 2 its part of the first factor.
type View = Vec<u64>;

/// One word times another, verified; the views of all three parties.
fn execution(seed: u64, secrets: [u64; 2]) -> [View; 3] {
    let received: Rc<RefCell<[View; 3]>> = Rc::default();
    let told = Rc::clone(&received);
    let work = move |mut io: Io| async move {
        let rep3 = Rep3::malicious(&io)?;
        let mut columns = Vec::new();
        for (owner, secret) in (0..).zip(secrets) {
            let values = Values::Bits(Packed::from_words(64, vec![secret]));
            let own = (io.index() == owner).then_some(&values);
            columns.push(rep3.input(&mut io, owner, Domain::Bits, 64, own).await?);
        }
        rep3.mul(&mut io, &columns[0], &columns[1]).await?;
        rep3.check(&mut io).await?;
        let Share::Bits(x, _) = Share::of(&columns[0])? else { unreachable!("bits") };
        Ok(x.next[0].0)
    };
    let runs = local::run_with(3, seed, work, move |frame| {
        let words = |bytes: &[u8]| -> Vec<u64> {
            bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes"))).collect()
        };
        let sections = Sections::of(&frame).sections;
        // Set-up, two inputs, a product, the meeting.
        let view = sections.iter().filter(|(op, _)| *op != 0 && *op != MEETING).flat_map(|(_, bytes)| words(bytes));
        told.borrow_mut()[usize::from(frame.to)].extend(view);
        vec![frame]
    });
    let mut views = received.take();
    let parts: Vec<u64> = runs.into_iter().map(|(part, _)| part.expect("all are honest")).collect();
    // What party 2 holds and did not receive.
    views[2].push(parts[2]);
    views
}

const MEETING: u64 = 4;

#[test]
fn the_checks_views_are_simulated() {
    let real = executed(|seed| execution(seed, [u64::MAX, 0x8000_0000_0000_0001]));
    for (party, real) in real.into_iter().enumerate() {
        let words = real.len() / 2;
        assert!(words > 100);
        let [simulated] = executed(|seed| {
            let mut numbers = Numbers(seed << 2 | party as u64);
            [(0..words).map(|_| numbers.word()).collect()]
        });
        let excess = excess(&real, &simulated);
        assert!(excess < 0.0, "party {party}: {excess}");
    }
}
