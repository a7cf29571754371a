//! Puts the engine's parts together, over any runtime and network.

use std::num::{NonZeroU16, NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use commonware_broadcast::buffered;
use commonware_consensus::marshal::core::Actor;
use commonware_consensus::marshal::resolver::p2p as resolver;
use commonware_consensus::marshal::standard::{Inline, Standard};
use commonware_consensus::marshal::{self, Start};
use commonware_consensus::simplex::config::{Floor, ForwardPolicy, SkipBudget, SkipPolicy};
use commonware_consensus::simplex::elector::RoundRobin;
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::types::{Context, Finalization};
use commonware_consensus::simplex::{self};
use commonware_consensus::types::{Epoch, EpochInfo, Epocher, Height, ViewDelta};
use commonware_consensus::{Application, Reporters};
use commonware_cryptography::certificate::{ConstantProvider, Verifier as _};
use commonware_cryptography::{Digested, Digestible as _, Sha256, ed25519::PublicKey, sha256};
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::buffer::paged::CacheRef;
use commonware_runtime::{Clock, Handle, Metrics, Quota, Spawner, Storage};
use commonware_storage::archive::prunable;
use commonware_storage::translator::EightCap;
use commonware_utils::{NZU32, NZU64, NZUsize, NonZeroDuration};
use futures_util::future::select_all;
use rand_core::CryptoRng;
use tokio::sync::watch;

use crate::certificate::Certificate;
use crate::docket::{Docket, Outbound};
use crate::error::Fault;
use crate::executor::{Executor, Intake, Kept, Marshal};
use crate::gossip;
use crate::offence::{Offences, Witness};
use crate::slate::{Rules, Slate};

/// How fast the engine goes, and when it gives up waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Least time between two slates.
    pub gap: Duration,
    /// How long a slate waits for a ledger that is behind what is final, unless it is full; well below `leader`.
    pub patience: Duration,
    /// With nothing to order, the time between two empty slates; well below `leader`.
    pub idle: Duration,
    /// How long a view waits for its leader.
    pub leader: Duration,
    /// How long a view waits for its slate to be notarised and kept; more than `leader`.
    pub certification: Duration,
    /// Pause before a vote to skip is sent again.
    pub retry: Duration,
    /// Views of a leader not heard of for so long are skipped at once; more than `certification` and `retry`.
    pub skip: Duration,
    /// How long to wait for a peer's answer.
    pub fetch: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            gap: Duration::from_millis(10),
            patience: Duration::from_millis(150),
            idle: Duration::from_millis(500),
            leader: Duration::from_secs(1),
            certification: Duration::from_secs(2),
            retry: Duration::from_millis(500),
            skip: Duration::from_secs(3),
            fetch: Duration::from_secs(1),
        }
    }
}

/// What a network carries for the engine, by number.
pub(crate) const CHANNELS: [(u64, Quota); 6] = [
    (0, Quota::per_second(NZU32!(2_048))),
    (1, Quota::per_second(NZU32!(2_048))),
    (2, Quota::per_second(NZU32!(512))),
    (3, Quota::per_second(NZU32!(128))),
    (4, Quota::per_second(NZU32!(512))),
    (5, Quota::per_second(NZU32!(1_024))),
];

/// [`CHANNELS`], in their order.
pub(crate) struct Channels<S, R> {
    pub(crate) votes: (S, R),
    pub(crate) certificates: (S, R),
    pub(crate) resolver: (S, R),
    pub(crate) slates: (S, R),
    pub(crate) backfill: (S, R),
    pub(crate) transactions: (S, R),
}

/// Most bytes that any part sends at once among `validators`.
pub(crate) fn max_message_size(validators: u32, rules: &Rules) -> u32 {
    commonware_p2p::max_message_size(&[
        simplex::max_payload_size::<Scheme, sha256::Digest>(validators),
        marshal::max_payload_size::<Standard<Slate>, Scheme>(validators, rules),
        gossip::MAX_PAGE,
    ])
}

/// What a node brings to its engine.
pub(crate) struct Parts<A, B, P> {
    pub(crate) docket: Arc<Docket>,
    pub(crate) outbound: Outbound,
    pub(crate) scheme: Scheme,
    pub(crate) me: PublicKey,
    pub(crate) application: A,
    pub(crate) blocker: B,
    pub(crate) provider: P,
    pub(crate) pace: Pace,
    /// Bytes of final slates to keep for others.
    pub(crate) keep: usize,
    pub(crate) partition: String,
    pub(crate) offences: Offences,
    pub(crate) finalised: watch::Sender<u64>,
}

#[cfg(test)]
impl<A, B, P> Parts<A, B, P> {
    /// The same with another application.
    pub(crate) fn with<O>(self, application: O) -> Parts<O, B, P> {
        let Self {
            docket, outbound, scheme, me, blocker, provider, pace, keep, partition, offences, finalised, ..
        } = self;
        Parts {
            docket,
            outbound,
            scheme,
            me,
            application,
            blocker,
            provider,
            pace,
            keep,
            partition,
            offences,
            finalised,
        }
    }
}

