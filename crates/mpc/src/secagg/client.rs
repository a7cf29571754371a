//! One client: five messages to the server, each answering one of its own.

use std::sync::Arc;

use crypto::{Label, Secret, Signature, SigningKey};
use wire::Bytes;

use super::keys::{self, Key, Part};
use super::mask::{self, Stream};
use super::message::{self, Advert, Consent, Kind, Opening, Sealed};
use super::{Error, Party, Session, Set, Turn, shamir};

/// A client of one session. It lives in memory only: after a restart it is a dropout, and the next session starts anew.
pub struct Client {
    session: Arc<Session>,
    index: u32,
    identity: Arc<SigningKey>,
    turn: Turn,
    /// c^SK and s^SK of the paper.
    cipher: Key,
    mask: Key,
    /// b of the paper, for the self mask.
    pub(super) own: Secret<[u8; 32]>,
    coins: Stream,
    /// Neighbours whose keys came, in index order.
    neighbours: Vec<Neighbour>,
    survivors: Option<Set>,
}

struct Neighbour {
    client: u32,
    /// The secret shared with its cipher key, and its mask key.
    agreed: Secret<[u8; 32]>,
    mask: wire::Fixed<32>,
    /// What it dealt, once it came: then the pair masks.
    dealt: Option<Sealed>,
}

impl Client {
    /// Client `index` of the session's roster, with its identity key.
    ///
    /// # Errors
    /// [`Error::Stranger`] when the key is not the roster's.
    pub fn new(session: Arc<Session>, index: u32, identity: Arc<SigningKey>) -> Result<Self, Error> {
        Self::with_seed(session, index, identity, &Secret::random())
    }

    /// As [`Client::new`], all randomness from a seed of the caller's making.
    pub(super) fn with_seed(
        session: Arc<Session>,
        index: u32,
        identity: Arc<SigningKey>,
        seed: &Secret<[u8; 32]>,
    ) -> Result<Self, Error> {
        if session.key(index) != Some(&identity.public()) {
            return Err(Error::Stranger { client: index });
        }
        let own = |purpose: &[u8]| keys::own(seed, session.id(), purpose);
        let (cipher, mask) = (Key::new(own(b"cipher")), Key::new(own(b"mask")));
        let (own, coins) = (own(b"self"), Stream::new(&own(b"coins")));
        Ok(Self {
            session,
            index,
            identity,
            turn: Turn::Advertise,
            cipher,
            mask,
            own,
            coins,
            neighbours: Vec::new(),
            survivors: None,
        })
    }

    /// Round 0, AdvertiseKeys: two fresh public keys and a commitment to the self mask, signed.
    ///
    /// # Errors
    /// [`Error::OutOfTurn`] when called again.
    pub fn advertise(&mut self) -> Result<Vec<u8>, Error> {
        self.expect(Turn::Advertise)?;
        let session = self.session.id();
        let commitment = keys::commit(&self.own, session, self.index);
        let public = (self.cipher.public, self.mask.public);
        let advert = Advert::sign(session, self.index, public, commitment, &self.identity);
        self.turn = Turn::Share;
        Ok(message::write(&self.session, Kind::Keys, advert))
    }

