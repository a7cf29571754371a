//! Bounds of terms, their commitments, their bytes.

#![allow(missing_docs)]

mod sample;

use policy::{Disclosed, EvidenceRule, Means, Terms, TermsError, Visibility, Window};
use proptest::prelude::*;
use sample::{key, release};
use wire::{Bytes, Fixed, Limits};

/// The field that `check` complains about after a change.
fn complaint(change: impl FnOnce(&mut Terms)) -> String {
    let (mut terms, _) = release(None);
    change(&mut terms);
    match terms.check() {
        Ok(()) => "none".to_owned(),
        Err(TermsError::Field { field, .. }) => field.to_owned(),
        Err(TermsError::Opening { digest }) => format!("opening {digest}"),
        Err(other) => other.to_string(),
    }
}

/// Changes the particulars and commits to them again.
fn particular(change: impl FnOnce(&mut policy::Particulars)) -> String {
    complaint(|terms| {
        let mut disclosed = terms.disclosed.clone().unwrap();
        change(&mut disclosed.particulars);
        (terms.policy, terms.particulars) = (disclosed.policy_digest(), disclosed.commitment());
        terms.disclosed = Some(disclosed);
    })
}

#[test]
fn every_bound_is_enforced() {
    assert_eq!(complaint(|_| {}), "none");
    assert_eq!(complaint(|terms| terms.purposes.clear()), "purposes");
    assert_eq!(complaint(|terms| terms.purposes = vec!["a".to_owned(); 2]), "purposes");
    assert_eq!(complaint(|terms| terms.purposes = (0..33).map(|i| format!("p{i}")).collect()), "purposes");
    for name in ["", "Research", "-x", "a b", "é", &"x".repeat(65)] {
        assert_eq!(complaint(|terms| terms.purposes[0] = name.to_owned()), "purposes", "{name}");
    }
    assert_eq!(complaint(|terms| terms.window.not_after = terms.window.not_before), "window");
    assert_eq!(complaint(|terms| terms.window.not_after = u64::MAX), "window");
    assert_eq!(complaint(|terms| terms.approvals.required = 4), "approvals");
    assert_eq!(complaint(|terms| terms.approvals.approvers[1] = terms.approvals.approvers[0]), "approvals.approvers");
    assert_eq!(complaint(|terms| terms.approvals.approvers = (0..33).map(key).collect()), "approvals");
    assert_eq!(complaint(|terms| terms.evidence[0].kind = "attestation".to_owned()), "evidence.kind");
    assert_eq!(complaint(|terms| terms.evidence[0].claim = String::new()), "evidence.claim");
    let rule = EvidenceRule { kind: "credential".to_owned(), claim: "researcher".to_owned() };
    assert_eq!(complaint(|terms| terms.evidence.push(rule)), "evidence");
    assert_eq!(complaint(|terms| terms.grant.seconds = 0), "grant.seconds");
    assert_eq!(complaint(|terms| terms.grant.seconds = 86_401), "grant.seconds");
    assert_eq!(complaint(|terms| terms.grant.uses = 2), "grant.uses");
    assert_eq!(complaint(|terms| terms.fee = Some(1)), "fee and privacy_budget");
    assert_eq!(complaint(|terms| terms.privacy_budget = Some(1)), "fee and privacy_budget");
    assert_eq!(complaint(|terms| terms.visibility = Visibility::Private), "disclosed");
    assert_eq!(complaint(|terms| terms.disclosed = None), "disclosed");
    let members = |names: &[&str]| Visibility::Members(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(complaint(|terms| (terms.visibility, terms.disclosed) = (members(&["a", "b"]), None)), "none");
    assert_eq!(complaint(|terms| (terms.visibility, terms.disclosed) = (members(&[]), None)), "visibility");
    assert_eq!(complaint(|terms| (terms.visibility, terms.disclosed) = (members(&["a", "a"]), None)), "visibility");
}

#[test]
fn programs_belong_to_computations() {
    let compute = |program: Option<Vec<u8>>, group: u32| {
        complaint(|terms| {
            (terms.means, terms.program, terms.minimum_group) = (Means::Compute, program.map(Bytes::from), group);
        })
    };
    assert_eq!(compute(Some(vec![1]), 10), "none");
    assert_eq!(compute(None, 10), "program");
    assert_eq!(compute(Some(vec![]), 10), "program");
    assert_eq!(compute(Some(vec![0; 16 * 1024 + 1]), 10), "program");
    assert_eq!(compute(Some(vec![1]), 0), "minimum_group");
    assert_eq!(complaint(|terms| terms.program = Some(vec![1].into())), "program");
    assert!(complaint(|terms| terms.minimum_group = 10).contains("minimum_group"));
    assert!(complaint(|terms| terms.max_corrupt = 1).contains("max_corrupt"));
    assert!(complaint(|terms| terms.tolerate_dropouts = 1).contains("tolerate_dropouts"));
}

#[test]
fn particulars_are_bounded() {
    assert_eq!(particular(|it| it.title = "x".repeat(200)), "none");
    assert_eq!(particular(|it| it.title = "x".repeat(201)), "title");
    assert_eq!(particular(|it| it.title = "two\nlines".to_owned()), "title");
    assert_eq!(particular(|it| it.title.clear()), "title");
    assert_eq!(particular(|it| it.description = "x".repeat(4001)), "description");
    assert_eq!(particular(|it| it.description = "\u{1b}[31m".to_owned()), "description");
    assert_eq!(particular(|it| it.policy = "x".repeat(16 * 1024 + 1)), "policy");
    assert_eq!(particular(|it| it.policy.clear()), "policy");
    assert_eq!(particular(|it| it.retention_days = Some(0)), "retention_days");
    assert_eq!(particular(|it| it.jurisdictions = vec!["de".to_owned()]), "jurisdictions");
    assert_eq!(particular(|it| it.jurisdictions = vec!["DE".to_owned(); 2]), "jurisdictions");
    assert_eq!(particular(|it| it.jurisdictions = vec!["DE-BE".to_owned()]), "none");
}

#[test]
fn disclosed_particulars_must_open_both_digests() {
    assert_eq!(complaint(|terms| terms.disclosed.as_mut().unwrap().salt = Fixed([0; 32])), "opening particulars");
    assert_eq!(complaint(|terms| terms.particulars = [0; 32].into()), "opening particulars");
    assert_eq!(complaint(|terms| terms.policy = [0; 32].into()), "opening policy");
    let (terms, disclosed) = release(None);
    assert_eq!(terms.check_opening(&disclosed), Ok(()));
    // The same particulars under another salt hide behind other digests.
    let again = Disclosed::new(disclosed.particulars.clone());
    assert!(again.commitment() != disclosed.commitment() && again.policy_digest() != disclosed.policy_digest());
}

#[test]
fn visibility_includes_owner_and_members() {
    let members = Visibility::Members(vec!["riverside".to_owned()]);
    for (visibility, seen) in [
        (Visibility::Consortium, [true; 3]),
        (members, [true, true, false]),
        (Visibility::Private, [true, false, false]),
    ] {
        assert_eq!(["northgate", "riverside", "st-anna"].map(|member| visibility.includes("northgate", member)), seen);
    }
}

/// The page `docs/spec/terms.md` fixes these bytes; changing them is changing the format.
#[test]
fn the_encoding_is_frozen() {
    let (mut terms, mut disclosed) = release(Some("permit (principal, action, resource);"));
    disclosed.salt = Fixed([9; 32]);
    (terms.policy, terms.particulars) = (disclosed.policy_digest(), disclosed.commitment());
    terms.disclosed = Some(disclosed);
    terms.check().unwrap();
    let disclosed = terms.digest().to_string();
    (terms.visibility, terms.disclosed) = (Visibility::Members(vec!["riverside".to_owned()]), None);
    terms.window = Window { not_before: 0, not_after: 1 };
    (terms.means, terms.program, terms.minimum_group) = (Means::Compute, Some(vec![1, 2, 3].into()), 10);
    terms.check().unwrap();
    assert_eq!(
        [disclosed, terms.digest().to_string()],
        [
            "17175683178fd1d8b86012e4904c2972278bcec9249a3add92111cc03848ce00",
            "ef3911360fa6a1f54ca261e3a94661d793c47d8007694f162b4445e55b954b40"
        ]
    );
}

#[test]
fn unknown_keys_are_refused_in_json() {
    let (terms, _) = release(None);
    let mut json = serde_json::to_value(&terms).unwrap();
    assert_eq!(serde_json::from_value::<Terms>(json.clone()).unwrap(), terms);
    json["surprise"] = 1.into();
    assert!(serde_json::from_value::<Terms>(json).is_err());
}

proptest! {
    #[test]
    fn any_accepted_bytes_are_the_encoding(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let (terms, _) = release(None);
        let mut bytes = wire::to_vec(&terms);
        prop_assert_eq!(&wire::from_slice::<Terms>(&bytes, Limits::small()).unwrap(), &terms);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = wire::from_slice::<Terms>(&bytes, Limits::small()) {
            prop_assert_ne!(other.digest(), terms.digest());
            let _ = other.check();
        }
    }
}
