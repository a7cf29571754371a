//! What the members decide together: proposals and ballots.

use std::path::Path;

use client::Client;
use client::api::{Governance, ProposalView};
use contracts::message::{
    Action, Ballot, Callers, Cosigning, Deadlines, EscrowPlan, Install, Issuer, ModuleStore, OraclePlan, Parameters,
    ProposalState, Propose, Recovery, Room, Uninstall,
};
use contracts::record::{ProposalPhase, Recovering, Role};
use contracts::{DEFAULT_PARAMETERS, code};
use crypto::Digest;
use serde_json::json;

use super::call::Arguments;
use super::{Surroundings, escrow, find, members, modules, setup, verifiers};
use crate::args::{
    ActionCommand, AdmitArgs, CallersName, GovernanceCommand, InstallArgs, ParameterArgs, ProposalArgs, Switch,
    VoteName,
};
use crate::error::Failure;
use crate::home::{Session, now};
use crate::output::{Output, fields, moment, short, table};
use crate::recovery::Statement;

pub(super) async fn run(
    command: GovernanceCommand,
    surroundings: &Surroundings,
    output: &Output,
) -> Result<(), Failure> {
    let mut session = surroundings.session()?;
    match command {
        GovernanceCommand::Begin(args) => {
            let parameters = merged(DEFAULT_PARAMETERS, &args);
            session.client.submit("governance", "begin", &parameters).await?;
            show_parameters(&session.client, output).await
        }
        GovernanceCommand::Parameters => show_parameters(&session.client, output).await,
        GovernanceCommand::Propose { action, proposal } => {
            propose(action, proposal, &mut session, surroundings, output).await
        }
        GovernanceCommand::Vote { proposal, vote } => {
            let id = find(&session.client, &proposal).await?;
            let ballot = Ballot { proposal: id, yes: vote == VoteName::Yes };
            session.client.submit("governance", "ballot", &ballot).await?;
            stands(&session.client, &id, output).await
        }
        GovernanceCommand::Withdraw { proposal } => end(&session.client, "withdraw", &proposal, output).await,
        GovernanceCommand::Close { proposal } => end(&session.client, "close", &proposal, output).await,
        GovernanceCommand::Veto { proposal } => veto(&session, proposal, output).await,
        GovernanceCommand::Recoveries => recoveries(&session.client, output).await,
        GovernanceCommand::List { all } => list(&session.client, all, output).await,
        GovernanceCommand::Show { proposal } => {
            let id = find(&session.client, &proposal).await?;
            show(&session.client, &id, output).await
        }
    }
}

async fn propose(
    action: ActionCommand,
    ProposalArgs { reason, days }: ProposalArgs,
    session: &mut Session,
    surroundings: &Surroundings,
    output: &Output,
) -> Result<(), Failure> {
    let expires = now() + u64::from(days) * DAY;
    let action = match action {
        ActionCommand::Admit(args) => return admit(args, reason, expires, session, surroundings, output).await,
        ActionCommand::Suspend { member } => Action::Suspend(member),
        ActionCommand::Reinstate { member } => Action::Reinstate(member),
        ActionCommand::Remove { member } => Action::Remove(member),
        ActionCommand::Enter { member } => Action::Enter(member),
        ActionCommand::Leave { member } => Action::Leave(member),
        ActionCommand::Accredit { name, key, claims } => Action::Accredit(Issuer { name, key, claims }),
        ActionCommand::Disown { issuer } => Action::Disown(members::accredited(&session.client, &issuer).await?.key),
        ActionCommand::Oracles { participants, threshold } => Action::Oracles(OraclePlan { threshold, participants }),
        ActionCommand::Escrow { agents, threshold, fresh } => Action::Escrow(EscrowPlan { threshold, agents, fresh }),
        ActionCommand::Open { file, asset } => Action::Open(escrow::opening(&file, &asset, session).await?),
        ActionCommand::Parameters(args) => {
            let current = session.client.governance().await?.parameters.ok_or_else(not_begun)?;
            let wanted = merged(current.clone(), &args);
            if wanted == current {
                return Err(Failure::new("these are the parameters already")
                    .hint("name what is to change, such as --members 3/4; see `sotto gov parameters`"));
            }
            Action::Parameters(wanted)
        }
        ActionCommand::Recover { file } => return recover(&file, reason, days, session, output).await,
        ActionCommand::Install(args) => install(args, &session.client).await?,
        ActionCommand::Uninstall { name, erase } => Action::Uninstall(Uninstall { name, erase }),
        ActionCommand::Verifier { name, consortium, replace } => {
            verifiers::plan(name, &consortium, replace, &session.client).await?
        }
        ActionCommand::Retire { name } => verifiers::retire(name, &session.client).await?,
    };
    let id = submit(&session.client, action, reason, expires).await?;
    stands(&session.client, &id, output).await
}

