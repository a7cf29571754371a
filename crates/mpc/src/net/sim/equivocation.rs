//! Tells one party another thing than the rest.

use crate::engine::Frame;

use super::{Behaviour, Dice, Sections};

/// Changes everything it sends to one party after the set-up, in one and the same way.
#[derive(Clone, Copy, Debug)]
pub struct Equivocation {
    /// Who hears another story.
    pub to: u16,
}

impl Behaviour for Equivocation {
    fn send(&mut self, frame: Frame, _: &mut Dice) -> Vec<Frame> {
        if frame.to != self.to {
            return vec![frame];
        }
        let mut sections = Sections::of(&frame);
        for (op, bytes) in &mut sections.sections {
            if *op != 0
                && let Some(first) = bytes.first_mut()
            {
                *first ^= 1;
            }
        }
        vec![Frame { body: sections.body(), ..frame }]
    }
}
