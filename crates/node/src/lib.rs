//! Runs one member's server: API, ledger replica, oracle, proxy, jobs and audit.
//!
//! [`setup`] makes a node's directory, [`run`] runs it until told to stop, [`backup`] copies and restores it, [`read_model`] rebuilds what it is searched by; [`witness`] is a program of its own. Inside, `service::Node` holds the
//! composed rooms; `api` maps paths to services; `replica`, `judge`, `oracle`, `dkg`, `proxy`, `compute`, `assets`,
//! `particulars`, `private`, `publisher`, `read_model` and `requests` are the services; the rest is what every server needs: `server`, `tls`, `guard`,
//! `auth`, `limit`, `extract`, `problem`, `metrics`, `vitals`, `audit`, `store`, `sealed`, `config`, and between nodes `peers` and `tunnel`.

#![forbid(unsafe_code)]

mod api;
mod assets;
mod audit;
mod auth;
pub mod backup;
mod boot;
mod clock;
mod compute;
pub mod config;
mod dkg;
mod errors;
mod escrow;
mod extract;
mod guard;
mod judge;
mod limit;
mod message;
mod metrics;
mod oracle;
mod particulars;
mod peers;
mod private;
mod problem;
mod proxy;
mod pruning;
mod publisher;
pub mod read_model;
mod replica;
mod requests;
mod sealed;
mod server;
mod service;
pub mod setup;
mod snapshots;
mod store;
mod sync;
mod tls;
mod token;
mod tunnel;
mod vitals;
mod waking;
pub mod witness;

pub use boot::{BootError, run};