    /// Round 1, ShareKeys: takes the neighbours' keys; shares its own two secrets among these neighbours, encrypted.
    ///
    /// # Errors
    /// Blames the server for anything but the signed keys of at least a threshold of this client's neighbours. The client
    /// is unchanged by what it refuses, here and in the later rounds.
    pub fn share(&mut self, neighbourhood: &[u8]) -> Result<Vec<u8>, Error> {
        self.expect(Turn::Share)?;
        let adverts: Vec<Advert> = self.read(Kind::Neighbourhood, neighbourhood)?;
        if !message::ascend(adverts.iter().map(|advert| advert.client)) {
            return Err(Error::Unordered { from: Party::Server });
        }
        self.enough(adverts.len())?;
        let (session, index) = (*self.session.id(), self.index);
        let mut agreed = Vec::with_capacity(adverts.len());
        for advert in &adverts {
            let client = advert.client;
            let key = self.session.key(client).filter(|_| self.session.are_neighbours(index, client));
            let key = key.ok_or(Error::NoNeighbour { from: Party::Server, client })?;
            let key = advert.is_signed_by(&session, key).then(|| self.cipher.agree(&advert.cipher)).flatten();
            agreed.push(key.ok_or(Error::Keys { client })?);
        }
        let threshold = self.session.parameters().threshold() as usize;
        let points = || adverts.iter().map(|advert| point(advert.client));
        let key_shares = shamir::split(&self.mask.secret, threshold, points(), &mut self.coins);
        let own_shares = shamir::split(&self.own, threshold, points(), &mut self.coins);
        let sealed: Vec<Sealed> = adverts
            .iter()
            .zip(&agreed)
            .zip(key_shares.iter().zip(&own_shares))
            .map(|((advert, agreed), (key, own))| keys::seal(agreed, &session, (index, advert.client), key, own))
            .collect();
        let neighbour =
            |(advert, agreed): (Advert, _)| Neighbour { client: advert.client, agreed, mask: advert.mask, dealt: None };
        self.neighbours = adverts.into_iter().zip(agreed).map(neighbour).collect();
        self.turn = Turn::Mask;
        Ok(message::write(&self.session, Kind::Shares, sealed))
    }

    /// Round 2, MaskedInputCollection: takes the neighbours' shares; `input` under the self mask and one mask for each
    /// neighbour that shared (y of the paper). A client masks one vector.
    ///
    /// # Errors
    /// [`Error::Length`] for a vector that is not of the session's length; else blames the server.
    pub fn mask(&mut self, inbox: &[u8], input: &Secret<Vec<u64>>) -> Result<Vec<u8>, Error> {
        self.expect(Turn::Mask)?;
        // The length is no secret.
        let found = input.expose(Vec::len);
        if found != self.session.length() as usize {
            return Err(Error::Length { found, expected: self.session.length() });
        }
        let sealed: Vec<Sealed> = self.read(Kind::Inbox, inbox)?;
        if !message::ascend(sealed.iter().map(|sealed| sealed.peer)) {
            return Err(Error::Unordered { from: Party::Server });
        }
        self.enough(sealed.len())?;
        let mut places = Vec::with_capacity(sealed.len());
        let mut masks = Vec::with_capacity(sealed.len());
        for sealed in &sealed {
            let client = sealed.peer;
            let place = self.place(client).ok_or(Error::NoNeighbour { from: Party::Server, client })?;
            let agreed = self.mask.agree(&self.neighbours[place].mask).ok_or(Error::Keys { client })?;
            masks.push((client, keys::pair_mask(&agreed, self.session.id(), self.index, client)));
            places.push(place);
        }
        // Declassified under the masks: uniform to anyone without the self mask, or without one neighbour's mask.
        let mut values = input.expose(Clone::clone);
        mask::apply(&keys::self_mask(&self.own, self.session.id(), self.index), &mut values, true);
        for (client, key) in &masks {
            mask::apply(key, &mut values, self.index < *client);
        }
        for (place, sealed) in places.into_iter().zip(sealed) {
            self.neighbours[place].dealt = Some(sealed);
        }
        self.turn = Turn::Consent;
        Ok(message::write(&self.session, Kind::Masked, message::to_bytes(&values)))
    }

    /// Round 3, ConsistencyCheck: takes the set of survivors and signs it. A client signs one set.
    ///
    /// # Errors
    /// [`Error::TooThin`] when the set hides too little, [`Error::Excluded`] when this client is not in it,
    /// [`Error::Unmasked`] when it holds a neighbour for whom this client was not let mask, [`Error::Equivocation`] when
    /// it is a second, different set.
    pub fn consent(&mut self, survivors: &[u8]) -> Result<Vec<u8>, Error> {
        if self.turn != Turn::Reveal {
            self.expect(Turn::Consent)?;
        }
        let bytes: Bytes = self.read(Kind::Survivors, survivors)?;
        let clients = self.session.parameters().clients();
        let set = Set::read(&bytes, clients).ok_or(Error::Unordered { from: Party::Server })?;
        if self.survivors.as_ref().is_some_and(|known| *known != set) {
            return Err(Error::Equivocation);
        }
        self.session.check_survivors(&set).map_err(|thin| Error::TooThin { from: Party::Server, thin })?;
        if !set.contains(self.index) {
            return Err(Error::Excluded { client: self.index });
        }
        for client in self.session.neighbours(self.index).into_iter().filter(|client| set.contains(*client)) {
            if self.place(client).is_none_or(|place| self.neighbours[place].dealt.is_none()) {
                return Err(Error::Unmasked { client });
            }
        }
        let signature = self.identity.sign(Label::SECAGG_SURVIVORS, set.digest(self.session.id()).as_ref());
        self.survivors = Some(set);
        self.turn = Turn::Reveal;
        Ok(message::write(&self.session, Kind::Consent, signature))
    }

