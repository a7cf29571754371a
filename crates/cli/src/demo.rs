//! The demo: two requests through their whole life on real data, seven refusals, receipts verified offline.
//!
//! It calls what the commands call; nothing in the path is made for it.

mod account;
mod ended;
mod refusals;
mod samples;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use client::Client;
use client::api::{Computation, GrantToken};
use client::flow::{Applying, Ephemeral};
use contracts::message::ContractVersion;
use contracts::record::Role;
use crypto::Digest;
use crypto::kem::Suite;
use query::{Answer, Program, Table};

use crate::args::{AssetKind, DemoArgs};
use crate::commands::{assets, audit, members, offers};
use crate::error::{Doing as _, Failure};
use crate::home::Session;
use crate::output::Output;
use crate::stage::Stage;
pub(crate) use samples::write as samples;

use account::Teller;

/// What the demo has to show.
pub(crate) struct Report {
    members: Vec<String>,
    release: Release,
    answer: Answer,
    dropped: Option<Dropped>,
    cut: Option<Cut>,
    killed: Option<Killed>,
    refusals: Vec<Refusal>,
    timings: Vec<(String, u128)>,
    receipts: Vec<PathBuf>,
    consortium: PathBuf,
    fingerprint: String,
    directory: PathBuf,
}

/// A hospital whose node died in the middle of two computations.
pub(crate) struct Dropped {
    member: String,
    /// How the computation that needs all parties ended.
    told: String,
    /// Where it went on when the node was back.
    resumed: String,
    /// Who destroyed what it held of computations whose contracts have ended.
    ended: Vec<String>,
}

