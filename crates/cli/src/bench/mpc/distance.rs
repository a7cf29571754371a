//! A connection's bytes, delayed and at a limited rate: a relay in user space.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// A listening socket whose connections lead, slowly, to another. It closes when dropped.
pub(super) struct Distance {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl Distance {
    /// Leads to `target`, with this delay one way and so many bits per second each way.
    pub(super) fn open(target: String, delay: Duration, rate: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let closed = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&closed);
        std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let Ok(far) = TcpStream::connect(&target) else { continue };
                for (from, to) in [(near.try_clone(), far.try_clone()), (far.try_clone(), near.try_clone())] {
                    if let (Ok(from), Ok(to)) = (from, to) {
                        carry(from, to, delay, rate);
                    }
                }
            }
        });
        Ok(Self { address, closed })
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Distance {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the thread that listens.
        drop(TcpStream::connect(self.address));
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration, rate: u64) {
    let (sender, receiver): (SyncSender<(Instant, Vec<u8>)>, Receiver<_>) = sync_channel(QUEUE);
    std::thread::spawn(move || {
        let mut free = Instant::now();
        let mut buffer = vec![0; PIECE];
        loop {
            let read = from.read(&mut buffer).unwrap_or(0);
            // The wire is busy for as long as the bytes take; they arrive that much, and the delay, later.
            free = free.max(Instant::now()) + Duration::from_nanos(read as u64 * 8 * 1_000_000_000 / rate);
            if sender.send((free + delay, buffer[..read].to_vec())).is_err() || read == 0 {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        drop(to.set_nodelay(true));
        for (due, bytes) in receiver {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if bytes.is_empty() || to.write_all(&bytes).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Write));
    });
}

/// Bytes taken at once.
const PIECE: usize = 16 * 1024;
/// Pieces on the way: 4 MiB, more than 25 ms at 1 Gbit/s hold.
const QUEUE: usize = 256;
