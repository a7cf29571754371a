//! The node's configuration: one TOML file, unknown keys refused, every key overridable by the environment.
//!
//! The page for people is `docs/operator/configuration.md`.

mod ledger_section;
mod read_model;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crypto::Digest;
use ledger::WitnessKey;
use serde::Deserialize;

pub use self::ledger_section::{Keep, LedgerSection, PinError, SyncBy};
pub use self::read_model::{Database, PostgresUrl, ReadModel};

/// What one node needs to know about itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The member whose node this is, as the consortium knows it.
    pub member: String,
    /// Where everything is kept; relative to the configuration file.
    pub data_dir: PathBuf,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Where others reach this node: `https://host:port`. Signed requests are made out to it.
    pub address: String,
    /// How transactions are ordered.
    pub ordering: Ordering,
    /// The other members' nodes.
    #[serde(default)]
    pub peers: Peers,
    /// How the node takes part once the validators order the ledger together; without it, it follows them.
    pub validator: Option<Validator>,
    /// Witnesses that are asked to cosign what this node publishes of the log.
    #[serde(default)]
    pub witnesses: Vec<Witness>,
    /// Computations with others.
    #[serde(default)]
    pub compute: Compute,
    /// Room for payloads that only some members hold.
    #[serde(default)]
    pub private: PrivateSection,
    /// Where the read model is kept.
    #[serde(default)]
    pub read_model: ReadModel,
    /// What is kept of the ledger, and how a copy that is far behind catches up.
    #[serde(default)]
    pub ledger: LedgerSection,
    /// What callers may use up.
    #[serde(default)]
    pub limits: Limits,
    /// What the log says.
    #[serde(default)]
    pub log: Log,
}

/// How transactions are ordered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Ordering {
    /// One member's node orders; the others check and cosign.
    Solo {
        /// The member whose node orders.
        leader: String,
    },
}

/// The other members' nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Peers {
    /// Where this node reaches members' nodes, `https://host:port` by member, where that is elsewhere than the ledger says.
    pub addresses: BTreeMap<String, String>,
}

/// How a node takes part among the validators.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// Where it listens for the other validators; a port of its own.
    pub listen: SocketAddr,
    /// Where the other validators reach it: `host:port`. The node puts it on the ledger.
    pub address: String,
    /// Whether validators may have addresses that are not public: on one machine, or in one network.
    #[serde(default)]
    pub private_addresses: bool,
    /// Bytes of what was ordered that are kept for validators that were away.
    #[serde(default = "kept_bytes")]
    pub keep_bytes: u64,
}

const fn kept_bytes() -> u64 {
    512 << 20
}

/// A witness of the log, as it shows itself by `sotto witness show`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Its verifier key: `<name>+<key id>+<base64>`.
    #[serde(deserialize_with = "parsed")]
    pub key: WitnessKey,
    /// Where it is reached: `https://host:port`.
    pub address: String,
    /// Digest of its TLS key.
    pub pin: Digest,
}

fn parsed<'de, D: serde::Deserializer<'de>>(text: D) -> Result<WitnessKey, D::Error> {
    String::deserialize(text)?.parse().map_err(serde::de::Error::custom)
}

/// Computations with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compute {
    /// Whether this node computes along where contracts name its member as a helper.
    pub help: bool,
    /// For drills: the process ends in the middle of a computation.
    pub drill: Option<Drill>,
}

/// Where in a computation a drill ends the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drill {
    /// Where the parties share their inputs.
    Inputs,
    /// Where all is computed, and the result is to be given out.
    Release,
}

/// Room for payloads that only some members hold, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrivateSection {
    /// Most that are kept.
    pub max_bytes: u64,
    /// Most that are kept of one sender.
    pub max_bytes_per_member: u64,
}

impl Default for PrivateSection {
    fn default() -> Self {
        Self { max_bytes: 4 << 30, max_bytes_per_member: 1 << 30 }
    }
}

