//! The mirror of a log against a node that lies, dies or goes back: what does not fit is refused, and never written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::api::LogProof;
use client::log::{Demands, Depth, Error, Exported, check, check_node, covers, export, testify, testify_at_node};
use client::tls::{Identity, provider};
use client::{Client, http::Endpoint};
use crypto::keystore::{Cost, FileKeys};
use crypto::{Secret, SigningKey};
use ledger::{
    AddCheckpoint, Application, Consortium, Context, Effects, Epoch, Failure, Genesis, Ledger, Note, NoteError,
    PinnedWitnesses, Receipt, State, Transaction, Unattested, Validator, VerifiedTransaction, WitnessKey, Write,
};
use rustls::server::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use wire::{Bytes, Fixed};

const NOW: u64 = 1_800_000_000_000;

fn signer(at: u8) -> SigningKey {
    SigningKey::from_seed(&[at; 32])
}

fn epoch() -> Epoch {
    let validator = |at| Validator { name: format!("v{at}"), key: signer(at).public(), ml_dsa: None };
    Epoch { number: 0, validators: (1..=4).map(validator).collect() }
}

fn genesis() -> Genesis {
    Genesis { name: "t".into(), created: NOW, application: Bytes::default(), nonce: Fixed([1; 16]) }
}

fn consortium() -> Consortium {
    let mut consortium = Consortium::new(&genesis());
    consortium.epochs.push(epoch().pinned(0));
    consortium
}

/// Keeps nothing and refuses nothing.
struct Nothing;

impl Application for Nothing {
    fn genesis(&self, _: &[u8]) -> Result<Vec<Write>, Failure> {
        Ok(vec![])
    }

    fn execute(&self, _: &dyn State, _: &Context, _: &VerifiedTransaction) -> Result<Effects, Failure> {
        Ok(Effects { writes: vec![], events: vec![] })
    }

    fn epoch(&self, _: &dyn State) -> Result<Epoch, Failure> {
        Ok(epoch())
    }
}

/// A ledger of one block for each number of transactions, each cosigned by a quorum; `salt` tells forks apart.
fn ledger(blocks: &[u64], salt: &[u8]) -> Ledger {
    let backend = redb::backends::InMemoryBackend::new();
    let ledger = Ledger::open_backend(backend, Arc::new(Nothing), genesis()).unwrap();
    blocks.iter().zip(salt).for_each(|(count, salt)| grow(&ledger, *count, *salt));
    ledger
}

fn grow(ledger: &Ledger, count: u64, salt: u8) {
    let first = ledger.head().log_size;
    let call = |n: u64| {
        let mut nonce = [salt; 16];
        nonce[..8].copy_from_slice(&n.to_be_bytes());
        let transaction = Transaction {
            chain: ledger.chain(),
            sender: signer(9).public(),
            nonce: Fixed(nonce),
            expires: NOW + 1_000,
            contract: "any".into(),
            method: "thing".into(),
            arguments: vec![salt; 40].into(),
        };
        VerifiedTransaction::verify(transaction.sign(&signer(9)), &ledger.chain()).unwrap()
    };
    ledger.propose((first..first + count).map(call).collect(), NOW).unwrap();
    let height = ledger.head().height;
    let checkpoint = ledger.durable_checkpoint(height).unwrap();
    let sign =
        |at: u8| (format!("v{at}"), checkpoint.cosign(7, |bytes| Ok::<_, ()>(signer(at).sign_raw(bytes))).unwrap());
    assert!(ledger.add_cosignatures(height, &[2, 3, 4].map(sign)).unwrap().1);
}

/// What a node is made to do otherwise: given path and honest answer, its answer; none breaks the connection.
type Twist = Box<dyn Fn(&str, Option<Vec<u8>>) -> Option<Option<Vec<u8>>> + Send + Sync>;

/// Another answer in place of an honest one; none where there is nothing.
type Change = fn(Vec<u8>) -> Option<Vec<u8>>;

/// A node over a ledger, as far as its log goes.
struct Node {
    ledger: Mutex<Arc<Ledger>>,
    twist: Mutex<Twist>,
    asked: Mutex<BTreeMap<String, usize>>,
    all: AtomicUsize,
}

