//! Its dealing lies on no polynomial.

use super::*;
use crate::net::sim::Dice;

/// Changes what it deals to one party in one operation: its input, the masks and dealings of products after it, their openings.
struct OtherDealing {
    victim: u16,
    op: u64,
}

impl Behaviour for OtherDealing {
    fn send(&mut self, frame: crate::engine::Frame, dice: &mut Dice) -> Vec<crate::engine::Frame> {
        if frame.to != self.victim {
            return vec![frame];
        }
        let (place, bit) = (dice.draw() as usize, dice.below(8));
        let flip = |bytes: &mut [u8]| {
            if let Some(place) = place.checked_rem(bytes.len()) {
                bytes[place] ^= 1 << bit;
            }
        };
        vec![change(&frame, |op| op == self.op, flip)]
    }
}

#[test]
fn no_wrong_result_of_a_small_program() {
    let failed = suffer_small(|seed| OtherDealing { victim: (seed / 7 % 4) as u16, op: 2 + seed / 3 % 16 });
    assert!(failed > 100, "{failed}");
}

#[test]
#[ignore = "nightly: 10,000 sessions"]
fn no_wrong_result_in_many_sessions() {
    suffer(NIGHTLY, |seed| OtherDealing { victim: (seed / 7 % 4) as u16, op: 2 + seed / 5 % 200 });
}

#[test]
fn with_more_members_an_input_is_refused_at_once() {
    for (parties, threshold) in [(4u16, 1u16), (5, 1), (6, 2)] {
        for victim in 1..parties {
            for domain in [Domain::M61, Domain::P127, Domain::Bits] {
                let results = local::run_with(
                    parties,
                    u64::from(victim),
                    move |mut io| async move {
                        let shamir = Shamir::new(parties, threshold, Adversary::Malicious)?;
                        let values = numbers(domain, 9, 9, 1);
                        let mine = (io.index() == 0).then_some(&values);
                        // The operations of an input are the first two: its number, and the messages'.
                        shamir.input(&mut io, 0, domain, 9, mine).await.map(|_| ())
                    },
                    move |frame| {
                        if (frame.from, frame.to) == (0, victim) {
                            return vec![change(&frame, |op| op == 2, |bytes| bytes[0] ^= 1)];
                        }
                        vec![frame]
                    },
                );
                // Who follows the dealer draws its share from a stream: there is no message to change.
                let is_told = usize::from(victim) > usize::from(threshold);
                for (result, _) in &results[1..] {
                    assert_eq!(result.is_err(), is_told, "{parties} {domain:?} {victim}: {result:?}");
                }
            }
        }
    }
}

#[test]
fn with_2t_plus_1_members_nothing_is_opened() {
    let results = local::run_with(
        5,
        3,
        |mut io| async move {
            let shamir = Shamir::new(5, 2, Adversary::Malicious)?;
            let values = numbers(Domain::M61, 9, 9, 1);
            let mine = (io.index() == 0).then_some(&values);
            let column = shamir.input(&mut io, 0, Domain::M61, 9, mine).await?;
            let square = shamir.mul(&mut io, &column, &column).await?;
            open(&shamir, &mut io, &[column, square]).await
        },
        |frame| if frame.from == 0 { vec![change(&frame, |op| op == 2, |bytes| bytes[0] ^= 1)] } else { vec![frame] },
    );
    // Two of four honest shares are off: they are on no polynomial of degree two. (With two liars, those of three honest ones always are.)
    assert!(results[1..].iter().all(|(result, _)| matches!(result, Err(Failure::Cheated { .. }))));
}

/// A bit that is none.
#[test]
fn what_is_no_bit_is_refused() {
    for (parties, threshold) in SESSIONS {
        let results = local::run(parties, 4, move |mut io| async move {
            let shamir = Shamir::new(parties, threshold, Adversary::Malicious)?;
            let column = if io.index() == 0 {
                crooked_bits(&shamir, &mut io).await?
            } else {
                shamir.input(&mut io, 0, Domain::Bits, 3, None).await?
            };
            open(&shamir, &mut io, &[column]).await
        });
        for (result, _) in results {
            assert!(matches!(result, Err(Failure::Cheated { .. })), "{result:?}");
        }
    }
}

/// Deals an element of the small field that is neither zero nor one, as if it were a bit.
async fn crooked_bits(shamir: &Shamir, io: &mut Io) -> Result<Column, Failure> {
    async fn deal<L: crate::shamir::field::Valued>(shamir: &Shamir, io: &mut Io) -> Result<Column, Failure> {
        let mut lane = L::from_word(0b101);
        let two = <L::Scalar as crate::shamir::field::Field>::point(1);
        lane.set(1, two);
        shamir.share_lanes(io, 0, 3, Some(vec![lane])).await
    }
    match io.parties() {
        ..=3 => deal::<[u64; 2]>(shamir, io).await,
        _ => deal::<[u64; 4]>(shamir, io).await,
    }
}
