//! The server with its guard over loopback: who gets in, who is kept out, and who is not harmed by others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::routing::{get, post, put};
use client::http::{Endpoint, Error, empty, full};
use client::signature::sign_request;
use client::tls::Identity;
use crypto::SigningKey;
use futures_util::StreamExt as _;
use http::{HeaderMap, Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::*;
use crate::auth::{Caller, Peer};
use crate::config::NodeConfig;
use crate::extract::{Json, Raw};
use crate::guard::Guard;
use crate::{clock, tls};

struct Running {
    at: SocketAddr,
    address: String,
    pin: Digest,
    member: Identity,
    metrics: Arc<Metrics>,
    /// How many slow and endless requests have come in.
    entered: Arc<AtomicUsize>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// A server whose guard knows one member, `riverside`.
async fn start(limits: Limits) -> Running {
    let identity = tls::identity(&tls::generate_key(), "st-anna").unwrap();
    let member = tls::identity(&tls::generate_key(), "riverside").unwrap();
    let metrics = Metrics::new();
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), tls::server_config(&identity), limits, metrics.clone())
        .await
        .unwrap();
    let at = server.local_addr().unwrap();
    let address = format!("https://{at}");
    let text = format!(
        "member = 'st-anna'\ndata_dir = '.'\nlisten = '{at}'\naddress = '{address}'\nordering = {{ kind = 'solo', leader = 'st-anna' }}"
    );
    let config = NodeConfig { limits, ..NodeConfig::parse(&text, ".".as_ref(), []).unwrap() };
    let known = member.spki_digest();
    let guard = Guard::new(&config, clock::system(), metrics.clone(), move |found| {
        (*found == known).then(|| "riverside".to_owned())
    });

    let entered = Arc::new(AtomicUsize::new(0));
    let (slow, never) = (entered.clone(), entered.clone());
    let prompt = Router::new()
        .route("/v1/caller", get(async |caller: Caller| caller.actor()))
        .route("/peer/v1/name", get(async |Peer(name): Peer| name))
        .route(
            "/v1/echo",
            post(async |caller: Caller, Json(value): Json<serde_json::Value>| (caller.actor(), Json(value)).1),
        )
        .route("/v1/size", post(async |Raw(bytes): Raw| bytes.len().to_string()))
        .route("/v1/slow", get(move || enter(slow, Duration::from_millis(500))))
        .route("/v1/never", get(move || enter(never, Duration::MAX)))
        .route(
            "/v1/panic",
            get(async || {
                if true {
                    panic!("a test")
                }
            }),
        );
    let endless = || futures_util::stream::repeat(Ok::<_, Infallible>(bytes::Bytes::from(vec![0; 65536]))).boxed();
    let streaming = Router::new()
        .route(
            "/v1/file",
            put(async |body: Body| {
                body.into_data_stream()
                    .fold(0, async |sum, piece| sum + piece.map_or(0, |piece| piece.len()))
                    .await
                    .to_string()
            }),
        )
        .route("/v1/endless", get(async move || Body::from_stream(endless())));
    let stop = CancellationToken::new();
    let task = tokio::spawn(server.serve(guard.wrap(prompt, streaming), stop.clone().cancelled_owned()));
    Running { at, address, pin: identity.spki_digest(), member, metrics, entered, stop, task }
}

async fn enter(entered: Arc<AtomicUsize>, stay: Duration) {
    entered.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(stay).await;
}

/// Limits of a second where they are times.
fn quick() -> Limits {
    Limits {
        handshake_seconds: 1,
        header_seconds: 1,
        idle_seconds: 2,
        request_seconds: 1,
        shutdown_seconds: 2,
        ..Limits::default()
    }
}

impl Running {
    fn endpoint(&self, identity: Option<&Identity>) -> Endpoint {
        Endpoint::new(&self.address, self.pin, identity).unwrap()
    }

    async fn ask(&self, path: &str) -> Result<String, Error> {
        self.endpoint(None).send(Method::GET, path, HeaderMap::new(), empty()).await?.text().await
    }