impl PrivateSection {
    /// Key, value, least and most of every number.
    fn bounds(&self) -> [(&'static str, u64, u64, u64); 2] {
        [
            ("private.max_bytes", self.max_bytes, 1 << 20, 1 << 44),
            ("private.max_bytes_per_member", self.max_bytes_per_member, 1 << 20, 1 << 44),
        ]
    }
}

/// What callers may use up; times in seconds, sizes in bytes, rates in requests per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections open at once.
    pub max_connections: u32,
    /// Connections open at once from one address.
    pub max_connections_per_address: u32,
    /// From the first byte to the end of the TLS handshake.
    pub handshake_seconds: u32,
    /// From the first byte to the last of a request's head.
    pub header_seconds: u32,
    /// Before each request on a connection, and without any progress within one.
    pub idle_seconds: u32,
    /// For answering a request that neither uploads nor downloads a file.
    pub request_seconds: u32,
    /// For letting requests finish at shutdown.
    pub shutdown_seconds: u32,
    /// Largest body other than an uploaded file.
    pub max_body_bytes: u32,
    /// Largest uploaded file.
    pub max_upload_bytes: u64,
    /// Requests per second from one address, before it is known who asks.
    pub address_rate: u32,
    /// Requests per second of one key or member.
    pub caller_rate: u32,
    /// How many seconds' worth of requests may come at once.
    pub burst_seconds: u32,
    /// Nonces of signed requests remembered; a full memory refuses.
    pub max_nonces: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_connections_per_address: 384,
            handshake_seconds: 10,
            header_seconds: 10,
            idle_seconds: 60,
            request_seconds: 60,
            shutdown_seconds: 10,
            max_body_bytes: 1 << 20,
            max_upload_bytes: 64 << 30,
            address_rate: 4_000,
            caller_rate: 1_000,
            burst_seconds: 2,
            max_nonces: 500_000,
        }
    }
}

impl Limits {
    /// As durations, for the server.
    pub fn handshake(&self) -> Duration {
        Duration::from_secs(self.handshake_seconds.into())
    }

    /// See [`Limits::header_seconds`].
    pub fn header(&self) -> Duration {
        Duration::from_secs(self.header_seconds.into())
    }

    /// See [`Limits::idle_seconds`].
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds.into())
    }

    /// See [`Limits::request_seconds`].
    pub fn request(&self) -> Duration {
        Duration::from_secs(self.request_seconds.into())
    }

    /// See [`Limits::shutdown_seconds`].
    pub fn shutdown(&self) -> Duration {
        Duration::from_secs(self.shutdown_seconds.into())
    }
}

/// What the log says; it goes to stderr.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Levels by module, such as `info` or `info,node::server=debug`.
    pub filter: String,
    /// For people or for machines.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        // The engine of the ordering tells of every write otherwise, to nobody.
        Self { filter: "info,commonware=warn".into(), format: LogFormat::Text }
    }
}

/// The log's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line per event.
    Text,
    /// One JSON object per line.
    Json,
}

