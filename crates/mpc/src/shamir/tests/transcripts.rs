//! What is sent does not depend on the machine.

use std::cell::RefCell;

use super::*;
use crate::engine::Truncation;
use crate::kernel::words::PLAIN;

/// All that is sent in a session that multiplies, converts, checks and opens: with the processor's products of polynomials, the only instruction that the
/// protocol chooses by itself, or in plain code.
fn transcript(parties: u16, threshold: u16, plain: bool) -> Vec<(u16, u16, bytes::Bytes)> {
    PLAIN.set(plain);
    let frames = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&frames);
    let work = move |mut io: Io| async move {
        let shamir = Shamir::new(parties, threshold, Adversary::Malicious)?;
        let inputs =
            [numbers(Domain::M61, 70, 50, 1), numbers(Domain::P127, 70, 90, 2), numbers(Domain::Bits, 70, 9, 3)];
        let columns = share(&shamir, &mut io, &inputs).await?;
        let product = shamir.mul(&mut io, &columns[0], &columns[0]).await?;
        let wide = shamir.matmul(&mut io, &columns[1], &columns[1], [7, 10, 7]).await?;
        let both = shamir.mul(&mut io, &columns[2], &columns[2]).await?;
        let negative = shamir.is_negative(&mut io, &columns[0]).await?;
        let number = shamir.from_bits(&mut io, &[both, negative], Domain::P127).await?;
        let divided = shamir.truncate(&mut io, &columns[0], 3, Truncation::Exact).await?;
        open(&shamir, &mut io, &[product, wide, number, divided]).await
    };
    let results = local::run_with(parties, 2, work, move |frame| {
        seen.borrow_mut().push((frame.from, frame.to, frame.body.clone()));
        vec![frame]
    });
    PLAIN.set(false);
    assert!(results.iter().all(|(result, _)| result.is_ok()));
    frames.take()
}

#[test]
fn sessions_are_the_same_on_all_kernels() {
    for (parties, threshold) in [(3, 1), (4, 1), (5, 2)] {
        let [plain, fast] = [true, false].map(|plain| transcript(parties, threshold, plain));
        assert!(plain.len() > 30);
        assert!(plain == fast, "among {parties}");
    }
}
