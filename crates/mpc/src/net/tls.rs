//! TLS 1.3 over a pipe, by rustls's unbuffered interface: records are encrypted into, and taken from, buffers of the link's own.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::client::{ClientConfig, UnbufferedClientConnection};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ServerConfig, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

use super::inbox::lock;
use super::pipe::Pipe;

/// One side of a connection after its handshake. One thread receives while another sends.
pub(super) struct Channel {
    pipe: Pipe,
    session: Mutex<Session>,
}

enum Session {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// What came in and is not decrypted yet.
pub(super) struct Incoming {
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
    /// What the other side said together with the end of its handshake.
    early: Vec<u8>,
}

impl Channel {
    /// The handshake of the side that dialled, done by `deadline`.
    ///
    /// # Errors
    /// Of the pipe or of TLS.
    pub(super) fn client(
        pipe: Pipe,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        deadline: Instant,
    ) -> io::Result<(Self, Incoming)> {
        let session = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
        Self::shake(pipe, Session::Client(session), deadline)
    }

    /// The handshake of the side that was dialled, done by `deadline`.
    ///
    /// # Errors
    /// Of the pipe or of TLS.
    pub(super) fn server(pipe: Pipe, config: Arc<ServerConfig>, deadline: Instant) -> io::Result<(Self, Incoming)> {
        let session = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        Self::shake(pipe, Session::Server(session), deadline)
    }

    fn shake(pipe: Pipe, mut session: Session, deadline: Instant) -> io::Result<(Self, Incoming)> {
        let mut incoming = Incoming { buffer: vec![0; HANDSHAKE], begin: 0, end: 0, early: Vec::new() };
        let (mut out, mut early) = (Vec::new(), Vec::new());
        let mut sink = |bytes: &[u8]| {
            early.extend_from_slice(bytes);
            Ok(())
        };
        let result = loop {
            let step = session.process(&mut incoming, &mut out, &mut sink);
            // Also an alert goes out.
            let written = if out.is_empty() { Ok(()) } else { pipe.write_all(&out) };
            out.clear();
            match step {
                Ok(Step::More) => {}
                Ok(Step::Ready) => break written,
                Ok(Step::Blocked) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() || incoming.end == incoming.buffer.len() {
                        break Err(ErrorKind::TimedOut.into());
                    }
                    pipe.patience(left)?;
                    match pipe.read(&mut incoming.buffer[incoming.end..]) {
                        Ok(0) => break Err(ErrorKind::UnexpectedEof.into()),
                        Ok(read) => incoming.end += read,
                        Err(error) => break Err(error),
                    }
                }
                Err(error) => break Err(error),
            }
            if let Err(error) = written {
                break Err(error);
            }
        };
        match result {
            Ok(()) => {
                incoming.early = early;
                Ok((Self { pipe, session: Mutex::new(session) }, incoming))
            }
            Err(error) => {
                pipe.close();
                Err(error)
            }
        }
    }

    /// The certificate that the other side proved to hold the key of.
    pub(super) fn certificate(&self) -> Option<CertificateDer<'static>> {
        let certificates = |session: &Session| match session {
            Session::Client(session) => session.peer_certificates().and_then(|all| all.first().cloned()),
            Session::Server(session) => session.peer_certificates().and_then(|all| all.first().cloned()),
        };
        Some(certificates(&lock(&self.session))?.into_owned())
    }

    /// Encrypts and sends; `out` is room to work in. One thread at a time.
    ///
    /// # Errors
    /// Of the pipe or of TLS; the channel is of no more use then.
    pub(super) fn send(&self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.resize(OUT, 0);
        for piece in plain.chunks(OUT_PLAIN) {
            let length = lock(&self.session).encrypt(piece, out)?;
            self.pipe.write_all(&out[..length])?;
        }
        Ok(())
    }

    /// Waits for bytes and gives what they hold to `sink`, which runs under the session's lock.
    ///
    /// # Errors
    /// Of the pipe, of TLS, of the sink; an end is [`ErrorKind::UnexpectedEof`], silence [`ErrorKind::TimedOut`] or `WouldBlock`.
    pub(super) fn receive(
        &self,
        incoming: &mut Incoming,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        incoming.make_room();
        let read = self.pipe.read(&mut incoming.buffer[incoming.end..])?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        incoming.end += read;
        self.process(incoming, sink)
    }

    /// Gives what has come in already to `sink`.
    ///
    /// # Errors
    /// As [`Channel::receive`].
    pub(super) fn process(
        &self,
        incoming: &mut Incoming,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut alerts = Vec::new();
        if !incoming.early.is_empty() {
            sink(&std::mem::take(&mut incoming.early))?;
        }
        loop {
            match lock(&self.session).process(incoming, &mut alerts, sink)? {
                // A record on the way is decrypted under the lock; between two, the other thread may send.
                Step::More => {}
                Step::Ready | Step::Blocked => return Ok(()),
            }
        }
    }

    pub(super) fn patience(&self, patience: Duration) -> io::Result<()> {
        self.pipe.patience(patience)
    }

    pub(super) fn close(&self) {
        self.pipe.close();
    }

    pub(super) const fn is_relayed(&self) -> bool {
        self.pipe.is_relayed()
    }
}

