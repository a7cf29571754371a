//! No part of a stream is used twice: every block that anybody reads is noted.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use crate::additive::Additive;
use crate::domain::{Domain, Values};
use crate::engine::{Backend, Io, checked, local};
use crate::net::sim::{Crash, Dice, Simulation};
use crate::program::{Builder, Program};
use crate::rep3::Rep3;
use crate::runner::{Memory, Session};
use crate::shamir::Shamir;

use super::*;

/// A read of a stream.
struct Read {
    stream: u64,
    /// Where it is one of a run's own streams.
    key: Option<[u8; 16]>,
    op: OpId,
    blocks: std::ops::Range<u64>,
}

thread_local! {
    static STREAMS: Cell<u64> = const { Cell::new(0) };
    static READS: RefCell<Option<Vec<Read>>> = const { RefCell::new(None) };
}

pub(super) fn number() -> u64 {
    STREAMS.replace(STREAMS.get() + 1)
}

pub(super) fn note(prg: &Prg, op: OpId, block: u64, len: usize) {
    READS.with_borrow_mut(|reads| {
        if let Some(reads) = reads
            && len > 0
        {
            // What the key makes of a counter that nobody reaches tells keys apart.
            let mut key = [0; 16];
            let context = EncryptionContext::Iv128(FixedLength::from([0xff; 16]));
            prg.key.less_safe_encrypt(&mut key, context).unwrap();
            let (stream, of_run) = prg.number;
            reads.push(Read { stream, key: of_run.then_some(key), op, blocks: block..block + len.div_ceil(16) as u64 });
        }
    });
}

/// All reads while `work` ran.
fn reads(work: impl FnOnce()) -> Vec<Read> {
    READS.set(Some(Vec::new()));
    work();
    READS.take().unwrap()
}

/// That every party read each block of each of its streams once.
fn once(reads: &[Read]) {
    let mut seen: BTreeMap<(u64, OpId), Vec<(u64, u64)>> = BTreeMap::new();
    for Read { stream, op, blocks, .. } in reads {
        seen.entry((*stream, *op)).or_default().push((blocks.start, blocks.end));
    }
    for ((stream, op), mut blocks) in seen {
        blocks.sort_unstable();
        let apart = blocks.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        assert!(apart, "stream {stream}, {op:?}: {blocks:?}");
    }
}

fn program() -> Program {
    let mut program = Builder::new(3);
    let [a, b, c] = [0, 1, 2].map(|party| program.input(party, Domain::Ring64));
    let more = program.less(a, b);
    let chosen = program.select(more, b, c);
    let product = program.mul(chosen, a);
    let fixed = program.mul_fixed(a, b, 8);
    let sorted = program.sort(product, &[chosen, fixed]);
    for column in sorted {
        program.open(column);
    }
    let shared = program.dot(a, c);
    program.open(shared);
    program.finish().unwrap()
}

fn inputs(io: &Io, len: usize) -> Vec<Option<Values>> {
    let own = |party: u16| {
        let values: Vec<i64> = (0..len as i64).map(|row| (row * 37 + i64::from(party)) % 101).collect();
        (party == io.index()).then(|| Values::from_i64(Domain::Ring64, &values))
    };
    (0..3).map(own).collect()
}

#[test]
fn a_run_reads_each_block_of_its_streams_once() {
    for len in [1, 3, 64, 5000] {
        let reads = reads(|| {
            let results = local::run(3, 1, move |io| async move {
                let (program, backend) = (program(), Rep3::semi_honest(&io)?);
                let inputs = inputs(&io, len);
                crate::runner::run(&program, &backend, io, &[len; 3], inputs).await
            });
            assert!(results.iter().all(|(result, _)| result.is_ok()));
        });
        assert!(reads.len() > 50);
        once(&reads);
    }
}

#[test]
fn a_run_over_a_field_reads_each_block_of_its_streams_once() {
    let reads = reads(|| {
        let results = local::run(5, 1, |mut io| async move {
            let backend = Shamir::new(5, 2, crate::engine::Adversary::SemiHonest)?;
            let a = backend.random(&mut io, Domain::M61, 5000).await?;
            let b = backend.mul(&mut io, &a, &a).await?;
            let shuffled = backend.shuffle(&mut io, &[a, b]).await?;
            // A composition takes one stream's bits in two forms, in a field and as bits: it is not for this test.
            backend.is_negative(&mut io, &shuffled[0]).await
        });
        assert!(results.iter().all(|(result, _)| result.is_ok()));
    });
    assert!(reads.len() > 20);
    once(&reads);
}

