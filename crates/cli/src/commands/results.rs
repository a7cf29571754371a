//! What a request ends in: data, a result, a receipt, and its verification.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use client::api::Computation;
use client::fetch::Received;
use client::log::{Checked, covers, testify_at_node};
use client::verify::{Verified, verify, verify_under};
use contracts::chain::Kind;
use contracts::record::Phase;
use crypto::Digest;
use ledger::{Checkpoint, Consortium, Receipt};
use query::{Answer, Program};
use serde_json::json;

use super::{Surroundings, find, requests, testimony};
use crate::args::{ComputeArgs, FetchArgs, ReceiptArgs, VerifyArgs};
use crate::error::{Doing as _, Failure};
use crate::home::Session;
use crate::output::{Output, fields, moment, short, table};

/// Receives the data of a request into a new file: has the oracles decide where they have not, redeems the grant, checks
/// the object against the ledger. The key it was sealed to is destroyed then: a grant is redeemed once.
///
/// # Errors
/// The refusal's code; where the object is not the registered one.
pub(crate) async fn fetch(session: &Session, request: &Digest, out: &Path) -> Result<Received, Failure> {
    if out.exists() {
        return Err(Failure::file(out, &std::io::ErrorKind::AlreadyExists.into()));
    }
    let view = session.client.request(request).await?;
    let apply = &view.request.apply;
    let ephemeral = match session.wallet.find_ephemeral(&apply.ephemeral) {
        Err(_) if view.request.phase == Phase::Done => {
            return Err(Failure::refused("grant_already_used", "this wallet fetched the data before"));
        }
        found => found?,
    };
    requests::settle(&session.client, &view.request).await?;
    let owner = view.request.owners.first().ok_or_else(|| Failure::new("the request names no contract"))?;
    // The owner's node has issued the grant; this one's may hear of it a moment later.
    let received = session.client.at_member(owner).await?.fetch(request, &ephemeral, out).await;
    let received = received.doing("the data was not received")?;
    session.wallet.forget(&apply.ephemeral)?;
    Ok(received)
}

/// The result of a computation: has the oracles decide and the parties compute where they have not, opens every share.
///
/// # Errors
/// The refusal's code; the party whose share does not fit.
pub(crate) async fn compute(
    session: &Session,
    request: &Digest,
    watch: impl FnMut(&Computation),
) -> Result<Answer, Failure> {
    let view = session.client.request(request).await?;
    let ephemeral = session.wallet.find_ephemeral(&view.request.apply.ephemeral)?;
    let owner = view.request.owners.first().ok_or_else(|| Failure::new("the request names no contract"))?;
    let client = session.client.at_member(owner).await?;
    if view.request.phase == Phase::Done {
        return Ok(client.collect(request, &ephemeral).await?);
    }
    requests::settle(&session.client, &view.request).await?;
    Ok(client.compute_and_collect(request, &ephemeral, watch).await?)
}

/// The receipt of a request's life, verified against the consortium as its node knows it now, in a new file; with what witnesses have cosigned
/// where that is asked for.
///
/// # Errors
/// Where the chain is not at its end yet, the receipt does not verify, or no witness cosigns.
pub(crate) async fn receipt(
    session: &mut Session,
    request: &Digest,
    out: &Path,
    witnessed: bool,
) -> Result<Verified, Failure> {
    if out.exists() {
        return Err(Failure::file(out, &std::io::ErrorKind::AlreadyExists.into()));
    }
    // The first owner's node was part of all of it; this one's may lag a moment behind.
    let client = match session.client.request(request).await {
        Ok(view) => match view.request.owners.first() {
            Some(owner) => session.client.at_member(owner).await?,
            None => session.client.clone(),
        },
        // A request that the ledger refused at once is on the log, but has no record.
        Err(_) => session.client.clone(),
    };
    let mut text = client.receipt(request).await?;
    let consortium = session.refresh().await?.clone();
    let proven = |text: &str| {
        verify_under(text, &consortium).map_err(Failure::from).doing("the node gave a receipt that proves nothing")
    };
    let mut verified = proven(&text)?;
    if witnessed {
        let testified = testify_at_node(&session.client, &consortium, &Receipt::parse(&text)?, None, PATIENCE).await;
        text = testified.doing("the receipt was not witnessed")?.to_string();
        verified = proven(&text)?;
    }
    fs::write(out, text).map_err(|error| Failure::file(out, &error))?;
    Ok(verified)
}

/// Verifies the receipt in a file against the consortium in a file. Needs no network, no key and no home.
///
/// # Errors
/// Which of the two is at fault, and why.
pub(crate) fn verify_files(receipt: &Path, consortium: &Path) -> Result<Verified, Failure> {
    Ok(verify(&text(receipt)?, &text(consortium)?)?)
}

