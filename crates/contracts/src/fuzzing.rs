//! What fuzzers feed: the arguments of every method, executed on a small consortium that ballots govern. Guided in `fuzz/`; seeded here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crypto::kem::{PrivateKey, Suite};
use crypto::{Digest, Label, SigningKey, hash};
use ledger::{
    Application, Consortium, Context, Epoch, Failure, Pair, SignedTransaction, State, Transaction, Unreadable,
    Validator, VerifiedTransaction,
};
use wire::Fixed;

use crate::message::{
    Action, Ballot, Callers, Cosigning, Founding, Install, Invite, Join, MemberCard, ModuleStore, Parameters,
    PrivateBegin, PrivatePut, Propose, Room, System, Uninstall, VerifierPlan,
};
use crate::{Contracts, DEFAULT_PARAMETERS, code, read};

/// A method by the first byte, who sends it by the second, then its arguments: refused or done, and never anything else.
pub fn arguments(bytes: &[u8]) {
    let [method, sender, arguments @ ..] = bytes else { return };
    let (contract, method) = METHODS[usize::from(*method) % METHODS.len()];
    let member = ["founder", "other"][usize::from(*sender) % 2];
    let duty = ["operator", "node"][usize::from(*sender) / 2 % 2];
    let mut state = CONSORTIUM.clone();
    match state.execute(&key(member, duty), contract, method, arguments.to_vec()) {
        Ok(()) => assert!(!read::members(&state).expect("what was written can be read").is_empty()),
        Err(failure) => {
            assert!(!failure.fatal, "{failure}");
            let own = failure.code.starts_with("x-a.");
            assert!(own || code::lookup(&failure.code).is_some(), "{failure}");
        }
    }
}

const METHODS: [(&str, &str); 39] = [
    ("governance", "propose"),
    ("governance", "ballot"),
    ("governance", "withdraw"),
    ("governance", "close"),
    ("governance", "begin"),
    ("members", "join"),
    ("members", "principal_add"),
    ("oracles", "confirm"),
    ("ordering", "seat"),
    ("ordering", "begin"),
    ("ordering", "leave"),
    ("ordering", "rotate"),
    ("assets", "register"),
    ("contracts", "offer"),
    ("requests", "apply"),
    ("verdicts", "record"),
    ("grants", "issue"),
    ("releases", "record"),
    ("governance", "veto"),
    ("triggers", "wake"),
    ("modules", "store"),
    ("modules", "drop"),
    ("modules", "sweep"),
    ("x-a", "add"),
    ("x-a", "book"),
    ("x-b", "add"),
    ("x-c", "add"),
    ("private", "begin"),
    ("private", "put"),
    ("private", "hold"),
    ("private", "purge"),
    ("private", "attest"),
    ("escrow", "deal"),
    ("escrow", "receive"),
    ("escrow", "destroy"),
    ("escrow", "contribute"),
    ("ordering", "register"),
    ("signers", "register"),
    ("members", "principal_add"),
];

const MODULES: [&[u8]; 2] = [
    include_bytes!("../../../samples/contracts/bookings/bookings-1.wasm"),
    include_bytes!("../../../samples/contracts/bookings/bookings-2.wasm"),
];

/// Two members, ballots, a contract in WebAssembly that runs and one that is being erased, and a proposal that waits for the other's.
static CONSORTIUM: LazyLock<Memory> = LazyLock::new(|| {
    let founding = wire::to_vec(&Founding { founder: card("founder"), regulator: true });
    let mut state = Memory::default();
    state.apply(Contracts.genesis(&founding).expect("a good card"));
    let token = Fixed([7; 32]);
    let invite = Invite {
        name: "other".into(),
        token: hash(Label::INVITATION, &[token.as_ref()]),
        expires: NOW + 1,
        regulator: false,
    };
    let founder = key("founder", "operator");
    let both = Some(Cosigning::MlDsa65);
    let parameters = Parameters { cosigning: both, signing: both, ..DEFAULT_PARAMETERS };
    let first = [
        (&founder, "members", "invite", wire::to_vec(&invite)),
        (
            &key("other", "operator"),
            "members",
            "join",
            wire::to_vec(&Join { card: card("other"), token, ml_dsa: None }),
        ),
        (&founder, "governance", "begin", wire::to_vec(&parameters)),
        (&founder, "governance", "propose", wire::to_vec(&proposal())),
        (&founder, "private", "begin", wire::to_vec(&PrivateBegin {})),
        (&founder, "private", "put", wire::to_vec(&put())),
    ];
    for (sender, contract, method, arguments) in first {
        state.execute(sender, contract, method, arguments).expect("the beginning keeps the rules");
    }
    let [first, second] = MODULES;
    state.stored(&founder, first);
    state.decided(Action::Install(installation("x-b", first)));
    state.execute(&founder, "x-b", "add", wire::to_vec(&("mri",))).expect("the contract takes it");
    state.decided(Action::Uninstall(Uninstall { name: "x-b".into(), erase: true }));
    state.stored(&founder, first);
    state.decided(Action::Install(installation("x-a", first)));
    state.decided(Action::Verifier(verifier(2)));
    state.stored(&founder, second);
    state
});

