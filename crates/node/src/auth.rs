//! Who is calling: a key that signed the request, a member's node known by its TLS key, or nobody in particular.

use std::collections::{BTreeSet, HashSet};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use aws_lc_rs::digest::{Context as Hasher, SHA256};
use axum::extract::FromRequestParts;
use client::signature::{self, Verified};
use contracts::code;
use crypto::{Digest, PublicKey};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};

use crate::problem::ApiError;

/// Who is calling. Roles are looked up in the ledger by those who need them. An extractor that never fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// The holder of a key, by the request's signature.
    Key(PublicKey),
    /// A member's node, by its TLS key; the request itself is not signed.
    Member(String),
}

impl Caller {
    /// The key that signed.
    ///
    /// # Errors
    /// `unauthenticated` for anyone else.
    pub(crate) fn key(&self) -> Result<PublicKey, ApiError> {
        match self {
            Self::Key(key) => Ok(*key),
            _ => Err(ApiError::new(code::UNAUTHENTICATED, "the request is not signed by a key")),
        }
    }

    /// As the audit trail names it.
    pub(crate) fn actor(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Key(key) => key.to_string(),
            Self::Member(name) => name.clone(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or(Self::Anonymous))
    }
}

/// The member whose node calls, by its TLS key. An extractor for `/peer/` that refuses everyone else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let peer = parts.extensions.get().cloned();
        peer.ok_or_else(|| ApiError::new(code::UNAUTHENTICATED, "the connection presents no member's TLS key"))
    }
}

/// Verifies a signed request's head; the caller's key and the check its body has to pass.
///
/// # Errors
/// 401 with the code of what is wrong; `busy` when no more nonces can be remembered.
pub(crate) fn verify(
    method: &Method,
    address: &str,
    uri: &Uri,
    headers: &HeaderMap,
    nonces: &Nonces,
    now: u64,
) -> Result<Verified, ApiError> {
    use signature::Error;
    let refuse = |code, error: &Error| ApiError::new(code, error.to_string()).with_status(StatusCode::UNAUTHORIZED);
    let verified =
        signature::verify(method, &signature::target_uri(address, uri), headers, now).map_err(
            |error| match &error {
                Error::Signature => refuse(code::BAD_SIGNATURE, &error),
                Error::Time { .. } => refuse(code::EXPIRED, &error),
                _ => refuse(code::UNAUTHENTICATED, &error),
            },
        )?;
    nonces.admit(&verified, now)?;
    Ok(verified)
}

/// The nonces of signatures that are still valid, so that each is taken once.
pub(crate) struct Nonces {
    /// Signatures made before the start may have been seen before it; Unix seconds.
    started: u64,
    capacity: usize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    all: HashSet<Nonce>,
    by_expiry: BTreeSet<(u64, Nonce)>,
}

/// A key's nonce; of the key, 16 bytes tell it apart, and its owner alone could make two collide.
type Nonce = ([u8; 16], [u8; 16]);

impl Nonces {
    pub(crate) fn new(capacity: usize, now: u64) -> Self {
        Self { started: now / 1000, capacity, seen: Mutex::default() }
    }

    fn admit(&self, verified: &Verified, now: u64) -> Result<(), ApiError> {
        let refuse = |detail| Err(ApiError::new(code::REPLAYED, detail).with_status(StatusCode::UNAUTHORIZED));
        if verified.created < self.started {
            return refuse("the request was signed before this node started; sign it again");
        }
        let key = verified.key.0.as_bytes().first_chunk().expect("a key is longer than 16 bytes");
        let nonce = (*key, *verified.nonce.as_bytes());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { all, by_expiry } = &mut *seen;
        // `expires` is the last second in which the signature is taken.
        while let Some((expires, nonce)) = by_expiry.first().copied().filter(|(expires, _)| *expires < now / 1000) {
            by_expiry.remove(&(expires, nonce));
            all.remove(&nonce);
        }
        if all.contains(&nonce) {
            return refuse("a request with this nonce came before");
        }
        if all.len() >= self.capacity {
            return Err(ApiError::new(code::BUSY, "too many signed requests within a minute").with_retry(10));
        }
        all.insert(nonce);
        by_expiry.insert((verified.expires, nonce));
        Ok(())
    }
}

/// A body that ends in an error unless it is the one that was signed. Buffered readers see that before they use a byte;
/// whoever streams keeps nothing until the end has come.
pub(crate) struct SignedBody {
    body: axum::body::Body,
    verified: Verified,
    hasher: Option<Hasher>,
}

