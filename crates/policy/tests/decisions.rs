//! Decisions: each code, explanations, obligations, forbids, replay.

#![allow(missing_docs)]

mod sample;

use policy::{Decision, Disclosed, Facts, Means, PolicyError, codes, decide, validate};
use proptest::prelude::*;
use sample::{NOW, facts, release};

fn code(change: impl FnOnce(&mut Facts)) -> String {
    let (terms, disclosed) = release(None);
    let mut facts = facts();
    change(&mut facts);
    let decision = decide(&terms, &disclosed, &facts);
    assert_eq!(decision.allow, decision.code == codes::ALLOWED);
    assert_eq!(decision.allow, decision.reasons.iter().all(|reason| reason.satisfied));
    assert!(decision.reasons.iter().all(|reason| reason.satisfied == reason.hint.is_none()));
    assert!(decision.allow || decision.obligations.is_empty());
    decision.code
}

/// The decision under a contract's own policies.
fn under(policy: &str) -> Decision {
    let (terms, disclosed) = release(Some(policy));
    decide(&terms, &disclosed, &facts())
}

const PERMIT: &str = "permit (principal, action, resource);";

#[test]
fn each_structured_check_has_its_code() {
    assert_eq!(code(|_| {}), "allowed");
    assert_eq!(code(|facts| facts.active = false), "contract_not_in_force");
    assert_eq!(code(|facts| facts.now = 0), "contract_not_in_force");
    assert_eq!(code(|facts| facts.purpose = "marketing".to_owned()), "purpose_not_allowed");
    assert_eq!(code(|facts| facts.accreditations = ["clerk".to_owned()].into()), "not_accredited");
    assert_eq!(code(|facts| facts.approvals = 1), "approvals_missing");
    assert_eq!(code(|facts| facts.means = Means::Compute), "means_not_allowed");
    assert_eq!(code(|facts| facts.now = u64::MAX), "contract_not_in_force");
}

#[test]
fn the_window_includes_its_beginning_and_excludes_its_end() {
    let (begin, end) = (1_793_491_200_000, 1_796_083_200_000);
    assert_eq!(code(|facts| facts.now = begin - 1), "contract_not_in_force");
    assert_eq!(code(|facts| facts.now = begin), "allowed");
    assert_eq!(code(|facts| facts.now = end - 1), "allowed");
    assert_eq!(code(|facts| facts.now = end), "contract_not_in_force");
}

#[test]
fn the_first_failure_gives_the_code_and_all_are_explained() {
    let (terms, disclosed) = release(None);
    let mut facts = facts();
    facts.purpose = "marketing".to_owned();
    facts.accreditations.clear();
    facts.approvals = 1;
    let decision = decide(&terms, &disclosed, &facts);
    assert_eq!(decision.code, codes::PURPOSE_NOT_ALLOWED);
    let account: Vec<_> = decision
        .reasons
        .iter()
        .map(|reason| (reason.check.as_str(), reason.satisfied, reason.detail.as_str()))
        .collect();
    assert_eq!(
        account,
        [
            ("contract", true, "version 3 of contract c1 is current"),
            (
                "window",
                true,
                "the contract is in force from 2026-11-01T00:00:00.000Z to 2026-12-01T00:00:00.000Z; the decision is \
                 made at 2026-11-21T09:30:00.000Z"
            ),
            ("purpose", false, "the request is for `marketing`; the contract allows research, audit"),
            ("evidence", false, "no valid credential proves `researcher`"),
            ("approvals", false, "1 approved; 2 of 3 approvers must"),
        ]
    );
    assert_eq!(decision.reasons[2].hint.as_deref(), Some("apply for a purpose the contract allows: research, audit"));
    // The global forbids agree, without repeating themselves to the reader.
    assert_eq!(decision.determining, ["sottovoce/purpose", "sottovoce/approvals"]);
}

