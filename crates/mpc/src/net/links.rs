//! A session's links: who they lead to, how they are made, mended and led around.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crypto::Digest;
use rustls::client::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::engine::{Fault, Frame};

use super::gate::Gate;
use super::inbox::{Inbox, lock};
use super::link::{Conversation, Link, Task, WINDOW};
use super::message::{self, Counters, Hello, Kind, Message};
use super::pipe::{Pipe, Tunnel};
use super::tls::Channel;
use super::{End, Event, Transport};

/// How a peer is reached.
#[derive(Clone)]
pub struct Peer {
    /// `host:port` of its [`Gate`], looked up at each attempt.
    pub address: String,
    /// The name its certificate is checked for, where the configuration does so.
    pub name: ServerName<'static>,
    /// TLS 1.3 with this party's certificate, which the peer asks for. It decides whom to trust.
    pub config: Arc<ClientConfig>,
}

/// Maps a certificate, whose key the other side proved to hold, to a party of the session.
pub type Identify = Arc<dyn Fn(&CertificateDer<'_>) -> Option<u16> + Send + Sync>;

/// A session, as its links know it.
#[derive(Clone)]
pub struct Settings {
    /// The session.
    pub session: Digest,
    /// The run of it.
    pub run: [u8; 16],
    /// This party.
    pub index: u16,
    /// By index; none at the own place. The higher of two dials the lower.
    pub peers: Vec<Option<Peer>>,
    /// Who a certificate belongs to.
    pub identify: Identify,
    /// When to lose patience.
    pub timing: Timing,
}

/// When to lose patience.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// With a handshake, in all.
    pub handshake: Duration,
    /// Between signs of life.
    pub heartbeat: Duration,
    /// With a connection that gives none: some heartbeats.
    pub silence: Duration,
    /// With a link that is down, before it is led through a third party.
    pub detour: Duration,
    /// With a link that is down, before its peer is lost; also at the start.
    pub patience: Duration,
    /// At the end, with peers that have not got everything.
    pub linger: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            heartbeat: Duration::from_secs(1),
            silence: Duration::from_secs(10),
            detour: Duration::from_secs(2),
            patience: Duration::from_secs(30),
            linger: Duration::from_secs(10),
        }
    }
}

/// The settings of a session make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A party too many or too few, or an index outside.
    #[error("a session's peers are all parties but this one, in index order")]
    Seats,
    /// This run of the session is open already.
    #[error("this run of the session is open already")]
    Open,
}

/// The links of one party in one session. Made by [`Gate::join`]; they connect by themselves.
pub struct Links {
    shared: Arc<Shared>,
    gate: Gate,
    spins: u32,
    finished: bool,
}

/// What the threads of a session share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    links: Vec<Option<Arc<Link>>>,
    inbox: Arc<Inbox>,
    /// Streams through third parties that end here, by the other end and their number.
    tunnels: Mutex<HashMap<(u16, u32), Way>>,
    /// The newest stream that began here, by the third party and the other end.
    begun: Mutex<HashMap<(u16, u16), u32>>,
    /// Handshakes through third parties under way.
    pending: AtomicUsize,
    closed: AtomicBool,
    gate: Gate,
    /// What this party, as the third one, does to what it passes on.
    #[cfg(test)]
    pub(super) meddle: Mutex<Option<Meddle>>,
}

#[cfg(test)]
pub(super) type Meddle = Box<dyn FnMut(Bytes) -> Bytes + Send>;

/// Through whom a stream goes, and its end here.
type Way = (u16, Arc<Tunnel>);

