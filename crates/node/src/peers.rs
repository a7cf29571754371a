//! The other members' nodes: canonical CBOR over mutual TLS, each pinned to the key its member registered.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use client::http::{self, Endpoint, Error as Transport, MAX_ANSWER};
use client::tls::Identity;
use contracts::code;
use contracts::message::MemberCard;
use crypto::Digest;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use wire::Limits;

use crate::problem::ApiError;

/// Calls to other members' nodes; connections are pooled for each.
pub(crate) struct Peers {
    identity: Identity,
    endpoints: Mutex<HashMap<String, Known>>,
}

/// A member's endpoint, with what it was made from: a member that moves or changes its key gets a new one.
#[derive(Clone)]
struct Known {
    address: String,
    pin: Digest,
    endpoint: Endpoint,
}

impl Peers {
    /// Calls as `identity`.
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, endpoints: Mutex::default() }
    }

    /// Sends `message` to the member of this card and reads the answer.
    ///
    /// # Errors
    /// The peer's own refusal, with its code; `peer_unreachable` for anything else.
    pub(crate) async fn call<M, A>(
        &self,
        card: &MemberCard,
        path: &str,
        message: &M,
        patience: Duration,
    ) -> Result<A, ApiError>
    where
        M: minicbor::Encode<()>,
        A: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
    {
        let member = &card.name;
        let endpoint = self.endpoint(member, &card.address, card.tls)?.with_patience(patience);
        self.post(&endpoint, path, message).await.map_err(|error| match error {
            Transport::Problem(problem) => ApiError::coded(&problem.code, format!("{member}: {}", problem.detail)),
            other => ApiError::new(code::PEER_UNREACHABLE, format!("{member}: {other}")),
        })
    }

    async fn post<M, A>(&self, endpoint: &Endpoint, path: &str, message: &M) -> Result<A, Transport>
    where
        M: minicbor::Encode<()>,
        A: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
    {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/cbor"))]);
        let answer = endpoint.send(Method::POST, path, headers, http::full(wire::to_vec(message))).await?;
        let bytes = answer.bytes(MAX_ANSWER).await?;
        wire::from_slice(&bytes, Limits::large()).map_err(|error| Transport::Malformed(error.to_string()))
    }

    fn endpoint(&self, member: &str, address: &str, pin: Digest) -> Result<Endpoint, ApiError> {
        let mut endpoints = self.endpoints.lock().expect("no panic while the endpoints are held");
        if let Some(known) = endpoints.get(member).filter(|known| known.address == address && known.pin == pin) {
            return Ok(known.endpoint.clone());
        }
        let endpoint = Endpoint::new(address, pin, Some(&self.identity))
            .map_err(|error| ApiError::new(code::PEER_UNREACHABLE, format!("{member}: {error}")))?;
        endpoints.insert(member.to_owned(), Known { address: address.to_owned(), pin, endpoint: endpoint.clone() });
        Ok(endpoint)
    }
}