impl Node {
    fn honest(&self, path: &str) -> Option<Vec<u8>> {
        let ledger = self.ledger.lock().unwrap().clone();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let number = |name: &str| {
            let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.unwrap().parse::<u64>().unwrap()
        };
        match path {
            "/log/checkpoint" => {
                Some(ledger.note(ledger.cosigned_height().unwrap()?).unwrap().to_string().into_bytes())
            }
            "/v1/log/consistency" => {
                let path = ledger.consistency(number("old"), number("new")).unwrap();
                Some(serde_json::to_vec(&LogProof { path }).unwrap())
            }
            // Small pages, so that a bundle takes several.
            "/v1/log/records" => Some(ledger.records(number("from"), number("to"), 20_000).unwrap()),
            _ => ledger.tile(&path.strip_prefix("/log/")?.parse().ok()?).unwrap(),
        }
    }

    fn twist(&self, twist: impl Fn(&str, Option<Vec<u8>>) -> Option<Option<Vec<u8>>> + Send + Sync + 'static) {
        *self.twist.lock().unwrap() = Box::new(twist);
    }

    fn mend(&self) {
        self.twist(|_, honest| Some(honest));
    }
}

/// Serves a ledger's log over pinned TLS; each connection carries one request.
async fn serve(ledger: Ledger, directory: &Path) -> (Arc<Node>, Client) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["member".to_owned()]).unwrap().self_signed(&key).unwrap();
    let identity = Identity::new(certificate.der(), &Secret::new(key.serialize_der())).unwrap();
    let builder =
        ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_no_client_auth().with_cert_resolver(identity.resolver())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let node = Arc::new(Node {
        ledger: Mutex::new(Arc::new(ledger)),
        twist: Mutex::new(Box::new(|_, honest| Some(honest))),
        asked: Mutex::default(),
        all: AtomicUsize::new(0),
    });
    let serving = node.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, node) = (acceptor.clone(), serving.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = vec![0; 16 * 1024];
                let Ok(length) = stream.read(&mut request).await else { return };
                let head = String::from_utf8_lossy(&request[..length]).into_owned();
                let Some(path) = head.split(' ').nth(1) else { return };
                node.all.fetch_add(1, Ordering::Relaxed);
                *node.asked.lock().unwrap().entry(path.to_owned()).or_default() += 1;
                let answer = (node.twist.lock().unwrap())(path, node.honest(path));
                let Some(answer) = answer else { return };
                let status = if answer.is_some() { "200 OK" } else { "404 Not Found" };
                let body = answer.unwrap_or_default();
                let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    let keys = FileKeys::create_with(directory.join("keys"), &Secret::new(b"p".to_vec()), Cost::danger_weak()).unwrap();
    keys.generate_signing("principal").unwrap();
    let endpoint = Endpoint::new(&address, identity.spki_digest(), None).unwrap();
    let client = Client::new(endpoint, Arc::new(keys), "principal", genesis().chain(), Arc::new(|| NOW)).unwrap();
    (node, client)
}

async fn mirror(client: &Client, directory: &Path) -> Result<Exported, Error> {
    export(client, &consortium(), directory, Depth::Records, |_, _| {}).await
}

fn whole(directory: &Path) -> bool {
    check(directory, &consortium(), Demands::default()).is_ok_and(|checked| checked.records == checked.checkpoint.size)
}

