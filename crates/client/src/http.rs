//! HTTPS to one node: pooled connections, timeouts, bounded answers, bodies that stream both ways.

mod link;

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use crypto::Digest;
use futures_util::TryStreamExt as _;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, UPGRADE};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::upgrade::Upgraded;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{CertificateError, OtherError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use crate::api::Problem;
use crate::seen::{self, Seen};
use crate::tls::{self, Identity, NotPinned};

use link::Connector;
pub use link::Dial;

/// A request's body.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Longest answer that is read into memory: 16 MiB.
pub const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A node's HTTPS endpoint with its pooled connections. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    address: String,
    connector: HttpsConnector<Connector>,
    client: Client<HttpsConnector<Connector>, Body>,
    patience: Duration,
    seen: Seen,
}

impl Endpoint {
    /// The node at `address` (`https://host:port`) whose TLS key has the SPKI digest `pin`; as `identity` where a
    /// member's node calls another.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn new(address: &str, pin: Digest, identity: Option<&Identity>) -> Result<Self, Error> {
        Self::over(link::to_address(CONNECT), address, pin, identity)
    }

    /// The same node by streams that `dial` opens; the TLS inside them, and what it pins, are as on a direct connection.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn dialled(dial: Dial, address: &str, pin: Digest, identity: Option<&Identity>) -> Result<Self, Error> {
        Self::over(link::by(dial), address, pin, identity)
    }

    fn over(connector: Connector, address: &str, pin: Digest, identity: Option<&Identity>) -> Result<Self, Error> {
        let address = checked_address(address)?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(pin, identity).as_ref().clone())
            .https_only()
            .enable_http1()
            .wrap_connector(connector);
        let client = pooled(connector.clone());
        Ok(Self { address, connector, client, patience: PATIENCE, seen: Seen::default() })
    }

    /// The same node by connections of its own.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { client: pooled(self.connector.clone()), ..self.clone() }
    }

    /// Waits up to `patience` for an answer's head and for each piece of its body, in place of 30 seconds.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Names the height in `seen` in every call, and takes note there of what the node answers; instead of a height of this
    /// endpoint alone.
    #[must_use]
    pub fn with_seen(mut self, seen: Seen) -> Self {
        self.seen = seen;
        self
    }

    /// `https://host:port`, without a slash at the end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The `@target-uri` of a path and query at this endpoint.
    pub fn target_uri(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Sends a request; the answer's body is still to be read. `path` holds path and query.
    ///
    /// # Errors
    /// [`Error::Transport`], [`Error::Timeout`], [`Error::Problem`] for a refusal in our form, [`Error::Status`] for any
    /// other answer outside 2xx.
    pub async fn send(&self, method: Method, path: &str, headers: HeaderMap, body: Body) -> Result<Answer, Error> {
        let answer = self.ask(method, path, headers, body).await?;
        let (status, asked, told) = (answer.status(), answer.asked, answer.height());
        if status.is_success() {
            return Ok(answer);
        }
        let refusal = answer.refusal(status).await;
        if let (Error::Problem(problem), Some(told)) = (&refusal, told)
            && problem.code == LEDGER_BEHIND
        {
            self.seen.give_up(asked, told);
        }
        Err(refusal)
    }

    /// Sends a `POST` that asks the node to change to `protocol` (RFC 9110 §7.8); the stream that the connection is then.
    ///
    /// # Errors
    /// As [`Endpoint::send`]; [`Error::Status`] too where the node answers without changing.
    pub async fn upgrade(
        &self,
        path: &str,
        mut headers: HeaderMap,
        body: Body,
        protocol: HeaderValue,
    ) -> Result<Upgraded, Error> {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
        let answer = self.ask(Method::POST, path, headers, body).await?;
        match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS => hyper::upgrade::on(answer.response).await.map_err(Error::Body),
            status => Err(answer.refusal(status).await),
        }
    }

    /// Sends a request; an answer of any status, its body still to be read. For nodes that are not ours.
    ///
    /// # Errors
    /// [`Error::Transport`], [`Error::Timeout`].
    pub async fn ask(&self, method: Method, path: &str, mut headers: HeaderMap, body: Body) -> Result<Answer, Error> {
        let uri: Uri = self.target_uri(path).parse().map_err(|_| Error::Address(self.target_uri(path)))?;
        let asked = self.seen.name(&mut headers);
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let response = timeout(self.patience, self.client.request(request)).await.map_err(|_| Error::Timeout)??;
        let answer = Answer { response, patience: self.patience, asked };
        answer.height().into_iter().for_each(|told| self.seen.raise(told));
        Ok(answer)
    }
}

/// An answer, of status 2xx where [`Endpoint::send`] gives it.
#[derive(Debug)]
pub struct Answer {
    response: Response<Incoming>,
    patience: Duration,
    /// The height that the call named.
    asked: u64,
}

