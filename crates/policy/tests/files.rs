//! Contract files: what is read, what is refused, and what the refusal says.

#![allow(missing_docs)]

mod sample;

use crypto::Digest;
use policy::{Adversary, ContractFile, FileError, Means, ProgramSource, Visibility, Window, validate};
use sample::{COMPUTE, NOW, RELEASE, approver, key};

const ASSET: [u8; 32] = [7; 32];

/// What reading and resolving an edited file complains about.
fn refusal(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the edit finds its place: {from}");
    let file = match ContractFile::parse(&text.replacen(from, to, 1)) {
        Ok(file) => file,
        Err(error) => return error.to_string(),
    };
    let program = (file.means == Means::Compute).then(|| vec![1].into());
    file.terms(NOW, Digest::from(ASSET), approver, program).expect_err("refused").to_string()
}

#[test]
fn a_release_contract() {
    let file = ContractFile::parse(RELEASE).unwrap();
    assert_eq!(file.program_source(), Ok(None));
    let (terms, disclosed) = file.terms(NOW, Digest::from(ASSET), approver, None).unwrap();
    assert_eq!((terms.means, terms.minimum_group, terms.adversary), (Means::Release, 0, Adversary::SemiHonest));
    assert_eq!(terms.window, Window { not_before: 1_793_491_200_000, not_after: 1_796_083_200_000 });
    assert_eq!((terms.approvals.required, terms.approvals.approvers), (2, vec![key(b'a'), key(b'b'), key(b'c')]));
    assert_eq!((terms.grant.seconds, terms.grant.uses), (5, 1));
    assert_eq!(terms.disclosed, Some(disclosed.clone()));
    assert_eq!(disclosed.particulars.policy, file.default_policy());
}

#[test]
fn a_compute_contract() {
    let file = ContractFile::parse(COMPUTE).unwrap();
    let Some(ProgramSource::Inline(program)) = file.program_source().unwrap() else { panic!("a table") };
    assert!(program.contains("group_by = \"arms\"") && program.contains("[[outputs]]"), "{program}");
    let (terms, _) = file.terms(NOW, Digest::from(ASSET), approver, Some(vec![1].into())).unwrap();
    assert_eq!(terms.minimum_group, 12);
    assert_eq!(terms.window, Window { not_before: NOW, not_after: NOW + 30 * 86_400_000 });
    assert_eq!((terms.visibility, terms.disclosed), (Visibility::Members(vec!["riverside".to_owned()]), None));

    let path = COMPUTE.split("[program]").next().unwrap().replace("minimum_group = 12", "program = \"arms.toml\"");
    let file = ContractFile::parse(&path).unwrap();
    assert_eq!(file.program_source(), Ok(Some(ProgramSource::Path("arms.toml".to_owned()))));
    assert_eq!(file.minimum_group(), 10);
    assert!(file.terms(NOW, Digest::from(ASSET), approver, None).is_err(), "the program's bytes are missing");
}

#[test]
fn the_default_policy_is_valid_and_says_what_the_file_says() {
    let file = ContractFile::parse(RELEASE).unwrap();
    assert_eq!(
        file.default_policy(),
        "@id(\"default\")\n@reason(\"purpose and evidence are what the contract asks for\")\n\
         permit (principal, action == Action::\"release\", resource)\nwhen {\n  \
         [\"research\", \"audit\"].contains(context.purpose)\n  && principal.accreditations.contains(\"researcher\")\n};\n"
    );
    assert_eq!(validate(&file.default_policy()), Ok(()));
    assert_eq!(validate(&ContractFile::parse(COMPUTE).unwrap().default_policy()), Ok(()));
}

#[test]
fn unknown_keys_are_refused_everywhere() {
    let edits = [
        (RELEASE, "title =", "titel = \"x\"\ntitle =", "titel"),
        (RELEASE, "[window]", "[window]\nuntil = 3", "until"),
        (RELEASE, "[grant]", "[grant]\nuses = 2", "uses"),
        (RELEASE, "[approvals]", "[approvals]\nquorum = 2", "quorum"),
        (RELEASE, "kind =", "issuer = \"x\"\nkind =", "issuer"),
        (RELEASE, "title =", "privacy_budget = 3\ntitle =", "privacy_budget"),
    ];
    for (text, from, to, key) in edits {
        let message = refusal(text, from, to);
        assert!(message.contains(&format!("unknown field `{key}`")) && message.contains("expected"), "{message}");
    }
}

#[test]
fn refusals_say_what_to_write() {
    let edits = [
        (RELEASE, "sottovoce-contract/v1", "sottovoce-contract/v2", "this version reads `sottovoce-contract/v1`"),
        (RELEASE, "title = \"Trial data\"\n", "", "missing field `title`"),
        (RELEASE, "\"release\"", "\"lend\"", "expected `release` or `compute`"),
        (RELEASE, "\"release\"", "\"compute\"", "`compute` needs a [program] table or a path"),
        (COMPUTE, "\"compute\"", "\"release\"", "belongs to `compute`"),
        (COMPUTE, "[\"riverside\"]", "\"everyone\"", "visibility must be \"consortium\", \"private\" or a list"),
        (COMPUTE, "days = 30", "", "either `not_after` or `days`"),
        (RELEASE, "[window]", "[window]\ndays = 3", "either `not_after` or `days`"),
        (RELEASE, "2026-11-01T00:00:00Z", "2026-11-01", "must say date, time and zone"),
        (RELEASE, "2026-11-01T00:00:00Z", "2027-11-01T00:00:00Z", "must begin before it ends"),
        (RELEASE, "\"cleo\"", "\"zoe\"", "approver `zoe` is no known principal"),
        (RELEASE, "required = 2", "required = 4", "at least as many approvers as are required"),
        (RELEASE, "required = 2\n", "", "missing field `required`"),
        (RELEASE, "\"credential\"", "\"attestation\"", "must be `credential`"),
        (RELEASE, "seconds = 5", "seconds = 0", "between 1 and 86400"),
        (RELEASE, "title =", "policy = \"permit (principal, action, resourse);\"\ntitle =", "not a Cedar policy"),
        (
            RELEASE,
            "title =",
            "policy = \"permit (principal, action, resource) when { context.x };\"\ntitle =",
            "schema",
        ),
        (RELEASE, "[\"research\", \"audit\"]", "[]", "`purposes` must hold between 1 and 32"),
    ];
    for (text, from, to, expected) in edits {
        let message = refusal(text, from, to);
        assert!(message.contains(expected), "{from} -> {to}\n gave: {message}");
    }
    assert!(matches!(ContractFile::parse(&"#".repeat(64 * 1024 + 1)), Err(FileError::TooLong { .. })));
}

/// The fenced blocks of a page in one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_examples_of_the_pages_are_valid() {
    let files = blocks(include_str!("../../../docs/spec/terms.md"), "toml");
    assert_eq!(files.len(), 2);
    for text in files {
        let file = ContractFile::parse(text).unwrap();
        let program = (file.means == Means::Compute).then(|| vec![1].into());
        file.terms(NOW, Digest::from(ASSET), approver, program).unwrap();
    }
    let policies = blocks(include_str!("../../../docs/user/policies.md"), "cedar");
    assert_eq!(policies.len(), 1);
    policies.into_iter().for_each(|text| validate(text).unwrap());
}
