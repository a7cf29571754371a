//! It falls silent.

use super::*;
use crate::net::sim::Silence;

#[test]
fn no_wrong_result() {
    let failed = suffer(SEEDS, |seed| Silence { after: 10 + (seed % 60) as u32 });
    assert!(failed > 0, "{failed}");
}

#[test]
fn no_wrong_result_of_a_small_program() {
    let failed = suffer_small(|seed| Silence { after: (seed % 40) as u32 });
    assert!(failed > 200, "{failed}");
}

#[test]
#[ignore = "nightly: 10,000 sessions"]
fn no_wrong_result_in_many_sessions() {
    suffer(NIGHTLY, |seed| Silence { after: 10 + (seed % 60) as u32 });
}
