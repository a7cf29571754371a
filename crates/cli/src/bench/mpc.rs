//! `sotto bench mpc`: joint computations among parties that are processes of their own, over TLS on loopback.
//!
//! The bench plays each party's organisation: it makes keys and certificates for the run, starts the parties, tells each where the
//! others listen, and collects what they measured. With `--net lan` or `wan` it also carries every connection, slowly.

mod distance;
mod figures;
mod party;
mod work;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde::Serialize;
use serde_json::json;

use crate::args::{Adversary, MpcArgs, Net, Work};
use crate::error::Failure;
use crate::output::{Output, table};

use distance::Distance;
pub(crate) use party::run as party;
use party::{Assignment, Measured};

/// One line of the result.
#[derive(Debug, Serialize)]
struct Row {
    work: Work,
    protocol: String,
    adversary: Adversary,
    parties: u16,
    n: usize,
    /// Of the operation alone: the slowest party's, median of the runs.
    seconds: f64,
    /// From starting the processes until the last has ended, with one run of the operation.
    wall_seconds: f64,
    /// Of all parties, as `wall_seconds`.
    cpu_seconds: f64,
    /// Sent during the operation by the party that sends most.
    bytes: u64,
    rounds: u32,
    /// Most memory of a party.
    peak_bytes: u64,
}

/// Runs the bench.
///
/// # Errors
/// Where a party does not start or fails, or a result is wrong.
pub(crate) fn run(args: &MpcArgs, output: &Output) -> Result<(), Failure> {
    let chosen = work::chosen(args);
    if chosen.is_empty() {
        return Err(Failure::new("no protocol does this work with so many parties against this adversary")
            .hint("leave out --protocol, --adversary or --parties to see what there is"));
    }
    let waiting = output.waiting("");
    let mut rows = Vec::new();
    for (work, protocol, adversary, parties) in chosen {
        waiting.say(format!("{work} by {protocol}, {adversary}, {parties} parties"));
        let n = args.n.unwrap_or_else(|| work.size(parties));
        let row = session(args, work, protocol, adversary, parties, n).map_err(|failure| {
            failure.stops(format!("{work} by {protocol} among {parties} parties against a {adversary} adversary"))
        })?;
        rows.push(row);
    }
    drop(waiting);
    let essence = rows.iter().map(|row| row.seconds.to_string()).collect::<Vec<_>>().join("\n");
    let text = format!("{}\n{}", describe(&rows), args.net.remark());
    output.result(&json!({ "net": args.net, "remark": args.net.remark(), "rows": rows }), &essence, &text);
    Ok(())
}

fn describe(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let time = if row.work == Work::Sum1 { row.wall_seconds } else { row.seconds };
        let peer = figures::of(row.work, &row.protocol, row.adversary, row.parties, row.n);
        let ratio = |peer: f64, own: f64| format!("{peer} ({:.1}×)", peer / own);
        vec![
            row.work.to_string(),
            format!("{}, {}, {}", row.protocol, row.parties, row.adversary),
            row.n.to_string(),
            format!("{:.4}", row.seconds),
            peer.map_or_else(String::new, |peer| ratio(peer.seconds, time)),
            format!("{:.3}", row.wall_seconds),
            format!("{:.3}", row.cpu_seconds),
            peer.map_or_else(String::new, |peer| ratio(peer.cpu_seconds, row.cpu_seconds)),
            format!("{:.3}", row.bytes as f64 / 1e6),
            row.rounds.to_string(),
            (row.peak_bytes >> 20).to_string(),
        ]
    };
    let header = ["work", "protocol", "n", "s", "peer", "wall s", "CPU s", "peer", "MB", "rounds", "peak MiB"];
    format!(
        "{}\npeer: MP-SPDZ 0.4.2, on another run of the same kind of machine; sum1 is compared by wall time",
        table(&header, rows.iter().map(line).collect(), "")
    )
}

/// One session among fresh processes.
fn session(
    args: &MpcArgs,
    work: Work,
    protocol: &str,
    adversary: Adversary,
    parties: u16,
    n: usize,
) -> Result<Row, Failure> {
    let identities = (0..parties).map(identity).collect::<Result<Vec<_>, _>>()?;
    let certificates: Vec<_> = identities.iter().map(|(certificate, _)| certificate.clone()).collect();
    let name = crypto::random();
    let begun = Instant::now();
    let mut seats = Vec::new();
    for (index, (_, key)) in identities.into_iter().enumerate() {
        seats.push(Seat::start(&Assignment {
            index: index as u16,
            parties,
            key,
            certificates: certificates.clone(),
            session: name,
            work,
            protocol: protocol.to_owned(),
            adversary,
            n,
            runs: args.runs,
        })?);
    }
    let ports = seats.iter_mut().map(Seat::line::<u16>).collect::<Result<Vec<_>, _>>()?;
    let run: [u8; 16] = crypto::random();
    let mut distances = Vec::new();
    for (index, seat) in seats.iter_mut().enumerate() {
        let mut addresses = Vec::new();
        for (peer, port) in ports.iter().enumerate() {
            let mut address = format!("127.0.0.1:{port}");
            if let Some((delay, rate)) = args.net.shape()
                && peer < index
            {
                let distance = Distance::open(address, delay, rate).map_err(|error| Failure::of(&error))?;
                address = distance.address();
                distances.push(distance);
            }
            addresses.push(address);
        }
        seat.tell(&(addresses, run))?;
    }
    let measured = seats.iter_mut().map(Seat::line::<Measured>).collect::<Result<Vec<_>, _>>()?;
    for seat in seats {
        seat.end()?;
    }
    let wall = begun.elapsed().as_secs_f64();
    Ok(summarise(&measured, wall, work, protocol, adversary, n))
}

