//! Sends a value that is off, now and then.

use crate::engine::Frame;

use super::{Behaviour, Dice, Sections};

/// Changes one byte of one section in so many of a thousand frames.
#[derive(Clone, Copy, Debug)]
pub struct WrongShare {
    /// How often.
    pub permille: u32,
}

impl Behaviour for WrongShare {
    fn send(&mut self, frame: Frame, dice: &mut Dice) -> Vec<Frame> {
        if !dice.chance(self.permille) {
            return vec![frame];
        }
        let mut sections = Sections::of(&frame);
        let chosen = dice.below(sections.sections.len() as u64) as usize;
        if let Some((_, bytes)) = sections.sections.get_mut(chosen).filter(|(_, bytes)| !bytes.is_empty()) {
            let at = dice.below(bytes.len() as u64) as usize;
            bytes[at] = bytes[at].wrapping_add(1 + dice.below(255) as u8);
        }
        vec![Frame { body: sections.body(), ..frame }]
    }
}