impl SignedBody {
    pub(crate) fn new(body: axum::body::Body, verified: Verified) -> Self {
        Self { body, verified, hasher: Some(Hasher::new(&SHA256)) }
    }
}

impl Body for SignedBody {
    type Data = bytes::Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        match ready!(Pin::new(&mut this.body).poll_frame(context)) {
            Some(Ok(frame)) => {
                if let (Some(data), Some(hasher)) = (frame.data_ref(), &mut this.hasher) {
                    hasher.update(data);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => {
                // Taken, so that the end is judged once.
                let Some(hasher) = this.hasher.take() else { return Poll::Ready(None) };
                let digest: [u8; 32] = hasher.finish().as_ref().try_into().expect("SHA-256 yields 32 bytes");
                let outcome = this.verified.check_body(&Digest::from(digest));
                Poll::Ready(outcome.err().map(|error| Err(error.into())))
            }
        }
    }

    // Never reported as ended: hyper and the extractors then poll once more, and the digest is checked.
    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::SigningKey;
    use http_body_util::BodyExt as _;

    const ADDRESS: &str = "https://localhost:7101";
    const NOW: u64 = 1_800_000_000_000;

    fn signed(key: &SigningKey, path: &str, body: Option<&[u8]>, now: u64) -> HeaderMap {
        let digest = body.map(|body| crypto::sha256(&[body]));
        let sign = |base: &[u8]| Ok::<_, Infallible>(key.sign_raw(base));
        signature::sign_request(&Method::POST, &format!("{ADDRESS}{path}"), digest.as_ref(), &key.public(), now, sign)
            .unwrap()
    }

    fn check(headers: &HeaderMap, nonces: &Nonces, now: u64) -> Result<Verified, (u16, String)> {
        verify(&Method::POST, ADDRESS, &Uri::from_static("/v1/requests?a=1"), headers, nonces, now)
            .map_err(|error| (error.status.as_u16(), error.code))
    }

    #[test]
    fn a_signature_is_taken_once() {
        let (key, nonces) = (SigningKey::generate(), Nonces::new(10, NOW));
        let headers = signed(&key, "/v1/requests?a=1", None, NOW);
        assert_eq!(check(&headers, &nonces, NOW).unwrap().key, key.public());
        assert_eq!(check(&headers, &nonces, NOW + 60_000), Err((401, "replayed".into())));
        assert_eq!(check(&headers, &nonces, NOW + 61_000), Err((401, "expired".into())));
        let other = signed(&key, "/v1/requests", None, NOW);
        assert_eq!(check(&other, &nonces, NOW), Err((401, "bad_signature".into())));
        assert_eq!(check(&HeaderMap::new(), &nonces, NOW), Err((401, "unauthenticated".into())));
    }

    #[test]
    fn a_signature_from_before_the_start_is_refused() {
        let (key, nonces) = (SigningKey::generate(), Nonces::new(10, NOW));
        assert_eq!(
            check(&signed(&key, "/v1/requests?a=1", None, NOW - 1), &nonces, NOW),
            Err((401, "replayed".into()))
        );
    }

    #[test]
    fn the_memory_of_nonces_is_bounded() {
        let (key, nonces) = (SigningKey::generate(), Nonces::new(3, NOW));
        let ask = |now| check(&signed(&key, "/v1/requests?a=1", None, now), &nonces, now).map(drop);
        (0..3).for_each(|_| ask(NOW).unwrap());
        assert_eq!(ask(NOW), Err((503, "busy".into())));
        (0..3).for_each(|_| ask(NOW + 61_000).unwrap());
        assert_eq!(nonces.seen.lock().unwrap().by_expiry.len(), 3);
    }

    #[tokio::test]
    async fn a_body_other_than_the_signed_one_ends_in_an_error() {
        let (key, nonces) = (SigningKey::generate(), Nonces::new(10, NOW));
        for (signed_body, sent, good) in [
            (Some(&b"yes"[..]), "yes", true),
            (Some(b"yes"), "no", false),
            (Some(b"yes"), "", false),
            (None, "", true),
            (None, "x", false),
        ] {
            let verified = check(&signed(&key, "/v1/requests?a=1", signed_body, NOW), &nonces, NOW).unwrap();
            let body = SignedBody::new(axum::body::Body::from(sent), verified);
            assert_eq!(body.collect().await.is_ok(), good, "{signed_body:?} {sent}");
        }
    }
}
