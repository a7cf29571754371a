//! One member's node: the rooms composed, and what its services share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use client::seen::Seen;
use contracts::code;
use contracts::message::MemberCard;
use contracts::read;
use crypto::keystore::{FileKeys, Keys as _};
use ledger::{EXPIRY_WINDOW, Transaction, VerifiedTransaction};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use vault::Vault;
use wire::Fixed;

use crate::audit::Audit;
use crate::backup::Backups;
use crate::clock::Clock;
use crate::compute::Computations;
use crate::config::{Compute, Keep};
use crate::dkg::KeyGenerations;
use crate::escrow::Agent;
use crate::message::Placed;
use crate::metrics::Metrics;
use crate::oracle::Desk;
use crate::peers::Peers;
use crate::private::Privates;
use crate::problem::ApiError;
use crate::publisher::Publisher;
use crate::read_model::ReadModel;
use crate::replica::Replica;
use crate::snapshots::Snapshots;
use crate::store::Store;
use crate::sync::Sync;
use crate::token::Mint;
use crate::tunnel::Tunnels;
use crate::vitals::Vitals;

/// Everything a request handler may need.
pub(crate) struct Node {
    /// This member's name.
    pub member: String,
    pub keys: Arc<FileKeys>,
    pub replica: Arc<Replica>,
    pub peers: Peers,
    pub tunnels: Arc<Tunnels>,
    pub store: Store,
    pub audit: Audit,
    pub vault: Arc<Vault>,
    pub mint: Mint,
    pub publisher: Publisher,
    pub read_model: Arc<ReadModel>,
    pub snapshots: Snapshots,
    pub sync: Sync,
    pub keep: Keep,
    pub backups: Backups,
    pub oracle: Desk,
    pub keygens: KeyGenerations,
    pub agent: Agent,
    pub computations: Computations,
    pub privates: Privates,
    pub metrics: Arc<Metrics>,
    pub vitals: Vitals,
    pub clock: Clock,
    /// Most bytes of an upload.
    pub max_upload: u64,
    /// How it takes part in computations.
    pub compute: Compute,
    /// Streams of events that may still be opened.
    pub streams: Arc<Semaphore>,
    /// The node is on its way down.
    pub stopping: CancellationToken,
    /// Where it keeps its data.
    pub directory: PathBuf,
}

impl Node {
    /// Unix milliseconds.
    pub(crate) fn now(&self) -> u64 {
        (self.clock)()
    }

    /// A transaction by this node's own key.
    pub(crate) fn prepare<A: minicbor::Encode<()>>(
        &self,
        contract: &str,
        method: &str,
        arguments: &A,
    ) -> Result<VerifiedTransaction, ApiError> {
        let transaction = Transaction {
            chain: self.replica.chain(),
            sender: self.keys.public(NODE)?,
            nonce: Fixed(crypto::random()),
            expires: self.now() + EXPIRY_WINDOW / 2,
            contract: contract.into(),
            method: method.into(),
            arguments: wire::to_vec(arguments).into(),
        };
        transaction.make_with(|label, message| Ok(self.keys.sign(NODE, label, message)?))
    }

    /// Has transactions ordered, in this order, and waits until this replica holds them.
    pub(crate) async fn submit(&self, transactions: Vec<VerifiedTransaction>) -> Result<Vec<Placed>, ApiError> {
        self.replica.submit(self, transactions).await
    }

    /// As [`Node::submit`], where the first refusal is an error with its code.
    pub(crate) async fn submit_ok(&self, transactions: Vec<VerifiedTransaction>) -> Result<Vec<Placed>, ApiError> {
        let placed = self.submit(transactions).await?;
        match placed.iter().find(|placed| placed.code != ledger::OK) {
            None => Ok(placed),
            Some(refused) => {
                Err(ApiError::coded(&refused.code, format!("transaction {} was refused and is on record", refused.id)))
            }
        }
    }

    /// Calls another member's node (or this one, all the same).
    pub(crate) async fn call<M, A>(&self, member: &str, path: &str, message: &M) -> Result<A, ApiError>
    where
        M: minicbor::Encode<()>,
        A: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
    {
        let card = self.card(member)?;
        // Read where they are needed, which is seldom; a ledger that cannot be read knows nobody.
        let members = || {
            let members =
                self.replica.view().ok().and_then(|view| read::active_members(&*view).ok()).unwrap_or_default();
            members.into_iter().map(|member| member.card).collect()
        };
        if !OF_THE_LEDGER.contains(&path) {
            return self.peers.call(&card, members, path, message, (PATIENCE, &Seen::default())).await;
        }
        // This node's own height, which it knows, and never what others claim.
        let seen = Seen::at(self.replica.height());
        let answer = self.peers.call(&card, members, path, message, (PATIENCE, &seen)).await?;
        if path == RECORDED {
            // What was recorded there is here too, as a rule, when the next one is told of it.
            let _ = self.replica.reach(seen.height()).await;
        }
        Ok(answer)
    }

    /// A member's card.
    ///
    /// # Errors
    /// `unknown_member`.
    pub(crate) fn card(&self, member: &str) -> Result<MemberCard, ApiError> {
        let found = read::member(&self.replica.view()?, member)?;
        Ok(found.ok_or_else(|| ApiError::new(code::UNKNOWN_MEMBER, member.to_owned()))?.card)
    }
}

/// Handles in a node's key store.
pub(crate) const NODE: &str = "node";
/// Cosigns checkpoints.
pub(crate) const COSIGNER: &str = "cosigner";
/// Cosigns checkpoints beside it, where the members have decided on ML-DSA.
pub(crate) const COSIGNER_ML_DSA: &str = "cosigner-ml-dsa";
/// Receives sealed objects and messages.
pub(crate) const RECIPIENT: &str = "recipient";
/// Root of the grant tokens.
pub(crate) const MINT: &str = "mint";
/// The TLS key.
pub(crate) const TLS: &str = "tls";

/// What a peer answers from the ledger, and says in no field how far it must be.
const OF_THE_LEDGER: [&str; 11] = [
    "/peer/v1/openings/ask",
    "/peer/v1/particulars",
    "/peer/v1/private/ask",
    "/peer/v1/oracle/commit",
    "/peer/v1/oracle/sign",
    "/peer/v1/dkg/start",
    "/peer/v1/dkg/exchange",
    "/peer/v1/dkg/finish",
    "/peer/v1/escrow/part",
    "/peer/v1/compute/cancel",
    "/peer/v1/compute/finish",
];
/// Answered when the peer's transaction is on the ledger.
const RECORDED: &str = "/peer/v1/compute/finish";
/// How long a peer may take to answer.
const PATIENCE: Duration = Duration::from_secs(45);
