//! Each member's node, asked from here under the key that the ledger has for it: its certificate, version, height and clock.

use std::time::{Duration, Instant, UNIX_EPOCH};

use client::api::Health;
use client::http::{Answer, Endpoint, Error, empty};
use contracts::message::MemberCard;
use contracts::record::Member;
use crypto::Digest;
use http::{HeaderMap, Method, StatusCode, header};

use super::{Findings, Level};
use crate::home::now;
use crate::output::short;

/// What a member's node said of itself.
struct Word {
    health: Health,
    ready: bool,
    /// Milliseconds that its clock is ahead of this one, if it says.
    ahead: Option<i64>,
}

/// What a node's word is held against.
#[derive(Clone, Copy)]
struct Measure<'a> {
    /// The own node's version, where that answers.
    version: Option<&'a str>,
    /// The highest block of all.
    height: u64,
}

pub(super) async fn look(members: Vec<Member>, own: &str, findings: &mut Findings) {
    let asked = members.into_iter().map(|Member { card, .. }| async move {
        let word = ask(&card).await;
        (card, word)
    });
    let words = futures_util::future::join_all(asked).await;
    let told = || words.iter().filter_map(|(card, word)| Some((card.name.as_str(), &word.as_ref().ok()?.health)));
    let measure = Measure {
        version: told().find(|(name, _)| *name == own).map(|(_, health)| health.version.as_str()),
        height: told().map(|(_, health)| health.height).max().unwrap_or(0),
    };
    let whole: Vec<&str> = told().filter(|(_, health)| health.kept == 0).map(|(name, _)| name).collect();
    match whole.is_empty() {
        false => findings.ok("history", "", format!("kept whole by {}", whole.join(", "))),
        true => findings.bad(
            Level::Warning,
            "history",
            "",
            "no node that answers keeps all transactions",
            "agree on f + 1 members with `ledger.keep = \"all\"`: old receipts are made from their nodes",
        ),
    }
    for (MemberCard { name, address, tls, .. }, word) in &words {
        match word {
            Ok(word) => {
                reached(name, address, word, measure, findings);
                // No answer comes before the key in the node's certificate was found to be this one. Nobody looks at the certificate's dates.
                let found =
                    format!("its key, {}, is the one on the ledger, which pins it: it does not expire", short(tls));
                findings.ok("certificate", name, found);
            }
            Err(error) => silent(name, address, *tls, name == own, error, findings),
        }
    }
}

/// What a node's word tells of it.
fn reached(name: &str, address: &str, word: &Word, measure: Measure<'_>, findings: &mut Findings) {
    let Word { health, ready, ahead } = word;
    let found = format!("{address}, version {}, block {}", health.version, health.height);
    if health.member != name {
        findings.bad(
            Level::Fault,
            "reach",
            name,
            format!("{address} is the node of {}", health.member),
            "ask both members which address is whose",
        );
    } else if !ready {
        findings.bad(
            Level::Fault,
            "reach",
            name,
            format!("{found}: {}", health.status),
            "its operator's log says more; it does not follow the ledger any more",
        );
    } else {
        let differs = measure.version.is_some_and(|version| version != health.version);
        let behind = measure.height - health.height;
        if differs {
            findings.bad(
                Level::Warning,
                "version",
                name,
                found.clone(),
                "members change versions together: one that computes anything else stops following",
            );
        }
        if behind > LAG {
            findings.bad(
                Level::Warning,
                "height",
                name,
                format!("{found}, {behind} behind"),
                "it catches up, or lacks a link to who has the blocks: ask again",
            );
        } else if !differs {
            findings.ok("reach", name, found);
        }
    }
    if health.kept > 0 {
        findings.ok("kept", name, format!("transactions from block {} on", health.kept));
    }
    if let Some(ahead) = *ahead {
        let found = format!("{:+.1} s from this clock", ahead as f64 / 1000.0);
        match level_of_clock(ahead) {
            Level::Ok => findings.ok("clock", name, found),
            level => findings.bad(
                level,
                "clock",
                name,
                found,
                "run NTP at both: signatures and verdicts are refused where clocks are half a minute apart",
            ),
        }
    }
}

