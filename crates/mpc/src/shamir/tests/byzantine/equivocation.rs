//! It tells one party something else than the others.

use std::cell::Cell;

use super::*;
use crate::net::sim::Equivocation;

#[test]
fn no_wrong_result() {
    let failed = suffer(SEEDS, |seed| Equivocation { to: (seed % 3) as u16 });
    assert!(failed > 60, "{failed}");
}

#[test]
fn no_wrong_result_of_a_small_program() {
    let failed = suffer_small(|seed| Equivocation { to: (seed % 3) as u16 });
    assert!(failed > 200, "{failed}");
}

#[test]
#[ignore = "nightly: 10,000 sessions"]
fn no_wrong_result_in_many_sessions() {
    suffer(NIGHTLY, |seed| Equivocation { to: (seed % 3) as u16 });
}

/// With redundant shares, an honest party whose share of a product is off would give away its share of the next factor: all stop before.
#[test]
fn no_product_follows_one_that_was_opened_in_two_ways() {
    for (parties, threshold) in [(4u16, 1u16), (6, 2)] {
        for victim in 1..parties {
            let went_on = Rc::new(Cell::new(0));
            let count = Rc::clone(&went_on);
            let results = local::run_with(
                parties,
                u64::from(victim),
                move |mut io| {
                    let count = Rc::clone(&count);
                    async move {
                        let shamir = Shamir::new(parties, threshold, Adversary::Malicious)?;
                        let one = shamir.public(&Values::from_i64(Domain::M61, &[5]))?;
                        shamir.random(&mut io, Domain::M61, 1).await?;
                        // The next operations are those of the product, number 3 the masked one.
                        shamir.mul(&mut io, &one, &one).await?;
                        if io.index() != 0 {
                            count.set(count.get() + 1);
                        }
                        Ok(())
                    }
                },
                move |frame| {
                    if (frame.from, frame.to) == (0, victim) {
                        return vec![change(&frame, |op| op == 3, |bytes| bytes[0] ^= 1)];
                    }
                    vec![frame]
                },
            );
            assert_eq!(went_on.get(), 0, "nobody honest has a product");
            for (result, _) in &results[1..] {
                assert!(matches!(result, Err(Failure::Cheated { .. } | Failure::Party { .. })), "{result:?}");
            }
        }
    }
}
