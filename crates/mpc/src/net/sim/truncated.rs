//! Cuts frames short.

use crate::engine::Frame;

use super::{Behaviour, Dice};

/// Cuts some frames at any place.
#[derive(Clone, Copy, Debug)]
pub struct Truncated {
    /// How many of a thousand.
    pub permille: u32,
}

impl Behaviour for Truncated {
    fn send(&mut self, frame: Frame, dice: &mut Dice) -> Vec<Frame> {
        if !dice.chance(self.permille) {
            return vec![frame];
        }
        let length = dice.below(frame.body.len() as u64) as usize;
        vec![Frame { body: frame.body.slice(..length), ..frame }]
    }
}
