//! Answers one operation with what belongs to another, or one party with what is for another.

use bytes::Bytes;

use crate::engine::Frame;

use super::{Behaviour, Dice, Sections};

/// Swaps the bytes of two sections of a frame, or sends one party the sections that the frame before had for another.
#[derive(Clone, Debug, Default)]
pub struct Swapped {
    before: Option<(u16, Bytes)>,
}

impl Behaviour for Swapped {
    fn send(&mut self, frame: Frame, dice: &mut Dice) -> Vec<Frame> {
        let before = self.before.replace((frame.to, frame.body.clone()));
        if !dice.chance(300) {
            return vec![frame];
        }
        let mut sections = Sections::of(&frame);
        if let [(_, first), .., (_, last)] = &mut sections.sections[..] {
            std::mem::swap(first, last);
            return vec![Frame { body: sections.body(), ..frame }];
        }
        match before {
            Some((to, before)) if to != frame.to => {
                let body = [&frame.body[..24], &before[24..]].concat();
                vec![Frame { body: body.into(), ..frame }]
            }
            _ => vec![frame],
        }
    }
}