pub(super) async fn run_fetch(args: FetchArgs, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let session = surroundings.session()?;
    let id = find::request(&session.client, &args.request).await?;
    let waiting = output.waiting("receiving");
    let received = fetch(&session, &id, &args.out).await?;
    drop(waiting);
    let Received { object, sha256 } = &received;
    let value =
        json!({ "request": id, "file": args.out, "bytes": object.length, "sha256": sha256, "root": object.root });
    let text = fields(&[
        ("file", args.out.display().to_string()),
        ("bytes", object.length.to_string()),
        ("sha256", sha256.to_string()),
        ("root", format!("{}, as registered", object.root)),
    ]);
    output.result(&value, &sha256.to_string(), &text);
    Ok(())
}

pub(super) async fn run_compute(
    args: ComputeArgs,
    surroundings: &Surroundings,
    output: &Output,
) -> Result<(), Failure> {
    let session = surroundings.session()?;
    let id = find::request(&session.client, &args.request).await?;
    if args.cancel {
        session.client.cancel_computation(&id).await?;
        output.result(
            &json!({ "request": id, "cancelled": true }),
            "",
            "No party computes any more; nothing is kept of it.",
        );
        return Ok(());
    }
    let waiting = output.waiting("the parties compute");
    let watch = |computation: &Computation| waiting.say(told(computation));
    let answer = tokio::select! {
        answer = compute(&session, &id, watch) => answer?,
        _ = tokio::signal::ctrl_c() => {
            session.client.cancel_computation(&id).await?;
            return Err(Failure::refused("computation_cancelled", "you have interrupted it, and all parties have ended it")
                .hint(format!("sotto compute {id} begins again")));
        }
    };
    drop(waiting);
    let order = order(&session, &id).await;
    output.result(&answer, &show(&answer, &order), &show(&answer, &order));
    Ok(())
}

/// How far the parties are, in one line.
fn told(Computation { permille, phase, sent_bytes, received_bytes, rounds, .. }: &Computation) -> String {
    let percent = f64::from(*permille) / 10.0;
    match phase.is_empty() {
        true => "the parties compute: they read their tables".into(),
        false => {
            let bytes = sent_bytes + received_bytes;
            format!("the parties compute: {percent:.1} %, {phase}, {bytes} bytes in {rounds} rounds")
        }
    }
}

pub(super) async fn run_receipt(
    args: ReceiptArgs,
    surroundings: &Surroundings,
    output: &Output,
) -> Result<(), Failure> {
    let ReceiptArgs { request: Some(request), out: Some(out), witnessed, .. } = args else {
        unreachable!("both are required without a command");
    };
    let mut session = surroundings.session()?;
    let id = find::request(&session.client, &request).await?;
    let waiting = output.waiting(if witnessed { "members and witnesses cosign" } else { "the members cosign" });
    let verified = receipt(&mut session, &id, &out, witnessed).await?;
    drop(waiting);
    let mut text = format!(
        "{} proves: {}\nVerify it anywhere: sotto verify {} --consortium FILE (`sotto member export` writes it)",
        out.display(),
        ending(&verified.account.kind),
        out.display()
    );
    if witnessed {
        text.push_str(&format!("\nIt has {}: --witness KEY demands them.", testimony::lines(&verified.receipt)));
    }
    let testimony = testimony::claimed(&verified.receipt);
    let value = json!({ "file": out, "account": verified.account, "testimony": testimony });
    output.result(&value, &out.display().to_string(), &text);
    Ok(())
}

pub(super) fn run_verify(args: &VerifyArgs, output: &Output) -> Result<(), Failure> {
    if let Some(proven) = super::state::verify_file(&args.receipt, &args.consortium)? {
        if args.log.is_some() || !args.witnesses.witnesses.is_empty() {
            return Err(Failure::new("logs and their witnesses say nothing of the state")
                .hint("verify the proof of state without --log and --witness; receipts are what a log covers"));
        }
        super::state::show(&proven, None, output);
        return Ok(());
    }
    let verified = verify_files(&args.receipt, &args.consortium)?;
    let Verified { receipt, account, consortium, fingerprint, .. } = &verified;
    let pinned = Consortium::parse(&text(&args.consortium)?)?;
    let witnesses = testimony::pinned(&args.witnesses, &pinned)?;
    let covered = args.log.as_ref().map(|log| covered(log, &pinned, &receipt.checkpoint)).transpose()?;
    let attested = match (&witnesses, &covered) {
        (None, Some(_)) => Some(Vec::new()),
        (None, None) => None,
        (Some(witnesses), Some(covered)) => Some(witnesses.attest_note(&covered.note)?),
        (Some(witnesses), None) => Some(witnesses.attest(receipt.testimony.as_ref())?),
    };
    let value = json!({
        "verified": true, "consortium": consortium, "fingerprint": fingerprint, "cosigners": receipt.cosigners,
        "ml_dsa": receipt.ml_dsa,
        "account": account, "log": covered.as_ref().map(|covered| covered.checkpoint.size),
        "witnesses": attested, "testimony": testimony::claimed(receipt),
    });
    let step = |step: &contracts::chain::Step| {
        let facts: Vec<String> = step.facts.iter().map(|(name, value)| format!("{name} {}", clip(value))).collect();
        let at = step.at.map_or_else(String::new, moment);
        vec![step.index.to_string(), at, step.name.clone(), step.code.clone(), facts.join(", ")]
    };
    let steps = table(&["log", "time (UTC)", "what", "outcome", ""], account.steps.iter().map(step).collect(), "");
    let mut rows = vec![
        ("consortium", consortium.clone()),
        ("fingerprint", fingerprint.clone()),
        ("cosigned by", super::cosigned_by(&receipt.cosigners, receipt.ml_dsa)),
        ("request", account.request.to_string()),
        ("requester", account.requester.to_string()),
    ];
    if let Some(Checked { checkpoint, .. }) = &covered {
        rows.push(("part of", format!("the log of {} entries in that directory", checkpoint.size)));
    }
    for (name, time) in attested.iter().flatten() {
        rows.push(("witness", format!("{name} at {}", moment(time.saturating_mul(1000)))));
    }
    match &receipt.testimony {
        Some(testimony) if witnesses.is_some() && covered.is_none() => {
            rows.push(("part of", format!("the log of {} entries that they cosigned", testimony.checkpoint.size)));
        }
        Some(_) => {
            let lines = testimony::lines(receipt);
            rows.push(("testimony", format!("{lines}; none was checked: name whom you rely on with --witness")));
        }
        None => {}
    }
    let text = format!("{}\n\n{steps}\n\n{}", ending(&account.kind), fields(&rows));
    output.result(&value, ending_word(&account.kind), &text);
    Ok(())
}

