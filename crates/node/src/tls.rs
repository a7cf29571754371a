//! The server's side of TLS 1.3: a self-signed certificate that carries the node's key, and callers known by theirs.
//!
//! The client's side, with the pinning of keys, is [`client::tls`].

use std::sync::Arc;

use client::tls::{Identity, provider, spki_digest};
use crypto::{Digest, Secret};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ServerConfig, ServerConnection};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};

/// A fresh TLS key, PKCS #8 DER, for the key store. P-256, because hardware tokens hold it too.
pub(crate) fn generate_key() -> Secret<Vec<u8>> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("aws-lc-rs generates P-256 keys");
    Secret::new(key.serialize_der())
}

/// The node's identity: its key in a certificate signed by itself. Every start makes another certificate; the digest of
/// the key that others pin ([`Identity::spki_digest`]) stays.
///
/// # Errors
/// [`TlsError`] when the bytes are no P-256 key in PKCS #8.
pub(crate) fn identity(key: &Secret<Vec<u8>>, member: &str) -> Result<Identity, TlsError> {
    // The key goes nowhere but into rcgen, which signs the certificate with it.
    let pair = key.expose(|bytes| {
        KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(bytes.as_slice()), &PKCS_ECDSA_P256_SHA256)
    });
    let pair = pair.map_err(TlsError::Key)?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).map_err(TlsError::Certificate)?;
    params.distinguished_name.push(DnType::CommonName, member);
    let certificate = params.self_signed(&pair).map_err(TlsError::Certificate)?;
    Identity::new(certificate.der(), key).map_err(TlsError::Identity)
}

/// TLS 1.3 only, X25519MLKEM768 first, HTTP/1.1; a caller may present a certificate and then has to hold its key.
pub(crate) fn server_config(identity: &Identity) -> Arc<ServerConfig> {
    let provider = provider();
    let verifier = Arc::new(AnyKey { provider: Arc::clone(&provider) });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider supports TLS 1.3")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(identity.resolver());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Connections are kept open instead: nothing about a caller outlives its connection.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// The digest of the key that the caller proved to hold; none when it presented no certificate.
pub(crate) fn peer(connection: &ServerConnection) -> Option<Digest> {
    let certificate = connection.peer_certificates()?.first()?;
    // It was parsed during the handshake already.
    spki_digest(certificate).ok()
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Not a P-256 key in PKCS #8.
    #[error("the TLS key cannot be used")]
    Key(#[source] rcgen::Error),
    /// The certificate cannot be made.
    #[error("the TLS certificate cannot be made")]
    Certificate(#[source] rcgen::Error),
    /// Key and certificate do not fit.
    #[error("the TLS key does not fit its certificate")]
    Identity(#[source] client::tls::Error),
}

/// Accepts any key whose holder signs the handshake: who that is, the ledger says afterwards.
#[derive(Debug)]
struct AnyKey {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyKey {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match spki_digest(certificate) {
            Ok(_) if certificate.len() <= MAX_CERTIFICATE => Ok(ClientCertVerified::assertion()),
            _ => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Longest certificate taken from a caller, bytes.
const MAX_CERTIFICATE: usize = 8 * 1024;
