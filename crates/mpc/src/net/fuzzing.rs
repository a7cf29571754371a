//! What fuzzers feed: everything that reads a peer's bytes. Seeded in the tests, guided in `fuzz/`.

use crate::engine::{Failure, Frame, Party, local};

use super::message::{Assembler, HEADER, Hello, MAX_PIECE, ROUTE};

/// Bytes inside a link's TLS, in pieces whose lengths the bytes decide too.
pub fn message(bytes: &[u8]) {
    let Some((first, mut rest)) = bytes.split_first() else { return };
    let (mut assembler, mut messages) = (Assembler::default(), Vec::new());
    while !rest.is_empty() {
        let piece;
        (piece, rest) = rest.split_at(rest.len().min(usize::from(*first) + 1));
        if assembler.feed(piece, &mut messages).is_err() {
            break;
        }
    }
    for message in messages {
        assert!(message.body.len() <= bytes.len().saturating_sub(HEADER), "a body is what came in");
        assert!(message.body.len() <= (MAX_PIECE + ROUTE).max(crate::engine::MAX_FRAME), "a body is within its bound");
        if let Some(hello) = Hello::decode(&message.body) {
            assert_eq!(hello.encode(), &message.body[..], "a greeting has one form");
        }
    }
}

/// The bodies of frames, as their first two bytes cut them; every other one under the right run and number.
pub fn frame(bytes: &[u8]) {
    let Some(([low, high], rest)) = bytes.split_first_chunk() else { return };
    let length = usize::from(u16::from_le_bytes([*low, *high])) + 1;
    let settings = local::settings(0, 2, 1);
    let run = settings.run;
    let work = |mut io: crate::engine::Io| async move {
        let op = io.op();
        io.send_elements(op, 1, &[1u64]);
        let mut numbers = [crate::domain::M61::default(); 3];
        io.receive_elements(op, 1, &mut numbers).await
    };
    let mut party = Party::new(settings, work).expect("two parties");
    let mut stepped = party.step([]).map(|_| ());
    for (number, piece) in rest.chunks(length).enumerate() {
        if stepped.is_err() {
            break;
        }
        let body = if number % 2 == 0 {
            piece.to_vec()
        } else {
            [&run[..], &(number as u32 / 2).to_le_bytes(), &[0; 4], piece].concat()
        };
        stepped = match party.step([Frame { from: 1, to: 0, body: body.into() }]) {
            Ok((_, crate::engine::Status::Waiting)) => Ok(()),
            Ok((_, crate::engine::Status::Done(()))) => return,
            Err(failure) => Err(failure),
        };
    }
    if let Err(failure) = stepped {
        assert!(matches!(failure, Failure::Party { party: 1, .. }), "the sender is named: {failure}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{self, Counters, Kind};
    use super::super::sim::Dice;

    /// Half noise, half what is nearly right.
    fn feed(target: fn(&[u8]), pattern: impl Fn(&mut Dice) -> Vec<u8>) {
        for seed in 0..20_000 {
            let mut dice = Dice::new(seed);
            let mut bytes: Vec<u8> = if dice.chance(500) {
                (0..dice.below(300)).map(|_| dice.draw() as u8).collect()
            } else {
                pattern(&mut dice)
            };
            for _ in 0..dice.below(4) {
                if !bytes.is_empty() {
                    let at = dice.below(bytes.len() as u64) as usize;
                    bytes[at] = dice.draw() as u8;
                }
            }
            target(&bytes);
        }
    }

    #[test]
    fn messages_of_noise_never_panic() {
        feed(super::message, |dice| {
            let mut bytes = vec![dice.draw() as u8];
            for _ in 0..dice.below(6) {
                let kinds = [Kind::Hello, Kind::Welcome, Kind::Frame, Kind::Pulse, Kind::Bye, Kind::Relay, Kind::Relayed];
                let body = vec![1; dice.below(80) as usize];
                let kind = kinds[dice.below(7) as usize];
                bytes.extend_from_slice(&message::head(kind, Counters::default(), body.len()));
                bytes.extend_from_slice(&body);
            }
            bytes
        });
    }

    #[test]
    fn frames_of_noise_never_panic() {
        feed(super::frame, |dice| {
            let mut bytes = vec![200, 0];
            for _ in 0..dice.below(8) {
                bytes.extend_from_slice(&dice.below(4).to_le_bytes());
                let length = dice.below(40);
                bytes.extend_from_slice(&(length as u32).to_le_bytes());
                bytes.extend((0..length).map(|_| dice.draw() as u8));
            }
            bytes
        });
    }
}