/// Proposes a member's new key.
async fn recover(file: &Path, reason: String, days: u32, session: &Session, output: &Output) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
    let statement = Statement::parse(&text).map_err(|error| Failure::of(&error))?;
    if statement.chain != session.wallet.consortium()?.chain {
        return Err(Failure::new("the recovery file is of another ledger")
            .hint("ask the member for one made with the consortium file of yours: sotto member export"));
    }
    let governance = session.client.governance().await?;
    if governance.parameters.and_then(|parameters| parameters.recovery).is_none() {
        return Err(Failure::refused(code::RECOVERY_OFF.code, "members' keys are not recovered here"));
    }
    // The statement must outlive the vote.
    let expires = (now() + u64::from(days) * DAY).min(statement.until);
    output.note(&format!(
        "Ask `{}` by another way, such as the telephone, whether this is its new key:\n\n  {}\n",
        statement.member, statement.key
    ));
    let id = submit(&session.client, Action::Recover(statement.action()), reason, expires).await?;
    stands(&session.client, &id, output).await
}

/// Ends the recovery of the operator's own key.
async fn veto(session: &Session, proposal: Option<String>, output: &Output) -> Result<(), Failure> {
    let client = &session.client;
    let id = match proposal {
        Some(proposal) => find(client, &proposal).await?,
        None => {
            let own = session.member()?;
            let under_way = client.recoveries().await?.into_iter().find(|one| one.member == own);
            let none = || Failure::refused(code::NO_RECOVERY.code, "no recovery of your member's key is under way");
            under_way.ok_or_else(none)?.proposal
        }
    };
    client.submit("governance", "veto", &ProposalState { proposal: id }).await?;
    stands(client, &id, output).await
}

async fn recoveries(client: &Client, output: &Output) -> Result<(), Failure> {
    let recoveries = client.recoveries().await?;
    let row = |one: &Recovering| {
        vec![one.member.clone(), short(one.proposal), short(one.key), moment(one.since), moment(one.due)]
    };
    let header = ["member", "proposal", "new key", "decided (UTC)", "in force (UTC)"];
    let text = table(&header, recoveries.iter().map(row).collect(), "no member's key is about to be replaced");
    let names: Vec<&str> = recoveries.iter().map(|one| one.member.as_str()).collect();
    output.result(&json!({ "recoveries": recoveries }), &names.join("\n"), &text);
    Ok(())
}

/// Proposes an invitation. The file is worth nothing until enough have voted for it.
async fn admit(
    AdmitArgs { name, hours, out }: AdmitArgs,
    reason: String,
    expires: u64,
    session: &mut Session,
    surroundings: &Surroundings,
    output: &Output,
) -> Result<(), Failure> {
    if out.exists() {
        return Err(Failure::file(&out, &std::io::ErrorKind::AlreadyExists.into()));
    }
    let until = expires + u64::from(hours) * 3_600_000;
    let invitation = setup::invitation(&surroundings.home, session, &name, until).await?;
    // Before the proposal: of an invitation that nobody can use any more the members would decide in vain.
    setup::write_secret(&out, invitation.to_toml().as_bytes())?;
    let propose = Propose { action: Action::Admit(setup::invite_of(&invitation, false)), expires, reason };
    let placed = session.client.submit("governance", "propose", &propose).await.inspect_err(|error| {
        // Where nobody knows whether the ledger took it, the file may yet be of use.
        if matches!(error, client::Error::Refused { .. }) {
            let _ = std::fs::remove_file(&out);
        }
    });
    let id = placed?.id;
    output.note(&keep(&out, &name, until));
    stands(&session.client, &id, output).await
}

