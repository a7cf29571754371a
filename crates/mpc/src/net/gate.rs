//! Where peers' connections come in, for all sessions of a node.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use rustls::server::ServerConfig;

use super::inbox::lock;
use super::link::Conversation;
use super::links::{Links, Refused, Settings, Shared, spawn};
use super::message::{Hello, Kind};
use super::pipe::Pipe;
use super::tls::Channel;

/// A listening socket and the sessions behind it. A connection reaches a session only once TLS has said whose it is and it has
/// named session, run and both parties; all others are closed, at the latest by the handshake's deadline. Its clones are one.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    config: Arc<ServerConfig>,
    handshake: Duration,
    sessions: Mutex<HashMap<Name, Weak<Shared>>>,
    /// Sockets in their handshake, oldest first.
    pending: Mutex<VecDeque<(u64, TcpStream)>>,
    refused: AtomicU64,
    closed: AtomicBool,
}

/// Session and run.
type Name = ([u8; 32], [u8; 16]);

impl Gate {
    /// Receives connections on `listener`, whose handshakes have `handshake` of time. The configuration must ask for a certificate and
    /// should send no session tickets (`send_tls13_tickets = 0`).
    ///
    /// # Errors
    /// Those of the socket.
    pub fn open(listener: TcpListener, config: Arc<ServerConfig>, handshake: Duration) -> io::Result<Self> {
        let gate = Self(Arc::new(Inner {
            address: listener.local_addr()?,
            config,
            handshake,
            sessions: Mutex::default(),
            pending: Mutex::default(),
            refused: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }));
        let own = gate.clone();
        std::thread::Builder::new().name("gate".into()).spawn(move || own.watch(&listener))?;
        Ok(gate)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Connections that were turned away so far.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Opens a session: its links begin to connect.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn join(&self, settings: Settings) -> Result<Links, Refused> {
        let name = name(&settings);
        let links = Links::open(settings, self.clone())?;
        {
            let mut sessions = lock(&self.0.sessions);
            if sessions.get(&name).is_some_and(|session| session.strong_count() > 0) {
                return Err(Refused::Open);
            }
            sessions.insert(name, Arc::downgrade(links.shared()));
        }
        links.start();
        Ok(links)
    }

    /// Receives no more connections. Sessions that are open go on.
    pub fn close(&self) {
        if !self.0.closed.swap(true, Ordering::AcqRel) {
            // Wakes the thread that listens; where that fails, the next caller does.
            drop(TcpStream::connect_timeout(&self.0.address, Duration::from_secs(1)));
        }
    }

    pub(super) fn leave(&self, settings: &Settings) {
        lock(&self.0.sessions).remove(&name(settings));
    }

    fn watch(&self, listener: &TcpListener) {
        for number in 0.. {
            let socket = listener.accept();
            if self.0.closed.load(Ordering::Acquire) {
                return;
            }
            let Ok((socket, _)) = socket else {
                // No more file descriptors, or the caller has gone again.
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            let Ok(copy) = socket.try_clone() else { continue };
            {
                let mut pending = lock(&self.0.pending);
                if pending.len() >= MAX_PENDING {
                    // An honest handshake takes milliseconds: the oldest is the one to give up.
                    if let Some((_, oldest)) = pending.pop_front() {
                        drop(oldest.shutdown(Shutdown::Both));
                    }
                }
                pending.push_back((number, copy));
            }
            let gate = self.clone();
            spawn("handshake", move || {
                if socket.set_nodelay(true).is_ok() {
                    gate.receive(Pipe::Socket(socket));
                }
                lock(&gate.0.pending).retain(|(other, _)| *other != number);
            });
        }
    }

    /// The handshake of a connection that came in, and its way to a session. Whether it found one.
    pub(super) fn receive(&self, pipe: Pipe) -> bool {
        let admitted = self.admit(pipe);
        if !admitted {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    fn admit(&self, pipe: Pipe) -> bool {
        let deadline = Instant::now() + self.0.handshake;
        let Ok(channel) = Channel::server(pipe, Arc::clone(&self.0.config), deadline) else { return false };
        let mut talk = Conversation::new(channel);
        let channel = Arc::clone(&talk.channel);
        let first = talk.first(deadline);
        let admitted = first.is_ok_and(|first| {
            let hello = (first.kind == Kind::Hello).then(|| Hello::decode(&first.body)).flatten();
            let Some(hello) = hello else { return false };
            let session = lock(&self.0.sessions).get(&(hello.session, hello.run)).and_then(Weak::upgrade);
            session.is_some_and(|session| session.admit(&hello, first.counters, talk))
        });
        if !admitted {
            channel.close();
        }
        admitted
    }
}

fn name(settings: &Settings) -> Name {
    (*settings.session.as_bytes(), settings.run)
}

/// Handshakes at once.
const MAX_PENDING: usize = 256;
