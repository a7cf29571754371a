//! A byte of what is sent is another: of a share, a product, a proof, a coin, a digest.

use mpc::engine::{Adversary, Backend as _, local};
use mpc::net::sim::WrongShare;
use mpc::rep3::Rep3;

use crate::program::{MALICIOUS, Protocol, suffer};

#[test]
fn is_caught() {
    for protocol in MALICIOUS {
        for permille in [60, 300] {
            let tally = suffer(protocol, 0..200, |_, _| WrongShare { permille });
            assert!(tally.failed > 100, "{protocol:?}: {tally:?}");
        }
    }
}

/// What a protocol against curious parties does not promise, and says so.
#[test]
fn is_believed_where_parties_are_only_curious() {
    let tally = suffer(Protocol::SemiHonest, 0..200, |_, _| WrongShare { permille: 300 });
    assert!(tally.wrong > 50, "{tally:?}");
    let labels = local::run(3, 1, |io| async move {
        Ok([Rep3::semi_honest(&io)?, Rep3::malicious(&io)?, Rep3::malicious_by_sacrifice(&io)?]
            .map(|rep3| rep3.capabilities().adversary))
    });
    let labels = labels[0].0.as_ref().unwrap();
    assert_eq!(*labels, [Adversary::SemiHonest, Adversary::Malicious, Adversary::Malicious]);
}