/// A link that failed, and who carried what went over it.
pub(crate) struct Cut {
    members: [&'static str; 2],
    carriers: BTreeSet<String>,
}

/// A validator that was killed, and how far it had to catch up.
pub(crate) struct Killed {
    member: String,
    /// The newest block when it was killed, and when it was back.
    blocks: [u64; 2],
}

/// The release that was received.
pub(crate) struct Release {
    sha256: Digest,
    root: Digest,
    rows: usize,
}

/// A refusal that happened.
pub(crate) struct Refusal {
    case: &'static str,
    code: String,
    told: String,
}

/// Runs the demo.
///
/// # Errors
/// Where anything is not as it should be.
pub(crate) async fn run(args: DemoArgs, output: &Output) -> Result<(), Failure> {
    let place = Place::prepare(args.keep.as_deref())?;
    let interrupted = tokio::signal::ctrl_c();
    tokio::select! {
        // Dropping the stage ends its nodes.
        _ = interrupted => Err(Failure::new("interrupted; the nodes have stopped")),
        played = play(&args, place.path(), output) => played,
    }?;
    place.leave()
}

async fn play(args: &DemoArgs, directory: &Path, output: &Output) -> Result<(), Failure> {
    let mut teller = Teller::new(output);
    let cast = Cast::gather(directory, &mut teller).await?;
    let Cast { mut stage, people } = cast;
    let performed = perform(&mut stage, &people, directory, args, &mut teller).await;
    // A node that has died says more than what failed for want of it, unless it was meant to.
    if args.drop.is_none() && args.kill.is_none() {
        stage.check()?;
    }
    let report = performed?;
    stage.check()?;
    account::print(&report, output)?;
    if args.serve {
        account::serve(&stage, &report, output);
        std::future::pending::<()>().await;
    }
    stage.lower().await?;
    Ok(())
}

/// The consortium and the people in it.
struct Cast {
    stage: Stage,
    people: People,
}

/// Who acts, beside the members' operators.
struct People {
    approvers: Vec<Session>,
    boards: Vec<Session>,
    researcher: Session,
    credential: Vec<u8>,
    /// Holds a credential of an issuer that nobody accredited.
    pretender: Session,
    diploma: Vec<u8>,
}

impl Cast {
    /// Founds the consortium, lets its members and their people in, and has all validators order the ledger.
    async fn gather(directory: &Path, teller: &mut Teller<'_>) -> Result<Self, Failure> {
        let mut say = |text: &str| teller.say(text);
        let begun = Instant::now();
        let stage = Stage::raise(directory, "ACTG 175 consortium", REGULATOR, &HOSPITALS, HELP, &mut say).await?;
        teller.timed("found_and_join", begun);

        let begun = Instant::now();
        teller.say("the four nodes begin to order the ledger together");
        stage.order_together().await?;
        teller.timed("order_together", begun);

        let begun = Instant::now();
        teller.say("the hospitals make the oracles' key together");
        let regulator = &stage.member(REGULATOR).operator.client;
        members::establish(regulator, HOSPITALS.map(str::to_owned).to_vec(), 2).await?;
        teller.timed("oracle_key", begun);

        let begun = Instant::now();
        teller.say("people get their keys and roles");
        let mut approvers = Vec::new();
        for name in ["dr-veit", "dr-okafor", "dr-lund"] {
            approvers.push(stage.principal("northgate", name, vec![Role::Approver]).await?);
        }
        let mut boards = Vec::new();
        for hospital in HOSPITALS {
            boards.push(stage.principal(hospital, "data-steward", vec![Role::Approver]).await?);
        }
        let university = stage.outsider("university", "northgate").await?;
        members::accredit(regulator, "university", university.wallet.key(), vec!["researcher".into()]).await?;
        let researcher = stage.outsider("researcher", "northgate").await?;
        let credential = Stage::vouch(&university.wallet, &researcher, "Dr. Rosalind Vega", &["researcher"])?;
        let mill = stage.outsider("diploma-mill", "northgate").await?;
        let pretender = stage.outsider("pretender", "northgate").await?;
        let diploma = Stage::vouch(&mill.wallet, &pretender, "Dr. Nobody", &["researcher"])?;
        teller.timed("people", begun);
        Ok(Self { stage, people: People { approvers, boards, researcher, credential, pretender, diploma } })
    }
}

async fn perform(
    stage: &mut Stage,
    people: &People,
    directory: &Path,
    args: &DemoArgs,
    teller: &mut Teller<'_>,
) -> Result<Report, Failure> {
    let drop = args.drop.as_deref();
    let inputs = samples::write(&directory.join("inputs"))?;
    let begun = Instant::now();
    for hospital in HOSPITALS {
        teller.say(&format!("{hospital} seals its table"));
        assets::seal(
            &stage.member(hospital).operator.client,
            &inputs.join(format!("{hospital}.csv")),
            "trial",
            AssetKind::Table,
        )
        .await?;
    }
    teller.timed("seal", begun);

    let begun = Instant::now();
    teller.say("contracts are offered");
    let northgate = &stage.member("northgate").operator.client;
    let release_contract = offers::offer(northgate, "northgate", &inputs.join("northgate-release.toml")).await?;
    let mut compute_contracts = Vec::new();
    let mut dropout_contracts = Vec::new();
    for hospital in HOSPITALS {
        let operator = &stage.member(hospital).operator.client;
        compute_contracts.push(offers::offer(operator, hospital, &inputs.join("compute.toml")).await?);
        if drop.is_some() {
            dropout_contracts.push(offers::offer(operator, hospital, &inputs.join("compute-dropout.toml")).await?);
        }
        // Who offers says so to who applies.
        people.researcher.client.seen().raise(operator.seen().height());
    }
    teller.timed("offer", begun);

    let mut killed = None;
    if let Some(member) = &args.kill {
        let height = stage.caught_up(member).await?;
        teller.say(&format!("the node of {member} is killed; the other three go on"));
        stage.kill(member)?;
        killed = Some(Killed { member: member.clone(), blocks: [height, height] });
    }

    let mut play = Play { people, directory, release_contract, compute_contracts, teller, refused: Vec::new() };
    let (first, token, release) = play.release(&inputs).await?;
    let mut refusals = vec![play.used_twice(&token).await?];
    let (second, stolen) = play.stolen().await?;
    refusals.push(stolen);
    let mut chains = vec![("release", first)];
    let short = match drop {
        Some(member) => Some(play.before_the_end(stage, member, &inputs).await?),
        None => None,
    };
    let computation = play.allowed(&play.compute_contracts.clone()).await?;
    let mut dropped = None;
    if let Some(member) = drop {
        play.cancelled(stage, member, &computation).await?;
        let told = play.aborted(stage, member, &computation).await?;
        dropped = Some(Dropped { member: member.to_owned(), told, resumed: String::new(), ended: Vec::new() });
    }
    let answer = play.compute(&computation, &inputs, "compute_run").await?;
    if let Some(dropped) = &mut dropped {
        dropped.resumed = resumed(&stage.member(&dropped.member).operator.client, &computation.0).await?;
        play.teller.say(&format!("it went on {}", dropped.resumed));
    }
    chains.push(("compute", computation.0));
    if let Some(member) = drop {
        let computation = play.allowed(&dropout_contracts).await?;
        play.without(stage, member, &computation, &inputs).await?;
        chains.push(("compute-without-one", computation.0));
        let computation = play.allowed(&play.compute_contracts.clone()).await?;
        play.withdrawn(stage, member, &computation).await?;
    }
    let mut cut = None;
    if args.cut {
        let (request, carried) = play.cut(stage, &inputs).await?;
        chains.push(("compute-cut", request));
        cut = Some(carried);
    }
    refusals.extend(play.refused_requests().await?);
    refusals.push(play.changed_verdict(stage, &first).await?);
    refusals.push(play.after_window(&second).await?);
    if let Some(Killed { member, blocks: [_, height] }) = &mut killed {
        let begun = Instant::now();
        stage.restart(member, &[]).await?;
        *height = stage.caught_up(member).await?;
        play.teller.say(&format!("the node of {member} is back, and holds every block"));
        play.teller.timed("catch_up", begun);
    }
    if let (Some(short), Some(dropped)) = (&short, &mut dropped) {
        dropped.ended = play.after_the_end(stage, short).await?;
    }
    samples::nowhere_in(&directory.join("northgate"), &inputs.join("northgate.csv"))?;

    let begun = Instant::now();
    play.teller.say("receipts are exported and verified offline");
    let refused = play.refused.clone();
    chains.extend(refused);
    let (receipts, consortium, fingerprint) = play.receipts(stage, chains).await?;
    play.teller.timed("receipts", begun);
    refusals.sort_by_key(|refusal| CASES.iter().position(|case| *case == refusal.case));
    let timings = std::mem::take(&mut play.teller.timings);
    let members = stage.members.iter().map(|member| member.name.clone()).collect();
    Ok(Report {
        members,
        release,
        answer,
        dropped,
        cut,
        killed,
        refusals,
        timings,
        receipts,
        consortium,
        fingerprint,
        directory: directory.to_owned(),
    })
}

/// The requests of the demo.
struct Play<'a, 't> {
    people: &'a People,
    directory: &'a Path,
    release_contract: Digest,
    compute_contracts: Vec<Digest>,
    teller: &'a mut Teller<'t>,
    /// Requests that ended without a release, by the name of their receipt.
    refused: Vec<(&'static str, Digest)>,
}

impl Play<'_, '_> {
    /// Applies as `who`; the key is kept in memory for the life of the demo.
    async fn apply(
        &self,
        who: &Session,
        contracts: &[Digest],
        purpose: &str,
        evidence: &[u8],
    ) -> Result<(Digest, Ephemeral), client::Error> {
        let ephemeral = Ephemeral::Held(crypto::kem::PrivateKey::generate(Suite::XWing).into());
        let applying = Applying {
            contracts: contracts.iter().map(|contract| ContractVersion { contract: *contract, version: 1 }).collect(),
            purpose: purpose.to_owned(),
            justification: "Does the change in CD4 counts differ by treatment arm?".to_owned(),
            evidence: vec![("credential".to_owned(), evidence.to_vec())],
            ephemeral: ephemeral.public()?,
        };
        Ok((who.client.apply(applying).await?.id, ephemeral))
    }

