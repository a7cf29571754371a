//! Members, principals, issuers, oracles.

use std::fs;
use std::path::Path;

use client::Client;
use client::api::{OracleSetup, OracleView};
use contracts::message::{Issuer, OrderingBegin, OrderingPlace, PrincipalAdd, PrincipalRevoke};
use contracts::record::{AccreditedIssuer, Barred, Member, Principal, Role};
use crypto::{Digest, PublicKey};
use serde_json::json;

use super::{Surroundings, credential, setup};
use crate::args::{
    CredentialCommand, IssuerCommand, MemberCommand, OraclesCommand, PlaceArgs, PrincipalCommand, ValidatorsCommand,
};
use crate::error::{Doing as _, Failure};
use crate::home::Session;
use crate::output::{Output, fields, moment, short, table};

/// Adds a principal to the operator's member; returns the transaction.
///
/// # Errors
/// The ledger's refusal.
pub(crate) async fn add_principal(
    operator: &Client,
    name: &str,
    key: PublicKey,
    roles: Vec<Role>,
) -> Result<Digest, Failure> {
    let add = PrincipalAdd { name: name.to_owned(), key, roles };
    Ok(operator.submit_twice_signed("members", "principal_add", &add).await?.id)
}

/// Accredits an issuer, as a regulator's operator; returns the transaction.
///
/// # Errors
/// The ledger's refusal.
pub(crate) async fn accredit(
    operator: &Client,
    name: &str,
    key: PublicKey,
    claims: Vec<String>,
) -> Result<Digest, Failure> {
    Ok(operator.submit("members", "issuer_accredit", &Issuer { name: name.to_owned(), key, claims }).await?.id)
}

/// Establishes a new epoch of oracles, as a regulator's operator.
///
/// # Errors
/// Names who did not take part.
pub(crate) async fn establish(
    operator: &Client,
    participants: Vec<String>,
    threshold: u16,
) -> Result<OracleView, Failure> {
    let setup = OracleSetup { participants, threshold };
    operator.set_up_oracles(&setup).await.doing("the oracles were not established")
}

/// Has the validators order the ledger together from the next block on, as the operator of a regulator or of the founder.
///
/// # Errors
/// The ledger's refusal: `validators_missing` while a node has not said where it takes part.
pub(crate) async fn begin_ordering(operator: &Client, epoch: u64) -> Result<Digest, client::Error> {
    Ok(operator.submit("ordering", "begin", &OrderingBegin { epoch }).await?.id)
}

pub(super) async fn run(command: MemberCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    match command {
        MemberCommand::List => list(surroundings, output).await,
        MemberCommand::Show { name } => show(name, surroundings, output).await,
        MemberCommand::Export { out } => {
            let mut session = surroundings.session()?;
            let consortium = session.refresh().await?;
            fs::write(&out, consortium.to_toml()).map_err(|error| Failure::file(&out, &error))?;
            let fingerprint = consortium.fingerprint();
            output.result(
                &json!({ "file": out, "fingerprint": fingerprint }),
                &fingerprint,
                &format!(
                    "{} holds the consortium. Its fingerprint, for others to compare:\n\n  {fingerprint}",
                    out.display()
                ),
            );
            Ok(())
        }
        MemberCommand::RecoverKey(args) => setup::run_recover_key(args, surroundings, output),
        MemberCommand::Principal(command) => principal(command, surroundings, output).await,
        MemberCommand::Issuer(command) => issuer(command, surroundings, output).await,
        MemberCommand::Credential(CredentialCommand::Issue(args)) => credential::run(args, surroundings, output),
        MemberCommand::Oracles(command) => oracles(command, surroundings, output).await,
        MemberCommand::Validators(command) => validators(command, surroundings, output).await,
    }
}

async fn list(surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let members = surroundings.session()?.client.members().await?;
    let row = |member: &Member| {
        let joined = if member.joined == 0 { "founder".into() } else { moment(member.joined) };
        let regulator = if member.regulator { "yes" } else { "" };
        let barred = member.barred.as_ref().map(|barred| barred.standing.to_string()).unwrap_or_default();
        vec![member.card.name.clone(), member.card.address.clone(), regulator.into(), joined, barred]
    };
    let text = table(&["member", "node", "regulator", "joined", ""], members.iter().map(row).collect(), "no members");
    let names: Vec<&str> = members.iter().map(|member| member.card.name.as_str()).collect();
    output.result(&json!({ "members": members }), &names.join("\n"), &text);
    Ok(())
}

