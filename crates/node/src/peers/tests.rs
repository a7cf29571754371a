//! Nodes that call each other over loopback, where a link has failed: through whom it goes, what the carrier may do, and
//! what it cannot.

use std::io;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use client::http::full;
use crypto::SigningKey;
use crypto::kem::{PrivateKey, Suite};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::auth::Peer;
use crate::config::NodeConfig;
use crate::extract::{Cbor, Upgrade};
use crate::guard::Guard;
use crate::message::AskTunnel;
use crate::server::Server;
use crate::tunnel::{Bounds, PROTOCOL, Tunnels};
use crate::{clock, tls};

/// As much of a node as tunnels need.
struct Site {
    card: MemberCard,
    identity: Identity,
    metrics: Arc<Metrics>,
    log: Log,
    stop: CancellationToken,
}

/// What a site's handlers share.
#[derive(Clone)]
struct Shared {
    own: String,
    known: Register,
    tunnels: Arc<Tunnels>,
    conduct: Conduct,
    log: Log,
}

/// The members as all sites know them.
type Register = Arc<Mutex<Vec<MemberCard>>>;
/// Who opened a tunnel to whom.
type Log = Arc<Mutex<Vec<(String, String)>>>;

/// What a carrier does with a tunnel.
#[derive(Clone)]
enum Conduct {
    Honest,
    /// It leads to this member instead.
    Astray(&'static str),
    /// In the piece of this number that the caller sends, one bit is changed.
    Meddles(usize),
}

/// A message with something to say, and its answer.
fn word(text: &str) -> AskTunnel {
    AskTunnel { member: text.to_owned() }
}

async fn site(name: &str, known: &Register, bounds: Bounds, conduct: Conduct) -> Site {
    let (identity, metrics) = (tls::identity(&tls::generate_key(), name).unwrap(), Metrics::new());
    let limits = crate::config::Limits::default();
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), tls::server_config(&identity), limits, metrics.clone());
    let server = server.await.unwrap();
    let at = server.local_addr().unwrap();
    let config = format!(
        "member = '{name}'\ndata_dir = '.'\nlisten = '{at}'\naddress = 'https://{at}'\nordering = {{ kind = 'solo', leader = '{name}' }}"
    );
    let config = NodeConfig::parse(&config, ".".as_ref(), []).unwrap();
    let register = Arc::clone(known);
    let guard = Guard::new(&config, clock::system(), metrics.clone(), move |spki| {
        register.lock().unwrap().iter().find(|card| card.tls == *spki).map(|card| card.name.clone())
    });
    let tunnels = Tunnels::new(name.to_owned(), bounds, metrics.clone());
    let log = Log::default();
    let shared = Shared { own: name.to_owned(), known: Arc::clone(known), tunnels, conduct, log: log.clone() };
    let router = Router::new()
        .route("/health", get(async || "ok"))
        .route("/peer/v1/tunnel", post(tunnel))
        .route("/peer/v1/compute/frame", post(answer))
        .route("/peer/v1/openings", post(answer))
        .with_state(shared);
    let stop = CancellationToken::new();
    tokio::spawn(server.serve(guard.wrap(router, Router::new()), stop.clone().cancelled_owned()));
    let key = || SigningKey::generate().public();
    let card = MemberCard {
        name: name.to_owned(),
        operator: key(),
        node: key(),
        cosigner: key(),
        tls: identity.spki_digest(),
        recipient: PrivateKey::generate(Suite::X25519).public().clone(),
        address: format!("https://{at}"),
    };
    known.lock().unwrap().push(card.clone());
    Site { card, identity, metrics, log, stop }
}

async fn answer(State(shared): State<Shared>, Peer(caller): Peer, Cbor(said): Cbor<AskTunnel>) -> Cbor<AskTunnel> {
    Cbor(word(&format!("{caller} to {}: {}", shared.own, said.member)))
}

async fn tunnel(
    State(shared): State<Shared>,
    Peer(caller): Peer,
    Upgrade(near): Upgrade,
    Cbor(ask): Cbor<AskTunnel>,
) -> Result<Response, ApiError> {
    let to = match shared.conduct {
        Conduct::Astray(elsewhere) => elsewhere.to_owned(),
        _ => ask.member,
    };
    let card = shared.known.lock().unwrap().iter().find(|card| card.name == to).cloned();
    let card = card.ok_or_else(|| ApiError::new(code::UNKNOWN_MEMBER, to))?;
    let tunnel = shared.tunnels.dig(&caller, &card, &card.address).await?;
    shared.log.lock().unwrap().push((caller, card.name.clone()));
    match shared.conduct {
        Conduct::Meddles(piece) => Ok(meddle(near, &card.address, piece, tunnel.carry(never()))),
        _ => Ok(tunnel.carry(near)),
    }
}

