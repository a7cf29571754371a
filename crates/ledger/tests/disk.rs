//! A simulated disk that drops unsynced writes and tears pages, crashing at a seeded moment.

mod support;

use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};

use ledger::{Block, Ledger};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use redb::StorageBackend;
use support::*;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

#[derive(Clone, Debug)]
struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug)]
struct Platter {
    /// What a reader of this process sees.
    seen: Vec<u8>,
    /// What survives a crash for sure.
    synced: Vec<u8>,
    /// What may or may not, in any combination of sectors.
    pending: Vec<Pending>,
    /// Writes, syncs and resizes left before the crash.
    left: u64,
    /// Whether a sync does what it says.
    honest: bool,
    /// Bytes that were read.
    read: usize,
    random: ChaCha8Rng,
}

#[derive(Debug)]
enum Pending {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Disk {
    fn new(image: Vec<u8>, left: u64, seed: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self(Arc::new(Mutex::new(Platter {
            seen: image.clone(),
            synced: image,
            pending: vec![],
            left,
            honest: true,
            read: 0,
            random,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }

    /// One more operation that changes the disk, or the crash.
    fn act(&self, pending: Option<Pending>) -> io::Result<MutexGuard<'_, Platter>> {
        let mut platter = self.lock();
        if platter.left == 0 {
            return Err(io::Error::other("crashed"));
        }
        platter.left -= 1;
        if let Some(pending) = pending {
            // The operation at the crash is as likely to be torn as those before it.
            platter.pending.push(pending);
        }
        match platter.left {
            0 => Err(io::Error::other("crashed")),
            _ => Ok(platter),
        }
    }

    /// What is left after the crash.
    fn image(&self) -> Vec<u8> {
        let mut platter = self.lock();
        let Platter { synced, pending, random, .. } = &mut *platter;
        // From nearly nothing to nearly everything is kept.
        let kept = random.next_u32() % 5;
        let mut keep = || random.next_u32() % 4 < kept;
        let mut image = synced.clone();
        for pending in pending.iter() {
            match pending {
                Pending::Length(length) if keep() => image.resize(*length, 0),
                Pending::Length(_) => {}
                Pending::Write(offset, data) => {
                    let mut at = 0;
                    while at < data.len() {
                        let end = data.len().min(at + SECTOR - (offset + at) % SECTOR);
                        if keep() {
                            let place = offset + at..offset + end;
                            image.resize(image.len().max(place.end), 0);
                            image[place].copy_from_slice(&data[at..end]);
                        }
                        at = end;
                    }
                }
            }
        }
        image
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut platter = self.lock();
        platter.read += out.len();
        let start = offset as usize;
        let bytes = platter.seen.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut platter = self.act(Some(Pending::Length(length as usize)))?;
        platter.seen.resize(length as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.act(None)?;
        if !platter.honest {
            return Ok(());
        }
        let Platter { synced, pending, .. } = &mut *platter;
        for pending in pending.drain(..) {
            match pending {
                Pending::Length(length) => synced.resize(length, 0),
                Pending::Write(offset, data) => synced[offset..][..data.len()].copy_from_slice(&data),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.act(Some(Pending::Write(offset as usize, data.to_vec())))?;
        platter.seen[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }
}

fn open(disk: &Disk) -> Result<Ledger, ledger::Error> {
    Ledger::open_backend(disk.clone(), Arc::new(Map), genesis())
}

/// A chain to compare with: whatever survives must be a part of it.
fn reference(length: u64) -> Vec<Block> {
    let leader = memory();
    for height in 1..=length {
        let value = vec![height as u8; (height as usize * 97) % 900];
        let batch = (0..1 + height % 4).map(|n| put(&[n as u8, (height % 7) as u8], &value, height << 8 | n));
        leader.propose(batch.collect(), NOW + height).unwrap();
    }
    leader.blocks(1, usize::MAX).unwrap()
}

/// Runs until the crash and says which height was promised to be durable; `None` before the genesis was.
fn run(disk: &Disk, blocks: &[Block], follower: bool, random: &mut ChaCha8Rng) -> Option<u64> {
    let ledger = open(disk).ok()?;
    ledger.keep_changes(ROOMS[random.next_u32() as usize % ROOMS.len()]);
    let mut promised = ledger.durable_height();
    for block in &blocks[promised as usize..] {
        let committed = match follower {
            true => ledger.apply(block, u64::MAX - 1_000_000, random.next_u32().is_multiple_of(4)).and_then(|()| {
                match random.next_u32() % 4 {
                    0 => ledger.flush(),
                    _ => Ok(()),
                }
            }),
            false => {
                let batch = block.transactions.iter().cloned().map(verified).collect();
                ledger
                    .propose(batch, block.header.time)
                    .map(|proposed| assert_eq!(proposed.block.as_ref(), Some(block)))
            }
        };
        promised = promised.max(ledger.durable_height());
        if committed.is_err() {
            break;
        }
        assert!(follower || promised == block.header.height);
    }
    Some(promised)
}

#[test]
fn what_was_promised_survives_every_crash() {
    let blocks = reference(40);
    let (mut crashes, mut unfinished) = (0, 0);
    for seed in 0..200u64 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut image, mut promised) = (Vec::new(), None);
        // A crash, then another during or after recovery, and a third.
        for round in 0..3 {
            let left = 1 + u64::from(random.next_u32() % if round == 0 { 600 } else { 200 });
            let disk = Disk::new(image, left, seed * 10 + round);
            promised = promised.max(run(&disk, &blocks, seed % 2 == 0, &mut random));
            crashes += u64::from(disk.lock().left == 0);
            // `Ledger::open` founds beside the final name and renames: a crash before leaves nothing under that name.
            image = if promised.is_some() { disk.image() } else { Vec::new() };
            let ledger =
                open(&Disk::new(image.clone(), u64::MAX, 0)).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            let head = ledger.head();
            assert!(Some(head.height) >= promised, "seed {seed}: {promised:?} was promised, {} is left", head.height);
            if head.height > 0 {
                assert_eq!(head, blocks[head.height as usize - 1].header, "seed {seed}");
            }
            assert_eq!(*roots(&ledger).last().unwrap(), head.log_root, "seed {seed}");
            let expected: Vec<_> =
                blocks[..head.height as usize].iter().flat_map(|block| &block.transactions).collect();
            for (index, transaction) in expected.iter().enumerate() {
                let committed = ledger.committed(&transaction.id()).unwrap().unwrap();
                assert_eq!(committed.index, index as u64);
            }
            let view = ledger.view().unwrap();
            for key in 0..4u8 {
                let proven = view.prove(&[b"map/".as_slice(), &[key, 1]].concat()).unwrap();
                assert!(proven.verify(&head.digest()), "seed {seed}");
            }
            unfinished += u64::from((head.height as usize) < blocks.len());
        }
        // It goes on from there.
        let disk = Disk::new(image, u64::MAX, 0);
        assert_eq!(run(&disk, &blocks, false, &mut random), Some(40), "seed {seed}");
    }
    assert!(crashes > 250 && unfinished > 250, "{crashes} crashes, {unfinished} in the middle");
}

#[test]
fn a_flush_forces_cosignatures_to_disk() {
    let disk = Disk::new(Vec::new(), u64::MAX, 0);
    let ledger = open(&disk).unwrap();
    ledger.propose(vec![put(b"x", b"", 1)], NOW).unwrap();
    assert_eq!(cosign(&ledger, 1, &validators()[1..]), (3, true));
    let safe = || {
        let synced = Disk::new(disk.lock().synced.clone(), u64::MAX, 0);
        open(&synced).unwrap().cosignatures(1).unwrap().len()
    };
    assert_eq!(safe(), 0);
    ledger.flush().unwrap();
    assert_eq!(safe(), 3);
}

#[test]
fn a_crash_does_not_have_the_whole_file_read() {
    let disk = Disk::new(Vec::new(), u64::MAX, 0);
    let ledger = open(&disk).unwrap();
    // What is not at its place is read when the ledger is opened.
    ledger.keep_changes(1 << 20);
    let blocks = 40u64;
    for height in 1..=blocks {
        let key = |number: u64| crypto::sha256(&[&(height << 32 | number).to_be_bytes()]);
        let batch = (0..200).map(|number| put(key(number).as_ref(), &[height as u8; 900], height << 32 | number));
        ledger.propose(batch.collect(), NOW + height).unwrap();
    }
    // As a kill leaves it: nothing was closed, and no more is there than was forced.
    let image = disk.lock().synced.clone();
    let after = Disk::new(image.clone(), u64::MAX, 0);
    let again = open(&after).unwrap();
    assert_eq!(again.head(), ledger.head());
    let read = after.lock().read;
    assert!(image.len() > 30 << 20 && read < image.len() / 4, "{read} bytes of {}", image.len());
}

/// The test of crashes sees what it should: on a disk that only pretends to sync, promises are broken.
#[test]
fn a_disk_that_lies_is_noticed() {
    let blocks = reference(40);
    let broken = (0..20).filter(|seed| {
        let disk = Disk::new(Vec::new(), 300, *seed);
        disk.lock().honest = false;
        let promised = run(&disk, &blocks, false, &mut ChaCha8Rng::seed_from_u64(*seed));
        opened_elsewhere(&disk.image()).is_none_or(|height| Some(height) < promised)
    });
    assert!(broken.count() > 10);
    // One that does not lie is opened there.
    let disk = Disk::new(Vec::new(), u64::MAX, 0);
    let promised = run(&disk, &blocks, false, &mut ChaCha8Rng::seed_from_u64(0));
    assert_eq!((promised, opened_elsewhere(&disk.image())), (Some(40), Some(40)));
}

/// Where a process finds an image.
const IMAGE: &str = "LEDGER_DISK_IMAGE";

/// The height of the ledger in an image, as another process opens it: the store may end one that misses pages which were forced.
fn opened_elsewhere(image: &[u8]) -> Option<u64> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    std::fs::write(&path, image).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "opens_an_image", "--ignored", "--nocapture"]).env(IMAGE, &path);
    let output = child.output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let height = told.lines().find_map(|line| line.split_once("height ")?.1.strip_suffix(" .")?.parse().ok());
    height.filter(|_| output.status.success())
}

#[test]
#[ignore = "a process of `a_disk_that_lies_is_noticed`"]
fn opens_an_image() {
    let Ok(path) = std::env::var(IMAGE) else { return };
    let ledger = open(&Disk::new(std::fs::read(path).unwrap(), u64::MAX, 0)).unwrap();
    println!("height {} .", ledger.head().height);
}
