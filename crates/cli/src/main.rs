//! Gives people the `sotto` command.
//!
//! `args` says what can be asked, `commands` does it (functions over explicit inputs that return typed results, so that
//! `demo` and `bench` call the same ones), `output` prints it, `error` says what went wrong and what to do about it.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod commands;
mod demo;
mod error;
mod home;
mod invitation;
mod log;
mod output;
mod passphrase;
mod recovery;
mod stage;

use std::process::ExitCode;

use clap::Parser as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::args::Arguments;
use crate::output::Output;

/// A node makes many short-lived allocations on many threads, where the system's allocator returns pages to the kernel
/// only to fetch them again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.global.form());
    allow_files();
    // The node brings its own threads for disk work; everything else here waits for the network.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the system gives threads");
    match runtime.block_on(commands::run(arguments, &output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_said() {
                output.failure(failure);
            }
            ExitCode::FAILURE
        }
    }
}

/// Lets this process open as many files as the system allows it at all: many systems begin with 1,024, of which each connection of a
/// node takes one.
fn allow_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // With fewer a node works as well, for fewer callers.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
