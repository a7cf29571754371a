//! A member's node that lies to one other: it has the node's TLS key, gives all its answers, and in some of them changes a byte.

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client::http::{Endpoint, full};
use client::tls;
use http::HeaderMap;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::runtime::Runtime;

use crate::identity::identity;
use crate::stage::Stage;

#[path = "request.rs"]
mod request;

/// It stands where one other looks for the member's node.
pub(crate) struct Liar {
    address: String,
    lies: Arc<AtomicUsize>,
}

/// What it does to the body of an answer to a path, and whether it did anything.
pub(crate) type Lie = fn(&str, &mut [u8]) -> bool;

/// Changes the last byte of a snapshot's parts, which belongs to what was asked for.
pub(crate) fn parts(path: &str, body: &mut [u8]) -> bool {
    match body.last_mut() {
        Some(last) if path == "/peer/v1/snapshot/part" => *last ^= 1,
        _ => return false,
    }
    true
}

/// The same, and says whenever somebody asks for a snapshot that one more is being made: the sixth of what an offer says.
pub(crate) fn parts_and_making(path: &str, body: &mut [u8]) -> bool {
    if path != "/peer/v1/snapshot" {
        return parts(path, body);
    }
    let mut offer = minicbor::Decoder::new(body);
    assert_eq!(offer.array().unwrap(), Some(7));
    (0..5).for_each(|_| offer.skip().unwrap());
    let at = offer.position();
    offer.bool().unwrap();
    body[at] = 0xf5;
    true
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

impl Liar {
    /// Stands in the place of `member`'s node for the node of `to`, until the test's process ends.
    pub(crate) fn start(stage: &Stage, member: &str, to: &str, lie: Lie) -> Self {
        let runtime = Runtime::new().unwrap();
        let client = stage.client("st-anna");
        let members = runtime.block_on(client.members()).unwrap();
        let card = members.into_iter().find(|found| found.card.name == member).unwrap().card;
        let server = ServerConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(identity(stage, member).resolver());
        let (server, caller) = (Arc::new(server), identity(stage, to));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let lies = Arc::new(AtomicUsize::new(0));
        let (counted, runtime) = (Arc::clone(&lies), Arc::new(runtime));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (server, counted, runtime) = (Arc::clone(&server), Arc::clone(&counted), Arc::clone(&runtime));
                let node = Endpoint::new(&card.address, card.tls, Some(&caller)).unwrap();
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
                let stream = BufReader::new(StreamOwned::new(ServerConnection::new(server).unwrap(), stream));
                std::thread::spawn(move || serve(stream, &node, &runtime, lie, &counted));
            }
        });
        Self { address, lies }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How often it has lied.
    pub(crate) fn lies(&self) -> usize {
        self.lies.load(Ordering::SeqCst)
    }
}

/// Answers until the other end hangs up.
fn serve(mut stream: Stream, node: &Endpoint, runtime: &Runtime, lie: Lie, lies: &AtomicUsize) {
    while let Some(request) = request::read(&mut stream) {
        let (asked, body) = request.into_parts();
        let kept = asked.headers.iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
        let headers: HeaderMap = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        let answer = runtime.block_on(async {
            let answer = node.ask(asked.method, &asked.uri.to_string(), headers, full(body)).await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok::<_, client::http::Error>((status, headers, answer.bytes(64 << 20).await?))
        });
        // As a node that is away, where the true one does not answer.
        let Ok((status, headers, mut body)) = answer else { return };
        if status.is_success() && lie(asked.uri.path(), &mut body) {
            lies.fetch_add(1, Ordering::SeqCst);
        }
        let mut head = format!("HTTP/1.1 {} Told\r\ncontent-length: {}\r\n", status.as_u16(), body.len());
        for (name, value) in headers.iter().filter(|(name, _)| KEPT.contains(&name.as_str())) {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        head.push_str("\r\n");
        let written = stream.get_mut().write_all(&[head.as_bytes(), &body].concat());
        if written.and_then(|()| stream.get_mut().flush()).is_err() {
            return;
        }
    }
}

/// Headers that mean something to the other end.
const KEPT: [&str; 2] = ["content-type", "sotto-height"];
