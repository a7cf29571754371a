//! What is wrong with a member's node and its surroundings, as far as can be seen from its home.

mod keys;
mod peers;
mod ports;

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use client::Client;
use client::http::empty;
use contracts::record::{Member, Recovering};
use http::{HeaderMap, Method};
use ledger::{Consortium, Note};
use node::config::NodeConfig;
use node::setup::{CONFIG_FILE, KEYS_FILE};
use serde::Serialize;
use serde_json::json;

use super::Surroundings;
use crate::error::Failure;
use crate::output::{Output, moment, short, table};

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    /// It works, and may soon not.
    Warning,
    Fault,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    what: &'static str,
    of: String,
    level: Level,
    found: String,
    /// What to do, where it is not in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

/// All that was looked at so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, what: &'static str, of: impl Into<String>, found: impl Into<String>) {
        self.0.push(Finding { what, of: of.into(), level: Level::Ok, found: found.into(), hint: None });
    }

    fn bad(
        &mut self,
        level: Level,
        what: &'static str,
        of: impl Into<String>,
        found: impl Into<String>,
        hint: &'static str,
    ) {
        self.0.push(Finding { what, of: of.into(), level, found: found.into(), hint: Some(hint) });
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }
}

pub(super) async fn run(surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let session = surroundings.session()?;
    let waiting = output.waiting("looking at the node, its files and its peers");
    let mut findings = Findings::default();
    let node = surroundings.home.node();
    let has_node = node.join(CONFIG_FILE).exists();
    match has_node {
        true => files(&node, &mut findings),
        false => findings.ok(
            "files",
            node.display().to_string(),
            "no node lives in this home: its files and disk were not looked at",
        ),
    }
    let own = session.member()?.to_owned();
    let members = members(&session.client, &own, &mut findings).await;
    if let Some(members) = members {
        let consortium = Consortium::parse(&session.client.consortium().await?)?;
        ledger(&session.client, &consortium, &mut findings).await;
        peers::look(members, &own, &mut findings).await;
        ports::look(&session.client, has_node, &mut findings).await;
        keys::look(&session.client, &own, &mut findings).await;
        recoveries(&session.client, &own, &mut findings).await;
        ml_dsa(&session.client, &mut findings).await;
        signer(&session.client, &mut findings).await;
        match session.client.oracles().await {
            Ok(oracles) => findings.ok(
                "oracles",
                format!("epoch {}", oracles.epoch),
                format!("{} of {}", oracles.threshold, oracles.participants.join(", ")),
            ),
            Err(error) => findings.bad(
                Level::Warning,
                "oracles",
                "",
                error.to_string(),
                "nothing can be judged before a regulator makes their key: sotto member oracles",
            ),
        }
    }
    drop(waiting);
    let (faults, warnings) = (findings.count(Level::Fault), findings.count(Level::Warning));
    let row = |finding: &Finding| {
        let mark = match finding.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Fault => "FAULT",
        };
        vec![mark.to_owned(), finding.what.to_owned(), finding.of.clone(), finding.found.clone()]
    };
    let mut text = table(&["", "what", "of", "found"], findings.0.iter().map(row).collect(), "nothing was looked at");
    let mut bad: Vec<&Finding> = findings.0.iter().filter(|finding| finding.hint.is_some()).collect();
    bad.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    for finding in &bad {
        text.push_str(&format!("\n{} {}: {}", finding.what, finding.of, finding.hint.unwrap_or_default()));
    }
    if bad.is_empty() {
        text.push_str("\nAll is well, as far as can be seen from here.");
    }
    let value = json!({ "ok": faults == 0, "faults": faults, "warnings": warnings, "findings": findings.0 });
    let essence = if faults > 0 {
        "faults"
    } else if warnings > 0 {
        "warnings"
    } else {
        "ok"
    };
    output.result(&value, essence, &text);
    match faults {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{faults} faults")).said()),
    }
}

/// Configuration, modes and disk of a node in this home.
fn files(node: &Path, findings: &mut Findings) {
    let of = node.join(CONFIG_FILE).display().to_string();
    let config = match NodeConfig::load(&node.join(CONFIG_FILE)) {
        Ok(config) => config,
        Err(error) => {
            return findings.bad(
                Level::Fault,
                "configuration",
                of,
                error.to_string(),
                "mend it; sotto node check says more",
            );
        }
    };
    // The node has its port itself.
    let faults = config.check_surroundings().into_iter().filter(|fault| fault.key != "listen");
    let before = findings.0.len();
    for fault in faults {
        findings.bad(Level::Fault, "configuration", fault.key, fault.problem, fault.hint);
    }
    if findings.0.len() == before {
        findings.ok("configuration", of, "fits");
    }
    let data = fs::canonicalize(&config.data_dir).unwrap_or(config.data_dir);
    let keys = data.join(KEYS_FILE);
    match fs::metadata(&keys) {
        Ok(metadata) => {
            use std::os::unix::fs::PermissionsExt as _;
            let (mode, name) = (metadata.permissions().mode() & 0o777, keys.display().to_string());
            let days = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            let days = days.map_or(0, |age| age.as_secs() / 86_400);
            match mode & 0o077 {
                0 => findings.ok(
                    "keys",
                    name,
                    format!("mode {mode:o}, last changed {days} days ago; is a copy of it elsewhere?"),
                ),
                _ => findings.bad(
                    Level::Fault,
                    "keys",
                    name,
                    format!("mode {mode:o}: others can read it"),
                    "chmod 600 the file",
                ),
            }
        }
        Err(error) => {
            findings.bad(
                Level::Fault,
                "keys",
                keys.display().to_string(),
                error.to_string(),
                "put the file back from its copy",
            );
        }
    }
    disk(&data, findings);
}

