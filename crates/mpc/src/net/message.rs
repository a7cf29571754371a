//! What travels inside a link's TLS: `kind (u8) ‖ length (u32) ‖ received (u64) ‖ consumed (u64) ‖ body`, integers little-endian.

use bytes::Bytes;

use crate::engine::MAX_FRAME;

/// Bytes before a message's body.
pub(super) const HEADER: usize = 21;
/// Longest piece of a relayed stream.
pub(super) const MAX_PIECE: usize = 64 * 1024;
/// Bytes before a relayed piece.
pub(super) const ROUTE: usize = 6;
/// Longest greeting.
pub(super) const MAX_HELLO: usize = 128;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The dialler names session, run, both parties and the connection.
    Hello = 1,
    /// The other side takes the connection.
    Welcome = 2,
    /// A frame.
    Frame = 3,
    /// Nothing but the counters; also the sign of life.
    Pulse = 4,
    /// The sender's work has ended; whoever gets it answers with a pulse.
    Bye = 5,
    /// To the third party: a piece of a stream for another, `other (u16) ‖ stream (u32) ‖ bytes`; without bytes, the stream's end.
    Relay = 6,
    /// From the third party: the same, where `other` is whom it comes from.
    Relayed = 7,
}

impl Kind {
    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Hello,
            2 => Self::Welcome,
            3 => Self::Frame,
            4 => Self::Pulse,
            5 => Self::Bye,
            6 => Self::Relay,
            7 => Self::Relayed,
            _ => return None,
        })
    }

    /// Longest body.
    const fn limit(self) -> usize {
        match self {
            Self::Hello => MAX_HELLO,
            Self::Welcome | Self::Pulse => 0,
            Self::Bye => 1,
            Self::Frame => MAX_FRAME,
            Self::Relay | Self::Relayed => MAX_PIECE + ROUTE,
        }
    }
}

/// What the sender of a message has had of the other side, in all, over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Frames received.
    pub(super) received: u64,
    /// Bytes of frames' bodies that the party took.
    pub(super) consumed: u64,
}

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) counters: Counters,
    pub(super) body: Bytes,
}

/// A message's head.
pub(super) fn head(kind: Kind, counters: Counters, length: usize) -> [u8; HEADER] {
    let mut head = [0; HEADER];
    head[0] = kind as u8;
    head[1..5].copy_from_slice(&(length as u32).to_le_bytes());
    head[5..13].copy_from_slice(&counters.received.to_le_bytes());
    head[13..].copy_from_slice(&counters.consumed.to_le_bytes());
    head
}

/// Puts messages together from the pieces that come out of a stream. Lengths are checked before anything is allocated.
#[derive(Default)]
pub(super) struct Assembler {
    head: [u8; HEADER],
    filled: usize,
    body: Option<(Kind, Counters, usize, Vec<u8>)>,
}

impl Assembler {
    /// Takes the next bytes; appends the messages that they complete.
    ///
    /// # Errors
    /// What is wrong with them. The stream is of no more use then.
    pub(super) fn feed(&mut self, mut bytes: &[u8], messages: &mut Vec<Message>) -> Result<(), &'static str> {
        loop {
            if let Some((kind, counters, length, body)) = &mut self.body {
                let taken = bytes.len().min(*length - body.len());
                body.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                if body.len() < *length {
                    return Ok(());
                }
                messages.push(Message { kind: *kind, counters: *counters, body: std::mem::take(body).into() });
                self.body = None;
            }
            let taken = bytes.len().min(HEADER - self.filled);
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled < HEADER {
                return Ok(());
            }
            self.filled = 0;
            let long = |at: usize| u64::from_le_bytes(self.head[at..at + 8].try_into().expect("eight bytes"));
            let length = u32::from_le_bytes(self.head[1..5].try_into().expect("four bytes")) as usize;
            let kind = Kind::of(self.head[0]).ok_or("a message of no known kind")?;
            if length > kind.limit() {
                return Err("a message longer than its kind may be");
            }
            let counters = Counters { received: long(5), consumed: long(13) };
            self.body = Some((kind, counters, length, Vec::with_capacity(length)));
        }
    }
}

/// A dialler's greeting: `version (u16) ‖ session (32) ‖ run (16) ‖ from (u16) ‖ to (u16) ‖ connection (u32)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) session: [u8; 32],
    pub(super) run: [u8; 16],
    pub(super) from: u16,
    pub(super) to: u16,
    /// Counts the dialler's connections to this peer: a later one takes the place of those before.
    pub(super) connection: u32,
}

impl Hello {
    pub(super) fn encode(&self) -> Vec<u8> {
        [
            &VERSION.to_le_bytes()[..],
            &self.session,
            &self.run,
            &self.from.to_le_bytes(),
            &self.to.to_le_bytes(),
            &self.connection.to_le_bytes(),
        ]
        .concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 58] = bytes.try_into().ok()?;
        let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        (short(0) == VERSION).then(|| Self {
            session: bytes[2..34].try_into().expect("32 bytes"),
            run: bytes[34..50].try_into().expect("16 bytes"),
            from: short(50),
            to: short(52),
            connection: u32::from_le_bytes(bytes[54..].try_into().expect("four bytes")),
        })
    }
}

/// Of the link's format.
const VERSION: u16 = 1;
