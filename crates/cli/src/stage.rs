//! A consortium on this machine: members' homes, their nodes as child processes, and the people who act in it.
//!
//! Demo and bench stand on it. It does nothing that the commands do not: it calls their functions.

mod process;

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use client::wallet::Wallet;
use contracts::record::Role;
use crypto::{Digest, Secret};
use ledger::Consortium;
use node::setup::Seat;
use rustix::process::Signal;

use crate::commands::setup::Place;
use crate::commands::{credential, members, setup};
use crate::error::Failure;
use crate::home::{Home, Session};

pub(crate) use process::Process;

/// A member on stage.
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: String,
    /// Its operator.
    pub(crate) operator: Session,
    /// Its node's address.
    pub(crate) address: String,
    /// Digest of its node's TLS key.
    pub(crate) tls: Digest,
    process: Process,
}

/// A consortium of running nodes.
pub(crate) struct Stage {
    directory: PathBuf,
    /// The members, the founder first.
    pub(crate) members: Vec<Member>,
    passphrase: Secret<Vec<u8>>,
    settings: &'static [(&'static str, &'static str)],
}

impl Stage {
    /// Founds a consortium in `directory`, lets `others` join, and runs all nodes with these settings in their
    /// environment. `tell` hears of each step.
    ///
    /// # Errors
    /// Whatever stands in the way; the nodes that ran are stopped.
    pub(crate) async fn raise(
        directory: &Path,
        title: &str,
        founder: &str,
        others: &[&str],
        settings: &'static [(&'static str, &'static str)],
        tell: &mut dyn FnMut(&str),
    ) -> Result<Self, Failure> {
        Self::raise_laid_out(directory, title, (founder, others), settings, tell, &mut |_| Ok(())).await
    }

    /// The same, where `lay_out` is shown each node's home before the node runs for the first time.
    ///
    /// # Errors
    /// As [`Stage::raise`].
    pub(crate) async fn raise_laid_out(
        directory: &Path,
        title: &str,
        (founder, others): (&str, &[&str]),
        settings: &'static [(&'static str, &'static str)],
        tell: &mut dyn FnMut(&str),
        lay_out: &mut dyn FnMut(&Home) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let passphrase_file = directory.join("passphrase");
        let passphrase = wire::text::to_hex(&crypto::random::<16>());
        let mut file = fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&passphrase_file)
            .map_err(|error| Failure::file(&passphrase_file, &error))?;
        file.write_all(passphrase.as_bytes()).map_err(|error| Failure::file(&passphrase_file, &error))?;
        let passphrase = Secret::new(passphrase.into_bytes());
        let mut stage = Self { directory: directory.to_owned(), members: Vec::new(), passphrase, settings };