    /// `count` of northgate's approvers find the request in their inboxes and approve it.
    async fn approve(&self, request: &Digest, count: usize) -> Result<(), Failure> {
        for approver in &self.people.approvers[..count] {
            let waiting = approver.client.inbox(None).await?.items;
            let found = waiting.iter().find(|view| view.request.id == *request);
            let found = found.ok_or_else(|| {
                Failure::new(format!("request {request} is not in the inbox of {}", approver.wallet.profile().name))
            })?;
            if found.applicant.is_none() || found.justification.is_none() {
                return Err(Failure::new("the inbox does not show who applies, and why"));
            }
            approver.client.approve(request, &self.release_contract, true).await?;
        }
        Ok(())
    }

    /// A release, from application to the opened table.
    async fn release(&mut self, inputs: &Path) -> Result<(Digest, GrantToken, Release), Failure> {
        let researcher = &self.people.researcher;
        self.teller.say("a researcher applies for northgate's table");
        let begun = Instant::now();
        let (request, ephemeral) =
            self.apply(researcher, &[self.release_contract], "research", &self.people.credential).await?;
        self.teller.timed("release_apply", begun);
        let begun = Instant::now();
        self.teller.say("two of three approvers agree");
        self.approve(&request, 2).await?;
        self.teller.timed("release_approve", begun);
        let begun = Instant::now();
        self.teller.say("two of three oracles judge and sign");
        let judgement = researcher.client.judge(&request).await?;
        self.teller.timed("release_judge", begun);
        let token = judgement
            .grant
            .ok_or_else(|| Failure::new("an allowed release brought no grant").because(judgement.decision))?;
        let begun = Instant::now();
        self.teller.say("the proxy honours the grant");
        let path = self.directory.join("received-northgate.csv");
        let received = researcher.client.fetch(&request, &ephemeral, &path).await?;
        self.teller.timed("release_fetch", begun);
        let (original, got) = (read(&inputs.join("northgate.csv"))?, read(&path)?);
        if original != got || crypto::sha256(&[&original]) != received.sha256 {
            return Err(Failure::new("the table received is not the table sealed"));
        }
        let rows = Table::read(&*got).map_err(|error| Failure::of(&error))?.rows();
        Ok((request, token, Release { sha256: received.sha256, root: received.object.root, rows }))
    }

