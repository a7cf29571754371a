//! A witness: a program outside the ordering that cosigns a checkpoint only where it continues what it cosigned before
//! (C2SP `tlog-witness`; `docs/spec/log.md`).
//!
//! Its directory holds its keys, the consortium files of the chains it witnesses, and for each chain the last checkpoint that
//! it cosigned. [`set_up`] makes it, [`trust`] adds a chain or its newer consortium file, [`run`] serves.

mod desk;

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use crypto::keystore::{self, FileKeys, Keys as _};
use crypto::{Digest, Secret};
use http::{HeaderValue, StatusCode, header};
use ledger::{Consortium, ConsortiumError, MAX_ADD_CHECKPOINT, NoteError, WitnessKey};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::config::{Limits, is_address};
use crate::limit::RateLimiter;
use crate::metrics::Metrics;
use crate::server::{Connection, Server};
use crate::service::{COSIGNER, TLS};
use crate::tls::{self, TlsError};

use desk::{Answer, Desk};

/// A witness's own settings: `witness.toml` in its directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its name: visible ASCII, no plus sign, at most 128 characters; such as `witness.example/1`.
    pub name: String,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Where others reach it: `https://host:port`.
    pub address: String,
}

/// What others need to know of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its verifier key.
    pub key: WitnessKey,
    /// Where it is reached.
    pub address: String,
    /// Digest of its TLS key.
    pub pin: Digest,
}

/// Makes a witness's directory: keys and settings.
///
/// # Errors
/// [`WitnessError`]; an existing witness is left alone.
pub fn set_up(directory: &Path, settings: &Settings, passphrase: &Secret<Vec<u8>>) -> Result<Card, WitnessError> {
    if directory.join(SETTINGS_FILE).exists() || directory.join(KEYS_FILE).exists() {
        return Err(WitnessError::Exists(directory.to_owned()));
    }
    let Settings { name, address, .. } = settings;
    if !WitnessKey::is_name(name) {
        return Err(WitnessError::Settings(format!(
            "`{name}` is no name: 1 to 128 visible ASCII characters, no plus sign"
        )));
    }
    if !is_address(address) {
        return Err(WitnessError::Settings(format!("`{address}` is not of the form https://host:port")));
    }
    fs::create_dir_all(directory.join(desk::LOGS))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    }
    let keys = FileKeys::create(directory.join(KEYS_FILE), passphrase)?;
    let key = WitnessKey::new(&settings.name, keys.generate_signing(COSIGNER)?)?;
    let tls_key = tls::generate_key();
    let pin = tls::identity(&tls_key, &settings.name)?.spki_digest();
    keys.put_secret(TLS, tls_key)?;
    let text = toml::to_string(settings).expect("settings are strings");
    let mut file = fs::File::create_new(directory.join(SETTINGS_FILE))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(Card { key, address: settings.address.clone(), pin })
}

/// What others need to know of the witness in a directory.
///
/// # Errors
/// [`WitnessError`].
pub fn card(directory: &Path, passphrase: &Secret<Vec<u8>>) -> Result<Card, WitnessError> {
    let (settings, keys) = open(directory, passphrase)?;
    let key = WitnessKey::new(&settings.name, keys.public(COSIGNER)?)?;
    let pin = tls::identity(&keys.secret(TLS)?, &settings.name)?.spki_digest();
    Ok(Card { key, address: settings.address, pin })
}

/// Has the witness in a directory witness this consortium's chain from now on, or takes the consortium's newer file; what
/// it cosigned of the chain stays. A witness that runs reads it at the next request.
///
/// # Errors
/// [`WitnessError`].
pub fn trust(directory: &Path, consortium: &Consortium) -> Result<(), WitnessError> {
    if !directory.join(SETTINGS_FILE).exists() {
        return Err(WitnessError::Missing(directory.to_owned()));
    }
    desk::trust(directory, consortium)
}

/// The consortium file by which the witness in a directory judges a chain; none where it does not witness it.
///
/// # Errors
/// [`WitnessError`].
pub fn trusted(directory: &Path, chain: &Digest) -> Result<Option<Consortium>, WitnessError> {
    desk::consortium(directory, chain)
}

