//! Requests: applied for, followed, explained, withdrawn.

use std::path::Path;
use std::time::Duration;

use client::Client;
use client::api::{Explanation, Judgement, RequestView};
use client::flow::Applying;
use client::plan::Plan;
use client::wallet::Wallet;
use contracts::message::ContractVersion;
use contracts::record::{Contract, Phase, Request};
use crypto::Digest;
use crypto::kem::Suite;
use serde::Serialize;
use serde_json::json;

use super::{Surroundings, credential, find, offers};
use crate::args::{ApplyArgs, RequestCommand};
use crate::error::Failure;
use crate::home::Session;
use crate::output::{Output, fields, moment, short, table};

/// Applies under `contracts`, at the first owner's node; returns once the wallet's own node knows the request. Its
/// result will be sealed to a fresh post-quantum key, which the wallet keeps.
///
/// # Errors
/// The refusal of the node, of the ledger, or of the oracles, who refuse at once what no approval can save.
pub(crate) async fn apply(
    wallet: &Wallet,
    client: &Client,
    contracts: &[Contract],
    purpose: &str,
    justification: &str,
    credentials: &[impl AsRef<Path>],
) -> Result<Digest, Failure> {
    let first = contracts.first().ok_or_else(|| Failure::new("a request needs a contract"))?;
    let evidence = credentials.iter().map(|path| Ok(("credential".to_owned(), credential::read(path.as_ref())?)));
    let evidence = evidence.collect::<Result<_, Failure>>()?;
    let ephemeral = wallet.ephemeral(Suite::XWing)?.public()?;
    let applying = Applying {
        contracts: contracts.iter().map(|one| ContractVersion { contract: one.id, version: one.version }).collect(),
        purpose: purpose.to_owned(),
        justification: justification.to_owned(),
        evidence,
        ephemeral: ephemeral.clone(),
    };
    let applied = client.at_member(&first.owner).await?.apply(applying).await;
    match applied {
        Ok(applied) => {
            known(client, &applied.id).await?;
            Ok(applied.id)
        }
        Err(error) => {
            // Nothing will ever be sealed to the key of a request that was refused.
            if error.code().is_some() {
                wallet.forget(&ephemeral)?;
            }
            Err(error.into())
        }
    }
}

