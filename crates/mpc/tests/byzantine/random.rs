//! Any of the behaviours, at any rate, from one seed.

use mpc::net::sim::{Behaviour, Equivocation, Oversized, Replay, Silence, Stale, Swapped, Truncated, WrongShare};

use mpc::engine::Frame;
use mpc::net::sim::Dice;

use crate::program::{Protocol, suffer};

struct Any(Box<dyn Behaviour>);

impl Behaviour for Any {
    fn send(&mut self, frame: Frame, dice: &mut Dice) -> Vec<Frame> {
        self.0.send(frame, dice)
    }
}

fn any(seed: u64, liar: u16) -> Any {
    let mut dice = Dice::new(seed ^ 0x5eed);
    let permille = 1 + dice.below(200) as u32;
    Any(match dice.below(16) {
        0..9 => Box::new(WrongShare { permille }),
        9 => Box::new(Replay::default()),
        10 => Box::new(Equivocation { to: (liar + 1 + dice.below(2) as u16) % 3 }),
        11 => Box::new(Silence { after: dice.below(30) as u32 }),
        12 => Box::new(Truncated { permille }),
        13 => Box::new(Oversized { permille }),
        14 => Box::new(Stale { permille }),
        _ => Box::new(Swapped::default()),
    })
}

#[test]
fn ten_thousand_sessions() {
    assert!(suffer(Protocol::Sublinear, 10_000..20_000, any).failed > 3000);
}

#[test]
fn ten_thousand_sessions_verified_by_sacrifice() {
    assert!(suffer(Protocol::Sacrifice, 20_000..30_000, any).failed > 3000);
}
