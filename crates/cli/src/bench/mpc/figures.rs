//! What a peer needs for the same: MP-SPDZ 0.4.2, measured on an otherwise idle machine of two cores with AVX-512 and VAES, median of
//! three, parties as processes on loopback. Machines differ: ratios to one's own figures are a guide, no more.

use crate::args::{Adversary, Work};

/// A peer's figures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    /// Of the operation alone; for [`Work::Sum1`] from start to finish.
    pub(super) seconds: f64,
    /// Of all parties, whole run with inputs.
    pub(super) cpu_seconds: f64,
}

/// The peer's figures for the same work by the same kind of protocol.
pub(super) fn of(work: Work, protocol: &str, adversary: Adversary, parties: u16, n: usize) -> Option<Figures> {
    PEER.iter()
        .find(|row| (row.0, row.1, row.2, row.3, row.4) == (work, protocol, adversary, parties, n))
        .map(|row| Figures { seconds: row.5, cpu_seconds: row.6 })
}

use Adversary::{Malicious, SemiHonest};

type Line = (Work, &'static str, Adversary, u16, usize, f64, f64);

const PEER: &[Line] = &[
    (Work::Mul, "rep3", SemiHonest, 3, 1_000_000, 0.076, 0.89),
    (Work::Mul, "rep3", Malicious, 3, 1_000_000, 1.90, 3.12),
    (Work::Mul, "shamir", SemiHonest, 3, 1_000_000, 0.70, 2.47),
    (Work::Mul, "shamir", SemiHonest, 5, 1_000_000, 1.97, 6.08),
    (Work::Lt, "rep3", SemiHonest, 3, 100_000, 0.196, 0.41),
    (Work::Lt, "rep3", Malicious, 3, 100_000, 6.09, 7.64),
    (Work::Lt, "shamir", SemiHonest, 3, 100_000, 61.7, 33.7),
    (Work::Dot, "rep3", SemiHonest, 3, 1_000_000, 0.013, 0.69),
    (Work::Dot, "rep3", Malicious, 3, 1_000_000, 1.94, 2.92),
    (Work::Mulseq, "rep3", SemiHonest, 3, 10_000, 1.37, 1.51),
    (Work::Sort, "rep3", SemiHonest, 3, 10_000, 1.78, 2.26),
    (Work::Sum, "shamir", SemiHonest, 3, 1_000_000, 0.94, 1.76),
    (Work::Sum, "shamir", SemiHonest, 5, 1_000_000, 2.58, 5.36),
    (Work::Sum, "shamir", SemiHonest, 10, 100_000, 0.99, 3.07),
    (Work::Sum1, "shamir", SemiHonest, 3, 1, 0.125, 0.12),
    (Work::Sum1, "shamir", SemiHonest, 10, 1, 0.65, 0.91),
];
