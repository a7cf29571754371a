//! Noise where a program or a checkpoint is expected.

use crate::domain::{Bits, Domain, Values};
use crate::engine::local;
use crate::plain::Plain;
use crate::program::{Builder, Program};
use crate::rep3::Rep3;

use super::checkpoint::Checkpoint;
use super::run;

/// A program's description: what is one, has one form and runs, however its operands' lengths fit.
pub(crate) fn program(bytes: &[u8]) {
    let Ok(program) = Program::from_bytes(bytes) else { return };
    assert_eq!(program.to_bytes(), bytes, "a program has one form");
    if program.operations().len() > 40 {
        return;
    }
    for len in [0, 1, 3] {
        let program = program.clone();
        let results = local::run(1, 1, move |io| {
            let program = program.clone();
            async move {
                let inputs: Vec<Values> = program.inputs().map(|(_, domain)| values(domain, len)).collect();
                let lengths = vec![len; inputs.len()];
                run(&program, &Plain::default(), io, &lengths, inputs.into_iter().map(Some).collect()).await
            }
        });
        assert_eq!(results.len(), 1, "it has a result or a failure");
    }
}

fn values(domain: Domain, len: usize) -> Values {
    match domain {
        Domain::Bits => Values::Bits((0..len).map(|row| row % 2 == 0).collect::<Bits>()),
        _ => Values::from_i64(domain, &(0..len as i64).map(|row| row * 5 - 4).collect::<Vec<_>>()),
    }
}

/// A checkpoint: what is one, has one form, and its columns are those of the program or refused.
pub(crate) fn checkpoint(bytes: &[u8]) {
    let Ok(checkpoint) = Checkpoint::from_bytes(bytes) else { return };
    assert_eq!(checkpoint.to_bytes(), bytes, "a checkpoint has one form");
    let results = local::run(3, 1, move |io| {
        let checkpoint = checkpoint.clone();
        async move {
            let columns = checkpoint.restore(&small(), &Rep3::semi_honest(&io)?);
            for (node, column) in columns.iter().flat_map(super::columns::Columns::iter) {
                assert_eq!(small().kinds(node.0 as usize)[usize::from(node.1)], column.domain());
            }
            Ok(())
        }
    });
    assert!(results.iter().all(|(result, _)| result.is_ok()));
}

/// Three inputs, a comparison and a choice.
fn small() -> Program {
    let mut program = Builder::new(3);
    let [a, b, c] = [0, 1, 2].map(|party| program.input(party, Domain::Ring64));
    let less = program.less(a, b);
    let chosen = program.select(less, b, c);
    program.open(chosen);
    program.finish().expect("it opens something")
}

/// Programs that are right.
#[cfg(test)]
pub(crate) fn programs(dice: &mut crate::net::sim::Dice) -> Vec<u8> {
    let mut program = Builder::new(3);
    let domains = [Domain::Ring64, Domain::Ring128, Domain::M61, Domain::P127];
    let domain = domains[dice.below(4) as usize];
    let mut numbers = vec![program.input(0, domain), program.input(1, domain)];
    let mut truths = vec![program.input_truths(2)];
    for _ in 0..dice.below(6) {
        let [a, b] = [0, 1].map(|_| numbers[dice.below(numbers.len() as u64) as usize]);
        let [p, q] = [0, 1].map(|_| truths[dice.below(truths.len() as u64) as usize]);
        match dice.below(16) {
            0 => numbers.push(program.linear(&[(3, a), (-1, b)], 7)),
            1 => numbers.push(program.mul(a, b)),
            2 => numbers.push(program.dot(a, b)),
            3 => numbers.push(program.matmul(a, b, [1, 3, 1])),
            4 => numbers.push(program.sum(a)),
            5 => numbers.push(program.prefix_sum(a)),
            6 => truths.push(program.less(a, b)),
            7 => truths.push(program.equal(a, b)),
            8 => numbers.push(program.select(p, a, b)),
            9 => truths.push(program.and(p, q)),
            10 => numbers.push(program.div_public(a, 3)),
            11 => numbers.push(program.convert(a, domains[dice.below(4) as usize])),
            12 => numbers.push(program.to_number(p, domain)),
            13 => numbers.extend(program.sort(a, &[b])),
            14 => numbers.push(program.segmented_sum(p, a)),
            _ => numbers.push(program.mul_fixed(a, b, 4)),
        }
    }
    for number in numbers.iter().skip(2) {
        program.open(*number);
    }
    program.open_to(1, truths[0]);
    // Mixed domains are refused; then one that is not.
    program.finish().unwrap_or_else(|_| small()).to_bytes()
}

/// Checkpoints that are right, but for the session they are of.
#[cfg(test)]
pub(crate) fn checkpoints(dice: &mut crate::net::sim::Dice) -> Vec<u8> {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::{Memory, Session, Store as _};

    thread_local! {
        static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    }
    // A run that is cut off late, but before its end, which would empty the stores.
    for last in (10..=90).rev().step_by(5) {
        if !KEPT.with_borrow(Vec::is_empty) {
            break;
        }
        let stores: Vec<_> = (0..3).map(|_| Rc::new(Memory::default())).collect();
        let (disks, mut frames) = (stores.clone(), 0);
        local::run_with(
            3,
            1,
            move |io| {
                let store = Rc::clone(&disks[usize::from(io.index())]);
                async move {
                    let (program, backend) = (small(), Rep3::semi_honest(&io)?);
                    let own = usize::from(io.index());
                    let mut inputs = vec![None; 3];
                    inputs[own] = Some(values(Domain::Ring64, 2));
                    Session::new(&program, &backend, &[2; 3]).keep(&*store, 1).run(io, inputs).await
                }
            },
            move |frame| {
                frames += 1;
                if frames > last { vec![] } else { vec![frame] }
            },
        );
        KEPT.set(stores.iter().flat_map(|store| (0..2).filter_map(|slot| store.load(slot).expect("memory"))).collect());
    }
    KEPT.with_borrow(|kept| kept[dice.below(kept.len() as u64) as usize].clone())
}
