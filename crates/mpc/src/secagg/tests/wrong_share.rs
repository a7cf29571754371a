//! A client reveals what it was not dealt, or deals what nobody can use.

use super::super::message::{self, Kind, Opening, Sealed};
use super::*;

fn openings(world: &mut World, client: u32) -> Vec<Opening> {
    let reveal = world.answer(client).unwrap();
    message::read(&world.session, Party::Client(client), Kind::Reveal, &reveal).unwrap()
}

#[test]
fn it_is_named_and_the_rest_goes_on() {
    let mut world = World::new(ten()).until(Turn::Reveal);
    let mut openings = openings(&mut world, 2);
    openings[4].share.0[1] ^= 1;
    let dealer = openings[4].dealer;
    let lie = message::write(&world.session, Kind::Reveal, openings);
    assert_eq!(world.server.accept(2, &lie), Err(Error::WrongShare { from: 2, dealer }));
    world.leave([2]);
    let session = world.session.clone();
    assert_eq!(world.finish().unwrap(), expected(&session, 0..10));
}

#[test]
fn swapped_shares_are_wrong_shares() {
    let mut world = World::new(ten()).until(Turn::Reveal);
    let mut openings = openings(&mut world, 2);
    let (one, other) = (openings[0].share, openings[1].share);
    (openings[0].share, openings[1].share) = (other, one);
    let lie = message::write(&world.session, Kind::Reveal, openings);
    assert_eq!(world.server.accept(2, &lie), Err(Error::WrongShare { from: 2, dealer: 0 }));
}

#[test]
fn a_share_of_ones_own_or_of_a_stranger_is_refused() {
    let mut world = World::new(ten()).until(Turn::Reveal);
    for dealer in [2, 10, u32::MAX] {
        let opening = Opening { dealer, share: wire::Fixed([0; 40]) };
        let lie = message::write(&world.session, Kind::Reveal, vec![opening]);
        let refused = Error::NoNeighbour { from: Party::Client(2), client: dealer };
        assert_eq!(world.server.accept(2, &lie), Err(refused));
    }
}

/// A dealer whose ciphertexts do not open harms itself: the honest holders leave them out and are not blamed.
#[test]
fn a_dealer_of_rubbish_cannot_frame_its_neighbours() {
    let mut world = World::new(ten()).until(Turn::Share);
    let shares = world.answer(3).unwrap();
    let mut sealed: Vec<Sealed> = message::read(&world.session, Party::Client(3), Kind::Shares, &shares).unwrap();
    // Six of nine are enough: three may get rubbish.
    for sealed in &mut sealed[..3] {
        sealed.ciphertext.0[5] ^= 1;
    }
    sealed[3].tags.own.0[0] ^= 1;
    let spoilt = sealed.len() - 4;
    let shares = message::write(&world.session, Kind::Shares, sealed);
    world.server.accept(3, &shares).unwrap();
    for client in (0..10).filter(|client| *client != 3) {
        let answer = world.answer(client).unwrap();
        world.server.accept(client, &answer).unwrap();
    }
    world.server.close().unwrap();
    // Five holders are left with a share that counts: one fewer than the threshold, and only the dealer is missing.
    assert_eq!(spoilt, 5);
    let missing = vec![Missing { client: 3, found: 5, needed: 6 }];
    assert_eq!(world.finish().unwrap_err(), Error::Unrecoverable { missing });
}

/// Shares that open and match their tags but are of another secret: only the dealer could have made them.
#[test]
fn a_dealer_of_another_secret_is_named() {
    let mut world = World::new(ten()).until(Turn::Share);
    world.clients[3].own = Secret::new([1; 32]);
    assert_eq!(world.finish().unwrap_err(), Error::Misdealt { client: 3 });
}
