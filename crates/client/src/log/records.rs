//! The transactions of a log as they lie in its files, each verified as it is read.

use std::io;

use crypto::Digest;
use ledger::{Committed, VerifiedTransaction};

/// Records one after the other, each verified.
pub(super) struct Records<R> {
    pub(super) reader: R,
    pub(super) chain: Digest,
    pub(super) next: u64,
}

impl<R: io::Read> Records<R> {
    /// The next record with its length before it, and the transaction; none at the end.
    pub(super) fn read(&mut self, entry: &Digest) -> Result<Option<(Vec<u8>, Committed)>, &'static str> {
        let mut length = [0; 4];
        let mut first = 0;
        while first < 4 {
            match self.reader.read(&mut length[first..]) {
                Ok(0) if first == 0 => return Ok(None),
                Ok(0) | Err(_) => return Err("a record breaks off"),
                Ok(read) => first += read,
            }
        }
        let size = u32::from_be_bytes(length) as usize;
        if size > MAX_RECORD {
            return Err("a record is too long");
        }
        let mut bytes = vec![0; 4 + size];
        bytes[..4].copy_from_slice(&length);
        self.reader.read_exact(&mut bytes[4..]).map_err(|_| "a record breaks off")?;
        let committed = Committed::from_bytes(self.next, &bytes[4..]).map_err(|_| "a record is malformed")?;
        if committed.leaf_data() != *entry {
            return Err("a record is not what the log says");
        }
        // The leaf does not cover the signature.
        VerifiedTransaction::verify(committed.transaction.clone(), &self.chain)
            .map_err(|_| "a record's transaction does not hold by itself")?;
        self.next += 1;
        Ok(Some((bytes, committed)))
    }
}

/// Longest record: as long as [`Committed::from_bytes`] takes.
const MAX_RECORD: usize = 512 << 10;
