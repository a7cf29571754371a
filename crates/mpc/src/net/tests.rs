//! Links over real sockets of this machine, and parties on threads.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crypto::Digest;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::client::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls::{RootCertStore, crypto::aws_lc_rs};

use super::link::Conversation;
use super::message::{self, Counters, Hello, Kind};
use super::pipe::Pipe;
use super::tls::Channel;
use super::{Cancel, Control, Gate, Links, Peer, Settings, Timing, drive, threads};
use crate::engine::{Failure, Fault, Io, Party, Stats, local};

/// Parties of one authority.
struct World {
    certificates: Vec<CertificateDer<'static>>,
    clients: Vec<Arc<ClientConfig>>,
    gates: Vec<Gate>,
}

impl World {
    fn new(parties: usize, timing: Timing) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let roots = Arc::new(roots);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut world = Self { certificates: vec![], clients: vec![], gates: vec![] };
        for _ in 0..parties {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap().der().clone();
            let private = || PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            let client = ClientConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .with_root_certificates(roots.clone())
                .with_client_auth_cert(vec![certificate.clone()], private())
                .unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build().unwrap();
            let mut server = ServerConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .with_client_cert_verifier(verifier)
                .with_single_cert(vec![certificate.clone()], private())
                .unwrap();
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            world.gates.push(Gate::open(listener, Arc::new(server), timing.handshake).unwrap());
            world.clients.push(Arc::new(client));
            world.certificates.push(certificate);
        }
        world
    }

    fn settings(&self, index: u16, timing: Timing) -> Settings {
        let peer = |peer: usize| {
            (peer != usize::from(index)).then(|| Peer {
                address: self.gates[peer].address().to_string(),
                name: ServerName::try_from("localhost").unwrap(),
                config: self.clients[usize::from(index)].clone(),
            })
        };
        let certificates = self.certificates.clone();
        Settings {
            session: Digest::from([7; 32]),
            run: local::settings(0, 1, SEED).run,
            index,
            peers: (0..self.gates.len()).map(peer).collect(),
            identify: Arc::new(move |found| {
                certificates.iter().position(|known| known == found).map(|index| index as u16)
            }),
            timing,
        }
    }

    fn join(&self, index: u16, timing: Timing) -> Links {
        self.gates[usize::from(index)].join(self.settings(index, timing)).unwrap()
    }

    /// A connection by `index` to the gate of `to`, after its handshake and greeting.
    fn call(&self, index: u16, to: u16, hello: Hello) -> (Arc<Channel>, Conversation) {
        let socket = TcpStream::connect(self.gates[usize::from(to)].address()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let name = ServerName::try_from("localhost").unwrap();
        let config = self.clients[usize::from(index)].clone();
        let talk = Conversation::new(Channel::client(Pipe::Socket(socket), config, name, deadline).unwrap());
        let channel = Arc::clone(&talk.channel);
        say(&channel, Kind::Hello, &hello.encode());
        (channel, talk)
    }
}

fn say(channel: &Channel, kind: Kind, body: &[u8]) {
    let mut plain = message::head(kind, Counters::default(), body.len()).to_vec();
    plain.extend_from_slice(body);
    channel.send(&plain, &mut Vec::new()).unwrap();
}

impl Drop for World {
    fn drop(&mut self) {
        self.gates.iter().for_each(Gate::close);
    }
}

fn hello(from: u16, to: u16, connection: u32) -> Hello {
    Hello { session: [7; 32], run: local::settings(0, 1, SEED).run, from, to, connection }
}

/// Everybody sends everybody `len` numbers, all before taking any, `rounds` times.
async fn exchange(mut io: Io, rounds: usize, len: usize) -> Result<(), Failure> {
    for round in 0..rounds {
        let op = io.op();
        for peer in io.peers() {
            let numbers: Vec<u64> = (0..len as u64).map(|at| at * 7 + u64::from(io.index()) + round as u64).collect();
            io.send_elements(op, peer, &numbers);
        }
        for peer in io.peers() {
            let mut numbers = vec![0u64; len];
            io.receive_elements(op, peer, &mut numbers).await?;
            let right = (0..len as u64).all(|at| numbers[at as usize] == at * 7 + u64::from(peer) + round as u64);
            assert!(right, "what came in is what was sent");
        }
    }
    Ok(())
}

type Outcome = (Result<(), Failure>, Stats);

