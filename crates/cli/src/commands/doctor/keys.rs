//! How old members' keys are, by the ledger.

use client::Client;
use client::api::KeyAges;

use super::{Findings, Level};
use crate::home::now;

pub(super) async fn look(client: &Client, own: &str, findings: &mut Findings) {
    match client.key_ages().await {
        Ok(members) => members.iter().for_each(|ages| tell(ages, own, now(), findings)),
        Err(error) => {
            let hint = "its log says why; an earlier version does not tell of keys";
            findings.bad(Level::Warning, "key age", "", error.to_string(), hint);
        }
    }
}

/// The ages of a member's keys at a time, Unix milliseconds. Only the keys with which it cosigns can be changed by who has them, so only they
/// can be too old.
fn tell(ages: &KeyAges, own: &str, now: u64, findings: &mut Findings) {
    let KeyAges { member, cosigner, ml_dsa, node, operator } = ages;
    let age = |since: u64| now.saturating_sub(since);
    let keys = [("cosigning", *cosigner), ("ML-DSA", *ml_dsa), ("node and TLS", Some(*node)), ("operator", *operator)];
    let told = keys.iter().filter_map(|(key, since)| Some(format!("{key} {} days", age((*since)?) / DAY)));
    let mut found = told.collect::<Vec<_>>().join(", ");
    if operator.is_none() {
        found.push_str(", operator unknown: another was proposed once");
    }
    let hint = match member == own {
        true => "change it every year: sotto member validators rotate, then begin",
        false => "remind its operator: sotto member validators rotate, then begin",
    };
    match [cosigner, ml_dsa].into_iter().flatten().any(|since| age(*since) > OLD) {
        true => findings.bad(Level::Warning, "key age", member, found, hint),
        false => findings.ok("key age", member, found),
    }
}

const DAY: u64 = 24 * 3600 * 1000;
/// As for the alert `KeyOld`: a year, and some weeks to get to it.
const OLD: u64 = 400 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found, and what to do, 1,000 days after a member joined.
    fn found(cosigner: Option<u64>, ml_dsa: Option<u64>, own: &str) -> (Level, String, Option<&'static str>) {
        let ages = KeyAges { member: "st-anna".into(), cosigner, ml_dsa, node: DAY, operator: Some(DAY) };
        let mut findings = Findings::default();
        tell(&ages, own, 1_001 * DAY, &mut findings);
        let finding = findings.0.remove(0);
        assert_eq!((finding.what, finding.of.as_str()), ("key age", "st-anna"));
        (finding.level, finding.found, finding.hint)
    }

    #[test]
    fn a_cosigning_key_gets_old_and_the_others_do_not() {
        let rest = "node and TLS 1000 days, operator 1000 days";
        let at = |days: u64| Some((1_001 - days) * DAY);
        assert_eq!(
            found(at(400), at(3), "st-anna"),
            (Level::Ok, format!("cosigning 400 days, ML-DSA 3 days, {rest}"), None)
        );
        let (level, text, hint) = found(at(400).map(|since| since - 1), None, "st-anna");
        assert_eq!((level, text), (Level::Warning, format!("cosigning 400 days, {rest}")));
        assert!(hint.unwrap().contains("sotto member validators rotate"));
        let (level, text, hint) = found(at(3), at(900), "riverside");
        assert_eq!((level, text), (Level::Warning, format!("cosigning 3 days, ML-DSA 900 days, {rest}")));
        assert!(hint.unwrap().contains("its operator"));
        // No validator, or its copy of the ledger does not reach back so far.
        assert_eq!(found(None, None, "st-anna"), (Level::Ok, rest.to_owned(), None));
    }

    #[test]
    fn what_the_ledger_does_not_tell_is_said_to_be_unknown() {
        let ages = KeyAges { member: "st-anna".into(), cosigner: None, ml_dsa: None, node: DAY, operator: None };
        let mut findings = Findings::default();
        // A clock that is behind the ledger's makes no key younger than new.
        tell(&ages, "st-anna", 0, &mut findings);
        assert_eq!(findings.0[0].found, "node and TLS 0 days, operator unknown: another was proposed once");
    }
}
