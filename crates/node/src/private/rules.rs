//! Who may give and take a private payload: by the ledger alone. No network, no disk, no clock.

use contracts::message::{Opening, private_commitment};
use contracts::record::Private;
use contracts::{code, read};
use crypto::Digest;
use ledger::State;

use crate::problem::ApiError;

/// From where a node looks at a private payload.
pub(crate) struct Ground<'a> {
    /// Its copy of the ledger.
    pub(crate) state: &'a dyn State,
    pub(crate) chain: Digest,
    /// The member whose node it is.
    pub(crate) own: &'a str,
    /// The newest block's time, Unix milliseconds.
    pub(crate) time: u64,
}

impl Ground<'_> {
    /// What the ledger says of a private payload.
    ///
    /// # Errors
    /// `unknown_private`.
    pub(crate) fn find(&self, id: &Digest) -> Result<Private, ApiError> {
        let found = read::private(self.state, id)?;
        found.ok_or_else(|| ApiError::new(code::UNKNOWN_PRIVATE, format!("no private payload {id}")))
    }

    /// A private payload that this member may have now.
    ///
    /// # Errors
    /// `unknown_private`, `not_permitted`, `private_purged`.
    pub(crate) fn may_have(&self, id: &Digest) -> Result<Private, ApiError> {
        let private = self.find(id)?;
        if !private.is_holder(self.own) {
            return Err(ApiError::new(code::NOT_PERMITTED, format!("`{}` is no holder of it", self.own)));
        }
        if private.due(self.time).is_some() {
            return Err(ApiError::new(code::PRIVATE_PURGED, "it is to be purged"));
        }
        if private.is_purged_by(self.own) {
            return Err(ApiError::new(code::PRIVATE_PURGED, format!("`{}` has purged it", self.own)));
        }
        Ok(private)
    }

    /// Takes what another holder's node gives.
    ///
    /// # Errors
    /// As [`Ground::may_have`]; `private_mismatch` where it is not what was committed to.
    pub(crate) fn take(&self, giver: &str, id: &Digest, opening: &Opening) -> Result<Private, ApiError> {
        let private = self.may_have(id)?;
        if !private.is_holder(giver) {
            return Err(ApiError::new(code::NOT_PERMITTED, format!("`{giver}` is no holder of it")));
        }
        let commitment = private_commitment(&self.chain, &private.sender, &private.put.recipients, opening);
        if opening.payload.len() as u64 != private.put.size || commitment != private.put.commitment {
            return Err(ApiError::new(
                code::PRIVATE_MISMATCH,
                format!("what `{giver}` gave is not what the ledger commits to"),
            ));
        }
        Ok(private)
    }

    /// Whether another member's node may be given it, at `now` by this node's clock.
    ///
    /// # Errors
    /// As [`Ground::may_have`]; `not_permitted` where the asker is no holder, `private_purged` where it has purged it.
    pub(crate) fn give(&self, asker: &str, id: &Digest, now: u64) -> Result<Private, ApiError> {
        let private = self.find(id)?;
        // First of all, so that others learn nothing of it here.
        if !private.is_holder(asker) || read::barred(self.state, asker)?.is_some() {
            return Err(ApiError::new(code::NOT_PERMITTED, format!("`{asker}` is no holder of it")));
        }
        if private.is_purged_by(asker) {
            return Err(ApiError::new(code::PRIVATE_PURGED, format!("`{asker}` has purged it")));
        }
        if private.due(now).is_some() {
            return Err(ApiError::new(code::PRIVATE_PURGED, "it is to be purged"));
        }
        self.may_have(id)
    }
}

/// Whom to ask for what is missing, in order: the sender, those who said that they hold it, then the other recipients; never those
/// who have purged it.
pub(crate) fn givers(private: &Private, own: &str) -> Vec<String> {
    let said = |member: &String| private.held.iter().any(|held| held.member == *member);
    let (mut first, rest): (Vec<&String>, Vec<&String>) =
        private.holders().partition(|member| **member == private.sender || said(member));
    first.extend(rest);
    first.retain(|member| *member != own && !private.is_purged_by(member));
    first.into_iter().cloned().collect()
}

/// Asks one after the other until one gives what the ledger commits to: who gave it, what that is, and what the others answered.
pub(crate) async fn obtain<F>(
    givers: Vec<String>,
    mut ask: impl FnMut(String) -> F,
    fits: impl Fn(&str, &Opening) -> Result<(), ApiError>,
) -> Outcome
where
    F: Future<Output = Result<Opening, ApiError>>,
{
    let mut refused = Vec::new();
    for giver in givers {
        let answer = ask(giver.clone()).await;
        match answer.and_then(|opening| fits(&giver, &opening).map(|()| opening)) {
            Ok(opening) => return Outcome { found: Some((giver, opening)), refused },
            Err(error) => refused.push((giver, error)),
        }
    }
    Outcome { found: None, refused }
}