impl Links {
    pub(super) fn open(settings: Settings, gate: Gate) -> Result<Self, Refused> {
        let (index, count) = (settings.index, settings.peers.len());
        let fits = |(seat, peer): (usize, &Option<Peer>)| peer.is_none() == (seat == usize::from(index));
        if count > usize::from(crate::engine::Settings::MAX_PARTIES)
            || usize::from(index) >= count
            || !settings.peers.iter().enumerate().all(fits)
        {
            return Err(Refused::Seats);
        }
        let inbox = Arc::new(Inbox::new());
        let link = |peer: u16| (peer != index).then(|| Arc::new(Link::new(peer, count as u16, Arc::clone(&inbox))));
        let shared = Arc::new(Shared {
            links: (0..count as u16).map(link).collect(),
            settings,
            inbox,
            tunnels: Mutex::default(),
            begun: Mutex::default(),
            pending: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            gate: gate.clone(),
            #[cfg(test)]
            meddle: Mutex::default(),
        });
        Ok(Self { shared, gate, spins: SPINS, finished: false })
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Starts a thread for each link.
    pub(super) fn start(&self) {
        for link in self.shared.links.iter().flatten() {
            let (shared, link) = (Arc::clone(&self.shared), Arc::clone(link));
            spawn("link", move || shared.keep(&link));
        }
    }

    /// For each peer, whether it is connected, and if so whether through a third party.
    pub fn connected(&self) -> Vec<Option<bool>> {
        self.shared.links.iter().map(|link| link.as_ref().and_then(|link| link.carrier())).collect()
    }

    /// How often to look for frames before sleeping; each look gives way to other threads.
    pub fn spin(&mut self, spins: u32) {
        self.spins = spins;
    }
}

impl Transport for Links {
    fn seat(&self) -> (u16, u16) {
        self.shared.inbox.attach();
        (self.shared.settings.index, self.shared.links.len() as u16)
    }

    fn offer(&mut self, frame: Frame) -> Result<(), Frame> {
        let Frame { from, to, body } = frame;
        match &self.shared.links[usize::from(to)] {
            Some(link) => link.offer(body).map_err(|body| Frame { from, to, body }),
            None => Ok(()),
        }
    }

    fn collect(&mut self, events: &mut VecDeque<Event>) -> bool {
        self.shared.collect(events)
    }

    fn wait(&mut self, until: Instant) {
        self.shared.inbox.wait(until, self.spins);
    }

    fn finish(&mut self, end: End) {
        self.finished = true;
        let timing = &self.shared.settings.timing;
        let patience = if end == End::Done { timing.linger } else { timing.linger.min(timing.heartbeat) };
        let until = Instant::now() + patience;
        self.shared.links.iter().flatten().for_each(|link| link.bid_farewell());
        self.shared.drain(until, Link::is_settled);
        let others = self.shared.links.iter().flatten();
        if end == End::Done && !others.clone().all(|link| link.has_left()) {
            // Who is still at work may reach another through this party only.
            let (shared, gate) = (Arc::clone(&self.shared), self.gate.clone());
            spawn("linger", move || {
                shared.inbox.attach();
                shared.drain(until, Link::has_left);
                shared.close(&gate);
            });
            return;
        }
        self.shared.close(&self.gate);
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        if !self.finished {
            self.shared.close(&self.gate);
        }
    }
}

impl Shared {
    /// Moves what came in to the end of `events`, and tells peers that it was taken; whether there was any.
    fn collect(&self, events: &mut VecDeque<Event>) -> bool {
        let known = events.len();
        if !self.inbox.collect(events) {
            return false;
        }
        for event in events.iter().skip(known) {
            if let Event::Frame(from, body) = event
                && let Some(link) = &self.links[usize::from(*from)]
            {
                link.consume(body.len());
            }
        }
        true
    }

    /// Takes and drops what peers still send, so that they can end too, until all links are `done`.
    fn drain(&self, until: Instant, done: fn(&Link) -> bool) {
        let mut events = VecDeque::new();
        while Instant::now() < until && !self.links.iter().flatten().all(|link| done(link)) {
            self.inbox.wait(until, 0);
            self.collect(&mut events);
            events.clear();
        }
    }

    fn close(&self, gate: &Gate) {
        self.closed.store(true, Ordering::Release);
        gate.leave(&self.settings);
        self.links.iter().flatten().for_each(|link| link.close());
        let tunnels: Vec<_> = lock(&self.tunnels).drain().collect();
        tunnels.iter().for_each(|(_, (_, tunnel))| tunnel.close(true));
    }