impl Answer {
    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The height of the node's copy of the ledger. One that cannot be read is none: it is a hint.
    fn height(&self) -> Option<u64> {
        seen::named(self.headers()).ok().flatten()
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Body`] when the connection breaks before the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = timeout(self.patience, self.response.body_mut().frame()).await.map_err(|_| Error::Timeout)?;
            match frame.transpose().map_err(Error::Body)?.map(Frame::into_data) {
                None => return Ok(None),
                Some(Ok(data)) => return Ok(Some(data)),
                // Trailers carry nothing for us.
                Some(Err(_)) => {}
            }
        }
    }

    /// The whole body, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::TooLong`], and as [`Answer::chunk`].
    pub async fn bytes(mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if chunk.len() > limit - body.len() {
                return Err(Error::TooLong { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The body as text, of at most [`MAX_ANSWER`] bytes.
    ///
    /// # Errors
    /// [`Error::Malformed`] unless it is UTF-8; as [`Answer::bytes`].
    pub async fn text(self) -> Result<String, Error> {
        String::from_utf8(self.bytes(MAX_ANSWER).await?).map_err(|source| Error::Malformed(source.to_string()))
    }

    /// The body as JSON, of at most [`MAX_ANSWER`] bytes.
    ///
    /// # Errors
    /// [`Error::Malformed`] unless it holds a `T`; as [`Answer::bytes`].
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let body = self.bytes(MAX_ANSWER).await?;
        serde_json::from_slice(&body).map_err(|source| Error::Malformed(source.to_string()))
    }

    async fn refusal(self, status: StatusCode) -> Error {
        let ours =
            self.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(PROBLEM.as_bytes()));
        let body = match self.bytes(MAX_PROBLEM).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        match serde_json::from_slice(&body) {
            Ok(problem) if ours => Error::Problem(Box::new(problem)),
            _ => Error::Status(status),
        }
    }
}

fn pooled(connector: HttpsConnector<Connector>) -> Client<HttpsConnector<Connector>, Body> {
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(64)
        .build(connector)
}

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// No body.
pub fn empty() -> Body {
    full(Bytes::new())
}

/// The headers and body bytes of a JSON request.
pub fn json<T: Serialize>(value: &T) -> (HeaderMap, Vec<u8>) {
    let body = serde_json::to_vec(value).expect("our API types have string keys only and serialise without errors");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    (headers, body)
}

/// The headers and body of a request that streams a file.
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened.
pub async fn file(path: &Path) -> Result<(HeaderMap, Body), Error> {
    let file = tokio::fs::File::open(path).await?;
    let length = file.metadata().await?.len();
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CONTENT_LENGTH, HeaderValue::from(length)),
    ]);
    let stream = ReaderStream::with_capacity(file, PIECE).map_ok(Frame::data);
    Ok((headers, StreamBody::new(stream).boxed_unsync()))
}

/// Why a request brought no answer that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an address of the form `https://host:port`.
    #[error("`{0}` is not an address of the form https://host:port")]
    Address(String),
    /// The node cannot be reached, is not the pinned one, or broke the connection.
    #[error("cannot reach the node{}", reason(.0))]
    Transport(#[from] ClientError),
    /// The node did not answer in time.
    #[error("the node did not answer in time")]
    Timeout,
    /// The answer's body broke off.
    #[error("the answer broke off")]
    Body(#[source] hyper::Error),
    /// The node refused, and says why.
    #[error("{}: {}", .0.code, .0.detail)]
    Problem(Box<Problem>),
    /// The node refused, in a form that is not ours.
    #[error("the node answered with status {0}")]
    Status(StatusCode),
    /// The answer is longer than is accepted.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// Bytes accepted.
        limit: usize,
    },
    /// The answer is not of the expected form.
    #[error("the node's answer is malformed: {0}")]
    Malformed(String),
    /// A local file cannot be read or written.
    #[error("cannot read or write a local file")]
    Io(#[from] io::Error),
}

impl Error {
    /// Whether the node cannot have seen the request: no connection to it came about.
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::Transport(error) if error.is_connect())
    }

    /// The digest of the key in the certificate that the node showed, where that is not the pinned one.
    pub fn shown_key(&self) -> Option<Digest> {
        match self {
            Self::Transport(error) => innermost(error).and_then(not_pinned).map(|other| other.shown),
            _ => None,
        }
    }

    /// Whether it is the connection that failed, or its silence: the node may have seen the request, or not.
    pub const fn is_transport(&self) -> bool {
        matches!(self, Self::Transport(_) | Self::Timeout | Self::Body(_))
    }
}

fn reason(error: &ClientError) -> String {
    let Some(cause) = innermost(error) else { return String::new() };
    not_pinned(cause).map_or_else(|| format!(": {cause}"), |other| format!(": {other}"))
}

/// The innermost cause, which is what tells a refused connection from a wrong key.
fn innermost(error: &ClientError) -> Option<&(dyn std::error::Error + 'static)> {
    let mut cause = std::error::Error::source(error)?;
    // An I/O error hides what it wraps from `source`.
    while let Some(inner) = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
        None => cause.source(),
    } {
        cause = inner;
    }
    Some(cause)
}

fn not_pinned<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a NotPinned> {
    match cause.downcast_ref()? {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.downcast_ref(),
        _ => None,
    }
}

fn checked_address(address: &str) -> Result<String, Error> {
    let refuse = || Error::Address(address.to_owned());
    let uri: Uri = address.parse().map_err(|_| refuse())?;
    let plain = uri.path() == "/" && uri.query().is_none();
    match uri.authority() {
        Some(authority) if plain && uri.scheme() == Some(&Scheme::HTTPS) && !authority.as_str().contains('@') => {
            Ok(format!("https://{authority}"))
        }
        _ => Err(refuse()),
    }
}

const CONNECT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);
/// Shorter than the node's own idle timeout of 60 s, so that it is rarely the node that closes first.
const IDLE: Duration = Duration::from_secs(45);
const PIECE: usize = 256 * 1024;
const PROBLEM: &str = "application/problem+json";
const MAX_PROBLEM: usize = 64 * 1024;
/// A node that is not as far as a caller has seen refuses with this code.
const LEDGER_BEHIND: &str = contracts::code::LEDGER_BEHIND.code;