fn disk(directory: &Path, findings: &mut Findings) {
    let of = directory.display().to_string();
    let Ok(room) = rustix::fs::statvfs(directory) else {
        return findings.bad(Level::Warning, "disk", of, "the system does not say how full it is", "look yourself");
    };
    let (free, all) = (room.f_bavail.saturating_mul(room.f_frsize), room.f_blocks.saturating_mul(room.f_frsize).max(1));
    let found = format!("{:.1} GB free of {:.0}", free as f64 / 1e9, all as f64 / 1e9);
    match level_of_disk(free, all) {
        Level::Ok => findings.ok("disk", of, found),
        level => findings.bad(
            level,
            "disk",
            of,
            found,
            "make room: a node whose disk is full stops, and what was acknowledged stays",
        ),
    }
}

/// A full disk stops a node.
const fn level_of_disk(free: u64, all: u64) -> Level {
    match free {
        _ if free < 1 << 30 => Level::Fault,
        _ if free < 8 << 30 || free < all / 20 => Level::Warning,
        _ => Level::Ok,
    }
}

/// The members as the own node knows them; nothing where it does not answer.
async fn members(client: &Client, own: &str, findings: &mut Findings) -> Option<Vec<Member>> {
    let address = client.endpoint().address().to_owned();
    let ready = client.ready().await;
    let voteless = [
        ("; restored", "it was restored and does not vote: sotto member validators rotate, then begin"),
        (
            "; voteless",
            "it was away for too long, or lost its votes: once its height is the others', sotto member validators rotate, then begin",
        ),
    ];
    for (said, hint) in voteless {
        if let Some(health) = ready.as_ref().ok().filter(|health| health.ordering.contains(said)) {
            findings.bad(Level::Warning, "validator", own, health.ordering.clone(), hint);
        }
    }
    if let Err(error) = ready {
        let refused = error.code().is_some() || matches!(&error, client::Error::Http(client::http::Error::Status(_)));
        let hint = match refused {
            true => "its log and `sotto node status` say why it is not ready",
            false => "start it (sotto node run), or see which address this home's profile names",
        };
        findings.bad(Level::Fault, "node", own, format!("{address}: {error}"), hint);
        if !refused {
            return None;
        }
    }
    match client.members().await {
        Ok(members) if members.iter().any(|member| member.card.name == own) => Some(members),
        Ok(_) => {
            findings.bad(
                Level::Fault,
                "node",
                own,
                "its copy of the ledger does not know its own member",
                "is a node that orders the ledger within reach? give it a moment",
            );
            None
        }
        Err(error) => {
            findings.bad(Level::Fault, "node", own, error.to_string(), "its log says more");
            None
        }
    }
}

/// What the own node says of its copy of the ledger and of its audit trail.
async fn ledger(client: &Client, consortium: &Consortium, findings: &mut Findings) {
    let checkpoint = client.log_checkpoint().await.map_err(|error| error.to_string());
    let verified = checkpoint.and_then(|text| {
        let note = Note::parse(&text).map_err(|error| error.to_string())?;
        note.verify(consortium).map_err(|error| error.to_string())?;
        Ok(format!("a quorum has cosigned {} transactions", note.danger_unverified().size))
    });
    match verified {
        Ok(found) => findings.ok("log", "", found),
        Err(error) => findings.bad(
            Level::Fault,
            "log",
            "",
            error,
            "are the other members' nodes running? without a quorum there are no receipts",
        ),
    }
    // Found by the node itself, which looks at all entries.
    let metrics = match client.endpoint().ask(Method::GET, "/metrics", HeaderMap::new(), empty()).await {
        Ok(answer) => answer.text().await.unwrap_or_default(),
        Err(_) => String::new(),
    };
    let gauge = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    match (gauge("sottovoce_read_model_failed"), gauge("sottovoce_read_model_height")) {
        (Some("0"), Some(height)) => findings.ok("read model", "", format!("up to block {height}")),
        (Some(_), _) => findings.bad(
            Level::Warning,
            "read model",
            "",
            "it stands still: searches tell what was",
            "the node's log says why; where nothing else helps, stop the node and `sotto node rebuild`",
        ),
        (None, _) => {}
    }
    private(&gauge, findings);
    escrow(&gauge, findings);
    match gauge("sottovoce_audit_intact") {
        Some("1") => findings.ok("audit trail", "", "whole, when the node last looked"),
        Some(_) => findings.bad(
            Level::Fault,
            "audit trail",
            "",
            "an entry is missing or changed",
            "keep a copy of it; sotto audit --verify names the entry",
        ),
        None => findings.bad(
            Level::Warning,
            "audit trail",
            "",
            "the node has not looked through it yet",
            "ask again in a while",
        ),
    }
}

