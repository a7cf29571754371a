//! Where time comes from.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time in Unix milliseconds; injected, so that tests choose it.
pub(crate) type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The operating system's clock; 0 before 1970.
pub(crate) fn system() -> Clock {
    Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64))
}
