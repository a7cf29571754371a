//! A release from a scripted node: broken connections are resumed, and nothing but the expected object is opened.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use client::api::GrantToken;
use client::flow::Ephemeral;
use client::tls::{Identity, provider};
use client::{Client, Error, http::Endpoint};
use crypto::kem::{PrivateKey, Suite};
use crypto::keystore::{Cost, FileKeys};
use crypto::{Digest, Secret};
use rustls::server::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::TlsAcceptor;

const NOW: u64 = 1_800_000_000_000;

/// Gives each connection the next of these answers and sends the requests' heads back.
async fn serve(answers: Vec<Vec<u8>>) -> (Endpoint, UnboundedReceiver<String>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["member".to_owned()]).unwrap().self_signed(&key).unwrap();
    let identity = Identity::new(certificate.der(), &Secret::new(key.serialize_der())).unwrap();
    let builder =
        ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_no_client_auth().with_cert_resolver(identity.resolver())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint =
        Endpoint::new(&format!("https://{}", listener.local_addr().unwrap()), identity.spki_digest(), None).unwrap();
    let (requests, seen) = unbounded_channel();
    let mut answers = VecDeque::from(answers);
    tokio::spawn(async move {
        while let Some(answer) = answers.pop_front() {
            let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            let mut request = vec![0; 64 * 1024];
            let length = stream.read(&mut request).await.unwrap();
            requests.send(String::from_utf8_lossy(&request[..length]).into_owned()).unwrap();
            stream.write_all(&answer).await.unwrap();
            let _ = stream.shutdown().await;
        }
    });
    (endpoint, seen)
}

fn answer(head: &str, length: usize, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n").as_bytes(), body].concat()
}

struct World {
    sealed: Vec<u8>,
    root: Digest,
    ephemeral: Ephemeral,
    directory: tempfile::TempDir,
}

fn world() -> World {
    let key = PrivateKey::generate(Suite::XWing);
    let mut sealed = Vec::new();
    let plaintext = vec![5u8; 200_000];
    let root = vault::seal(plaintext.as_slice(), &mut sealed, [key.public()], b"").unwrap().root;
    World { sealed, root, ephemeral: Ephemeral::Held(Arc::new(key)), directory: tempfile::tempdir().unwrap() }
}

async fn redeem(
    world: &World,
    endpoint: Endpoint,
    root: &Digest,
    plaintext: &Path,
) -> Result<client::fetch::Received, Error> {
    let keys =
        FileKeys::create_with(world.directory.path().join("keys"), &Secret::new(b"p".to_vec()), Cost::danger_weak())
            .unwrap();
    keys.generate_signing("principal").unwrap();
    let client = Client::new(endpoint, Arc::new(keys), "principal", Digest::from([1; 32]), Arc::new(|| NOW)).unwrap();
    let token =
        GrantToken { grant: Digest::from([2; 32]), token: vec![1].into(), not_before: NOW, not_after: NOW + 1000 };
    client.redeem_to(&token, root, &world.ephemeral, plaintext).await
}

/// Nothing is left beside the key store and what was asked for.
fn left(world: &World) -> Vec<String> {
    let names = std::fs::read_dir(world.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with("keys")).collect()
}

#[tokio::test]
async fn resumes_where_the_connection_broke() {
    let world = world();
    let length = world.sealed.len();
    let (at, rest) = (70_000, length - 70_000);
    let range = format!("206 Partial Content\r\ncontent-range: bytes {at}-{}/{length}", length - 1);
    let cases = [
        vec![answer("200 OK", length, &world.sealed)],
        vec![answer("200 OK", length, &world.sealed[..at]), answer(&range, rest, &world.sealed[at..])],
        // The node starts over instead.
        vec![answer("200 OK", length, &world.sealed[..at]), answer("200 OK", length, &world.sealed)],
        // The answer to the redemption never came.
        vec![vec![], answer("200 OK", length, &world.sealed)],
    ];
    for (case, answers) in cases.into_iter().enumerate() {
        let world = World {
            directory: tempfile::tempdir().unwrap(),
            sealed: vec![],
            root: world.root,
            ephemeral: world.ephemeral.clone(),
        };
        let expected = answers.len();
        let (endpoint, mut seen) = serve(answers).await;
        let path = world.directory.path().join("table.csv");
        let received =
            redeem(&world, endpoint, &world.root, &path).await.unwrap_or_else(|error| panic!("case {case}: {error:?}"));
        assert_eq!(received.sha256, crypto::sha256(&[&[5; 200_000]]));
        assert_eq!(std::fs::read(&path).unwrap(), [5; 200_000]);
        assert_eq!(left(&world), ["table.csv"]);
        let first = seen.recv().await.unwrap();
        assert!(first.starts_with(&format!("POST /v1/grants/{}/redeem HTTP/1.1\r\n", Digest::from([2; 32]))));
        assert!(
            first.contains(
                "signature-input: sotto=(\"@method\" \"@target-uri\" \"content-digest\");created=1800000000;"
            )
        );
        if expected > 1 {
            let second = seen.recv().await.unwrap();
            assert!(
                second.starts_with("GET ") && (case == 3 || second.contains(&format!("range: bytes={at}-\r\n"))),
                "{second}"
            );
        }
    }
}

#[tokio::test]
async fn opens_nothing_but_the_expected_object() {
    let world = world();
    let length = world.sealed.len();
    let path = world.directory.path().join("table.csv");
    let (endpoint, _seen) = serve(vec![answer("200 OK", length, &world.sealed)]).await;
    let error = redeem(&world, endpoint, &Digest::from([0; 32]), &path).await.unwrap_err();
    assert!(matches!(error, Error::Object(vault::Error::Root { .. })), "{error:?}");
    assert!(left(&world).is_empty(), "plaintext of a refused object is removed");
}

#[tokio::test]
async fn reports_the_nodes_refusal() {
    let world = world();
    let problem =
        r#"{"type":"urn:sottovoce:grant_used","title":"t","status":409,"code":"grant_used","detail":"d","hint":"h"}"#;
    let refusal = answer("409 Conflict\r\ncontent-type: application/problem+json", problem.len(), problem.as_bytes());
    let (endpoint, _seen) = serve(vec![refusal]).await;
    let error = redeem(&world, endpoint, &world.root, &world.directory.path().join("table.csv")).await.unwrap_err();
    assert_eq!(error.code(), Some("grant_used"));
    assert!(left(&world).is_empty());
}
