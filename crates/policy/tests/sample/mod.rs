//! A contract that the tests vary.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::collections::BTreeSet;

use crypto::{Digest, PublicKey, SigningKey};
use policy::{ContractFile, Disclosed, Facts, Means, Terms};

/// 2026-11-21T09:30:00Z, a Saturday.
pub const NOW: u64 = 1_795_253_400_000;

pub const RELEASE: &str = r#"
format = "sottovoce-contract/v1"
title = "Trial data"
description = "Rows of 175 patients."
asset = "trial"
means = "release"
purposes = ["research", "audit"]
retention_days = 365
jurisdictions = ["DE", "FR"]

[window]
not_before = 2026-11-01T00:00:00Z
not_after = 2026-12-01T02:00:00+02:00

[approvals]
required = 2
approvers = ["ada", "ben", "cleo"]

[grant]
seconds = 5

[[evidence]]
kind = "credential"
claim = "researcher"
"#;

pub const COMPUTE: &str = r#"
format = "sottovoce-contract/v1"
title = "Trial statistics"
asset = "trial"
means = "compute"
purposes = ["research"]
visibility = ["riverside"]
minimum_group = 12

[window]
days = 30

[program]
group_by = "arms"
domain = ["0", "1"]

[[program.outputs]]
name = "patients"
count = true
"#;

pub fn key(seed: u8) -> PublicKey {
    SigningKey::from_seed(&[seed; 32]).public()
}

pub fn approver(name: &str) -> Option<PublicKey> {
    ["ada", "ben", "cleo"].contains(&name).then(|| key(name.as_bytes()[0]))
}

/// Terms of [`RELEASE`] under the given policy.
pub fn release(policy: Option<&str>) -> (Terms, Disclosed) {
    let mut file = ContractFile::parse(RELEASE).unwrap();
    file.policy = policy.map(str::to_owned);
    file.terms(NOW, Digest::from([7; 32]), approver, None).unwrap()
}

/// Facts that satisfy [`RELEASE`].
pub fn facts() -> Facts {
    Facts {
        requester: key(1),
        purpose: "research".to_owned(),
        now: NOW,
        approvals: 2,
        accreditations: BTreeSet::from(["researcher".to_owned()]),
        contract: "c1".to_owned(),
        version: 3,
        active: true,
        means: Means::Release,
        asset: "trial".to_owned(),
        owner: "northgate".to_owned(),
    }
}
