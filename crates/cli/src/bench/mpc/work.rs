//! The works: what a party computes, what it measures, and whether the result is right.

mod columns;
mod tiles;
mod traffic;

use std::ops::Range;
use std::rc::Rc;
use std::time::Instant;

use mpc::additive::Additive;
use mpc::domain::Domain;
use mpc::engine::{Backend, Failure, Fault, Io, Stats};
use mpc::rep3::Rep3;
use mpc::shamir::Shamir;

use crate::args::{Adversary, MpcArgs, Work};

use super::party::{Assignment, Measured, Run, cpu_seconds};
use columns::Columns;
use tiles::Tiles;
use traffic::Traffic;

/// The protocols of the bench.
const PROTOCOLS: [&str; 4] = ["none", "rep3", "shamir", "additive"];

/// One party's end of a protocol that works on columns.
fn backend(protocol: &str, adversary: Adversary, io: &Io) -> Result<Rc<dyn Backend>, Failure> {
    // As many corrupt parties as a minority can be.
    let threshold = (io.parties() - 1) / 2;
    Ok(match (protocol, adversary) {
        ("rep3", Adversary::SemiHonest) => Rc::new(Rep3::semi_honest(io)?),
        ("rep3", Adversary::Malicious) => Rc::new(Rep3::malicious(io)?),
        ("shamir", Adversary::SemiHonest) => {
            Rc::new(Shamir::new(io.parties(), threshold, mpc::engine::Adversary::SemiHonest)?)
        }
        ("shamir", Adversary::Malicious) => {
            Rc::new(Shamir::new(io.parties(), threshold, mpc::engine::Adversary::Malicious)?)
        }
        ("additive", Adversary::SemiHonest) => Rc::new(Additive::new(io)?),
        _ => return Err(Failure::Program("no such protocol")),
    })
}

/// The numbers of parties that a protocol does a work with in the table, against an adversary; none where it does not.
fn usual(protocol: &str, adversary: Adversary, work: Work) -> &'static [u16] {
    let sums = matches!(work, Work::Sum | Work::Sum1);
    match (protocol, adversary) {
        ("none", Adversary::SemiHonest) if matches!(work, Work::Mul | Work::Mulseq) => &[3],
        ("rep3", _) => &[3],
        ("shamir", Adversary::SemiHonest) if sums => &[3, 5, 10, 32],
        // Its shuffles, and with them sorts, are for parties that follow the protocol.
        ("shamir", Adversary::Malicious) if work == Work::Sort => &[],
        ("shamir", _) if work == Work::Mul => &[3, 5],
        ("shamir", _) => &[3],
        // Sixteen are most.
        ("additive", Adversary::SemiHonest) if sums => &[3, 10, 16],
        _ => &[],
    }
}

/// Whether a protocol works among so many.
fn fits(protocol: &str, parties: u16) -> bool {
    match protocol {
        "rep3" => parties == 3,
        "shamir" => (3..=63).contains(&parties),
        "additive" => (2..=mpc::additive::MAX_PARTIES).contains(&parties),
        _ => true,
    }
}

/// The rows that the arguments ask for.
pub(super) fn chosen(args: &MpcArgs) -> Vec<(Work, &'static str, Adversary, u16)> {
    let mut rows = Vec::new();
    for work in Work::ALL.into_iter().filter(|work| args.work.is_empty() || args.work.contains(work)) {
        for protocol in PROTOCOLS {
            // The traffic alone is no protocol: it is measured where it is asked for.
            if args.protocol.as_deref().map_or(protocol == "none", |asked| asked != protocol) {
                continue;
            }
            for adversary in [Adversary::SemiHonest, Adversary::Malicious] {
                let usual = usual(protocol, adversary, work);
                if usual.is_empty() || args.adversary.is_some_and(|asked| asked != adversary) {
                    continue;
                }
                let parties = args.parties.map_or_else(|| usual.to_vec(), |parties| vec![parties]);
                let fit = parties.into_iter().filter(|parties| fits(protocol, *parties));
                rows.extend(fit.map(|parties| (work, protocol, adversary, parties)));
            }
        }
    }
    rows
}