fn summarise(measured: &[Measured], wall: f64, work: Work, protocol: &str, adversary: Adversary, n: usize) -> Row {
    let runs = measured[0].runs.len();
    let slowest: Vec<f64> =
        (0..runs).map(|run| measured.iter().map(|party| party.runs[run].seconds).fold(0.0, f64::max)).collect();
    // All but one of the repetitions, the barriers around them and the look at the result are the bench's own.
    let repeated = measured.iter().map(|party| party.repeated_seconds).fold(0.0, f64::max);
    let one: f64 = measured
        .iter()
        .map(|party| median(party.runs.iter().map(|run| run.cpu_seconds).collect()) - party.repeated_cpu_seconds)
        .sum();
    let seconds = median(slowest);
    Row {
        work,
        protocol: protocol.to_owned(),
        adversary,
        parties: measured.len() as u16,
        n,
        seconds,
        wall_seconds: wall - repeated + seconds,
        cpu_seconds: measured.iter().map(|party| party.cpu_seconds).sum::<f64>() + one,
        bytes: measured.iter().map(|party| party.bytes).max().unwrap_or(0),
        rounds: measured.iter().map(|party| party.rounds).max().unwrap_or(0),
        peak_bytes: measured.iter().map(|party| party.peak_bytes).max().unwrap_or(0),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// A certificate signed by its own key, and that key in PKCS #8.
fn identity(index: u16) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let failed = |error: rcgen::Error| Failure::of(&error);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let mut params = CertificateParams::new(vec![party::NAME.to_owned()]).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, format!("party {index}"));
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok((certificate.der().to_vec(), key.serialize_der()))
}

/// A party's process. It ends when its standard input closes.
struct Seat {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Seat {
    fn start(assignment: &Assignment) -> Result<Self, Failure> {
        let start = || {
            let mut party = Command::new(std::env::current_exe()?);
            if assignment.parties > MANY {
                // Each link has threads of its own, and pages of 2 MiB for each would be zeroed for little use.
                party.env("MIMALLOC_ALLOW_THP", "0");
            }
            party
                .args(["bench", "mpc-party"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .spawn()
        };
        let mut child = start().map_err(|error| Failure::of(&error).stops("a party did not start"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut seat = Self { child, input, output };
        seat.tell(assignment)?;
        Ok(seat)
    }

    /// Says something to it, a line of JSON.
    fn tell(&mut self, what: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(what).expect("what parties are told has string keys only");
        let input = self.input.as_mut().expect("it is open until the end");
        writeln!(input, "{line}")
            .and_then(|()| input.flush())
            .map_err(|error| Failure::of(&error).stops("a party ended"))
    }

    /// What it says next.
    fn line<T: for<'de> serde::Deserialize<'de>>(&mut self) -> Result<T, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| Failure::of(&error))?;
        if let Ok(value) = serde_json::from_str(&line) {
            return Ok(value);
        }
        let why = serde_json::from_str::<String>(&line);
        Err(Failure::new("a party failed").because(why.unwrap_or_else(|_| "it ended without a word".to_owned())))
    }

    fn end(mut self) -> Result<(), Failure> {
        drop(self.input.take());
        let status = self.child.wait().map_err(|error| Failure::of(&error))?;
        if status.success() { Ok(()) } else { Err(Failure::new(format!("a party ended with {status}"))) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Net {
    /// Delay one way, and bits per second.
    const fn shape(self) -> Option<(std::time::Duration, u64)> {
        match self {
            Self::Loopback => None,
            Self::Lan => Some((std::time::Duration::from_micros(100), 1_000_000_000)),
            Self::Wan => Some((std::time::Duration::from_millis(25), 100_000_000)),
        }
    }

    const fn remark(self) -> &'static str {
        match self {
            Self::Loopback => "net: loopback of this machine",
            Self::Lan => {
                "net: a LAN played by this process, which passes on every connection's bytes (user space, not netem): \
                 0.2 ms there and back, 1 Gbit/s for each connection and direction"
            }
            Self::Wan => {
                "net: a WAN played by this process, which passes on every connection's bytes (user space, not netem): \
                 50 ms there and back, 100 Mbit/s for each connection and direction"
            }
        }
    }
}

/// More parties than this take small pages.
const MANY: u16 = 5;
