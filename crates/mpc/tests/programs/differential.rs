//! Every operation, and random programs, against the reference.

use mpc::domain::Domain;
use proptest::prelude::*;

use super::run::{ADDITIVE, MALICIOUS, SEMI_HONEST, SHAMIR, expect};
use super::{random, samples};

#[test]
fn every_operation_over_rings() {
    for protocol in [SEMI_HONEST, MALICIOUS] {
        for domain in [Domain::Ring64, Domain::Ring128] {
            for operation in samples::OPERATIONS {
                for len in [1, 5, 67] {
                    let sample = samples::sample(operation, domain, len, 3 + len as u64);
                    let result = expect(protocol, &sample, 5);
                    assert!(result.is_ok() || operation.0 == "shuffle", "{}: {result:?}", sample.name);
                }
            }
        }
    }
}

#[test]
fn every_operation_over_fields() {
    for domain in [Domain::M61, Domain::P127] {
        for operation in samples::OPERATIONS {
            let sample = samples::sample(operation, domain, 5, 8);
            let result = expect(SHAMIR, &sample, 5);
            assert!(result.is_ok() || operation.0 == "give", "{}: {result:?}", sample.name);
        }
    }
}

/// What additive sharing has, and nothing else: the rest is refused at all parties, not left hanging.
#[test]
fn every_linear_operation_over_rings_and_fields() {
    for domain in [Domain::Ring64, Domain::Ring128, Domain::M61, Domain::P127] {
        for operation in samples::OPERATIONS {
            // A single row is sorted as it is.
            for len in [2, 5, 67] {
                let sample = samples::sample(operation, domain, len, 2);
                let result = expect(ADDITIVE, &sample, 5);
                let linear = ["constant", "linear", "sum", "prefix_sum", "give_sum"].contains(&operation.0);
                assert_eq!(result.is_ok(), linear, "{}: {result:?}", sample.name);
            }
        }
    }
}

fn random_programs(cases: u32, len: usize, size: usize) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    proptest!(config, |(seed in any::<u64>(), wide in any::<bool>(), malicious in any::<bool>())| {
        let domain = if wide { Domain::Ring128 } else { Domain::Ring64 };
        let sample = random::sample(seed, domain, 1 + seed as usize % len, size);
        let protocol = if malicious { MALICIOUS } else { SEMI_HONEST };
        prop_assert_eq!(expect(protocol, &sample, seed), Ok(()));
    });
}

#[test]
fn random_programs_open_what_the_reference_does() {
    random_programs(24, 20, 12);
}

#[test]
#[ignore = "nightly: hundreds of larger programs"]
fn many_random_programs_open_what_the_reference_does() {
    random_programs(400, 200, 40);
}