/// Has the module stored, unless it is, or the contract has it.
async fn install(args: InstallArgs, client: &Client) -> Result<Action, Failure> {
    let InstallArgs { name, module, callers, roles, fuel, records, bytes, migrate } = args;
    let code = modules::load(&module)?;
    let digest = wasm::digest(&code);
    let had =
        client.modules().await?.into_iter().any(|one| one.installed.name == name && one.installed.module == digest);
    if !had {
        match client.submit("modules", "store", &ModuleStore { module: code.into() }).await {
            Err(error) if error.code() != Some(code::ALREADY_RECORDED.code) => return Err(error.into()),
            _ => {}
        }
    }
    let mut roles: Vec<Role> = roles.into_iter().map(Into::into).collect();
    roles.sort_unstable();
    roles.dedup();
    let callers = match callers {
        _ if !roles.is_empty() => Callers::Roles(roles),
        CallersName::Members => Callers::Members,
        CallersName::Known => Callers::Known,
    };
    let migration = migrate.map(Arguments::read).transpose()?.map(|arguments| wire::to_vec(&arguments).into());
    Ok(Action::Install(Install { name, module: digest, callers, room: Room { fuel, records, bytes }, migration }))
}

fn keep(out: &Path, name: &str, until: u64) -> String {
    format!(
        "{} holds the invitation of `{name}`. It is a secret, and good only once enough members have voted for it, until {} UTC.",
        out.display(),
        moment(until)
    )
}

async fn submit(client: &Client, action: Action, reason: String, expires: u64) -> Result<Digest, Failure> {
    Ok(client.submit("governance", "propose", &Propose { action, expires, reason }).await?.id)
}

/// Ends a proposal by `withdraw` or `close`.
async fn end(client: &Client, method: &str, proposal: &str, output: &Output) -> Result<(), Failure> {
    let id = find(client, proposal).await?;
    client.submit("governance", method, &ProposalState { proposal: id }).await?;
    stands(client, &id, output).await
}

/// How a proposal stands after what was done to it.
async fn stands(client: &Client, id: &Digest, output: &Output) -> Result<(), Failure> {
    let view = client.proposal(id).await?;
    let text = format!("proposal {}: {}, {}", short(id), what(&view.proposal.action), standing(&view));
    // A script that proposes goes on with the identifier.
    output.result(&view, &id.to_string(), &text);
    Ok(())
}

async fn list(client: &Client, all: bool, output: &Output) -> Result<(), Failure> {
    let proposals = client.proposals(!all).await?;
    let row = |view: &ProposalView| {
        let one = &view.proposal;
        vec![short(one.id), what(&one.action), one.proposer.clone(), standing(view), moment(one.expires)]
    };
    let header = ["proposal", "what", "by", "stands", "until (UTC)"];
    let text = table(&header, proposals.iter().map(row).collect(), "no proposals");
    let ids: Vec<String> = proposals.iter().map(|view| view.proposal.id.to_string()).collect();
    output.result(&json!({ "proposals": proposals }), &ids.join("\n"), &text);
    Ok(())
}

async fn show(client: &Client, id: &Digest, output: &Output) -> Result<(), Failure> {
    let view = client.proposal(id).await?;
    let members = client.members().await?;
    let one = &view.proposal;
    let active = |name: &str| members.iter().any(|member| member.card.name == name && member.is_active());
    let voted = |name: &str| one.ballots.iter().any(|ballot| ballot.member == name);
    let mut lines = vec![
        ("proposal", one.id.to_string()),
        ("what", what(&one.action)),
        ("by", one.proposer.clone()),
        ("since", moment(one.since)),
        ("until", moment(one.expires)),
        ("stands", standing(&view)),
    ];
    if !one.reason.is_empty() {
        lines.push(("reason", one.reason.replace('\n', " ")));
    }
    if let Action::Disown(key) = &one.action {
        // Those that are disowned are still listed.
        let issuers = client.issuers().await?;
        lines.extend(issuers.into_iter().find(|issuer| issuer.key == *key).map(|issuer| ("issuer", issuer.name)));
    }
    lines.extend(details(&one.action));
    for ballot in &one.ballots {
        let counts = if active(&ballot.member) { "" } else { ", which does not count" };
        lines.push((if ballot.yes { "for" } else { "against" }, format!("{}{counts}", ballot.member)));
    }
    if one.phase == ProposalPhase::Open {
        let silent = members.iter().filter(|member| member.is_active() && !voted(&member.card.name));
        let silent: Vec<&str> = silent.map(|member| member.card.name.as_str()).collect();
        lines.push(("not yet", if silent.is_empty() { "-".to_owned() } else { silent.join(", ") }));
    }
    output.result(&view, &phase(&view), &fields(&lines));
    Ok(())
}

