//! Against a real TLS server on loopback: pins, client certificates, bounded and refused answers.

use std::sync::Arc;
use std::time::Duration;

use client::http::{Endpoint, Error, empty, file, full};
use client::seen::Seen;
use client::tls::{Identity, provider, spki_digest};
use crypto::Secret;
use http::{HeaderMap, Method};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Serves `answer` to every request and sends the requests' bytes and the client's certificate back.
async fn serve(
    identity: &Identity,
    answer: String,
    client: Option<&rcgen::Certificate>,
) -> (String, tokio::sync::mpsc::Receiver<Vec<u8>>) {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let builder = match client {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(certificate.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_cert_resolver(identity.resolver())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let (requests, seen) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            assert_eq!(
                stream.get_ref().1.negotiated_key_exchange_group().unwrap().name(),
                rustls::NamedGroup::X25519MLKEM768
            );
            let mut request = vec![0; 64 * 1024];
            let length = stream.read(&mut request).await.unwrap();
            request.truncate(length);
            requests.send(request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
        }
    });
    (address, seen)
}

fn identity() -> (Identity, rcgen::Certificate) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["member".to_owned()]).unwrap().self_signed(&key).unwrap();
    let identity = Identity::new(certificate.der(), &Secret::new(key.serialize_der())).unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    assert_eq!(identity.spki_digest(), crypto::sha256(&[&spki]));
    (identity, certificate)
}

