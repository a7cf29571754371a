//! Limits how often a caller may ask: token buckets in bounded memory.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crypto::PublicKey;

/// A token bucket per caller.
pub(crate) struct RateLimiter {
    /// Tokens per second.
    rate: f64,
    /// Tokens of a full bucket.
    burst: f64,
    /// Buckets kept.
    capacity: usize,
    buckets: Mutex<HashMap<Source, Bucket>>,
}

/// Who is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// An IPv4 address, or the /64 network of an IPv6 one: a single host may use all of a /64.
    Address(IpAddr),
    /// A principal's key.
    Key(PublicKey),
    /// A member's node.
    Member(String),
    /// Everyone for whom there was no room.
    Rest,
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::Address(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            address => Self::Address(address),
        }
    }
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    /// When `tokens` was true, Unix milliseconds.
    at: u64,
}

impl RateLimiter {
    /// `rate` requests per second, `rate * burst_seconds` at once; remembers at most `capacity` callers.
    pub(crate) fn new(rate: u32, burst_seconds: u32, capacity: usize) -> Self {
        let rate = f64::from(rate.max(1));
        Self { rate, burst: rate * f64::from(burst_seconds.max(1)), capacity, buckets: Mutex::default() }
    }

    /// Counts one request at a time in Unix milliseconds.
    ///
    /// # Errors
    /// How long to wait when there were too many.
    pub(crate) fn check(&self, source: Source, now: u64) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut source = source;
        if buckets.len() >= self.capacity && !buckets.contains_key(&source) {
            // A bucket that is full again is as good as none.
            buckets.retain(|_, bucket| self.filled(*bucket, now).tokens < self.burst);
            if buckets.len() >= self.capacity {
                source = Source::Rest;
            }
        }
        let bucket = buckets.entry(source).or_insert(Bucket { tokens: self.burst, at: now });
        *bucket = self.filled(*bucket, now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) / self.rate))
    }

    fn filled(&self, bucket: Bucket, now: u64) -> Bucket {
        // A clock set back gives nothing.
        let elapsed = now.saturating_sub(bucket.at) as f64 / 1000.0;
        Bucket { tokens: (bucket.tokens + elapsed * self.rate).min(self.burst), at: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> Source {
        IpAddr::from([10, 0, 0, last]).into()
    }

    #[test]
    fn a_bucket_empties_and_fills() {
        let limiter = RateLimiter::new(10, 2, 100);
        (0..20).for_each(|_| limiter.check(from(1), 1000).unwrap());
        assert_eq!(limiter.check(from(1), 1000), Err(Duration::from_millis(100)));
        limiter.check(from(2), 1000).unwrap();
        limiter.check(from(1), 1100).unwrap();
        assert!(limiter.check(from(1), 1100).is_err());
        assert!(limiter.check(from(1), 500).is_err(), "a clock set back gives nothing");
        (0..20).for_each(|_| limiter.check(from(1), 1_000_000).unwrap());
        assert!(limiter.check(from(1), 1_000_000).is_err(), "no more than the burst");
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = RateLimiter::new(1, 1, 8);
        (0..8).for_each(|last| limiter.check(from(last), 0).unwrap());
        limiter.check(from(100), 0).unwrap();
        assert!(limiter.check(from(101), 0).is_err(), "those without room share a bucket");
        limiter.check(from(102), 5000).unwrap();
        assert!(limiter.buckets.lock().unwrap().len() <= 9);
    }

    #[test]
    fn one_host_of_a_network_is_the_network() {
        let host = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(host("2001:db8::1"), host("2001:db8::ffff"));
        assert_ne!(host("2001:db8::1"), host("2001:db8:0:1::1"));
        assert_eq!(host("::ffff:10.0.0.1"), host("10.0.0.1"));
    }
}
