//! Secure aggregation at the size that it is for.

use mpc::secagg::Adversary;

#[expect(dead_code, reason = "the example's command line")]
#[path = "../examples/secagg_scale.rs"]
mod scale;

/// About 80 s of one core: ten thousand clients do all their own work.
#[test]
fn of_ten_thousand_clients_three_in_ten_leave() {
    scale::aggregate(10_000, 10_000, 300, Adversary::SemiHonest);
}
