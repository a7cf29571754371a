//! The server: takes what clients send, round by round, and makes each its answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use crypto::{Secret, Signature};
use wire::{Bytes, Fixed};

use super::client::{point, verify};
use super::keys::{self, Key, Part};
use super::message::{self, Advert, Consent, Kind, Opening, Sealed, Tags};
use super::shamir::{self, SHARE};
use super::{Error, Missing, Party, Session, Set, Turn, mask};

/// The server of one session. Masked vectors are added as they come and not kept: memory grows with clients times
/// neighbours, and with one vector.
pub struct Server {
    session: Arc<Session>,
    turn: Turn,
    clients: Vec<Member>,
    /// U_1, U_2, U_3 and U_4 of the paper: who finished rounds 0 to 3.
    advertised: Set,
    shared: Set,
    survivors: Set,
    consented: Set,
    revealed: Set,
    sum: Vec<u64>,
}

/// What the server keeps of a client.
#[derive(Default)]
struct Member {
    advert: Option<Advert>,
    /// Ciphertexts it dealt, until they are delivered, and their tags, by holder.
    dealt: BTreeMap<u32, (Option<Box<Fixed<{ message::SEALED }>>>, Tags)>,
    consent: Option<Signature>,
    /// Shares of the one secret of this client that is opened, by holder; no more than the threshold.
    opened: Vec<(u64, Secret<[u8; SHARE]>)>,
}

/// What a session yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The sum of the survivors' vectors modulo 2^64.
    pub sum: Vec<u64>,
    /// Whose vectors are in it, in index order.
    pub survivors: Vec<u32>,
}

impl Server {
    /// The server of a session, in its first round.
    pub fn new(session: Arc<Session>) -> Self {
        let n = session.parameters().clients();
        let set = || Set::new(n);
        Self {
            turn: Turn::Advertise,
            clients: (0..n).map(|_| Member::default()).collect(),
            advertised: set(),
            shared: set(),
            survivors: set(),
            consented: set(),
            revealed: set(),
            sum: Vec::new(),
            session,
        }
    }

    /// The round whose messages the server takes.
    pub const fn turn(&self) -> Turn {
        self.turn
    }

    /// Takes a client's message of the current round. `from` is whom the link authenticated.
    ///
    /// # Errors
    /// Names the client that sent something else; the session goes on unchanged, as if the message had not come.
    pub fn accept(&mut self, from: u32, bytes: &[u8]) -> Result<(), Error> {
        if self.session.key(from).is_none() {
            return Err(Error::Stranger { client: from });
        }
        let (so_far, done) = match self.turn {
            Turn::Advertise => (None, &self.advertised),
            Turn::Share => (Some(&self.advertised), &self.shared),
            Turn::Mask => (Some(&self.shared), &self.survivors),
            Turn::Consent => (Some(&self.survivors), &self.consented),
            Turn::Reveal => (Some(&self.consented), &self.revealed),
            Turn::Done => return Err(Error::OutOfTurn { expected: Turn::Done, found: Turn::Reveal }),
        };
        if so_far.is_some_and(|set| !set.contains(from)) {
            return Err(Error::Dropped { client: from });
        }
        if done.contains(from) {
            return Err(Error::Repeated { client: from });
        }
        match self.turn {
            Turn::Advertise => self.accept_keys(from, bytes),
            Turn::Share => self.accept_shares(from, bytes),
            Turn::Mask => self.accept_masked(from, bytes),
            Turn::Consent => self.accept_consent(from, bytes),
            Turn::Reveal | Turn::Done => self.accept_reveal(from, bytes),
        }
    }

    /// Ends the current round: who has not sent its message is a dropout. Not for the last round, see [`Server::finish`].
    ///
    /// # Errors
    /// [`Error::TooManyDropouts`] when fewer clients are left than the minimum, [`Error::TooThin`] when the survivors
    /// stand too thin on the ring for clients to consent: the session cannot go on, and nothing was learned.
    pub fn close(&mut self) -> Result<(), Error> {
        let (left, next) = match self.turn {
            Turn::Advertise => (&self.advertised, Turn::Share),
            Turn::Share => (&self.shared, Turn::Mask),
            Turn::Mask => (&self.survivors, Turn::Consent),
            Turn::Consent => (&self.consented, Turn::Reveal),
            Turn::Reveal | Turn::Done => {
                return Err(Error::OutOfTurn { expected: self.turn, found: Turn::Done });
            }
        };
        // After the masked vectors are in, thresholds alone decide.
        let needed = if self.turn == Turn::Consent {
            self.session.parameters().threshold()
        } else {
            self.session.parameters().minimum()
        };
        if left.len() < needed {
            let missing = (0..self.session.parameters().clients()).filter(|client| !left.contains(*client)).collect();
            return Err(Error::TooManyDropouts { turn: self.turn, found: left.len(), needed, missing });
        }
        if self.turn == Turn::Mask {
            self.session.check_survivors(left).map_err(|thin| Error::TooThin { from: Party::Roster, thin })?;
            // Undelivered ciphertexts are of no more use.
            for member in &mut self.clients {
                member.dealt.values_mut().for_each(|(ciphertext, _)| *ciphertext = None);
            }
        }
        self.turn = next;
        Ok(())
    }

