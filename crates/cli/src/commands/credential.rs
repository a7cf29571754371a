//! Credentials: made by an issuer's wallet, carried by their subject.

use std::fs;
use std::path::Path;

use client::wallet::{PRINCIPAL, Wallet};
use contracts::message::{Credential, CredentialBody};
use crypto::{Label, PublicKey};
use serde_json::json;

use super::Surroundings;
use crate::args::IssueArgs;
use crate::error::Failure;
use crate::home::{Home, now};
use crate::output::{Output, moment};

/// Vouches, as the principal of `issuer`, for `claims` about `subject` from now for `days`.
///
/// # Errors
/// Those of the key store.
pub(crate) fn issue(
    issuer: &Wallet,
    subject: PublicKey,
    name: &str,
    claims: Vec<String>,
    days: u32,
) -> Result<Credential, Failure> {
    let now = now();
    let body = CredentialBody {
        issuer: issuer.key(),
        subject,
        name: name.to_owned(),
        claims,
        not_before: now,
        not_after: now + u64::from(days) * 86_400_000,
    };
    let signature = issuer.keys().sign(PRINCIPAL, Label::CREDENTIAL, &wire::to_vec(&body))?;
    Ok(Credential { body, signature })
}

/// The bytes of a credential file, which become evidence as they are.
///
/// # Errors
/// Where it cannot be read or is no credential.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path, &error))?;
    match wire::from_slice::<Credential>(&bytes, wire::Limits::small()) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::of(&error)
            .stops(format!("{} is no credential", path.display()))
            .hint("name the file that the issuer gave you")),
    }
}

pub(super) fn run(args: IssueArgs, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let home = args.issuer_home.map_or_else(|| surroundings.home.clone(), Home::at);
    let issuer = home.open(&surroundings.passphrase()?)?.wallet;
    let credential = issue(&issuer, args.subject, &args.name, args.claims, args.days)?;
    fs::write(&args.out, wire::to_vec(&credential)).map_err(|error| Failure::file(&args.out, &error))?;
    let CredentialBody { name, claims, not_after, .. } = &credential.body;
    let text = format!(
        "{} vouches that {name} is: {}; until {} UTC",
        args.out.display(),
        claims.join(", "),
        moment(*not_after)
    );
    let value = json!({ "file": args.out, "credential": credential });
    output.result(&value, &args.out.display().to_string(), &text);
    Ok(())
}
