//! Requests signed by a principal's key: HTTP message signatures (RFC 9421) with Ed25519, in one strict profile.
//!
//! Covered, in this order: `@method`, `@target-uri` and, when there is a body, `content-digest` (RFC 9530, SHA-256); with
//! the parameters `created`, `expires`, `nonce`, `keyid`, `alg`. The profile and what it leaves out is
//! `docs/spec/http-signatures.md`.
//!
//! ```
//! use client::signature::{sign_request, verify};
//! use crypto::SigningKey;
//! use http::Method;
//!
//! let (key, uri, now) = (SigningKey::generate(), "https://node.example:7000/v1/requests", 1_800_000_000_000);
//! let body = crypto::sha256(&[b"{}"]);
//! let sign = |base: &[u8]| Ok::<_, std::convert::Infallible>(key.sign_raw(base));
//! let headers = sign_request(&Method::POST, uri, Some(&body), &key.public(), now, sign).unwrap();
//!
//! let verified = verify(&Method::POST, uri, &headers, now).unwrap();
//! assert_eq!(verified.key, key.public());
//! assert!(verified.check_body(&body).is_ok());
//! assert!(verify(&Method::PUT, uri, &headers, now).is_err());
//! ```

use std::fmt::Write as _;
use std::str::FromStr;

use crypto::{Digest, PublicKey, Signature};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use wire::Fixed;

/// Longest life of a signature in seconds.
pub const MAX_LIFE: u64 = 60;

/// Seconds by which a signer's clock may be ahead of the verifier's.
pub const MAX_AHEAD: u64 = 5;

/// The header that carries the covered components and the parameters.
pub const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");

/// The header that carries the signature.
pub const SIGNATURE: HeaderName = HeaderName::from_static("signature");

/// The header that carries the body's digest (RFC 9530).
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// A request whose signature verified. The verifier still has to refuse a `nonce` it saw before, until `expires`, and
/// to check the body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Who signed.
    pub key: PublicKey,
    /// 16 random bytes of the signer.
    pub nonce: Fixed<16>,
    /// When it was signed, Unix seconds.
    pub created: u64,
    /// Last moment of validity, Unix seconds.
    pub expires: u64,
    /// SHA-256 of the body; absent where the request has none.
    pub content: Option<Digest>,
}

impl Verified {
    /// Compares the SHA-256 of the body received with the one signed; a request signed without one has an empty body.
    ///
    /// # Errors
    /// [`Error::Body`].
    pub fn check_body(&self, body: &Digest) -> Result<(), Error> {
        let signed = self.content.unwrap_or_else(|| crypto::sha256(&[]));
        if signed == *body { Ok(()) } else { Err(Error::Body) }
    }
}

/// Signs a request: returns the headers to add, `signature-input`, `signature` and, with `content`, `content-digest`.
///
/// `content` is the SHA-256 of the body and absent exactly when there is none; `now` is in Unix milliseconds; `sign`
/// signs the bytes it is given as they are ([`crypto::SigningKey::sign_raw`]).
///
/// # Errors
/// Whatever `sign` returns.
pub fn sign_request<E>(
    method: &Method,
    target_uri: &str,
    content: Option<&Digest>,
    key: &PublicKey,
    now: u64,
    sign: impl FnOnce(&[u8]) -> Result<Signature, E>,
) -> Result<HeaderMap, E> {
    let created = now / 1000;
    let input = Input { created, expires: created + MAX_LIFE, nonce: Fixed(crypto::random()), key: *key };
    let parameters = input.to_string(content.is_some());
    let digest = content.map(digest_field);
    let signature = sign(base(method, target_uri, digest.as_deref(), &parameters).as_bytes())?;

    let mut headers = HeaderMap::with_capacity(3);
    let value = |text: String| HeaderValue::try_from(text).expect("signature fields are printable ASCII");
    headers.insert(SIGNATURE_INPUT, value(format!("{LABEL}={parameters}")));
    headers.insert(SIGNATURE, value(format!("{LABEL}=:{}:", wire::text::to_base64(signature.0.as_ref()))));
    if let Some(digest) = digest {
        headers.insert(CONTENT_DIGEST, value(digest));
    }
    Ok(headers)
}