fn installation(name: &str, module: &[u8]) -> Install {
    let room = Room { fuel: 1_000_000, records: 10, bytes: 1_000 };
    Install { name: name.into(), module: wasm::digest(module), callers: Callers::Members, room, migration: None }
}

/// Another consortium's file, up to an epoch.
fn verifier(epochs: u64) -> VerifierPlan {
    let validators = vec![Validator::new("tideland".into(), key("tideland", "cosigner").public())];
    let epoch = |number| Epoch { number, validators: validators.clone() }.pinned(number);
    let (format, chain) = (Consortium::FORMAT.to_owned(), Digest::from([8; 32]));
    let epochs = (1..=epochs).map(epoch).collect();
    let consortium = Consortium { format, name: "Tideland".into(), chain, epochs, oracles: vec![] };
    let key = wire::to_vec(&consortium).into();
    VerifierPlan { name: "tideland".into(), system: System::LedgerState, key, replaces: None }
}

fn put() -> PrivatePut {
    let recipients = vec!["other".into()];
    PrivatePut { label: "offer".into(), commitment: *CHAIN, size: 7, recipients, purge_after: Some(NOW + 1) }
}

fn proposal() -> Propose {
    let changed = Parameters { open: 2, ..DEFAULT_PARAMETERS };
    Propose { action: Action::Parameters(changed), expires: NOW + 1, reason: "fewer".into() }
}

fn key(member: &str, duty: &str) -> SigningKey {
    SigningKey::from_seed(hash(Label::KEY_ID, &[member.as_bytes(), duty.as_bytes()]).as_bytes())
}

fn card(member: &str) -> MemberCard {
    static RECIPIENT: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate(Suite::X25519));
    let [operator, node, cosigner] = ["operator", "node", "cosigner"].map(|duty| key(member, duty).public());
    let (tls, recipient) = (hash(Label::KEY_ID, &[member.as_bytes()]), RECIPIENT.public().clone());
    MemberCard { name: member.into(), operator, node, cosigner, tls, recipient, address: "https://host:1".into() }
}

/// The state in memory.
#[derive(Clone, Default)]
struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

impl Memory {
    fn apply(&mut self, writes: Vec<ledger::Write>) {
        for ledger::Write { key, value } in writes {
            match value {
                Some(value) => _ = self.0.insert(key, value),
                None => _ = self.0.remove(&key),
            }
        }
    }

    fn stored(&mut self, sender: &SigningKey, module: &[u8]) {
        let store = wire::to_vec(&ModuleStore { module: module.to_vec().into() });
        self.execute(sender, "modules", "store", store).expect("a good module");
    }

    /// Has both members vote for it.
    fn decided(&mut self, action: Action) {
        let (founder, other) = (key("founder", "operator"), key("other", "operator"));
        let propose = wire::to_vec(&Propose { action, expires: NOW + 1, reason: String::new() });
        let proposal = signed(&founder, "governance", "propose", propose.clone()).id();
        self.execute(&founder, "governance", "propose", propose).expect("a good proposal");
        let ballot = wire::to_vec(&Ballot { proposal, yes: true });
        self.execute(&other, "governance", "ballot", ballot).expect("it can be done");
    }

    fn execute(
        &mut self,
        sender: &SigningKey,
        contract: &str,
        method: &str,
        arguments: Vec<u8>,
    ) -> Result<(), Failure> {
        let signed = self::signed(sender, contract, method, arguments);
        let Ok(verified) = VerifiedTransaction::verify(signed, &CHAIN) else { return Ok(()) };
        let context = Context { chain: *CHAIN, height: 1, time: NOW, position: 0 };
        let effects = Contracts.execute(self, &context, &verified)?;
        self.apply(effects.writes);
        Ok(())
    }
}

