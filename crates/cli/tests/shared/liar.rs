//! A member's node that lies to one other: it has the node's TLS key, gives all its answers, and in some of them changes a byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client::http::{Endpoint, full};
use client::tls;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::runtime::Runtime;

use crate::identity::identity;
use crate::stage::Stage;

/// It stands where one other looks for the member's node.
pub(crate) struct Liar {
    address: String,
    lies: Arc<AtomicUsize>,
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

impl Liar {
    /// Stands in the place of `member`'s node for the node of `to`, until the test's process ends. It lies in answers to `path`.
    pub(crate) fn start(stage: &Stage, member: &str, to: &str, path: &'static str) -> Self {
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
                std::thread::spawn(move || serve(stream, &node, &runtime, path, &counted));
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
fn serve(mut stream: Stream, node: &Endpoint, runtime: &Runtime, path: &str, lies: &AtomicUsize) {
    while let Some((method, target, headers, body)) = request(&mut stream) {
        let answer = runtime.block_on(async {
            let answer = node.ask(method, &target, headers, full(body)).await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok::<_, client::http::Error>((status, headers, answer.bytes(64 << 20).await?))
        });
        // As a node that is away, where the true one does not answer.
        let Ok((status, headers, mut body)) = answer else { return };
        if target == path && status.is_success() && !body.is_empty() {
            // The last byte belongs to what was asked for.
            *body.last_mut().unwrap() ^= 1;
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

/// Method, target, the headers that are passed on, and body of a request; none where the connection ends.
fn request(stream: &mut Stream) -> Option<(Method, String, HeaderMap, Vec<u8>)> {
    let line = |stream: &mut Stream| {
        let mut line = String::new();
        match stream.read_line(&mut line) {
            Ok(1..) => Some(line.trim_end().to_owned()),
            _ => None,
        }
    };
    let first = line(stream)?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.parse().ok()?, words.next()?.to_owned());
    let (mut length, mut headers) = (0, HeaderMap::new());
    loop {
        let header = line(stream)?;
        let Some((name, value)) = header.split_once(':') else { break };
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        if name == "content-length" {
            length = value.parse().ok()?;
        }
        if KEPT.contains(&name.as_str()) {
            headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::from_str(value).ok()?);
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((method, target, headers, body))
}

/// Headers that mean something to the other end.
const KEPT: [&str; 2] = ["content-type", "sotto-height"];
