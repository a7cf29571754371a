//! `sotto bench mpc-party`: one party of the bench, a process that is told what to do on its standard input.

use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::net::TcpListener;
use std::sync::Arc;

use crypto::{Digest, Secret};
use mpc::engine::Party;
use mpc::net::{Control, Gate, Peer, Settings, Timing, drive};
use rustls::RootCertStore;
use rustls::client::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use serde::{Deserialize, Serialize};

use crate::args::{Adversary, Work};
use crate::error::Failure;

use super::work;

/// What a party is to do.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Assignment {
    pub(super) index: u16,
    pub(super) parties: u16,
    /// Its key of this run, PKCS #8.
    pub(super) key: Vec<u8>,
    /// All parties', DER.
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) session: [u8; 32],
    pub(super) work: Work,
    pub(super) protocol: String,
    pub(super) adversary: Adversary,
    pub(super) n: usize,
    pub(super) runs: usize,
}

/// What a party measured.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) runs: Vec<Run>,
    /// Of all runs with their barriers, and of verifying the result.
    pub(super) repeated_seconds: f64,
    pub(super) repeated_cpu_seconds: f64,
    /// Of the whole process.
    pub(super) cpu_seconds: f64,
    pub(super) bytes: u64,
    pub(super) rounds: u32,
    pub(super) peak_bytes: u64,
}

/// One run of the operation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
}

/// Takes part in one session, as it is told.
///
/// # Errors
/// Where the session fails or its result is wrong; the bench learns why.
pub(crate) fn run() -> Result<(), Failure> {
    let result = take_part();
    match &result {
        Ok(measured) => say(measured)?,
        Err(why) => say(&why.to_string())?,
    }
    result.map(|_| ()).map_err(Failure::new)
}

fn take_part() -> Result<Measured, String> {
    let assignment: Assignment = hear()?;
    let Assignment { index, parties, session, .. } = assignment;
    let session = Digest::from(session);
    let (client, server) = configs(&assignment)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let timing = Timing::default();
    let gate = Gate::open(listener, server, timing.handshake).map_err(|error| error.to_string())?;
    say(&gate.address().port()).map_err(|error| error.to_string())?;
    let (addresses, run): (Vec<String>, [u8; 16]) = hear()?;
    let name = ServerName::try_from(NAME).expect("a valid name");
    let peer = |(seat, address): (usize, String)| {
        (seat != usize::from(index)).then(|| Peer { address, name: name.clone(), config: Arc::clone(&client) })
    };
    let certificates = assignment.certificates.clone();
    let links = gate.join(Settings {
        session,
        run,
        index,
        peers: addresses.into_iter().enumerate().map(peer).collect(),
        identify: Arc::new(move |found| {
            certificates.iter().position(|known| known.as_slice() == found.as_ref()).map(|index| index as u16)
        }),
        timing,
    });
    let links = links.map_err(|error| error.to_string())?;
    let settings = mpc::engine::Settings {
        session,
        run,
        index,
        parties,
        seed: Secret::random(),
        inbox_limit: mpc::engine::Settings::INBOX_LIMIT,
    };
    let party = Party::new(settings, move |io| work::run(io, assignment)).map_err(|failure| failure.to_string())?;
    let (result, _) = drive(party, links, &mut |_| {}, &Control::default());
    let mut measured = result.map_err(|failure| format!("party {index}: {failure}"))?;
    gate.close();
    measured.cpu_seconds = cpu_seconds();
    measured.peak_bytes = crate::commands::throughput::peak_memory().unwrap_or(0);
    Ok(measured)
}

/// Trusts exactly the parties of the run.
fn configs(assignment: &Assignment) -> Result<(Arc<ClientConfig>, Arc<ServerConfig>), String> {
    let provider = client::tls::provider();
    let mut roots = RootCertStore::empty();
    for certificate in &assignment.certificates {
        roots.add(CertificateDer::from(certificate.clone())).map_err(|error| error.to_string())?;
    }
    let roots = Arc::new(roots);
    let own = || vec![CertificateDer::from(assignment.certificates[usize::from(assignment.index)].clone())];
    let key = || PrivateKeyDer::from(PrivatePkcs8KeyDer::from(assignment.key.clone()));
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider supports TLS 1.3")
        .with_root_certificates(Arc::clone(&roots))
        .with_client_auth_cert(own(), key())
        .map_err(|error| error.to_string())?;
    let callers = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider supports TLS 1.3")
        .with_client_cert_verifier(callers.map_err(|error| error.to_string())?)
        .with_single_cert(own(), key())
        .map_err(|error| error.to_string())?;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    Ok((Arc::new(client), Arc::new(server)))
}

/// Seconds of processor time of this process so far, all threads.
pub(super) fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn hear<T: for<'de> Deserialize<'de>>() -> Result<T, String> {
    let mut line = String::new();
    stdin().lock().read_line(&mut line).map_err(|error| error.to_string())?;
    serde_json::from_str(&line).map_err(|error| error.to_string())
}

fn say(what: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(what).expect("what parties say has string keys only");
    let mut out = stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| Failure::of(&error))
}

/// The name in all certificates.
pub(super) const NAME: &str = "party.invalid";
