//! It speaks for another run.

use super::*;
use crate::net::sim::Stale;

#[test]
fn no_wrong_result() {
    let failed = suffer(SEEDS, |_| Stale { permille: 30 });
    assert!(failed > 20, "{failed}");
}

#[test]
fn no_wrong_result_of_a_small_program() {
    let failed = suffer_small(|_| Stale { permille: 100 });
    assert!(failed > 200, "{failed}");
}

#[test]
#[ignore = "nightly: 10,000 sessions"]
fn no_wrong_result_in_many_sessions() {
    suffer(NIGHTLY, |_| Stale { permille: 30 });
}
