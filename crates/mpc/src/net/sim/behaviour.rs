//! What parties that lie have in common.

use bytes::Bytes;

use crate::engine::Frame;

use super::Dice;

/// A party that lies: what it sends instead of what its protocol told it to. It has its own TLS, so that nobody notices on the way.
pub trait Behaviour {
    /// The frames that go out for one of its protocol's.
    fn send(&mut self, frame: Frame, dice: &mut Dice) -> Vec<Frame>;
}

/// A frame taken apart: its header, and its sections as operation and bytes.
pub struct Sections {
    header: Vec<u8>,
    /// In the frame's order.
    pub sections: Vec<(u64, Vec<u8>)>,
}

impl Sections {
    /// Takes apart a frame that an engine made.
    ///
    /// # Panics
    /// For another one.
    pub fn of(frame: &Frame) -> Self {
        let (header, mut rest) = frame.body.split_at(24);
        let mut sections = Vec::new();
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(12);
            let op = u64::from_le_bytes(head[..8].try_into().expect("eight bytes"));
            let length = u32::from_le_bytes(head[8..].try_into().expect("four bytes")) as usize;
            let (bytes, tail) = tail.split_at(length);
            sections.push((op, bytes.to_vec()));
            rest = tail;
        }
        Self { header: header.to_vec(), sections }
    }

    /// The body of the frame that they make.
    pub fn body(&self) -> Bytes {
        let mut body = self.header.clone();
        for (op, bytes) in &self.sections {
            body.extend_from_slice(&op.to_le_bytes());
            body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            body.extend_from_slice(bytes);
        }
        body.into()
    }
}
