use super::*;
use crate::domain::Domain;
use crate::engine::local;
use crate::plain::Plain;
use crate::program::Builder;

#[test]
fn a_program_runs_in_the_clear() {
    let mut program = Builder::new(2);
    let a = program.input(0, Domain::Ring64);
    let b = program.input(1, Domain::Ring64);
    let product = program.mul(a, b);
    let shifted = program.linear(&[(2, product), (-1, a)], 7);
    let total = program.sum(shifted);
    program.open(shifted);
    program.open_to(1, total);
    let program = program.finish().unwrap();
    let results = local::run(1, 3, move |io| {
        let program = program.clone();
        async move {
            let inputs = [[1i64, -2, 3], [4, 5, -6]].map(|row| Some(Values::from_i64(Domain::Ring64, &row)));
            run(&program, &Plain::default(), io, &[3, 3], inputs.to_vec()).await
        }
    });
    let outcome = results.into_iter().next().unwrap().0.unwrap();
    let expected = [14, -11, -32];
    assert!(outcome.opened[0] == Some(Values::from_i64(Domain::Ring64, &expected)));
    assert!(outcome.opened[1] == Some(Values::from_i64(Domain::Ring64, &[expected.iter().sum()])));
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let mut program = Builder::new(1);
    let a = program.input(0, Domain::Ring64);
    program.open(a);
    let program = program.finish().unwrap();
    for (lengths, inputs) in [
        (vec![2], vec![Some(Values::from_i64(Domain::Ring64, &[1]))]),
        (vec![1], vec![Some(Values::from_i64(Domain::M61, &[1]))]),
        (vec![], vec![]),
    ] {
        let program = program.clone();
        let results = local::run(1, 3, move |io| {
            let (program, lengths, inputs) = (program.clone(), lengths.clone(), inputs.clone());
            async move { run(&program, &Plain::default(), io, &lengths, inputs).await }
        });
        assert!(matches!(results[0].0, Err(Failure::Program(_))));
    }
}
