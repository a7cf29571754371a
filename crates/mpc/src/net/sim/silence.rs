//! Stays connected and says nothing.

use crate::engine::Frame;

use super::{Behaviour, Dice};

/// Sends so many frames, then none.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// Frames until then.
    pub after: u32,
}

impl Behaviour for Silence {
    fn send(&mut self, frame: Frame, _: &mut Dice) -> Vec<Frame> {
        if self.after == 0 {
            return vec![];
        }
        self.after -= 1;
        vec![frame]
    }
}
