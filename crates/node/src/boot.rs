//! From a configuration to a running node, and back down in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contracts::{Contracts, read};
use crypto::Secret;
use crypto::keystore::{self, FileKeys};
use ledger::{Genesis, Ledger};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vault::Vault;
use wire::Limits;

use crate::audit::{Audit, AuditError};
use crate::backup::{self, BackupError, Marker};
use crate::config::{NodeConfig, Ordering};
use crate::guard::Guard;
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::private::Privates;
use crate::problem::ApiError;
use crate::publisher::{self, Publisher};
use crate::read_model::ReadModel;
use crate::replica::{self, Own, Replica};
use crate::server::Server;
use crate::service::{MINT, Node, TLS};
use crate::setup::{GENESIS_FILE, KEYS_FILE};
use crate::snapshots::Snapshots;
use crate::store::{Store, StoreError};
use crate::sync::Sync;
use crate::tls::{self, TlsError};
use crate::token::Mint;
use crate::tunnel::{self, Tunnels};
use crate::vitals::Vitals;
use crate::{api, clock, compute, escrow, private, pruning, waking};

/// Runs a node until `shutdown` is done; `ready` is told where it listens.
///
/// # Errors
/// [`BootError`] when it cannot start.
pub async fn run(
    config: NodeConfig,
    passphrase: Secret<Vec<u8>>,
    shutdown: impl Future<Output = ()> + Send,
    ready: impl FnOnce(SocketAddr) + Send,
) -> Result<(), BootError> {
    let directory = config.data_dir.clone();
    let clock = clock::system();
    let metrics = Metrics::new();

    backup::sweep(&directory)?;
    let marker = Marker::load(&directory)?;
    let path = directory.join(KEYS_FILE);
    let keys = tokio::task::spawn_blocking(move || FileKeys::open(path, &passphrase))
        .await
        .map_err(|_| BootError::Interrupted)??;
    let keys = Arc::new(keys);
    let identity = tls::identity(&keys.secret(TLS)?, &config.member)?;
    let genesis = std::fs::read(directory.join(GENESIS_FILE))?;
    let genesis: Genesis = wire::from_slice(&genesis, Limits::small()).map_err(BootError::Genesis)?;
    let path = directory.join("ledger.redb");
    let ledger = tokio::task::spawn_blocking(move || Ledger::open(&path, Arc::new(Contracts), genesis));
    let ledger = Arc::new(ledger.await.map_err(|_| BootError::Interrupted)??);
    ledger.keep_states(config.ledger.states);
    let pinned = config.ledger.pinned()?;
    let Ordering::Solo { leader } = &config.ordering;
    let own = Own {
        member: config.member.clone(),
        leader: leader.clone(),
        validator: config.validator.clone(),
        keys: keys.clone(),
        directory: directory.clone(),
        clock: clock.clone(),
        burnt: marker.iter().flat_map(|marker| marker.burnt.iter().copied()).collect(),
    };
    let finality = metrics.finality_seconds.clone();
    let replica = tokio::task::spawn_blocking(move || Replica::open(ledger, own, finality));
    let replica = replica.await.map_err(|_| BootError::Interrupted)?.map_err(BootError::Ordering)?;
    let node = Arc::new(Node {
        member: config.member.clone(),
        mint: Mint::new(&keys.secret(MINT)?).map_err(BootError::Mint)?,
        keys,
        replica: Arc::new(replica),
        publisher: Publisher::new(&config.witnesses)?,
        read_model: Arc::new(ReadModel::new(config.read_model.clone(), &directory)),
        snapshots: Snapshots::new(&directory, config.ledger.snapshot_every)?,
        sync: Sync::new(config.ledger.behind(), pinned),
        keep: config.ledger.keep,
        peers: Peers::new(config.member.clone(), identity.clone(), config.peers.addresses.clone(), metrics.clone()),
        backups: Default::default(),
        tunnels: Tunnels::new(config.member.clone(), tunnel::Bounds::default(), metrics.clone()),
        store: Store::open(&directory.join("node.sqlite")).await?,
        audit: Audit::open(&directory.join("audit.sqlite"), clock.clone(), metrics.clone()).await?,
        vault: Arc::new(Vault::open(directory.join("vault"))?),
        oracle: Default::default(),
        keygens: Default::default(),
        agent: Default::default(),
        computations: Default::default(),
        privates: Privates::open(&directory, config.private)?,
        vitals: Vitals::new(&metrics),
        metrics: metrics.clone(),
        clock: clock.clone(),
        max_upload: config.limits.max_upload_bytes,
        compute: config.compute,
        streams: Arc::new(Semaphore::new(api::events::STREAMS)),
        stopping: CancellationToken::new(),
        directory: directory.clone(),
    });
    let mut detail = env!("CARGO_PKG_VERSION").to_owned();
    if let Some(Marker { height, made, restored, .. }) = marker {
        tracing::warn!(height, made, restored, "this node was restored from a backup");
        detail = format!("{detail}, restored at {restored} from a backup of block {height}, made at {made}");
    }
    node.audit.record("node", "node.start", &config.member, "ok", &detail).await?;

    let members = node.clone();
    let guard = Guard::new(&config, clock, metrics.clone(), move |spki| {
        // A store that cannot be read knows nobody.
        read::member_by_tls(&members.replica.view().ok()?, spki).ok().flatten()
    });
    let (prompt, streaming) = api::routers(node.clone());
    let server = Server::bind(config.listen, tls::server_config(&identity), config.limits, metrics).await?;
    ready(server.local_addr()?);
    tracing::info!(member = config.member, address = config.address, "the node serves");
    if let Ok(view) = node.replica.view() {
        // Ahead of the calls; one that comes earlier compiles what it needs itself.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = contracts::prepare(&view) {
                tracing::error!(%error, "contracts in WebAssembly are not ready");
            }
        });
    }
    let ordering = tokio::spawn(replica::run(node.clone()));
    let seating = tokio::spawn(replica::take_seat(node.clone()));
    let registering = tokio::spawn(replica::register(node.clone()));
    let keeping = tokio::spawn(compute::watch(node.clone()));
    let publishing = tokio::spawn(publisher::run(node.clone()));
    let waking = tokio::spawn(waking::run(node.clone()));
    let holding = tokio::spawn(private::run(node.clone()));
    let escrow = tokio::spawn(escrow::run(node.clone()));
    let pruning = tokio::spawn(pruning::run(node.clone()));
    let projecting = node.read_model.clone();
    let projecting = projecting.run(node.replica.copied().clone(), node.replica.heights(), node.stopping.clone());
    let projecting = tokio::spawn(projecting);
    let stopping = node.stopping.clone();
    let shutdown = async move {
        shutdown.await;
        // What has no end of its own ends here.
        stopping.cancel();
    };
    server.serve(guard.wrap(prompt, streaming), shutdown).await;
    node.tunnels.close();
    ordering.abort();
    seating.abort();
    registering.abort();
    keeping.abort();
    publishing.abort();
    waking.abort();
    holding.abort();
    escrow.abort();
    pruning.abort();
    // It ends by itself; a database that does not let go is left to find out that nobody is there.
    if timeout(LEAVE, projecting).await.is_err() {
        tracing::warn!("the read model's database does not answer");
    }
    node.audit.record("node", "node.stop", &config.member, "ok", "").await?;
    node.store.close().await;
    node.audit.close().await;
    tracing::info!(member = config.member, "the node has stopped");
    Ok(())
}

