//! Reads requests and writes answers: bounded, and every failure a problem.

use axum::extract::{FromRequest, FromRequestParts, Request, rejection};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::code;
use http::request::Parts;
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::upgrade::OnUpgrade;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::ApiError;
use crate::tunnel;

/// A JSON body, in or out.
pub(crate) struct Json<T>(pub(crate) T);

/// A body of canonical CBOR, in or out: what nodes tell each other.
pub(crate) struct Cbor<T>(pub(crate) T);

/// A body as it is.
pub(crate) struct Raw(pub(crate) Bytes);

/// A connection that is to change to another protocol once the answer says so.
pub(crate) struct Upgrade(pub(crate) OnUpgrade);

/// The query's parameters.
pub(crate) struct Query<T>(pub(crate) T);

/// The path's parameters.
pub(crate) struct Path<T>(pub(crate) T);

/// Largest body that [`Json`], [`Cbor`] and [`Raw`] take, bytes; the guard sets it.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimit(pub(crate) usize);

impl<S: Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let BodyLimit(limit) = request.extensions().get().copied().unwrap_or(BodyLimit(DEFAULT_LIMIT));
        let too_large = || ApiError::new(code::OVERSIZE, format!("the body has more than {limit} bytes"));
        let body = request.into_body();
        // What says that it is too large is not even begun.
        if http_body::Body::size_hint(&body).lower() > limit as u64 {
            return Err(too_large());
        }
        match Limited::new(body, limit).collect().await {
            Ok(collected) => Ok(Self(collected.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) if is_forged(&*error) => {
                Err(ApiError::new(code::BAD_SIGNATURE, "the body is not the one that was signed")
                    .with_status(StatusCode::UNAUTHORIZED))
            }
            Err(error) => Err(ApiError::new(code::MALFORMED, format!("the body cannot be read: {error}"))),
        }
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Raw(bytes) = Raw::from_request(request, state).await?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| ApiError::new(code::MALFORMED, format!("the body is not the expected JSON: {error}")))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => ApiError::internal(error).into_response(),
        }
    }
}

impl<T, S: Sync> FromRequest<S> for Cbor<T>
where
    T: wire::minicbor::Encode<()> + for<'b> wire::minicbor::Decode<'b, ()>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Raw(bytes) = Raw::from_request(request, state).await?;
        let limits = wire::Limits { bytes: bytes.len(), ..wire::Limits::large() };
        wire::from_slice(&bytes, limits)
            .map(Self)
            .map_err(|error| ApiError::new(code::MALFORMED, format!("the body: {error}")))
    }
}

impl<T: wire::minicbor::Encode<()>> IntoResponse for Cbor<T> {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/cbor")], wire::to_vec(&self.0)).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let asked = parts.headers.get(header::UPGRADE).is_some_and(|protocol| protocol == tunnel::PROTOCOL);
        let found = parts.extensions.remove().filter(|_| asked);
        found.map(Self).ok_or_else(|| {
            ApiError::new(code::MALFORMED, format!("the request does not ask for an upgrade to {}", tunnel::PROTOCOL))
        })
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let refuse = |error: rejection::QueryRejection| ApiError::new(code::MALFORMED, error.body_text());
        axum::extract::Query::from_request_parts(parts, state).await.map(|query| Self(query.0)).map_err(refuse)
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let refuse = |error: rejection::PathRejection| ApiError::new(code::MALFORMED, error.body_text());
        axum::extract::Path::from_request_parts(parts, state).await.map(|path| Self(path.0)).map_err(refuse)
    }
}

/// Whether a body's error says that it is not the one that was signed; for those who stream it.
pub(crate) fn is_forged(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(|error| matches!(error.downcast_ref(), Some(client::signature::Error::Body)))
}

/// Without a guard, as in unit tests: 1 MiB.
const DEFAULT_LIMIT: usize = 1 << 20;
