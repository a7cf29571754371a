//! A bucket of an object store that speaks Amazon's S3: files brought there, over TLS 1.3 to a server whose certificate is checked by name.
//!
//! Each call is a URL signed for a minute (Signature Version 4); the secret key stays here.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rusty_s3::{Credentials, S3Action as _, UrlStyle};
use tokio::time::{sleep, timeout};

use crate::http::{Body, empty, file};
use crate::tls;

/// Where in an object store: `s3://BUCKET` or `s3://BUCKET/PREFIX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    bucket: String,
    /// Empty, or with a `/` at its end.
    prefix: String,
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Location(text.to_owned());
        let (bucket, prefix) = {
            let place = text.strip_prefix("s3://").ok_or_else(malformed)?;
            place.split_once('/').unwrap_or((place, ""))
        };
        let is_plain = |part: &str, more: &str| {
            part.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.bytes().any(|other| other == byte))
        };
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let parts = || prefix.split('/');
        let has_name = (3..=63).contains(&bucket.len()) && is_plain(bucket, ".-") && !bucket.starts_with(['.', '-']);
        let has_prefix =
            prefix.is_empty() || parts().all(|part| is_plain(part, "._-") && !matches!(part, "" | "." | ".."));
        if !has_name || !has_prefix || prefix.len() > MAX_PREFIX {
            return Err(malformed());
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// How a bucket is reached.
#[derive(Clone, Debug)]
pub struct Access {
    /// The store's URL, `https://…`; Amazon's of the region where there is none.
    pub endpoint: Option<String>,
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// Certificates in PEM that alone are trusted to vouch for the store; those that browsers trust where there are none.
    pub authorities: Option<Vec<u8>>,
}

/// A bucket, and who writes to it. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    bucket: Arc<rusty_s3::Bucket>,
    prefix: String,
    credentials: Arc<Credentials>,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

impl Bucket {
    /// A bucket under the credentials of the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, where there is one,
    /// `AWS_SESSION_TOKEN`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Credentials`], [`Error::Endpoint`], [`Error::Authorities`].
    pub fn from_environment(location: &Location, access: &Access) -> Result<Self, Error> {
        Self::new(location, access, Credentials::from_env().ok_or(Error::Credentials)?)
    }

    fn new(location: &Location, access: &Access, credentials: Credentials) -> Result<Self, Error> {
        let region = &access.region;
        let endpoint = access.endpoint.clone().unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let wrong = || Error::Endpoint(endpoint.clone());
        if !endpoint.starts_with("https://") || region.is_empty() {
            return Err(wrong());
        }
        let url = endpoint.parse().map_err(|_| wrong())?;
        let bucket = rusty_s3::Bucket::new(url, UrlStyle::Path, location.bucket.clone(), region.clone());
        let mut roots = RootCertStore::empty();
        match &access.authorities {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    roots.add(certificate.map_err(|_| Error::Authorities)?).map_err(|_| Error::Authorities)?;
                }
            }
        }
        if roots.is_empty() {
            return Err(Error::Authorities);
        }
        let config = ClientConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has suites of TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self {
            bucket: Arc::new(bucket.map_err(|_| wrong())?),
            prefix: location.prefix.clone(),
            credentials: Arc::new(credentials),
            client,
        })
    }

    /// An object of at most `most` bytes; `None` where there is none.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn get(&self, path: &str, most: usize) -> Result<Option<Vec<u8>>, Error> {
        let (key, attempt) = (self.key(path), Attempt { method: Method::GET, path });
        attempt
            .repeat(async || {
                let url = self.bucket.get_object(Some(&self.credentials), &key).sign(VALID);
                let (status, body) = self.ask(&attempt, url.as_str(), HeaderMap::new(), empty(), most).await?;
                match status {
                    StatusCode::NOT_FOUND => Ok(None),
                    _ => attempt.check(status).map(|()| Some(body)),
                }
            })
            .await
    }

    /// Whether there is such an object.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn has(&self, path: &str) -> Result<bool, Error> {
        let (key, attempt) = (self.key(path), Attempt { method: Method::HEAD, path });
        attempt
            .repeat(async || {
                let url = self.bucket.head_object(Some(&self.credentials), &key).sign(VALID);
                let (status, _) = self.ask(&attempt, url.as_str(), HeaderMap::new(), empty(), MAX_REFUSAL).await?;
                match status {
                    StatusCode::NOT_FOUND => Ok(false),
                    _ => attempt.check(status).map(|()| true),
                }
            })
            .await
    }

    /// Puts a file there as an object, whole or not at all.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn put(&self, path: &str, from: &Path, kind: &'static str) -> Result<(), Error> {
        let (key, attempt) = (self.key(path), Attempt { method: Method::PUT, path });
        attempt
            .repeat(async || {
                let url = self.bucket.put_object(Some(&self.credentials), &key).sign(VALID);
                let (mut headers, body) = file(from).await.map_err(|_| Error::File(path.to_owned()))?;
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
                let (status, _) = self.ask(&attempt, url.as_str(), headers, body, MAX_REFUSAL).await?;
                attempt.check(status)
            })
            .await
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    async fn ask(
        &self,
        attempt: &Attempt<'_>,
        url: &str,
        headers: HeaderMap,
        body: Body,
        most: usize,
    ) -> Result<(StatusCode, Vec<u8>), Error> {
        let mut request = Request::new(body);
        *request.method_mut() = attempt.method.clone();
        *request.uri_mut() = url.parse().map_err(|_| attempt.unreachable())?;
        *request.headers_mut() = headers;
        let answer = async {
            let answer = self.client.request(request).await.map_err(|_| attempt.unreachable())?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), most).collect().await.map_err(|_| attempt.unreachable())?;
            Ok((status, body.to_bytes().to_vec()))
        };
        timeout(PATIENCE, answer).await.map_err(|_| attempt.unreachable())?
    }
}