/// Waits until the client's own node has the transaction: other members' nodes may know it a moment earlier.
///
/// # Errors
/// Where it does not come within five seconds.
pub(crate) async fn known(client: &Client, transaction: &Digest) -> Result<(), Failure> {
    let mut attempts = 0;
    while let Err(error) = client.transaction(transaction).await {
        attempts += 1;
        if error.code() != Some("not_found") || attempts > 50 {
            return Err(error.into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Has the oracles decide a pending request, at its first owner's node; tells the decision of one that is decided.
///
/// # Errors
/// The code of a refusal, or why there is no decision yet.
pub(crate) async fn settle(client: &Client, request: &Request) -> Result<Judgement, Failure> {
    let owner = request.owners.first().ok_or_else(|| Failure::new("the request names no contract"))?;
    let judgement = client.at_member(owner).await?.judge(&request.id).await?;
    match judgement.decision.as_str() {
        ledger::OK => Ok(judgement),
        code => Err(Failure::refused(code, format!("verdict {} is on record", judgement.transaction))),
    }
}

/// Why a request is allowed or refused as things stand, as its first owner's node sees it.
///
/// # Errors
/// The node's.
pub(crate) async fn explain(client: &Client, request: &Digest) -> Result<Explanation, Failure> {
    let view = client.request(request).await?;
    let owner = view.request.owners.first().ok_or_else(|| Failure::new("the request names no contract"))?;
    Ok(client.at_member(owner).await?.explain(request).await?)
}

/// A phase in a word.
pub(crate) fn phase(phase: &Phase) -> String {
    match phase {
        Phase::Pending => "pending".into(),
        Phase::Allowed => "allowed".into(),
        Phase::Refused(code) => format!("refused: {code}"),
        Phase::Cancelled => "cancelled".into(),
        Phase::Done => "done".into(),
    }
}

pub(super) async fn run(command: RequestCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let session = surroundings.session()?;
    let client = &session.client;
    match command {
        RequestCommand::Apply(args) => return run_apply(args, &session, output).await,
        RequestCommand::List => {
            let views = find::own(client).await?;
            print_list(&views, "you have made no requests", output);
        }
        RequestCommand::Show { request } => {
            let view = client.request(&find::request(client, &request).await?).await?;
            let id = view.request.id.to_string();
            // Contracts that cannot be read say nothing of it.
            let computation = client.plan(&view.request).await.ok().flatten();
            let text = describe(&view, computation.as_ref());
            output.result(&Shown { view: &view, computation }, &id, &text);
        }
        RequestCommand::Watch { request } => watch(client, &find::request(client, &request).await?, output).await?,
        RequestCommand::Cancel { request } => {
            let id = find::request(client, &request).await?;
            let transaction = client.cancel(&id).await?.id;
            let text = format!("{} is withdrawn", short(id));
            output.result(&json!({ "request": id, "transaction": transaction }), &id.to_string(), &text);
        }
        RequestCommand::Explain { request } => {
            let id = find::request(client, &request).await?;
            let explanation = explain(client, &id).await?;
            let allowed = explanation.contracts.iter().all(|one| one.allow);
            output.result(&explanation, if allowed { "allowed" } else { "refused" }, &tell(&explanation));
        }
    }
    Ok(())
}

async fn run_apply(args: ApplyArgs, session: &Session, output: &Output) -> Result<(), Failure> {
    let mut contracts = Vec::new();
    for text in &args.contracts {
        contracts.push(find::contract(&session.client, text).await?);
    }
    let _waiting = output.waiting("applying");
    let Session { wallet, client } = session;
    let ApplyArgs { purpose, justification, credentials, .. } = &args;
    let id = apply(wallet, client, &contracts, purpose, justification, credentials).await?;
    let text = format!("applied: {id}\nFollow it: sotto request watch {}", short(id));
    output.result(&json!({ "request": id }), &id.to_string(), &text);
    Ok(())
}

/// Tells each change until the request is decided.
async fn watch(client: &Client, id: &Digest, output: &Output) -> Result<(), Failure> {
    let waiting = output.waiting("waiting for a decision");
    let mut seen = None;
    loop {
        let view = client.request(id).await?;
        let state = (view.request.phase.clone(), view.request.approvals.len());
        if seen.as_ref() != Some(&state) {
            waiting.say(format!("{}, {} approvals", phase(&state.0), state.1));
            output.note(&format!("{}, {} approvals", phase(&state.0), state.1));
            seen = Some(state);
        }
        if view.request.phase != Phase::Pending {
            drop(waiting);
            output.result(&view, &phase(&view.request.phase), &describe(&view, None));
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A list of requests.
pub(super) fn print_list(views: &[RequestView], nothing: &str, output: &Output) {
    let row = |view: &RequestView| {
        vec![
            short(view.request.id),
            moment(view.request.since),
            view.titles.join("; "),
            view.request.apply.purpose.clone(),
            view.applicant.clone().unwrap_or_else(|| short(view.request.requester)),
            phase(&view.request.phase),
        ]
    };
    let header = ["request", "since", "title", "purpose", "applicant", "state"];
    let text = table(&header, views.iter().map(row).collect(), nothing);
    let ids: Vec<String> = views.iter().map(|view| view.request.id.to_string()).collect();
    output.result(&json!({ "requests": views }), &ids.join("\n"), &text);
}

fn describe(view: &RequestView, computation: Option<&Plan>) -> String {
    let request = &view.request;
    let approvals = request.approvals.iter().filter(|one| one.approve).count();
    let mut rows = vec![
        ("request", request.id.to_string()),
        ("state", phase(&request.phase)),
        ("since", format!("{} UTC", moment(request.since))),
        ("title", view.titles.join("; ")),
        ("owners", request.owners.join(", ")),
        ("purpose", request.apply.purpose.clone()),
        ("requester", request.requester.to_string()),
        ("signed with", offers::signed_with(request.ml_dsa.as_ref())),
        ("approvals", approvals.to_string()),
    ];
    let twice = request.approvals.iter().filter(|one| one.ml_dsa.is_some()).count();
    if twice > 0 {
        rows.push(("of these", format!("{twice} of {} signed with ML-DSA-65 too", request.approvals.len())));
    }
    rows.extend(view.lapses.map(|at| ("decided before", format!("{} UTC", moment(at)))));
    rows.extend(view.applicant.clone().map(|applicant| ("applicant", applicant)));
    rows.extend(view.justification.clone().map(|justification| ("because", justification)));
    rows.extend(computation.into_iter().flat_map(planned));
    fields(&rows)
}

/// A request, and how its computation runs.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    view: &'a RequestView,
    #[serde(skip_serializing_if = "Option::is_none")]
    computation: Option<Plan>,
}

fn planned(plan: &Plan) -> [(&'static str, String); 2] {
    let Plan { protocol, adversary, parties, corrupt, dropouts, bytes, rounds } = plan;
    let vanish = if *dropouts > 0 { format!(", {dropouts} may vanish") } else { String::new() };
    [
        ("computed by", format!("{protocol} ({adversary}): {parties} parties, {corrupt} may be corrupt{vanish}")),
        ("predicted", format!("{bytes} bytes sent by all parties together, {rounds} rounds")),
    ]
}

fn tell(explanation: &Explanation) -> String {
    let mut text = String::new();
    for one in &explanation.contracts {
        let decision = if one.allow { "allowed".to_owned() } else { format!("refused: {}", one.code) };
        text.push_str(&format!("contract {}: {decision}\n", short(one.contract)));
        for reason in &one.reasons {
            let mark = if reason.satisfied { '✓' } else { '✗' };
            text.push_str(&format!("  {mark} {}: {}\n", reason.check, reason.detail));
            if !reason.satisfied && !reason.hint.is_empty() {
                text.push_str(&format!("      {}\n", reason.hint));
            }
        }
        for (name, value) in &one.obligations {
            text.push_str(&format!("  obligation {name}: {value}\n"));
        }
    }
    text
}

const POLL: Duration = Duration::from_millis(500);
