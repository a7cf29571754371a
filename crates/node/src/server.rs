//! Accepts connections and carries requests; bounded in number and in time, so that no caller can take another's place.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use crypto::Digest;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::config::Limits;
use crate::limit::Source;
use crate::metrics::Metrics;
use crate::tls;

/// What is known of a connection; every request carries it as an extension.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// Digest of the TLS key that the caller proved to hold.
    pub(crate) peer: Option<Digest>,
    /// Where it comes from.
    pub(crate) remote: SocketAddr,
}

/// A listening server.
pub(crate) struct Server {
    listener: TcpListener,
    carrier: Carrier,
}

impl Server {
    /// Listens; port 0 takes any.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) async fn bind(
        listen: SocketAddr,
        tls: Arc<ServerConfig>,
        limits: Limits,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let places = Arc::new(Places { limits, taken: Mutex::default() });
        let carrier = Carrier { tls: tls.into(), limits, metrics, places, stop: CancellationToken::new() };
        Ok(Self { listener: TcpListener::bind(listen).await?, carrier })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` is done, then lets requests finish for `limits.shutdown_seconds`.
    pub(crate) async fn serve(self, router: Router, shutdown: impl Future<Output = ()>) {
        let Self { listener, carrier } = self;
        let mut shutdown = pin!(shutdown);
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                // Reaped as they end, so that the set holds only what is open.
                Some(_) = tasks.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            let (stream, remote) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, for one: others must end first, and spinning would not help them.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            match carrier.places.take(remote) {
                Ok(place) => drop(tasks.spawn(carrier.clone().carry(stream, remote, place, router.clone()))),
                // Closed at once: a place must not be waited for by holding another.
                Err(reason) => carrier.metrics.connections_refused.inc(&[reason]),
            }
        }
        drop(listener);
        carrier.stop.cancel();
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(carrier.limits.shutdown(), ended).await.is_err() {
            tracing::warn!(open = tasks.len(), "connections cut off at shutdown");
            tasks.shutdown().await;
        }
    }
}

/// What each connection needs.
#[derive(Clone)]
struct Carrier {
    tls: TlsAcceptor,
    limits: Limits,
    metrics: Arc<Metrics>,
    places: Arc<Places>,
    stop: CancellationToken,
}

impl Carrier {
    /// One connection from handshake to end.
    async fn carry(self, stream: TcpStream, remote: SocketAddr, _place: Place, router: Router) {
        // Answers are small and whole: waiting to fill a packet would only delay them. A failure costs that delay.
        let _ = stream.set_nodelay(true);
        let handshake = tokio::time::timeout(self.limits.handshake(), self.tls.accept(stream));
        let stream = tokio::select! {
            done = handshake => done,
            () = self.stop.cancelled() => return,
        };
        let stream = match stream {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%remote, %error, "handshake failed");
                return self.metrics.connections_refused.inc(&["handshake"]);
            }
            Err(_) => return self.metrics.connections_refused.inc(&["handshake_timeout"]),
        };
        let open = Open::new(&self.metrics);
        let connection = Connection { peer: tls::peer(stream.get_ref().1), remote };
        let reason = self.exchange(stream, connection, router).await;
        drop(open);
        self.metrics.connections_closed.inc(&[reason]);
    }

    /// Requests and answers, one after the other; why it ended.
    async fn exchange(
        &self,
        stream: tokio_rustls::server::TlsStream<TcpStream>,
        connection: Connection,
        router: Router,
    ) -> &'static str {
        let pace = Arc::new(Pace::new(&self.limits));
        let service = service_fn(|mut request: Request<Incoming>| {
            pace.enter(Phase::Serving);
            request.extensions_mut().insert(connection.clone());
            let answer = router.clone().oneshot(request.map(Body::new));
            let pace = Arc::clone(&pace);
            async move {
                let Ok(answer) = answer.await;
                Ok::<Response<Outgoing>, Infallible>(answer.map(|body| Outgoing { body, _end: End(pace) }))
            }
        });
        let stream = Paced { stream, pace: Arc::clone(&pace) };
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            // The pace tells a slow head from an idle connection, which hyper's own timeout does not.
            .header_read_timeout(None)
            .max_headers(64)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(stream), service)
            // A tunnel takes its connection over; its own bounds hold from there.
            .with_upgrades();
        let mut served = pin!(served);
        let mut stopping = false;
        loop {
            tokio::select! {
                done = &mut served => return if done.is_ok() { "done" } else { "error" },
                () = tokio::time::sleep(pace.remaining().clamp(Duration::from_millis(10), pace.look)) => {
                    if pace.remaining().is_zero() {
                        return "slow";
                    }
                }
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    served.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Counts what is open.
struct Open<'a>(&'a Metrics);

impl<'a> Open<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.connections.add(&["open"], 1.0);
        Self(metrics)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.add(&["open"], -1.0);
    }
}

/// Places for connections, in all and for each address.
struct Places {
    limits: Limits,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: u32,
    by_source: HashMap<Source, u32>,
}

impl Places {
    fn take(self: &Arc<Self>, remote: SocketAddr) -> Result<Place, &'static str> {
        let source = Source::from(remote.ip());
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.limits.max_connections {
            return Err("full");
        }
        let of_source = taken.by_source.entry(source.clone()).or_default();
        if *of_source >= self.limits.max_connections_per_address {
            return Err("address_full");
        }
        *of_source += 1;
        taken.all += 1;
        Ok(Place { places: Arc::clone(self), source })
    }
}

/// A place taken; free again when dropped.
struct Place {
    places: Arc<Places>,
    source: Source,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(count) = taken.by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                taken.by_source.remove(&self.source);
            }
        }
    }
}

/// Watches that a connection goes on.
struct Pace {
    origin: Instant,
    phase: AtomicU8,
    /// Milliseconds after `origin` from which the phase's time counts.
    since: AtomicU64,
    header: Duration,
    idle: Duration,
    serving: Duration,
    /// How often to look: a phase may give way to a shorter one meanwhile.
    look: Duration,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// Before a request.
    Idle = 0,
    /// A request's head comes in; its time runs from its first byte, however many follow.
    Head = 1,
    /// A request is answered; its time runs anew with every byte in or out.
    Serving = 2,
}

impl Pace {
    fn new(limits: &Limits) -> Self {
        let (header, idle) = (limits.header(), limits.idle());
        // A handler may be silent for as long as it may take; then its answer is due.
        let serving = idle.max(limits.request() + Duration::from_secs(5));
        // A client may have connected ahead, or got its answer over another connection meanwhile: it keeps this one for later, and must not
        // find it closed just then.
        Self {
            origin: Instant::now(),
            phase: (Phase::Idle as u8).into(),
            since: 0.into(),
            header,
            idle,
            serving,
            look: header / 4,
        }
    }

    fn now(&self) -> u64 {
        self.origin.elapsed().as_millis() as u64
    }

    fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Acquire) == phase as u8
    }

    fn enter(&self, phase: Phase) {
        self.since.store(self.now(), Ordering::Release);
        self.phase.store(phase as u8, Ordering::Release);
    }

    fn received(&self) {
        if self.is(Phase::Idle) {
            self.enter(Phase::Head);
        } else if self.is(Phase::Serving) {
            self.since.store(self.now(), Ordering::Release);
        }
    }

    fn sent(&self) {
        if !self.is(Phase::Head) {
            self.since.store(self.now(), Ordering::Release);
        }
    }

    /// Time left before the connection is too slow.
    fn remaining(&self) -> Duration {
        let most = match self.phase.load(Ordering::Acquire) {
            0 => self.idle,
            1 => self.header,
            _ => self.serving,
        };
        let since = Duration::from_millis(self.since.load(Ordering::Acquire));
        (since + most).saturating_sub(self.origin.elapsed())
    }
}

/// A stream that tells the pace what moves.
struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.pace.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.pace.sent();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        self.pace.sent();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// An answer's body; when it is gone, the connection is idle.
struct Outgoing {
    body: Body,
    _end: End,
}

struct End(Arc<Pace>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

impl http_body::Body for Outgoing {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