    /// The message that opens the current round for a client; `None` when there is none for it. To be asked once for each
    /// client and round: delivered ciphertexts are dropped.
    pub fn message(&mut self, to: u32) -> Option<Vec<u8>> {
        let neighbours = || self.session.neighbours(to);
        match self.turn {
            Turn::Share if self.advertised.contains(to) => {
                let adverts = neighbours().into_iter().filter_map(|peer| self.clients[peer as usize].advert.clone());
                Some(message::write(&self.session, Kind::Neighbourhood, adverts.collect::<Vec<_>>()))
            }
            Turn::Mask if self.shared.contains(to) => {
                let mut inbox = Vec::new();
                for peer in self.session.neighbours(to).into_iter().filter(|peer| self.shared.contains(*peer)) {
                    if let Some((ciphertext, tags)) = self.clients[peer as usize].dealt.get_mut(&to) {
                        let ciphertext = *ciphertext.take()?;
                        inbox.push(Sealed { peer, ciphertext, tags: *tags });
                    }
                }
                Some(message::write(&self.session, Kind::Inbox, inbox))
            }
            Turn::Consent if self.survivors.contains(to) => {
                Some(message::write(&self.session, Kind::Survivors, Bytes(self.survivors.as_bytes().to_vec())))
            }
            Turn::Reveal if self.consented.contains(to) => {
                let consent = |peer| Some(Consent { peer, signature: self.clients[peer as usize].consent? });
                let threshold = self.session.parameters().threshold() as usize;
                let consents: Vec<_> = neighbours().into_iter().filter_map(consent).take(threshold).collect();
                Some(message::write(&self.session, Kind::Consents, consents))
            }
            _ => None,
        }
    }

    /// Ends the last round: recovers the self masks of survivors and the mask keys of those who shared but did not mask,
    /// and takes all masks off the sum.
    ///
    /// # Errors
    /// [`Error::Unrecoverable`] names every client of whose secret too few shares came; [`Error::Misdealt`] names one
    /// whose shares do not give what it announced. There is no sum then.
    pub fn finish(mut self) -> Result<Outcome, Error> {
        if self.turn != Turn::Reveal {
            return Err(Error::OutOfTurn { expected: self.turn, found: Turn::Done });
        }
        let needed = self.session.parameters().threshold();
        let short = |client: u32| {
            let found = self.clients[client as usize].opened.len() as u32;
            (found < needed).then_some(Missing { client, found, needed })
        };
        // A client that shared counts even where no survivor neighbours it: then its masks are in nobody's vector.
        let is_masked = |client: &u32| {
            self.survivors.contains(*client)
                || self.session.neighbours(*client).iter().any(|peer| self.survivors.contains(*peer))
        };
        let opened: Vec<u32> = self.shared.iter().filter(is_masked).collect();
        let missing: Vec<Missing> = opened.iter().filter_map(|client| short(*client)).collect();
        if !missing.is_empty() {
            return Err(Error::Unrecoverable { missing });
        }
        let mut sum = std::mem::take(&mut self.sum);
        for client in opened {
            self.unmask(client, &mut sum)?;
        }
        Ok(Outcome { sum, survivors: self.survivors.iter().collect() })
    }

