//! One principal at one node: a typed method for each endpoint of the API, every request signed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use contracts::message::{MemberCard, Opening, redemption};
use contracts::record::{AccreditedIssuer, Asset, Contract, Member, Principal, Recovering};
use crypto::keystore::{self, Keys};
use crypto::{Digest, Label, PublicKey, Sha256};
use http::header::RANGE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::Bytes;

use crate::api::{
    Application, AuditEntry, Backup, Computation, Explanation, Governance, GrantToken, Health, Judgement, KeptValue,
    KeyAges, LogProof, ModuleView, OracleSetup, OracleView, Page, PrivatePlaced, PrivateSubmission, PrivateView,
    ProposalView, Redemption, RequestView, ResultShare, Seat, Submission, Submitted, TransactionResult, VerifierView,
};
use crate::http::{self as transport, Answer, Body, Endpoint, MAX_ANSWER};
use crate::seen::Seen;
use crate::signature::sign_request;

/// The time: Unix milliseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// A principal's key at a node. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    endpoint: Endpoint,
    keys: Arc<dyn Keys>,
    handle: String,
    key: PublicKey,
    chain: Digest,
    clock: Clock,
    /// Endpoints of the members met so far, so that their connections are reused.
    met: Arc<Mutex<HashMap<String, Endpoint>>>,
    /// What every node that it talks to is to have reached.
    seen: Seen,
}

impl Client {
    /// Acts with the signing key `handle` of `keys` on `chain`, through the node at `endpoint`.
    ///
    /// # Errors
    /// [`Error::Keys`] where there is no such key.
    pub fn new(
        endpoint: Endpoint,
        keys: Arc<dyn Keys>,
        handle: &str,
        chain: Digest,
        clock: Clock,
    ) -> Result<Self, Error> {
        let key = keys.public(handle)?;
        let seen = Seen::default();
        let endpoint = endpoint.with_seen(seen.clone());
        Ok(Self { endpoint, keys, handle: handle.to_owned(), key, chain, clock, met: Arc::default(), seen })
    }

    /// The same principal at another node.
    #[must_use]
    pub fn at(&self, endpoint: Endpoint) -> Self {
        Self { endpoint: endpoint.with_seen(self.seen.clone()), ..self.clone() }
    }

    /// The same principal at a member's node, found by this node's list of members on first use.
    ///
    /// # Errors
    /// [`Error::UnknownMember`]; [`Error::Http`].
    pub async fn at_member(&self, name: &str) -> Result<Self, Error> {
        let known = self.met.lock().expect("no panic while the endpoints are held").get(name).cloned();
        let endpoint = match known {
            Some(endpoint) => endpoint,
            None => {
                let members = self.members().await?;
                let member = members.iter().find(|member| member.card.name == name);
                let MemberCard { address, tls, .. } =
                    &member.ok_or_else(|| Error::UnknownMember(name.to_owned()))?.card;
                let endpoint = Endpoint::new(address, *tls, None)?;
                self.met
                    .lock()
                    .expect("no panic while the endpoints are held")
                    .insert(name.to_owned(), endpoint.clone());
                endpoint
            }
        };
        Ok(self.at(endpoint))
    }

    /// The principal's public key.
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// The chain.
    pub const fn chain(&self) -> Digest {
        self.chain
    }

    /// The node.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The same with a height that is shared with others, or kept.
    #[must_use]
    pub fn with_seen(self, seen: Seen) -> Self {
        Self { endpoint: self.endpoint.with_seen(seen.clone()), met: Arc::default(), seen, ..self }
    }

    /// The highest ledger height that it was told of, at any node. Raise it to what another program of the same principal, or whoever
    /// told it of a step on the ledger, has seen: then no node answers from before that.
    pub const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The store that signs.
    pub(crate) fn keys(&self) -> &dyn Keys {
        &*self.keys
    }

    /// The handle of the principal's key in it.
    pub(crate) fn handle(&self) -> &str {
        &self.handle
    }

    /// Unix milliseconds.
    pub(crate) fn now(&self) -> u64 {
        (self.clock)()
    }

    pub(crate) fn sign(&self, label: Label, message: &[u8]) -> Result<crypto::Signature, Error> {
        Ok(self.keys.sign(&self.handle, label, message)?)
    }

