//! How many neighbours a client needs, and how many of them open a secret: `docs/spec/mpc/secagg.md`, *Parameters*.

use minicbor::{Decode, Encode};

use super::Error;

/// Most clients in a session.
pub const MAX_CLIENTS: u32 = 65_536;

/// What the parameters must withstand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threat {
    /// What corrupt parties do.
    pub adversary: Adversary,
    /// Share of clients, in thousandths, that are corrupt and pool what they see with the server.
    pub corrupt: u16,
    /// Share of clients, in thousandths, that may be gone by the last round, drawn independently of the graph.
    pub dropouts: u16,
    /// σ: a bad graph for privacy has probability `2^-σ` at most.
    pub security: u16,
    /// η: a session with no more dropouts than stated fails with probability `2^-η` at most.
    pub correctness: u16,
}

/// What corrupt parties do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adversary {
    /// Server and corrupt clients follow the protocol and remember everything.
    SemiHonest,
    /// Server and corrupt clients do as they like; identities of clients are known beforehand (the session's roster).
    Malicious,
}

/// The numbers of a session, checked for what every session needs; part of the session's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Parameters {
    #[n(0)]
    clients: u32,
    #[n(1)]
    neighbours: u32,
    #[n(2)]
    threshold: u32,
    #[n(3)]
    window: u32,
    #[n(4)]
    minimum: u32,
}

impl Parameters {
    /// Numbers of the caller's choice: `clients` of the roster, `neighbours` of each (even, or all others),
    /// `threshold` of them that open a secret and that must consent, `window` survivors at least among any
    /// `neighbours / 2` in a row on the ring, `minimum` survivors at least.
    ///
    /// # Errors
    /// [`Error::Parameters`] when no session can have these numbers. Whether they withstand anything is
    /// [`Parameters::derive`]'s business.
    pub fn new(clients: u32, neighbours: u32, threshold: u32, window: u32, minimum: u32) -> Result<Self, Error> {
        let refuse = |what| Err(Error::Parameters { what });
        if !(3..=MAX_CLIENTS).contains(&clients) {
            return refuse("a session has 3 to 65,536 clients");
        }
        if neighbours < 2 || neighbours >= clients || (neighbours % 2 == 1 && neighbours != clients - 1) {
            return refuse("neighbours are an even number from 2, or all other clients");
        }
        if threshold < 2 || threshold > neighbours {
            return refuse("the threshold is from 2 to the number of neighbours");
        }
        if window > neighbours / 2 {
            return refuse("a window holds half of the neighbours");
        }
        if minimum < 2 || minimum > clients {
            return refuse("the minimum of survivors is from 2 to the number of clients");
        }
        Ok(Self { clients, neighbours, threshold, window, minimum })
    }

    /// The fewest neighbours, and the lowest threshold for them, that withstand `threat` with `clients` clients.
    ///
    /// # Errors
    /// [`Error::Parameters`] when not even the complete graph does.
    pub fn derive(clients: u32, threat: &Threat) -> Result<Self, Error> {
        if !(3..=MAX_CLIENTS).contains(&clients) {
            return Err(Error::Parameters { what: "a session has 3 to 65,536 clients" });
        }
        if threat.corrupt >= 1000 || threat.dropouts >= 1000 {
            return Err(Error::Parameters { what: "thousandths of clients are below 1,000" });
        }
        let bounds = Bounds::new(clients, threat);
        let degrees = (2..clients - 1).step_by(2).chain([clients - 1]);
        for neighbours in degrees {
            if let Some((threshold, window)) = bounds.check(neighbours) {
                return Self::new(clients, neighbours, threshold, window, bounds.survivors.max(2));
            }
        }
        Err(Error::Parameters { what: "not even the complete graph withstands this threat" })
    }

    /// n: clients of the roster.
    pub const fn clients(&self) -> u32 {
        self.clients
    }

    /// k: neighbours of each client.
    pub const fn neighbours(&self) -> u32 {
        self.neighbours
    }

    /// t: shares that open a secret, and consents that a client needs before it reveals anything.
    pub const fn threshold(&self) -> u32 {
        self.threshold
    }

    /// g: survivors at least among any `k / 2` clients in a row on the ring.
    pub const fn window(&self) -> u32 {
        self.window
    }

    /// Survivors at least: below, clients and server stop.
    pub const fn minimum(&self) -> u32 {
        self.minimum
    }

    /// Whether every client neighbours every other.
    pub const fn is_complete(&self) -> bool {
        self.neighbours == self.clients - 1
    }
}

