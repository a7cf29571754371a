//! Its frames are longer than any may be.

use super::*;
use crate::net::sim::Oversized;

#[test]
fn no_wrong_result() {
    let failed = suffer(SEEDS, |_| Oversized { permille: 30 });
    assert!(failed > 20, "{failed}");
}

#[test]
fn no_wrong_result_of_a_small_program() {
    let failed = suffer_small(|_| Oversized { permille: 100 });
    assert!(failed > 200, "{failed}");
}

#[test]
#[ignore = "nightly: 10,000 sessions"]
fn no_wrong_result_in_many_sessions() {
    suffer(NIGHTLY, |_| Oversized { permille: 30 });
}