    /// A computation that the oracles allow.
    async fn allowed(&mut self, contracts: &[Digest]) -> Result<(Digest, Ephemeral), Failure> {
        let researcher = &self.people.researcher;
        self.teller.say("the researcher applies for a computation over all three tables");
        let begun = Instant::now();
        let (request, ephemeral) = self.apply(researcher, contracts, "research", &self.people.credential).await?;
        for (board, contract) in self.people.boards.iter().zip(contracts) {
            board.client.approve(&request, contract, true).await?;
            // The boards tell the researcher that they have: judgement is asked for at another node.
            researcher.client.seen().raise(board.client.seen().height());
        }
        self.teller.timed("compute_apply_and_approve", begun);
        let begun = Instant::now();
        let judgement = researcher.client.judge(&request).await?;
        if judgement.decision != ledger::OK {
            return Err(Failure::refused(&judgement.decision, "the computation was not allowed"));
        }
        self.teller.timed("compute_judge", begun);
        Ok((request, ephemeral))
    }

    /// Has an allowed computation run, and opens the answer.
    async fn compute(
        &mut self,
        (request, ephemeral): &(Digest, Ephemeral),
        inputs: &Path,
        step: &str,
    ) -> Result<Answer, Failure> {
        let begun = Instant::now();
        self.teller.say("the hospitals compute together; none sees another's numbers");
        let answer = self.people.researcher.client.compute_and_collect(request, ephemeral, |_| ()).await?;
        self.teller.timed(step, begun);
        if answer != in_clear(inputs)? {
            return Err(Failure::new("the joint answer differs from the one computed in clear"));
        }
        Ok(answer)
    }

    /// A computation that needs all its parties, while one of them hangs: the researcher ends it.
    async fn cancelled(
        &mut self,
        stage: &Stage,
        member: &str,
        (request, ephemeral): &(Digest, Ephemeral),
    ) -> Result<(), Failure> {
        self.teller
            .say(&format!("the node of {member} hangs in the middle of a computation, and the researcher cancels it"));
        let begun = Instant::now();
        let researcher = &self.people.researcher.client;
        stage.hang(member, true)?;
        let (under_way, seen) = tokio::sync::oneshot::channel();
        let mut under_way = Some(under_way);
        // Told for the first time when a moment has gone by without an end.
        let watch = |_: &Computation| _ = under_way.take().map(|under_way| under_way.send(()));
        let computing = researcher.compute_and_collect(request, ephemeral, watch);
        let cancelling = async {
            seen.await.map_err(|_| Failure::new("the computation ended without a party"))?;
            Ok::<_, Failure>(researcher.cancel_computation(request).await?)
        };
        let (ended, cancelled) = tokio::join!(computing, cancelling);
        stage.hang(member, false)?;
        cancelled?;
        match ended {
            Err(error) if error.to_string().contains("computation_cancelled") => {}
            _ => return Err(Failure::new("a computation that was cancelled did not end so")),
        }
        self.teller.timed("compute_cancelled", begun);
        Ok(())
    }

