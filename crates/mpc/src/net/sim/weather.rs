//! What a network does to frames.

use std::time::Duration;

use crate::engine::Frame;

/// How a network is, the same between all parties.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// One way.
    pub latency: Duration,
    /// At most so much on top, evenly spread.
    pub jitter: Duration,
    /// Bytes per second of each link and direction.
    pub bandwidth: u64,
    /// Of a thousand frames, so many are lost on the way once; sent again, they may be lost again.
    pub loss: u32,
    /// Of a thousand frames, so many are changed on the way: TLS notices, the link is made anew and they are sent again.
    pub tamper: u32,
    /// Of a thousand frames, so many come twice.
    pub duplicate: u32,
    /// Whether frames may overtake each other.
    pub reorder: bool,
    /// Until what is lost is sent again.
    pub resend: Duration,
    /// A link that fails so often for one frame is lost to both ends.
    pub retries: u32,
    /// Until the others notice that a party has crashed.
    pub patience: Duration,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            latency: Duration::from_micros(200),
            jitter: Duration::ZERO,
            bandwidth: 1 << 30,
            loss: 0,
            tamper: 0,
            duplicate: 0,
            reorder: false,
            resend: Duration::from_millis(200),
            retries: 20,
            patience: Duration::from_secs(10),
        }
    }
}

impl Weather {
    /// Far apart, slow, and everything goes wrong now and then.
    pub const fn storm() -> Self {
        Self {
            latency: Duration::from_millis(25),
            jitter: Duration::from_millis(40),
            bandwidth: 12_500_000,
            loss: 50,
            tamper: 10,
            duplicate: 50,
            reorder: true,
            resend: Duration::from_millis(200),
            retries: 20,
            patience: Duration::from_secs(10),
        }
    }
}

/// Numbers that only the seed decides: xorshift64* (Vigna 2016, section 3), good enough for weather.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Of a seed.
    pub const fn new(seed: u64) -> Self {
        // Zero is the one state that stays; the multiplier spreads small seeds.
        Self((seed ^ 0x5DEE_CE66_D1A4_B5F1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next 64 bits.
    pub const fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Below `bound`, which is not zero.
    pub const fn below(&mut self, bound: u64) -> u64 {
        (self.draw() >> 16) % bound
    }

    /// Whether one of `permille` cases of a thousand has come.
    pub const fn chance(&mut self, permille: u32) -> bool {
        self.below(1000) < permille as u64
    }
}

/// What becomes of a frame.
pub(super) enum Fate {
    /// It arrives at these times.
    Arrives(Vec<Duration>),
    /// Its link is lost then, and the frame with it.
    Severed(Duration),
    /// Its link was lost before.
    Gone,
}

/// The links as they stand.
pub(super) struct Sky {
    weather: Weather,
    parties: usize,
    links: Vec<Link>,
}

#[derive(Clone, Default)]
struct Link {
    /// Until then it is busy with frames before.
    busy: Duration,
    /// When the last frame so far arrives.
    last: Duration,
    severed: bool,
}

impl Sky {
    pub(super) fn new(weather: Weather, parties: u16) -> Self {
        let parties = usize::from(parties);
        Self { weather, parties, links: vec![Link::default(); parties * parties] }
    }

    /// When the last frame from one to another arrives.
    pub(super) fn last(&self, from: u16, to: u16) -> Duration {
        self.links[usize::from(from) * self.parties + usize::from(to)].last
    }

    pub(super) fn fate(&mut self, now: Duration, frame: &Frame, dice: &mut Dice) -> Fate {
        let weather = self.weather;
        let way = usize::from(frame.from) * self.parties + usize::from(frame.to);
        let back = usize::from(frame.to) * self.parties + usize::from(frame.from);
        let link = &mut self.links[way];
        if link.severed {
            return Fate::Gone;
        }
        let bits = Duration::from_secs_f64(frame.body.len() as f64 / weather.bandwidth as f64);
        link.busy = link.busy.max(now) + bits;
        let mut at = link.busy + weather.latency;
        let mut failures = 0;
        loop {
            if dice.chance(weather.tamper) {
                // The connection breaks and is made anew: three ways there and back.
                at += weather.latency * 6;
            } else if dice.chance(weather.loss) {
                at += weather.resend;
            } else {
                break;
            }
            failures += 1;
            if failures > weather.retries {
                self.links[way].severed = true;
                self.links[back].severed = true;
                return Fate::Severed(at);
            }
        }
        let jitter = weather.jitter.as_nanos() as u64;
        let late = |dice: &mut Dice| Duration::from_nanos(if jitter == 0 { 0 } else { dice.below(jitter) });
        at += late(dice);
        if !weather.reorder {
            at = at.max(link.last);
        }
        link.last = link.last.max(at);
        let mut times = vec![at];
        if dice.chance(weather.duplicate) {
            let again = at + weather.latency + late(dice);
            link.last = link.last.max(again);
            times.push(again);
        }
        Fate::Arrives(times)
    }
}