async fn show_parameters(client: &Client, output: &Output) -> Result<(), Failure> {
    let governance = client.governance().await?;
    let Governance { parameters, .. } = &governance;
    let Some(parameters) = parameters else {
        output.result(&governance, "none", "ballots do not govern: the founder and the regulators decide");
        return Ok(());
    };
    let members = client.members().await?.iter().filter(|member| member.is_active()).count() as u32;
    let needed = |share: contracts::message::Share| format!("{share}: {} of {members}", share.needed(members));
    let text = fields(&[
        ("members", needed(parameters.members)),
        ("validators", needed(parameters.validators)),
        ("issuers", needed(parameters.issuers)),
        ("oracles", needed(parameters.oracles)),
        ("parameters", needed(parameters.parameters)),
        ("a proposal lives", format!("{} at most", span(parameters.longest))),
        ("open at once", format!("{} of each member", parameters.open)),
        ("deadlines", deadlines(parameters)),
        (
            "recovery",
            parameters
                .recovery
                .map_or("none".into(), |one| format!("{}, after {}", needed(one.share), span(one.delay))),
        ),
        (
            "cosigned with",
            match governance.ml_dsa_missing.as_slice() {
                [] => scheme(parameters.cosigning),
                missing => format!("{}, once {} have a key for it", scheme(parameters.cosigning), missing.join(", ")),
            },
        ),
        ("contracts signed", format!("with {}", scheme(parameters.signing))),
    ]);
    output.result(&governance, "ballots", &text);
    Ok(())
}

/// A proposal: its identifier, or a unique beginning.
pub(super) async fn find(client: &Client, text: &str) -> Result<Digest, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let all = client.proposals(false).await?;
    find::prefix("proposal", text, all.into_iter().map(|view| (view.proposal.id, view.proposal.id)).collect())
}

/// The parameters with what was named.
fn merged(parameters: Parameters, args: &ParameterArgs) -> Parameters {
    Parameters {
        members: args.members.unwrap_or(parameters.members),
        validators: args.validators.unwrap_or(parameters.validators),
        issuers: args.issuers.unwrap_or(parameters.issuers),
        oracles: args.oracles.unwrap_or(parameters.oracles),
        parameters: args.parameters.unwrap_or(parameters.parameters),
        longest: args.longest_days.map_or(parameters.longest, |days| u64::from(days) * DAY),
        open: args.open.unwrap_or(parameters.open),
        deadlines: match args.deadlines {
            Some(undecided) => Some(Deadlines { undecided }),
            None => parameters.deadlines.filter(|_| !args.no_deadlines),
        },
        recovery: recovery(&parameters, args),
        cosigning: switched(parameters.cosigning, args.ml_dsa),
        signing: switched(parameters.signing, args.ml_dsa_contracts),
    }
}

/// A scheme as it is, or as it was named.
fn switched(now: Option<Cosigning>, named: Option<Switch>) -> Option<Cosigning> {
    match named {
        None => now,
        Some(Switch::On) => Some(Cosigning::MlDsa65),
        Some(Switch::Off) => None,
    }
}

/// How keys are recovered, with what was named. The share follows that for members up where it was not named.
fn recovery(parameters: &Parameters, args: &ParameterArgs) -> Option<Recovery> {
    let named = args.recovery.is_some() || args.recovery_delay.is_some();
    let from = match parameters.recovery {
        _ if args.no_recovery => return None,
        None if !named => return None,
        Some(recovery) => recovery,
        None => DEFAULT_PARAMETERS.recovery?,
    };
    let members = args.members.unwrap_or(parameters.members);
    let follows = if from.share.is_less_than(&members) { members } else { from.share };
    Some(Recovery { share: args.recovery.unwrap_or(follows), delay: args.recovery_delay.unwrap_or(from.delay) })
}

/// An action in a few words.
fn what(action: &Action) -> String {
    let name = action.name();
    match action {
        Action::Admit(invite) if invite.regulator => format!("{name} {} as a regulator", invite.name),
        Action::Admit(invite) => format!("{name} {}", invite.name),
        Action::Suspend(member)
        | Action::Reinstate(member)
        | Action::Remove(member)
        | Action::Enter(member)
        | Action::Leave(member) => format!("{name} {member}"),
        Action::Accredit(issuer) => format!("{name} {}", issuer.name),
        Action::Disown(issuer) => format!("{name} {}", short(issuer)),
        Action::Oracles(plan) => format!("{name} {} of {}", plan.threshold, plan.participants.len()),
        Action::Escrow(plan) => format!("{name} {} of {}", plan.threshold, plan.agents.len()),
        Action::Open(open) => format!("{name} {}", short(open.asset)),
        Action::Parameters(_) => name.to_owned(),
        Action::Recover(recover) => format!("{name} {}", recover.member),
        Action::Install(install) => format!("{name} {} in {}", short(install.module), install.name),
        Action::Uninstall(Uninstall { name: contract, erase: true }) => format!("{name} and erase {contract}"),
        Action::Uninstall(uninstall) => format!("{name} {}", uninstall.name),
        Action::Verifier(plan) => format!("{name} {}", plan.name),
        Action::Retire(named) => format!("{name} {}", named.name),
    }
}