impl NodeConfig {
    /// Reads the file, then the environment (`SOTTO_NODE_…`), and checks the result.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be read, has unknown or missing keys, or [`NodeConfig::check`] finds faults.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let directory = path.parent().unwrap_or(Path::new("."));
        // Variables that are not Unicode cannot be ours: keys are ASCII, and such a value is no valid setting.
        let environment =
            std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        Self::parse(&text, directory, environment)
    }

    /// As [`NodeConfig::load`], with file and environment given.
    ///
    /// # Errors
    /// As [`NodeConfig::load`].
    pub fn parse(
        text: &str,
        directory: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table: toml::Table =
            text.parse().map_err(|source: toml::de::Error| ConfigError::Form(source.to_string()))?;
        for (variable, value) in environment {
            let Some(key) = variable.strip_prefix(PREFIX) else { continue };
            override_key(&mut table, &key.to_ascii_lowercase(), &value)
                .ok_or_else(|| ConfigError::UnknownVariable(variable.clone()))?;
        }
        // Again through text, so that a type error names the key; the overrides have none to show anyway.
        let mut config: Self = toml::Value::Table(table)
            .try_into()
            .map_err(|source: toml::de::Error| ConfigError::Form(source.to_string()))?;
        config.data_dir = directory.join(&config.data_dir);
        config.read_model.password_file = config.read_model.password_file.map(|path| directory.join(path));
        config.ledger.checkpoint = config.ledger.checkpoint.map(|path| directory.join(path));
        match config.check() {
            faults if faults.is_empty() => Ok(config),
            faults => Err(ConfigError::Faults(faults)),
        }
    }

    /// Looks for faults in the values alone.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut expect = |holds: bool, key: &'static str, problem: String, hint: &'static str| {
            if !holds {
                faults.push(Fault { key, problem, hint });
            }
        };
        let name = "use 1-32 lowercase letters, digits and `-`, as in the consortium file";
        expect(is_name(&self.member), "member", format!("`{}` is no member's name", self.member), name);
        let Ordering::Solo { leader } = &self.ordering;
        expect(is_name(leader), "ordering.leader", format!("`{leader}` is no member's name"), name);
        expect(
            is_address(&self.address),
            "address",
            format!("`{}` is not of the form https://host:port", self.address),
            "give the address under which other members reach this node, without a path",
        );
        for (member, address) in &self.peers.addresses {
            expect(is_name(member), "peers.addresses", format!("`{member}` is no member's name"), name);
            expect(
                is_address(address),
                "peers.addresses",
                format!("`{address}` of `{member}` is not of the form https://host:port"),
                "give the address under which this node reaches that member's, without a path",
            );
        }
        let places = "name each witness once, under https://host:port, as `sotto witness show` prints it; at most 16";
        let named: BTreeSet<_> = self.witnesses.iter().map(|witness| witness.key.name()).collect();
        expect(
            named.len() == self.witnesses.len() && named.len() <= 16,
            "witnesses",
            "too many, or one named twice".into(),
            places,
        );
        for Witness { key, address, .. } in &self.witnesses {
            expect(
                is_address(address),
                "witnesses",
                format!("`{address}` of `{}` is not of the form https://host:port", key.name()),
                places,
            );
        }
        if let Some(validator) = &self.validator {
            let port = validator.address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            expect(
                port.is_some_and(|port| port != 0) && validator.address.len() <= 255,
                "validator.address",
                format!("`{}` is not of the form host:port", validator.address),
                "give the address under which the other validators reach this node",
            );
            expect(
                validator.listen != self.listen,
                "validator.listen",
                format!("{} is where the node serves", self.listen),
                "choose a port of its own",
            );
        }
        expect(
            !self.log.filter.is_empty() && self.log.filter.len() <= 1024,
            "log.filter",
            "empty or longer than 1024".into(),
            "write `info`, or levels by module",
        );
        let kept = self.validator.iter().map(|seat| ("validator.keep_bytes", seat.keep_bytes, 1 << 20, 1 << 40));
        for (key, value, least, most) in
            self.limits.bounds().into_iter().chain(self.ledger.bounds()).chain(self.private.bounds()).chain(kept)
        {
            expect(
                (least..=most).contains(&value),
                key,
                format!("{value} is not within {least} and {most}"),
                "choose a value within the bounds, or remove the key to have the default",
            );
        }
        expect(
            self.limits.max_connections_per_address <= self.limits.max_connections,
            "limits.max_connections_per_address",
            "more than limits.max_connections".into(),
            "leave connections for other addresses",
        );
        faults
    }

    /// Looks for faults in the surroundings, for `sotto node check`: the data directory, the port.
    pub fn check_surroundings(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let probe = self.data_dir.join(".check");
        if let Err(source) = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)) {
            let problem = format!("{} cannot be written: {source}", self.data_dir.display());
            faults.push(Fault { key: "data_dir", problem, hint: "create it, owned by the user that runs the node" });
        }
        #[cfg(unix)]
        if let Ok(metadata) = std::fs::metadata(&self.data_dir) {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                let problem = format!("{} has mode {mode:o}: others can enter", self.data_dir.display());
                faults.push(Fault { key: "data_dir", problem, hint: "chmod 700 the directory" });
            }
        }
        if let Some(path) = &self.read_model.password_file {
            let hint = "write the password into a file of the node's user, mode 600";
            let problem = match std::fs::metadata(path) {
                Err(source) => Some(format!("{} cannot be read: {source}", path.display())),
                #[cfg(unix)]
                Ok(metadata) if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 => {
                    Some(format!("{}: others can read it", path.display()))
                }
                Ok(_) => None,
            };
            faults.extend(problem.map(|problem| Fault { key: "read_model.password_file", problem, hint }));
        }
        if let Err(source) = TcpListener::bind(self.listen) {
            let problem = format!("{} cannot be listened on: {source}", self.listen);
            faults.push(Fault {
                key: "listen",
                problem,
                hint: "stop what uses the port (the node itself, perhaps) or choose another",
            });
        }
        faults
    }

    /// Whether this member's node orders the ledger.
    pub fn leads(&self) -> bool {
        let Ordering::Solo { leader } = &self.ordering;
        *leader == self.member
    }
}

