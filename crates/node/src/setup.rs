//! The first steps of a member: its keys, its configuration, and the genesis or the one it joins.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use contracts::message::{Founding, MemberCard, Registration};
use crypto::kem::Suite;
use crypto::keystore::{self, FileKeys, Keys as _};
use crypto::{Digest, PublicKey, Secret};
use ledger::Genesis;
use wire::Fixed;

use crate::replica;
use crate::service::{COSIGNER, COSIGNER_ML_DSA, MINT, NODE, RECIPIENT, TLS};
use crate::tls::{self, TlsError};

/// Where a node takes part once the validators order the ledger together.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Where it listens for the other validators.
    pub listen: SocketAddr,
    /// Where they reach it: `host:port`.
    pub address: String,
}

/// Who founds a consortium.
#[derive(Clone, Debug)]
pub struct Founder {
    /// The founding member's name.
    pub member: String,
    /// The consortium's name.
    pub consortium: String,
    /// Where its node listens.
    pub listen: SocketAddr,
    /// Where others reach it: `https://host:port`.
    pub address: String,
    /// Its seat among the validators.
    pub seat: Option<Seat>,
    /// Whether it may accredit issuers and start key generations.
    pub regulator: bool,
    /// The key of its operator.
    pub operator: PublicKey,
}

/// Who joins one.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// The name in the invitation.
    pub member: String,
    /// Where its node listens.
    pub listen: SocketAddr,
    /// Where others reach it: `https://host:port`.
    pub address: String,
    /// Its seat among the validators.
    pub seat: Option<Seat>,
    /// The key of its operator.
    pub operator: PublicKey,
}

/// Makes keys, configuration and genesis of a founder's node; its node orders the ledger. `now` in Unix milliseconds.
///
/// # Errors
/// [`SetupError`]; an existing node is left alone.
pub fn found(
    directory: &Path,
    founder: &Founder,
    passphrase: &Secret<Vec<u8>>,
    now: u64,
) -> Result<(Genesis, MemberCard), SetupError> {
    let Founder { member, listen, address, seat, operator, .. } = founder;
    let newcomer = Newcomer {
        member: member.clone(),
        listen: *listen,
        address: address.clone(),
        seat: seat.clone(),
        operator: *operator,
    };
    let card = keys(directory, &newcomer, passphrase)?;
    let founding = Founding { founder: card.clone(), regulator: founder.regulator };
    let application = wire::to_vec(&founding).into();
    let genesis =
        Genesis { name: founder.consortium.clone(), created: now, application, nonce: Fixed(crypto::random()) };
    files(directory, &newcomer, &genesis, member)?;
    Ok((genesis, card))
}

/// Makes keys and configuration of a newcomer's node, which follows `leader`. It can start once its card is on the
/// ledger.
///
/// # Errors
/// [`SetupError`]; an existing node is left alone.
pub fn prepare(
    directory: &Path,
    newcomer: &Newcomer,
    genesis: &Genesis,
    leader: &str,
    passphrase: &Secret<Vec<u8>>,
) -> Result<MemberCard, SetupError> {
    let card = keys(directory, newcomer, passphrase)?;
    files(directory, newcomer, genesis, leader)?;
    Ok(card)
}

/// Makes a newcomer's ML-DSA key, where there is none yet, for a consortium whose validators cosign with such keys.
///
/// # Errors
/// [`SetupError::Keys`].
pub fn arm(
    directory: &Path,
    chain: &Digest,
    member: &str,
    passphrase: &Secret<Vec<u8>>,
) -> Result<Registration, SetupError> {
    let keys = FileKeys::open(directory.join(KEYS_FILE), passphrase)?;
    Ok(replica::arm(&keys, COSIGNER_ML_DSA, chain, member)?)
}

/// Makes the key store; its public side is the member's card.
fn keys(directory: &Path, newcomer: &Newcomer, passphrase: &Secret<Vec<u8>>) -> Result<MemberCard, SetupError> {
    if directory.join(CONFIG_FILE).exists() || directory.join(KEYS_FILE).exists() {
        return Err(SetupError::Exists(directory.display().to_string()));
    }
    fs::create_dir_all(directory)?;
    private(directory)?;
    let keys = FileKeys::create(directory.join(KEYS_FILE), passphrase)?;
    let node = keys.generate_signing(NODE)?;
    let cosigner = keys.generate_signing(COSIGNER)?;
    let recipient = keys.generate_recipient(RECIPIENT, Suite::XWing)?;
    keys.put_secret(MINT, Secret::new(crypto::random::<32>().to_vec()))?;
    let tls_key = tls::generate_key();
    let tls = tls::identity(&tls_key, &newcomer.member)?.spki_digest();
    keys.put_secret(TLS, tls_key)?;
    debug_assert_eq!(keys.public(NODE).ok(), Some(node));
    let Newcomer { member, address, operator, .. } = newcomer;
    Ok(MemberCard {
        name: member.clone(),
        operator: *operator,
        node,
        cosigner,
        tls,
        recipient,
        address: address.clone(),
    })
}

fn files(directory: &Path, newcomer: &Newcomer, genesis: &Genesis, leader: &str) -> Result<(), SetupError> {
    let Newcomer { member, listen, address, seat, .. } = newcomer;
    let mut config = format!(
        "# One member's node; every key is described in docs/operator/configuration.md.\n\
         member = \"{member}\"\n\
         data_dir = \".\"\n\
         listen = \"{listen}\"\n\
         address = \"{address}\"\n\n\
         [ordering]\n\
         kind = \"solo\"\n\
         leader = \"{leader}\"\n"
    );
    if let Some(Seat { listen, address }) = seat {
        let private = match listen.ip() {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
        };
        config.push_str(&format!(
            "\n[validator]\nlisten = \"{listen}\"\naddress = \"{address}\"\nprivate_addresses = {private}\n"
        ));
    }
    write(&directory.join(GENESIS_FILE), &wire::to_vec(genesis))?;
    // Last, so that a node without a configuration is one whose making was cut short.
    write(&directory.join(CONFIG_FILE), config.as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), SetupError> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(bytes)?;
    Ok(file.sync_all()?)
}

#[cfg(unix)]
fn private(directory: &Path) -> Result<(), SetupError> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?)
}

#[cfg(not(unix))]
fn private(_: &Path) -> Result<(), SetupError> {
    Ok(())
}

/// Why a node could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// There is a node already.
    #[error("{0} holds a node already: choose another directory, or remove it if it was never used")]
    Exists(String),
    /// A file or directory cannot be written.
    #[error("cannot write the node's files")]
    Io(#[from] std::io::Error),
    /// The key store cannot be made.
    #[error("cannot make the key store")]
    Keys(#[from] keystore::Error),
    /// The TLS identity cannot be made.
    #[error("cannot make the TLS identity")]
    Tls(#[from] TlsError),
}

/// The node's configuration in its directory.
pub const CONFIG_FILE: &str = "node.toml";
/// The node's key store.
pub const KEYS_FILE: &str = "keys.sealed";
/// The consortium's genesis, canonical CBOR.
pub(crate) const GENESIS_FILE: &str = "genesis.cbor";
