//! What every request passes on its way in and out: limits, authentication, deadlines, counting.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use client::signature;
use contracts::code;
use crypto::Digest;
use futures_util::FutureExt as _;
use http::{HeaderValue, StatusCode};

use crate::auth::{self, Caller, Nonces, Peer, SignedBody};
use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::extract::BodyLimit;
use crate::limit::{RateLimiter, Source};
use crate::metrics::Metrics;
use crate::problem::{ApiError, Refused};
use crate::server::Connection;

/// The way in and out of the API.
pub(crate) struct Guard {
    address: String,
    clock: Clock,
    metrics: Arc<Metrics>,
    members: Box<Members>,
    addresses: RateLimiter,
    callers: RateLimiter,
    nonces: Nonces,
    body_limit: BodyLimit,
    patience: Duration,
}

/// Finds the member whose TLS key has a digest.
type Members = dyn Fn(&Digest) -> Option<String> + Send + Sync;

impl Guard {
    /// A guard; `members` finds the member whose TLS key has a digest, as the ledger has it now.
    pub(crate) fn new(
        config: &NodeConfig,
        clock: Clock,
        metrics: Arc<Metrics>,
        members: impl Fn(&Digest) -> Option<String> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let limits = &config.limits;
        Arc::new(Self {
            address: config.address.clone(),
            metrics,
            members: Box::new(members),
            addresses: RateLimiter::new(limits.address_rate, limits.burst_seconds, CALLERS),
            callers: RateLimiter::new(limits.caller_rate, limits.burst_seconds, CALLERS),
            nonces: Nonces::new(limits.max_nonces as usize, clock()),
            clock,
            body_limit: BodyLimit(limits.max_body_bytes as usize),
            patience: limits.request(),
        })
    }

    /// Puts the guard around an API. The routes of `prompt` are answered within `limits.request_seconds`; those of
    /// `streaming` carry files and end when they stop moving, which the server watches.
    pub(crate) fn wrap(self: &Arc<Self>, prompt: Router, streaming: Router) -> Router {
        let patience = self.patience;
        prompt
            .layer(from_fn(move |request, next: Next| async move {
                let late =
                    |_| ApiError::new(code::BUSY, format!("no answer within {} s", patience.as_secs())).with_retry(1);
                tokio::time::timeout(patience, next.run(request)).await.map_err(late)
            }))
            .merge(streaming)
            .fallback(async || ApiError::new(code::NOT_FOUND, "there is no such path"))
            .method_not_allowed_fallback(async || {
                ApiError::new(code::NOT_FOUND, "the path does not take this method")
                    .with_status(StatusCode::METHOD_NOT_ALLOWED)
            })
            .layer(from_fn_with_state(Arc::clone(self), pass))
    }

    /// Everything before the handler.
    fn admit(&self, mut request: Request) -> Result<Request, ApiError> {
        let now = (self.clock)();
        let Some(Connection { peer, remote }) = request.extensions().get().cloned() else {
            return Err(ApiError::internal("the request came over no connection of the server"));
        };
        let member = peer.and_then(|peer| (self.members)(&peer));
        // Before the costly check of a signature. A member's node is known already and has its own count below.
        if member.is_none() {
            self.count(&self.addresses, remote.ip().into(), now)?;
        }
        let mut caller = Caller::Anonymous;
        if let Some(member) = member {
            self.count(&self.callers, Source::Member(member.clone()), now)?;
            request.extensions_mut().insert(Peer(member.clone()));
            caller = Caller::Member(member);
        }
        if signature::is_signed(request.headers()) {
            let verified =
                auth::verify(request.method(), &self.address, request.uri(), request.headers(), &self.nonces, now)?;
            self.count(&self.callers, Source::Key(verified.key), now)?;
            caller = Caller::Key(verified.key);
            request = request.map(|body| Body::new(SignedBody::new(body, verified)));
        }
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(self.body_limit);
        Ok(request)
    }

    fn count(&self, limiter: &RateLimiter, source: Source, now: u64) -> Result<(), ApiError> {
        limiter.check(source, now).map_err(|wait| {
            let seconds = wait.as_secs_f64().ceil() as u64;
            ApiError::new(code::RATE_LIMITED, "too many requests at once").with_retry(seconds)
        })
    }
}

async fn pass(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    // The pattern, never the path: a caller must not choose the label's values.
    let route = request.extensions().get::<MatchedPath>().map_or("none".to_owned(), |path| path.as_str().to_owned());
    let id = wire::text::to_hex(&crypto::random::<8>());

    let mut response = match guard.admit(request) {
        Ok(request) => AssertUnwindSafe(next.run(request))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| ApiError::internal("a handler panicked").into_response()),
        Err(refusal) => refusal.into_response(),
    };

    let (status, elapsed) = (response.status(), started.elapsed());
    let method = if STANDARD_METHODS.contains(&method.as_str()) { method.as_str() } else { "other" };
    guard.metrics.requests.inc(&[method, &route, status.as_str()]);
    guard.metrics.request_seconds.observe(&[&route], elapsed.as_secs_f64());
    let refused = response.extensions().get().map_or("", |Refused(code)| code.as_str());
    if !refused.is_empty() {
        // A contract's policy may name any code; the table bounds the label.
        guard.metrics.refusals.inc(&[code::lookup(refused).map_or("policy", |entry| entry.code)]);
    }
    if status.is_server_error() {
        tracing::warn!(id, method, route, status = status.as_u16(), code = refused, ?elapsed, "request failed");
    } else {
        tracing::debug!(id, method, route, status = status.as_u16(), code = refused, ?elapsed, "request");
    }
    let headers = response.headers_mut();
    headers.insert("request-id", HeaderValue::try_from(id).expect("hexadecimal is a header's value"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.entry(http::header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Callers whose rates are remembered.
const CALLERS: usize = 65_536;
const STANDARD_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
