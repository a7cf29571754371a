//! Where the passphrase comes from.

use std::io::{IsTerminal as _, stdin};
use std::path::Path;

use crypto::Secret;
use crypto::keystore::Passphrase;

use crate::error::Failure;

/// The passphrase of an existing home: the file named, a systemd credential, `SOTTO_PASSPHRASE_FILE`, or a prompt.
///
/// # Errors
/// Where none of these gives one.
pub(crate) fn existing(file: Option<&Path>) -> Result<Secret<Vec<u8>>, Failure> {
    match unattended(file)? {
        Some(passphrase) => Ok(passphrase),
        None => prompt("Passphrase: "),
    }
}

/// The passphrase of a home about to be made; at a prompt it is typed twice.
///
/// # Errors
/// As [`existing`]; where the two differ.
pub(crate) fn fresh(file: Option<&Path>) -> Result<Secret<Vec<u8>>, Failure> {
    if let Some(passphrase) = unattended(file)? {
        return Ok(passphrase);
    }
    let first = prompt("New passphrase: ")?;
    let second = prompt("The same again: ")?;
    // Both were typed here a moment ago; how long comparing takes tells nobody anything.
    match first.expose(|first| second.expose(|second| first == second)) {
        true if first.expose(Vec::is_empty) => Err(Failure::new("a passphrase must not be empty").hint("choose one")),
        true => Ok(first),
        false => Err(Failure::new("the two passphrases differ").hint("run the command again; nothing was made")),
    }
}

fn unattended(file: Option<&Path>) -> Result<Option<Secret<Vec<u8>>>, Failure> {
    match file {
        Some(path) => Ok(Some(Passphrase::read(path)?)),
        None => Ok(Passphrase::resolve()?),
    }
}

fn prompt(text: &str) -> Result<Secret<Vec<u8>>, Failure> {
    let missing = || {
        Failure::new("there is no passphrase, and no terminal to ask at")
            .hint("name a file with --passphrase-file or SOTTO_PASSPHRASE_FILE, or set the systemd credential `sotto-passphrase`")
    };
    if !stdin().is_terminal() {
        return Err(missing());
    }
    rpassword::prompt_password(text).map(|typed| Secret::new(typed.into_bytes())).map_err(|_| missing())
}