#[tokio::test]
async fn every_changed_answer_is_refused() {
    let room = tempfile::tempdir().unwrap();
    let (node, client) = serve(ledger(&[300, 250], &[0, 0]), room.path()).await;
    assert_eq!(mirror(&client, &room.path().join("good")).await.unwrap().checkpoint.size, 550);
    assert!(whole(&room.path().join("good")));
    let paths: BTreeSet<String> = node.asked.lock().unwrap().keys().cloned().collect();
    assert!(paths.len() > 10, "{paths:?}");
    for (round, path) in paths.iter().enumerate() {
        let directory = room.path().join(format!("bad-{round}"));
        let twisted = |twist: Change| {
            let path = path.clone();
            node.twist(move |asked, honest| Some(if asked == path { honest.and_then(twist) } else { honest }));
        };
        let twists: [Change; 6] = [
            |mut bytes| {
                let at = bytes.len() / 2;
                bytes[at] ^= 1;
                Some(bytes)
            },
            |mut bytes| {
                bytes.pop();
                Some(bytes)
            },
            |bytes| Some([bytes.as_slice(), &bytes].concat()),
            |bytes| Some(bytes.into_iter().rev().collect()),
            |_| Some(vec![]),
            |_| None,
        ];
        for (at, twist) in twists.into_iter().enumerate() {
            twisted(twist);
            let outcome = mirror(&client, &directory).await;
            // Records twice over are cut off where the bundle ends.
            let harmless = at == 2 && path.starts_with("/v1/log/records");
            assert!(outcome.is_err() || harmless, "{path}, {at}: {outcome:?}");
            match outcome {
                Ok(_) => std::fs::remove_dir_all(&directory).unwrap(),
                Err(_) => assert!(!directory.join("checkpoint").exists(), "{path}, {at}"),
            }
        }
        // What was written before the refusal is good: it goes on from there.
        node.mend();
        mirror(&client, &directory).await.unwrap();
        assert!(whole(&directory), "{path}");
        std::fs::remove_dir_all(directory).unwrap();
    }
}

#[tokio::test]
async fn it_goes_on_wherever_it_was_cut_off() {
    let room = tempfile::tempdir().unwrap();
    let (node, client) = serve(ledger(&[300, 250], &[0, 0]), room.path()).await;
    let directory = room.path().join("log");
    let mut cuts = 0;
    loop {
        // A bundle of records takes several answers, and is fetched as a whole.
        let (answered, allowed) = (AtomicUsize::new(0), 6 + cuts % 10);
        node.twist(move |_, honest| (answered.fetch_add(1, Ordering::Relaxed) < allowed).then_some(honest));
        match mirror(&client, &directory).await {
            Ok(_) => break,
            Err(_) => assert!(!directory.join("checkpoint").exists()),
        }
        cuts += 1;
        assert!(cuts < 100, "it makes progress");
    }
    assert!(cuts > 2 && whole(&directory));
    // Nothing is fetched twice that was there; what came since is.
    node.mend();
    let before = node.all.load(Ordering::Relaxed);
    assert_eq!(mirror(&client, &directory).await.unwrap().written, 0);
    let again = node.all.load(Ordering::Relaxed) - before;
    assert!(again <= 4, "{again}");
    grow(&node.ledger.lock().unwrap().clone(), 5, 0);
    let grown = mirror(&client, &directory).await.unwrap();
    assert_eq!((grown.before, grown.checkpoint.size), (550, 555));
    assert!(whole(&directory));
    // The partial tiles of the checkpoint before may still be asked for; its records are in the longer bundle.
    assert!(directory.join("tile/0/002.p/38").exists() && !directory.join("records/002.p/38").exists());
}

