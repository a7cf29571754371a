//! What the links alone can do.

use mpc::engine::Io;

use crate::args::Work;

use super::{Operation, Pending, TILE};

/// The bytes that a multiplication of replicated shares sends, without the multiplication: what the links alone can do.
pub(super) struct Traffic {
    pub(super) work: Work,
    pub(super) n: usize,
}

impl Operation for Traffic {
    fn once<'a>(&'a self, io: &'a mut Io) -> Pending<'a> {
        Box::pin(async move {
            let (next, previous) = ((io.index() + 1) % io.parties(), (io.index() + io.parties() - 1) % io.parties());
            let (rounds, len) = if self.work == Work::Mulseq { (self.n, 1) } else { (1, self.n) };
            let mut column = vec![1u64; len];
            for _ in 0..rounds {
                let op = io.op();
                for tile in column.chunks_mut(TILE) {
                    io.send_elements(op, previous, tile);
                }
                for tile in column.chunks_mut(TILE) {
                    io.receive_elements(op, next, tile).await?;
                }
            }
            Ok(())
        })
    }

    fn verify<'a>(&'a self, _: &'a mut Io) -> Pending<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}