/// An upgrade that does not come.
fn never() -> OnUpgrade {
    hyper::upgrade::on(hyper::Response::new(()))
}

/// Carries as a tunnel does, but for one bit.
fn meddle(near: OnUpgrade, address: &str, altered: usize, response: Response) -> Response {
    let address = address.trim_start_matches("https://").to_owned();
    tokio::spawn(async move {
        let (mut from_near, mut to_near) = tokio::io::split(TokioIo::new(near.await.map_err(io::Error::other)?));
        let (mut from_far, mut to_far) = TcpStream::connect(address).await?.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_far, &mut to_near).await });
        let mut buffer = vec![0; 64 * 1024];
        for piece in 0.. {
            let length = from_near.read(&mut buffer).await?;
            if length == 0 {
                break;
            }
            buffer[length - 1] ^= u8::from(piece == altered);
            to_far.write_all(&buffer[..length]).await?;
        }
        Ok::<_, io::Error>(())
    });
    response
}

impl Site {
    /// The site as a caller, to which some members' nodes are elsewhere.
    fn peers(&self, addresses: &[(&str, String)]) -> Peers {
        let addresses = addresses.iter().map(|(name, address)| ((*name).to_owned(), address.clone())).collect();
        Peers::new(self.card.name.clone(), self.identity.clone(), addresses, self.metrics.clone())
    }