#[tokio::test]
async fn a_log_that_goes_back_or_forks_is_refused() {
    let room = tempfile::tempdir().unwrap();
    let (node, client) = serve(ledger(&[300, 250], &[0, 0]), room.path()).await;
    let directory = room.path().join("log");
    mirror(&client, &directory).await.unwrap();
    let kept = Note::parse(&std::fs::read_to_string(directory.join("checkpoint")).unwrap()).unwrap();
    let demands = Demands { since: Some(&kept), ..Demands::default() };
    let pinned = consortium();
    assert!(check_node(&client, &pinned, demands).await.is_ok());
    let put = |ledger: Ledger| *node.ledger.lock().unwrap() = Arc::new(ledger);

    // Back to a genuine checkpoint of before.
    put(ledger(&[300], &[0]));
    assert!(matches!(mirror(&client, &directory).await, Err(Error::Behind { found: 300, known: 550 })));
    assert!(matches!(check_node(&client, &pinned, demands).await, Err(Error::Behind { .. })));
    // Other transactions in the second block: of the same size, and grown from there.
    put(ledger(&[300, 250], &[0, 1]));
    assert!(matches!(mirror(&client, &directory).await, Err(Error::Fork { size: 550 })));
    assert!(matches!(check_node(&client, &pinned, demands).await, Err(Error::Fork { size: 550 })));
    put(ledger(&[300, 250, 10], &[0, 1, 1]));
    assert!(matches!(mirror(&client, &directory).await, Err(Error::Inconsistent { old: 550, new: 560 })));
    assert!(matches!(check_node(&client, &pinned, demands).await, Err(Error::Inconsistent { .. })));
    // Another consortium's, or none that a quorum stands behind.
    let mut other = consortium();
    other.epochs[0].validators[3].key = signer(8).public();
    assert!(matches!(check_node(&client, &other, Demands::default()).await, Err(Error::Note(_))));
    // Nothing of it reached the directory.
    assert!(whole(&directory));
    put(ledger(&[300, 250, 10], &[0, 0, 0]));
    mirror(&client, &directory).await.unwrap();
    assert!(whole(&directory) && check(&directory, &pinned, demands).is_ok());
    let forked = ledger(&[300, 250], &[0, 1]).note(2).unwrap();
    let demands = Demands { since: Some(&forked), ..Demands::default() };
    assert!(matches!(check(&directory, &pinned, demands), Err(Error::Inconsistent { old: 550, new: 560 })));
}

#[tokio::test]
async fn a_demanded_witness_must_have_cosigned_this_very_checkpoint() {
    let room = tempfile::tempdir().unwrap();
    let (node, client) = serve(ledger(&[20, 5], &[0, 0]), room.path()).await;
    let key = WitnessKey::new("w.example/1", signer(7).public()).unwrap();
    let witnesses = [key.clone()];
    let demands = Demands { witnesses: &witnesses, since: None };
    assert!(matches!(check_node(&client, &consortium(), demands).await, Err(Error::Unwitnessed(_))));
    let lines = |height| {
        let ledger = node.ledger.lock().unwrap().clone();
        let cosign = ledger.checkpoint(height).unwrap().cosign(9, |bytes| Ok::<_, ()>(signer(7).sign_raw(bytes)));
        key.line(&cosign.unwrap())
    };
    for (height, holds) in [(1, false), (2, true)] {
        let line = lines(height) + "\n";
        node.twist(move |path, honest| {
            let add = |mut note: Vec<u8>| {
                note.extend_from_slice(line.as_bytes());
                note
            };
            Some(if path == "/log/checkpoint" { honest.map(add) } else { honest })
        });
        let checked = check_node(&client, &consortium(), demands).await;
        assert_eq!(checked.is_ok(), holds, "{checked:?}");
        if let Ok(checked) = checked {
            assert_eq!(checked.witnesses, [("w.example/1".to_owned(), 9)]);
            let request = AddCheckpoint { old: 0, proof: vec![], note: checked.note };
            assert_eq!(request.to_string().parse(), Ok(request));
        }
    }
}

