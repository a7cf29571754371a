//! A member's node as others know it.

use client::tls::Identity;
use crypto::keystore::{FileKeys, Passphrase};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::stage::Stage;

/// The TLS key of a member's node, as whoever has the machine has it.
pub(crate) fn identity(stage: &Stage, member: &str) -> Identity {
    let passphrase = Passphrase::read(&stage.directory.path().join("passphrase")).unwrap();
    let keys = FileKeys::open(stage.home(member).join("node/keys.sealed"), &passphrase).unwrap();
    let key = keys.secret("tls").unwrap();
    let pair = key.expose(|key| {
        KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(key.as_slice()), &PKCS_ECDSA_P256_SHA256)
    });
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&pair.unwrap()).unwrap();
    Identity::new(certificate.der(), &key).unwrap()
}