    /// Asks this site for a tunnel, as somebody.
    async fn open(&self, identity: Option<&Identity>, to: &str) -> Result<hyper::upgrade::Upgraded, String> {
        let endpoint = Endpoint::new(&self.card.address, self.card.tls, identity).unwrap();
        let body = full(wire::to_vec(&word(to)));
        let opened = endpoint.upgrade("/peer/v1/tunnel", cbor(), body, HeaderValue::from_static(PROTOCOL)).await;
        opened.map_err(|error| match error {
            Transport::Problem(problem) => problem.code,
            other => other.to_string(),
        })
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

async fn call(peers: &Peers, to: &Site, known: &Register, path: &str, text: &str) -> Result<String, (String, String)> {
    let members = || known.lock().unwrap().clone();
    let answer = peers
        .call::<_, AskTunnel>(&to.card, members, path, &word(text), (Duration::from_secs(20), &Seen::default()))
        .await;
    answer.map(|answer| answer.member).map_err(|error| (error.code, error.detail))
}

/// Three honest sites.
async fn three(bounds: Bounds) -> (Register, [Site; 3]) {
    let known = Register::default();
    let honest = |name| site(name, &known, bounds, Conduct::Honest);
    let sites = [honest("anna").await, honest("bea").await, honest("cleo").await];
    (known, sites)
}

/// An address where nobody listens.
fn closed() -> String {
    "https://127.0.0.1:1".to_owned()
}

const FRAME: &str = "/peer/v1/compute/frame";
const OPENINGS: &str = "/peer/v1/openings";

#[tokio::test]
async fn where_a_link_fails_calls_go_through_a_third_node() {
    let (known, [anna, bea, cleo]) = three(Bounds::default()).await;
    let peers = anna.peers(&[("bea", closed())]);
    for path in [FRAME, OPENINGS, FRAME] {
        assert_eq!(call(&peers, &bea, &known, path, "hello").await.unwrap(), "anna to bea: hello");
    }
    assert_eq!(*cleo.log.lock().unwrap(), [("anna".to_owned(), "bea".to_owned())], "one connection serves all three");
    assert!(anna.counted("sottovoce_detours_total{member=\"bea\",carrier=\"cleo\"} 1"));
    assert!(cleo.counted("sottovoce_connections{state=\"tunnel\"} 1"));
    // Other links stay as they are.
    assert_eq!(call(&peers, &cleo, &known, FRAME, "hello").await.unwrap(), "anna to cleo: hello");
    assert_eq!(bea.log.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn the_direct_way_is_taken_again_when_it_is_back() {
    let (known, [anna, bea, cleo]) = three(Bounds::default()).await;
    let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = gate.local_addr().unwrap();
    drop(gate);
    let peers = anna.peers(&[("bea", format!("https://{at}"))]);
    call(&peers, &bea, &known, FRAME, "hello").await.unwrap();
    let gate = TcpListener::bind(at).await.unwrap();
    let address = bea.card.address.trim_start_matches("https://").to_owned();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = gate.accept().await {
            let mut far = TcpStream::connect(&address).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let link = peers.link(&bea.card).unwrap();
    assert_eq!(link.way().carrier.as_deref(), Some("cleo"));
    link.expire();
    assert_eq!(link.way().carrier.as_deref(), Some("cleo"), "nobody waits for the direct way to be tried");
    let begun = Instant::now();
    while link.way().carrier.is_some() {
        assert!(begun.elapsed() < Duration::from_secs(3));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    call(&peers, &bea, &known, FRAME, "hello").await.unwrap();
    assert_eq!(cleo.log.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_carrier_that_goes_away_is_replaced() {
    let (known, [anna, bea, cleo]) = three(Bounds::default()).await;
    let dora = site("dora", &known, Bounds::default(), Conduct::Honest).await;
    let peers = anna.peers(&[("bea", closed())]);
    call(&peers, &bea, &known, FRAME, "hello").await.unwrap();
    cleo.stop.cancel();
    // Its address answers no more, and its tunnels are of no use.
    known.lock().unwrap().iter_mut().find(|card| card.name == "cleo").unwrap().address = closed();
    let link = peers.link(&bea.card).unwrap();
    let way = link.way();
    let members = || known.lock().unwrap().clone();
    let other = peers.around(&link, &bea.card, &way, members).await.unwrap();
    assert_eq!(other.carrier.as_deref(), Some("dora"));
    assert_eq!(call(&peers, &bea, &known, FRAME, "again").await.unwrap(), "anna to bea: again");
    assert_eq!(dora.log.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_link_that_falls_silent_is_overtaken() {
    let (known, [anna, bea, _cleo]) = three(Bounds::default()).await;
    // Connections are taken, and nothing ever comes of them.
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peers = anna.peers(&[("bea", format!("https://{}", hole.local_addr().unwrap()))]);
    let begun = Instant::now();
    assert_eq!(call(&peers, &bea, &known, FRAME, "hello").await.unwrap(), "anna to bea: hello");
    assert!(begun.elapsed() < Duration::from_millis(4500), "{:?}: a party is asked for 5 s", begun.elapsed());
    let begun = Instant::now();
    call(&peers, &bea, &known, OPENINGS, "hello").await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "the way is remembered");
}

#[tokio::test]
async fn a_node_that_is_away_is_named_soon() {
    let (known, [anna, mut bea, cleo]) = three(Bounds::default()).await;
    bea.card.address = closed();
    known.lock().unwrap()[1].address = closed();
    let peers = anna.peers(&[]);
    for _ in 0..2 {
        let begun = Instant::now();
        let (code, detail) = call(&peers, &bea, &known, FRAME, "hello").await.unwrap_err();
        assert_eq!(code, "peer_unreachable");
        assert!(detail.starts_with("bea: cannot reach the node"), "{detail}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
    assert!(cleo.counted("sottovoce_http_requests_total{method=\"POST\",route=\"/peer/v1/tunnel\",status=\"403\"} 1"));
    assert!(cleo.counted("sottovoce_connections{state=\"tunnel\"} 0"));
}

#[tokio::test]
async fn tunnels_join_members_alone() {
    let (known, [anna, bea, cleo]) = three(Bounds::default()).await;
    let stranger = tls::identity(&tls::generate_key(), "anna").unwrap();
    let by_anna = Some(&anna.identity);
    assert_eq!(cleo.open(None, "bea").await.unwrap_err(), "unauthenticated");
    assert_eq!(cleo.open(Some(&stranger), "bea").await.unwrap_err(), "unauthenticated");
    assert_eq!(cleo.open(by_anna, "dora").await.unwrap_err(), "unknown_member");
    assert_eq!(cleo.open(by_anna, "127.0.0.1:1").await.unwrap_err(), "unknown_member");
    assert_eq!(cleo.open(by_anna, "cleo").await.unwrap_err(), "not_permitted");
    assert_eq!(cleo.open(by_anna, "anna").await.unwrap_err(), "not_permitted");
    // A member whose card names somebody else's server gets nobody there.
    let posing = MemberCard { name: "dora".into(), tls: stranger.spki_digest(), ..bea.card.clone() };
    known.lock().unwrap().push(posing);
    assert_eq!(cleo.open(by_anna, "dora").await.unwrap_err(), "peer_unreachable");
    assert!(cleo.log.lock().unwrap().is_empty());

    let endpoint = Endpoint::new(&cleo.card.address, cleo.card.tls, by_anna).unwrap();
    let plain = endpoint.send(Method::POST, "/peer/v1/tunnel", cbor(), full(wire::to_vec(&word("bea")))).await;
    assert!(matches!(plain, Err(Transport::Problem(problem)) if problem.code == "malformed"));
    cleo.open(by_anna, "bea").await.unwrap();
}

#[tokio::test]
async fn tunnels_are_bounded_in_number_and_time() {
    let bounds = Bounds { all: 3, of_member: 2, idle: Duration::from_millis(2500), ..Bounds::default() };
    let (_known, [anna, bea, cleo]) = three(bounds).await;
    let begun = Instant::now();
    let (by_anna, by_bea) = (Some(&anna.identity), Some(&bea.identity));
    let one = cleo.open(by_anna, "bea").await.unwrap();
    let two = cleo.open(by_anna, "bea").await.unwrap();
    assert_eq!(cleo.open(by_anna, "bea").await.unwrap_err(), "busy");
    let three = cleo.open(by_bea, "anna").await.unwrap();
    assert_eq!(cleo.open(by_bea, "anna").await.unwrap_err(), "busy", "the others' places are taken too");
    for stream in [one, two, three] {
        let mut byte = [0; 1];
        let end = TokioIo::new(stream).read(&mut byte).await;
        assert!(matches!(end, Ok(0) | Err(_)), "the node at the far end says nothing by itself");
    }
    assert!((2500..20_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    cleo.counts("sottovoce_connections{state=\"tunnel\"} 0").await;
    drop(cleo.open(by_anna, "bea").await.unwrap());
    // Who hangs up gives the place back.
    cleo.counts("sottovoce_connections{state=\"tunnel\"} 0").await;

    let short = Bounds { life: Duration::from_millis(300), ..Bounds::default() };
    let (_known, [anna, _bea, cleo]) = self::three(short).await;
    let begun = Instant::now();
    let mut stream = TokioIo::new(cleo.open(Some(&anna.identity), "bea").await.unwrap());
    assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    assert!((300..20_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_carrier_cannot_stand_in_for_another_node() {
    let known = Register::default();
    let anna = site("anna", &known, Bounds::default(), Conduct::Honest).await;
    let bea = site("bea", &known, Bounds::default(), Conduct::Honest).await;
    let _dora = site("dora", &known, Bounds::default(), Conduct::Honest).await;
    // Only this one is asked.
    let cleo = site("cleo", &known, Bounds::default(), Conduct::Astray("dora")).await;
    let peers = anna.peers(&[("bea", closed()), ("dora", closed())]);
    let members = || known.lock().unwrap().iter().filter(|card| card.name != "dora").cloned().collect();
    let patience = (Duration::from_secs(5), &Seen::default());
    let outcome = peers.call::<_, AskTunnel>(&bea.card, members, FRAME, &word("hello"), patience).await;
    assert_eq!(outcome.map(|answer| answer.member).unwrap_err().code, "peer_unreachable");
    assert_eq!(*cleo.log.lock().unwrap(), [("anna".to_owned(), "dora".to_owned())]);
}

#[tokio::test]
async fn a_carrier_that_changes_a_bit_is_no_carrier() {
    let mut refused = 0;
    for piece in 0..6 {
        let known = Register::default();
        let anna = site("anna", &known, Bounds::default(), Conduct::Honest).await;
        let bea = site("bea", &known, Bounds::default(), Conduct::Honest).await;
        let _cleo = site("cleo", &known, Bounds::default(), Conduct::Meddles(piece)).await;
        let peers = anna.peers(&[("bea", closed())]);
        match call(&peers, &bea, &known, OPENINGS, "hello").await {
            Ok(answer) => assert_eq!(answer, "anna to bea: hello"),
            Err((code, _)) => {
                assert_eq!(code, "peer_unreachable");
                refused += 1;
            }
        }
    }
    // The handshake, and the first words after it.
    assert!(refused >= 3, "{refused}");
}
