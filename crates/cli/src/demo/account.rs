//! How the demo tells what happened: progress, tables, one JSON object.

use std::time::Instant;

use query::Cell;
use serde_json::{Map, Value, json};

use super::{Cut, Dropped, Killed, Report};
use crate::error::Failure;
use crate::output::{Output, Waiting, table};
use crate::stage::Stage;

/// Tells each step as it begins, and keeps the times.
pub(super) struct Teller<'a> {
    output: &'a Output,
    waiting: Waiting,
    /// Name and milliseconds.
    pub(super) timings: Vec<(String, u128)>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        Self { output, waiting: output.waiting(""), timings: Vec::new() }
    }

    /// Says what happens now.
    pub(super) fn say(&mut self, text: &str) {
        self.waiting.say(text);
        self.output.note(&format!("· {text}"));
    }

    /// Keeps how long a step took.
    pub(super) fn timed(&mut self, step: &str, begun: Instant) {
        self.timings.push((step.to_owned(), begun.elapsed().as_millis()));
    }
}

/// Prints the report.
pub(super) fn print(report: &Report, output: &Output) -> Result<(), Failure> {
    let value = value(report);
    output.result(&value, &report.release.sha256.to_string(), &text(report));
    Ok(())
}

/// Says how to talk to the nodes that keep running.
pub(super) fn serve(stage: &Stage, report: &Report, output: &Output) {
    let rows = stage
        .members
        .iter()
        .map(|member| vec![member.name.clone(), member.address.clone(), member.tls.to_string()])
        .collect();
    let directory = report.directory.display();
    output.note(&format!(
        "\nThe nodes keep running until Ctrl-C.\n{}\n\
         Talk to them as an operator or principal, for example:\n  \
         sotto --home {directory}/northgate --passphrase-file {directory}/passphrase contract list\n  \
         sotto --home {directory}/researcher --passphrase-file {directory}/passphrase request list\n  \
         curl -k {}/openapi.json",
        table(&["member", "node", "TLS key digest"], rows, ""),
        stage.members[0].address,
    ));
}

fn value(report: &Report) -> Value {
    let number = |cell: Option<&Cell>| cell.and_then(|cell| cell.value);
    let groups = report.answer.groups.iter().map(|(group, cells)| {
        let cells = cells.keys().map(|name| (name.clone(), json!(number(cells.get(name))))).collect::<Map<_, _>>();
        (group.clone(), Value::Object(cells))
    });
    let timings = report.timings.iter().map(|(step, ms)| (step.clone(), json!(*ms as u64))).collect::<Map<_, _>>();
    json!({
        "members": report.members,
        "release": { "sha256": report.release.sha256, "root": report.release.root, "rows": report.release.rows },
        "compute": groups.collect::<Map<_, _>>(),
        "dropped": report.dropped.as_ref().map(|Dropped { member, told, resumed, ended }| {
            json!({ "member": member, "aborted": told, "resumed": resumed, "ended": ended })
        }),
        "cut": report.cut.as_ref().map(|cut| json!({ "members": cut.members, "carriers": cut.carriers })),
        "killed": report.killed.as_ref().map(|killed| json!({ "member": killed.member, "blocks": killed.blocks })),
        "refusals": report.refusals.iter().map(|refusal| json!({ "case": refusal.case, "code": refusal.code })).collect::<Vec<_>>(),
        "timings_ms": timings,
        "receipts": report.receipts,
        "consortium": report.consortium,
        "fingerprint": report.fingerprint,
    })
}

fn text(report: &Report) -> String {
    let outputs: Vec<&String> =
        report.answer.groups.values().next().map(|cells| cells.keys().collect()).unwrap_or_default();
    let header: Vec<&str> = ["arm"].into_iter().chain(outputs.iter().map(|name| name.as_str())).collect();
    let rows = report.answer.groups.iter().map(|(group, cells)| {
        let cells =
            outputs.iter().map(|name| cells.get(*name).and_then(|cell| cell.value).map_or("withheld".into(), figure));
        [group.clone()].into_iter().chain(cells).collect()
    });
    let answer = table(&header, rows.collect(), "");
    let refusals = report
        .refusals
        .iter()
        .map(|refusal| vec![refusal.case.replace('_', " "), refusal.code.clone(), refusal.told.clone()]);
    let refusals = table(&["case", "code", "what was said"], refusals.collect(), "");
    let timings = report.timings.iter().map(|(step, ms)| vec![step.replace('_', " "), ms.to_string()]);
    let timings = table(&["step", "ms"], timings.collect(), "");
    let receipts: Vec<String> = report.receipts.iter().map(|path| format!("  {}", path.display())).collect();
    let kept = report.directory.join(super::MARK).exists();
    let rest = if kept { "" } else { "\nThe rest of this run is removed; `sotto demo --keep DIR` keeps it." };
    let verify = format!(
        "Verify one yourself, anywhere, offline:\n  sotto verify {} --consortium {}{rest}",
        report.receipts[0].display(),
        report.consortium.display()
    );
    format!(
        "\nMembers: {}\n\n\
         Released to the researcher: {} rows, SHA-256 {}\n  \
         the root is the registered one; the key was rewrapped to an ephemeral key; no plaintext lies in northgate's directory\n\n\
         Computed by three hospitals together (rep3 over Z_2^64, every step verified: one of the three may cheat; integers exact, scale 10^0):\n{answer}\n\
         equal to the same program run in clear\n{}{}{}\n\
         Refused:\n{refusals}\n\n\
         Times:\n{timings}\n\n\
         Receipts, each verified offline under three of four cosignatures, and refused with one byte flipped:\n{}\n\
         Consortium: {}\n  fingerprint {}\n{verify}",
        report.members.join(", "),
        report.release.rows,
        report.release.sha256,
        report.dropped.as_ref().map_or(String::new(), dropped),
        report.cut.as_ref().map_or(String::new(), cut),
        report.killed.as_ref().map_or(String::new(), killed),
        receipts.join("\n"),
        report.consortium.display(),
        report.fingerprint,
    )
}

fn dropped(Dropped { member, told, resumed, ended }: &Dropped) -> String {
    format!(
        "\nThe node of {member} died in the middle of it the first time, and the computation ended:\n  {told}\n  \
         {member} came back, and the same request went on {resumed}: the result is above\n\
         It died again in a computation with the regulator's help (shamir over four parties: one may cheat, one may vanish):\n  \
         the other three finished, and the result is the same\n\
         A third computation was withdrawn after its death: all parties destroyed what they had kept, and recorded that\n\
         Of two under contracts that ended meanwhile, one done and one cut short, {} destroyed all they held\n",
        ended.join(", ")
    )
}

fn cut(Cut { members: [one, other], carriers }: &Cut) -> String {
    let carriers = carriers.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
    format!(
        "\nWhile the nodes of {one} and {other} could not reach each other, a computation was applied for, judged and run:\n  \
         {carriers} carried what went between them, encrypted from end to end, and the result is the same\n"
    )
}

fn killed(Killed { member, blocks: [before, after] }: &Killed) -> String {
    format!(
        "\nThe node of {member} was killed after block {before}: the other three validators ordered all that is told here\n  \
         it came back, and holds the same {after} blocks\n"
    )
}

fn figure(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.4}") }
}
