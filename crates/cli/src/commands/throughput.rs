//! `sotto bench seal`: how fast objects are sealed and opened, in one thread, beside plain AES-256-GCM in the same run.

use std::io::{self, BufReader, Read};
use std::time::Instant;

use crypto::Secret;
use crypto::kem::{PrivateKey, Suite};
use crypto::stream;
use serde::Serialize;
use vault::{Access, Vault};

use crate::args::SealArgs;
use crate::error::{Doing as _, Failure};
use crate::output::{Output, fields};

/// Rates in bytes of plaintext per second, of one thread.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Throughput {
    /// Bytes of plaintext.
    pub(crate) bytes: u64,
    /// The baseline: AES-256-GCM over 64 KiB pieces in place, without hashing or output.
    pub(crate) aes_gcm: f64,
    /// Sealing from memory, output thrown away.
    pub(crate) seal: f64,
    /// Sealing into a vault on this disk, durably.
    pub(crate) store: f64,
    /// Opening from that vault, with every check.
    pub(crate) open: f64,
    /// Largest memory of this process, in bytes; unknown outside Linux.
    pub(crate) peak_memory: Option<u64>,
}

/// Seals `mebibytes` and opens them again.
///
/// # Errors
/// Those of the disk.
pub(crate) fn measure(mebibytes: u32) -> Result<Throughput, Failure> {
    let bytes = u64::from(mebibytes) << 20;
    let rate = |since: Instant| bytes as f64 / since.elapsed().as_secs_f64();
    let start = Instant::now();
    baseline(bytes);
    let aes_gcm = rate(start);

    let key = PrivateKey::generate(Suite::XWing);
    let start = Instant::now();
    vault::seal(Zeros.take(bytes), io::sink(), [key.public()], b"")?;
    let seal = rate(start);

    let directory = tempfile::tempdir().map_err(|error| Failure::file(&std::env::temp_dir(), &error))?;
    let vault = Vault::open(directory.path().join("vault"))?;
    let start = Instant::now();
    let summary = vault.put(Zeros.take(bytes), [key.public()], b"")?;
    let store = rate(start);
    let start = Instant::now();
    let sealed = BufReader::with_capacity(1 << 20, vault.export(&summary.id, None)?);
    vault::open(sealed, io::sink(), &Access::Private(&key), Some(&summary.root)).doing("the object does not open")?;
    let open = rate(start);
    Ok(Throughput { bytes, aes_gcm, seal, store, open, peak_memory: peak_memory() })
}

pub(super) fn run(args: &SealArgs, output: &Output) -> Result<(), Failure> {
    let waiting = output.waiting(format!("sealing {} MiB", args.mebibytes));
    let measured = measure(args.mebibytes)?;
    drop(waiting);
    let Throughput { aes_gcm, seal, store, open, peak_memory, .. } = measured;
    let line = |rate: f64| format!("{:.2} GB/s, {:.2} of AES-256-GCM", rate / 1e9, rate / aes_gcm);
    let text = fields(&[
        ("AES-256-GCM alone", format!("{:.2} GB/s", aes_gcm / 1e9)),
        ("seal in memory", line(seal)),
        ("seal into a vault", line(store)),
        ("open from it", line(open)),
        ("peak memory", peak_memory.map_or_else(|| "unknown".into(), |peak| format!("{} MiB", peak >> 20))),
    ]);
    output.result(&measured, &format!("{:.2}", seal / 1e9), &text);
    Ok(())
}

fn baseline(bytes: u64) {
    let mut sealer = stream::Sealer::new(&Secret::random(), [0; 32]);
    let mut segment = vec![0; vault::SEGMENT];
    for _ in 0..bytes / vault::SEGMENT as u64 {
        sealer.seal_next(&mut segment);
        segment.truncate(vault::SEGMENT);
    }
    std::hint::black_box(&segment);
}

/// Plaintext that costs nothing to make.
struct Zeros;

impl Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(0);
        Ok(buffer.len())
    }
}

/// Largest memory of this process so far, in bytes; unknown outside Linux.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}