fn answer(status: &str, kind: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn get(endpoint: &Endpoint) -> Result<client::http::Answer, Error> {
    endpoint.send(Method::GET, "/v1/x?y=z", HeaderMap::new(), empty()).await
}

#[tokio::test]
async fn reaches_the_pinned_key_only() {
    let (node, _) = identity();
    let (address, mut seen) = serve(&node, answer("200 OK", "text/plain", "hello"), None).await;
    let endpoint = Endpoint::new(&address, node.spki_digest(), None).unwrap();
    assert_eq!(get(&endpoint).await.unwrap().text().await.unwrap(), "hello");
    assert!(seen.recv().await.unwrap().starts_with(b"GET /v1/x?y=z HTTP/1.1\r\n"));
    assert!(matches!(get(&endpoint).await.unwrap().bytes(4).await, Err(Error::TooLong { limit: 4 })));
    assert!(matches!(get(&endpoint).await.unwrap().json::<u8>().await, Err(Error::Malformed(_))));

    let endpoint = Endpoint::new(&address, identity().0.spki_digest(), None).unwrap();
    let error = get(&endpoint).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot reach the node: its TLS key is not the pinned one");
    assert_eq!(error.shown_key(), Some(node.spki_digest()));
}

#[tokio::test]
async fn carries_what_it_has_seen_from_node_to_node() {
    let told = |answer: String, height: &str| answer.replacen("\r\n", &format!("\r\nsotto-height: {height}\r\n"), 1);
    let problem = |code: &str| {
        let body = format!(r#"{{"type":"t","title":"t","status":503,"code":"{code}","detail":"d","hint":"h"}}"#);
        answer("503 Service Unavailable", "application/problem+json", &body)
    };
    let seen = Seen::default();
    // Each answer, and what is seen after it.
    let cases = [
        (answer("200 OK", "text/plain", "x"), 0),
        (told(answer("200 OK", "text/plain", "x"), "41"), 41),
        (told(answer("200 OK", "text/plain", "x"), "40"), 41),
        (told(answer("200 OK", "text/plain", "x"), "0x99"), 41),
        (told(problem("busy"), "42"), 42),
        (told(answer("200 OK", "text/plain", "x"), "18446744073709551615"), u64::MAX),
        // No other node gets there: given up.
        (told(problem("ledger_behind"), "42"), 42),
    ];
    let mut before = 0;
    for (answer, after) in cases {
        let (node, _) = identity();
        let (address, mut requests) = serve(&node, answer, None).await;
        let _ = get(&Endpoint::new(&address, node.spki_digest(), None).unwrap().with_seen(seen.clone())).await;
        let request = String::from_utf8(requests.recv().await.unwrap()).unwrap();
        assert_eq!(request.contains(&format!("sotto-height: {before}\r\n")), before > 0, "{request}");
        assert_eq!(seen.height(), after);
        before = after;
    }
}

#[tokio::test]
async fn presents_the_members_certificate() {
    let ((node, _), (member, certificate)) = (identity(), identity());
    let (address, _seen) = serve(&node, answer("200 OK", "text/plain", "hello"), Some(&certificate)).await;
    let endpoint = Endpoint::new(&address, node.spki_digest(), Some(&member)).unwrap();
    assert_eq!(get(&endpoint).await.unwrap().text().await.unwrap(), "hello");
    assert!(get(&Endpoint::new(&address, node.spki_digest(), None).unwrap()).await.is_err());
}

#[tokio::test]
async fn tells_refusals_apart() {
    let problem = r#"{"type":"urn:sottovoce:gone","title":"t","status":410,"code":"gone","detail":"d","hint":"h"}"#;
    let cases = [
        (answer("410 Gone", "application/problem+json", problem), "gone: d"),
        (answer("410 Gone", "text/html", problem), "the node answered with status 410 Gone"),
        (
            answer("500 Internal Server Error", "application/problem+json", "{}"),
            "the node answered with status 500 Internal Server Error",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort".to_owned(), "the answer broke off"),
    ];
    for (answer, expected) in cases {
        let (node, _) = identity();
        let (address, _seen) = serve(&node, answer, None).await;
        let error = match get(&Endpoint::new(&address, node.spki_digest(), None).unwrap()).await {
            Ok(answer) => answer.text().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.to_string(), expected);
    }
    let endpoint = Endpoint::new("https://127.0.0.1:1", identity().0.spki_digest(), None).unwrap();
    let refused = get(&endpoint).await.unwrap_err();
    assert!(matches!(refused, Error::Transport(_)) && refused.shown_key().is_none());
}

#[tokio::test]
async fn gives_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let endpoint =
        Endpoint::new(&address, identity().0.spki_digest(), None).unwrap().with_patience(Duration::from_millis(50));
    assert!(matches!(get(&endpoint).await, Err(Error::Timeout)));
}

#[tokio::test]
async fn streams_a_file_with_its_length() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table.csv");
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    let (node, _) = identity();
    let (address, mut seen) = serve(&node, answer("200 OK", "text/plain", ""), None).await;
    let endpoint = Endpoint::new(&address, node.spki_digest(), None).unwrap();
    let (headers, body) = file(&path).await.unwrap();
    endpoint.send(Method::PUT, "/v1/assets/a", headers, body).await.unwrap();
    let request = String::from_utf8(seen.recv().await.unwrap()).unwrap();
    assert!(request.contains("content-length: 8\r\n"), "{request}");
    endpoint.send(Method::POST, "/", HeaderMap::new(), full("{}")).await.unwrap();
}

#[test]
fn refuses_what_is_no_address_or_certificate() {
    let pin = identity().0.spki_digest();
    for address in ["", "127.0.0.1:1", "http://a:1", "https://a:1/path", "https://a:1/?q", "https://u@a:1", "https://"]
    {
        assert!(matches!(Endpoint::new(address, pin, None), Err(Error::Address(_))), "{address}");
    }
    assert_eq!(Endpoint::new("https://a:1/", pin, None).unwrap().target_uri("/x"), "https://a:1/x");
    let (_, certificate) = identity();
    let other = rcgen::KeyPair::generate().unwrap();
    assert!(Identity::new(certificate.der(), &Secret::new(other.serialize_der())).is_err());
    assert!(Identity::new(certificate.der(), &Secret::new(vec![1, 2, 3])).is_err());
    for length in [0, 10, certificate.der().len() - 1] {
        assert!(spki_digest(&certificate.der()[..length]).is_err());
    }
}