/// A running engine.
pub(crate) struct Engine {
    pub(crate) marshal: Marshal,
    tasks: Vec<Handle<()>>,
}

impl Engine {
    /// Opens the engine's files and starts all of its tasks.
    pub(crate) async fn start<E, A, B, P, S, R>(
        context: E,
        parts: Parts<A, B, P>,
        channels: Channels<S, R>,
    ) -> Result<Self, Fault>
    where
        E: Clock + CryptoRng + Spawner + Storage + Metrics,
        A: Application<
                E,
                SigningScheme = Scheme,
                Context = Context<sha256::Digest, PublicKey>,
                Block = Slate,
                Input = (),
            > + Sync,
        B: Blocker<PublicKey = PublicKey>,
        P: Provider<PublicKey = PublicKey>,
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
    {
        let Parts { docket, outbound, scheme, me, application, blocker, provider, pace, .. } = parts;
        let partition = parts.partition;
        let fault = |why: &str| Fault::Engine(why.to_owned());
        let fetch = NonZeroDuration::new(pace.fetch).ok_or_else(|| fault("the fetch timeout is zero"))?;
        let cache = CacheRef::new(PAGE, PAGES);
        let rules = Rules { chain: docket.committee().chain() };
        let genesis = docket.genesis()?;
        let epoch = Epoch::new(docket.committee().epoch());
        let epocher = Whole(epoch);

        let (slates, buffer) = buffered::Engine::new(
            context.child("slates"),
            buffered::Config {
                public_key: me.clone(),
                mailbox_size: MAILBOX,
                deque_size: SLATES_PER_PEER,
                priority: true,
                codec_config: rules.clone(),
                peer_provider: provider.clone(),
                strategy: Sequential,
            },
        );
        let archive = |name: &str| {
            let part = |what: &str| format!("{partition}-{name}-{what}");
            (part("metadata"), part("keys"), part("values"))
        };
        let (metadata_partition, key_partition, value_partition) = archive("certificates");
        let certificates: prunable::Archive<_, _, _, Finalization<Scheme, sha256::Digest>> = prunable::Archive::init(
            context.child("certificates"),
            prunable::Config {
                translator: EightCap,
                metadata_partition,
                key_partition,
                key_page_cache: cache.clone(),
                value_partition,
                compression: None,
                codec_config: Scheme::certificate_codec_config_unbounded(),
                items_per_section: SECTION,
                key_write_buffer: WRITE,
                value_write_buffer: WRITE,
                replay_buffer: REPLAY,
            },
        )
        .await
        .map_err(|error| fault(&format!("the certificates do not open: {error}")))?;
        let (metadata_partition, key_partition, value_partition) = archive("slates");
        let finals = prunable::Archive::init(
            context.child("finals"),
            prunable::Config {
                translator: EightCap,
                metadata_partition,
                key_partition,
                key_page_cache: cache.clone(),
                value_partition,
                compression: None,
                codec_config: rules.clone(),
                items_per_section: SECTION,
                key_write_buffer: WRITE,
                value_write_buffer: WRITE,
                replay_buffer: REPLAY,
            },
        )
        .await
        .map_err(|error| fault(&format!("the final slates do not open: {error}")))?;
        let start = {
            let digest = genesis.digest();
            Start::Genesis(Digested::precomputed(genesis.clone(), digest))
        };
        let (actor, mailbox, floor) = Actor::init(
            context.child("marshal"),
            certificates,
            finals,
            marshal::Config {
                provider: ConstantProvider::new(scheme.clone()),
                epocher: epocher.clone(),
                start,
                partition_prefix: format!("{partition}-marshal"),
                mailbox_size: MAILBOX,
                view_retention: RETENTION,
                prunable_items_per_section: SECTION,
                page_cache: cache.clone(),
                replay_buffer: REPLAY,
                key_write_buffer: WRITE,
                value_write_buffer: WRITE,
                block_codec_config: rules,
                max_repair: REPAIR,
                max_pending_acks: PENDING,
                strategy: Sequential,
            },
        )
        .await;
        let processed = floor.processed().map_or(0, |processed| processed.height().get());
        let answering = resolver::init(
            context.child("backfill"),
            resolver::Config {
                public_key: me,
                peer_provider: provider,
                blocker: blocker.clone(),
                mailbox_size: MAILBOX,
                fetch_timeout: fetch,
                fetch_retry_delay: FETCH_PAUSE,
                priority_requests: false,
                priority_responses: false,
            },
            channels.backfill,
        );
        let automaton = Inline::new(context.child("automaton"), application, mailbox.clone(), epocher);
        let witness =
            Witness::new(context.child("witness"), scheme.clone(), docket.committee().clone(), parts.offences);
        let consensus = simplex::Engine::new(
            context.child("consensus"),
            simplex::config::Config {
                scheme,
                elector: RoundRobin::<Sha256>::default(),
                blocker: blocker.clone(),
                automaton: automaton.clone(),
                relay: automaton.clone(),
                reporter: Reporters::from((automaton, witness)),
                track_historical_votes: true,
                strategy: Sequential,
                partition: format!("{partition}-votes"),
                mailbox_size: MAILBOX,
                epoch,
                floor: Floor::Genesis(genesis.digest()),
                replay_buffer: REPLAY,
                write_buffer: WRITE,
                page_cache: cache,
                leader_timeout: pace.leader,
                certification_timeout: pace.certification,
                timeout_retry: pace.retry,
                view_retention: RETENTION,
                skip: SkipPolicy::Enabled { timeout: pace.skip, budget: SkipBudget::Participants },
                fetch_timeout: fetch,
                fetch_retry_delay: FETCH_PAUSE,
                forward: ForwardPolicy::SilentVoters,
            },
        );

        let (intake, queue) = Intake::new(parts.finalised);
        let mut tasks = vec![slates.start(channels.slates), actor.start(intake, buffer, answering)];
        let kept = Kept::new(parts.keep, KEPT);
        let executor = Executor { docket: docket.clone(), marshal: mailbox.clone(), kept };
        // Before any vote: what this ledger lacks is here, or this node must not go on.
        executor.recover(processed).await?;
        let failing = docket.clone();
        tasks.push(context.child("executor").dedicated().spawn(move |_| async move {
            if let Err(fault) = executor.run(queue).await {
                failing.fail(fault);
            }
        }));
        let (sender, receiver) = channels.transactions;
        let passing = docket.clone();
        tasks.push(context.child("passing").spawn(move |context| gossip::send(context, passing, outbound, sender)));
        tasks.push(context.child("taking").spawn(move |context| gossip::receive(context, docket, receiver, blocker)));
        tasks.push(consensus.start(channels.votes, channels.certificates, channels.resolver));
        Ok(Self { marshal: mailbox, tasks })
    }

