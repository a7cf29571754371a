//! Times a whole secure aggregation in one process: many clients, long vectors, dropouts in every round.
//!
//! `cargo run --release -p sottovoce-mpc --example secagg_scale -- [CLIENTS] [LENGTH] [DROPOUTS‰] [semi-honest|malicious]`
//!
//! Every client does all its own work, one after the other, on one core. Masked vectors go into the server's sum one by
//! one, so that memory holds keys and shares of all clients, but one vector.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto::{Label, Secret, SigningKey, hash};
use mpc::secagg::{Adversary, Client, Cost, Parameters, Server, Session, Threat, Turn};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u32| {
        arguments.get(at).map_or(default, |text| text.parse().expect("CLIENTS, LENGTH and DROPOUTS are numbers"))
    };
    let (n, length, dropouts) = (number(0, 10_000), number(1, 10_000), number(2, 300) as u16);
    let adversary = match arguments.get(3).map(String::as_str) {
        None | Some("semi-honest") => Adversary::SemiHonest,
        Some("malicious") => Adversary::Malicious,
        Some(other) => panic!("{other}: semi-honest or malicious"),
    };
    aggregate(n, length, dropouts, adversary);
}

/// A session of `n` clients with vectors of `length`, of whom so many per thousand leave; its sum is compared.
pub(crate) fn aggregate(n: u32, length: u32, dropouts: u16, adversary: Adversary) {
    let threat = Threat { adversary, corrupt: 50, dropouts, security: 40, correctness: 20 };
    let started = Instant::now();
    let parameters = Parameters::derive(n, &threat).expect("parameters for this threat");
    println!("{n} clients, vectors of {length}, {threat:?}");
    println!("{parameters:?}, derived in {:.2?}", started.elapsed());

    let identities: Vec<_> = (0..n).map(|_| Arc::new(SigningKey::generate())).collect();
    let roster = identities.iter().map(|key| key.public()).collect();
    let (name, seed) = (hash(Label::SESSION, &[b"scale"]), hash(Label::HEADER, &[b"a later block"]));
    let session = Arc::new(Session::new(name, seed, parameters, roster, length).expect("a session"));
    let mut clients: Vec<_> = identities
        .into_iter()
        .zip(0..)
        .map(|(key, i)| Client::new(session.clone(), i, key).expect("a client"))
        .collect();
    let mut server = Server::new(session.clone());

    // Who leaves has nothing to do with the graph: the last ones, a fifth of them before each round. In the rounds
    // before the vectors, so that the server has mask keys to recover.
    let gone = u32::try_from(u64::from(n) * u64::from(dropouts) / 1000).expect("fewer than all");
    let mut expected = vec![0u64; length as usize];
    let mut all = Totals::default();
    let mut survivors = 0;
    for (round, turn) in [Turn::Advertise, Turn::Share, Turn::Mask, Turn::Consent, Turn::Reveal].into_iter().enumerate()
    {
        let alive = n - gone * (round as u32 + 1) / 5;
        let mut totals = Totals::default();
        for i in 0..alive {
            let client = &mut clients[i as usize];
            let message = timed(&mut totals.server, || server.message(i)).unwrap_or_default();
            let answer = timed(&mut totals.clients, || match turn {
                Turn::Advertise => client.advertise(),
                Turn::Share => client.share(&message),
                Turn::Mask => client.mask(&message, &Secret::new(input(i, length))),
                Turn::Consent => client.consent(&message),
                Turn::Reveal | Turn::Done => client.reveal(&message),
            });
            let answer = answer.expect("an honest server");
            timed(&mut totals.server, || server.accept(i, &answer)).expect("honest clients");
            totals.down += message.len() as u64;
            totals.up += answer.len() as u64;
            if turn == Turn::Mask {
                survivors += 1;
                expected.iter_mut().zip(input(i, length)).for_each(|(sum, value)| *sum = sum.wrapping_add(value));
            }
        }
        if turn != Turn::Reveal {
            timed(&mut totals.server, || server.close()).expect("enough clients");
        }
        println!("{:<10} {alive:>6} clients  {totals}", format!("{turn:?}"));
        all.add(&totals);
    }
    let mut unmasking = Duration::ZERO;
    let outcome = timed(&mut unmasking, || server.finish()).expect("enough shares");
    println!("unmasking  {unmasking:.1?} at the server");
    all.server += unmasking;
    let masks = 8 * u64::from(length) * u64::from(parameters.neighbours() + 1);
    let rate = expansion();
    println!(
        "masks of one client: {:.1} MiB of AES-256-CTR at {:.1} GiB/s, {:.2} ms",
        masks as f64 / f64::from(1 << 20),
        rate / f64::from(1 << 30),
        masks as f64 / rate * 1e3
    );
    assert_eq!(outcome.survivors.len(), survivors);
    assert_eq!(outcome.sum, expected, "the sum of the survivors' vectors");
    println!("total                      {all}");
    println!(
        "per client {:.1} ms; per masked vector {:.1} KiB up",
        all.clients.as_secs_f64() * 1e3 / f64::from(n),
        Cost::of(&session, 0).sent[2] as f64 / 1024.0
    );
    println!(
        "one client that stays: {} bytes up, {} down (formula, nobody gone)",
        Cost::of(&session, 0).sent_bytes(),
        Cost::of(&session, 0).received_bytes()
    );
    println!("sum of {survivors} vectors is right; wall {:.1?}; peak memory {}", started.elapsed(), peak());
}

/// Bytes per second of AES-256-CTR in the tiles that masks are made of, without adding them.
fn expansion() -> f64 {
    use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
    let mut tile = vec![0; 32 * 1024];
    let tiles = 16 * 1024;
    let started = clock();
    for counter in 0..tiles {
        tile.fill(0);
        let key = UnboundCipherKey::new(&AES_256, &[7; 32]).expect("a key of 32 bytes");
        let key = EncryptingKey::ctr(key).expect("AES-256 has a counter mode");
        let context = EncryptionContext::Iv128((counter * 2048u128).to_be_bytes().into());
        key.less_safe_encrypt(&mut tile, context).expect("counter mode takes any length");
    }
    (tile.len() as f64 * tiles as f64) / (clock() - started).as_secs_f64()
}

#[derive(Default)]
struct Totals {
    clients: Duration,
    server: Duration,
    up: u64,
    down: u64,
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.clients += other.clients;
        self.server += other.server;
        self.up += other.up;
        self.down += other.down;
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
        let (clients, server) = (self.clients.as_secs_f64(), self.server.as_secs_f64());
        write!(
            f,
            "clients {clients:>7.1} s, server {server:>6.1} s, up {:>8.1} MiB, down {:>8.1} MiB",
            mib(self.up),
            mib(self.down)
        )
    }
}

fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let started = clock();
    let result = work();
    *total += clock() - started;
    result
}

/// Time that this thread had a core, as Linux counts it: other programs on the machine do not matter.
fn clock() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with scheduling statistics");
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok()).expect("nanoseconds first");
    Duration::from_nanos(nanoseconds)
}

fn input(client: u32, length: u32) -> Vec<u64> {
    (0..u64::from(length)).map(|at| (at ^ u64::from(client)).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect()
}

/// The most memory this process held, as Linux counts it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("unknown".into(), |text| text.trim().to_owned())
}