fn run(links: Links, parties: u16, rounds: usize, len: usize, cancel: Cancel) -> JoinHandle<Outcome> {
    std::thread::spawn(move || {
        let index = super::Transport::seat(&links).0;
        let party = Party::new(local::settings(index, parties, SEED), move |io| exchange(io, rounds, len)).unwrap();
        drive(party, links, &mut |_| {}, &Control { cancel, ..Control::default() })
    })
}

fn quick() -> Timing {
    Timing {
        handshake: Duration::from_millis(700),
        heartbeat: Duration::from_millis(50),
        silence: Duration::from_millis(500),
        detour: Duration::from_millis(100),
        patience: Duration::from_secs(2),
        linger: Duration::from_secs(2),
    }
}

const SEED: u64 = 5;
/// Bytes that pass between two changes of one: several frames' in both directions, so that each stream gets somewhere.
const MEDDLED: usize = 1_500_000;

#[test]
fn parties_exchange_more_than_any_queue_holds() {
    let timing = Timing::default();
    let world = World::new(3, timing);
    let parties: Vec<_> =
        (0..3).map(|index| run(world.join(index, timing), 3, 2, 3_000_000, Cancel::default())).collect();
    for party in parties {
        assert_eq!(party.join().unwrap().0, Ok(()));
    }
    assert!(world.gates.iter().all(|gate| gate.refused() == 0 || gate.refused() < 20));
}

#[test]
fn parties_that_end_together_wait_for_nobody() {
    let timing = Timing { linger: Duration::from_secs(60), ..Timing::default() };
    for _ in 0..40 {
        let world = World::new(3, timing);
        let begun = Instant::now();
        let parties: Vec<_> = (0..3).map(|index| run(world.join(index, timing), 3, 1, 1, Cancel::default())).collect();
        for party in parties {
            assert_eq!(party.join().unwrap().0, Ok(()));
        }
        assert!(begun.elapsed() < timing.linger / 2, "all knew that all had ended");
    }
}

#[test]
fn parties_on_threads_exchange_more_than_any_queue_holds() {
    let parties: Vec<_> = threads::links(3)
        .into_iter()
        .map(|links| {
            std::thread::spawn(move || {
                let party =
                    Party::new(local::settings(links.index(), 3, SEED), |io| exchange(io, 2, 3_000_000)).unwrap();
                drive(party, links, &mut |_| {}, &Control::default()).0
            })
        })
        .collect();
    for party in parties {
        assert_eq!(party.join().unwrap(), Ok(()));
    }
}

#[test]
fn a_link_that_fails_is_mended_and_nothing_is_lost() {
    let timing = quick();
    let world = World::new(3, timing);
    let links: Vec<_> = (0..3).map(|index| world.join(index, timing)).collect();
    let shared = Arc::clone(links[1].shared());
    let parties: Vec<_> = links.into_iter().map(|links| run(links, 3, 60, 40_000, Cancel::default())).collect();
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(15));
        shared.cut(0);
        shared.cut(2);
    }
    for party in parties {
        assert_eq!(party.join().unwrap().0, Ok(()));
    }
}

#[test]
fn frames_go_through_a_third_party_where_there_is_no_other_way() {
    let timing = Timing { patience: Duration::from_secs(10), ..quick() };
    let world = World::new(3, timing);
    let mut settings = world.settings(2, timing);
    // A port of this machine where nobody listens.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    settings.peers[0].as_mut().unwrap().address = nobody.to_string();
    let far = world.gates[2].join(settings).unwrap();
    let shared = Arc::clone(far.shared());
    let links = [world.join(0, timing), world.join(1, timing), far];
    let parties: Vec<_> = links.into_iter().map(|links| run(links, 3, 3, 3_000_000, Cancel::default())).collect();
    let mut relayed = false;
    while !parties[2].is_finished() {
        relayed |= shared.carrier(0) == Some(true);
        std::thread::sleep(Duration::from_millis(1));
    }
    for party in parties {
        assert_eq!(party.join().unwrap().0, Ok(()));
    }
    assert!(relayed, "the two reach each other through the third");
}

/// Two parties that reach each other only through a third, which does something to what it passes on.
fn through_a_third(rounds: usize, len: usize, meddle: impl FnMut(Bytes) -> Bytes + Send + 'static) -> Vec<Outcome> {
    // Long enough for a machine that is busy: all of these end early where all is well.
    let [handshake, silence, linger] = [10, 5, 30].map(Duration::from_secs);
    let timing = Timing { patience: Duration::from_secs(60), handshake, silence, linger, ..quick() };
    let world = World::new(3, timing);
    let mut settings = world.settings(2, timing);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    settings.peers[0].as_mut().unwrap().address = nobody.to_string();
    let links = [world.join(0, timing), world.join(1, timing), world.gates[2].join(settings).unwrap()];
    *super::inbox::lock(&links[1].shared().meddle) = Some(Box::new(meddle));
    let parties: Vec<_> = links.into_iter().map(|links| run(links, 3, rounds, len, Cancel::default())).collect();
    parties.into_iter().map(|party| party.join().unwrap()).collect()
}

