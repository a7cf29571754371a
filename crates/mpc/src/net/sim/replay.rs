//! Sends earlier frames again, as they were and under the number of the next.

use crate::engine::Frame;

use super::{Behaviour, Dice};

/// Sends in place of some frames an earlier one to the same party, dressed as the one due; and some a second time.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    earlier: Vec<Frame>,
}

impl Behaviour for Replay {
    fn send(&mut self, frame: Frame, dice: &mut Dice) -> Vec<Frame> {
        let before = self.earlier.iter().rev().find(|earlier| earlier.to == frame.to).cloned();
        self.earlier.push(frame.clone());
        match before {
            Some(before) if dice.chance(200) => {
                // Run, number and clock of the frame that is due; sections of the one before.
                let body = [&frame.body[..24], &before.body[24..]].concat();
                vec![Frame { body: body.into(), ..frame }]
            }
            Some(before) if dice.chance(300) => vec![before, frame],
            _ => vec![frame],
        }
    }
}