#[test]
fn an_allowed_request_names_its_permit_and_its_duties() {
    let (terms, disclosed) = release(None);
    let decision = decide(&terms, &disclosed, &facts());
    assert_eq!(decision.determining, ["contract/default"]);
    assert_eq!(
        decision.reasons.last().unwrap().detail,
        "policy `contract/default` permits it: purpose and evidence are what the contract asks for"
    );
    let duties: Vec<_> = decision.obligations.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(duties, [("jurisdiction", "DE"), ("jurisdiction", "FR"), ("retention_days", "365")]);
}

#[test]
fn obligations_come_from_the_permits_that_apply() {
    let policy = r#"
        @obligation_cite("10.1000/trial") @obligation_notify("owner")
        permit (principal, action, resource) when { context.purpose == "research" };
        @obligation_publish("openly")
        permit (principal, action, resource) when { context.purpose == "audit" };
    "#;
    let decision = under(policy);
    let names: Vec<_> = decision.obligations.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["cite", "jurisdiction", "jurisdiction", "notify", "retention_days"]);
    assert_eq!(decision.determining, ["contract/1"]);
}

#[test]
fn a_forbid_names_its_own_code_reason_and_hint() {
    let policy = format!(
        r#"{PERMIT}
        @id("office_hours") @code("outside_hours") @reason("only on weekdays") @hint("come back on Monday")
        forbid (principal, action, resource) when {{ context.weekday > 5 || context.hour < 8 }};"#
    );
    let decision = under(&policy);
    assert_eq!((decision.allow, decision.code.as_str()), (false, "outside_hours"));
    let reason = decision.reasons.last().unwrap();
    assert_eq!(reason.detail, "policy `contract/office_hours` forbids it: only on weekdays");
    assert_eq!(reason.hint.as_deref(), Some("come back on Monday"));

    let (terms, disclosed) = release(Some(&policy));
    let mut facts = facts();
    facts.now = NOW + 2 * 86_400_000;
    assert!(decide(&terms, &disclosed, &facts).allow, "a Monday");
}

#[test]
fn a_forbid_without_a_code_and_a_permit_that_does_not_apply_are_denials() {
    assert_eq!(under(&format!("{PERMIT} forbid (principal, action, resource);")).code, "policy_denied");
    let decision = under(
        r#"@id("early") @hint("the offer ended last year")
        permit (principal, action, resource) when { context.now < datetime("2026-01-01") };"#,
    );
    assert_eq!(decision.code, "policy_denied");
    let reason = decision.reasons.last().unwrap();
    assert_eq!(reason.detail, "none of the policy's permits applies: `contract/early`");
    assert_eq!(reason.hint.as_deref(), Some("the offer ended last year"));
    assert!(decision.determining.is_empty());
}

#[test]
fn policies_see_every_fact() {
    let everything = format!(
        r#"permit (principal == Principal::"{}", action == Action::"release", resource) when {{
            principal.accreditations.contains("researcher") && resource.name == "trial" && resource.owner == "northgate"
            && resource.means == "release" && resource.purposes.contains("audit") && resource.approvals == 2
            && context.purpose == "research" && context.approvals == 2 && context.hour == 9 && context.weekday == 6
            && context.now == datetime("2026-11-21T09:30:00Z") && context.contract == "c1" && context.version == 3
        }};"#,
        sample::key(1)
    );
    assert_eq!(under(&everything).code, "allowed");
}

#[test]
fn a_policy_that_fails_refuses_even_if_only_a_forbid_failed() {
    let decision = under(&format!(
        "{PERMIT} forbid (principal, action, resource) when {{ context.approvals * 9223372036854775807 < 0 }};"
    ));
    assert_eq!((decision.allow, decision.code.as_str()), (false, "policy_error"));
    assert!(decision.reasons.last().unwrap().detail.contains("overflow"));
}