#[test]
fn a_third_party_sees_nothing_of_what_it_passes_on() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tap = Arc::clone(&seen);
    let outcomes = through_a_third(2, 100_000, move |bytes| {
        tap.lock().unwrap().extend_from_slice(&bytes);
        bytes
    });
    assert!(outcomes.iter().all(|(result, _)| result.is_ok()));
    let seen = seen.lock().unwrap();
    assert!(seen.len() > 2 * 2 * 800_000, "both ways' numbers went by it");
    // TLS records from the first byte on: a handshake of TLS 1.3, then nothing but records that look like application data.
    assert_eq!((seen[0], seen[1]), (22, 3));
    // The numbers sent are small, so that most of their bytes are zero; what went by is spread as noise is.
    let zeros = seen.iter().filter(|byte| **byte == 0).count();
    assert!(zeros < seen.len() / 100, "{zeros} of {}", seen.len());
    // No number that was sent is among what went by.
    let told: Vec<u8> = (50_000u64..50_003).flat_map(|at| (at * 7).to_le_bytes()).collect();
    assert!(!seen.windows(told.len()).any(|window| window == told));
}

#[test]
fn a_third_party_that_meddles_is_noticed_and_nobody_blamed() {
    // Now and then it changes a byte: TLS ends the stream, another is made, and what was not received is sent again.
    // By bytes, not by pieces: however slow the machine, each stream gets somewhere before it ends.
    let mut passed = 0;
    let outcomes = through_a_third(3, 200_000, move |bytes| {
        let mut bytes = bytes.to_vec();
        passed += bytes.len();
        if passed > MEDDLED
            && let Some(last) = bytes.last_mut()
        {
            passed = 0;
            *last ^= 1;
        }
        bytes.into()
    });
    for (result, _) in outcomes {
        assert_eq!(result, Ok(()));
    }
}

#[test]
fn a_third_party_that_swallows_everything_is_a_link_that_is_down() {
    let begun = Instant::now();
    let timing = quick();
    let world = World::new(3, timing);
    let mut settings = world.settings(2, timing);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    settings.peers[0].as_mut().unwrap().address = nobody.to_string();
    let links = [world.join(0, timing), world.join(1, timing), world.gates[2].join(settings).unwrap()];
    *super::inbox::lock(&links[1].shared().meddle) = Some(Box::new(|_| Bytes::new()));
    let parties: Vec<_> = links.into_iter().map(|links| run(links, 3, 1, 10, Cancel::default())).collect();
    let results: Vec<_> = parties.into_iter().map(|party| party.join().unwrap().0).collect();
    // The third one has what it needs of both, or is told that they have gone.
    for index in [0, 2] {
        assert!(matches!(results[index], Err(Failure::Party { fault: Fault::Lost, .. })), "{results:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn strangers_never_harm_a_session() {
    let timing = quick();
    let world = World::new(2, timing);
    let strangers = World::new(1, timing);
    let links: Vec<_> = (0..2).map(|index| world.join(index, timing)).collect();
    let (at, gate) = (world.gates[0].address(), world.gates[0].clone());
    // Silent ones, more than may be pending, and ones that talk nonsense.
    let silent: Vec<_> = (0..300).map(|_| TcpStream::connect(at).unwrap()).collect();
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 0xff, 0xff, 0, 0], &[0; 70_000]] {
        let mut socket = TcpStream::connect(at).unwrap();
        // The gate may close before all is written.
        drop(socket.write_all(nonsense));
        let mut answer = Vec::new();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        drop(socket.read_to_end(&mut answer));
    }
    let parties: Vec<_> = links.into_iter().map(|links| run(links, 2, 40, 20_000, Cancel::default())).collect();
    // One whom no authority vouches for: the handshake fails, at the latest with the first answer.
    {
        let socket = TcpStream::connect(at).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let deadline = Instant::now() + Duration::from_secs(2);
        // It does not trust the gate either.
        assert!(Channel::client(Pipe::Socket(socket), strangers.clients[0].clone(), name, deadline).is_err());
    }
    let refused = |hello: Hello, caller: u16| {
        let (channel, mut talk) = world.call(caller, 0, hello);
        assert!(talk.first(Instant::now() + Duration::from_secs(2)).is_err());
        channel.close();
    };
    // Another session, another run, another's name, a party that does not dial, a connection that is no later than the one there is.
    refused(Hello { session: [8; 32], ..hello(1, 0, 90) }, 1);
    refused(Hello { run: [9; 16], ..hello(1, 0, 90) }, 1);
    refused(hello(1, 0, 90), 0);
    refused(hello(0, 1, 90), 0);
    refused(hello(1, 0, 0), 1);
    for party in parties {
        assert_eq!(party.join().unwrap().0, Ok(()));
    }
    drop(silent);
    assert!(gate.refused() >= 8, "{}", gate.refused());
}