    /// Takes off the sum what only this client's secret reveals.
    fn unmask(&self, client: u32, sum: &mut [u64]) -> Result<(), Error> {
        let member = &self.clients[client as usize];
        let advert = member.advert.as_ref().expect("who shared has advertised");
        let session = self.session.id();
        let shares: Vec<_> = member.opened.iter().map(|(point, share)| (*point, share)).collect();
        let secret = shamir::join(&shares).ok_or(Error::Misdealt { client })?;
        if self.survivors.contains(client) {
            if keys::commit(&secret, session, client) != advert.commitment {
                return Err(Error::Misdealt { client });
            }
            mask::apply(&keys::self_mask(&secret, session, client), sum, false);
            return Ok(());
        }
        let key = Key::new(secret);
        if key.public != advert.mask {
            return Err(Error::Misdealt { client });
        }
        for peer in self.session.neighbours(client).into_iter().filter(|peer| self.survivors.contains(*peer)) {
            // The peer masked with this client if and only if it got its shares.
            if !member.dealt.contains_key(&peer) {
                continue;
            }
            let advert = self.clients[peer as usize].advert.as_ref().expect("who survived has advertised");
            let agreed = key.agree(&advert.mask).ok_or(Error::Keys { client: peer })?;
            // The survivor added where its index is lower.
            mask::apply(&keys::pair_mask(&agreed, session, client, peer), sum, peer > client);
        }
        Ok(())
    }

    fn accept_keys(&mut self, from: u32, bytes: &[u8]) -> Result<(), Error> {
        let advert: Advert = self.read(from, Kind::Keys, bytes)?;
        let key = self.session.key(from).expect("checked to be of the roster");
        if advert.client != from || !advert.is_signed_by(self.session.id(), key) {
            return Err(Error::Keys { client: from });
        }
        self.clients[from as usize].advert = Some(advert);
        self.advertised.insert(from);
        Ok(())
    }

    fn accept_shares(&mut self, from: u32, bytes: &[u8]) -> Result<(), Error> {
        let sealed: Vec<Sealed> = self.read(from, Kind::Shares, bytes)?;
        let recipients = self.session.neighbours(from).into_iter().filter(|peer| self.advertised.contains(*peer));
        if !sealed.iter().map(|sealed| sealed.peer).eq(recipients) {
            return Err(Error::Unfit { from });
        }
        self.clients[from as usize].dealt =
            sealed.into_iter().map(|sealed| (sealed.peer, (Some(Box::new(sealed.ciphertext)), sealed.tags))).collect();
        self.shared.insert(from);
        Ok(())
    }

    fn accept_masked(&mut self, from: u32, bytes: &[u8]) -> Result<(), Error> {
        let values: Bytes = self.read(from, Kind::Masked, bytes)?;
        let length = self.session.length() as usize;
        if values.len() != 8 * length {
            return Err(Error::Unfit { from });
        }
        self.sum.resize(length, 0);
        for (sum, value) in self.sum.iter_mut().zip(values.chunks_exact(8)) {
            *sum = sum.wrapping_add(u64::from_le_bytes(value.try_into().expect("chunks are eight bytes")));
        }
        self.survivors.insert(from);
        Ok(())
    }

    fn accept_consent(&mut self, from: u32, bytes: &[u8]) -> Result<(), Error> {
        let signature: Signature = self.read(from, Kind::Consent, bytes)?;
        let key = self.session.key(from).expect("checked to be of the roster");
        verify(key, &self.survivors.digest(self.session.id()), &signature)
            .map_err(|()| Error::Dissent { client: from })?;
        self.clients[from as usize].consent = Some(signature);
        self.consented.insert(from);
        Ok(())
    }

    fn accept_reveal(&mut self, from: u32, bytes: &[u8]) -> Result<(), Error> {
        let openings: Vec<Opening> = self.read(from, Kind::Reveal, bytes)?;
        if !message::ascend(openings.iter().map(|opening| opening.dealer)) {
            return Err(Error::Unordered { from: Party::Client(from) });
        }
        for Opening { dealer, share } in &openings {
            let dealt = self.clients.get(*dealer as usize).and_then(|member| member.dealt.get(&from));
            let (_, tags) = dealt.ok_or(Error::NoNeighbour { from: Party::Client(from), client: *dealer })?;
            let (part, expected) =
                if self.survivors.contains(*dealer) { (Part::Own, tags.own) } else { (Part::Key, tags.key) };
            let found = keys::tag(&share.0, part, self.session.id(), *dealer, from);
            if found != expected || !shamir::is_share(&share.0) {
                return Err(Error::WrongShare { from, dealer: *dealer });
            }
        }
        let threshold = self.session.parameters().threshold() as usize;
        for Opening { dealer, share } in openings {
            let opened = &mut self.clients[dealer as usize].opened;
            if opened.len() < threshold {
                opened.push((point(from), Secret::new(share.0)));
            }
        }
        self.revealed.insert(from);
        Ok(())
    }

    fn read<T>(&self, from: u32, kind: Kind, bytes: &[u8]) -> Result<T, Error>
    where
        T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
    {
        message::read(&self.session, Party::Client(from), kind, bytes)
    }
}