/// Verifies a request's signature; `now` is in Unix milliseconds.
///
/// # Errors
/// [`Error::Missing`] where the request is not signed at all; any other [`Error`] where it is, but not well.
pub fn verify(method: &Method, target_uri: &str, headers: &HeaderMap, now: u64) -> Result<Verified, Error> {
    let field = single(headers, &SIGNATURE_INPUT)?.ok_or(Error::Missing)?;
    let signature = single(headers, &SIGNATURE)?.ok_or(Error::Missing)?;
    let digest = single(headers, &CONTENT_DIGEST)?;

    let parameters =
        field.strip_prefix(LABEL).and_then(|rest| rest.strip_prefix('=')).ok_or(Error::Malformed(INPUT))?;
    let input = Input::parse(parameters, digest.is_some())?;
    let content = digest.map(parse_digest).transpose()?;
    let signature = parse_signature(signature)?;
    input.check_time(now / 1000)?;
    let base = base(method, target_uri, digest, parameters);
    input.key.verify_raw(base.as_bytes(), &signature).map_err(|_| Error::Signature)?;
    Ok(Verified { key: input.key, nonce: input.nonce, created: input.created, expires: input.expires, content })
}

/// Whether a request claims to be signed.
pub fn is_signed(headers: &HeaderMap) -> bool {
    headers.contains_key(SIGNATURE_INPUT) || headers.contains_key(SIGNATURE)
}

/// The `@target-uri` of a request as its server sees it: the server's own address, `https://host:port`, then path and
/// query as received. The address never comes from the request, so that no request can be replayed to another node.
pub fn target_uri(address: &str, uri: &Uri) -> String {
    format!("{}{}", address.trim_end_matches('/'), uri.path_and_query().map_or("/", |path| path.as_str()))
}

/// Why a request's signature was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is not signed.
    #[error("the request is not signed")]
    Missing,
    /// A header appears more than once.
    #[error("the header `{0}` appears more than once")]
    Repeated(HeaderName),
    /// A header is not in the form of the profile.
    #[error("the header `{0}` is not of the form that docs/spec/http-signatures.md prescribes")]
    Malformed(&'static str),
    /// The signature is not valid now.
    #[error("the signature is valid from {created} to {expires} (Unix seconds); it is {now} here")]
    Time {
        /// When it was signed.
        created: u64,
        /// Until when it is valid.
        expires: u64,
        /// The verifier's clock.
        now: u64,
    },
    /// The signature does not fit the request.
    #[error("the signature does not verify over method, target URI and body digest of this request")]
    Signature,
    /// The body is not the one that was signed.
    #[error("the body is not the one that was signed")]
    Body,
}

/// The signature's parameters (RFC 9421 §2.3).
struct Input {
    created: u64,
    expires: u64,
    nonce: Fixed<16>,
    key: PublicKey,
}

impl Input {
    /// The one spelling of the value of `@signature-params`.
    fn to_string(&self, with_body: bool) -> String {
        let components = if with_body { WITH_BODY } else { WITHOUT_BODY };
        let Self { created, expires, nonce, key } = self;
        let nonce = wire::text::to_base64(nonce.as_ref());
        format!("{components};created={created};expires={expires};nonce=\"{nonce}\";keyid=\"{key}\";alg=\"ed25519\"")
    }

