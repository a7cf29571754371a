//! What all parties of a session know beforehand: its name, numbers, roster and graph.

use crypto::{Digest, Label, PublicKey, Secret, hash};

use super::mask::Stream;
use super::{Error, Parameters};

/// Most values in a vector.
pub const MAX_LENGTH: u32 = 1 << 20;

/// The public side of a session; every client and the server hold the same.
pub struct Session {
    id: Digest,
    parameters: Parameters,
    length: u32,
    roster: Vec<PublicKey>,
    /// By place on the ring, who stands there.
    ring: Vec<u32>,
    /// By client, where it stands.
    places: Vec<u32>,
}

impl Session {
    /// A session over vectors of `length` values among the clients whose identity keys are `roster`, in index order.
    ///
    /// `name` says what the sum is for. `seed` draws the graph: it must be fixed after the roster and be out of anyone's
    /// control, for example the digest of the first block after the one that recorded the roster. Whoever chooses roster
    /// or seed knowing the other chooses who neighbours whom, and the bounds of [`Parameters::derive`] are void.
    ///
    /// # Errors
    /// [`Error::Parameters`] when the roster has not as many distinct keys as the parameters say, or the length is not
    /// from 1 to [`MAX_LENGTH`].
    pub fn new(
        name: Digest,
        seed: Digest,
        parameters: Parameters,
        roster: Vec<PublicKey>,
        length: u32,
    ) -> Result<Self, Error> {
        if roster.len() != parameters.clients() as usize {
            return Err(Error::Parameters { what: "the roster has another number of clients" });
        }
        let mut distinct = roster.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() != roster.len() {
            return Err(Error::Parameters { what: "a key stands twice in the roster" });
        }
        if length == 0 || length > MAX_LENGTH {
            return Err(Error::Parameters { what: "a vector has 1 to 1,048,576 values" });
        }
        let (parameters_bytes, roster_bytes) = (wire::to_vec(&parameters), wire::to_vec(&roster));
        let parts: [&[u8]; 6] =
            [b"session", name.as_ref(), seed.as_ref(), &parameters_bytes, &roster_bytes, &length.to_be_bytes()];
        let id = hash(Label::SECAGG, &parts);
        let ring = permutation(&id, parameters.clients());
        let mut places = vec![0; ring.len()];
        for (place, client) in ring.iter().enumerate() {
            places[*client as usize] = place as u32;
        }
        Ok(Self { id, parameters, length, roster, ring, places })
    }

    /// The digest of everything the session is: what clients sign and encrypt is bound to it.
    pub const fn id(&self) -> &Digest {
        &self.id
    }

    /// The session's numbers.
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Values in each vector.
    pub const fn length(&self) -> u32 {
        self.length
    }

    /// The identity key of a client.
    pub fn key(&self, client: u32) -> Option<&PublicKey> {
        self.roster.get(client as usize)
    }

    /// The neighbours of a client of the roster, in index order: those at most `k / 2` places away on the ring, or all
    /// others in a complete graph.
    ///
    /// # Panics
    /// When the client is none of the roster.
    pub fn neighbours(&self, client: u32) -> Vec<u32> {
        let n = self.parameters.clients();
        if self.parameters.is_complete() {
            return (0..n).filter(|other| *other != client).collect();
        }
        let place = self.places[client as usize];
        let half = self.parameters.neighbours() / 2;
        let mut neighbours: Vec<u32> = (1..=half)
            .flat_map(|step| [(place + step) % n, (place + n - step) % n])
            .map(|place| self.ring[place as usize])
            .collect();
        neighbours.sort_unstable();
        neighbours
    }

    /// Whether two clients are neighbours.
    pub fn are_neighbours(&self, one: u32, other: u32) -> bool {
        let n = self.parameters.clients();
        if one == other || one >= n || other >= n {
            return false;
        }
        let apart = self.places[one as usize].abs_diff(self.places[other as usize]);
        self.parameters.is_complete() || apart.min(n - apart) <= self.parameters.neighbours() / 2
    }

    /// Checks that a set of survivors hides its members behind each other: enough of them, everywhere on the ring.
    pub(super) fn check_survivors(&self, survivors: &super::Set) -> Result<(), super::Thin> {
        let (n, found) = (self.parameters.clients(), survivors.len());
        if found < self.parameters.minimum() {
            return Err(super::Thin::Few { found, needed: self.parameters.minimum() });
        }
        if self.parameters.is_complete() {
            return Ok(());
        }
        let half = self.parameters.neighbours() / 2;
        let at = |place: u32| u32::from(survivors.contains(self.ring[(place % n) as usize]));
        let mut inside: u32 = (0..half).map(at).sum();
        for place in 0..n {
            if inside < self.parameters.window() {
                return Err(super::Thin::Gap { place, found: inside, needed: self.parameters.window() });
            }
            inside = inside + at(place + half) - at(place);
        }
        Ok(())
    }
}

/// Fisher and Yates' shuffle of `0 … n−1`; draws are u64 little-endian of AES-256-CTR, reduced without bias.
fn permutation(id: &Digest, n: u32) -> Vec<u32> {
    let mut stream = Stream::new(&Secret::new(*hash(Label::SECAGG, &[b"graph", id.as_ref()]).as_bytes()));
    let mut ring: Vec<u32> = (0..n).collect();
    for at in (1..n as usize).rev() {
        let bound = at as u64 + 1;
        let drawn = loop {
            let word = stream.word();
            // Words at or above the greatest multiple of the bound would favour small remainders.
            if word < u64::MAX - u64::MAX % bound {
                break word % bound;
            }
        };
        ring.swap(at, drawn as usize);
    }
    ring
}
