//! The ordering as a node uses it: a thread with the engine's own runtime inside, and a handle outside.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use commonware_codec::{Copying, DecodeExt as _};
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_cryptography::{ChaCha20Poly1305, Signer as _};
use commonware_p2p::authenticated::lookup;
use commonware_p2p::{Address, AddressableManager as _, Ingress};
use commonware_runtime::{Clock as _, Metrics as _, Quota, Runner as _, Supervisor as _, tokio as runtime};
use commonware_stream::cups::{self, Cups};
use commonware_stream::sake::{self, Sake};
use commonware_utils::ordered::Map;
use commonware_utils::{Hostname, NZU32, NZUsize};
use crypto::Secret;
use ledger::{Callback, Epoch, Ledger, Ordering, Submit, VerifiedTransaction};
use tokio::sync::{oneshot, watch};

use crate::automaton::Automaton;
use crate::certificate::Certificate;
use crate::committee::{Committee, foreign_key};
use crate::docket::{Docket, Last, Outbound, Term};
use crate::engine::{CHANNELS, Channels, Engine, Pace, Parts, max_message_size};
use crate::error::{Fault, StartError};
use crate::executor::Marshal;
use crate::offence::{Offence, Offences};
use crate::pool::PoolLimits;
use crate::pulse::Pulse;
use crate::slate::Rules;

/// What a validator must know to take part.
pub struct Config {
    /// Where the engine keeps votes and recent slates; of this chain and epoch alone.
    pub directory: PathBuf,
    /// Seed of this validator's cosigning key. The engine holds it in memory.
    pub key: Secret<[u8; 32]>,
    /// The validators.
    pub epoch: Epoch,
    /// Where each validator is reached, by name: this one's address is for the others.
    pub peers: BTreeMap<String, Endpoint>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whether validators may have addresses that are not public: on one machine, or in one network.
    pub private_addresses: bool,
    /// The ledger's height at which this ordering began; the same for all validators.
    pub base: u64,
    /// Where it ends.
    pub last: Last,
    /// How fast to go.
    pub pace: Pace,
    /// What the pool of waiting transactions holds.
    pub pool: PoolLimits,
    /// Bytes of final slates to keep for validators that were away.
    pub keep: usize,
    /// Threads of the engine's runtime.
    pub threads: usize,
}

/// Where a validator is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// At this address, from which it also connects.
    Socket(SocketAddr),
    /// At this host name and port. It may connect from anywhere.
    Host(String, u16),
}