impl Limits {
    /// Key, value, least and most of every number.
    fn bounds(&self) -> [(&'static str, u64, u64, u64); 13] {
        [
            ("limits.max_connections", self.max_connections.into(), 4, 100_000),
            ("limits.max_connections_per_address", self.max_connections_per_address.into(), 1, 100_000),
            ("limits.handshake_seconds", self.handshake_seconds.into(), 1, 60),
            ("limits.header_seconds", self.header_seconds.into(), 1, 60),
            ("limits.idle_seconds", self.idle_seconds.into(), 1, 3_600),
            ("limits.request_seconds", self.request_seconds.into(), 1, 3_600),
            ("limits.shutdown_seconds", self.shutdown_seconds.into(), 0, 600),
            ("limits.max_body_bytes", self.max_body_bytes.into(), 64 << 10, 64 << 20),
            ("limits.max_upload_bytes", self.max_upload_bytes, 1 << 20, 1 << 44),
            ("limits.address_rate", self.address_rate.into(), 1, 1_000_000),
            ("limits.caller_rate", self.caller_rate.into(), 1, 1_000_000),
            ("limits.burst_seconds", self.burst_seconds.into(), 1, 60),
            ("limits.max_nonces", self.max_nonces.into(), 1_000, 10_000_000),
        ]
    }
}

/// One fault: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key.
    pub key: &'static str,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: &'static str,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.problem, self.hint)
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, or keys that are unknown, missing or of another type.
    #[error("the configuration is not of the expected form: {0}")]
    Form(String),
    /// A variable that begins with `SOTTO_NODE_` names no key.
    #[error("the environment variable {0} names no key of the configuration")]
    UnknownVariable(String),
    /// Values out of bounds.
    #[error("the configuration has faults: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Faults(Vec<Fault>),
}

/// Environment variables that override a key begin with this; `__` stands for the dot of a section.
const PREFIX: &str = "SOTTO_NODE_";