impl Incoming {
    fn make_room(&mut self) {
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        } else if self.begin > 0 {
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        if self.buffer.len() < IN {
            self.buffer.resize(IN, 0);
        }
    }
}

/// Where a session stands.
enum Step {
    /// It has more to do with what it has.
    More,
    /// It needs bytes to finish its handshake.
    Blocked,
    /// The handshake is done and all that came in is processed.
    Ready,
}

impl Session {
    fn process(
        &mut self,
        incoming: &mut Incoming,
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Step> {
        let bytes = &mut incoming.buffer[incoming.begin..incoming.end];
        let (used, step) = match self {
            Self::Client(session) => handle(session.process_tls_records(bytes), out, sink),
            Self::Server(session) => handle(session.process_tls_records(bytes), out, sink),
        };
        incoming.begin += used;
        step
    }

    fn encrypt(&mut self, plain: &[u8], out: &mut [u8]) -> io::Result<usize> {
        fn encrypt<Data>(status: UnbufferedStatus<'_, '_, Data>, plain: &[u8], out: &mut [u8]) -> io::Result<usize> {
            match status.state.map_err(io::Error::other)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    traffic.encrypt(plain, out).map_err(|error| match error {
                        EncryptError::InsufficientSize(_) => io::Error::other("a record has room"),
                        error => io::Error::other(error),
                    })
                }
                _ => Err(ErrorKind::BrokenPipe.into()),
            }
        }
        match self {
            Self::Client(session) => encrypt(session.process_tls_records(&mut []), plain, out),
            Self::Server(session) => encrypt(session.process_tls_records(&mut []), plain, out),
        }
    }
}

fn handle<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    out: &mut Vec<u8>,
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> (usize, io::Result<Step>) {
    let UnbufferedStatus { discard, state } = status;
    let step = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let mut taken = Ok(());
            while let Some(record) = traffic.next_record() {
                taken = taken.and_then(|()| sink(record.map_err(io::Error::other)?.payload));
            }
            taken.map(|()| Step::More)
        }
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let begin = out.len();
            let mut encoded = data.encode(&mut []);
            if let Err(EncodeError::InsufficientSize(size)) = &encoded {
                out.resize(begin + size.required_size, 0);
                encoded = data.encode(&mut out[begin..]);
            }
            match encoded {
                Ok(length) => {
                    out.truncate(begin + length);
                    Ok(Step::More)
                }
                Err(error) => Err(io::Error::other(error)),
            }
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // The caller sends what was encoded before it goes on.
            data.done();
            Ok(Step::More)
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Step::Blocked),
        Ok(ConnectionState::WriteTraffic(_)) => Ok(Step::Ready),
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(_) => Err(io::Error::other("TLS 1.3 without early data")),
        Err(error) => Err(io::Error::other(error)),
    };
    (discard, step)
}

/// Most bytes of a handshake, both certificates included.
const HANDSHAKE: usize = 64 * 1024;
/// Bytes taken from a socket at once.
const IN: usize = 256 * 1024;
/// Plaintext encrypted at once: four records.
const OUT_PLAIN: usize = 4 * 16 * 1024;
/// Room for its records: 22 bytes each on top, and a key update's.
const OUT: usize = OUT_PLAIN + 1024;
