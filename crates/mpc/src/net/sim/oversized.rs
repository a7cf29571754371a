//! Sends more than a frame may hold, or sections that claim more than there is.

use crate::engine::{Frame, MAX_FRAME};

use super::{Behaviour, Dice};

/// Makes some frames too long, in one way or the other.
#[derive(Clone, Copy, Debug)]
pub struct Oversized {
    /// How many of a thousand.
    pub permille: u32,
}

impl Behaviour for Oversized {
    fn send(&mut self, frame: Frame, dice: &mut Dice) -> Vec<Frame> {
        if !dice.chance(self.permille) {
            return vec![frame];
        }
        let mut body = frame.body.to_vec();
        if dice.chance(500) {
            body.resize(MAX_FRAME + 1, 0);
        } else {
            body.extend_from_slice(&7u64.to_le_bytes());
            body.extend_from_slice(&u32::MAX.to_le_bytes());
        }
        vec![Frame { body: body.into(), ..frame }]
    }
}