/// Every key and whether its value is text.
const KEYS: [(&str, bool); 39] = [
    ("member", true),
    ("data_dir", true),
    ("listen", true),
    ("address", true),
    ("ordering__kind", true),
    ("ordering__leader", true),
    ("peers__addresses", false),
    ("witnesses", false),
    ("validator__listen", true),
    ("validator__address", true),
    ("validator__private_addresses", false),
    ("validator__keep_bytes", false),
    ("compute__help", false),
    ("compute__drill", true),
    ("private__max_bytes", false),
    ("private__max_bytes_per_member", false),
    ("read_model__database", true),
    ("read_model__password_file", true),
    ("ledger__keep", true),
    ("ledger__states", false),
    ("ledger__snapshot_every", false),
    ("ledger__sync", true),
    ("ledger__sync_after", false),
    ("ledger__checkpoint", true),
    ("limits__max_connections", false),
    ("limits__max_connections_per_address", false),
    ("limits__handshake_seconds", false),
    ("limits__header_seconds", false),
    ("limits__idle_seconds", false),
    ("limits__request_seconds", false),
    ("limits__shutdown_seconds", false),
    ("limits__max_body_bytes", false),
    ("limits__max_upload_bytes", false),
    ("limits__address_rate", false),
    ("limits__caller_rate", false),
    ("limits__burst_seconds", false),
    ("limits__max_nonces", false),
    ("log__filter", true),
    ("log__format", true),
];

/// Sets a key; none where there is no such key.
fn override_key(table: &mut toml::Table, key: &str, value: &str) -> Option<()> {
    let (_, textual) = KEYS.iter().find(|(known, _)| *known == key)?;
    // As in the file; what is no value there is text, and the form check that follows reports it.
    let written = || toml::from_str::<toml::Table>(&format!("value = {value}")).ok()?.remove("value");
    let value = (!textual).then(written).flatten().unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let (table, key) = match key.split_once("__") {
        Some((section, key)) => {
            let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            // A section that is not a table stays as it is: the form check that follows reports it.
            (section.as_table_mut()?, key)
        }
        None => (table, key),
    };
    table.insert(key.to_owned(), value);
    Some(())
}

fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

