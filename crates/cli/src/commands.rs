//! The commands. Each module holds functions over explicit inputs with typed results, and a `run` that prints them.

pub(crate) mod approve;
pub(crate) mod assets;
pub(crate) mod audit;
mod backup;
pub(crate) mod call;
pub(crate) mod credential;
mod doctor;
mod escrow;
pub(crate) mod events;
pub(crate) mod find;
mod governance;
pub(crate) mod log;
mod manual;
pub(crate) mod members;
mod modules;
pub(crate) mod node;
pub(crate) mod offers;
mod private;
pub(crate) mod requests;
pub(crate) mod results;
mod search;
pub(crate) mod setup;
mod signer;
pub(crate) mod state;
pub(crate) mod testimony;
pub(crate) mod throughput;
mod verifiers;
pub(crate) mod witness;

use std::path::PathBuf;

use crypto::Secret;
use serde_json::json;

use crate::args::{Arguments, BenchCommand, Command, Global, LogCommand, ReceiptArgs, ReceiptCommand, VerifierCommand};
use crate::error::Failure;
use crate::home::{Home, Session};
use crate::output::Output;
use crate::{bench, demo, passphrase};

/// What every command starts from.
pub(crate) struct Surroundings {
    /// The home.
    pub(crate) home: Home,
    passphrase_file: Option<PathBuf>,
}

impl Surroundings {
    fn new(global: Global) -> Result<Self, Failure> {
        Ok(Self { home: Home::resolve(global.home)?, passphrase_file: global.passphrase_file })
    }

    /// The passphrase of an existing home.
    pub(crate) fn passphrase(&self) -> Result<Secret<Vec<u8>>, Failure> {
        passphrase::existing(self.passphrase_file.as_deref())
    }

    /// The passphrase of a home to be made.
    pub(crate) fn new_passphrase(&self) -> Result<Secret<Vec<u8>>, Failure> {
        passphrase::fresh(self.passphrase_file.as_deref())
    }

    /// The home's wallet and its client.
    pub(crate) fn session(&self) -> Result<Session, Failure> {
        self.home.inhabited()?;
        self.home.open(&self.passphrase()?)
    }
}

/// Who cosigned, and with what.
fn cosigned_by(cosigners: &[String], ml_dsa: bool) -> String {
    format!("{}{}", cosigners.join(", "), if ml_dsa { ", with Ed25519 and ML-DSA-65" } else { "" })
}

/// Does what was asked.
///
/// # Errors
/// What went wrong, why, and what to do.
pub(crate) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let Arguments { global, command } = arguments;
    match command {
        // These need no home.
        Command::Demo(args) => return demo::run(args, output).await,
        Command::Bench(BenchCommand::Requests(args)) if args.contract.is_none() => {
            return bench::requests(args, output).await;
        }
        Command::Bench(BenchCommand::Ledger(args)) => return bench::ledger::run(&args, output).await,
        Command::Bench(BenchCommand::Seal(args)) => return throughput::run(&args, output),
        Command::Bench(BenchCommand::Mpc(args)) => return bench::mpc::run(&args, output),
        Command::Bench(BenchCommand::MpcParty) => return bench::mpc::party(),
        Command::Man { directory } => return manual::run(&directory, output),
        Command::Verify(args) => return results::run_verify(&args, output),
        Command::Log(LogCommand::Check(args)) if args.directory.is_some() => return log::run_offline(&args, output),
        Command::Receipt(ReceiptArgs { command: Some(ReceiptCommand::Witness(args)), .. }) if args.log.is_some() => {
            return testimony::run_offline(&args, output);
        }
        Command::Contract(crate::args::ContractCommand::Check { file }) => return offers::run_check(&file, output),
        Command::Verifier(VerifierCommand::Digest { consortium }) => return verifiers::digest(&consortium, output),
        _ => {}
    }
    let surroundings = Surroundings::new(global)?;
    match command {
        Command::Init(args) => setup::run_init(args, &surroundings, output),
        Command::Invite(args) => setup::run_invite(args, &surroundings, output).await,
        Command::Join(args) => setup::run_join(args, &surroundings, output).await,
        Command::Node(command) => node::run(command, &surroundings, output).await,
        Command::Member(command) => members::run(command, &surroundings, output).await,
        Command::Call(args) => call::run(args, &surroundings, output).await,
        Command::Module(command) => modules::run(command, &surroundings, output).await,
        Command::Verifier(command) => verifiers::run(command, &surroundings, output).await,
        Command::Escrow(command) => escrow::run(command, &surroundings, output).await,
        Command::Gov(command) => governance::run(command, &surroundings, output).await,
        Command::Key => {
            let key = surroundings.session()?.wallet.key();
            output.result(&json!({ "key": key }), &key.to_string(), &key.to_string());
            Ok(())
        }
        Command::Signer(command) => signer::run(command, &surroundings, output).await,
        Command::Asset(command) => assets::run(command, &surroundings, output).await,
        Command::Contract(command) => offers::run(command, &surroundings, output).await,
        Command::Private(command) => private::run(command, &surroundings, output).await,
        Command::Request(command) => requests::run(command, &surroundings, output).await,
        Command::Approve(args) => approve::run(args, &surroundings, output).await,
        Command::Fetch(args) => results::run_fetch(args, &surroundings, output).await,
        Command::Compute(args) => results::run_compute(args, &surroundings, output).await,
        Command::Receipt(ReceiptArgs { command: Some(ReceiptCommand::Witness(args)), .. }) => {
            testimony::run(args, &surroundings, output).await
        }
        Command::Receipt(args) => results::run_receipt(args, &surroundings, output).await,
        Command::Audit(args) => audit::run(args, &surroundings, output).await,
        Command::Doctor => doctor::run(&surroundings, output).await,
        Command::Events(args) => events::run(args, &surroundings, output).await,
        Command::Search(command) => search::run(command, &surroundings, output).await,
        Command::Log(command) => log::run(command, &surroundings, output).await,
        Command::State(command) => state::run(command, &surroundings, output).await,
        Command::Witness(command) => witness::run(command, &surroundings, output).await,
        Command::Bench(BenchCommand::Requests(args)) => bench::running(args, &surroundings, output).await,
        Command::Demo(_) | Command::Bench(_) | Command::Man { .. } | Command::Verify(_) => {
            unreachable!("they were done above")
        }
    }
}
