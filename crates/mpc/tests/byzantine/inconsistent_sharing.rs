//! An owner sends another part of its input than its own share says. There is no inconsistent sharing to be had: the part that it sends, the
//! stream that both others' parts come from and zero are a sharing of something, of which the owner itself holds another idea.

use mpc::engine::Frame;
use mpc::net::sim::{Behaviour, Dice, Sections};

use crate::program::{MALICIOUS, suffer};

/// Changes its input on the way, and nothing else: the section of the third operation.
struct OtherInput;

impl Behaviour for OtherInput {
    fn send(&mut self, frame: Frame, dice: &mut Dice) -> Vec<Frame> {
        let mut sections = Sections::of(&frame);
        for (_, bytes) in sections.sections.iter_mut().filter(|(op, _)| *op == 3) {
            let at = dice.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << dice.below(8);
        }
        vec![Frame { body: sections.body(), ..frame }]
    }
}

#[test]
fn is_another_input_or_a_wrong_product() {
    for protocol in MALICIOUS {
        let tally = suffer(protocol, 0..300, |_, _| OtherInput);
        // What the owner goes on to compute with its own idea of it is wrong wherever it multiplies, and vouched for wrongly where it opens.
        assert_eq!(tally.failed, 300, "{protocol:?}: {tally:?}");
    }
}
