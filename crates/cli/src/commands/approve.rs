//! Approving and objecting.

use client::Client;
use contracts::record::Request;
use crypto::Digest;
use serde_json::json;

use super::{Surroundings, find, requests};
use crate::args::ApproveArgs;
use crate::error::Failure;
use crate::output::{Output, short};

/// The contract of a request under which `approver` may still speak: the one named, or the only one.
///
/// # Errors
/// Where there is none, or more than one.
pub(crate) async fn under(client: &Client, request: &Request, named: Option<&str>) -> Result<Digest, Failure> {
    if let Some(text) = named {
        return Ok(find::contract(client, text).await?.id);
    }
    let mut open = Vec::new();
    for version in &request.apply.contracts {
        let contract = client.contract(&version.contract).await?;
        let spoken = request.approvals.iter().any(|one| one.contract == contract.id && one.approver == client.key());
        if contract.terms.approvals.approvers.contains(&client.key()) && !spoken {
            open.push(contract.id);
        }
    }
    match open.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::new("this request does not wait for you")
            .hint("`sotto approve` lists those that do; each approver speaks once per contract")),
        _ => {
            Err(Failure::new("you may speak under several of the request's contracts").hint("say which: --contract ID"))
        }
    }
}

pub(super) async fn run(args: ApproveArgs, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let client = surroundings.session()?.client;
    let Some(text) = &args.request else {
        let waiting = find::inbox(&client).await?;
        requests::print_list(&waiting, "no request waits for you", output);
        return Ok(());
    };
    let id = find::request(&client, text).await?;
    requests::known(&client, &id).await?;
    let request = client.request(&id).await?.request;
    let contract = under(&client, &request, args.contract.as_deref()).await?;
    let transaction = client.approve(&id, &contract, !args.object).await?.id;
    let what = if args.object { "objected to" } else { "approved" };
    let value = json!({ "request": id, "contract": contract, "approved": !args.object, "transaction": transaction });
    output.result(&value, &transaction.to_string(), &format!("{what}: {}", short(id)));
    Ok(())
}