    /// Cuts the connection to a peer, as a fault of the network would.
    #[cfg(test)]
    pub(super) fn cut(&self, peer: u16) {
        let link = self.links[usize::from(peer)].as_ref().expect("a peer");
        let connection = link.state().connection;
        link.fail(connection, &io::Error::other("cut"));
    }

    #[cfg(test)]
    pub(super) fn carrier(&self, peer: u16) -> Option<bool> {
        self.links[usize::from(peer)].as_ref().and_then(|link| link.carrier())
    }

    /// The work of a link's own thread: sends, and connects where there is no connection.
    fn keep(self: &Arc<Self>, link: &Arc<Link>) {
        let timing = self.settings.timing;
        let dials = self.settings.index > link.peer;
        let mut failures = 0;
        loop {
            match link.next(timing.heartbeat) {
                Task::Send(channel, connection) => {
                    failures = 0;
                    link.send(&channel, connection);
                }
                Task::Connect(since) if since.elapsed() >= timing.patience => {
                    tracing::warn!(peer = link.peer, "a peer is lost");
                    link.close();
                    self.inbox.push([Event::Lost(link.peer)]);
                }
                Task::Connect(since) if dials => {
                    if let Err(error) = self.dial(link, failures, since.elapsed() >= timing.detour) {
                        tracing::debug!(peer = link.peer, %error, "a link was not made");
                        link.rest(FIRST_PAUSE * 2u32.pow(failures.min(6)));
                        failures += 1;
                    }
                }
                Task::Connect(since) => {
                    link.rest(timing.patience.saturating_sub(since.elapsed()).min(timing.heartbeat))
                }
                Task::End => return,
            }
        }
    }

    /// One attempt to connect; every other one through a third party, once it is time for that.
    fn dial(self: &Arc<Self>, link: &Arc<Link>, attempt: u32, detour: bool) -> io::Result<()> {
        let peer = self.settings.peers[usize::from(link.peer)].as_ref().expect("every peer but this party has one");
        let deadline = Instant::now() + self.settings.timing.handshake;
        let connection = link.state().connection + 1;
        let ours = link.fence(connection).ok_or(io::ErrorKind::ConnectionAborted)?;
        let others = || self.links.iter().flatten().filter(|other| other.peer != link.peer);
        let third: Vec<u16> = others().filter(|other| other.carrier() == Some(false)).map(|other| other.peer).collect();
        let tunnel = (detour && attempt % 2 == 1 && !third.is_empty()).then(|| {
            let via = third[attempt as usize / 2 % third.len()];
            self.tunnel(via, link.peer, connection)
        });
        let pipe = match &tunnel {
            Some(tunnel) => Pipe::Tunnel(Arc::clone(tunnel)),
            None => Pipe::Socket(dial(&peer.address, deadline)?),
        };
        let made = self.converse(link, peer, connection, ours, pipe, deadline);
        if let (Err(_), Some(tunnel)) = (&made, tunnel) {
            // The other end learns at once that nothing more comes.
            tunnel.close(true);
        }
        made
    }

    /// The handshake and the greetings of the side that dials.
    fn converse(
        self: &Arc<Self>,
        link: &Arc<Link>,
        peer: &Peer,
        connection: u32,
        ours: Counters,
        pipe: Pipe,
        deadline: Instant,
    ) -> io::Result<()> {
        let channel = Channel::client(pipe, Arc::clone(&peer.config), peer.name.clone(), deadline)?;
        let mut talk = Conversation::new(channel);
        if talk.channel.certificate().and_then(|certificate| (self.settings.identify)(&certificate)) != Some(link.peer)
        {
            talk.channel.close();
            return Err(io::Error::other("the one who answers is another party"));
        }
        let Settings { session, run, index, .. } = &self.settings;
        let hello = Hello { session: *session.as_bytes(), run: *run, from: *index, to: link.peer, connection }.encode();
        greet(&talk.channel, Kind::Hello, ours, &hello)?;
        let (welcome, further) = talk.answer(deadline)?;
        if welcome.kind != Kind::Welcome {
            return Err(io::Error::other("the one who answers does not speak as agreed"));
        }
        self.speak(link, connection, talk, welcome.counters, further);
        Ok(())
    }

