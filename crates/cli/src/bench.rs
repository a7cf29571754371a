//! `sotto bench requests`: whole release requests against a consortium.
//!
//! Each client goes round: apply, the approvals at once, judge, redeem and open. The consortium is one that runs, or four nodes
//! raised on this machine for the bench, as processes, on loopback, with real keys, TLS and disks, which order the ledger
//! together or leave it to one of them; only the nodes' rate limits are raised then, since all clients come from one address.

pub(crate) mod ledger;
pub(crate) mod mpc;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Client;
use client::flow::{Applying, Ephemeral};
use contracts::message::ContractVersion;
use contracts::record::Role;
use crypto::kem::{PrivateKey, Suite};
use crypto::keystore::FileKeys;
use crypto::{Digest, Secret};
use policy::Means;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use vault::Access;

use crate::args::{AssetKind, BenchArgs, OrderedBy};
use crate::commands::{Surroundings, assets, credential, find, members, offers};
use crate::error::Failure;
use crate::home::{Home, Session, clock};
use crate::output::{Output, Waiting, table};
use crate::passphrase;
use crate::stage::Stage;

/// Runs the bench against a consortium raised for it.
///
/// # Errors
/// Where the consortium cannot be raised; a request that fails is counted instead.
pub(crate) async fn requests(args: BenchArgs, output: &Output) -> Result<(), Failure> {
    let place = tempfile::tempdir().map_err(|error| Failure::of(&error))?;
    let waiting = output.waiting("raising a consortium of four nodes");
    let (stage, scene) = raise(place.path(), &args).await?;
    let (measured, ran) = measure(scene, &args, &waiting).await?;
    drop(waiting);
    stage.lower().await?;
    print(&measured, &args, &ran, output);
    Ok(())
}

/// Runs the bench against a running consortium: the home's principal applies for the contract named, and the approvers'
/// wallets approve.
///
/// # Errors
/// Where the contract is not for release, a wallet does not open, or the approvers are too few.
pub(crate) async fn running(args: BenchArgs, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let waiting = output.waiting("opening the wallets");
    let scene = join(&args, surroundings).await?;
    let (measured, ran) = measure(scene, &args, &waiting).await?;
    drop(waiting);
    print(&measured, &args, &ran, output);
    Ok(())
}

/// Has all clients at work for the time given.
async fn measure(scene: Scene, args: &BenchArgs, waiting: &Waiting) -> Result<(Measured, Ran), Failure> {
    let ordered_by = ordered_by(&scene.clients[0].0).await?;
    waiting.say(format!("{} clients at work for {} s", args.clients, args.seconds));
    let scene = Arc::new(scene);
    let begun = Instant::now();
    let until = begun + Duration::from_secs(args.seconds.into());
    let at_work: Vec<_> =
        (0..args.clients as usize).map(|number| tokio::spawn(rounds(scene.clone(), number, until))).collect();
    let mut measured = Measured::default();
    for client in at_work {
        measured.join(client.await.map_err(|error| Failure::of(&error))?);
    }
    let ran = Ran { ordered_by, elapsed: begun.elapsed() };
    waiting.say("fetching receipts");
    receipts(&scene, &mut measured).await?;
    Ok((measured, ran))
}

/// How long a node takes to serve a receipt, one after the other and with nothing else to do, once a quorum has cosigned it.
async fn receipts(scene: &Scene, measured: &mut Measured) -> Result<(), Failure> {
    for (number, request) in std::mem::take(&mut measured.done).into_iter().take(RECEIPTS) {
        let client = &scene.clients[number].0;
        // The first time may wait for the quorum.
        client.receipt(&request).await?;
        let mut begun = Instant::now();
        client.receipt(&request).await?;
        measured.step("receipt", &mut begun);
    }
    Ok(())
}

/// How all clients were at work.
struct Ran {
    ordered_by: OrderedBy,
    elapsed: Duration,
}

/// Who orders the ledger, as a node says it.
async fn ordered_by(client: &Client) -> Result<OrderedBy, Failure> {
    let together = client.health().await?.ordering.starts_with("quorum");
    Ok(if together { OrderedBy::Validators } else { OrderedBy::Leader })
}

/// What the clients share.
struct Scene {
    contract: ContractVersion,
    purpose: String,
    root: Digest,
    /// How many of the approvers speak for each request.
    required: usize,
    approvers: Vec<Session>,
    /// One for each approval that an approver's wallet has under way.
    at_once: Semaphore,
    /// Each at the owner's node, by a connection of its own, with the credentials it brings.
    clients: Vec<(Client, Vec<Vec<u8>>)>,
}

