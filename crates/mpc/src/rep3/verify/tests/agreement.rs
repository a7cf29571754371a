use crate::engine::{Failure, Fault, OpId, local};

use super::super::agreement::Agreement;

fn run(lie: Option<u16>) -> Vec<Result<(), Failure>> {
    let runs = local::run(3, 5, move |mut io| async move {
        let op = io.op();
        let index = io.index();
        let mut agreement = Agreement::new(&io)?;
        // A dealer deals each part to two parties; a lying one deals two different.
        for part in 0..3u16 {
            for peer in (0..3).filter(|peer| *peer != part && *peer != index && part != index) {
                let lied = lie == Some(part) && index < peer;
                agreement.note(peer, op, &[part as u8, u8::from(lied)]);
            }
        }
        agreement.compare(&mut io).await?;
        agreement.compare(&mut io).await
    });
    runs.into_iter().map(|(result, _)| result).collect()
}

#[test]
fn what_is_held_in_common_agrees() {
    assert_eq!(run(None), vec![Ok(()); 3]);
}

#[test]
fn inconsistent_dealing_is_a_dispute_with_the_dealer() {
    for dealer in 0..3u16 {
        let results = run(Some(dealer));
        for index in (0..3u16).filter(|index| *index != dealer) {
            let Err(Failure::Dispute { low, high, fault: Fault::Inconsistent(OpId(_)) }) = results[usize::from(index)] else {
                panic!("{:?}", results[usize::from(index)]);
            };
            assert!(low == dealer || high == dealer);
            assert!(low != index && high != index);
        }
    }
}