    // The node itself.

    /// `GET /health`.
    pub async fn health(&self) -> Result<Health, Error> {
        self.get("/health").await
    }

    /// `GET /ready`.
    pub async fn ready(&self) -> Result<Health, Error> {
        self.get("/ready").await
    }

    /// `GET /v1/consortium`: the node's consortium file. To be believed only once its fingerprint was compared.
    pub async fn consortium(&self) -> Result<String, Error> {
        self.get_text("/v1/consortium").await
    }

    /// `GET /v1/checkpoint`: the newest checkpoint with its cosignatures.
    pub async fn checkpoint(&self) -> Result<String, Error> {
        self.get_text("/v1/checkpoint").await
    }

    /// `GET /v1/certificate`: the newest certificate that a slate is final, in canonical CBOR; of a node that votes.
    pub async fn certificate(&self) -> Result<Vec<u8>, Error> {
        self.get_bytes("/v1/certificate").await
    }

    /// `GET /v1/audit`: a page of the audit trail.
    pub async fn audit(&self, after: i64, limit: u32) -> Result<Page<AuditEntry>, Error> {
        self.get(&format!("/v1/audit?after={after}&limit={limit}")).await
    }

    // The ledger.

    /// `POST /v1/transactions`: signed transactions in their canonical encoding, in this order.
    pub async fn transactions(&self, transactions: Vec<Bytes>) -> Result<Submitted, Error> {
        self.post("/v1/transactions", &Submission { transactions }).await
    }

    /// `GET /v1/transactions/{id}`.
    pub async fn transaction(&self, id: &Digest) -> Result<TransactionResult, Error> {
        self.get(&format!("/v1/transactions/{id}")).await
    }