/// How long the read model may take to end.
const LEAVE: Duration = Duration::from_secs(5);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// The key store does not open.
    #[error("the key store does not open")]
    Keys(#[from] keystore::Error),
    /// The TLS identity cannot be made.
    #[error("the TLS identity cannot be made")]
    Tls(#[from] TlsError),
    /// What a restore has left cannot be read or removed.
    #[error("the node was restored from a backup, and what that left cannot be used")]
    Backup(#[from] BackupError),
    /// The genesis is damaged.
    #[error("the genesis file is damaged")]
    Genesis(#[source] wire::Error),
    /// The ledger does not open.
    #[error("the ledger does not open")]
    Ledger(#[from] ledger::Error),
    /// The key of the grant tokens cannot be used.
    #[error("the key of the grant tokens cannot be used")]
    Mint(#[source] ApiError),
    /// The node cannot take its part in the ordering.
    #[error("the node cannot take its part in the ordering of the ledger")]
    Ordering(#[source] ApiError),
    /// The pinned checkpoint cannot be used.
    #[error("the checkpoint that `ledger.checkpoint` names cannot be used")]
    Pinned(#[from] crate::config::PinError),
    /// A witness cannot be asked.
    #[error("a witness of the configuration cannot be asked")]
    Witness(#[from] client::http::Error),
    /// The tables do not open.
    #[error("the node's tables do not open")]
    Store(#[from] StoreError),
    /// The audit trail does not open, or does not take a record.
    #[error("the audit trail does not open")]
    Audit(#[from] AuditError),
    /// The vault does not open.
    #[error("the vault does not open")]
    Vault(#[from] vault::Error),
    /// A file cannot be read, or the port cannot be listened on.
    #[error("cannot read the node's files or listen on its port")]
    Io(#[from] std::io::Error),
    /// The process is stopping.
    #[error("interrupted")]
    Interrupted,
}