/// A node that gave no answer, and whether somebody else stands in its place: with a certificate of another key than the ledger's.
fn silent(name: &str, address: &str, tls: Digest, own: bool, error: &Error, findings: &mut Findings) {
    let shown = error.shown_key();
    // Its own node answers its operator, perhaps elsewhere than the others see it.
    let level = if own { Level::Fault } else { Level::Warning };
    let hint = match shown {
        None => "is that node running, and its port open from here?",
        Some(_) => "something else answers there: see its certificate",
    };
    findings.bad(level, "reach", name, format!("{address}: {error}"), hint);
    if let Some(shown) = shown {
        findings.bad(
            Level::Fault,
            "certificate",
            name,
            format!("carries the key {}, the ledger has {}", short(shown), short(tls)),
            "does a proxy end TLS there, or another node listen? If it is that member's node, its keys.sealed is to come back from its copy: the ledger takes no other key",
        );
    }
}

/// Oracles refuse what is 30 s away from their own time.
const fn level_of_clock(ahead: i64) -> Level {
    match ahead.unsigned_abs() {
        0..=5_000 => Level::Ok,
        5_001..=20_000 => Level::Warning,
        _ => Level::Fault,
    }
}

async fn ask(card: &MemberCard) -> Result<Word, Error> {
    let endpoint = Endpoint::new(&card.address, card.tls, None)?.with_patience(PATIENCE);
    let (asked, begun) = (now(), Instant::now());
    let answer = endpoint.ask(Method::GET, "/ready", HeaderMap::new(), empty()).await?;
    let half = begun.elapsed().as_millis() as u64 / 2;
    let ready = answer.status() == StatusCode::OK;
    let ahead = date(&answer).map(|date| ahead(date, asked + half));
    Ok(Word { health: answer.json().await?, ready, ahead })
}

/// The node's time, Unix milliseconds, to the second.
fn date(answer: &Answer) -> Option<u64> {
    let date = httpdate::parse_http_date(answer.headers().get(header::DATE)?.to_str().ok()?).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_millis() as u64)
}

/// How far a time that was rounded down to the second is from another, at the least.
const fn ahead(rounded: u64, at: u64) -> i64 {
    match rounded {
        _ if rounded > at => (rounded - at) as i64,
        _ if rounded + 999 < at => -((at - rounded - 999) as i64),
        _ => 0,
    }
}

/// Blocks that a node may lack in the moment it is asked.
const LAG: u64 = 100;
/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_to_the_second() {
        assert_eq!(
            (ahead(5_000, 5_999), ahead(5_000, 5_000), ahead(5_000, 4_200), ahead(5_000, 7_000)),
            (0, 0, 800, -1001)
        );
        assert_eq!(
            [0, -5_000, 5_001, -20_001].map(level_of_clock),
            [Level::Ok, Level::Ok, Level::Warning, Level::Fault]
        );
    }

    /// What `st-anna` says that is well, a block behind the highest.
    fn word() -> Word {
        let health = Health {
            status: "ok".into(),
            member: "st-anna".into(),
            height: 499,
            ordering: "quorum 4".into(),
            version: "1.2.0".into(),
            kept: 0,
        };
        Word { health, ready: true, ahead: Some(200) }
    }

    /// What is found of it, and what of its clock.
    fn found(word: &Word, version: Option<&str>) -> [(&'static str, Level); 2] {
        let mut findings = Findings::default();
        reached("st-anna", "https://st-anna:7101", word, Measure { version, height: 500 }, &mut findings);
        let [node, clock] = &findings.0[..] else { panic!("{:?}", findings.0) };
        assert!(
            [node, clock]
                .iter()
                .all(|finding| finding.of == "st-anna" && finding.hint.is_some() == (finding.level != Level::Ok))
        );
        [(node.what, node.level), (clock.what, clock.level)]
    }

    #[test]
    fn a_nodes_word_is_held_against_the_others() {
        let clock = ("clock", Level::Ok);
        for version in [Some("1.2.0"), None] {
            assert_eq!(found(&word(), version), [("reach", Level::Ok), clock]);
        }
        assert_eq!(found(&word(), Some("1.3.0")), [("version", Level::Warning), clock]);
        let mut late = word();
        late.health.height = 399;
        late.ahead = Some(-30_000);
        assert_eq!(found(&late, None), [("height", Level::Warning), ("clock", Level::Fault)]);
        let stopped = Word { ready: false, ..word() };
        assert_eq!(found(&stopped, Some("1.2.0")), [("reach", Level::Fault), clock]);
        let mut other = word();
        other.health.member = "riverside".into();
        assert_eq!(found(&other, Some("1.2.0")), [("reach", Level::Fault), clock]);
    }
}