    /// `GET /v1/members`: all of them.
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        self.all("/v1/members").await
    }

    /// `GET /v1/principals`: those of the node's member.
    pub async fn principals(&self) -> Result<Vec<Principal>, Error> {
        self.all("/v1/principals").await
    }

    /// `GET /v1/issuers`: all of them.
    pub async fn issuers(&self) -> Result<Vec<AccreditedIssuer>, Error> {
        self.all("/v1/issuers").await
    }

    /// `GET /v1/governance/parameters`: whether ballots govern, and by what they are counted.
    pub async fn governance(&self) -> Result<Governance, Error> {
        self.get("/v1/governance/parameters").await
    }

    /// `GET /v1/governance`: all proposals, oldest first; or those that are not closed, by proposer.
    pub async fn proposals(&self, open: bool) -> Result<Vec<ProposalView>, Error> {
        self.all(if open { "/v1/governance?open=true" } else { "/v1/governance" }).await
    }

    /// `GET /v1/governance/recoveries`: members' operator keys that are about to be replaced.
    pub async fn recoveries(&self) -> Result<Vec<Recovering>, Error> {
        self.all("/v1/governance/recoveries").await
    }

    /// `GET /v1/governance/{id}`.
    pub async fn proposal(&self, id: &Digest) -> Result<ProposalView, Error> {
        self.get(&format!("/v1/governance/{id}")).await
    }

    /// `GET /v1/keys`: since when members' keys are in force, by member.
    pub async fn key_ages(&self) -> Result<Vec<KeyAges>, Error> {
        self.all("/v1/keys").await
    }

    /// `GET /v1/seats`: where the validators that order the ledger together take part; nobody does while one node orders.
    pub async fn seats(&self) -> Result<Vec<Seat>, Error> {
        self.all("/v1/seats").await
    }

    /// `GET /v1/oracles`: the epoch in force.
    pub async fn oracles(&self) -> Result<OracleView, Error> {
        self.get("/v1/oracles").await
    }

    /// `POST /v1/oracles`: a new key among these members, coordinated by this node; for its operator.
    pub async fn set_up_oracles(&self, setup: &OracleSetup) -> Result<OracleView, Error> {
        self.post("/v1/oracles", setup).await
    }

    /// `GET /log/checkpoint`: the newest published checkpoint with its witnesses' lines.
    pub async fn log_checkpoint(&self) -> Result<String, Error> {
        self.get_text("/log/checkpoint").await
    }

    /// `GET /log/{path}`: a tile's bytes, at most 16 MiB.
    pub async fn log_file(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.get_bytes(&format!("/log/{path}")).await
    }

    /// `GET /v1/log/consistency`: the path between two sizes of the log.
    pub async fn log_consistency(&self, old: u64, new: u64) -> Result<Vec<Digest>, Error> {
        Ok(self.get::<LogProof>(&format!("/v1/log/consistency?old={old}&new={new}")).await?.path)
    }

    /// `GET /v1/log/inclusion`: a leaf's path in the log of `size` entries.
    pub async fn log_inclusion(&self, index: u64, size: u64) -> Result<Vec<Digest>, Error> {
        Ok(self.get::<LogProof>(&format!("/v1/log/inclusion?index={index}&size={size}")).await?.path)
    }

    /// `GET /v1/log/records`: some of these transactions, from the first one on, each after its length.
    pub async fn log_records(&self, from: u64, to: u64) -> Result<Vec<u8>, Error> {
        self.get_bytes(&format!("/v1/log/records?from={from}&to={to}")).await
    }

    /// `GET /v1/state`: a proof of what the state said of a key after a block, else after the newest.
    pub async fn prove_state(&self, key: &str, height: Option<u64>) -> Result<String, Error> {
        let height = height.map_or(String::new(), |height| format!("&height={height}"));
        self.get_text(&format!("/v1/state?key={}{height}", escape(key))).await
    }

    /// `POST /v1/cosigner`: a new key for the node to cosign and, later, to vote with; for its operator.
    pub async fn rotate_cosigner(&self) -> Result<TransactionResult, Error> {
        self.post_empty("/v1/cosigner").await
    }

    /// `POST /v1/backups`: has the node copy what it holds; for its operator.
    pub async fn begin_backup(&self) -> Result<Backup, Error> {
        self.post_empty("/v1/backups").await
    }

    /// `GET /v1/backups/{id}`: the backup follows as the answer's body, once. Refused as `busy` while the copies are made.
    pub async fn backup(&self, backup: &Backup) -> Result<Answer, Error> {
        self.stream(&format!("/v1/backups/{}", wire::text::to_hex(&backup.id.0))).await
    }

    // Assets and contracts.

    /// `PUT /v1/assets/{name}`: hands a file to the node, which seals and registers it. The file is read twice: its
    /// digest is signed before it is sent. With `escrow` the escrow agents can open it, where the consortium has any.
    pub async fn put_asset(&self, name: &str, kind: &str, escrow: bool, file: &Path) -> Result<Asset, Error> {
        let digest = digest_file(file.to_owned()).await?;
        let (headers, body) = transport::file(file).await?;
        let without = if escrow { "" } else { "&escrow=false" };
        let path = format!("/v1/assets/{}?kind={}{without}", escape(name), escape(kind));
        Ok(self.send(Method::PUT, &path, headers, Some(&digest), body).await?.json().await?)
    }

    /// `GET /v1/assets`: all of them.
    pub async fn assets(&self) -> Result<Vec<Asset>, Error> {
        self.all("/v1/assets").await
    }

    /// `GET /v1/contracts`: all that the caller may see.
    pub async fn contracts(&self) -> Result<Vec<Contract>, Error> {
        self.all("/v1/contracts").await
    }

    /// `GET /v1/contracts/{id}`.
    pub async fn contract(&self, id: &Digest) -> Result<Contract, Error> {
        self.get(&format!("/v1/contracts/{id}")).await
    }

    /// `GET /v1/modules`: the contracts in WebAssembly, uninstalled ones among them.
    pub async fn modules(&self) -> Result<Vec<ModuleView>, Error> {
        self.all("/v1/modules").await
    }

    /// `GET /v1/modules/{name}`.
    pub async fn module(&self, name: &str) -> Result<ModuleView, Error> {
        self.get(&format!("/v1/modules/{}", escape(name))).await
    }

    /// `GET /v1/modules/{name}/kept`: what a contract in WebAssembly kept under one of its keys after a block, else after the newest. It
    /// is as the node says; [`Client::prove_state`] proves it.
    pub async fn kept(&self, name: &str, key: &str, height: Option<u64>) -> Result<KeptValue, Error> {
        let height = height.map_or(String::new(), |height| format!("&height={height}"));
        self.get(&format!("/v1/modules/{}/kept?key={}{height}", escape(name), escape(key))).await
    }

    /// `GET /v1/verifiers`: the verifiers of proofs that are registered.
    pub async fn verifiers(&self) -> Result<Vec<VerifierView>, Error> {
        self.all("/v1/verifiers").await
    }

    /// `GET /v1/verifiers/{name}`.
    pub async fn verifier(&self, name: &str) -> Result<VerifierView, Error> {
        self.get(&format!("/v1/verifiers/{}", escape(name))).await
    }

    /// `PUT /v1/particulars`: deposits the opening of a contract's particulars at its owner's node.
    pub async fn put_particulars(&self, opening: &Opening) -> Result<(), Error> {
        let (headers, body) = transport::json(opening);
        self.send_bytes(Method::PUT, "/v1/particulars", headers, body).await?.bytes(MAX_ANSWER).await?;
        Ok(())
    }

    // Private payloads.

    /// `POST /v1/private`: hands the node a payload with the signed transaction that commits to it.
    pub async fn post_private(&self, submission: &PrivateSubmission) -> Result<PrivatePlaced, Error> {
        self.post("/v1/private", submission).await
    }

    /// `GET /v1/private`: all that the node's member is a holder of, oldest first.
    pub async fn privates(&self) -> Result<Vec<PrivateView>, Error> {
        self.all("/v1/private").await
    }

    /// `GET /v1/private/{id}`.
    pub async fn private(&self, id: &Digest) -> Result<PrivateView, Error> {
        self.get(&format!("/v1/private/{id}")).await
    }

    /// `GET /v1/private/{id}/payload`: the payload and its salt, for the owners and the operator of a holder.
    pub async fn private_payload(&self, id: &Digest) -> Result<Opening, Error> {
        self.get(&format!("/v1/private/{id}/payload")).await
    }

    /// `POST /v1/private/{id}/purge`: has a recipient's node destroy what it holds, and say so on the ledger.
    pub async fn purge_private(&self, id: &Digest) -> Result<PrivateView, Error> {
        self.post_empty(&format!("/v1/private/{id}/purge")).await
    }

    // Requests.

    /// `POST /v1/requests`.
    pub async fn post_request(&self, application: &Application) -> Result<TransactionResult, Error> {
        self.post("/v1/requests", application).await
    }

    /// `GET /v1/requests`: a page of the caller's own.
    pub async fn requests(&self, after: Option<&str>) -> Result<Page<RequestView>, Error> {
        self.page("/v1/requests", after).await
    }

    /// `GET /v1/requests/{id}`.
    pub async fn request(&self, id: &Digest) -> Result<RequestView, Error> {
        self.get(&format!("/v1/requests/{id}")).await
    }

    /// `GET /v1/inbox`: a page of the requests that wait for the caller's approval.
    pub async fn inbox(&self, after: Option<&str>) -> Result<Page<RequestView>, Error> {
        self.page("/v1/inbox", after).await
    }

    /// `POST /v1/requests/{id}/judge`: has the oracles decide now.
    pub async fn judge(&self, id: &Digest) -> Result<Judgement, Error> {
        self.post_empty(&format!("/v1/requests/{id}/judge")).await
    }

    /// `GET /v1/requests/{id}/explain`.
    pub async fn explain(&self, id: &Digest) -> Result<Explanation, Error> {
        self.get(&format!("/v1/requests/{id}/explain")).await
    }

    /// `GET /v1/requests/{id}/receipt`: the text of the receipt.
    pub async fn receipt(&self, id: &Digest) -> Result<String, Error> {
        self.get_text(&format!("/v1/requests/{id}/receipt")).await
    }

    // Release.

    /// `GET /v1/requests/{id}/grant`, at the owner's node.
    pub async fn grant(&self, id: &Digest) -> Result<GrantToken, Error> {
        self.get(&format!("/v1/requests/{id}/grant")).await
    }

    /// The redemption of a grant: token and proof of possession, signed now.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn redemption(&self, token: &GrantToken) -> Result<Redemption, Error> {
        let signed = self.now();
        let possession = self.sign(Label::PROOF_OF_POSSESSION, &redemption(&self.chain, &token.grant, signed))?;
        Ok(Redemption { token: token.token.clone(), signed, possession })
    }

    /// `POST /v1/grants/{id}/redeem`, at the owner's node: the sealed object follows as the answer's body.
    pub async fn redeem(&self, token: &GrantToken) -> Result<Answer, Error> {
        self.post_redemption(&token.grant, &self.redemption(token)?).await
    }

    /// [`Client::redeem`] with a redemption made before.
    pub async fn post_redemption(&self, grant: &Digest, redemption: &Redemption) -> Result<Answer, Error> {
        let (headers, body) = transport::json(redemption);
        self.send_bytes(Method::POST, &format!("/v1/grants/{grant}/redeem"), headers, body).await
    }

    /// `GET /v1/grants/{id}/object`: the rest of a redeemed grant's object from byte `from`. Status 206 where the node
    /// honours the range, 200 where it starts over.
    pub async fn resume(&self, grant: &Digest, from: u64) -> Result<Answer, Error> {
        let mut headers = HeaderMap::new();
        if from > 0 {
            headers.insert(RANGE, HeaderValue::try_from(format!("bytes={from}-")).expect("digits are printable"));
        }
        let answer = self.send_bytes(Method::GET, &format!("/v1/grants/{grant}/object"), headers, Vec::new()).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(answer),
            status => Err(transport::Error::Status(status).into()),
        }
    }

    // Joint computation.

    /// `POST /v1/requests/{id}/compute`, at one of the parties: has all of them compute, unless they do, and returns when enough have
    /// recorded their shares, or after a moment with how far it is: ask again until it is done.
    pub async fn compute(&self, id: &Digest) -> Result<Computation, Error> {
        self.post_empty(&format!("/v1/requests/{id}/compute")).await
    }

    /// `DELETE /v1/requests/{id}/compute`, at the party that coordinates: ends the computation at all parties.
    pub async fn cancel_compute(&self, id: &Digest) -> Result<(), Error> {
        self.send_bytes(Method::DELETE, &format!("/v1/requests/{id}/compute"), HeaderMap::new(), Vec::new()).await?;
        Ok(())
    }

    /// `GET /v1/requests/{id}/share`: this node's sealed share of the result.
    pub async fn share(&self, id: &Digest) -> Result<ResultShare, Error> {
        self.get(&format!("/v1/requests/{id}/share")).await
    }

    // How each of them is sent.

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        Ok(self.send_bytes(Method::GET, path, HeaderMap::new(), Vec::new()).await?.json().await?)
    }

    /// An answer to be read as it comes.
    pub(crate) async fn stream(&self, path: &str) -> Result<Answer, Error> {
        self.send_bytes(Method::GET, path, HeaderMap::new(), Vec::new()).await
    }

    async fn get_bytes(&self, path: &str) -> Result<Vec<u8>, Error> {
        Ok(self.send_bytes(Method::GET, path, HeaderMap::new(), Vec::new()).await?.bytes(MAX_ANSWER).await?)
    }

    async fn get_text(&self, path: &str) -> Result<String, Error> {
        Ok(self.send_bytes(Method::GET, path, HeaderMap::new(), Vec::new()).await?.text().await?)
    }

    async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Error> {
        let (headers, body) = transport::json(body);
        Ok(self.send_bytes(Method::POST, path, headers, body).await?.json().await?)
    }

    async fn post_empty<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        Ok(self.send_bytes(Method::POST, path, HeaderMap::new(), Vec::new()).await?.json().await?)
    }

    async fn page<T: DeserializeOwned>(&self, path: &str, after: Option<&str>) -> Result<Page<T>, Error> {
        match after {
            None => self.get(path).await,
            Some(after) => {
                let mark = if path.contains('?') { '&' } else { '?' };
                self.get(&format!("{path}{mark}after={}", escape(after))).await
            }
        }
    }

    async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Error> {
        let (mut items, mut after) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self.page(path, after.as_deref()).await?;
            items.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(items);
            }
        }
        Err(transport::Error::Malformed(format!("{path} does not end after {MAX_PAGES} pages")).into())
    }

    async fn send_bytes(&self, method: Method, path: &str, headers: HeaderMap, body: Vec<u8>) -> Result<Answer, Error> {
        let digest = (!body.is_empty()).then(|| crypto::sha256(&[&body]));
        self.send(method, path, headers, digest.as_ref(), transport::full(body)).await
    }

    /// Signs and sends; `digest` is that of the body, absent where it is empty.
    async fn send(
        &self,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        digest: Option<&Digest>,
        body: Body,
    ) -> Result<Answer, Error> {
        let sign = |base: &[u8]| self.keys.sign_raw(&self.handle, base);
        headers.extend(sign_request(&method, &self.endpoint.target_uri(path), digest, &self.key, self.now(), sign)?);
        Ok(self.endpoint.send(method, path, headers, body).await?)
    }
}

