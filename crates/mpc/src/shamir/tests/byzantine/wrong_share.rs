//! A byte of what it sends is off, now and then.

use super::*;
use crate::net::sim::WrongShare;

#[test]
fn no_wrong_result() {
    let failed = suffer(SEEDS, |_| WrongShare { permille: 40 });
    assert!(failed > 20, "{failed}");
}

#[test]
fn no_wrong_result_of_a_small_program() {
    let failed = suffer_small(|_| WrongShare { permille: 100 });
    assert!(failed > 200, "{failed}");
}

#[test]
#[ignore = "nightly: 10,000 sessions"]
fn no_wrong_result_in_many_sessions() {
    suffer(NIGHTLY, |_| WrongShare { permille: 40 });
}
