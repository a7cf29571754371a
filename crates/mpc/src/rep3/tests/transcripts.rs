//! What is sent does not depend on the machine.

use std::cell::RefCell;

use super::*;

fn all_kernels_give_one_transcript(mode: Mode) {
    let transcripts: Vec<_> = Level::available()
        .into_iter()
        .map(|level| {
            let frames = Rc::new(RefCell::new(Vec::new()));
            let seen = Rc::clone(&frames);
            let work = move |mut io: Io| async move {
                let mut rep3 = rep3(&io, mode)?;
                rep3.level = level;
                verify::set_level(level);
                let values = Numbers(9).values(Domain::Ring64, 1000);
                let x = rep3.input(&mut io, 0, Domain::Ring64, 1000, Some(&values)).await?;
                let y = rep3.mul(&mut io, &x, &x).await?;
                let z = rep3.matmul(&mut io, &x, &y, [20, 50, 20]).await?;
                let z = rep3.truncate(&mut io, &z, 20, Truncation::Exact).await?;
                let bits = rep3.to_bits(&mut io, &z, 64).await?;
                let z = rep3.from_bits(&mut io, &bits, Domain::Ring128).await?;
                let columns = [rep3.dot(&mut io, &z, &z, 4).await?];
                let opened = checked(&rep3, &mut io, &columns).await?;
                rep3.open(&mut io, opened, None).await
            };
            let results = local::run_with(3, 2, work, move |frame| {
                seen.borrow_mut().push((frame.from, frame.to, frame.body.clone()));
                vec![frame]
            });
            assert!(results.iter().all(|(result, _)| result.is_ok()));
            frames.take()
        })
        .collect();
    assert!(transcripts[0].len() > 30);
    assert!(transcripts.iter().all(|transcript| *transcript == transcripts[0]));
}

#[test]
fn semi_honest_sessions_are_the_same_on_all_kernels() {
    all_kernels_give_one_transcript(Mode::SemiHonest);
}

#[test]
fn verified_sessions_are_the_same_on_all_kernels() {
    all_kernels_give_one_transcript(Mode::Sublinear);
}
