//! The tests.

use std::time::Duration;

use commonware_runtime::{Runner as _, deterministic};

use super::world::{Behaviour, World, good};

fn run<F: Future<Output = ()>>(seed: u64, test: impl FnOnce(deterministic::Context) -> F) {
    let config = deterministic::Config::new().with_seed(seed).with_timeout(Some(Duration::from_secs(3_600)));
    deterministic::Runner::new(config).start(test);
}

#[test]
fn four_validators_agree_and_answer() {
    run(1, |context| async move {
        let mut world = World::new(context, 1, &[Behaviour::Honest; 4]).await;
        world.link(&good(10), |_, _| true).await;
        for at in 0..4 {
            world.start(at).await;
        }
        for round in 0..20 {
            for at in 0..4 {
                assert!(world.submit(at, (round % 3) as u8).is_some());
            }
            world.pass(Duration::from_millis(50)).await;
        }
        world.must_recover().await;
        assert_eq!(world.acknowledged().len(), 84);
    });
}
