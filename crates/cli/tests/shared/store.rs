//! An object store of the tests' own: HTTPS on loopback, objects as files in a directory, calls by URLs signed with its one key.

use std::fs;
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use http::{Method, Request};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};

#[path = "request.rs"]
mod request;

pub(crate) const ID: &str = "someone";
pub(crate) const SECRET: &str = "of the tests alone";

pub(crate) struct Store {
    url: String,
    authority: String,
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    url: String,
    /// Objects that it still takes.
    takes: AtomicUsize,
    taken: AtomicUsize,
}

impl Store {
    /// Serves until the test's process ends.
    pub(crate) fn start(root: &Path) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = pem(params.self_signed(&key).unwrap().der());
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&own, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(client::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(own.serialize_der()).unwrap());
        let config = Arc::new(config.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let shared = Shared {
            root: root.to_owned(),
            url: url.clone(),
            takes: AtomicUsize::new(usize::MAX),
            taken: AtomicUsize::new(0),
        };
        let shared = Arc::new(shared);
        let told = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, config) = (told.clone(), config.clone());
                std::thread::spawn(move || shared.serve(stream.unwrap(), config));
            }
        });
        Self { url, authority, shared }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The certificate of who vouches for it, in PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// From now on it takes so many objects, and refuses those after.
    pub(crate) fn takes(&self, objects: usize) {
        self.shared.takes.store(objects, Ordering::SeqCst);
    }

    /// How many objects it has taken so far.
    pub(crate) fn taken(&self) -> usize {
        self.shared.taken.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream, config: Arc<ServerConfig>) {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream));
        // Until the client hangs up, or turns away from who serves.
        while let Some(request) = request::read(&mut stream) {
            let (status, content) = self.answer(&request);
            let length = content.len();
            let content = if request.method() == Method::HEAD { &[][..] } else { &content };
            let head = format!("HTTP/1.1 {status} Told\r\ncontent-length: {length}\r\n\r\n");
            let written = stream.get_mut().write_all(&[head.as_bytes(), content].concat());
            if written.and_then(|()| stream.get_mut().flush()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &Request<Vec<u8>>) -> (u16, Vec<u8>) {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        if !self.is_signed(request.method().as_str(), path, query) {
            return (403, b"<Error>SignatureDoesNotMatch</Error>".to_vec());
        }
        assert!(!path.contains(".."));
        let file = self.root.join(path.trim_start_matches('/'));
        if request.method() != Method::PUT {
            return fs::read(file).map_or((404, vec![]), |content| (200, content));
        }
        let take = |left: usize| left.checked_sub(1);
        if self.takes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_err() {
            return (403, b"<Error>AccessDenied</Error>".to_vec());
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, request.body()).unwrap();
        (200, vec![])
    }

    /// Whether the one key has signed this call, for at most some minutes.
    fn is_signed(&self, method: &str, path: &str, query: &str) -> bool {
        let value = |name: &str| {
            let named = |part: &&str| part.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
            query.split('&').find(named).map(|part| &part[name.len() + 1..])
        };
        let (Some(date), Some(seconds)) = (value("X-Amz-Date"), value("X-Amz-Expires")) else { return false };
        let (Ok(time), Ok(seconds @ ..=300)) = (date.parse(), seconds.parse()) else { return false };
        let Some((bucket, key)) = path.trim_start_matches('/').split_once('/') else { return false };
        let bucket = Bucket::new(self.url.parse().unwrap(), UrlStyle::Path, bucket.to_owned(), "eu-test-1").unwrap();
        let credentials = Credentials::new(ID, SECRET);
        let valid = Duration::from_secs(seconds);
        let signed = match method {
            "GET" => bucket.get_object(Some(&credentials), key).sign_with_time(valid, &time),
            "HEAD" => bucket.head_object(Some(&credentials), key).sign_with_time(valid, &time),
            "PUT" => bucket.put_object(Some(&credentials), key).sign_with_time(valid, &time),
            _ => return false,
        };
        signed.query() == Some(query)
    }
}

fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}
