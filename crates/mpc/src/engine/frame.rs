//! What travels between two parties: sections of operations' bytes, gathered by round.

use bytes::Bytes;

use super::{Failure, Fault, OpId};

/// Bytes for a peer. They are secret: the link must authenticate both ends and encrypt.
///
/// The body is `run (16) ‖ sequence (u32) ‖ clock (u32) ‖ sections`, each section `operation (u64) ‖ length (u32) ‖ bytes`, integers
/// little-endian.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Who sends; on receipt, whom the link authenticated.
    pub from: u16,
    /// Who receives.
    pub to: u16,
    /// At most [`MAX_FRAME`] bytes.
    pub body: Bytes,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "frame {} -> {} of {} bytes", self.from, self.to, self.body.len())
    }
}

/// Longest body of a frame.
pub const MAX_FRAME: usize = 1 << 20;

/// From here on a frame under construction is handed out.
pub(super) const FULL: usize = 256 * 1024;
pub(super) const HEADER: usize = 24;
const SECTION: usize = 12;

/// A frame under construction.
pub(super) struct Writer {
    body: Vec<u8>,
}

impl Writer {
    pub(super) const fn new() -> Self {
        Self { body: Vec::new() }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Appends as much of `bytes` as fits; returns how much.
    pub(super) fn push(&mut self, op: OpId, bytes: &[u8]) -> usize {
        if self.body.is_empty() {
            // One allocation for what is long, none too much for what is short.
            self.body.reserve(if bytes.len() > 4096 { FULL + HEADER + SECTION } else { 256 });
            self.body.resize(HEADER, 0);
        }
        let room = MAX_FRAME.min(FULL + HEADER + SECTION).saturating_sub(self.body.len() + SECTION);
        let taken = bytes.len().min(room);
        self.body.extend_from_slice(&op.0.to_le_bytes());
        self.body.extend_from_slice(&(taken as u32).to_le_bytes());
        self.body.extend_from_slice(&bytes[..taken]);
        taken
    }

    pub(super) const fn is_full(&self) -> bool {
        self.body.len() >= FULL
    }

    pub(super) fn finish(&mut self, run: &[u8; 16], sequence: u32, clock: u32) -> Bytes {
        let mut body = std::mem::take(&mut self.body);
        body[..16].copy_from_slice(run);
        body[16..20].copy_from_slice(&sequence.to_le_bytes());
        body[20..24].copy_from_slice(&clock.to_le_bytes());
        body.into()
    }
}

/// A frame's header.
pub(super) struct Header {
    pub(super) run: [u8; 16],
    pub(super) sequence: u32,
    pub(super) clock: u32,
}

/// Splits a frame into header and sections.
pub(super) fn read(frame: &Frame) -> Result<(Header, Bytes), Failure> {
    let malformed = |what| Failure::blame(frame.from, Fault::Malformed(what));
    if frame.body.len() > MAX_FRAME {
        return Err(malformed("longer than a frame may be"));
    }
    let header = frame.body.get(..HEADER).ok_or_else(|| malformed("shorter than its header"))?;
    let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let run = header[..16].try_into().expect("sixteen bytes");
    Ok((Header { run, sequence: word(16), clock: word(20) }, frame.body.slice(HEADER..)))
}

/// Takes the next section off the rest of a frame.
pub(super) fn section(from: u16, rest: &mut Bytes) -> Result<Option<(OpId, Bytes)>, Failure> {
    if rest.is_empty() {
        return Ok(None);
    }
    let malformed = || Failure::blame(from, Fault::Malformed("a section is cut short"));
    let head = rest.get(..SECTION).ok_or_else(malformed)?;
    let op = OpId(u64::from_le_bytes(head[..8].try_into().expect("eight bytes")));
    let len = u32::from_le_bytes(head[8..].try_into().expect("four bytes")) as usize;
    if rest.len() < SECTION + len {
        return Err(malformed());
    }
    let bytes = rest.slice(SECTION..SECTION + len);
    *rest = rest.slice(SECTION + len..);
    Ok(Some((op, bytes)))
}