async fn show(name: Option<String>, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let session = surroundings.session()?;
    let name = match name {
        Some(name) => name,
        None => session.member()?.to_owned(),
    };
    let members = session.client.members().await?;
    let member = members.into_iter().find(|member| member.card.name == name);
    let member = member.ok_or_else(|| client::Error::UnknownMember(name))?;
    let card = &member.card;
    let standing = |barred: &Barred| format!("{} since {} UTC", barred.standing, moment(barred.since));
    let text = fields(&[
        ("member", card.name.clone()),
        ("node", card.address.clone()),
        ("pin", card.tls.to_string()),
        ("regulator", if member.regulator { "yes" } else { "no" }.into()),
        ("standing", member.barred.as_ref().map_or("active".into(), standing)),
        ("operator key", card.operator.to_string()),
        ("node key", card.node.to_string()),
        ("cosigner key", card.cosigner.to_string()),
    ]);
    output.result(&member, &card.tls.to_string(), &text);
    Ok(())
}

async fn principal(command: PrincipalCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let client = surroundings.session()?.client;
    match command {
        PrincipalCommand::Add { name, key, roles } => {
            let roles: Vec<Role> = roles.into_iter().map(Role::from).collect();
            let transaction = add_principal(&client, &name, key, roles.clone()).await?;
            let value = json!({ "name": name, "key": key, "roles": roles, "transaction": transaction });
            output.result(&value, &key.to_string(), &format!("`{name}` is a principal: {}", words(&roles)));
        }
        PrincipalCommand::Revoke { principal } => {
            let key = match principal.parse() {
                Ok(key) => key,
                Err(_) => {
                    let all = client.principals().await?;
                    let found = all.iter().find(|one| one.name == principal && !one.revoked);
                    found.ok_or_else(|| unknown("principal", &principal, "sotto member principal list"))?.key
                }
            };
            let transaction = client.submit("members", "principal_revoke", &PrincipalRevoke { key }).await?.id;
            let value = json!({ "key": key, "transaction": transaction });
            output.result(&value, &key.to_string(), &format!("`{principal}` is revoked"));
        }
        PrincipalCommand::List => {
            let principals = client.principals().await?;
            let row = |one: &Principal| {
                let standing = if one.revoked { "revoked" } else { "" };
                vec![one.name.clone(), words(&one.roles), one.key.to_string(), standing.into()]
            };
            let text = table(&["name", "roles", "key", ""], principals.iter().map(row).collect(), "no principals yet");
            let keys: Vec<String> = principals.iter().map(|one| one.key.to_string()).collect();
            output.result(&json!({ "principals": principals }), &keys.join("\n"), &text);
        }
    }
    Ok(())
}

/// An accredited issuer, by name or key.
///
/// # Errors
/// Where there is none such.
pub(super) async fn accredited(client: &Client, issuer: &str) -> Result<AccreditedIssuer, Failure> {
    let fits = |one: &AccreditedIssuer| {
        !one.revoked && (one.name == issuer || one.key.to_string() == issuer.to_ascii_lowercase())
    };
    let found = client.issuers().await?.into_iter().find(fits);
    found.ok_or_else(|| unknown("issuer", issuer, "sotto member issuer list"))
}

async fn issuer(command: IssuerCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let client = surroundings.session()?.client;
    match command {
        IssuerCommand::Accredit { name, key, claims } => {
            let transaction = accredit(&client, &name, key, claims.clone()).await?;
            let value = json!({ "name": name, "key": key, "claims": claims, "transaction": transaction });
            output.result(&value, &key.to_string(), &format!("`{name}` may vouch for: {}", claims.join(", ")));
        }
        IssuerCommand::Revoke { issuer } => {
            let found = accredited(&client, &issuer).await?;
            let AccreditedIssuer { name, key, claims, .. } = found;
            let revoked = Issuer { name, key, claims };
            let transaction = client.submit("members", "issuer_revoke", &revoked).await?.id;
            let value = json!({ "key": key, "transaction": transaction });
            output.result(&value, &key.to_string(), &format!("`{}` is revoked", revoked.name));
        }
        IssuerCommand::List => {
            let issuers = client.issuers().await?;
            let row = |one: &AccreditedIssuer| {
                let standing = if one.revoked { "revoked" } else { "" };
                vec![one.name.clone(), one.claims.join(", "), one.by.clone(), one.key.to_string(), standing.into()]
            };
            let header = ["issuer", "claims", "accredited by", "key", ""];
            let text = table(&header, issuers.iter().map(row).collect(), "no issuers are accredited yet");
            let keys: Vec<String> = issuers.iter().map(|one| one.key.to_string()).collect();
            output.result(&json!({ "issuers": issuers }), &keys.join("\n"), &text);
        }
    }
    Ok(())
}