/// The scene of a running consortium.
async fn join(args: &BenchArgs, surroundings: &Surroundings) -> Result<Scene, Failure> {
    let session = surroundings.session()?;
    let named = args.contract.as_deref().expect("without a contract the bench raises its own consortium");
    let contract = find::contract(&session.client, named).await?;
    if contract.terms.means != Means::Release {
        return Err(Failure::new(format!("`{named}` is for computations")).hint("name a contract for release"));
    }
    let required = contract.terms.approvals.required as usize;
    if args.approvers.len() < required {
        return Err(Failure::new(format!("`{named}` requires {required} approvals, from as many approvers"))
            .hint("name their homes: --approver DIR, repeated"));
    }
    let passphrase = match &args.approvers_passphrase_file {
        Some(file) => passphrase::existing(Some(file))?,
        None => surroundings.passphrase()?,
    };
    let approvers =
        args.approvers.iter().map(|home| Home::at(home).open(&passphrase)).collect::<Result<Vec<_>, _>>()?;
    let asset = find::asset(&session.client, &contract.terms.asset.to_string()).await?;
    let root = client::fetch::registered_root(&asset).ok_or_else(|| Failure::new("the asset has no root"))?;
    let credentials = args.credentials.iter().map(|path| credential::read(path)).collect::<Result<Vec<_>, _>>()?;
    let purpose = args.purpose.clone().or_else(|| contract.terms.purposes.first().cloned());
    let purpose = purpose.ok_or_else(|| Failure::new("the contract names no purpose"))?;
    let mut clients = Vec::new();
    for _ in 0..args.clients {
        let client = session.client.at_member(&contract.owner).await?;
        clients.push((client.at(client.endpoint().apart()), credentials.clone()));
    }
    let contract = ContractVersion { contract: contract.id, version: contract.version };
    let at_once = at_once(&approvers);
    Ok(Scene { contract, purpose, root, required, approvers, at_once, clients })
}

async fn raise(directory: &Path, args: &BenchArgs) -> Result<(Stage, Scene), Failure> {
    let stage = Stage::raise(
        directory,
        "bench",
        "health-authority",
        &["st-anna", "riverside", "northgate"],
        RATES,
        &mut |_| {},
    )
    .await?;
    if args.ordered_by == OrderedBy::Validators {
        stage.order_together().await?;
    }
    let regulator = &stage.member("health-authority").operator.client;
    members::establish(regulator, ["st-anna", "riverside", "northgate"].map(str::to_owned).to_vec(), 2).await?;
    let mut approvers = Vec::new();
    for name in ["dr-veit", "dr-okafor", "dr-lund"] {
        approvers.push(stage.principal("northgate", name, vec![Role::Approver]).await?);
    }
    let issuer = stage.outsider("university", "northgate").await?.wallet;
    members::accredit(regulator, "university", issuer.key(), vec!["researcher".into()]).await?;
    let inputs = crate::demo::samples(&directory.join("inputs"))?;
    let owner = &stage.member("northgate").operator.client;
    let asset = assets::seal(owner, &inputs.join("northgate.csv"), "trial", AssetKind::Table).await?;
    let root = client::fetch::registered_root(&asset).ok_or_else(|| Failure::new("the asset has no root"))?;
    let contract = offers::offer(owner, "northgate", &inputs.join("northgate-release.toml")).await?;
    // All clients' keys in one store, so that its passphrase is stretched once.
    let keys =
        Arc::new(FileKeys::create(directory.join("clients.sealed"), &Secret::new(crypto::random::<16>().to_vec()))?);
    let mut requesters = Vec::new();
    for number in 0..args.clients {
        let handle = format!("client-{number}");
        let key = keys.generate_signing(&handle)?;
        let vouched = credential::issue(&issuer, key, &handle, vec!["researcher".into()], 1)?;
        let client = Client::new(owner.endpoint().apart(), keys.clone(), &handle, owner.chain(), clock())?;
        requesters.push((client, vec![wire::to_vec(&vouched)]));
    }
    let contract = ContractVersion { contract, version: 1 };
    let purpose = "research".to_owned();
    let at_once = at_once(&approvers);
    Ok((stage, Scene { contract, purpose, root, required: 2, approvers, at_once, clients: requesters }))
}

/// Milliseconds of each step, and of whole requests; errors by code.
#[derive(Default)]
struct Measured {
    whole: Vec<f64>,
    steps: BTreeMap<&'static str, Vec<f64>>,
    errors: BTreeMap<String, u64>,
    /// The first requests of each client, by its number.
    done: Vec<(usize, Digest)>,
}

impl Measured {
    fn join(&mut self, other: Self) {
        self.whole.extend(other.whole);
        self.done.extend(other.done);
        for (step, times) in other.steps {
            self.steps.entry(step).or_default().extend(times);
        }
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
    }

    fn step(&mut self, step: &'static str, begun: &mut Instant) {
        self.steps.entry(step).or_default().push(begun.elapsed().as_secs_f64() * 1000.0);
        *begun = Instant::now();
    }
}