    /// Reads what [`Input::to_string`] writes and nothing else.
    fn parse(text: &str, with_body: bool) -> Result<Self, Error> {
        let read = || {
            let rest = text.strip_prefix(if with_body { WITH_BODY } else { WITHOUT_BODY })?;
            let rest = rest.strip_prefix(";created=")?;
            let (created, rest) = rest.split_once(";expires=")?;
            let (expires, rest) = rest.split_once(";nonce=\"")?;
            let (nonce, rest) = rest.split_once("\";keyid=\"")?;
            let (key, rest) = rest.split_once("\";alg=\"ed25519\"")?;
            let nonce = Fixed::from_slice(&bounded_base64(nonce, 16)?)?;
            // The key's text is bounded before it is decoded: whoever sends it is not known yet.
            let key = PublicKey::from_str(Some(key).filter(|key| key.len() == 64)?).ok()?;
            rest.is_empty().then_some(Self { created: seconds(created)?, expires: seconds(expires)?, nonce, key })
        };
        read().ok_or(Error::Malformed(INPUT))
    }

    fn check_time(&self, now: u64) -> Result<(), Error> {
        let Self { created, expires, .. } = *self;
        let life = expires.checked_sub(created).is_some_and(|life| life <= MAX_LIFE);
        if life && created <= now.saturating_add(MAX_AHEAD) && now <= expires {
            Ok(())
        } else {
            Err(Error::Time { created, expires, now })
        }
    }
}

/// The signature base (RFC 9421 §2.5) of the profile's components.
fn base(method: &Method, target_uri: &str, digest: Option<&str>, parameters: &str) -> String {
    let components =
        [("@method", Some(method.as_str())), ("@target-uri", Some(target_uri)), ("content-digest", digest)];
    signature_base(components.into_iter().filter_map(|(name, value)| Some((name, value?))), parameters)
}

/// A signature base (RFC 9421 §2.5): a line per component, then the parameters without a line end.
fn signature_base<'a>(components: impl Iterator<Item = (&'a str, &'a str)>, parameters: &str) -> String {
    let mut base = String::with_capacity(512);
    for (name, value) in components {
        writeln!(base, "\"{name}\": {value}").expect("writing to a String cannot fail");
    }
    write!(base, "\"@signature-params\": {parameters}").expect("writing to a String cannot fail");
    base
}

/// The only value of a header, or none.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Error> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(Error::Repeated(name.clone()));
    }
    let malformed = if *name == SIGNATURE_INPUT {
        INPUT
    } else if *name == SIGNATURE {
        "signature"
    } else {
        "content-digest"
    };
    value.map(|value| value.to_str().map_err(|_| Error::Malformed(malformed))).transpose()
}

fn digest_field(digest: &Digest) -> String {
    format!("sha-256=:{}:", wire::text::to_base64(digest.as_ref()))
}

fn parse_digest(field: &str) -> Result<Digest, Error> {
    let text = field.strip_prefix("sha-256=:").and_then(|rest| rest.strip_suffix(':'));
    let bytes = text.and_then(|text| bounded_base64(text, 32)).and_then(|bytes| Fixed::from_slice(&bytes));
    bytes.map(Digest).ok_or(Error::Malformed("content-digest"))
}

fn parse_signature(field: &str) -> Result<Signature, Error> {
    let text =
        field.strip_prefix(LABEL).and_then(|rest| rest.strip_prefix("=:")).and_then(|rest| rest.strip_suffix(':'));
    let bytes = text.and_then(|text| bounded_base64(text, 64)).and_then(|bytes| Fixed::from_slice(&bytes));
    bytes.map(Signature).ok_or(Error::Malformed("signature"))
}

/// Base64 of exactly `length` bytes.
fn bounded_base64(text: &str, length: usize) -> Option<Vec<u8>> {
    let text = Some(text).filter(|text| text.len() == length.div_ceil(3) * 4)?;
    wire::text::base64(text).ok().filter(|bytes| bytes.len() == length)
}

/// A number of seconds in its one spelling: digits without sign or leading zeros.
fn seconds(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

const LABEL: &str = "sotto";
const INPUT: &str = "signature-input";
const WITH_BODY: &str = r#"("@method" "@target-uri" "content-digest")"#;
const WITHOUT_BODY: &str = r#"("@method" "@target-uri")"#;

#[cfg(test)]
mod tests;