/// What else there is to know of an action before one votes.
fn details(action: &Action) -> Vec<(&'static str, String)> {
    match action {
        Action::Admit(invite) => vec![("invitation", format!("until {}", moment(invite.expires)))],
        Action::Accredit(issuer) => vec![("key", issuer.key.to_string()), ("claims", issuer.claims.join(", "))],
        Action::Disown(issuer) => vec![("key", issuer.to_string())],
        Action::Oracles(plan) => vec![("oracles", plan.participants.join(", "))],
        Action::Escrow(plan) => {
            let key = if plan.fresh { "a new one" } else { "taken over, where there is one" };
            vec![("agents", plan.agents.join(", ")), ("key", key.to_owned())]
        }
        Action::Open(open) => vec![
            ("asset", open.asset.to_string()),
            ("escrow key", open.wrap.key.to_string()),
            ("opened to", format!("key {}", open.recipient.id())),
        ],
        Action::Parameters(wanted) => vec![
            ("members", wanted.members.to_string()),
            ("validators", wanted.validators.to_string()),
            ("issuers", wanted.issuers.to_string()),
            ("oracles", wanted.oracles.to_string()),
            ("parameters", wanted.parameters.to_string()),
            ("longest", span(wanted.longest)),
            ("open at once", wanted.open.to_string()),
            ("deadlines", deadlines(wanted)),
            (
                "recovery",
                wanted.recovery.map_or("none".into(), |one| format!("{}, after {}", one.share, span(one.delay))),
            ),
            ("cosigned with", scheme(wanted.cosigning)),
            ("contracts signed", format!("with {}", scheme(wanted.signing))),
        ],
        Action::Recover(recover) => {
            vec![("new key", recover.key.to_string()), ("to be decided", format!("until {}", moment(recover.until)))]
        }
        Action::Install(install) => vec![
            ("module", install.module.to_string()),
            ("called by", install.callers.to_string()),
            ("fuel of a call", install.room.fuel.to_string()),
            ("keeps", format!("{} records, {} bytes at most", install.room.records, install.room.bytes)),
            ("migration", install.migration.as_ref().map_or("none".into(), |bytes| wire::text::to_hex(&bytes.0))),
        ],
        Action::Verifier(plan) => verifiers::details(plan),
        Action::Retire(named) => vec![("digest", named.verifier.to_string())],
        _ => Vec::new(),
    }
}

/// What ends by itself.
fn deadlines(parameters: &Parameters) -> String {
    match parameters.deadlines {
        None => "none".into(),
        Some(Deadlines { undecided }) => format!("a request is decided within {}; windows are told", span(undecided)),
    }
}

/// What is to be signed with.
fn scheme(beside: Option<Cosigning>) -> String {
    match beside {
        None => "Ed25519".into(),
        Some(Cosigning::MlDsa65) => "Ed25519 and ML-DSA-65".into(),
    }
}

fn phase(view: &ProposalView) -> String {
    if view.expired { ProposalPhase::Expired.to_string() } else { view.proposal.phase.to_string() }
}

/// How a proposal stands, in a few words.
fn standing(view: &ProposalView) -> String {
    match &view.tally {
        Some(tally) if !view.expired => {
            format!("open: {} for, {} against; {} of {} needed", tally.yes, tally.no, tally.needed, tally.members)
        }
        _ => phase(view),
    }
}

fn span(milliseconds: u64) -> String {
    match milliseconds {
        _ if milliseconds.is_multiple_of(DAY) => format!("{} days", milliseconds / DAY),
        _ if milliseconds.is_multiple_of(3_600_000) => format!("{} hours", milliseconds / 3_600_000),
        _ => format!("{} seconds", milliseconds / 1_000),
    }
}

fn not_begun() -> Failure {
    Failure::refused(code::BALLOTS_DO_NOT_GOVERN.code, "there are no parameters to change")
}

const DAY: u64 = 24 * 3_600_000;