    fn signed(&self, key: &SigningKey, method: &Method, path: &str, body: Option<&[u8]>) -> HeaderMap {
        let digest = body.map(|body| crypto::sha256(&[body]));
        let sign = |base: &[u8]| Ok::<_, Infallible>(key.sign_raw(base));
        sign_request(
            method,
            &format!("{}{path}", self.address),
            digest.as_ref(),
            &key.public(),
            clock::system()(),
            sign,
        )
        .unwrap()
    }

    async fn tls(&self) -> tokio_rustls::client::TlsStream<TcpStream> {
        let connector = TlsConnector::from(client::tls::client_config(self.pin, None));
        let stream = TcpStream::connect(self.at).await.unwrap();
        connector.connect("localhost".try_into().unwrap(), stream).await.unwrap()
    }

    fn counted(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|found| found == line)
    }

    /// Waits for a line of the metrics.
    async fn counts(&self, line: &str) {
        let begun = Instant::now();
        while !self.counted(line) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{line}:\n{}", self.metrics.render());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Status and code of a refusal.
fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (u16, String) {
    match outcome {
        Err(Error::Problem(problem)) => {
            assert_eq!(problem.kind, format!("urn:sottovoce:{}", problem.code));
            assert!(!problem.title.is_empty() && !problem.detail.is_empty() && !problem.hint.is_empty());
            (problem.status, problem.code)
        }
        other => panic!("no problem: {other:?}"),
    }
}

/// Reads until the other side ends the connection; how long that took.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> Duration {
    let started = Instant::now();
    let mut buffer = [0; 1024];
    let read = async { while !matches!(stream.read(&mut buffer).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("the server closes the connection");
    started.elapsed()
}

#[tokio::test]
async fn callers_are_known_by_their_keys() {
    let node = start(Limits::default()).await;
    assert_eq!(node.ask("/v1/caller").await.unwrap(), "anonymous");
    assert_eq!(refusal(node.ask("/peer/v1/name").await), (401, "unauthenticated".into()));

    let member = node.endpoint(Some(&node.member));
    let ask = async |endpoint: &Endpoint, path: &str| {
        endpoint.send(Method::GET, path, HeaderMap::new(), empty()).await.unwrap().text().await.unwrap()
    };
    assert_eq!(ask(&member, "/v1/caller").await, "riverside");
    assert_eq!(ask(&member, "/peer/v1/name").await, "riverside");

    let stranger = tls::identity(&tls::generate_key(), "riverside").unwrap();
    let stranger = node.endpoint(Some(&stranger));
    assert_eq!(ask(&stranger, "/v1/caller").await, "anonymous", "a name in a certificate means nothing");

    let key = SigningKey::generate();
    let headers = node.signed(&key, &Method::GET, "/v1/caller", None);
    let answer = member.send(Method::GET, "/v1/caller", headers, empty()).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), key.public().to_string());
}

#[tokio::test]
async fn the_handshake_is_post_quantum_and_pinned() {
    let node = start(Limits::default()).await;
    let stream = node.tls().await;
    let connection = stream.get_ref().1;
    assert_eq!(connection.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(connection.negotiated_key_exchange_group().unwrap().name(), rustls::NamedGroup::X25519MLKEM768);

    let wrong = Endpoint::new(&node.address, Digest::from([1; 32]), None).unwrap();
    let outcome = wrong.send(Method::GET, "/v1/caller", HeaderMap::new(), empty()).await;
    assert!(matches!(outcome, Err(Error::Transport(_))), "{outcome:?}");
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let node = start(Limits::default()).await;
    let mut stream = TcpStream::connect(node.at).await.unwrap();
    // RFC 5246 §7.4.1.2, as a client without TLS 1.3 sends it: no supported_versions.
    let extensions = [&[0, 10, 0, 4, 0, 2, 0, 29][..], &[0, 13, 0, 4, 0, 2, 4, 3], &[0, 11, 0, 2, 1, 0]].concat();
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, extensions.len() as u8]);
    hello.extend(extensions);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
    record.extend(hello);
    stream.write_all(&record).await.unwrap();
    let mut alert = [0; 7];
    stream.read_exact(&mut alert).await.unwrap();
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 70], "fatal protocol_version");
}

