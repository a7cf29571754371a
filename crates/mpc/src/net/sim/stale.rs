//! Speaks for another run of the session.

use crate::engine::Frame;

use super::{Behaviour, Dice};

/// Gives some frames the name of another run.
#[derive(Clone, Copy, Debug)]
pub struct Stale {
    /// How many of a thousand.
    pub permille: u32,
}

impl Behaviour for Stale {
    fn send(&mut self, frame: Frame, dice: &mut Dice) -> Vec<Frame> {
        if !dice.chance(self.permille) {
            return vec![frame];
        }
        let mut body = frame.body.to_vec();
        body[dice.below(16) as usize] ^= 0x80;
        vec![Frame { body: body.into(), ..frame }]
    }
}