struct Attempt<'a> {
    method: Method,
    path: &'a str,
}

impl Attempt<'_> {
    /// Tries again, twice at most, where the store is not reached or has no answer at the moment.
    async fn repeat<T>(&self, mut once: impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Error> {
        for pause in PAUSES {
            match once().await {
                Err(Error::Unreachable { .. }) => sleep(pause).await,
                Err(Error::Refused { status, .. }) if status >= 500 || status == 429 => sleep(pause).await,
                done => return done,
            }
        }
        once().await
    }

    fn check(&self, status: StatusCode) -> Result<(), Error> {
        let Self { method, path } = self;
        match status.is_success() {
            true => Ok(()),
            false => Err(Error::Refused { method: method.clone(), path: (*path).to_owned(), status: status.as_u16() }),
        }
    }

    /// Without the transport's own words, which may quote the signed URL.
    fn unreachable(&self) -> Error {
        Error::Unreachable { path: self.path.to_owned() }
    }
}

/// Why a bucket cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not `s3://BUCKET[/PREFIX]`.
    #[error("`{0}` is not of the form s3://BUCKET/PREFIX")]
    Location(String),
    /// The store's URL or region is none.
    #[error("`{0}` is not the URL of an object store, https://…")]
    Endpoint(String),
    /// No credentials.
    #[error("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")]
    Credentials,
    /// The certificates given are none.
    #[error("the file of authorities holds no certificate in PEM, or a broken one")]
    Authorities,
    /// A file cannot be read.
    #[error("{0} cannot be read")]
    File(String),
    /// The store is not reached, its certificate is not vouched for, or its answer breaks off.
    #[error("{path}: the object store cannot be reached over TLS 1.3, or breaks off")]
    Unreachable {
        /// The object, below the prefix.
        path: String,
    },
    /// The store refused.
    #[error("{path}: the object store refused {method} with status {status}")]
    Refused {
        /// What was asked.
        method: Method,
        /// The object, below the prefix.
        path: String,
        /// The status.
        status: u16,
    },
}

/// How long a signed URL holds.
const VALID: Duration = Duration::from_secs(60);
/// For one call with its body.
const PATIENCE: Duration = Duration::from_secs(300);
const IDLE: Duration = Duration::from_secs(45);
/// Before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(3)];
const MAX_PREFIX: usize = 512;
const MAX_REFUSAL: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_have_one_form() {
        let parsed = |text: &str| text.parse::<Location>().ok().map(|location| (location.bucket, location.prefix));
        let place = |bucket: &str, prefix: &str| Some((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(parsed("s3://logs"), place("logs", ""));
        assert_eq!(parsed("s3://logs/"), place("logs", ""));
        assert_eq!(parsed("s3://logs.example/a/b_c/"), place("logs.example", "a/b_c/"));
        for wrong in [
            "logs",
            "s3://",
            "s3://a",
            "s3://logs//a",
            "s3://logs/../a",
            "s3://logs/a b",
            "s3://lo?gs/a",
            "s3://.logs",
            "https://logs/a",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_stores_with_tls_are_taken() {
        let location = "s3://logs".parse().unwrap();
        let access = |endpoint: &str, pem: Option<&str>| Access {
            endpoint: Some(endpoint.into()),
            region: "r".into(),
            authorities: pem.map(|pem| pem.as_bytes().to_vec()),
        };
        let new = |access: &Access| Bucket::new(&location, access, Credentials::new("id", "secret")).map(drop);
        new(&access("https://store.test:9000", None)).unwrap();
        assert!(matches!(new(&access("http://store.test", None)), Err(Error::Endpoint(_))));
        assert!(matches!(new(&access("https://", None)), Err(Error::Endpoint(_))));
        assert!(matches!(new(&access("https://store.test", Some(""))), Err(Error::Authorities)));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(new(&access("https://store.test", Some(broken))), Err(Error::Authorities)));
    }
}