pub(crate) fn is_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let authority = text.strip_prefix("https://").unwrap_or_default();
    // Compared as text, so that the address has one spelling: no path, no user, no missing port.
    uri.port_u16().is_some_and(|port| port > 0)
        && uri.authority().is_some_and(|found| found.as_str() == authority)
        && !authority.contains('@')
        && text == text.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"
        member = "st-anna"
        data_dir = "data"
        listen = "127.0.0.1:7101"
        address = "https://localhost:7101"
        ordering = { kind = "solo", leader = "health-authority" }
    "#;

    fn parse(text: &str, environment: &[(&str, &str)]) -> Result<NodeConfig, ConfigError> {
        let environment = environment.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        NodeConfig::parse(text, Path::new("/etc/sotto"), environment)
    }

    #[test]
    fn the_least_configuration_has_defaults() {
        let config = parse(LEAST, &[("PATH", "/bin"), ("SOTTO_PASSPHRASE_FILE", "x")]).unwrap();
        assert_eq!(config.data_dir, Path::new("/etc/sotto/data"));
        assert_eq!(config.limits, Limits::default());
        assert!(!config.leads());
        assert!(config.check().is_empty());
    }

    #[test]
    fn the_environment_overrides_every_key() {
        let environment = [
            ("SOTTO_NODE_DATA_DIR", "/var/lib/sotto"),
            ("SOTTO_NODE_ORDERING__LEADER", "st-anna"),
            ("SOTTO_NODE_LIMITS__CALLER_RATE", "7"),
            ("SOTTO_NODE_LOG__FORMAT", "json"),
            ("SOTTO_NODE_COMPUTE__HELP", "true"),
            ("SOTTO_NODE_PEERS__ADDRESSES", r#"{ northgate = "https://10.0.0.7:7101" }"#),
        ];
        let config = parse(LEAST, &environment).unwrap();
        assert!(config.compute.help);
        assert_eq!(config.peers.addresses["northgate"], "https://10.0.0.7:7101");
        assert_eq!(config.data_dir, Path::new("/var/lib/sotto"));
        assert!(config.leads());
        assert_eq!((config.limits.caller_rate, config.log.format), (7, LogFormat::Json));
        for (key, _, _, _) in config.limits.bounds().into_iter().chain(config.ledger.bounds()) {
            assert!(KEYS.iter().any(|(known, _)| *known == key.replace('.', "__")), "{key}");
        }
    }

    #[test]
    fn what_is_unknown_or_out_of_bounds_is_refused() {
        assert!(matches!(parse(&format!("colour = 1\n{LEAST}"), &[]), Err(ConfigError::Form(_))));
        assert!(matches!(parse(&format!("{LEAST}\n[limits]\nmax = 1"), &[]), Err(ConfigError::Form(_))));
        assert!(matches!(parse(LEAST, &[("SOTTO_NODE_COLOUR", "1")]), Err(ConfigError::UnknownVariable(_))));
        assert!(matches!(parse(LEAST, &[("SOTTO_NODE_LIMITS__CALLER_RATE", "many")]), Err(ConfigError::Form(_))));
        let faults = |environment: &[(&str, &str)]| match parse(LEAST, environment) {
            Err(ConfigError::Faults(faults)) => faults.iter().map(|fault| fault.key).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            faults(&[("SOTTO_NODE_MEMBER", "St Anna"), ("SOTTO_NODE_LIMITS__CALLER_RATE", "0")]),
            ["member", "limits.caller_rate"]
        );
        assert_eq!(
            faults(&[("SOTTO_NODE_PEERS__ADDRESSES", r#"{ "North Gate" = "https://a:1", riverside = "a:1" }"#)]),
            ["peers.addresses", "peers.addresses"]
        );
        assert!(matches!(parse(&format!("{LEAST}\n[peers]\nports = 1"), &[]), Err(ConfigError::Form(_))));
        assert!(matches!(parse(LEAST, &[("SOTTO_NODE_PEERS__ADDRESSES", "northgate")]), Err(ConfigError::Form(_))));
        for address in [
            "http://a:1",
            "https://a",
            "https://a:1/",
            "https://A:1",
            "https://u@a:1",
            "https://a:0",
            "a:1",
            "https://a:1?x",
        ] {
            assert_eq!(faults(&[("SOTTO_NODE_ADDRESS", address)]), ["address"], "{address}");
        }
    }

    #[test]
    fn witnesses_are_named_once_by_key_address_and_pin() {
        let key = WitnessKey::new("w.example/1", crypto::SigningKey::from_seed(&[1; 32]).public()).unwrap();
        let one = |address: &str| format!(r#"{{ key = "{key}", address = "{address}", pin = "{}" }}"#, "a".repeat(64));
        let of = |witnesses: String| parse(LEAST, &[("SOTTO_NODE_WITNESSES", &witnesses)]);
        let config = of(format!("[{}]", one("https://w:1"))).unwrap();
        assert_eq!((&config.witnesses[0].key, config.witnesses[0].address.as_str()), (&key, "https://w:1"));
        for faulty in [format!("[{}]", one("http://w:1")), format!("[{0}, {0}]", one("https://w:1"))] {
            assert!(matches!(of(faulty), Err(ConfigError::Faults(faults)) if faults[0].key == "witnesses"));
        }
        for malformed in
            [one("https://w:1").replace("w.example", "x.example"), one("https://w:1").replace("pin", "pins")]
        {
            assert!(matches!(of(format!("[{malformed}]")), Err(ConfigError::Form(_))));
        }
    }

    #[test]
    fn surroundings_are_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = parse(LEAST, &[]).unwrap();
        config.data_dir = directory.path().join("missing");
        config.listen = taken.local_addr().unwrap();
        let faults: Vec<_> = config.check_surroundings().into_iter().map(|fault| fault.key).collect();
        assert_eq!(faults, ["data_dir", "listen"]);
    }

    #[test]
    fn the_operators_page_names_every_key() {
        let page = include_str!("../../../docs/operator/configuration.md");
        for (key, _) in KEYS {
            assert!(page.contains(&format!("`{}`", key.replace("__", "."))), "{key}");
        }
    }
}
