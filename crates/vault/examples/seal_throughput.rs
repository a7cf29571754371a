//! Measures sealing and opening on one core, and the memory it takes.
//!
//! ```text
//! cargo run --release -p sottovoce-vault --example seal_throughput -- [GIGABYTES] [DIRECTORY]
//! ```
//!
//! Without a directory everything stays off the disk: generated plaintext is sealed into nothing, and sealed bytes are
//! opened from a file in `/dev/shm`. With one, the whole object goes through a vault there, syncs included.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::time::Instant;

use crypto::kem::{PrivateKey, Suite};
use vault::{Access, Vault, open, seal};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let gigabytes: f64 = arguments.next().map_or(Ok(2.0), |text| text.parse())?;
    let bytes = (gigabytes * 1e9) as u64;
    let key = PrivateKey::generate(Suite::XWing);
    let access = Access::Private(&key);
    println!("{gigabytes} GB, one thread, X-Wing recipient, peak RSS at start {} MB", peak_rss());

    // The named baselines of the same run: each half of the work alone.
    let mut segment = vec![7; vault::SEGMENT];
    rate("baseline: SHA-256 alone", bytes, || {
        (0..bytes / segment.len() as u64).for_each(|_| {
            std::hint::black_box(crypto::sha256(&[&segment]));
        });
        Ok(())
    })?;
    let mut cipher = crypto::stream::Sealer::new(&crypto::Secret::random(), [0; 32]);
    rate("baseline: AES-256-GCM alone", bytes, || {
        (0..bytes / vault::SEGMENT as u64).for_each(|_| {
            cipher.seal_next(&mut segment);
            segment.truncate(vault::SEGMENT);
        });
        Ok(())
    })?;

    match arguments.next() {
        None => {
            rate("seal, memory to nowhere", bytes, || {
                seal(plaintext(bytes), io::sink(), [key.public()], b"").map(drop)
            })?;
            let path = Path::new("/dev/shm").join(format!("seal_throughput-{}", std::process::id()));
            let file = BufWriter::new(File::create(&path)?);
            rate("seal, memory to /dev/shm", bytes, || seal(plaintext(bytes), file, [key.public()], b"").map(drop))?;
            let opened = rate("open, /dev/shm to nowhere", bytes, || {
                open(File::open(&path)?, io::sink(), &access, None).map(drop)
            });
            fs::remove_file(path)?;
            opened?;
        }
        Some(directory) => {
            let directory = Path::new(&directory).join(format!("seal_throughput-{}", std::process::id()));
            let vault = Vault::open(&directory)?;
            let mut summary = None;
            rate("put, memory to disk", bytes, || {
                summary = Some(vault.put(plaintext(bytes), [key.public()], b"")?);
                Ok(())
            })?;
            let id = summary.expect("put succeeded").id;
            rate("read, disk to nowhere", bytes, || vault.read(&id, io::sink(), &access, None).map(drop))?;
            rate("check, disk", bytes, || vault.check(&id).map(drop))?;
            let start = Instant::now();
            vault.rewrap(&id, &access, [key.public()])?;
            println!("{:<28} {:>7.2} ms", "rewrap", start.elapsed().as_secs_f64() * 1e3);
            let middle = bytes / 2;
            let start = Instant::now();
            vault.extract(&id, middle..middle + 1_000_000)?;
            println!("{:<28} {:>7.2} ms", "extract 1 MB with proofs", start.elapsed().as_secs_f64() * 1e3);
            vault.erase(&id)?;
            fs::remove_dir_all(directory)?;
        }
    }
    println!("peak RSS {} MB", peak_rss());
    Ok(())
}

/// Runs `work` over so many bytes and prints its rate, in wall-clock and in processor time of this thread.
fn rate(what: &str, bytes: u64, work: impl FnOnce() -> Result<(), vault::Error>) -> Result<(), vault::Error> {
    let (start, busy) = (Instant::now(), processor_seconds());
    work()?;
    io::stdout().flush()?;
    let (wall, busy) = (start.elapsed().as_secs_f64(), processor_seconds() - busy);
    println!("{what:<28} {:>6.2} GB/s, {:>6.2} GB/s per core", bytes as f64 / wall / 1e9, bytes as f64 / busy / 1e9);
    Ok(())
}

/// Plaintext from memory, so that producing it costs next to nothing.
fn plaintext(bytes: u64) -> impl Read {
    io::repeat(0x5a).take(bytes)
}

/// User and system time of this process.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux tells about a process in /proc");
    // Fields 14 and 15, counted from the one after the parenthesised name, in ticks of 10 ms.
    let fields = stat.rsplit(')').next().expect("the name is in parentheses").split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().expect("ticks are a number")).sum::<f64>() / 100.0
}

/// The largest resident set so far, in megabytes.
fn peak_rss() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells about a process in /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux states VmHWM");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("VmHWM is a number") / 1024
}