#[test]
fn particulars_that_are_not_those_committed_to_refuse() {
    let (terms, disclosed) = release(None);
    let mut other = disclosed.particulars.clone();
    other.policy = PERMIT.to_owned();
    for forged in
        [Disclosed { salt: disclosed.salt, particulars: other }, Disclosed::new(disclosed.particulars.clone())]
    {
        let decision = decide(&terms, &forged, &facts());
        assert_eq!((decision.allow, decision.code.as_str()), (false, "policy_error"));
    }
}

#[test]
fn validation_says_what_is_wrong_and_where() {
    let cases = [
        ("", "holds no policy"),
        ("permit (principal, action, resource)", "line 1, column 37"),
        ("permit (principal, action, resource);\nforbid (principal, acton, resource);", "line 2"),
        ("permit (principal, action, resource) when { context.porpose == \"x\" };", "did you mean `purpose`?"),
        ("permit (principal, action == Action::\"relaese\", resource);", "relaese"),
        (
            "permit (principal, action, resource) when { context.hour == \"9\" };",
            "policy `contract/1`: the types Long and String are not compatible (line 1, column 45)",
        ),
        ("permit (principal, action, resource) when { context.purpose in resource };", "does not fit the schema"),
        ("permit (principal == ?principal, action, resource);", "template"),
        ("@cod(\"x\") forbid (principal, action, resource);", "`@cod` is unknown; known are @id"),
        ("@code(\"x\") permit (principal, action, resource);", "`@code` belongs to a forbid"),
        ("@code(\"Not Now\") forbid (principal, action, resource);", "lowercase letters"),
        ("@code(\"allowed\") forbid (principal, action, resource);", "has a meaning of its own"),
        ("@obligation_cite(\"x\") forbid (principal, action, resource);", "belongs to a permit"),
        ("@obligation_(\"x\") permit (principal, action, resource);", "is unknown"),
        ("@reason(\"\") permit (principal, action, resource);", "between 1 and 300"),
        (
            "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);",
            "used twice",
        ),
    ];
    for (text, expected) in cases {
        let message = validate(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}\n gave: {message}");
    }
}

#[test]
fn policies_keep_the_order_of_their_text() {
    let many: Vec<String> =
        (1..=20).map(|i| format!("@code(\"c{i}\") forbid (principal, action, resource);")).collect();
    let decision = under(&format!("{PERMIT}\n{}", many.join("\n")));
    assert_eq!(decision.code, "c1");
    assert_eq!(decision.determining, (2..=21).map(|i| format!("contract/{i}")).collect::<Vec<_>>());
}

#[test]
fn size_count_depth_and_complexity_are_bounded() {
    let padded = |length: usize| format!("{PERMIT}//{}", "x".repeat(length - PERMIT.len() - 2));
    assert_eq!(validate(&padded(16 * 1024)), Ok(()));
    assert!(matches!(validate(&padded(16 * 1024 + 1)), Err(PolicyError::TooLong { .. })));
    assert_eq!(validate(&PERMIT.repeat(64)), Ok(()));
    assert_eq!(validate(&PERMIT.repeat(65)), Err(PolicyError::TooMany { found: 65, limit: 64 }));
    let nested =
        |n: usize| format!("permit (principal, action, resource) when {{ {}true{} }};", "(".repeat(n), ")".repeat(n));
    assert_eq!(validate(&nested(31)), Ok(()));
    assert!(matches!(validate(&nested(32)), Err(PolicyError::TooDeep { .. })));
    let chain = |n: usize| format!("permit (principal, action, resource) when {{ true{} }};", "&&true".repeat(n));
    assert_eq!(validate(&chain(512)), Ok(()));
    assert!(matches!(validate(&chain(513)), Err(PolicyError::TooComplex { .. })));
    // What stands in strings and comments counts for nothing.
    assert_eq!(validate(&format!("@reason(\"{}\\\"\") {PERMIT}//{}", "((&&".repeat(40), "((||".repeat(400))), Ok(()));
}

