//! A set of clients as a bit map: bit `i % 8` (from the least significant) of byte `i / 8`.

use crypto::{Digest, Label, hash};

/// A set of clients of a session of a known size.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Set(Vec<u8>);

impl Set {
    pub(super) fn new(clients: u32) -> Self {
        Self(vec![0; (clients as usize).div_ceil(8)])
    }

    /// Reads a map of exactly `clients` bits; bits beyond are zero.
    pub(super) fn read(bytes: &[u8], clients: u32) -> Option<Self> {
        let set = Self(bytes.to_vec());
        (bytes.len() == (clients as usize).div_ceil(8) && set.iter().all(|client| client < clients)).then_some(set)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds a client; whether it is new.
    pub(super) fn insert(&mut self, client: u32) -> bool {
        let (byte, bit) = (&mut self.0[client as usize / 8], 1 << (client % 8));
        let new = *byte & bit == 0;
        *byte |= bit;
        new
    }

    pub(super) fn contains(&self, client: u32) -> bool {
        self.0.get(client as usize / 8).is_some_and(|byte| byte & (1 << (client % 8)) != 0)
    }

    pub(super) fn len(&self) -> u32 {
        self.0.iter().map(|byte| byte.count_ones()).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.0.len() as u32 * 8).filter(|client| self.contains(*client))
    }

    /// What clients sign.
    pub(super) fn digest(&self, session: &Digest) -> Digest {
        hash(Label::SECAGG, &[b"survivors", session.as_ref(), &self.0])
    }
}