/// Whatever leaves a party is under masks of its own: each opening, side by side too, and what is handed out.
#[test]
fn a_run_of_additive_sharing_reads_each_block_of_its_masks_once() {
    let reads = reads(|| {
        let results = local::run(4, 1, |mut io| async move {
            let backend = Additive::new(&io)?;
            let mut columns = Vec::new();
            for (domain, len) in [(Domain::Ring64, 4097), (Domain::M61, 9001), (Domain::P127, 3), (Domain::Ring64, 1)] {
                columns.push(backend.random(&mut io, domain, len).await?);
            }
            let given = checked(&backend, &mut io, &columns[..1]).await?;
            backend.hand_out(&mut io, given).await?;
            for _ in 0..2 {
                let mut strands = io.split(2);
                for strand in &mut strands {
                    let opened = checked(&backend, strand, &columns).await?;
                    backend.open(strand, opened, None).await?;
                }
                io.rejoin(strands);
                let opened = checked(&backend, &mut io, &columns[1..]).await?;
                backend.open(&mut io, opened, Some(2)).await?;
            }
            Ok(())
        });
        assert!(results.iter().all(|(result, _)| result.is_ok()));
    });
    assert!(reads.len() > 200);
    once(&reads);
}

/// Runs with crashes: every run has keys of its own, whoever crashed and whenever, resumed or not.
#[test]
fn no_key_serves_two_runs() {
    let mut resumed = 0;
    for seed in 0..12 {
        let malicious = seed % 2 == 1;
        let stores: Vec<Rc<Memory>> = (0..3).map(|_| Rc::default()).collect();
        let runs = Cell::new(0);
        let reads = reads(|| {
            let mut dice = Dice::new(seed);
            let mut simulation = Simulation::new(3, seed);
            for turn in 0..2 {
                simulation = simulation.crash(Crash {
                    party: dice.below(3) as u16,
                    at: Duration::from_secs(60 * turn) + Duration::from_micros(2_000 + dice.below(12_000)),
                    back: Some(Duration::from_secs(20)),
                });
            }
            let report = simulation.run(move |io| {
                let store = Rc::clone(&stores[usize::from(io.index())]);
                async move {
                    let backend = if malicious { Rep3::malicious(&io)? } else { Rep3::semi_honest(&io)? };
                    let (program, inputs) = (program(), inputs(&io, 9));
                    Session::new(&program, &backend, &[9; 3]).keep(&*store, 3).run(io, inputs).await
                }
            });
            assert!(report.last().iter().all(Result::is_ok), "seed {seed}");
            runs.set(report.runs.len());
        });
        resumed += runs.get() - 1;
        // Of each run: one stream of each party alone, and both ends of the stream of each pair.
        let keys: BTreeSet<_> = reads.iter().filter_map(|read| read.key).collect();
        let streams: BTreeSet<_> = reads.iter().filter(|read| read.key.is_some()).map(|read| read.stream).collect();
        assert_eq!((keys.len(), streams.len()), (6 * runs.get(), 9 * runs.get()), "seed {seed}");
        if !malicious {
            once(&reads);
        }
    }
    assert!(resumed >= 6, "{resumed}");
}

/// A seed that comes twice makes other streams in another run.
#[test]
fn a_repeated_seed_does_not_repeat_a_stream() {
    let session = Digest::from([7; 32]);
    let (ours, theirs) = (Secret::new([1; 32]), Secret::new([2; 32]));
    let draw = |run: u8| {
        let pair = Prg::pair(&Root::new(&session, (0, &ours), (1, &theirs)), &[run; 16]);
        let own = Prg::own(&session, &[run; 16], 0, &ours);
        [pair, own].map(|prg| prg.vector::<u64>(OpId(1), 4))
    };
    let ([pair, own], [other_pair, other_own]) = (draw(1), draw(2));
    assert!(pair != own && pair != other_pair && own != other_own);
}
