//! Who may be named for what.

use crate::engine::{Failure, Fault};

/// That an honest party's failure names nobody honest for more than being gone.
pub(super) fn falls_on(failure: &Failure, liar: u16, seed: u64) {
    match failure {
        Failure::Party { party, fault } => assert!(*fault == Fault::Lost || *party == liar, "seed {seed}: {failure}"),
        Failure::Cheated { .. } => {}
        _ => panic!("seed {seed}: {failure}"),
    }
}