/// Runs the witness in a directory until `shutdown` is done; `ready` is told where it listens.
///
/// # Errors
/// [`WitnessError`] when it cannot start.
pub async fn run(
    directory: PathBuf,
    passphrase: Secret<Vec<u8>>,
    shutdown: impl Future<Output = ()> + Send,
    ready: impl FnOnce(SocketAddr) + Send,
) -> Result<(), WitnessError> {
    let opened = tokio::task::spawn_blocking({
        let directory = directory.clone();
        move || {
            let (settings, keys) = open(&directory, &passphrase)?;
            let identity = tls::identity(&keys.secret(TLS)?, &settings.name)?;
            Ok::<_, WitnessError>((settings, identity, keys))
        }
    });
    let (settings, identity, keys) = opened.await.map_err(|_| WitnessError::Interrupted)??;
    let clock = clock::system();
    let desk = Desk::open(directory, &settings.name, Arc::new(keys), clock.clone())?;
    let service = Arc::new(Service { desk, rates: RateLimiter::new(RATE, BURST_SECONDS, CALLERS), clock });
    let limits = Limits { max_connections: 128, max_connections_per_address: 32, ..Limits::default() };
    let server = Server::bind(settings.listen, tls::server_config(&identity), limits, Metrics::new()).await?;
    ready(server.local_addr()?);
    tracing::info!(name = settings.name, address = settings.address, "the witness serves");
    server.serve(router(service), shutdown).await;
    tracing::info!(name = settings.name, "the witness has stopped");
    Ok(())
}

struct Service {
    desk: Desk,
    rates: RateLimiter,
    clock: clock::Clock,
}

fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .layer(DefaultBodyLimit::max(MAX_ADD_CHECKPOINT))
        .layer(from_fn_with_state(service.clone(), pass))
        .with_state(service)
}

/// Counts callers, bounds the time of an answer, and takes no request for anything that is not ours.
async fn pass(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let Some(Connection { remote, .. }) = request.extensions().get().cloned() else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "the request came over no connection of the server");
    };
    if service.rates.check(remote.ip().into(), (service.clock)()).is_err() {
        return plain(StatusCode::TOO_MANY_REQUESTS, "too many requests at once");
    }
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "no answer in time"),
    }
}

async fn add_checkpoint(State(service): State<Arc<Service>>, body: String) -> Response {
    let decided = tokio::task::spawn_blocking(move || service.desk.add_checkpoint(&body)).await;
    match decided.unwrap_or_else(|error| Answer::failed(&error)) {
        Answer::Cosigned(line) => (StatusCode::OK, line + "\n").into_response(),
        Answer::Stale(size) => {
            let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("text/x.tlog.size"))];
            (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response()
        }
        Answer::Refused(status, reason) => plain(status, &reason),
    }
}

fn plain(status: StatusCode, reason: &str) -> Response {
    (status, format!("{reason}\n")).into_response()
}

fn open(directory: &Path, passphrase: &Secret<Vec<u8>>) -> Result<(Settings, FileKeys), WitnessError> {
    let path = directory.join(SETTINGS_FILE);
    if !path.exists() {
        return Err(WitnessError::Missing(directory.to_owned()));
    }
    let settings =
        toml::from_str(&fs::read_to_string(path)?).map_err(|error| WitnessError::Settings(error.to_string()))?;
    Ok((settings, FileKeys::open(directory.join(KEYS_FILE), passphrase)?))
}

/// Why a witness cannot be made, or does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// There is a witness already.
    #[error("{} holds a witness already: choose another home", .0.display())]
    Exists(PathBuf),
    /// There is none.
    #[error("there is no witness at {}: make one with `sotto witness init`", .0.display())]
    Missing(PathBuf),
    /// Another process is this witness: two would not know what the other cosigned.
    #[error("another process runs the witness at {}", .0.display())]
    Running(PathBuf),
    /// Its settings are not of the expected form, or out of bounds.
    #[error("the witness's settings cannot be used: {0}")]
    Settings(String),
    /// The name is none, or what it cosigned last cannot be read.
    #[error("the witness's name, or its record of what it cosigned, cannot be used")]
    Note(#[from] NoteError),
    /// What it cosigned of a chain is not known any more: it must not sign again under this key.
    #[error("the record of what was cosigned of chain {0} is missing or damaged: make a new witness, with a new key")]
    Forgotten(Digest),
    /// A consortium file is malformed.
    #[error("the consortium file cannot be used")]
    Consortium(#[from] ConsortiumError),
    /// The new consortium file contradicts the one that is trusted.
    #[error("the file contradicts the one that the witness trusts: compare fingerprints with a member")]
    Contradiction,
    /// The key store does not open.
    #[error("the key store does not open")]
    Keys(#[from] keystore::Error),
    /// The TLS identity cannot be made.
    #[error("the TLS identity cannot be made")]
    Tls(#[from] TlsError),
    /// A file cannot be read or written, or the port not listened on.
    #[error("cannot read or write the witness's files, or listen on its port")]
    Io(#[from] std::io::Error),
    /// The process is stopping.
    #[error("interrupted")]
    Interrupted,
}

const SETTINGS_FILE: &str = "witness.toml";
const KEYS_FILE: &str = "keys.sealed";
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests per second of one address.
const RATE: u32 = 50;
const BURST_SECONDS: u32 = 4;
/// Addresses whose rates are remembered.
const CALLERS: usize = 65_536;
