//! Its frames are cut short.

use super::*;
use crate::net::sim::Truncated;

#[test]
fn no_wrong_result() {
    let failed = suffer(SEEDS, |_| Truncated { permille: 30 });
    assert!(failed > 20, "{failed}");
}

#[test]
fn no_wrong_result_of_a_small_program() {
    let failed = suffer_small(|_| Truncated { permille: 100 });
    assert!(failed > 200, "{failed}");
}

#[test]
#[ignore = "nightly: 10,000 sessions"]
fn no_wrong_result_in_many_sessions() {
    suffer(NIGHTLY, |_| Truncated { permille: 30 });
}
