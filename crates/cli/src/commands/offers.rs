//! Contracts: checked, offered, amended, suspended, resumed, ended.

use std::fs;
use std::path::Path;

use client::Client;
use contracts::message::{Amend, ContractState, Offer, Opening};
use contracts::record::{Contract, Standing};
use crypto::Digest;
use policy::{ContractFile, Disclosed, ProgramSource, Terms};
use query::Program;
use serde_json::json;

use super::{Surroundings, find};
use crate::args::ContractCommand;
use crate::error::{Doing as _, Failure};
use crate::home::now;
use crate::output::{Output, fields, moment, short, table};

/// A contract file and the program it names.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// The file.
    pub(crate) file: ContractFile,
    /// Its program, for `compute`.
    pub(crate) program: Option<Program>,
}

/// Reads a contract file and its program.
///
/// # Errors
/// What is wrong in it, and what to write.
pub(crate) fn draft(path: &Path) -> Result<Draft, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    let fault = || format!("{} is no contract", path.display());
    let file = ContractFile::parse(&text).doing(fault())?;
    policy::validate(&file.particulars().policy).map_err(|error| Failure::of(&error)).doing(fault())?;
    let source = match file.program_source().doing(fault())? {
        None => return Ok(Draft { file, program: None }),
        Some(ProgramSource::Inline(text)) => text,
        Some(ProgramSource::Path(relative)) => {
            let path = path.parent().unwrap_or(Path::new(".")).join(relative);
            fs::read_to_string(&path).map_err(|error| Failure::file(&path, &error)).doing(fault())?
        }
    };
    let program =
        program(&source, file.minimum_group()).doing(format!("the program of {} is faulty", path.display()))?;
    Ok(Draft { file, program: Some(program) })
}

/// A program whose text may leave the minimum group to its contract.
fn program(text: &str, minimum_group: u32) -> Result<Program, Failure> {
    let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| Failure::of(&error))?;
    table.entry("minimum_group").or_insert(toml::Value::Integer(minimum_group.into()));
    Ok(Program::from_toml(&table.to_string())?)
}

/// The terms of a draft over `member`'s asset of the name it gives, its approvers found among the member's principals.
///
/// # Errors
/// Where asset or approvers are unknown, or the terms break a bound.
pub(crate) async fn terms(client: &Client, member: &str, draft: &Draft) -> Result<(Terms, Disclosed), Failure> {
    let asset = find::asset(client, &format!("{member}/{}", draft.file.asset)).await?;
    let principals = client.principals().await?;
    let approver =
        |name: &str| principals.iter().find(|one| one.name == name && !one.revoked).map(|principal| principal.key);
    let program = draft.program.as_ref().map(|program| program.to_bytes().into());
    Ok(draft.file.terms(now(), asset.id, approver, program)?)
}

/// Offers `member`'s asset under a contract file, as its operator or an owner; returns the contract's identifier.
///
/// # Errors
/// What is wrong in the file; the ledger's refusal.
pub(crate) async fn offer(client: &Client, member: &str, file: &Path) -> Result<Digest, Failure> {
    let (terms, disclosed) = terms(client, member, &draft(file)?).await?;
    deposit(client, &terms, &disclosed).await?;
    Ok(client.submit_twice_signed("contracts", "offer", &Offer { terms }).await?.id)
}

/// Replaces a contract's terms by a new version.
///
/// # Errors
/// As [`offer`].
pub(crate) async fn amend(client: &Client, member: &str, contract: Digest, file: &Path) -> Result<(), Failure> {
    let (terms, disclosed) = terms(client, member, &draft(file)?).await?;
    deposit(client, &terms, &disclosed).await?;
    client.submit_twice_signed("contracts", "amend", &Amend { contract, terms }).await?;
    Ok(())
}

/// Gives the member's own node what the ledger does not show to all.
async fn deposit(client: &Client, terms: &Terms, disclosed: &Disclosed) -> Result<(), Failure> {
    if terms.disclosed.is_some() {
        return Ok(());
    }
    let opening = Opening { salt: disclosed.salt, payload: wire::to_vec(&disclosed.particulars).into() };
    client.put_particulars(&opening).await.doing("the node did not take the contract's particulars")
}

/// A contract's title, where it may be seen.
pub(crate) fn title(contract: &Contract) -> &str {
    contract.terms.disclosed.as_ref().map_or("(not disclosed)", |disclosed| disclosed.particulars.title.as_str())
}

fn approvals(required: u64, approvers: &str) -> String {
    if required == 0 { "none needed".to_owned() } else { format!("{required} of {approvers}") }
}

pub(super) fn run_check(file: &Path, output: &Output) -> Result<(), Failure> {
    let Draft { file: contract, program } = draft(file)?;
    let program = program.map(|program| program.digest());
    let mut rows = vec![
        ("title", contract.title.clone()),
        ("asset", contract.asset.clone()),
        ("means", contract.means.to_string()),
        ("purposes", contract.purposes.join(", ")),
        ("approvals", approvals(contract.approvals.required.into(), &contract.approvals.approvers.join(", "))),
    ];
    rows.extend(program.map(|digest| ("program", digest.to_string())));
    let value = json!({ "file": file, "title": contract.title, "asset": contract.asset, "means": contract.means, "program": program });
    let text = format!("{}\n\n{} can be offered.", fields(&rows), file.display());
    output.result(&value, &file.display().to_string(), &text);
    Ok(())
}