    /// Round 4, Unmasking: takes the neighbours' consents; reveals of each neighbour that shared the self mask's share if
    /// it survived, the mask key's if not, never both: the set is the one that this client signed.
    ///
    /// # Errors
    /// [`Error::Dissent`] for a signature that is no neighbour's over this client's set, [`Error::TooFewNeighbours`] when
    /// fewer than a threshold of neighbours consent.
    pub fn reveal(&mut self, consents: &[u8]) -> Result<Vec<u8>, Error> {
        self.expect(Turn::Reveal)?;
        let consents: Vec<Consent> = self.read(Kind::Consents, consents)?;
        if !message::ascend(consents.iter().map(|consent| consent.peer)) {
            return Err(Error::Unordered { from: Party::Server });
        }
        self.enough(consents.len())?;
        let set = self.survivors.as_ref().expect("a client at this turn has signed a set");
        let digest = set.digest(self.session.id());
        for Consent { peer, signature } in &consents {
            let key = self
                .session
                .key(*peer)
                .filter(|_| set.contains(*peer) && self.session.are_neighbours(self.index, *peer));
            let key = key.ok_or(Error::NoNeighbour { from: Party::Server, client: *peer })?;
            verify(key, &digest, signature).map_err(|()| Error::Dissent { client: *peer })?;
        }
        let mut openings = Vec::with_capacity(self.neighbours.len());
        for neighbour in &self.neighbours {
            let Some(dealt) = &neighbour.dealt else { continue };
            let part = if set.contains(neighbour.client) { Part::Own } else { Part::Key };
            let ends = (neighbour.client, self.index);
            let sealed = (&dealt.ciphertext, &dealt.tags);
            // What a neighbour dealt wrongly is left out: it is its own loss.
            let share = keys::open(&neighbour.agreed, self.session.id(), ends, sealed, part);
            if let Some(share) = share {
                // Declassified to the server: one of the two shares, as the consented set says.
                openings.push(Opening { dealer: neighbour.client, share: wire::Fixed(share.expose(|share| *share)) });
            }
        }
        self.turn = Turn::Done;
        Ok(message::write(&self.session, Kind::Reveal, openings))
    }

    /// The digest of the set that this client signed. A caller that can learn what the others signed, for example from a
    /// ledger where the digest is recorded, compares before it lets the client reveal: an equivocating server then gets
    /// nothing.
    pub fn survivors_digest(&self) -> Option<crypto::Digest> {
        self.survivors.as_ref().map(|set| set.digest(self.session.id()))
    }

    fn expect(&self, turn: Turn) -> Result<(), Error> {
        if self.turn == turn { Ok(()) } else { Err(Error::OutOfTurn { expected: self.turn, found: turn }) }
    }

    fn enough(&self, found: usize) -> Result<(), Error> {
        let needed = self.session.parameters().threshold();
        let found = found as u32;
        if found < needed { Err(Error::TooFewNeighbours { client: self.index, found, needed }) } else { Ok(()) }
    }

    fn read<T>(&self, kind: Kind, bytes: &[u8]) -> Result<T, Error>
    where
        T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
    {
        message::read(&self.session, Party::Server, kind, bytes)
    }

    fn place(&self, client: u32) -> Option<usize> {
        self.neighbours.binary_search_by_key(&client, |neighbour| neighbour.client).ok()
    }
}

/// Where a client's shares are evaluated: never at 0.
pub(super) fn point(client: u32) -> u64 {
    u64::from(client) + 1
}

pub(super) fn verify(key: &crypto::PublicKey, survivors: &crypto::Digest, signature: &Signature) -> Result<(), ()> {
    key.verify(Label::SECAGG_SURVIVORS, survivors.as_ref(), signature).map_err(|_| ())
}