/// What came of asking.
pub(crate) struct Outcome {
    /// Who gave it, and what.
    pub(crate) found: Option<(String, Opening)>,
    /// What those said who gave nothing, or something else.
    pub(crate) refused: Vec<(String, ApiError)>,
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use contracts::message::PrivatePut;
    use contracts::record::{Bar, Barred, Cause, Held, Member, Purged, Purging};
    use crypto::kem::{PrivateKey, Suite};
    use crypto::{Label, SigningKey};

    use super::*;

    type Map = BTreeMap<Vec<u8>, Vec<u8>>;

    const CHAIN: [u8; 32] = [1; 32];
    const DATE: u64 = 10_000;

    fn id() -> Digest {
        Digest::from([3; 32])
    }

    fn opening() -> Opening {
        Opening { salt: [7; 32].into(), payload: b"the price is 100,000".to_vec().into() }
    }

    /// From `a` to `b` and `c`; `d` has nothing to do with it.
    fn private() -> Private {
        let recipients = vec!["b".to_owned(), "c".to_owned()];
        let commitment = private_commitment(&CHAIN.into(), "a", &recipients, &opening());
        let put = PrivatePut { label: "price".into(), commitment, size: 20, recipients, purge_after: Some(DATE) };
        let by = SigningKey::generate().public();
        Private { id: id(), sender: "a".into(), by, put, since: 5, purging: None, held: vec![], purged: vec![] }
    }

    fn state(private: &Private) -> Map {
        Map::from([(read::private_key(&private.id).into_bytes(), wire::to_vec(private))])
    }

    fn purged(member: &str) -> Purged {
        let key = SigningKey::generate();
        let signature = key.sign(Label::PURGE, b"");
        let (member, cause, key, transaction) = (member.into(), Cause::Member, key.public(), id());
        Purged { member, cause, at: 6, recorded: 6, key, signature, transaction }
    }

    fn code_of<T>(result: Result<T, ApiError>) -> String {
        result.err().map_or("ok".into(), |error| error.code)
    }

    fn ground<'a>(state: &'a Map, own: &'a str, time: u64) -> Ground<'a> {
        Ground { state, chain: CHAIN.into(), own, time }
    }

    #[test]
    fn only_the_very_payload_is_taken_and_only_by_and_from_holders() {
        let state = state(&private());
        let take =
            |own: &str, giver: &str, opening: &Opening| code_of(ground(&state, own, 6).take(giver, &id(), opening));
        for (own, giver) in [("b", "a"), ("c", "a"), ("b", "c"), ("a", "b")] {
            assert_eq!(take(own, giver, &opening()), "ok");
        }
        assert_eq!(take("d", "a", &opening()), "not_permitted");
        assert_eq!(take("b", "d", &opening()), "not_permitted");
        let other = Opening { payload: b"the price is 200,000".to_vec().into(), ..opening() };
        let salted = Opening { salt: [8; 32].into(), ..opening() };
        let longer = Opening { payload: b"the price is 100,000 ".to_vec().into(), ..opening() };
        for wrong in [other, salted, longer] {
            assert_eq!(take("b", "a", &wrong), "private_mismatch");
        }
        let unknown = ground(&state, "b", 6).take("a", &Digest::from([4; 32]), &opening());
        assert_eq!(code_of(unknown), "unknown_private");
        // The same commitment under another sender's name opens nothing.
        let copied = self::state(&Private { sender: "d".into(), ..private() });
        assert_eq!(code_of(ground(&copied, "b", 6).take("d", &id(), &opening())), "private_mismatch");
        let elsewhere = Ground { state: &state, chain: [2; 32].into(), own: "b", time: 6 };
        assert_eq!(code_of(elsewhere.take("a", &id(), &opening())), "private_mismatch");
    }