/// Orders together with the other validators; see `docs/spec/ordering.md`.
///
/// Dropping it stops the engine. Those who still wait are told that they will learn nothing more: their transactions may
/// be ordered all the same.
pub struct Quorum {
    docket: Arc<Docket>,
    offences: Offences,
    finalised: watch::Receiver<u64>,
    marshal: watch::Receiver<Option<Marshal>>,
    pulse: watch::Receiver<Pulse>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// How far an ordering is.
#[derive(Clone, Debug)]
pub struct Status {
    /// Height of the newest final slate this node has heard of.
    pub finalised: u64,
    /// Height of the newest slate whose block is on disk here.
    pub executed: u64,
    /// Transactions that wait in the pool.
    pub waiting: usize,
    /// Bytes of them.
    pub waiting_bytes: usize,
    /// The number of the oldest submission that waits, in the order in which they came: as long as it stays, that one waits.
    pub oldest: Option<u64>,
    /// The other validators, about a second ago.
    pub pulse: Pulse,
    /// Why the ordering stopped for good, if it did.
    pub fault: Option<Fault>,
}

impl Quorum {
    /// Starts the engine in a thread of its own. It listens, finds the others and catches up on its own.
    ///
    /// # Errors
    /// [`StartError`]. What goes wrong later is in [`Status::fault`].
    pub fn start(config: Config, ledger: Arc<Ledger>) -> Result<Self, StartError> {
        let committee = Committee::new(ledger.chain(), &config.epoch);
        let keys = committee.keys().ok_or(StartError::Keys)?;
        // The engine signs with the key itself; its type wipes it on drop.
        let key =
            config.key.expose(|seed| PrivateKey::decode(Copying(seed.as_slice()))).map_err(|_| StartError::Keys)?;
        let own = crate::committee::own_key(&key.public_key());
        let place = committee.place(&own).ok_or(StartError::NotValidator { epoch: committee.epoch() })?;
        let scheme = Scheme::signer(&committee.namespace(), keys, key.clone()).ok_or(StartError::Keys)?;
        let addresses = addresses(&committee, &config.peers)?;
        std::fs::create_dir_all(&config.directory)?;
        let term = Term { base: config.base, last: config.last.clone() };
        let (docket, outbound) = Docket::new(ledger, committee, place, term, config.pool)?;

        let offences = Offences::default();
        let (finalised, seen) = watch::channel(0);
        let (told, marshal) = watch::channel(None);
        let (beat, pulse) = watch::channel(Pulse::default());
        let (stop, stopped) = oneshot::channel();
        let running = Running { config, docket: docket.clone(), outbound, scheme, key, addresses };
        let part = Told { offences: offences.clone(), finalised, marshal: told, pulse: beat };
        let failing = docket.clone();
        let thread = thread::Builder::new().name("ordering".into()).spawn(move || {
            // The engine panics where its storage fails; nothing of this node's goes on by itself after that.
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| running.run(part, stopped)));
            match ended {
                Ok(None) => failing.close(),
                Ok(Some(fault)) => failing.fail(fault),
                Err(_) => failing.fail(Fault::Engine("it panicked; its message is on the error output".into())),
            }
        })?;
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Self { docket, offences, finalised: seen, marshal, pulse, stop, thread })
    }

    /// The epoch whose validators it is among.
    pub fn epoch(&self) -> u64 {
        self.docket.committee().epoch()
    }

    /// How far it is.
    pub fn status(&self) -> Status {
        let (waiting, waiting_bytes) = self.docket.load();
        Status {
            finalised: *self.finalised.borrow(),
            executed: self.docket.executed(),
            waiting,
            waiting_bytes,
            oldest: self.docket.oldest(),
            pulse: self.pulse.borrow().clone(),
            fault: self.docket.fault().borrow().clone(),
        }
    }

    /// Validators that were caught signing what honest ones do not, since start.
    pub fn offences(&self) -> Vec<Offence> {
        self.offences.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest certificate this node has; none before the first slate, or while the engine starts. Who waits for it does not keep the
    /// ordering from being dropped.
    pub fn certificate(&self) -> impl Future<Output = Option<Certificate>> + Send + use<> {
        let (marshal, newest) = (self.marshal.borrow().clone(), *self.finalised.borrow());
        async move {
            let marshal = marshal?;
            // A slate may be final by a later one's certificate alone.
            for height in (newest.saturating_sub(SEARCH)..=newest).rev() {
                if let Some(certificate) = Engine::certificate(&marshal, height).await {
                    return Some(certificate);
                }
            }
            None
        }
    }

    /// Whether the slate at a height, which this node has executed, is no longer kept here: a validator that lacks it does not get it from this
    /// one. Who waits for it does not keep the ordering from being dropped.
    pub fn has_dropped(&self, height: u64) -> impl Future<Output = bool> + Send + use<> {
        let (marshal, executed) = (self.marshal.borrow().clone(), self.docket.executed());
        async move {
            match marshal.filter(|_| (1..executed).contains(&height)) {
                Some(marshal) => Engine::has_dropped(&marshal, height, executed).await,
                None => false,
            }
        }
    }

    /// Whether the slate at a height is here, executed or not; or may be, while the engine starts. Who waits for it does not keep the ordering
    /// from being dropped.
    pub fn has(&self, height: u64) -> impl Future<Output = bool> + Send + use<> {
        let marshal = self.marshal.borrow().clone();
        async move {
            match marshal {
                Some(marshal) => Engine::has(&marshal, height).await,
                None => true,
            }
        }
    }

    /// Waits until its last block is made, on disk and answered. Whatever waits for an outcome then has been told that it will learn
    /// nothing more, and nothing is taken in from there on.
    pub async fn ended(&self) {
        // The sender lives as long as this does.
        let _ = self.docket.ended().wait_for(|ended| *ended).await;
    }

    /// Waits until the ordering has stopped for good, and says why.
    pub async fn failed(&self) -> Fault {
        let mut fault = self.docket.fault();
        match fault.wait_for(Option::is_some).await {
            Ok(fault) => fault.clone().expect("it was waited for"),
            Err(_) => Fault::Engine("it was dropped".into()),
        }
    }
}

impl Ordering for Quorum {
    fn submit(&self, batch: Vec<VerifiedTransaction>, callback: Callback) -> Result<(), Submit> {
        // The engine's clock is the system's; outside of its runtime this is how to read it.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
        self.docket.submit(batch, callback, u64::try_from(now).unwrap_or(u64::MAX))
    }
}

impl Drop for Quorum {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panics were caught and told.
            let _ = thread.join();
        }
    }
}

/// Where the engine's thread tells what its handle is asked.
struct Told {
    offences: Offences,
    finalised: watch::Sender<u64>,
    marshal: watch::Sender<Option<Marshal>>,
    pulse: watch::Sender<Pulse>,
}

struct Running {
    config: Config,
    docket: Arc<Docket>,
    outbound: Outbound,
    scheme: Scheme,
    key: PrivateKey,
    addresses: Map<PublicKey, Address>,
}