    /// A computation that needs all its parties, while one of them dies: it ends, and says whose fault it is. The member's node is back afterwards.
    async fn aborted(
        &mut self,
        stage: &mut Stage,
        member: &str,
        (request, ephemeral): &(Digest, Ephemeral),
    ) -> Result<String, Failure> {
        self.teller.say(&format!("the node of {member} is set to die in the middle of its next computation"));
        stage.restart(member, DIES).await?;
        let begun = Instant::now();
        let ended = self.people.researcher.client.compute_and_collect(request, ephemeral, |_| ()).await;
        let Err(error) = ended else {
            return Err(Failure::new("a computation that needs all parties ended well without one"));
        };
        let told = error.to_string();
        if !told.contains(member) {
            return Err(Failure::new(format!("the failure does not name {member}")).because(told));
        }
        self.teller.timed("compute_aborted", begun);
        self.teller.say(&format!("it ended: {told}"));
        self.teller.say(&format!("{member} is back, and the same request goes on"));
        stage.restart(member, &[]).await?;
        Ok(told)
    }

    /// A computation that was cut short and is not wanted any more: what the parties had kept of it is destroyed, and that is recorded.
    async fn withdrawn(
        &mut self,
        stage: &mut Stage,
        member: &str,
        (request, ephemeral): &(Digest, Ephemeral),
    ) -> Result<(), Failure> {
        self.teller.say(&format!("{member} dies once more; now the researcher withdraws the request"));
        stage.restart(member, DIES).await?;
        let researcher = &self.people.researcher.client;
        if researcher.compute_and_collect(request, ephemeral, |_| ()).await.is_ok() {
            return Err(Failure::new("a computation that needs all parties ended well without one"));
        }
        stage.restart(member, &[]).await?;
        let begun = Instant::now();
        researcher.cancel(request).await?;
        while researcher.request(request).await?.request.destroyed.len() < HOSPITALS.len() {
            if begun.elapsed() > DESTROYED {
                return Err(Failure::new("a party keeps what it holds of a request that was withdrawn"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.teller.timed("compute_destroyed", begun);
        self.teller.say("all three have destroyed what they had kept of it, and the ledger says so");
        Ok(())
    }

    /// A computation, from its application on, while two hospitals' nodes cannot reach each other. The link is back afterwards.
    async fn cut(&mut self, stage: &mut Stage, inputs: &Path) -> Result<(Digest, Cut), Failure> {
        let [one, other] = CUT;
        self.teller.say(&format!("the link between the nodes of {one} and {other} fails"));
        // Where the other is, nobody listens.
        let nowhere = |name| format!("{{ {name} = \"https://127.0.0.1:1\" }}");
        for (member, lost) in [(one, other), (other, one)] {
            stage.restart(member, &[("SOTTO_NODE_PEERS__ADDRESSES", &nowhere(lost))]).await?;
        }
        let computation = self.allowed(&self.compute_contracts.clone()).await?;
        self.compute(&computation, inputs, "compute_by_a_third_node").await?;
        let mut carriers = BTreeSet::new();
        for carrier in &stage.members {
            let entries = audit::read(&carrier.operator.client, 0).await?;
            let mut pairs =
                entries.iter().filter(|entry| entry.action == "tunnel.open").map(|e| [&*e.actor, &*e.subject]);
            if pairs.any(|pair| pair == [one, other] || pair == [other, one]) {
                carriers.insert(carrier.name.clone());
            }
        }
        if carriers.is_empty() {
            return Err(Failure::new("nobody carried what the failed link did not"));
        }
        self.teller.say("what went between them was carried by others, who could not read it; the link is back");
        for member in CUT {
            stage.restart(member, &[]).await?;
        }
        Ok((computation.0, Cut { members: CUT, carriers }))
    }

    /// A computation that goes on without one party that dies in the middle. Its node is back afterwards.
    async fn without(
        &mut self,
        stage: &mut Stage,
        member: &str,
        computation: &(Digest, Ephemeral),
        inputs: &Path,
    ) -> Result<(), Failure> {
        self.teller.say(&format!("{member} is to die again, in a computation that the regulator helps with"));
        stage.restart(member, DIES).await?;
        self.compute(computation, inputs, "compute_without_one").await?;
        let parties = self.people.researcher.client.request(&computation.0).await?.request.results;
        if parties.iter().any(|result| result.party == member) || stage.check().is_ok() {
            return Err(Failure::new(format!("{member} did not die in the middle of it")));
        }
        stage.restart(member, &[]).await
    }
}

/// What a member's audit trail says of where a computation was taken up again.
async fn resumed(operator: &Client, request: &Digest) -> Result<String, Failure> {
    let (trail, request) = (audit::read(operator, 0).await?, request.to_string());
    let entry = trail.into_iter().find(|entry| entry.action == "compute.resume" && entry.subject == request);
    entry
        .map(|entry| entry.detail)
        .ok_or_else(|| Failure::new("the computation began anew, though all parties had kept its first run's columns"))
}

/// The same program over the three tables in clear: what the joint answer must equal.
fn in_clear(inputs: &Path) -> Result<Answer, Failure> {
    let text = fs::read_to_string(inputs.join("program.toml")).map_err(|error| Failure::file(inputs, &error))?;
    let program = Program::from_toml(&text).doing("the sample's program")?;
    let parties = HOSPITALS.len() as u16;
    let mut sums = vec![0u64; program.length()];
    for hospital in HOSPITALS {
        let table =
            Table::read(&*read(&inputs.join(format!("{hospital}.csv")))?).map_err(|error| Failure::of(&error))?;
        let local = program.local(&table, parties).map_err(|error| Failure::of(&error))?;
        local.expose(|local| sums.iter_mut().zip(local).for_each(|(sum, value)| *sum = sum.wrapping_add(*value)));
    }
    program.answer(&sums, parties).map_err(|error| Failure::of(&error))
}

/// A directory that is emptied for each run, or a temporary one.
enum Place {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Place {
    fn prepare(keep: Option<&Path>) -> Result<Self, Failure> {
        let Some(directory) = keep else {
            return tempfile::Builder::new()
                .prefix("sotto-demo-")
                .tempdir()
                .map(Self::Temporary)
                .map_err(|error| Failure::of(&error).stops("no temporary directory can be made"));
        };
        let mark = directory.join(MARK);
        let occupied = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
        if occupied && !mark.exists() {
            return Err(Failure::new(format!("{} holds something that is not an earlier demo's", directory.display()))
                .hint("name an empty directory"));
        }
        let make = || {
            if occupied {
                fs::remove_dir_all(directory)?;
            }
            fs::create_dir_all(directory)?;
            fs::write(&mark, "A demo of sotto lives here; the next one starts anew.\n")?;
            // Absolute, since the nodes are told of it.
            fs::canonicalize(directory)
        };
        make().map(Self::Kept).map_err(|error| Failure::file(directory, &error))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }

    /// Leaves a kept directory as it is; of a temporary one, only what a receipt is verified with.
    fn leave(self) -> Result<(), Failure> {
        let Self::Temporary(directory) = self else { return Ok(()) };
        let directory = directory.keep();
        let clear = || {
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                match entry.file_name().to_str() {
                    Some("receipts" | "consortium.toml") => {}
                    _ if entry.file_type()?.is_dir() => fs::remove_dir_all(entry.path())?,
                    _ => fs::remove_file(entry.path())?,
                }
            }
            Ok(())
        };
        clear().map_err(|error| Failure::file(&directory, &error))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::file(path, &error))
}

const REGULATOR: &str = "health-authority";
/// The nodes compute along where contracts name their member as a helper.
const HELP: &[(&str, &str)] = &[("SOTTO_NODE_COMPUTE__HELP", "true")];
/// Environment of a node that is to die in the middle of its next computation, when all are to verify and give out what they have.
const DIES: &[(&str, &str)] = &[("SOTTO_NODE_COMPUTE__DRILL", "release")];
/// Whose link fails.
const CUT: [&str; 2] = ["riverside", "northgate"];
/// Nodes look every ten seconds at what they hold.
const DESTROYED: Duration = Duration::from_secs(60);
const HOSPITALS: [&str; 3] = ["st-anna", "riverside", "northgate"];
/// The refusals, in the order in which they are told.
const CASES: [&str; 7] = [
    "wrong_purpose",
    "not_accredited",
    "too_few_approvals",
    "grant_used_twice",
    "grant_stolen",
    "after_window",
    "verdict_changed",
];
const MARK: &str = ".sotto-demo";
