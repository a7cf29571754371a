//! What carries an endpoint's connections: a socket to its address, or a stream that was opened by other means.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::upgrade::Upgraded;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::either::Either;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt as _, service_fn};

use super::Error;

/// Opens a stream to a node by other means than its address, anew for each connection.
pub type Dial = Arc<dyn Fn() -> BoxFuture<'static, Result<Upgraded, Error>> + Send + Sync>;

/// Makes links.
pub(super) type Connector = BoxCloneSyncService<Uri, Link, BoxError>;

/// To the address, within `patience`.
pub(super) fn to_address(patience: Duration) -> Connector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(patience));
    let link = |stream: TokioIo<TcpStream>| Link(TokioIo::new(Either::Left(stream.into_inner())));
    BoxCloneSyncService::new(connector.map_response(link).map_err(BoxError::from))
}

/// Through what `dial` opens, whatever the address.
pub(super) fn by(dial: Dial) -> Connector {
    BoxCloneSyncService::new(service_fn(move |_: Uri| {
        let stream = dial();
        async move { Ok(Link(TokioIo::new(Either::Right(TokioIo::new(stream.await?))))) }
    }))
}

/// A stream under an endpoint's TLS.
pub(super) struct Link(TokioIo<Either<TcpStream, TokioIo<Upgraded>>>);

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Link {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }
}