        tell(&format!("{founder} founds the consortium"));
        let (home, listen) = (stage.home(founder), free_port()?);
        setup::found(&home, founder, title, place(listen)?, true, &stage.passphrase)?;
        lay_out(&home)?;
        stage.start(founder, &home, &passphrase_file, settings).await?;
        for name in others {
            tell(&format!("{name} joins"));
            let inviting = stage.home(founder);
            let invitation = setup::invite(&inviting, &mut stage.members[0].operator, name, false, 1).await?;
            let (home, listen) = (stage.home(name), free_port()?);
            setup::join(&home, &invitation, place(listen)?, &stage.passphrase).await?;
            lay_out(&home)?;
            stage.start(name, &home, &passphrase_file, settings).await?;
        }
        Ok(stage)
    }

    /// A member by name.
    pub(crate) fn member(&self, name: &str) -> &Member {
        self.members.iter().find(|member| member.name == name).expect("the stage was asked to raise this member")
    }

    /// Makes a principal of a member with a wallet of its own, and adds it on the ledger.
    pub(crate) async fn principal(&self, member: &str, name: &str, roles: Vec<Role>) -> Result<Session, Failure> {
        let home = Home::at(self.directory.join(member).join(name));
        let at = self.member(member);
        let consortium = self.consortium().await?;
        let key = setup::principal(&home, name, Some(member), &at.address, at.tls, consortium, &self.passphrase)?;
        members::add_principal(&at.operator.client, name, key, roles).await?;
        home.open(&self.passphrase)
    }

    /// Makes a wallet for someone outside the consortium, who talks to a member's node.
    pub(crate) async fn outsider(&self, name: &str, at: &str) -> Result<Session, Failure> {
        let home = Home::at(self.directory.join(name));
        let at = self.member(at);
        setup::principal(&home, name, None, &at.address, at.tls, self.consortium().await?, &self.passphrase)?;
        home.open(&self.passphrase)
    }

    /// A credential of `claims` about someone, in canonical CBOR.
    pub(crate) fn vouch(issuer: &Wallet, subject: &Session, name: &str, claims: &[&str]) -> Result<Vec<u8>, Failure> {
        let claims = claims.iter().map(|claim| (*claim).to_owned()).collect();
        Ok(wire::to_vec(&credential::issue(issuer, subject.wallet.key(), name, claims, 30)?))
    }

    /// The consortium as the founder's node states it now, or the first other one that answers.
    pub(crate) async fn consortium(&self) -> Result<Consortium, Failure> {
        let mut failure = Failure::new("nobody is on stage");
        for member in &self.members {
            match member.operator.client.consortium().await {
                Ok(text) => return Ok(Consortium::parse(&text)?),
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }

    /// Has the validators order the ledger together, and waits until all nodes do.
    ///
    /// # Errors
    /// Where a node does not take its part.
    pub(crate) async fn order_together(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        let epoch = self.consortium().await?.epochs.last().map_or(0, |epoch| epoch.number);
        // Each node says by itself where it takes part, in the moments after its start.
        while let Err(error) = members::begin_ordering(&self.members[0].operator.client, epoch).await {
            if error.code() != Some(contracts::code::VALIDATORS_MISSING.code) || begun.elapsed() > PATIENCE {
                return Err(error.into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for member in &self.members {
            while !member.operator.client.health().await?.ordering.starts_with("quorum") {
                if begun.elapsed() > PATIENCE {
                    return Err(Failure::new(format!("the node of {} does not order with the others", member.name)));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Kills a member's node, as a power cut would.
    ///
    /// # Errors
    /// Where it has ended already.
    pub(crate) fn kill(&self, name: &str) -> Result<(), Failure> {
        self.member(name).process.signal(Signal::KILL)
    }

    /// Waits until a member's node holds what all others hold.
    ///
    /// # Errors
    /// Where it does not get there.
    pub(crate) async fn caught_up(&self, name: &str) -> Result<u64, Failure> {
        let begun = Instant::now();
        let mut height = 0;
        for member in &self.members {
            height = height.max(member.operator.client.health().await?.height);
        }
        while self.member(name).operator.client.health().await?.height < height {
            if begun.elapsed() > PATIENCE {
                return Err(Failure::new(format!("the node of {name} does not catch up with the others")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(height)
    }

    /// Starts a member's node anew, with further settings in its environment, whether it still runs or not.
    ///
    /// # Errors
    /// Where it does not come up.
    pub(crate) async fn restart(&mut self, name: &str, settings: &[(&str, &str)]) -> Result<(), Failure> {
        let place = self.members.iter().position(|member| member.name == name);
        let member = self.members.remove(place.expect("the stage was asked to raise this member"));
        member.process.end().await;
        let settings: Vec<_> = self.settings.iter().chain(settings).copied().collect();
        let (home, passphrase) = (self.home(name), self.directory.join("passphrase"));
        self.start(name, &home, &passphrase, &settings).await?;
        // The founder stays the first.
        let member = self.members.pop().expect("the member that was started");
        self.members.insert(place.unwrap_or_default(), member);
        Ok(())
    }

    /// Stops a member's node where it stands, or lets it go on: as a machine that hangs.
    ///
    /// # Errors
    /// Where it has ended.
    pub(crate) fn hang(&self, name: &str, hangs: bool) -> Result<(), Failure> {
        self.member(name).process.signal(if hangs { Signal::STOP } else { Signal::CONT })
    }

    /// Fails where a node has died.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        self.members.iter_mut().try_for_each(|member| member.process.check(&member.name))
    }

    /// Asks all nodes to stop, and waits.
    pub(crate) async fn lower(self) -> Result<(), Failure> {
        let stops = self.members.into_iter().map(|member| member.process.stop(member.name));
        futures_util::future::join_all(stops).await.into_iter().collect()
    }

    fn home(&self, member: &str) -> Home {
        Home::at(self.directory.join(member))
    }

    async fn start(
        &mut self,
        name: &str,
        home: &Home,
        passphrase_file: &Path,
        settings: &[(&str, &str)],
    ) -> Result<(), Failure> {
        let process = Process::start(name, home.directory(), passphrase_file, settings)?;
        let operator = home.open(&self.passphrase)?;
        let profile = operator.wallet.profile();
        let (address, tls) = (profile.node.clone(), profile.tls);
        let mut member = Member { name: name.to_owned(), operator, address, tls, process };
        let begun = Instant::now();
        loop {
            member.process.check(name)?;
            // The newcomer serves once its copy of the ledger knows its own member.
            let found = member.operator.client.members().await;
            if found.is_ok_and(|members| members.iter().any(|member| member.card.name == name)) {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err(Failure::new(format!("the node of {name} did not come up in {} s", PATIENCE.as_secs()))
                    .hint(format!("read its log: {}", home.directory().join("node.log").display())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.members.push(member);
        Ok(())
    }
}

/// A port of the loopback interface that nobody listens on just now, and that this process has not named before. A validator listens only
/// once the ordering begins: below the ports that the system gives out itself, and from a place of this process's own, nobody
/// else comes across it meanwhile.
fn free_port() -> Result<SocketAddr, Failure> {
    static NAMED: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(PORTS_EACH);
    let mut refused = None;
    for _ in 0..PORTS.len() {
        let offset = begin.wrapping_add(NAMED.fetch_add(1, Ordering::Relaxed)) % PORTS.len() as u32;
        let port = u16::try_from(u32::from(PORTS.start) + offset).expect("it lies among the ports");
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr()) {
            Ok(address) => return Ok(address),
            Err(error) => refused = Some(error),
        }
    }
    let error = refused.expect("there are ports");
    Err(Failure::of(&error).stops("no port of 127.0.0.1 can be listened on"))
}

/// Where a node of this machine is found, with a seat among the validators.
fn place(listen: SocketAddr) -> Result<Place, Failure> {
    let seat = free_port()?;
    let seat = Some(Seat { listen: seat, address: seat.to_string() });
    Ok(Place { listen, address: format!("https://{listen}"), seat })
}

/// Where the ports of nodes that are raised here are looked for, and how many a process has before another's begin.
const PORTS: Range<u16> = 10_000..32_000;
const PORTS_EACH: u32 = 64;

/// How long a node may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);