impl Running {
    /// Runs until it is told to stop, or until a fault.
    fn run(self, told: Told, stopped: oneshot::Receiver<()>) -> Option<Fault> {
        let Told { offences, finalised, marshal, pulse } = told;
        let Self { config, docket, outbound, scheme, key, addresses } = self;
        let settings = runtime::Config::new()
            .with_worker_threads(config.threads.max(1))
            .with_max_blocking_threads(BLOCKING)
            .with_storage_directory(config.directory);
        runtime::Runner::new(settings).start(|context| async move {
            let rules = Rules { chain: docket.committee().chain() };
            let validators = u32::try_from(addresses.len()).expect("an epoch has at most 128 validators");
            let mut namespace = docket.committee().namespace();
            // Who still votes in an earlier epoch, not knowing that it is over, meets nobody of this one.
            namespace.extend_from_slice(format!("/network/{}", docket.committee().epoch()).as_bytes());
            let me = key.public_key();
            let sake = Sake {
                signer: key,
                synchrony_bound: SYNCHRONY,
                max_handshake_age: SYNCHRONY,
                version: sake::Version::V1,
            };
            let listen = lookup::Config {
                handshake: Cups::<_, ChaCha20Poly1305>::new(sake, cups::Version::V1),
                namespace,
                listen: config.listen,
                allow_private_ips: config.private_addresses,
                allow_dns: true,
                // Who it is shows in the handshake; members' nodes may stand behind changing addresses.
                bypass_ip_check: true,
                max_message_size: max_message_size(validators, &rules),
                max_peers_per_set: NZUsize!(addresses.len()),
                mailbox_size: NZUsize!(1_024),
                send_batch_size: NZUsize!(8),
                handshake_timeout: Duration::from_secs(5),
                dial_timeout: Duration::from_secs(5),
                peer_connection_cooldown: Duration::from_secs(1),
                max_concurrent_handshakes: NZU32!(64),
                allowed_handshake_rate_per_ip: Quota::per_second(NZU32!(16)),
                allowed_handshake_rate_per_subnet: Quota::per_second(NZU32!(64)),
                ping_frequency: Duration::from_secs(5),
                dial_frequency: Duration::from_millis(500),
                tracked_peer_sets: NZUsize!(1),
                block_duration: Duration::from_secs(3_600),
            };
            let (mut network, mut oracle) = lookup::Network::new(context.child("network"), listen);
            oracle.track(0, addresses);
            let mut registered = CHANNELS.into_iter().map(|(channel, quota)| network.register(channel, quota));
            let mut next = || registered.next().expect("there are six channels");
            let channels = Channels {
                votes: next(),
                certificates: next(),
                resolver: next(),
                slates: next(),
                backfill: next(),
                transactions: next(),
            };
            drop(registered);
            let networking = network.start();
            let parts = Parts {
                application: Automaton::new(docket.clone(), finalised.subscribe(), config.pace),
                docket: docket.clone(),
                outbound,
                scheme,
                me,
                blocker: oracle.clone(),
                provider: oracle,
                pace: config.pace,
                keep: config.keep,
                partition: "order".into(),
                offences,
                finalised,
            };
            let engine = match Engine::start(context.child("engine"), parts, channels).await {
                Ok(engine) => engine,
                Err(fault) => return Some(fault),
            };
            marshal.send_replace(Some(engine.marshal.clone()));
            let mut fault = docket.fault();
            tokio::select! {
                biased;
                _ = fault.wait_for(Option::is_some) => None,
                _ = stopped => None,
                fault = engine.stopped() => Some(fault),
                _ = networking => Some(Fault::Engine("its network stopped".into())),
                () = async {
                    loop {
                        pulse.send_replace(Pulse::read(&context.encode(), docket.committee(), docket.own()));
                        context.sleep(BEAT).await;
                    }
                } => None,
            }
        })
    }
}

/// Every validator's address; a validator without one, or one who is no validator, is refused.
fn addresses(committee: &Committee, peers: &BTreeMap<String, Endpoint>) -> Result<Map<PublicKey, Address>, StartError> {
    let unknown = |name: &String| StartError::Address { name: name.clone() };
    if let Some(name) = peers.keys().find(|name| committee.validators().iter().all(|one| one.name != **name)) {
        return Err(unknown(name));
    }
    let addresses = committee.validators().iter().map(|validator| {
        let endpoint = peers.get(&validator.name).ok_or_else(|| unknown(&validator.name))?;
        let address = match endpoint {
            Endpoint::Socket(address) => Address::Symmetric(*address),
            Endpoint::Host(host, port) => {
                let host = Hostname::new(host.clone()).map_err(|_| unknown(&validator.name))?;
                // Whence it connects is not looked at.
                let egress = SocketAddr::from(([0, 0, 0, 0], 0));
                Address::Asymmetric { ingress: Ingress::Dns { host, port: *port }, egress }
            }
        };
        Ok((foreign_key(&validator.key).ok_or(StartError::Keys)?, address))
    });
    let addresses: Vec<_> = addresses.collect::<Result<_, StartError>>()?;
    Map::try_from(addresses).map_err(|_| StartError::Keys)
}

/// How far clocks may differ at a handshake; as far as at a block.
const SYNCHRONY: Duration = Duration::from_millis(ledger::MAX_SKEW);

/// How often the engine's counters are read.
const BEAT: Duration = Duration::from_secs(1);

/// Threads for storage and signatures.
const BLOCKING: usize = 64;

/// Slates to look back over for a certificate.
const SEARCH: u64 = 64;