    /// Takes a connection that a peer dialled, once it has said who it is and what for. Whether it may stay.
    pub(super) fn admit(self: &Arc<Self>, hello: &Hello, theirs: Counters, talk: Conversation) -> bool {
        let certificate = talk.channel.certificate();
        let from = certificate.and_then(|certificate| (self.settings.identify)(&certificate));
        let fits = from == Some(hello.from) && hello.to == self.settings.index && hello.from > hello.to;
        let Some(Some(link)) = self.links.get(usize::from(hello.from)).filter(|_| fits) else { return false };
        // A connection that is no later than the one there is, is a repetition.
        let Some(ours) = link.fence(hello.connection) else { return false };
        if greet(&talk.channel, Kind::Welcome, ours, &[]).is_ok() {
            self.speak(link, hello.connection, talk, theirs, Vec::new());
        }
        true
    }

    /// From now on the link goes by this connection.
    fn speak(
        self: &Arc<Self>,
        link: &Arc<Link>,
        connection: u32,
        talk: Conversation,
        theirs: Counters,
        further: Vec<Message>,
    ) {
        if let Err(error) = talk.channel.patience(self.settings.timing.silence) {
            tracing::debug!(peer = link.peer, %error, "a connection ended at once");
            return;
        }
        match link.attach(Arc::clone(&talk.channel), connection, theirs) {
            Ok(true) => {
                tracing::debug!(peer = link.peer, connection, relayed = talk.channel.is_relayed(), "a link is up");
                let (shared, link) = (Arc::clone(self), Arc::clone(link));
                spawn("receive", move || shared.receive(&link, connection, talk, further));
            }
            Ok(false) => talk.channel.close(),
            Err(fault) => self.accuse(link, fault),
        }
    }

    /// The work of a connection's thread: takes what comes in until it ends.
    fn receive(self: &Arc<Self>, link: &Arc<Link>, connection: u32, mut talk: Conversation, further: Vec<Message>) {
        let mut events = Vec::new();
        let mut relayed = Vec::new();
        let mut further = Some(further);
        loop {
            let mut relay = |kind: Kind, body: Bytes| relayed.push((kind, body));
            let taken = match further.take() {
                Some(messages) => link.take(connection, messages.into_iter(), &mut events, &mut relay),
                None => match talk.receive() {
                    Ok(Ok(messages)) => link.take(connection, messages, &mut events, &mut relay),
                    Ok(Err(wrong)) => Err(Fault::Malformed(wrong)),
                    Err(error) => return link.fail(connection, &error),
                },
            };
            if !events.is_empty() {
                self.inbox.push(events.drain(..));
            }
            for (kind, body) in relayed.drain(..) {
                if !self.relay(link.peer, kind, body) {
                    return self.accuse(link, Fault::Malformed("a relayed piece that leads nowhere"));
                }
            }
            match taken {
                Ok(true) => {}
                Ok(false) => return talk.channel.close(),
                Err(fault) => return self.accuse(link, fault),
            }
        }
    }

    /// Ends a link for what its peer did.
    fn accuse(&self, link: &Link, fault: Fault) {
        tracing::warn!(peer = link.peer, %fault, "a peer broke the rules");
        link.close();
        self.inbox.push([Event::Broken(link.peer, fault)]);
    }

