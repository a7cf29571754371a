//! What carries a link's TLS: a socket, or a stream through a third party.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::inbox::lock;

/// Bytes both ways; closing it ends reads and writes of all threads.
pub(super) enum Pipe {
    Socket(TcpStream),
    Tunnel(Arc<Tunnel>),
}

impl Pipe {
    /// Reads what there is, at least one byte, or none at the end.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::Socket(socket) => (&*socket).read(buffer),
                Self::Tunnel(tunnel) => tunnel.read(buffer),
            };
            match read {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    pub(super) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Socket(socket) => (&*socket).write_all(bytes),
            Self::Tunnel(tunnel) => tunnel.write(bytes),
        }
    }

    /// How long a read or write may stand still.
    pub(super) fn patience(&self, patience: Duration) -> io::Result<()> {
        let patience = patience.max(Duration::from_millis(1));
        match self {
            Self::Socket(socket) => {
                socket.set_read_timeout(Some(patience))?;
                socket.set_write_timeout(Some(patience))
            }
            Self::Tunnel(tunnel) => {
                lock(&tunnel.state).patience = patience;
                Ok(())
            }
        }
    }

    pub(super) fn close(&self) {
        match self {
            // A socket that is closed already is closed.
            Self::Socket(socket) => drop(socket.shutdown(Shutdown::Both)),
            Self::Tunnel(tunnel) => tunnel.close(true),
        }
    }

    pub(super) const fn is_relayed(&self) -> bool {
        matches!(self, Self::Tunnel(_))
    }
}

/// One end of a stream through a third party. What comes in is bounded: the frames inside obey their link's window.
pub(super) struct Tunnel {
    state: Mutex<State>,
    changed: Condvar,
    send: Sender,
}

/// Sends a piece; an empty one ends the stream.
type Sender = Box<dyn Fn(&[u8]) -> io::Result<()> + Send + Sync>;

struct State {
    arrived: VecDeque<Bytes>,
    waiting: usize,
    closed: bool,
    patience: Duration,
}

impl Tunnel {
    /// An end whose bytes go out by `send`, which gets nothing when the stream ends.
    pub(super) fn new(send: impl Fn(&[u8]) -> io::Result<()> + Send + Sync + 'static) -> Arc<Self> {
        let state = State { arrived: VecDeque::new(), waiting: 0, closed: false, patience: Duration::from_secs(5) };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new(), send: Box::new(send) })
    }

    /// Takes bytes that came in; whether there was room.
    pub(super) fn feed(&self, bytes: Bytes, limit: usize) -> bool {
        let mut state = lock(&self.state);
        if state.closed || state.waiting + bytes.len() > limit {
            return false;
        }
        state.waiting += bytes.len();
        state.arrived.push_back(bytes);
        self.changed.notify_all();
        true
    }

    /// Ends it; `tell` the other side too.
    pub(super) fn close(&self, tell: bool) {
        let closed = std::mem::replace(&mut lock(&self.state).closed, true);
        self.changed.notify_all();
        if tell && !closed {
            // Where the way there is gone, the other side learns it otherwise.
            drop((self.send)(&[]));
        }
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = lock(&self.state);
        let patience = state.patience;
        loop {
            if let Some(first) = state.arrived.front_mut() {
                let taken = first.len().min(buffer.len());
                buffer[..taken].copy_from_slice(&first.split_to(taken));
                if first.is_empty() {
                    state.arrived.pop_front();
                }
                state.waiting -= taken;
                return Ok(taken);
            }
            if state.closed {
                return Ok(0);
            }
            let waited = self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
            if waited.1.timed_out() {
                return Err(ErrorKind::TimedOut.into());
            }
            state = waited.0;
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        if lock(&self.state).closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        bytes.chunks(super::message::MAX_PIECE).try_for_each(|piece| (self.send)(piece))
    }
}