    /// The certificate of the slate at a height, where it has one of its own and both are kept.
    pub(crate) async fn certificate(marshal: &Marshal, height: u64) -> Option<Certificate> {
        let height = Height::new(height);
        // Few slates lack one, and a slate may be large.
        let finalization = marshal.get_finalization(height).await?;
        let slate = marshal.get_block(height).await?;
        Certificate::of(slate.inner().header().clone(), &finalization)
    }

    /// Whether a slate before the one at `executed`, the newest that was executed, is no longer kept.
    pub(crate) async fn has_dropped(marshal: &Marshal, height: u64, executed: u64) -> bool {
        // One that stops has neither.
        !Self::has(marshal, height).await && Self::has(marshal, executed).await
    }

    /// Whether a final slate is here.
    pub(crate) async fn has(marshal: &Marshal, height: u64) -> bool {
        marshal.get_block(Height::new(height)).await.is_some()
    }

    /// Waits until any part stops, which none does by itself.
    pub(crate) async fn stopped(self) -> Fault {
        let (result, _, _) = select_all(self.tasks).await;
        Fault::Engine(result.err().map_or_else(|| "a part of it ended".to_owned(), |error| error.to_string()))
    }
}

/// One epoch holds every height: its validators vote until the engine is stopped.
#[derive(Clone, Debug)]
struct Whole(Epoch);

impl Epocher for Whole {
    fn containing(&self, height: Height) -> Option<EpochInfo> {
        Some(EpochInfo::new(self.0, height, Height::zero(), LAST))
    }

    fn first(&self, epoch: Epoch) -> Option<Height> {
        (epoch == self.0).then_some(Height::zero())
    }

    fn last(&self, epoch: Epoch) -> Option<Height> {
        (epoch == self.0).then_some(LAST)
    }
}

/// Never reached.
const LAST: Height = Height::new(u64::MAX - 1);
/// Views to keep votes and candidates of, behind the newest final one.
const RETENTION: ViewDelta = ViewDelta::new(64);
/// Slates that wait to be executed.
const PENDING: NonZeroUsize = NZUsize!(16);
/// Slates to ask for at a time when behind.
const REPAIR: NonZeroUsize = NZUsize!(20);
/// Slates of one validator in memory that are not final yet.
const SLATES_PER_PEER: usize = 8;
/// Final slates kept at least.
const KEPT: usize = 1_024;
const SECTION: NonZeroU64 = NZU64!(256);
const MAILBOX: NonZeroUsize = NZUsize!(1_024);
const FETCH_PAUSE: Duration = Duration::from_millis(100);
const REPLAY: NonZeroUsize = NZUsize!(1 << 20);
const WRITE: NonZeroUsize = NZUsize!(1 << 20);
/// Pages of the engine's cache, with their checksum a disk's block: 16 MiB in all.
const PAGE: NonZeroU16 = NonZeroU16::new(4_084).expect("not zero");
const PAGES: NonZeroUsize = NZUsize!(4_096);