    /// This side's end of a stream through `via`.
    fn tunnel(self: &Arc<Self>, via: u16, other: u16, stream: u32) -> Arc<Tunnel> {
        let shared = Arc::downgrade(self);
        let tunnel = Tunnel::new(move |bytes| {
            let shared = shared.upgrade().ok_or(io::ErrorKind::BrokenPipe)?;
            if bytes.is_empty() {
                lock(&shared.tunnels).remove(&(other, stream));
            }
            let link = shared.links[usize::from(via)].as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
            match link.note(Kind::Relay, other, stream, Bytes::copy_from_slice(bytes), !bytes.is_empty()) {
                true => Ok(()),
                false => Err(io::ErrorKind::BrokenPipe.into()),
            }
        });
        lock(&self.tunnels).insert((other, stream), (via, Arc::clone(&tunnel)));
        tunnel
    }

    /// Passes on, or takes, a piece of a stream that goes through a third party. Whether it makes sense.
    fn relay(self: &Arc<Self>, peer: u16, kind: Kind, mut body: Bytes) -> bool {
        if body.len() < message::ROUTE {
            return false;
        }
        let route = body.split_to(message::ROUTE);
        let other = u16::from_le_bytes([route[0], route[1]]);
        let stream = u32::from_le_bytes([route[2], route[3], route[4], route[5]]);
        let Some(Some(link)) = self.links.get(usize::from(other)).filter(|_| other != peer) else { return false };
        if kind == Kind::Relay {
            #[cfg(test)]
            let body = match &mut *lock(&self.meddle) {
                Some(meddle) => meddle(body),
                None => body,
            };
            // Where the way is gone or full, the stream ends; its ends make another.
            if !link.note(Kind::Relayed, peer, stream, body, false)
                && let Some(back) = &self.links[usize::from(peer)]
            {
                back.note(Kind::Relayed, other, stream, Bytes::new(), false);
            }
            return true;
        }
        let known = lock(&self.tunnels).get(&(other, stream)).cloned();
        match known {
            Some((via, tunnel)) if via == peer => {
                if body.is_empty() || !tunnel.feed(body, TUNNEL) {
                    lock(&self.tunnels).remove(&(other, stream));
                    tunnel.close(false);
                }
            }
            Some(_) => {}
            None if body.is_empty() || other < self.settings.index => {}
            None => self.receive_tunnel(peer, other, stream, body),
        }
        true
    }

    /// A stream that another party begins through `via`: the same handshake as at the gate.
    fn receive_tunnel(self: &Arc<Self>, via: u16, other: u16, stream: u32, first: Bytes) {
        // What is left of a stream that has ended begins no new one.
        {
            let mut begun = lock(&self.begun);
            let newest = begun.entry((via, other)).or_default();
            if stream <= *newest {
                return;
            }
            *newest = stream;
        }
        if self.pending.fetch_add(1, Ordering::AcqRel) >= MAX_PENDING || self.closed.load(Ordering::Acquire) {
            self.pending.fetch_sub(1, Ordering::AcqRel);
            if let Some(link) = &self.links[usize::from(via)] {
                link.note(Kind::Relay, other, stream, Bytes::new(), false);
            }
            return;
        }
        let tunnel = self.tunnel(via, other, stream);
        tunnel.feed(first, TUNNEL);
        let shared = Arc::clone(self);
        spawn("tunnel", move || {
            let kept = Arc::clone(&tunnel);
            if !shared.gate.receive(Pipe::Tunnel(tunnel)) {
                kept.close(true);
            }
            shared.pending.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

fn greet(channel: &Channel, kind: Kind, counters: Counters, body: &[u8]) -> io::Result<()> {
    let mut plain = message::head(kind, counters, body.len()).to_vec();
    plain.extend_from_slice(body);
    channel.send(&plain, &mut Vec::new())
}

fn dial(address: &str, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in address.to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Starts a thread. Where the system gives none, the deadline of whoever waits for its work applies.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name(name.into()).spawn(work) {
        tracing::error!(%error, "the system gives no thread");
    }
}

/// After the first failed attempt to connect; doubles with each up to 64 times.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// Handshakes through third parties at once.
const MAX_PENDING: usize = 16;
/// Bytes of a relayed stream that wait to be read.
const TUNNEL: usize = 3 * WINDOW as usize;
/// Looks for frames before sleeping.
const SPINS: u32 = 50;