#[test]
fn who_writes_nonsense_is_named() {
    let timing = quick();
    for (wrong, expected) in [
        (vec![99; 21], "a message of no known kind"),
        (
            message::head(Kind::Frame, Counters::default(), (1 << 20) + 1).to_vec(),
            "a message longer than its kind may be",
        ),
        (message::head(Kind::Hello, Counters::default(), 0).to_vec(), "a greeting out of place"),
        (message::head(Kind::Pulse, Counters { received: 9, consumed: 0 }, 0).to_vec(), "it has what was not sent"),
        (message::head(Kind::Relay, Counters::default(), 0).to_vec(), "a relayed piece that leads nowhere"),
    ] {
        let world = World::new(2, timing);
        let party = run(world.join(0, timing), 2, 1, 1, Cancel::default());
        let (channel, mut talk) = world.call(1, 0, hello(1, 0, 1));
        assert_eq!(talk.first(Instant::now() + Duration::from_secs(2)).unwrap().kind, Kind::Welcome);
        channel.send(&wrong, &mut Vec::new()).unwrap();
        assert_eq!(party.join().unwrap().0, Err(Failure::blame(1, Fault::Malformed(expected))));
    }
}

#[test]
fn a_peer_that_falls_silent_or_goes_is_lost_in_time() {
    let timing = Timing { patience: Duration::from_millis(600), ..quick() };
    let world = World::new(2, timing);
    let begun = Instant::now();
    // It opens a connection and then says nothing, as one whose machine hangs.
    let party = run(world.join(0, timing), 2, 1, 1, Cancel::default());
    let (_channel, mut talk) = world.call(1, 0, hello(1, 0, 1));
    assert_eq!(talk.first(Instant::now() + Duration::from_secs(2)).unwrap().kind, Kind::Welcome);
    assert_eq!(party.join().unwrap().0, Err(Failure::blame(1, Fault::Lost)));
    assert!(begun.elapsed() >= timing.silence && begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    // One that never comes.
    let alone = run(world.join(0, timing), 2, 1, 1, Cancel::default());
    assert_eq!(alone.join().unwrap().0, Err(Failure::blame(1, Fault::Lost)));
}

#[test]
fn a_session_is_cancelled_and_the_peer_learns_it_at_once() {
    let timing = Timing::default();
    let world = World::new(2, timing);
    let (cancel, begun) = (Cancel::default(), Instant::now());
    let parties = [
        run(world.join(0, timing), 2, 1_000_000, 10, cancel.clone()),
        run(world.join(1, timing), 2, 1_000_000, 10, Cancel::default()),
    ];
    std::thread::sleep(Duration::from_millis(50));
    cancel.cancel();
    let [first, second] = parties.map(|party| party.join().unwrap().0);
    assert_eq!((first, second), (Err(Failure::Cancelled), Err(Failure::blame(0, Fault::Lost))));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_peer_that_is_there_and_sends_nothing_is_lost_in_time() {
    let mut links = threads::links(2);
    let _idle = links.pop();
    let party = Party::new(local::settings(0, 2, SEED), |io| exchange(io, 1, 1)).unwrap();
    let control = Control { stall: Duration::from_millis(300), ..Control::default() };
    let (result, _) = drive(party, links.pop().unwrap(), &mut |_| {}, &control);
    assert_eq!(result, Err(Failure::blame(1, Fault::Lost)));
}

#[test]
fn a_run_is_opened_once() {
    let timing = quick();
    let world = World::new(2, timing);
    let links = world.join(0, timing);
    assert!(world.gates[0].join(world.settings(0, timing)).is_err());
    drop(links);
    assert!(world.gates[0].join(world.settings(0, timing)).is_ok());
    let mut settings = world.settings(0, timing);
    settings.peers[0] = settings.peers[1].clone();
    assert!(world.gates[0].join(settings).is_err());
}
