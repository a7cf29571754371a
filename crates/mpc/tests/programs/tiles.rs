//! Rows in tiles, against the whole.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use mpc::domain::{Domain, Values};
use mpc::engine::{Failure, local};
use mpc::program::{Builder, Program};
use mpc::runner::{Outcome, Rows, Watch, run_tiled};

use super::run::{MALICIOUS, Numbers, Protocol, SEMI_HONEST, Sample, reference};

/// Rows of inputs in memory; openings are put together again.
struct Tables {
    sample: Sample,
    party: u16,
    opened: Vec<Vec<u64>>,
    widest: Rc<RefCell<usize>>,
}

impl Rows for Tables {
    fn take(&mut self, input: usize, rows: Range<usize>) -> Result<Option<Values>, Failure> {
        let mut widest = self.widest.borrow_mut();
        *widest = rows.len().max(*widest);
        let values = self.sample.held(self.party).swap_remove(input);
        Ok(values.map(|values| Values::Ring64(values.elements::<u64>().expect("numbers")[rows].to_vec())))
    }

    fn put(&mut self, opening: usize, rows: Range<usize>, values: Option<Values>) -> Result<(), Failure> {
        let values = values.expect("opened to all");
        assert_eq!(values.len(), rows.len());
        self.opened.resize(opening.max(self.opened.len() - 1) + 1, Vec::new());
        self.opened[opening].extend_from_slice(values.elements::<u64>().expect("numbers"));
        Ok(())
    }
}

fn program() -> Program {
    let mut program = Builder::new(3);
    let [a, b, c] = [0, 1, 2].map(|party| program.input(party, Domain::Ring64));
    let more = program.less(a, b);
    let least = program.select(more, a, c);
    let total = program.sum(least);
    let product = program.dot(a, b);
    program.open(least);
    // What is made of totals.
    let mixed = program.mul(total, product);
    program.open(mixed);
    program.open_to(1, total);
    program.finish().unwrap()
}

fn tiled(protocol: Protocol, rows: usize, tile: usize) {
    let mut numbers = Numbers(3);
    let inputs = (0..3).map(|_| Values::Ring64((0..rows).map(|_| numbers.next() >> 20).collect())).collect();
    let sample = Sample { name: "tiles".to_owned(), program: program(), clear: program(), inputs };
    let expected = reference(&sample).unwrap();
    let widest = Rc::new(RefCell::new(0));
    let seen = Rc::clone(&widest);
    let results = local::run(3, 4, move |mut io| {
        let (sample, widest) = (sample.clone(), Rc::clone(&seen));
        async move {
            let (backend, watch, party) = ((protocol.make)(&io), Watch::default(), io.index());
            let mut tables = Tables { sample, party, opened: vec![Vec::new()], widest };
            let program = tables.sample.program.clone();
            let outcome = run_tiled(&program, &*backend, &mut io, (rows, tile), &mut tables, &watch).await?;
            assert_eq!(watch.permille(), 1000);
            Ok((outcome, tables.opened))
        }
    });
    for (party, (result, _)) in results.into_iter().enumerate() {
        let (Outcome { opened, share }, streamed) = result.unwrap();
        assert!(Some(Values::Ring64(streamed[0].clone())) == expected.opened[0], "{rows} rows by {tile}");
        assert_eq!((opened.len(), opened[0].is_none(), share), (3, true, None));
        assert!(opened[1] == expected.opened[1]);
        assert!(opened[2] == expected.opened[2].clone().filter(|_| party == 1));
    }
    assert!(*widest.borrow() <= tile);
}

#[test]
fn tiles_give_what_the_whole_does() {
    for protocol in [SEMI_HONEST, MALICIOUS] {
        for (rows, tile) in [(0, 10), (1, 10), (99, 100), (100, 100), (101, 100), (1000, 64)] {
            tiled(protocol, rows, tile);
        }
    }
}

/// More tiles than a strand can be split in two.
#[test]
fn many_tiles_use_up_no_operation_numbers() {
    tiled(SEMI_HONEST, 2000, 4);
}

#[test]
fn programs_that_need_all_rows_at_once_are_refused() {
    let refused = |build: &dyn Fn(&mut Builder)| {
        let mut program = Builder::new(3);
        build(&mut program);
        let program = program.finish().unwrap();
        let results = local::run(3, 4, move |mut io| {
            let program = program.clone();
            async move {
                let (backend, watch) = ((SEMI_HONEST.make)(&io), Watch::default());
                let sample = Sample {
                    name: String::new(),
                    program: program.clone(),
                    clear: program.clone(),
                    inputs: vec![Values::Ring64(vec![1; 8])],
                };
                let mut tables = Tables { sample, party: io.index(), opened: vec![], widest: Rc::default() };
                run_tiled(&program, &*backend, &mut io, (8, 4), &mut tables, &watch).await
            }
        });
        assert!(results.iter().all(|(result, _)| matches!(result, Err(Failure::Program(_)))));
    };
    refused(&|program| {
        let a = program.input(0, Domain::Ring64);
        let sorted = program.sort(a, &[]);
        program.open(sorted[0]);
    });
    refused(&|program| {
        let a = program.input(0, Domain::Ring64);
        let total = program.sum(a);
        let mixed = program.mul(total, a);
        program.open(mixed);
    });
    refused(&|program| {
        let a = program.input(0, Domain::Ring64);
        program.give(a);
    });
}