/// What a receipt's checkpoint is worth beside a log that a witness cosigned.
#[tokio::test]
async fn an_older_checkpoint_is_part_of_the_log_or_refused() {
    let room = tempfile::tempdir().unwrap();
    let (node, client) = serve(ledger(&[300, 250, 7], &[0, 0, 0]), room.path()).await;
    let directory = room.path().join("log");
    export(&client, &consortium(), &directory, Depth::Hashes, |_, _| {}).await.unwrap();
    let of = |ledger: &Ledger, height| ledger.checkpoint(height).unwrap();
    let own = node.ledger.lock().unwrap().clone();
    let covered = |checkpoint| covers(&directory, &consortium(), &[], &checkpoint);
    for height in 1..=3 {
        assert_eq!(covered(of(&own, height)).unwrap().checkpoint.size, 557);
    }
    let fork = ledger(&[300, 250, 7, 1], &[0, 1, 1, 1]);
    assert!(covered(of(&fork, 1)).is_ok());
    assert!(matches!(covered(of(&fork, 2)), Err(Error::Inconsistent { old: 550, new: 557 })));
    assert!(matches!(covered(of(&fork, 3)), Err(Error::Fork { size: 557 })));
    assert!(matches!(covered(of(&fork, 4)), Err(Error::Behind { found: 557, known: 558 })));
    let key = WitnessKey::new("w.example/1", signer(7).public()).unwrap();
    let demanded = covers(&directory, &consortium(), std::slice::from_ref(&key), &of(&own, 1));
    assert!(matches!(demanded, Err(Error::Unwitnessed(_))));
    let note = std::fs::read_to_string(directory.join("checkpoint")).unwrap();
    let line = key.line(&of(&own, 3).cosign(9, |bytes| Ok::<_, ()>(signer(7).sign_raw(bytes))).unwrap());
    std::fs::write(directory.join("checkpoint"), format!("{note}{line}\n")).unwrap();
    assert!(covers(&directory, &consortium(), &[key], &of(&own, 1)).is_ok());
    // A tile of the path that was changed, and one that is gone.
    let tile = directory.join("tile/0/001");
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[44 * 32] ^= 1;
    std::fs::write(&tile, bytes).unwrap();
    assert!(matches!(covered(of(&own, 1)), Err(Error::Inconsistent { old: 300, new: 557 })));
    std::fs::remove_file(tile).unwrap();
    assert!(matches!(covered(of(&own, 1)), Err(Error::Missing { .. })));
}

/// A receipt of the second entry of the second block.
fn receipt(ledger: &Ledger) -> Receipt {
    let id = ledger.entries(21, 22).unwrap()[0].transaction.id();
    ledger.receipt(&[id]).unwrap()
}

/// The line of the witness `w.example/<seed>`.
fn witnessed(ledger: &Ledger, height: u64, seed: u8) -> String {
    let cosigned = ledger.checkpoint(height).unwrap().cosign(9, |bytes| Ok::<_, ()>(signer(seed).sign_raw(bytes)));
    witness(seed).line(&cosigned.unwrap())
}

fn witness(seed: u8) -> WitnessKey {
    WitnessKey::new(&format!("w.example/{seed}"), signer(seed).public()).unwrap()
}

