//! The doctor, on nodes that are well and on ill ones.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use client::tls::{self, Identity};
use crypto::Secret;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{ServerConfig, ServerConnection};
use serde_json::Value;

use crate::ports;
use crate::site::{Site, finding};

#[test]
fn the_doctor_tells_what_is_wrong() {
    let site = Site::new();
    let init = ["init", "--member", "health", "--consortium", "Ill", "--regulator", "--listen"];
    site.told("health", &[&init[..], &[&ports::free()]].concat());
    let node = site.start("health", "node", &[]);
    site.told("health", &["invite", "anna", "--out", "anna.invitation"]);
    let fingerprint = site.told("health", &["member", "export", "--out", "consortium.toml"])["fingerprint"].clone();
    let join = ["join", "anna.invitation", "--fingerprint", fingerprint.as_str().unwrap(), "--listen"];
    let address = ports::free();
    site.told("anna", &[&join[..], &[&address]].concat());
    let other = site.start("anna", "node", &[]);
    let level = |told: &Value, what: &str, of: &str| finding(told, what, of).0.to_owned();
    let ill = |arguments: &[&str]| -> Value {
        let output = site.run("health", arguments);
        assert_eq!(output.status.code(), Some(1));
        // One object, also where it ends with a failure.
        serde_json::from_slice(&output.stdout).unwrap()
    };

    let told = site.told("health", &["doctor"]);
    assert_eq!((&told["ok"], &told["faults"]), (&true.into(), &0.into()), "{told}");
    for of in ["health", "anna"] {
        assert_eq!((level(&told, "reach", of), level(&told, "clock", of)), ("ok".into(), "ok".into()));
        let ((certificate, pinned), (age, ages)) = (finding(&told, "certificate", of), finding(&told, "key age", of));
        assert!(certificate == "ok" && pinned.contains("does not expire"), "{pinned}");
        assert_eq!((age, ages), ("ok", "cosigning 0 days, node and TLS 0 days, operator 0 days"));
    }
    // One node orders: there are no validators' ports.
    assert!(told["findings"].as_array().unwrap().iter().all(|one| one["what"] != "port"), "{told}");
    assert_eq!((level(&told, "log", ""), level(&told, "oracles", "")), ("ok".into(), "warning".into()));
    let text = String::from_utf8(site.run("health", &["doctor"]).stdout).unwrap();
    assert!(text.contains("sotto member oracles"), "{text}");

    drop(other);
    let keys = site.path("health/node/keys.sealed");
    fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let told = ill(&["--json", "doctor"]);
    assert_eq!(level(&told, "reach", "anna"), "warning");
    assert_eq!(level(&told, "keys", &keys.canonicalize().unwrap().display().to_string()), "fault");
    assert!(told["findings"].as_array().unwrap().iter().all(|one| one["what"] != "certificate" || one["of"] != "anna"));
    let shown = stand_in(&address);
    let told = ill(&["--json", "doctor"]);
    let (certificate, found) = finding(&told, "certificate", "anna");
    assert!(certificate == "fault" && found.contains(&shown), "{found}");
    assert_eq!(level(&told, "reach", "anna"), "warning");
    assert_eq!(level(&told, "certificate", "health"), "ok");
    drop(node);
    let told = ill(&["--json", "doctor"]);
    assert_eq!(level(&told, "node", "health"), "fault");
}

/// Stands at a node's address with another TLS key, until the test's process ends: the beginning of the key's digest.
fn stand_in(address: &str) -> String {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let identity = Identity::new(certificate.der(), &Secret::new(key.serialize_der())).unwrap();
    let server = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(identity.resolver());
    // Whoever connects to somewhere may have the port for a moment.
    let mut bound = TcpListener::bind(address);
    for _ in 0..300 {
        if bound.is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        bound = TcpListener::bind(address);
    }
    let (server, listener) = (Arc::new(server), bound.unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut connection = ServerConnection::new(Arc::clone(&server)).unwrap();
            // Who has pinned another key ends it.
            std::thread::spawn(move || connection.complete_io(&mut stream.unwrap()));
        }
    });
    identity.spki_digest().to_string()[..12].to_owned()
}
