//! Noise where a link or a party expects a peer's bytes.

use crate::engine::{Failure, Frame, Party, local};

use super::message::{Assembler, HEADER, Hello, MAX_PIECE, ROUTE};

/// Bytes inside a link's TLS, in pieces whose lengths the bytes decide too.
pub(crate) fn message(bytes: &[u8]) {
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
pub(crate) fn frame(bytes: &[u8]) {
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

/// What is nearly a stream of messages: pieces' length, then messages of all kinds.
#[cfg(test)]
pub(crate) fn messages(dice: &mut super::sim::Dice) -> Vec<u8> {
    use super::message::{Counters, Kind, head};
    let mut bytes = vec![dice.draw() as u8];
    for _ in 0..dice.below(6) {
        let kinds = [Kind::Hello, Kind::Welcome, Kind::Frame, Kind::Pulse, Kind::Bye, Kind::Relay, Kind::Relayed];
        let kind = kinds[dice.below(7) as usize];
        let hello = Hello { session: [1; 32], run: [2; 16], from: 1, to: 0, connection: 3 };
        let body = if kind == Kind::Hello { hello.encode() } else { vec![1; dice.below(80) as usize] };
        bytes.extend_from_slice(&head(kind, Counters::default(), body.len()));
        bytes.extend_from_slice(&body);
    }
    bytes
}

/// What is nearly a sequence of frames: their length, then sections.
#[cfg(test)]
pub(crate) fn frames(dice: &mut super::sim::Dice) -> Vec<u8> {
    let mut bytes = vec![200, 0];
    for _ in 0..dice.below(8) {
        bytes.extend_from_slice(&dice.below(4).to_le_bytes());
        let length = dice.below(40);
        bytes.extend_from_slice(&(length as u32).to_le_bytes());
        bytes.extend((0..length).map(|_| dice.draw() as u8));
    }
    bytes
}