pub(super) async fn run(command: ContractCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let session = surroundings.session()?;
    let client = &session.client;
    match command {
        ContractCommand::Check { file } => run_check(&file, output)?,
        ContractCommand::Offer { file } => {
            let id = offer(client, session.member()?, &file).await?;
            let text = format!("offered: {id}");
            output.result(&json!({ "contract": id }), &id.to_string(), &text);
        }
        ContractCommand::Amend { contract, file } => {
            let id = find::contract(client, &contract).await?.id;
            amend(client, session.member()?, id, &file).await?;
            let version = client.contract(&id).await?.version;
            let text = format!("{} is at version {version}", short(id));
            output.result(&json!({ "contract": id, "version": version }), &id.to_string(), &text);
        }
        ContractCommand::Suspend { contract } => stand(client, &contract, "suspend", "suspended", output).await?,
        ContractCommand::Resume { contract } => stand(client, &contract, "resume", "in force again", output).await?,
        ContractCommand::Revoke { contract } => stand(client, &contract, "revoke", "ended for good", output).await?,
        ContractCommand::List => list(client, output).await?,
        ContractCommand::Show { contract } => show(&find::contract(client, &contract).await?, output),
    }
    Ok(())
}

async fn stand(client: &Client, text: &str, method: &str, now: &str, output: &Output) -> Result<(), Failure> {
    let id = find::contract(client, text).await?.id;
    let state = ContractState { contract: id };
    // Nothing comes into force again that is not signed as an offer is.
    let transaction = match method {
        "resume" => client.submit_twice_signed("contracts", method, &state).await?.id,
        _ => client.submit("contracts", method, &state).await?.id,
    };
    let value = json!({ "contract": id, "transaction": transaction });
    output.result(&value, &id.to_string(), &format!("{} is {now}", short(id)));
    Ok(())
}

async fn list(client: &Client, output: &Output) -> Result<(), Failure> {
    let contracts = client.contracts().await?;
    // Someone outside the consortium sees contracts, but not the list of assets.
    let assets = client.assets().await.unwrap_or_default();
    let name = |id: &Digest| {
        let asset = assets.iter().find(|asset| asset.id == *id);
        asset.map_or_else(|| short(id), |asset| asset.registered.name.clone())
    };
    let row = |one: &Contract| {
        vec![
            short(one.id),
            format!("{}/{}/{}", one.owner, name(&one.terms.asset), one.terms.means),
            title(one).to_owned(),
            one.terms.purposes.join(", "),
            standing(one.standing).to_owned(),
        ]
    };
    let header = ["contract", "about", "title", "purposes", "standing"];
    let text = table(&header, contracts.iter().map(row).collect(), "no contracts yet");
    let ids: Vec<String> = contracts.iter().map(|one| one.id.to_string()).collect();
    output.result(&json!({ "contracts": contracts }), &ids.join("\n"), &text);
    Ok(())
}

fn show(contract: &Contract, output: &Output) {
    let terms = &contract.terms;
    let evidence: Vec<String> = terms.evidence.iter().map(|rule| format!("{}: {}", rule.kind, rule.claim)).collect();
    let mut rows = vec![
        ("contract", contract.id.to_string()),
        ("owner", contract.owner.clone()),
        ("title", title(contract).to_owned()),
        ("version", contract.version.to_string()),
        ("standing", standing(contract.standing).to_owned()),
        ("means", terms.means.to_string()),
        ("purposes", terms.purposes.join(", ")),
        ("window", format!("{} to {} UTC", moment(terms.window.not_before), moment(terms.window.not_after))),
        ("approvals", approvals(terms.approvals.required.into(), &terms.approvals.approvers.len().to_string())),
        ("evidence", if evidence.is_empty() { "none".into() } else { evidence.join(", ") }),
        ("grant", format!("{} seconds, once", terms.grant.seconds)),
        ("asset", terms.asset.to_string()),
        ("signed with", signed_with(contract.ml_dsa.as_ref())),
    ];
    if let Some(program) = terms.program.as_ref().and_then(|bytes| Program::from_bytes(bytes).ok()) {
        rows.push(("program", program.digest().to_string()));
        rows.push(("min. group", program.minimum_group().to_string()));
    }
    let mut text = fields(&rows);
    if let Some(disclosed) = &terms.disclosed {
        text.push_str(&format!("\n\n{}\n\n{}", disclosed.particulars.description.trim(), disclosed.particulars.policy));
    }
    output.result(contract, &contract.id.to_string(), &text);
}

/// What signs a contract's version or an application.
pub(crate) fn signed_with(ml_dsa: Option<&Digest>) -> String {
    ml_dsa.map_or_else(|| "Ed25519".into(), |key| format!("Ed25519 and ML-DSA-65, key {key}"))
}

const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "in force",
        Standing::Suspended => "suspended",
        Standing::Revoked => "ended",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_can_be_offered() {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/hospitals");
        let release = draft(&samples.join("northgate-release.toml")).unwrap();
        assert!(release.program.is_none());
        let compute = draft(&samples.join("compute.toml")).unwrap();
        let file = fs::read_to_string(samples.join("program.toml")).unwrap();
        assert_eq!(compute.program.unwrap(), Program::from_toml(&file).unwrap());
    }

    #[test]
    fn a_program_takes_its_contracts_minimum_group() {
        let text = "[[outputs]]\nname = \"rows\"\ncount = \"*\"\n";
        assert_eq!(program(text, 25).unwrap().minimum_group(), 25);
        assert_eq!(program(&format!("minimum_group = 30\n{text}"), 25).unwrap().minimum_group(), 30);
    }

    #[test]
    fn faults_name_the_file_and_the_way_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("contract.toml");
        fs::write(&path, "format = \"sottovoce-contract/v1\"\ntitel = \"x\"\n").unwrap();
        let text = draft(&path).unwrap_err().json().to_string();
        assert!(text.contains("titel") && text.contains("contract.toml"), "{text}");
    }
}
