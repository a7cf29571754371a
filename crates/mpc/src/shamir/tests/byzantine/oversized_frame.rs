//! Its frames are longer than any may be.

use super::*;
use crate::net::sim::Oversized;

#[test]
fn no_wrong_result() {
    let failed = suffer(SEEDS, |_| Oversized { permille: 30 });
    assert!(failed > 20, "{failed}");
}

#[test]
#[ignore = "nightly: 10,000 sessions"]
fn no_wrong_result_in_many_sessions() {
    suffer(NIGHTLY, |_| Oversized { permille: 30 });
}
