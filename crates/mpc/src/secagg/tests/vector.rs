//! The transcript of `docs/spec/mpc/secagg.md`. A change here is a change of the wire format.

use crypto::sha256;

use super::*;

#[test]
fn golden_transcript() {
    let roster: Vec<_> = (0..4).map(|client| SigningKey::from_seed(&[client; 32]).public()).collect();
    let parameters = Parameters::new(4, 3, 2, 0, 3).unwrap();
    let session = Arc::new(Session::new(name("golden"), name("graph"), parameters, roster, 2).unwrap());
    let client = |index: u8| {
        let identity = Arc::new(SigningKey::from_seed(&[index; 32]));
        Client::with_seed(session.clone(), index.into(), identity, &Secret::new([0x10 + index; 32])).unwrap()
    };
    let mut clients: Vec<Client> = (0..4).map(client).collect();
    let mut server = Server::new(session.clone());
    let mut digests = vec![session.id().to_string()];
    for turn in ROUNDS {
        // Client 3 leaves before it masks; every message of the others is hashed, in index order.
        let mut transcript = crypto::Sha256::new();
        for index in 0..if matches!(turn, Turn::Advertise | Turn::Share) { 4 } else { 3 } {
            let message = server.message(index).unwrap_or_default();
            let party = &mut clients[index as usize];
            let input = Secret::new(vec![u64::from(index) + 1, u64::MAX - u64::from(index)]);
            let answer = match turn {
                Turn::Advertise => party.advertise(),
                Turn::Share => party.share(&message),
                Turn::Mask => party.mask(&message, &input),
                Turn::Consent => party.consent(&message),
                Turn::Reveal | Turn::Done => party.reveal(&message),
            };
            let answer = answer.unwrap();
            transcript.update(sha256(&[&message]).as_ref());
            transcript.update(sha256(&[&answer]).as_ref());
            server.accept(index, &answer).unwrap();
        }
        digests.push(transcript.finish().to_string());
        if turn != Turn::Reveal {
            server.close().unwrap();
        }
    }
    let outcome = server.finish().unwrap();
    assert_eq!(outcome, Outcome { sum: vec![6, 0u64.wrapping_sub(6)], survivors: vec![0, 1, 2] });
    assert_eq!(digests, GOLDEN);
}

const GOLDEN: [&str; 6] = [
    "8708996ef6ce643fd9503bd7d6439d1fd087b730244a5df62f10e05f1cdfa0a8",
    "adaf348cedbf8d1248e46dc1583981675dc53ee0bbf09055bb6787506ec48e83",
    "fe35f28f4c3a7a145646a018f5029748e26e1b7e4bd9471e0968eecd0530cf73",
    "3e78ef240fcd779ec62b9240b781cab71e0514f5d779a75b79bef7a150bb14d8",
    "4aa24491e3e42eb8e842d9b1523f29808cc992895ece4227045400b92b9c01ae",
    "fc1de8426b25b5d58ebb0bc27cab9b5493859fc58dd103964bc421d7ea588684",
];