/// The log in a directory, which continues the receipt's checkpoint.
fn covered(log: &Path, consortium: &Consortium, checkpoint: &Checkpoint) -> Result<Checked, Failure> {
    covers(log, consortium, &[], checkpoint).doing("the receipt is not shown to be part of that log")
}

fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

/// The outputs' names in the program's order, for the columns.
async fn order(session: &Session, request: &Digest) -> Vec<String> {
    let read = async {
        let named = session.client.request(request).await.ok()?.request.apply.contracts.first().copied()?;
        let program = session.client.contract(&named.contract).await.ok()?.terms.program?;
        let program = Program::from_bytes(&program).ok()?;
        Some(program.outputs().iter().map(|output| output.name.clone()).collect())
    };
    read.await.unwrap_or_default()
}

/// An answer as a table: a row for each group.
fn show(answer: &Answer, order: &[String]) -> String {
    let mut columns = order.to_vec();
    if columns.is_empty() {
        columns = answer.groups.values().next().map(|cells| cells.keys().cloned().collect()).unwrap_or_default();
    }
    let row = |(group, cells): (&String, &BTreeMap<String, query::Cell>)| {
        let mut row = vec![group.clone()];
        row.extend(columns.iter().map(|column| cells.get(column).map_or_else(String::new, number)));
        row
    };
    let mut header = vec!["group"];
    header.extend(columns.iter().map(String::as_str));
    let text = table(&header, answer.groups.iter().map(row).collect(), "no groups");
    let left_out: String = answer.groups.iter().flat_map(|(group, cells)| left_out(group, cells, &columns)).collect();
    format!("{text}\n{left_out}\n{} parties; none of them saw another's data. A dash: too few rows.", answer.parties)
}

/// What did not enter a group's numbers, a line for each column that lacks something.
fn left_out(group: &str, cells: &BTreeMap<String, query::Cell>, columns: &[String]) -> Vec<String> {
    let of = |column: &String| {
        let cell = cells.get(column)?;
        let missing = (cell.missing > 0).then(|| format!("{} rows without a value", cell.missing));
        let withheld =
            (cell.withheld > 0).then(|| format!("{} parties had too few rows, and kept theirs", cell.withheld));
        let reasons: Vec<String> = missing.into_iter().chain(withheld).collect();
        (!reasons.is_empty()).then(|| format!("\n{group}, {column}: {}", reasons.join("; ")))
    };
    columns.iter().filter_map(of).collect()
}

fn number(cell: &query::Cell) -> String {
    match cell.value {
        None => "–".into(),
        Some(value) if value.fract() == 0.0 => format!("{value}"),
        Some(value) => format!("{value:.4}"),
    }
}

fn ending(kind: &Kind) -> String {
    match kind {
        Kind::Released => "Verified: the data was released, under its contract.".into(),
        Kind::Computed => "Verified: the result was computed, under every party's contract.".into(),
        Kind::Refused(code) => format!("Verified: the request was refused with the code `{code}`."),
        Kind::StepRefused { method, code } => format!(
            "Verified: the step `{method}` was refused with the code `{code}`. This alone does not end the request: anyone can try a step."
        ),
        Kind::Cancelled => "Verified: the requester withdrew the request.".into(),
    }
}

const fn ending_word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Released => "released",
        Kind::Computed => "computed",
        Kind::Refused(_) => "refused",
        Kind::StepRefused { .. } => "step refused",
        Kind::Cancelled => "cancelled",
    }
}

/// Identifiers and keys are shown by their beginning.
fn clip(value: &str) -> String {
    match value.len() >= 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => short(value),
        false => value.to_owned(),
    }
}

/// For the witnesses of a node to cosign what a receipt is part of.
const PATIENCE: Duration = Duration::from_secs(30);