#[tokio::test]
async fn signed_requests_are_taken_once_and_as_signed() {
    let node = start(Limits::default()).await;
    let (endpoint, key) = (node.endpoint(None), SigningKey::generate());
    let body = br#"{"a":1}"#;
    let send = async |headers: &HeaderMap, body: &'static [u8]| {
        endpoint.send(Method::POST, "/v1/echo", headers.clone(), full(body)).await.map(drop)
    };
    let headers = node.signed(&key, &Method::POST, "/v1/echo", Some(body));
    send(&headers, body).await.unwrap();
    assert_eq!(refusal(send(&headers, body).await), (401, "replayed".into()));

    let headers = node.signed(&key, &Method::POST, "/v1/echo", Some(body));
    assert_eq!(refusal(send(&headers, br#"{"a":2}"#).await), (401, "bad_signature".into()));
    let headers = node.signed(&key, &Method::POST, "/v1/echo", None);
    assert_eq!(refusal(send(&headers, body).await), (401, "bad_signature".into()), "a body that nobody signed");
    let headers = node.signed(&key, &Method::POST, "/v1/size", Some(body));
    assert_eq!(refusal(send(&headers, body).await), (401, "bad_signature".into()), "signed for another path");
    assert!(node.counted("sottovoce_refusals_total{code=\"replayed\"} 1"));
}

#[tokio::test]
async fn bodies_are_bounded() {
    let node = start(Limits { max_body_bytes: 1000, ..Limits::default() }).await;
    let endpoint = node.endpoint(None);
    let send =
        async |path: &'static str, body| endpoint.send(Method::POST, path, HeaderMap::new(), body).await?.text().await;
    assert_eq!(send("/v1/size", full(vec![0; 1000])).await.unwrap(), "1000");
    assert_eq!(refusal(send("/v1/size", full(vec![0; 1001])).await), (413, "oversize".into()));
    let pieces = futures_util::stream::iter((0..11).map(|_| Ok(Frame::data(bytes::Bytes::from_static(&[0; 100])))));
    let chunked = http_body_util::BodyExt::boxed_unsync(http_body_util::StreamBody::new(pieces));
    assert_eq!(refusal(send("/v1/size", chunked).await), (413, "oversize".into()));
    assert_eq!(refusal(send("/v1/echo", full("{")).await), (400, "malformed".into()));
    let uploaded = endpoint.send(Method::PUT, "/v1/file", HeaderMap::new(), full(vec![0; 5000])).await.unwrap();
    assert_eq!(uploaded.text().await.unwrap(), "5000", "uploads have their own bound");
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let node = start(Limits { address_rate: 1, caller_rate: 1, burst_seconds: 3, ..Limits::default() }).await;
    for _ in 0..3 {
        node.ask("/v1/caller").await.unwrap();
    }
    let mut stream = node.tls().await;
    stream.write_all(b"GET /v1/caller HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let answer = answer.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 429 "), "{answer}");
    assert!(
        answer.contains("\r\nretry-after: 1\r\n") && answer.contains("\r\ncontent-type: application/problem+json\r\n"),
        "{answer}"
    );
    assert!(answer.contains("\"code\":\"rate_limited\"") && answer.contains("\r\nrequest-id: "), "{answer}");

    // A member's node does not suffer from its neighbours, and has its own bound.
    let member = node.endpoint(Some(&node.member));
    for _ in 0..3 {
        member.send(Method::GET, "/v1/caller", HeaderMap::new(), empty()).await.unwrap().text().await.unwrap();
    }
    assert_eq!(
        refusal(member.send(Method::GET, "/v1/caller", HeaderMap::new(), empty()).await),
        (429, "rate_limited".into())
    );
}

#[tokio::test]
async fn failures_are_problems() {
    let node = start(quick()).await;
    assert_eq!(refusal(node.ask("/v1/nothing").await), (404, "not_found".into()));
    assert_eq!(refusal(node.ask("/v1/echo").await), (405, "not_found".into()));
    assert_eq!(refusal(node.ask("/v1/panic").await), (500, "internal".into()));
    assert_eq!(refusal(node.ask("/v1/never").await), (503, "busy".into()));
    assert_eq!(node.ask("/v1/caller").await.unwrap(), "anonymous");
    assert!(node.counted("sottovoce_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1"));
}

#[tokio::test]
async fn a_flood_from_one_address_leaves_places_for_others() {
    let node = start(Limits { max_connections: 16, max_connections_per_address: 8, ..Limits::default() }).await;
    let mut stray = Vec::new();
    for _ in 0..40 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        stray.push(socket.connect(node.at).await.unwrap());
    }
    for _ in 0..4 {
        assert_eq!(node.ask("/v1/caller").await.unwrap(), "anonymous");
    }
    assert!(
        node.counted("sottovoce_connections_refused_total{reason=\"address_full\"} 32"),
        "{}",
        node.metrics.render()
    );
    // Places are given back.
    drop(stray);
    let begun = Instant::now();
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut again = socket.connect(node.at).await.unwrap();
        // It is held, not refused.
        if tokio::time::timeout(Duration::from_millis(200), again.read(&mut [0; 1])).await.is_err() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", node.metrics.render());
    }
}

