//! A ledger's disk that keeps what was synced, and tears what was not when it crashes.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use redb::StorageBackend;

/// Shared by the ledger that writes and the world that crashes it.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug)]
struct Platter {
    seen: Vec<u8>,
    synced: Vec<u8>,
    pending: Vec<Pending>,
}

/// What was done to an image and is not synced yet.
#[derive(Debug)]
pub(super) enum Pending {
    Length(usize),
    Write(usize, Vec<u8>),
    /// A write that was synced by itself: what came before it was not.
    Synced(usize, Vec<u8>),
}

impl Disk {
    pub(super) fn new() -> Self {
        Self::of(vec![])
    }

    fn of(image: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Platter { seen: image.clone(), synced: image, pending: vec![] })))
    }

    /// What a crash leaves: all that was synced, and any sectors of what was not.
    pub(super) fn crash(&self, seed: u64) -> Self {
        let platter = self.lock();
        let mut image = platter.synced.clone();
        tear(&mut image, &platter.pending, SECTOR, &mut ChaCha8Rng::seed_from_u64(seed));
        Self::of(image)
    }

    /// A copy of what was synced.
    pub(super) fn synced(&self) -> Self {
        Self::of(self.lock().synced.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().expect("no panic holds the disk")
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = offset as usize;
        let platter = self.lock();
        out.copy_from_slice(platter.seen.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut platter = self.lock();
        platter.seen.resize(length as usize, 0);
        platter.pending.push(Pending::Length(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.lock();
        let Platter { seen, synced, pending } = &mut *platter;
        // Only what changed: the whole image at every sync would be most of the test's time.
        for pending in pending.drain(..) {
            match pending {
                Pending::Length(length) => synced.resize(length, 0),
                Pending::Write(offset, data) | Pending::Synced(offset, data) => put(synced, offset, &data),
            }
        }
        debug_assert_eq!(seen.len(), synced.len());
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let start = offset as usize;
        let mut platter = self.lock();
        platter.seen[start..start + data.len()].copy_from_slice(data);
        platter.pending.push(Pending::Write(start, data.to_vec()));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets a crash decide what of `pending` is on the disk: any of the lengths, and of the writes any parts that lie between multiples of
/// `grain`.
pub(super) fn tear(image: &mut Vec<u8>, pending: &[Pending], grain: usize, random: &mut ChaCha8Rng) {
    let kept = random.next_u32() % 5;
    let mut keep = || random.next_u32() % 4 < kept;
    for pending in pending {
        match pending {
            Pending::Length(length) if keep() => image.resize(*length, 0),
            Pending::Length(_) => {}
            Pending::Write(offset, data) => {
                let (mut at, mut rest) = (*offset, data.as_slice());
                while !rest.is_empty() {
                    let (part, after) = rest.split_at(rest.len().min(grain - at % grain));
                    if keep() {
                        put(image, at, part);
                    }
                    (at, rest) = (at + part.len(), after);
                }
            }
            Pending::Synced(offset, data) => put(image, *offset, data),
        }
    }
}

fn put(image: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    image.resize(image.len().max(end), 0);
    image[offset..end].copy_from_slice(data);
}

/// What a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;
