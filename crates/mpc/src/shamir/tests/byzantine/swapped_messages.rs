//! Its messages change places.

use super::*;
use crate::net::sim::Swapped;

#[test]
fn no_wrong_result() {
    let failed = suffer(SEEDS, |_| Swapped::default());
    assert!(failed > 20, "{failed}");
}

#[test]
fn no_wrong_result_of_a_small_program() {
    let failed = suffer_small(|_| Swapped::default());
    assert!(failed > 200, "{failed}");
}

#[test]
#[ignore = "nightly: 10,000 sessions"]
fn no_wrong_result_in_many_sessions() {
    suffer(NIGHTLY, |_| Swapped::default());
}
