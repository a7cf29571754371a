//! A server that tells different clients different things, or asks one for too much.

use wire::Bytes;

use super::super::message::{self, Consent, Kind};
use super::*;

fn survivors(session: &Session, clients: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let mut set = Set::new(session.parameters().clients());
    clients.into_iter().for_each(|client| assert!(set.insert(client)));
    message::write(session, Kind::Survivors, Bytes(set.as_bytes().to_vec()))
}

/// Both secrets of client 9 would take its mask off: a client that has consented to one set refuses another.
#[test]
fn both_secrets_of_a_neighbour_are_refused() {
    let mut world = World::new(ten()).until(Turn::Consent);
    let (all, without) = (survivors(&world.session, 0..10), survivors(&world.session, 0..9));
    let first = world.clients[1].consent(&all).unwrap();
    assert_eq!(world.clients[1].consent(&without), Err(Error::Equivocation));
    assert_eq!(world.clients[1].consent(&all).unwrap(), first, "the same set again is no second set");
}

/// Half of the clients hear of another set: nobody finds a threshold of neighbours that agree.
#[test]
fn two_sets_find_no_threshold_of_consents() {
    let mut world = World::new(ten()).until(Turn::Consent);
    let sets = [survivors(&world.session, 0..10), survivors(&world.session, 0..9)];
    let mut consents = Vec::new();
    for client in 0..9 {
        let consent = world.clients[client].consent(&sets[usize::from(client >= 5)]).unwrap();
        let signature = message::read(&world.session, Party::Server, Kind::Consent, &consent).unwrap();
        consents.push(Consent { peer: client as u32, signature });
    }
    for client in 0..9 {
        let others = consents.iter().copied().filter(|consent| consent.peer != client as u32);
        let all = message::write(&world.session, Kind::Consents, others.clone().collect::<Vec<_>>());
        assert!(matches!(world.clients[client].reveal(&all), Err(Error::Dissent { .. })));
        let agreeing: Vec<_> = others.filter(|consent| (consent.peer >= 5) == (client >= 5)).collect();
        let found = agreeing.len() as u32;
        let some = message::write(&world.session, Kind::Consents, agreeing);
        let refused = Error::TooFewNeighbours { client: client as u32, found, needed: 6 };
        assert_eq!(world.clients[client].reveal(&some), Err(refused));
    }
}

#[test]
fn consents_of_strangers_twice_or_out_of_order_do_not_count() {
    let mut world = World::new(ten()).until(Turn::Reveal);
    let consents = world.server.message(1).unwrap();
    let consents: Vec<Consent> = message::read(&world.session, Party::Server, Kind::Consents, &consents).unwrap();
    let reveal = |world: &mut World, consents: Vec<Consent>| {
        let message = message::write(&world.session, Kind::Consents, consents);
        world.clients[1].reveal(&message).unwrap_err()
    };
    let double = vec![consents[0]; 6];
    assert_eq!(reveal(&mut world, double), Error::Unordered { from: Party::Server });
    for peer in [1, 10] {
        let mut own = consents.clone();
        own[1].peer = peer;
        own.sort_unstable_by_key(|consent| consent.peer);
        assert_eq!(reveal(&mut world, own), Error::NoNeighbour { from: Party::Server, client: peer });
    }
    let mut swapped = consents.clone();
    (swapped[0].signature, swapped[1].signature) = (consents[1].signature, consents[0].signature);
    assert_eq!(reveal(&mut world, swapped), Error::Dissent { client: 0 });
}

#[test]
fn sets_that_hide_too_little_are_refused() {
    let mut world = World::new(ten()).until(Turn::Consent);
    let few = survivors(&world.session, 0..6);
    let thin = Thin::Few { found: 6, needed: 7 };
    assert_eq!(world.clients[1].consent(&few), Err(Error::TooThin { from: Party::Server, thin }));
    let without = survivors(&world.session, (0..10).filter(|client| *client != 1));
    assert_eq!(world.clients[1].consent(&without), Err(Error::Excluded { client: 1 }));
    // One client survives, and all its neighbours are said to have left: on the ring, a hole.
    let session = session_of(Parameters::new(40, 12, 4, 2, 20).unwrap(), 1, "hole");
    let mut world = World::new(session.clone()).until(Turn::Consent);
    let isolated = survivors(&session, (0..40).filter(|client| !session.are_neighbours(7, *client)));
    let refused = world.clients[7].consent(&isolated).unwrap_err();
    assert!(matches!(refused, Error::TooThin { from: Party::Server, thin: Thin::Gap { .. } }), "{refused}");
}

/// The server cuts an edge of the graph by withholding shares, then names both ends survivors.
#[test]
fn a_cut_edge_is_noticed() {
    let mut world = World::new(ten()).until(Turn::Mask);
    let inbox = world.server.message(1).unwrap();
    let mut sealed: Vec<message::Sealed> = message::read(&world.session, Party::Server, Kind::Inbox, &inbox).unwrap();
    let cut = sealed.pop().unwrap().peer;
    let inbox = message::write(&world.session, Kind::Inbox, sealed);
    world.clients[1].mask(&inbox, &Secret::new(vec![0; 3])).unwrap();
    let all = survivors(&world.session, 0..10);
    assert_eq!(world.clients[1].consent(&all), Err(Error::Unmasked { client: cut }));
}

#[test]
fn keys_of_the_servers_own_making_are_refused() {
    let mut world = World::new(ten()).until(Turn::Share);
    let neighbourhood = world.server.message(1).unwrap();
    let adverts: Vec<message::Advert> =
        message::read(&world.session, Party::Server, Kind::Neighbourhood, &neighbourhood).unwrap();
    let share = |world: &mut World, adverts: Vec<message::Advert>| {
        let message = message::write(&world.session, Kind::Neighbourhood, adverts);
        world.clients[1].share(&message).unwrap_err()
    };
    let mut forged = adverts.clone();
    forged[3].mask = forged[4].mask;
    assert_eq!(share(&mut world, forged), Error::Keys { client: adverts[3].client });
    let mut few = adverts.clone();
    few.truncate(5);
    assert_eq!(share(&mut world, few), Error::TooFewNeighbours { client: 1, found: 5, needed: 6 });
    let mut twice = adverts;
    twice[1] = twice[0].clone();
    assert_eq!(share(&mut world, twice), Error::Unordered { from: Party::Server });
}
