//! It holds back what one honest party awaits, until the others have shown it the coin.

use super::*;

/// No coin's share is sent by anybody while somebody still awaits a dealing.
#[test]
fn no_coin_is_shown_while_a_dealing_is_outstanding() {
    // With members to spare nobody awaits one in particular.
    for (parties, threshold) in [(3u16, 1u16), (5, 2)] {
        let victim = parties - 1;
        let largest = Rc::new(std::cell::Cell::new((0u64, 0u64)));
        let seen = Rc::clone(&largest);
        // Party 0 never sends the product to the victim: operation 3 is the dealing or the masked product.
        let results = local::run_with(
            parties,
            5,
            move |mut io| async move {
                let shamir = Shamir::new(parties, threshold, Adversary::Malicious)?;
                let one = shamir.public(&Values::from_i64(Domain::M61, &[5]))?;
                io.op();
                let product = shamir.mul(&mut io, &one, &one).await?;
                open(&shamir, &mut io, &[product]).await
            },
            move |frame| {
                for (op, bytes) in crate::net::sim::Sections::of(&frame).sections {
                    // Elements of 16 bytes are the check's.
                    if frame.from != 0 && bytes.len() == 16 && op > 3 && op < 1 << 62 {
                        seen.set((op, frame.from.into()));
                    }
                }
                if (frame.from, frame.to) == (0, victim) {
                    return vec![change_or_drop(&frame)].into_iter().flatten().collect();
                }
                vec![frame]
            },
        );
        assert_eq!(largest.get(), (0, 0), "among {parties}");
        // Seat 0's neighbours draw their part of its dealing from streams; a victim further away is stuck.
        assert!(results[usize::from(victim)].0.is_err());
    }
}

/// Without the messages of the product, nothing is left of the frame but what comes before.
fn change_or_drop(frame: &crate::engine::Frame) -> Option<crate::engine::Frame> {
    let sections = crate::net::sim::Sections::of(frame);
    sections.sections.iter().all(|(op, _)| *op < 3 || *op >= 1 << 62).then(|| frame.clone())
}
