//! Three parties of which one may be corrupt, by replicated secret sharing (Araki, Furukawa, Lindell, Nof, Ohara, CCS 2016).

#[allow(dead_code)]
mod record;
#[allow(dead_code)]
mod share;

#[allow(unused_imports)]
pub(crate) use record::{Product, Record, Shape, Verifier};
#[allow(unused_imports)]
pub(crate) use share::{Atom, Replicated, Span, Word};
#[allow(dead_code)]
mod verify;

pub use verify::Rehearsal;
