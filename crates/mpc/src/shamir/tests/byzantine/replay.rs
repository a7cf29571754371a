//! It says again what it said before.

use super::*;
use crate::net::sim::Replay;

#[test]
fn no_wrong_result() {
    let failed = suffer(SEEDS, |_| Replay::default());
    assert!(failed > 20, "{failed}");
}

#[test]
fn no_wrong_result_of_a_small_program() {
    let failed = suffer_small(|_| Replay::default());
    assert!(failed > 200, "{failed}");
}

#[test]
#[ignore = "nightly: 10,000 sessions"]
fn no_wrong_result_in_many_sessions() {
    suffer(NIGHTLY, |_| Replay::default());
}
