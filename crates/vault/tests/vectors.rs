//! The frozen object of `docs/spec/sealed-object.md`: a change of format fails here first.

use std::path::PathBuf;
use std::{fs, io};

use crypto::kem::{PrivateKey, Suite};
use crypto::{Secret, sha256};
use serde_json::{Value, json};
use vault::{Access, Head, Summary, open, seal};

/// SHA-256 of `x25519.sotto`. A new value means a new format: it needs a new version number, not a new constant.
const FROZEN: &str = "503b3d9895e8d2ff8f03c5e8e057a6ddb2bd491a2a3488d5b4bc0b29726dd6eb";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

fn plaintext() -> Vec<u8> {
    (0..70_000).map(|i| (i * 31 + i / 251) as u8).collect()
}

fn key() -> PrivateKey {
    let hex = fs::read_to_string(path("x25519.key")).unwrap();
    PrivateKey::from_secret(Suite::X25519, Secret::new(wire::text::hex(hex.trim()).unwrap())).unwrap()
}

fn statement(summary: &Summary, sealed: &[u8]) -> Value {
    let mut statement = serde_json::to_value(summary).unwrap();
    statement["sealed_sha256"] = json!(sha256(&[sealed]));
    statement["plaintext_sha256"] = json!(sha256(&[&plaintext()]));
    statement
}

#[test]
fn the_frozen_object_opens() {
    let sealed = fs::read(path("x25519.sotto")).unwrap();
    assert_eq!(sha256(&[&sealed]).to_string(), FROZEN);
    let mut out = Vec::new();
    let summary = open(&sealed[..], &mut out, &Access::Private(&key()), None).unwrap();
    assert_eq!(out, plaintext());
    let frozen: Value = serde_json::from_slice(&fs::read(path("x25519.json")).unwrap()).unwrap();
    assert_eq!(statement(&summary, &sealed), frozen);
    let mut rest = &sealed[..];
    let head = Head::read(&mut rest).unwrap();
    assert_eq!(head.core().associated(), b"sottovoce test vector");
    // Writing what was read gives the same bytes.
    let mut written = Vec::new();
    head.write(&mut written).unwrap();
    assert_eq!([&written, rest].concat(), sealed);
}

#[test]
fn the_frozen_object_altered_is_refused() {
    let (key, sealed) = (key(), fs::read(path("x25519.sotto")).unwrap());
    let head = sealed.len() - (70_000 + 2 * 16);
    // Every byte of the head, and some of each segment.
    for at in (0..head).chain((head..sealed.len()).step_by(4999)) {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        assert!(open(&altered[..], io::sink(), &Access::Private(&key), None).is_err(), "byte {at}");
    }
}

#[test]
#[ignore = "makes a new vector, with FREEZE=1; run it only when the format gets a new version"]
fn freeze() {
    // All ignored tests run by night, and must leave the vector as it is.
    if std::env::var_os("FREEZE").is_none() {
        return;
    }
    let key = PrivateKey::generate(Suite::X25519);
    let mut sealed = Vec::new();
    let summary = seal(&plaintext()[..], &mut sealed, [key.public()], b"sottovoce test vector").unwrap();
    // A test key: it is meant to be published.
    fs::write(path("x25519.key"), key.secret().expose(|bytes| wire::text::to_hex(bytes)) + "\n").unwrap();
    let statement = serde_json::to_string_pretty(&statement(&summary, &sealed)).unwrap() + "\n";
    fs::write(path("x25519.json"), statement).unwrap();
    fs::write(path("x25519.sotto"), &sealed).unwrap();
    println!("FROZEN = {}", sha256(&[&sealed]));
}