    #[test]
    fn only_holders_are_given_it() {
        let mut state = state(&private());
        let give = |state: &Map, asker: &str, time, now| code_of(ground(state, "b", time).give(asker, &id(), now));
        assert_eq!(["a", "c"].map(|asker| give(&state, asker, 6, 6)), ["ok", "ok"]);
        assert_eq!(give(&state, "d", 6, 6), "not_permitted");
        assert_eq!(give(&state, "", 6, 6), "not_permitted");
        // Neither past its date by a block, nor by the clock.
        assert_eq!(give(&state, "c", DATE, 6), "private_purged");
        assert_eq!(give(&state, "c", 6, DATE), "private_purged");
        assert_eq!(give(&state, "d", DATE, DATE), "not_permitted", "others learn nothing");
        assert_eq!(code_of(ground(&state, "d", 6).give("c", &id(), 6)), "not_permitted");

        let key = || SigningKey::generate().public();
        let card = contracts::message::MemberCard {
            name: "c".into(),
            operator: key(),
            node: key(),
            cosigner: key(),
            tls: id(),
            recipient: PrivateKey::generate(Suite::X25519).public().clone(),
            address: "https://c:1".into(),
        };
        let barred = Some(Barred { standing: Bar::Suspended, since: 5, proposal: id() });
        let member = Member { card, regulator: false, joined: 1, barred };
        state.insert(b"member/c".to_vec(), wire::to_vec(&member));
        state.insert(b"governance/barred".to_vec(), wire::to_vec(&1u64));
        assert_eq!((give(&state, "c", 6, 6), give(&state, "a", 6, 6)), ("not_permitted".into(), "ok".into()));
    }

    #[test]
    fn what_is_purged_neither_comes_back_nor_goes_out() {
        let ordered = Private { purging: Some(Purging { at: 6, transaction: id() }), ..private() };
        let by_c = Private { purged: vec![purged("c")], ..private() };
        let (ordered, by_c) = (state(&ordered), state(&by_c));
        assert_eq!(code_of(ground(&ordered, "b", 6).take("a", &id(), &opening())), "private_purged");
        assert_eq!(code_of(ground(&ordered, "b", 6).give("a", &id(), 6)), "private_purged");
        assert_eq!(code_of(ground(&by_c, "c", 6).take("a", &id(), &opening())), "private_purged");
        assert_eq!(code_of(ground(&by_c, "c", 6).give("b", &id(), 6)), "private_purged");
        assert_eq!(code_of(ground(&by_c, "b", 6).give("c", &id(), 6)), "private_purged");
        assert_eq!(code_of(ground(&by_c, "b", 6).give("a", &id(), 6)), "ok");
        let state = state(&private());
        assert_eq!(code_of(ground(&state, "b", DATE - 1).take("a", &id(), &opening())), "ok");
        assert_eq!(code_of(ground(&state, "b", DATE).take("a", &id(), &opening())), "private_purged");
    }

    #[test]
    fn the_sender_is_asked_first_then_who_holds_it() {
        let held = |member: &str| Held { member: member.into(), at: 6, transaction: id() };
        let mut private = private();
        private.put.recipients = ["b", "c", "e", "f"].map(str::to_owned).to_vec();
        private.held = vec![held("e")];
        private.purged = vec![purged("f")];
        assert_eq!(givers(&private, "c"), ["a", "e", "b"]);
        assert_eq!(givers(&private, "a"), ["e", "b", "c"]);
    }

    #[tokio::test]
    async fn a_liar_is_found_out_and_the_next_one_asked() {
        let state = state(&private());
        let asked = RefCell::new(Vec::new());
        let ask = |member: String| {
            asked.borrow_mut().push(member.clone());
            async move {
                match member.as_str() {
                    "away" => Err(ApiError::new(code::PEER_UNREACHABLE, "away")),
                    "liar" => Ok(Opening { payload: b"the price is 999,999".to_vec().into(), ..opening() }),
                    "other salt" => Ok(Opening { salt: [9; 32].into(), ..opening() }),
                    _ => Ok(opening()),
                }
            }
        };
        let fits = |_: &str, opening: &Opening| ground(&state, "b", 6).take("a", &id(), opening).map(drop);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let outcome = obtain(names(&["away", "liar", "other salt", "honest", "late"]), ask, fits).await;
        assert_eq!(outcome.found, Some(("honest".to_owned(), opening())));
        let refused: Vec<_> = outcome.refused.iter().map(|(who, error)| (who.as_str(), error.code.as_str())).collect();
        let expected = [("away", "peer_unreachable"), ("liar", "private_mismatch"), ("other salt", "private_mismatch")];
        assert_eq!(refused, expected);
        assert_eq!(*asked.borrow(), ["away", "liar", "other salt", "honest"]);
        let outcome = obtain(names(&["liar"]), ask, fits).await;
        assert!(outcome.found.is_none() && outcome.refused.len() == 1);
    }
}
