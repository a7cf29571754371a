//! Its frames are cut short.

use super::*;
use crate::net::sim::Truncated;

#[test]
fn no_wrong_result() {
    let failed = suffer(SEEDS, |_| Truncated { permille: 30 });
    assert!(failed > 20, "{failed}");
}

#[test]
#[ignore = "nightly: 10,000 sessions"]
fn no_wrong_result_in_many_sessions() {
    suffer(NIGHTLY, |_| Truncated { permille: 30 });
}
