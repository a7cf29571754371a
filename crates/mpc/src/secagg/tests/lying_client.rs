//! Clients that deviate in what they send: what is noticed, and what no one can notice.

use super::super::message::{self, Advert, Kind, Sealed};
use super::*;

#[test]
fn keys_that_are_not_its_own_are_refused() {
    let session = ten();
    let mut server = Server::new(session.clone());
    let key = wire::Fixed([9; 32]);
    let commitment = name("commitment");
    let another = name("another session");
    let advert = |client, signer: u32, id| {
        let advert = Advert::sign(id, client, (key, key), commitment, &identity(signer));
        message::write(&session, Kind::Keys, advert)
    };
    assert_eq!(server.accept(2, &advert(2, 3, session.id())), Err(Error::Keys { client: 2 }));
    assert_eq!(server.accept(2, &advert(3, 3, session.id())), Err(Error::Keys { client: 2 }));
    assert_eq!(server.accept(2, &advert(2, 2, &another)), Err(Error::Keys { client: 2 }));
    assert_eq!(server.accept(2, &advert(2, 2, session.id())), Ok(()));
}

#[test]
fn a_key_of_small_order_is_refused_by_its_neighbours() {
    let session = ten();
    let mut world = World::new(session.clone());
    let advert =
        Advert::sign(session.id(), 2, (wire::Fixed([0; 32]), wire::Fixed([0; 32])), name("none"), &identity(2));
    world.server.accept(2, &message::write(&session, Kind::Keys, advert)).unwrap();
    world.leave([2]);
    world.round().unwrap();
    assert_eq!(world.answer(1).unwrap_err(), Error::Keys { client: 2 });
}

#[test]
fn shares_for_the_wrong_clients_are_refused() {
    let mut world = World::new(ten()).until(Turn::Share);
    let shares = world.answer(3).unwrap();
    let sealed: Vec<Sealed> = message::read(&world.session, Party::Client(3), Kind::Shares, &shares).unwrap();
    let mut variants = vec![sealed[1..].to_vec(), Vec::new()];
    let mut to_itself = sealed.clone();
    to_itself[3].peer = 3;
    variants.push(to_itself);
    let mut twice = sealed;
    twice[1] = twice[0].clone();
    variants.push(twice);
    for sealed in variants {
        let shares = message::write(&world.session, Kind::Shares, sealed);
        assert_eq!(world.server.accept(3, &shares), Err(Error::Unfit { from: 3 }));
    }
    assert_eq!(world.server.accept(3, &shares), Ok(()));
}

#[test]
fn a_vector_of_another_length_is_refused() {
    let mut world = World::new(ten()).until(Turn::Mask);
    for length in [0, 2, 4] {
        let masked = message::write(&world.session, Kind::Masked, message::to_bytes(&vec![0; length]));
        assert_eq!(world.server.accept(3, &masked), Err(Error::Unfit { from: 3 }));
        let inbox = world.server.message(length as u32).unwrap();
        let refused = world.clients[length].mask(&inbox, &Secret::new(vec![0; length]));
        assert_eq!(refused, Err(Error::Length { found: length, expected: 3 }));
    }
}

/// The limit of the protocol, so that nobody takes it for more: a client may send any vector.
#[test]
fn an_absurd_input_shifts_the_sum_unnoticed() {
    let mut world = World::new(ten()).until(Turn::Mask);
    let inbox = world.server.message(3).unwrap();
    let lie = input(&world.session, 3).into_iter().map(|value| value.wrapping_add(1 << 60)).collect();
    let masked = world.clients[3].mask(&inbox, &Secret::new(lie)).unwrap();
    world.server.accept(3, &masked).unwrap();
    for client in (0..10).filter(|client| *client != 3) {
        let answer = world.answer(client).unwrap();
        world.server.accept(client, &answer).unwrap();
    }
    world.server.close().unwrap();
    let mut shifted = expected(&world.session, 0..10);
    shifted.sum.iter_mut().for_each(|sum| *sum = sum.wrapping_add(1 << 60));
    assert_eq!(world.finish().unwrap(), shifted);
}