async fn oracles(command: OraclesCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let client = surroundings.session()?.client;
    let view = match command {
        OraclesCommand::Establish { participants, threshold } => {
            let _waiting = output.waiting("the members' nodes make a key together");
            establish(&client, participants, threshold).await?
        }
        OraclesCommand::Show => client.oracles().await?,
    };
    let text = fields(&[
        ("epoch", view.epoch.to_string()),
        ("oracles", view.participants.join(", ")),
        ("needed", format!("{} of {}", view.threshold, view.participants.len())),
        ("key", short(view.key)),
    ]);
    output.result(&view, &view.key.to_string(), &text);
    Ok(())
}

async fn validators(command: ValidatorsCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let mut session = surroundings.session()?;
    let epoch = |session: &Session| -> Result<_, Failure> {
        let epoch = session.wallet.consortium()?.epochs.last();
        epoch.cloned().ok_or_else(|| Failure::new("the consortium has no validators"))
    };
    session.refresh().await?;
    let own = session.wallet.profile().member.clone();
    let whose = |place: PlaceArgs| {
        place
            .member
            .or(own)
            .map(|member| OrderingPlace { member })
            .ok_or_else(|| Failure::new("whose place?").hint("name a member with --member"))
    };
    let client = &session.client;
    let change = match command {
        ValidatorsCommand::Begin => Some(begin_ordering(client, epoch(&session)?.number).await.map(drop)?),
        ValidatorsCommand::Enter(place) => Some(client.submit("ordering", "enter", &whose(place)?).await.map(drop)?),
        ValidatorsCommand::Leave(place) => Some(client.submit("ordering", "leave", &whose(place)?).await.map(drop)?),
        ValidatorsCommand::Rotate => {
            let placed = client.rotate_cosigner().await?;
            if placed.code != ledger::OK {
                return Err(Failure::refused(&placed.code, "the new key was refused, and the old one stays"));
            }
            Some(())
        }
        ValidatorsCommand::Show => None,
        ValidatorsCommand::Certificate { out } => return certificate(client, &out, output).await,
    };
    // What the change made of them.
    if change.is_some() {
        session.refresh().await?;
    }
    let epoch = epoch(&session)?;
    let (number, ml_dsa) = (epoch.number, epoch.epoch().demands_ml_dsa());
    let validators = epoch.validators;
    let names: Vec<String> = validators.into_iter().map(|validator| validator.name).collect();
    let ordering = session.client.health().await?.ordering;
    let cosigned = if ml_dsa { "Ed25519 and ML-DSA-65" } else { "Ed25519" };
    let text = fields(&[
        ("epoch", number.to_string()),
        ("validators", names.join(", ")),
        ("ordered by", ordering.clone()),
        ("cosigned with", cosigned.to_owned()),
    ]);
    let value = json!({ "epoch": number, "validators": names, "ordering": ordering, "ml_dsa": ml_dsa });
    output.result(&value, &ordering, &text);
    Ok(())
}

async fn certificate(client: &Client, out: &Path, output: &Output) -> Result<(), Failure> {
    let certificate = client.certificate().await?;
    fs::write(out, &certificate).map_err(|error| Failure::file(out, &error))?;
    let text = format!(
        "{} holds the certificate, as the node has it. Who holds the consortium file checks it: docs/spec/ordering.md",
        out.display()
    );
    output.result(&json!({ "file": out, "bytes": certificate.len() }), &out.display().to_string(), &text);
    Ok(())
}

fn words(roles: &[Role]) -> String {
    roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect::<Vec<_>>().join(", ")
}

fn unknown(what: &str, name: &str, list: &str) -> Failure {
    Failure::new(format!("no {what} in good standing is called `{name}`")).hint(format!("see `{list}`"))
}