/// Payloads that only some members hold, as the node tells of them; an earlier version has none.
fn private<'a>(gauge: &impl Fn(&str) -> Option<&'a str>, findings: &mut Findings) {
    let number = |name: &str| gauge(name).and_then(|text| text.parse::<f64>().ok());
    let counts =
        ["held", "missing", "purging"].map(|name| number(&format!("sottovoce_private{{standing=\"{name}\"}}")));
    let [Some(held), Some(missing), Some(purging)] = counts else { return };
    let room = number("sottovoce_private_bytes").zip(number("sottovoce_private_room_bytes"));
    if missing > 0.0 {
        let minutes = number("sottovoce_private_missing_seconds").unwrap_or(0.0) / 60.0;
        let found = format!("{missing} are missing, the oldest for {minutes:.0} minutes; {held} are here");
        let hint = "sotto private list --missing names them: is a node of their senders running, and is there room (private.max_bytes)?";
        findings.bad(Level::Warning, "private payloads", "", found, hint);
    } else if room.is_some_and(|(bytes, most)| bytes > most * 0.9) {
        let hint = "purge what is no longer needed, or raise private.max_bytes in the configuration";
        findings.bad(Level::Warning, "private payloads", "", format!("{held} take most of the room for them"), hint);
    } else if purging > 0.0 {
        let hint = "it records them as soon as the ledger takes them; if it lasts, the node's log says why";
        findings.bad(
            Level::Warning,
            "private payloads",
            "",
            format!("{purging} purges are not on the ledger yet"),
            hint,
        );
    } else {
        findings.ok("private payloads", "", format!("{held} are here, none is missing"));
    }
}

/// The node's shares of the escrow keys, where its member is an agent; an earlier version does not tell.
fn escrow<'a>(gauge: &impl Fn(&str) -> Option<&'a str>, findings: &mut Findings) {
    let count =
        |standing: &str| gauge(&format!("sottovoce_escrow_shares{{standing=\"{standing}\"}}"))?.parse::<u64>().ok();
    match (count("held"), count("missing")) {
        (Some(held @ 1..), Some(0)) => findings.ok("escrow", "", format!("its shares are here: {held}")),
        (Some(held), Some(missing @ 1..)) => findings.bad(
            Level::Warning,
            "escrow",
            "",
            format!("an escrow agent without its share: {missing} missing, {held} here"),
            "the other agents have to open without it; have the same agents decided again, which gives it another: sotto gov propose escrow",
        ),
        _ => {}
    }
}

/// Whose keys are missing before checkpoints are cosigned with ML-DSA, as the members have decided.
async fn ml_dsa(client: &Client, findings: &mut Findings) {
    // A node that does not answer was found above.
    let Ok(governance) = client.governance().await else { return };
    for member in governance.ml_dsa_missing {
        let found = "its node has registered no ML-DSA key, which holds up all";
        findings.bad(
            Level::Warning,
            "ml-dsa",
            member,
            found,
            "start that node, or vote it out: sotto gov propose leave",
        );
    }
}

/// Whether the wallet can sign contracts with ML-DSA too, where it must.
async fn signer(client: &Client, findings: &mut Findings) {
    let Ok(view) = client.signer(&client.key()).await else { return };
    match &view.registered {
        Some(registered) if client.second_key(&registered.key).is_err() => findings.bad(
            Level::Fault,
            "ml-dsa",
            "your wallet",
            "the ML-DSA key that the ledger has registered for it is not in it: it signs no contracts",
            "put back a backup of your home that has it, or have your key replaced: docs/user/guide.md",
        ),
        None if view.demanded => findings.bad(
            Level::Warning,
            "ml-dsa",
            "your wallet",
            "contracts are signed with ML-DSA here, and it has registered no key for that",
            "register one now, before anybody else could in your name: sotto signer register",
        ),
        _ => {}
    }
}

/// Whose operator key is about to be replaced: the own one above all.
async fn recoveries(client: &Client, own: &str, findings: &mut Findings) {
    // Whether it answers at all was looked at before; an earlier version knows of none.
    let Ok(recoveries) = client.recoveries().await else { return };
    for Recovering { member, key, due, .. } in recoveries {
        let found = format!("key {} replaces the operator's from {} UTC on", short(key), moment(due));
        let hint = match member == own {
            true => "if your member did not ask for that, object with your present key before then: sotto gov veto",
            false => "was it that member that asked for it? Ask it by another way; only it can object",
        };
        findings.bad(Level::Warning, "recovery", member, found, hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_before_its_last_byte() {
        let all = 1 << 40;
        assert_eq!(
            [1 << 29, 1 << 31, 1 << 35, 1 << 38].map(|free| level_of_disk(free, all)),
            [Level::Fault, Level::Warning, Level::Warning, Level::Ok]
        );
    }
}
