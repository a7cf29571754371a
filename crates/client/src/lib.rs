//! Gives a principal's program the API client, the wallet and offline verification.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use client::wallet::{PRINCIPAL, Wallet};
//! use client::{Client, verify};
//! # use crypto::Secret;
//!
//! # async fn run(passphrase: Secret<Vec<u8>>, clock: client::Clock) -> Result<(), Box<dyn std::error::Error>> {
//! let wallet = Wallet::open(Path::new("home"), &passphrase)?;
//! let chain = wallet.consortium()?.chain;
//! let client = Client::new(wallet.endpoint()?, wallet.keys(), PRINCIPAL, chain, clock)?;
//! for view in client.requests(None).await?.items {
//!     let receipt = client.receipt(&view.request.id).await?;
//!     let verified = verify::verify_under(&receipt, wallet.consortium()?)?;
//!     println!("{:?}", verified.account.kind);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Public: [`Client`], one method for each endpoint and the flows built from them ([`flow`], [`signer`], [`fetch`], [`result`], [`plan`]);
//! [`wallet`], a principal's home directory; [`verify`], which needs no network; [`log`], which mirrors and checks the ledger's log, also into a [`bucket`]; [`events`], which
//! follows it; [`search`], which asks a node's read model; and what node and client share so that
//! they cannot drift: [`api`], [`signature`], [`seen`], [`tls`], [`http`].

#![forbid(unsafe_code)]

pub mod api;
pub mod bucket;
mod client;
mod escrow;
pub mod events;
pub mod fetch;
pub mod flow;
pub mod http;
pub mod log;
pub mod plan;
pub mod result;
pub mod search;
pub mod seen;
pub mod signature;
pub mod signer;
pub mod tls;
pub mod verify;
pub mod wallet;

pub use self::client::{Client, Clock, Error};