#[tokio::test]
async fn a_receipt_gets_what_the_published_checkpoints_witnesses_say() {
    let room = tempfile::tempdir().unwrap();
    let (node, client) = serve(ledger(&[20, 5, 9], &[0, 0, 0]), room.path()).await;
    let own = node.ledger.lock().unwrap().clone();
    let plain = receipt(&own);
    let pinned = |seeds: &[u8], least| {
        PinnedWitnesses::new(seeds.iter().map(|seed| witness(*seed)), least, &consortium()).unwrap()
    };
    let ask = async |witnesses: Option<&PinnedWitnesses>, patience| {
        testify_at_node(&client, &consortium(), &plain, witnesses, Duration::from_secs(patience)).await
    };
    let says = |lines: Vec<String>| {
        let lines: String = lines.into_iter().map(|line| line + "\n").collect();
        node.twist(move |path, honest| {
            let add = |note: Vec<u8>| [note.as_slice(), lines.as_bytes()].concat();
            Some(if path == "/log/checkpoint" { honest.map(add) } else { honest })
        });
    };
    // Nobody cosigned, or not this checkpoint; or others than those who are demanded, or too few of them.
    let unwitnessed =
        |found: &Result<Receipt, Error>| matches!(found, Err(Error::Note(NoteError::Unwitnessed { size: 34 })));
    assert!(unwitnessed(&ask(None, 0).await));
    says(vec![witnessed(&own, 2, 7)]);
    assert!(unwitnessed(&ask(Some(&pinned(&[7], None)), 0).await));
    says(vec![witnessed(&own, 3, 7)]);
    assert!(unwitnessed(&ask(Some(&pinned(&[8], None)), 0).await));
    let few = ask(Some(&pinned(&[7, 8], None)), 0).await;
    assert!(matches!(few, Err(Error::Unattested(Unattested::Few { found: 1, demanded: 2, .. }))), "{few:?}");
    let claimed = |receipt: &Receipt| {
        let verified = receipt.verify(&consortium()).unwrap();
        let testimony = verified.testimony.unwrap();
        assert_eq!((verified.checkpoint.size, testimony.checkpoint.size), (25, 34));
        testimony.danger_claimed().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(claimed(&ask(Some(&pinned(&[7, 8], Some(1))), 0).await.unwrap()), ["w.example/7"]);
    says(vec![witnessed(&own, 3, 8), witnessed(&own, 3, 7)]);
    let both = ask(None, 0).await.unwrap();
    assert_eq!(claimed(&both), ["w.example/7", "w.example/8"]);

    // They cosign while it waits.
    let (asked, line) = (AtomicUsize::new(0), witnessed(&own, 3, 7) + "\n");
    node.twist(move |path, honest| {
        let ready = path == "/log/checkpoint" && asked.fetch_add(1, Ordering::Relaxed) >= 2;
        Some(if ready { honest.map(|note| [note.as_slice(), line.as_bytes()].concat()) } else { honest })
    });
    assert_eq!(claimed(&ask(Some(&pinned(&[7], None)), 120).await.unwrap()), ["w.example/7"]);

    // A node that lies about the path, one that is behind, and one of a fork that its witness saw.
    let line = witnessed(&own, 3, 7) + "\n";
    let other = own.consistency(20, 34).unwrap();
    node.twist(move |path, honest| {
        let lie = || serde_json::to_vec(&LogProof { path: other.clone() }).unwrap();
        Some(match path {
            "/log/checkpoint" => honest.map(|note| [note.as_slice(), line.as_bytes()].concat()),
            _ => honest.map(|_| lie()),
        })
    });
    assert!(matches!(ask(None, 0).await, Err(Error::Inconsistent { old: 25, new: 34 })));
    node.mend();
    let put = |ledger: Ledger| *node.ledger.lock().unwrap() = Arc::new(ledger);
    put(ledger(&[20], &[0]));
    assert!(matches!(ask(None, 0).await, Err(Error::Behind { found: 20, known: 25 })));
    let fork = ledger(&[20, 5, 9], &[0, 1, 1]);
    says(vec![witnessed(&fork, 3, 7)]);
    put(fork);
    assert!(matches!(ask(None, 60).await, Err(Error::Inconsistent { old: 25, new: 34 })));
    put(ledger(&[20, 5], &[0, 1]));
    assert!(matches!(ask(None, 60).await, Err(Error::Fork { size: 25 })));
    // What does not verify itself is given no testimony.
    let mut others = consortium();
    others.epochs[0].validators[3].key = signer(8).public();
    let refused = testify_at_node(&client, &others, &plain, None, Duration::ZERO).await;
    assert!(matches!(refused, Err(Error::Note(NoteError::Unproven(_)))));

    // The same from a mirror, without the node.
    node.mend();
    *node.ledger.lock().unwrap() = own.clone();
    let directory = room.path().join("log");
    export(&client, &consortium(), &directory, Depth::Hashes, |_, _| {}).await.unwrap();
    let mirrored = |witnesses: Option<&PinnedWitnesses>| testify(&directory, &consortium(), &plain, witnesses);
    assert!(unwitnessed(&mirrored(None)));
    let note = std::fs::read_to_string(directory.join("checkpoint")).unwrap();
    let lines = [witnessed(&own, 3, 8), witnessed(&own, 3, 7)].map(|line| line + "\n").concat();
    std::fs::write(directory.join("checkpoint"), note + &lines).unwrap();
    assert_eq!(mirrored(None).unwrap(), both);
    assert_eq!(claimed(&mirrored(Some(&pinned(&[8], None))).unwrap()), ["w.example/8"]);
    let few = mirrored(Some(&pinned(&[8, 6], None)));
    assert!(matches!(few, Err(Error::Unattested(Unattested::Few { found: 1, .. }))));
    std::fs::remove_file(directory.join("tile/0/000.p/34")).unwrap();
    assert!(matches!(mirrored(None), Err(Error::Missing { .. })));
}
