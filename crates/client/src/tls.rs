//! TLS 1.3 among parties who know each other's keys: certificates only carry keys, and keys are pinned.
//!
//! A node's certificate is self-signed; its name, dates and issuer mean nothing. What counts is the SHA-256 of its
//! subject public key info (RFC 5280 §4.1.2.7), which the ledger records, and the handshake's signature by that key.
//! X25519MLKEM768 is offered first.

use std::sync::Arc;

use crypto::{Digest, Secret};
use rustls::client::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};

/// The cryptography of both sides: aws-lc-rs, X25519MLKEM768 first.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A certificate with its private key: how a node presents itself, as server and as client.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    spki: Digest,
}

impl Identity {
    /// An identity of a certificate in DER and its private key in PKCS #8 DER.
    ///
    /// # Errors
    /// [`Error::Certificate`] or [`Error::Key`] when either is malformed or they do not belong together.
    pub fn new(certificate: &[u8], private_key: &Secret<Vec<u8>>) -> Result<Self, Error> {
        let spki = spki_digest(certificate)?;
        // The key goes nowhere but into rustls, whose signer keeps it inside aws-lc-rs.
        let key = private_key.expose(|bytes| PrivateKeyDer::from(PrivatePkcs8KeyDer::from(bytes.clone())));
        let chain = vec![CertificateDer::from(certificate.to_vec())];
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(Error::Key)?;
        Ok(Self { key: Arc::new(key), spki })
    }

    /// SHA-256 of the subject public key info: what others pin.
    pub const fn spki_digest(&self) -> Digest {
        self.spki
    }

    /// The key as rustls takes it, for servers.
    pub fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.key)))
    }
}

/// Connects to the one server whose key has the digest `pin`; presents `identity` where given.
pub fn client_config(pin: Digest, identity: Option<&Identity>) -> Arc<ClientConfig> {
    let provider = provider();
    let verifier = Pinned { pin, provider: Arc::clone(&provider) };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider supports TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Arc::new(match identity {
        Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
        None => builder.with_no_client_auth(),
    })
}

/// SHA-256 of a certificate's subject public key info, given the certificate in DER.
///
/// # Errors
/// [`Error::Certificate`] for anything but an X.509 version 3 certificate.
pub fn spki_digest(certificate: &[u8]) -> Result<Digest, Error> {
    let certificate = CertificateDer::from(certificate);
    let parsed = ParsedCertificate::try_from(&certificate).map_err(Error::Certificate)?;
    Ok(crypto::sha256(&[&parsed.subject_public_key_info()]))
}

/// Why a certificate or key was refused.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an X.509 version 3 certificate.
    #[error("not a certificate")]
    Certificate(#[source] rustls::Error),
    /// The private key is malformed or belongs to another certificate.
    #[error("the private key does not fit the certificate")]
    Key(#[source] rustls::Error),
}

/// A server showed a certificate of another key than the pinned one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its TLS key is not the pinned one")]
pub struct NotPinned {
    /// SHA-256 of the subject public key info in it.
    pub shown: Digest,
}

/// Accepts the server that proves possession of the pinned key, and no other.
#[derive(Debug)]
struct Pinned {
    pin: Digest,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = spki_digest(certificate).map_err(|_| CertificateError::BadEncoding)?;
        if shown == self.pin {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::Other(OtherError(Arc::new(NotPinned { shown }))).into())
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