fn signed(sender: &SigningKey, contract: &str, method: &str, arguments: Vec<u8>) -> SignedTransaction {
    let transaction = Transaction {
        chain: *CHAIN,
        sender: sender.public(),
        nonce: Fixed([1; 16]),
        expires: NOW + 1,
        contract: contract.into(),
        method: method.into(),
        arguments: arguments.into(),
    };
    transaction.sign(sender)
}

impl State for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Unreadable> {
        let from = self.0.range(prefix.to_vec()..).filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after));
        let pairs = from.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(pairs.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

static CHAIN: LazyLock<Digest> = LazyLock::new(|| Digest::from([9; 32]));
const NOW: u64 = 1_795_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crypto::escrow::{Dealing, EscrowKey, Polynomial, Round, Wrap};
    use crypto::kem::Sealed;
    use crypto::{Secret, mldsa};

    use crate::message::{
        Ballot, EscrowContribute, EscrowDeal, EscrowDestroy, EscrowOpen, EscrowPlan, EscrowReceive, Issuer, ModuleDrop,
        ModuleState, OraclePlan, OrderingRotate, PrincipalAdd, PrivateNamed, ProposalState, Recover, Registration,
        SignerRegister, VerifierName, Wake, recovery, registration,
    };
    use crate::record::Role;

    /// Well-formed arguments, by method and sender.
    fn seeds() -> Vec<Vec<u8>> {
        let founder = key("founder", "operator");
        let open = signed(&founder, "governance", "propose", wire::to_vec(&proposal())).id();
        let issuer = Issuer { name: "college".into(), key: founder.public(), claims: vec!["a".into()] };
        let invite = Invite { name: "third".into(), token: *CHAIN, expires: NOW + 2, regulator: true };
        let plan = OraclePlan { threshold: 2, participants: vec!["founder".into(), "other".into()] };
        let named: [fn(String) -> Action; 5] =
            [Action::Suspend, Action::Reinstate, Action::Remove, Action::Enter, Action::Leave];
        let mut actions: Vec<Action> = named.map(|action| action("other".into())).to_vec();
        actions.extend([
            Action::Admit(invite),
            Action::Accredit(issuer),
            Action::Disown(founder.public()),
            Action::Oracles(plan),
            Action::Parameters(DEFAULT_PARAMETERS),
            Action::Recover(recover()),
            Action::Install(Install {
                migration: Some(wire::to_vec(&(7_u64,)).into()),
                callers: Callers::Roles(vec![Role::Owner, Role::Device]),
                ..installation("x-a", MODULES[1])
            }),
            Action::Install(installation("x-c", MODULES[1])),
            Action::Uninstall(Uninstall { name: "x-a".into(), erase: false }),
            Action::Escrow(EscrowPlan { threshold: 2, agents: vec!["founder".into(), "other".into()], fresh: false }),
            Action::Open(EscrowOpen { asset: *CHAIN, wrap: wrap(), recipient: card("other").recipient }),
            Action::Verifier(VerifierPlan { name: "elsewhere".into(), ..verifier(3) }),
            Action::Verifier(VerifierPlan { replaces: Some(registered()), ..verifier(3) }),
            Action::Retire(VerifierName { name: "tideland".into(), verifier: registered() }),
        ]);
        let propose = |action| Propose { action, expires: NOW + 5, reason: "a\nb".into() };
        let mut seeds: Vec<Vec<u8>> =
            actions.into_iter().map(|action| [&[0, 0][..], &wire::to_vec(&propose(action))].concat()).collect();
        for yes in [true, false] {
            seeds.push([&[1, 1][..], &wire::to_vec(&Ballot { proposal: open, yes })].concat());
        }
        for method in [2, 3] {
            seeds.push([&[method, 0][..], &wire::to_vec(&ProposalState { proposal: open })].concat());
        }
        seeds.push([&[4, 0][..], &wire::to_vec(&DEFAULT_PARAMETERS)].concat());
        seeds.push([&[18, 1][..], &wire::to_vec(&ProposalState { proposal: open })].concat());
        seeds.push([&[19, 0][..], &wire::to_vec(&Wake { height: 7 })].concat());
        for (method, arguments) in [
            (20, wire::to_vec(&ModuleStore { module: MODULES[0].to_vec().into() })),
            (21, wire::to_vec(&ModuleDrop {})),
            (22, wire::to_vec(&ModuleState { name: "x-b".into() })),
            (23, wire::to_vec(&("mri",))),
            (24, wire::to_vec(&("mri", NOW / 86_400_000 + 1))),
            (25, wire::to_vec(&("mri",))),
            (27, wire::to_vec(&PrivateBegin {})),
            (28, wire::to_vec(&PrivatePut { purge_after: None, ..put() })),
            (29, wire::to_vec(&PrivateNamed { private: private() })),
            (30, wire::to_vec(&PrivateNamed { private: private() })),
            (32, wire::to_vec(&EscrowDeal { proposal: open, dealing: dealing() })),
            (33, wire::to_vec(&EscrowReceive { proposal: open, dealers: vec![1, 2] })),
            (34, wire::to_vec(&EscrowDestroy { epoch: 1 })),
            (35, wire::to_vec(&EscrowContribute { proposal: open, sealed: sealed() })),
        ] {
            seeds.push([&[method, 0][..], &arguments].concat());
        }
        let ml_dsa = |member: &str| {
            let key = mldsa::SigningKey::from_seed(Secret::new(*hash(Label::KEY_ID, &[member.as_bytes()]).as_bytes()));
            let possession = key.sign(Label::COSIGNER, &registration(&CHAIN, member, &key.public()));
            Registration { key: key.public(), possession }
        };
        seeds.push([&[36, 2][..], &wire::to_vec(&ml_dsa("founder"))].concat());
        let second = mldsa::SigningKey::from_seed(Secret::new([4; 32]));
        let statement = crate::signers::statement(&CHAIN, &founder.public(), &second.public());
        let possession = second.sign(Label::SIGNER, &statement);
        let register = SignerRegister { key: second.public(), possession: possession.clone(), handover: None };
        seeds.push([&[37, 0][..], &wire::to_vec(&register)].concat());
        let add =
            PrincipalAdd { name: "clerk".into(), key: key("founder", "clerk").public(), roles: vec![Role::Owner] };
        let add = wire::to_vec(&add);
        seeds.push(
            [&[38, 0][..], &crate::signers::join("members", "principal_add", &add, &possession).unwrap()].concat(),
        );
        let rotate = OrderingRotate { key: key("other", "new").public(), ml_dsa: Some(ml_dsa("other")) };
        seeds.push([&[11, 3][..], &wire::to_vec(&rotate)].concat());
        seeds
    }

    fn registered() -> Digest {
        let VerifierPlan { system, key, .. } = verifier(2);
        crate::verifier_digest(system, &key)
    }

    fn private() -> Digest {
        signed(&key("founder", "operator"), "private", "put", wire::to_vec(&put())).id()
    }

    fn wrap() -> Wrap {
        let key = EscrowKey(dealing().commitments[0]);
        Wrap::seal(&key, &CHAIN, &Secret::new([3; 32])).unwrap()
    }

    fn dealing() -> Dealing {
        let round = Round::new(*CHAIN, 2, 2).unwrap();
        Polynomial::fresh(&round).dealing(&round, 1)
    }

    fn sealed() -> Sealed {
        crypto::kem::seal(&card("other").recipient, b"", b"", b"a partial opening").unwrap()
    }

    fn recover() -> Recover {
        let (new, until) = (key("other", "new"), NOW + 10);
        let statement = recovery(&CHAIN, "other", &new.public(), until);
        let possession = new.sign(Label::RECOVERY, &statement);
        Recover { member: "other".into(), key: new.public(), until, possession }
    }

    #[test]
    fn the_seeds_reach_the_rules() {
        // The other's vote decides, for or against; the proposer withdraws.
        let done = |seed: &[u8]| {
            let (contract, method) = METHODS[usize::from(seed[0])];
            let (member, duty) = (usize::from(seed[1]) % 2, usize::from(seed[1]) / 2);
            let sender = key(["founder", "other"][member], ["operator", "node"][duty]);
            CONSORTIUM.clone().execute(&sender, contract, method, seed[2..].to_vec()).is_ok()
        };
        let seeds = seeds();
        assert!(seeds.iter().filter(|seed| done(seed)).count() >= 6);
        assert!(seeds.iter().filter(|seed| [1, 11, 36, 37].contains(&seed[0])).all(|seed| done(seed)));
        seeds.iter().for_each(|seed| arguments(seed));
    }

    proptest! {
        #[test]
        fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            arguments(&bytes);
        }

        #[test]
        fn what_is_nearly_right_is_refused_or_done(
            which in any::<prop::sample::Index>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let seeds = seeds();
            let mut bytes = which.get(&seeds).clone();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            arguments(&bytes);
        }
    }
}