#[tokio::test]
async fn strays_and_bad_handshakes_end_and_harm_nobody() {
    let node = start(quick()).await;
    let mut silent = TcpStream::connect(node.at).await.unwrap();
    let mut rubbish = TcpStream::connect(node.at).await.unwrap();
    rubbish.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    drop(TcpStream::connect(node.at).await.unwrap());
    assert_eq!(node.ask("/v1/caller").await.unwrap(), "anonymous");
    assert!(until_closed(&mut rubbish).await < Duration::from_secs(10));
    assert!(until_closed(&mut silent).await < Duration::from_secs(10));
    node.counts("sottovoce_connections_refused_total{reason=\"handshake_timeout\"} 1").await;
}

#[tokio::test]
async fn a_slow_head_is_cut_off_however_it_drips() {
    let node = start(quick()).await;
    let stream = node.tls().await;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let drip = tokio::spawn(async move {
        for byte in b"GET /v1/caller HTTP/1.1\r\nhost: localhost\r\nx-slow: ".iter().chain(std::iter::repeat(&b'a')) {
            if writer.write_all(&[*byte]).await.is_err() || writer.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let closed = until_closed(&mut reader);
    let (closed, ()) = tokio::join!(closed, async {
        for _ in 0..5 {
            assert_eq!(node.ask("/v1/caller").await.unwrap(), "anonymous");
        }
    });
    drip.abort();
    assert!(closed < Duration::from_secs(10), "{closed:?}");
    node.counts("sottovoce_connections_closed_total{reason=\"slow\"} 1").await;
}

#[tokio::test]
async fn idle_connections_last_longer_than_heads() {
    let node = start(Limits { idle_seconds: 6, ..quick() }).await;
    let mut stream = node.tls().await;
    // Before the first request too: clients keep connections that they have no use for yet.
    for wait in [2500, 2500] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        stream.write_all(b"GET /v1/caller HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"anonymous") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed too early");
        }
    }
    let closed = until_closed(&mut stream).await;
    assert!((4000..20_000).contains(&closed.as_millis()), "{closed:?}");
}

#[tokio::test]
async fn a_download_that_nobody_reads_is_cut_off() {
    let node = start(quick()).await;
    let mut stream = node.tls().await;
    stream.write_all(b"GET /v1/endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    node.counts("sottovoce_connections_closed_total{reason=\"slow\"} 1").await;
    node.counts("sottovoce_connections{state=\"open\"} 0").await;
}

#[tokio::test]
async fn what_is_under_way_finishes_at_shutdown() {
    let node = start(Limits { shutdown_seconds: 1, ..Limits::default() }).await;
    let endpoint = node.endpoint(None);
    let slow = tokio::spawn(async move {
        endpoint.send(Method::GET, "/v1/slow", HeaderMap::new(), empty()).await.map(|answer| answer.status())
    });
    let mut stuck = node.tls().await;
    stuck.write_all(b"GET /v1/never HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let begun = Instant::now();
    while node.entered.load(Ordering::Relaxed) < 2 {
        assert!(begun.elapsed() < Duration::from_secs(30), "both requests come in");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    node.stop.cancel();
    assert_eq!(slow.await.unwrap().unwrap(), StatusCode::OK);
    let started = Instant::now();
    node.task.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(TcpStream::connect(node.at).await.is_err(), "nobody listens any more");
}
