//! Tunnels: this node carries bytes between two other members' nodes whose own link has failed.
//!
//! What goes through is the two nodes' mutual TLS, each pinned to the other's key, so that this node learns who talks to
//! whom, when and how much, and can delay or cut, no more. A tunnel leads only to a member's address, and only while a
//! server there proves to hold that member's TLS key: nobody reaches anything else in this node's network by it.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use client::tls::client_config;
use contracts::code;
use contracts::message::MemberCard;
use http::{HeaderValue, StatusCode, Uri, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::problem::ApiError;

/// The tunnels through this node.
pub(crate) struct Tunnels {
    /// This node's member.
    own: String,
    bounds: Bounds,
    metrics: Arc<Metrics>,
    /// How many are open, by the member that asked.
    open: Mutex<HashMap<String, usize>>,
    stop: CancellationToken,
}

/// What tunnels may use up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Open at once.
    pub all: usize,
    /// Open at once for one member.
    pub of_member: usize,
    /// For reaching the far node.
    pub connect: Duration,
    /// Without a byte either way.
    pub idle: Duration,
    /// From its opening.
    pub life: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            all: 64,
            of_member: 16,
            connect: Duration::from_secs(3),
            // Longer than a caller keeps a connection that it does not use.
            idle: Duration::from_secs(60),
            life: Duration::from_secs(60 * 60),
        }
    }
}

impl Tunnels {
    /// None yet, through the node of `own`.
    pub(crate) fn new(own: String, bounds: Bounds, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { own, bounds, metrics, open: Mutex::default(), stop: CancellationToken::new() })
    }

    /// Reaches the node of the member `to` at `address` for `caller`. Nothing flows before [`Tunnel::carry`].
    ///
    /// # Errors
    /// `not_permitted` where it would lead to this node or back to the caller, `busy`, `peer_unreachable`.
    pub(crate) async fn dig(
        self: &Arc<Self>,
        caller: &str,
        to: &MemberCard,
        address: &str,
    ) -> Result<Tunnel, ApiError> {
        let name = &to.name;
        if *name == self.own || name == caller {
            return Err(ApiError::new(code::NOT_PERMITTED, "a tunnel joins the caller with a third member's node"));
        }
        let place = self.take(caller)?;
        let unreachable = |reason: String| ApiError::new(code::PEER_UNREACHABLE, format!("{name}: {reason}"));
        let far = timeout(self.bounds.connect, reach(address, to)).await;
        let far = far.map_err(|_| unreachable("no answer in time".to_owned()))?;
        Ok(Tunnel { far: far.map_err(|error| unreachable(error.to_string()))?, place })
    }

    /// Ends all of them, and lets none begin.
    pub(crate) fn close(&self) {
        self.stop.cancel();
    }

    fn take(self: &Arc<Self>, caller: &str) -> Result<Place, ApiError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_member = open.get(caller).copied().unwrap_or(0);
        if open.values().sum::<usize>() >= self.bounds.all || of_member >= self.bounds.of_member {
            return Err(ApiError::new(code::BUSY, "as many tunnels are open here as may be").with_retry(10));
        }
        open.insert(caller.to_owned(), of_member + 1);
        self.metrics.connections.add(&["tunnel"], 1.0);
        Ok(Place { tunnels: Arc::clone(self), caller: caller.to_owned() })
    }
}

/// A tunnel whose far end is reached.
pub(crate) struct Tunnel {
    far: TcpStream,
    place: Place,
}

impl Tunnel {
    /// The answer that makes the caller's connection the near end; bytes flow once it is given.
    pub(crate) fn carry(self, near: OnUpgrade) -> Response {
        let Self { far, place } = self;
        tokio::spawn(async move {
            let Tunnels { bounds, stop, .. } = &*place.tunnels;
            let flow = async {
                match near.await {
                    Ok(near) => flow(TokioIo::new(near), far, bounds.idle).await,
                    Err(error) => tracing::debug!(%error, "a tunnel's caller went away"),
                }
            };
            tokio::select! {
                () = flow => {}
                () = sleep(bounds.life) => {}
                () = stop.cancelled() => {}
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static(PROTOCOL));
        response
    }
}

/// A tunnel's place among those that may be open; free again when dropped.
struct Place {
    tunnels: Arc<Tunnels>,
    caller: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.tunnels.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.caller);
            }
        }
        self.tunnels.metrics.connections.add(&["tunnel"], -1.0);
    }
}

/// Connects to the address of a member, where a server holds its key.
async fn reach(address: &str, to: &MemberCard) -> io::Result<TcpStream> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidInput, "the member's address is malformed");
    let uri: Uri = address.parse().map_err(|_| malformed())?;
    let host = uri.host().ok_or_else(malformed)?.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(|_| malformed())?;
    let mut outcome = Err(malformed());
    for at in lookup_host((host, uri.port_u16().unwrap_or(443))).await? {
        outcome = reach_at(at, &name, to).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// By a handshake first, to the very address that the tunnel then leads to: a card may name any address, and a name
/// may mean another one a moment later.
async fn reach_at(at: SocketAddr, name: &ServerName<'static>, to: &MemberCard) -> io::Result<TcpStream> {
    let connector = TlsConnector::from(client_config(to.tls, None));
    let mut proof = connector.connect(name.clone(), TcpStream::connect(at).await?).await?;
    // It has proved what it had to; that it may not hear of the end is no matter.
    _ = proof.shutdown().await;
    let far = TcpStream::connect(at).await?;
    far.set_nodelay(true)?;
    Ok(far)
}

/// Copies both ways until both have ended, one fails, or nothing has moved for `idle`.
async fn flow(near: impl AsyncRead + AsyncWrite, far: TcpStream, idle: Duration) {
    let (mut from_near, mut to_near) = tokio::io::split(near);
    let (mut from_far, mut to_far) = far.into_split();
    let moved = Mutex::new(Instant::now());
    let both = async {
        // The first failure ends both.
        tokio::try_join!(copy(&mut from_near, &mut to_far, &moved), copy(&mut from_far, &mut to_near, &moved))
    };
    let idle = async {
        loop {
            let quiet = moved.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            match idle.checked_sub(quiet) {
                Some(left) if !left.is_zero() => sleep(left).await,
                _ => return,
            }
        }
    };
    tokio::select! {
        outcome = both => if let Err(error) = outcome { tracing::debug!(%error, "a tunnel broke") },
        () = idle => {}
    }
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    moved: &Mutex<Instant>,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
        to.flush().await?;
        *moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// What a connection is changed to (RFC 9110 §7.8).
pub(crate) const PROTOCOL: &str = "sotto-tunnel";
const PIECE: usize = 16 * 1024;