async fn rounds(scene: Arc<Scene>, number: usize, until: Instant) -> Measured {
    let mut measured = Measured::default();
    while Instant::now() < until {
        let begun = Instant::now();
        match round(&scene, number, &mut measured).await {
            Ok(()) => measured.whole.push(begun.elapsed().as_secs_f64() * 1000.0),
            Err(error) => {
                let code = error.code().map_or_else(|| error.to_string(), str::to_owned);
                *measured.errors.entry(code).or_default() += 1;
                // A node that refuses because of its rate limits is not pressed harder.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    measured
}

/// One whole request.
async fn round(scene: &Scene, number: usize, measured: &mut Measured) -> Result<(), client::Error> {
    let (client, credentials) = &scene.clients[number];
    let mut begun = Instant::now();
    let key = Arc::new(PrivateKey::generate(Suite::XWing));
    let ephemeral = Ephemeral::Held(key.clone());
    let applying = Applying {
        contracts: vec![scene.contract],
        purpose: scene.purpose.clone(),
        justification: "measuring".to_owned(),
        evidence: credentials.iter().map(|credential| ("credential".to_owned(), credential.clone())).collect(),
        ephemeral: ephemeral.public()?,
    };
    let request = client.apply(applying).await?.id;
    measured.step("apply", &mut begun);
    let contract = &scene.contract.contract;
    let approvals = (0..scene.required).map(async |turn| {
        let approver = &scene.approvers[(number + turn) % scene.approvers.len()].client;
        let _place = scene.at_once.acquire().await.expect("it is never closed");
        approver.approve(&request, contract, true).await
    });
    futures_util::future::try_join_all(approvals).await?;
    measured.step("approve", &mut begun);
    let token = client.judge(&request).await?.grant.ok_or(client::Error::Unfit("no grant"))?;
    measured.step("judge", &mut begun);
    let sealed = client.redeem(&token).await?.bytes(client::http::MAX_ANSWER).await?;
    measured.step("redeem", &mut begun);
    let mut plaintext = Vec::new();
    vault::open(&*sealed, &mut plaintext, &Access::Private(&key), Some(&scene.root))?;
    measured.step("open", &mut begun);
    if measured.done.len() < RECEIPTS {
        measured.done.push((number, request));
    }
    Ok(())
}

fn print(measured: &Measured, args: &BenchArgs, ran: &Ran, output: &Output) {
    let (ordered_by, elapsed) = (ran.ordered_by, ran.elapsed.as_secs_f64());
    let rate = measured.whole.len() as f64 / elapsed;
    let errors: u64 = measured.errors.values().sum();
    let [p50, p95, p99] = percentiles(&measured.whole);
    let steps: Map<String, Value> = measured
        .steps
        .iter()
        .map(|(step, times)| {
            let [p50, p95, p99] = percentiles(times);
            ((*step).to_owned(), json!({ "p50_ms": p50, "p95_ms": p95, "p99_ms": p99 }))
        })
        .collect();
    let value = json!({
        "clients": args.clients, "seconds": args.seconds, "ordered_by": ordered_by, "requests": measured.whole.len(),
        "requests_per_second": round_to(rate),
        "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "errors": errors, "error_codes": measured.errors, "steps": steps,
    });
    let row = |name: &str, times: &[f64]| {
        [vec![name.to_owned()], percentiles(times).map(|ms| format!("{ms:.1}")).to_vec()].concat()
    };
    let rows = measured
        .steps
        .iter()
        .map(|(step, times)| row(step, times))
        .chain([row("whole request", &measured.whole)])
        .collect();
    let text = format!(
        "{} clients, {elapsed:.1} s, ordered by {}: {} requests, {rate:.1} per second, {errors} errors {:?}\n{}",
        args.clients,
        if ordered_by == OrderedBy::Leader { "one node" } else { "the validators" },
        measured.whole.len(),
        measured.errors,
        table(&["step", "p50 ms", "p95 ms", "p99 ms"], rows, "")
    );
    output.result(&value, &round_to(rate).to_string(), &text);
}

/// The 50th, 95th and 99th percentile, in tenths; zeros of nothing.
fn percentiles(times: &[f64]) -> [f64; 3] {
    [0.50, 0.95, 0.99].map(|share| percentile(times, share))
}

/// By the nearest rank.
fn percentile(times: &[f64], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    round_to(sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0))
}

fn round_to(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The few approvers stand for many: their wallets do not open a connection for each request that waits.
fn at_once(approvers: &[Session]) -> Semaphore {
    Semaphore::new(approvers.len() * APPROVALS)
}

/// Approvals that a wallet has under way at once, at most.
const APPROVALS: usize = 64;
/// Receipts fetched in the end.
const RECEIPTS: usize = 200;

/// All clients share one address here.
const RATES: &[(&str, &str)] = &[
    ("SOTTO_NODE_LIMITS__ADDRESS_RATE", "100000"),
    ("SOTTO_NODE_LIMITS__CALLER_RATE", "100000"),
    ("SOTTO_NODE_LIMITS__MAX_CONNECTIONS_PER_ADDRESS", "4096"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let times: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentiles(&times), [50.0, 95.0, 99.0]);
        assert_eq!(percentiles(&[7.0]), [7.0; 3]);
        assert_eq!(percentiles(&[]), [0.0; 3]);
    }
}