/// The deepest texts that the bounds let through fit a worker thread's stack, through parsing, validation and evaluation.
#[test]
fn the_deepest_policies_need_no_deep_stack() {
    let condition = |text: &str| format!("permit (principal, action, resource) when {{ {text} }};");
    let texts = [
        condition(&format!("true{}", "&&true".repeat(512))),
        condition(&format!("0{} < 9", "+1".repeat(511))),
        condition(&format!("{}true{}", "if true then ".repeat(256), " else false".repeat(256))),
        condition(&format!("{}true", "!".repeat(500))),
        condition(&format!("context{}", ".purpose".repeat(512))),
        condition(&format!("{}true{}", "(!".repeat(31), ")".repeat(31))),
        condition(&format!("{}true{}", "[".repeat(31), "]".repeat(31))),
        condition(&format!("{}1{}", "{a:".repeat(30), "}".repeat(30))),
        condition(&"-".repeat(512)),
    ];
    for text in texts {
        let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(move || {
            let (terms, mut disclosed) = release(None);
            disclosed.particulars.policy = text;
            let mut terms = terms;
            (terms.policy, terms.particulars) = (disclosed.policy_digest(), disclosed.commitment());
            decide(&terms, &disclosed, &facts()).code
        });
        thread.unwrap().join().expect("no overflow");
    }
}

#[test]
fn many_texts_turn_over_in_the_cache() {
    for i in 0..200 {
        assert_eq!(under(&format!("{PERMIT} // {}", i % 70)).code, "allowed");
    }
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let words = || prop_oneof![Just("research"), Just("audit"), Just("marketing"), Just("")].prop_map(str::to_owned);
    let claims = proptest::collection::btree_set(prop_oneof![Just("researcher".to_owned()), ".{0,8}"], 0..4);
    let now = prop_oneof![NOW - 5_000_000_000..NOW + 5_000_000_000, any::<u64>()];
    (words(), now, 0..4u32, claims, any::<bool>(), any::<bool>(), ".{0,12}").prop_map(
        |(purpose, now, approvals, accreditations, active, compute, asset)| Facts {
            purpose,
            now,
            approvals,
            accreditations,
            active,
            means: if compute { Means::Compute } else { Means::Release },
            asset,
            ..facts()
        },
    )
}

proptest! {
    /// A decision replays from its recorded facts, and allows exactly what all structured checks allow.
    #[test]
    fn decisions_replay_and_agree_with_the_rules(facts in any_facts()) {
        let (terms, disclosed) = release(None);
        let decision = decide(&terms, &disclosed, &facts);
        let recorded: Facts = wire::from_slice(&wire::to_vec(&facts), wire::Limits::small()).unwrap();
        prop_assert_eq!(&decide(&terms, &disclosed, &recorded), &decision);
        let json: Decision = serde_json::from_str(&serde_json::to_string(&decision).unwrap()).unwrap();
        prop_assert_eq!(&json, &decision);
        let bytes: Decision = wire::from_slice(&wire::to_vec(&decision), wire::Limits::small()).unwrap();
        prop_assert_eq!(&bytes, &decision);
        let expected = facts.active
            && terms.window.contains(facts.now)
            && terms.purposes.contains(&facts.purpose)
            && facts.accreditations.contains("researcher")
            && facts.approvals >= 2
            && facts.means == Means::Release;
        prop_assert_eq!(decision.allow, expected);
    }

    /// Whatever the policy says, it never allows what a structured check refuses.
    #[test]
    fn no_policy_widens_the_terms(facts in any_facts()) {
        let (terms, disclosed) = release(Some(PERMIT));
        let (plain_terms, plain) = release(None);
        prop_assert_eq!(decide(&terms, &disclosed, &facts).allow, decide(&plain_terms, &plain, &facts).allow);
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[ -~\n]{0,400}") {
        let _ = validate(&text);
    }

    #[test]
    fn mutated_policies_never_panic(at in any::<prop::sample::Index>(), byte in "[ -~]") {
        let mut text = policy::GLOBAL_POLICIES.to_owned();
        let at = at.index(text.len());
        text.replace_range(at..=at, &byte);
        let _ = validate(&text);
    }
}