/// Does the work as often as asked, and once before to warm up.
pub(super) async fn run(mut io: Io, assignment: Assignment) -> Result<Measured, Failure> {
    let Assignment { work, n, runs, .. } = assignment;
    let mut measured = Measured::default();
    let bench: Box<dyn Operation> = match assignment.protocol.as_str() {
        "none" => Box::new(Traffic { work, n }),
        _ if n > tiles::MOST && Tiles::does(work) => Box::new(Tiles::new(&io, &assignment)?),
        _ => Box::new(Columns::new(&mut io, &assignment).await?),
    };
    for run in 0..=runs {
        let (cpu_before, before) = (cpu_seconds(), Instant::now());
        barrier(&mut io).await?;
        let (stats, cpu, begun) = (io.stats(), cpu_seconds(), Instant::now());
        bench.once(&mut io).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let spent = cpu_seconds() - cpu;
        let after = io.stats();
        barrier(&mut io).await?;
        measured.repeated_seconds += before.elapsed().as_secs_f64();
        measured.repeated_cpu_seconds += cpu_seconds() - cpu_before;
        // The first fills caches and buffers.
        if run > 0 {
            measured.runs.push(Run { seconds, cpu_seconds: spent });
            (measured.bytes, measured.rounds) = difference(stats, after);
        }
    }
    // That the result is right is the bench's own question.
    let (cpu_before, before) = (cpu_seconds(), Instant::now());
    bench.verify(&mut io).await?;
    measured.repeated_seconds += before.elapsed().as_secs_f64();
    measured.repeated_cpu_seconds += cpu_seconds() - cpu_before;
    Ok(measured)
}

fn difference(before: Stats, after: Stats) -> (u64, u32) {
    (after.bytes_sent - before.bytes_sent, after.rounds - before.rounds)
}

/// All parties are here.
async fn barrier(io: &mut Io) -> Result<(), Failure> {
    let op = io.op();
    io.peers().for_each(|peer| io.send(op, peer, &[1]));
    for peer in io.peers() {
        io.receive(op, peer, &mut [0]).await?;
    }
    Ok(())
}

type Pending<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// What is measured.
trait Operation {
    /// Does it once.
    fn once<'a>(&'a self, io: &'a mut Io) -> Pending<'a>;
    /// Does it once more and compares the result.
    fn verify<'a>(&'a self, io: &'a mut Io) -> Pending<'a>;
}

/// The domain that a protocol does a work in.
fn domain(backend: &dyn Backend, work: Work) -> Result<Domain, Failure> {
    // Comparisons of 64-bit numbers need room.
    let wanted: &[Domain] = match work {
        Work::Lt | Work::Sort => &[Domain::Ring64, Domain::P127],
        _ => &[Domain::Ring64, Domain::M61],
    };
    let offered = backend.capabilities().domains;
    wanted.iter().find(|domain| offered.contains(domain)).copied().ok_or(Failure::Program("a domain for the work"))
}

/// An owner's numbers at some places: small where they are multiplied, wide where they are compared.
fn numbers(work: Work, owner: u16, places: Range<usize>) -> Vec<i64> {
    // SplitMix64 (Steele, Lea, Flood 2014): the numbers only have to differ.
    let draw = |place: usize| {
        let mut value = ((place as u64) << 16 | u64::from(owner)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    };
    places
        .map(|place| match work {
            Work::Lt | Work::Sort => (draw(place) as i64) >> 3,
            Work::Mulseq if owner == 1 => -1,
            _ => (draw(place) >> 44) as i64,
        })
        .collect()
}

/// That an opened result is the right one.
fn is_right(right: bool) -> Result<(), Failure> {
    if right { Ok(()) } else { Err(Failure::Cheated { fault: Fault::Proof }) }
}

/// Elements handed over at once.
const TILE: usize = 8192;