/// Why something could not be done. The methods of [`Client`] return [`Error::Http`] and [`Error::Keys`] unless they say
/// more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The node refused, or there is no understanding it.
    #[error(transparent)]
    Http(#[from] transport::Error),
    /// The key store refused.
    #[error(transparent)]
    Keys(#[from] keystore::Error),
    /// The ledger recorded the transaction, and refused it.
    #[error("the ledger refused the transaction {transaction}: {code}")]
    Refused {
        /// The stable code.
        code: String,
        /// The transaction.
        transaction: Digest,
    },
    /// The ledger knows an ML-DSA key of the principal that its key store does not hold.
    #[error("the ledger has the ML-DSA key {key} registered beside this wallet's key, and the wallet does not hold it")]
    SecondKeyLost {
        /// The registered key's identifier.
        key: Digest,
    },
    /// No member has this name.
    #[error("the consortium has no member `{0}`")]
    UnknownMember(String),
    /// The request, its contract or its asset is not what is asked for.
    #[error("{0}")]
    Unfit(&'static str),
    /// What was received cannot be opened, or is not what the ledger says.
    #[error(transparent)]
    Object(#[from] vault::Error),
    /// The escrow agents' contributions do not open the object, or not yet.
    #[error("the escrow agents' contributions do not open it: {0}")]
    Escrow(#[from] crypto::escrow::Error),
    /// A party's share is not what the ledger says, or does not open.
    #[error("the share of `{party}` cannot be used: {reason}")]
    Share {
        /// The party.
        party: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The shares do not add up to an answer.
    #[error("the shares make no answer: {0}")]
    Answer(String),
}

impl Error {
    /// The stable code of a refusal, by the node or by the ledger.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Http(transport::Error::Problem(problem)) => Some(&problem.code),
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the connection failed, so that trying again may help.
    pub const fn is_interruption(&self) -> bool {
        use transport::Error as Http;
        matches!(self, Self::Http(Http::Transport(_) | Http::Timeout | Http::Body(_)))
    }
}

/// SHA-256 of a file, off the async threads.
async fn digest_file(path: std::path::PathBuf) -> Result<Digest, transport::Error> {
    let digest = move || -> std::io::Result<Digest> {
        let (mut file, mut buffer, mut digest) = (std::fs::File::open(path)?, vec![0; 1 << 20], Sha256::new());
        loop {
            match std::io::Read::read(&mut file, &mut buffer)? {
                0 => return Ok(digest.finish()),
                length => digest.update(&buffer[..length]),
            }
        }
    };
    Ok(tokio::task::spawn_blocking(digest).await.expect("hashing a file does not panic")?)
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(crate) fn escape(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

/// Most pages of a list that is read whole: 20,000 items.
const MAX_PAGES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_would_change_a_path() {
        assert_eq!(escape("cd420-cd40.v1_~"), "cd420-cd40.v1_~");
        assert_eq!(escape("../a b?c=d&é/%"), "..%2Fa%20b%3Fc%3Dd%26%C3%A9%2F%25");
    }

    #[tokio::test]
    async fn digests_a_file_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let content = vec![7; (1 << 20) + 5];
        std::fs::write(&path, &content).unwrap();
        assert_eq!(digest_file(path.clone()).await.unwrap(), crypto::sha256(&[&content]));
        assert!(digest_file(path.join("none")).await.is_err());
    }
}