/// The probabilities that decide, all exact hypergeometric tails under union bounds.
struct Bounds {
    adversary: Adversary,
    clients: u32,
    corrupt: u32,
    survivors: u32,
    /// Allowed probability per client, for each of two bad events.
    private: f64,
    correct: f64,
    /// `ln(i!)` for `i <= clients`.
    factorials: Vec<f64>,
}

impl Bounds {
    fn new(clients: u32, threat: &Threat) -> Self {
        let part = |thousandths: u16| (u64::from(clients) * u64::from(thousandths) / 1000) as u32;
        // A millionth less, so that rounding in the tails never works in the adversary's favour.
        let per_client = |bits: u16| 0.999_999 * (-f64::from(bits) - 1.0).exp2() / f64::from(clients);
        let mut factorials = vec![0.0];
        for i in 1..=clients {
            factorials.push(factorials[i as usize - 1] + f64::from(i).ln());
        }
        Self {
            adversary: threat.adversary,
            clients,
            corrupt: part(threat.corrupt),
            survivors: clients - part(threat.dropouts),
            private: per_client(threat.security),
            correct: per_client(threat.correctness),
            factorials,
        }
    }

    /// Threshold and window for this number of neighbours, if there are any.
    fn check(&self, neighbours: u32) -> Option<(u32, u32)> {
        let others = self.clients - 1;
        // E1: fewer than `corrupt` corrupt neighbours, at every client, but for probability 2^-(σ+1).
        let corrupt = self.least_unlikely(others, self.corrupt, neighbours, self.private);
        let threshold = match self.adversary {
            Adversary::SemiHonest => corrupt,
            // Two disjoint groups of honest neighbours, each with all corrupt ones, never both reach the threshold:
            // 2t > k + (corrupt − 1).
            Adversary::Malicious => (neighbours + corrupt.saturating_sub(1)) / 2 + 1,
        }
        .max(2);
        // E3: the threshold of surviving neighbours, at every client, but for probability 2^-(η+1).
        if threshold > self.greatest_likely(others, self.survivors - 1, neighbours, self.correct) {
            return None;
        }
        if neighbours == others {
            return Some((threshold, 0));
        }
        // E2: the honest survivors are connected.
        let half = neighbours / 2;
        let window = match self.adversary {
            // But for probability 2^-(σ+1) when who drops out has nothing to do with the graph; a client still refuses an
            // empty window.
            Adversary::SemiHonest if self.is_connected(neighbours) => 1,
            Adversary::SemiHonest => return None,
            // Whatever set the server names: more survivors in each window than there are corrupt clients in any.
            Adversary::Malicious => self.least_unlikely(self.clients, self.corrupt, half, self.private).max(1),
        };
        (window <= half.min(self.greatest_likely(self.clients, self.survivors, half, self.correct)))
            .then_some((threshold, window))
    }

    /// To disconnect the ring, two runs of `k / 2` clients must all be corrupt or gone: `n (n − k − 1) / 2` pairs of runs.
    fn is_connected(&self, neighbours: u32) -> bool {
        let bad = self.corrupt + (self.clients - self.survivors);
        if bad < neighbours {
            return true;
        }
        let f = |i: u32| self.factorials[i as usize];
        let pairs = f64::from(self.clients).ln() + f64::from(self.clients - neighbours - 1).ln() - 2f64.ln();
        let all_bad = f(bad) - f(bad - neighbours) + f(self.clients - neighbours) - f(self.clients);
        pairs + all_bad <= (self.private * f64::from(self.clients)).ln()
    }

    /// The least `x` with `Pr[X >= x] <= bound`, `X` the number of marked among `draws` of `total`, `marked` of them marked.
    fn least_unlikely(&self, total: u32, marked: u32, draws: u32, bound: f64) -> u32 {
        let mut tail = 0.0;
        for x in (0..=draws.min(marked)).rev() {
            tail += self.probability(total, marked, draws, x);
            if tail > bound {
                return x + 1;
            }
        }
        0
    }

    /// The greatest `x` with `Pr[X < x] <= bound`.
    fn greatest_likely(&self, total: u32, marked: u32, draws: u32, bound: f64) -> u32 {
        let mut tail = 0.0;
        for x in 0..=draws.min(marked) {
            tail += self.probability(total, marked, draws, x);
            if tail > bound {
                return x;
            }
        }
        draws.min(marked)
    }

    fn probability(&self, total: u32, marked: u32, draws: u32, x: u32) -> f64 {
        let Some(unmarked) = (total - marked).checked_sub(draws - x) else { return 0.0 };
        let f = |i: u32| self.factorials[i as usize];
        let choose = |n: u32, k: u32| f(n) - f(k) - f(n - k);
        debug_assert_eq!(unmarked, total - marked - (draws - x));
        (choose(marked, x) + choose(total - marked, draws - x) - choose(total, draws)).exp()
    }
}
