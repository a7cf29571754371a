//! What fuzzers feed: the arguments of every method, executed on a small consortium that ballots govern. Guided in `fuzz/`; seeded here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crypto::kem::{PrivateKey, Suite};
use crypto::{Digest, Label, Secret, SigningKey, hash};
use ledger::{
    Application, Consortium, Context, Epoch, Failure, Pair, SignedTransaction, State, Transaction, Unreadable,
    Validator, VerifiedTransaction,
};
use policy::{Adversary, Approvals, GrantTerms, Means, Terms, Visibility, Window};
use wire::Fixed;

use crate::message::{
    Action, Apply, Approve, AssetRegister, Ballot, Callers, Commitment, ContractVersion, Cosigning, Founding,
    GrantIssue, Install, Invite, Join, Judged, MemberCard, ModuleStore, Offer, OraclesConfirm, Parameters,
    PrincipalAdd, PrivateBegin, PrivatePut, Propose, Room, System, Uninstall, Verdict, VerdictRecord, VerifierPlan,
};
use crate::record::Role;
use crate::{Contracts, DEFAULT_PARAMETERS, code, read};

/// A method by the first byte, who sends it by the second, and whether contracts are signed twice ([`TWICE`]), then its arguments: refused
/// or done, and never anything else.
pub fn arguments(bytes: &[u8]) {
    let [method, sender, arguments @ ..] = bytes else { return };
    let (contract, method) = METHODS[usize::from(*method) % METHODS.len()];
    let (mut state, sender) = sent(*sender);
    match state.execute(&sender, contract, method, arguments.to_vec()) {
        Ok(()) => assert!(!read::members(&state).expect("what was written can be read").is_empty()),
        Err(failure) => {
            assert!(!failure.fatal, "{failure}");
            let own = failure.code.starts_with("x-a.");
            assert!(own || code::lookup(&failure.code).is_some(), "{failure}");
        }
    }
}

/// The consortium, and the key of the sender.
fn sent(sender: u8) -> (Memory, SigningKey) {
    let state = if sender & TWICE == 0 { &CONSORTIUM } else { &SIGNED_TWICE };
    let sender = usize::from(sender & !TWICE);
    (Memory::clone(state), key(["founder", "other"][sender % 2], DUTIES[sender / 2 % DUTIES.len()]))
}

/// In the second byte: the members have decided that contracts are signed twice.
const TWICE: u8 = 0x80;

const DUTIES: [&str; 3] = ["operator", "node", "person"];

const METHODS: &[(&str, &str)] = &[
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
    ("members", "invite"),
    ("members", "principal_revoke"),
    ("members", "issuer_accredit"),
    ("members", "issuer_revoke"),
    ("ordering", "enter"),
    ("assets", "retire"),
    ("contracts", "amend"),
    ("contracts", "suspend"),
    ("contracts", "resume"),
    ("contracts", "revoke"),
    ("requests", "cancel"),
    ("requests", "decline"),
    ("requests", "approve"),
    ("grants", "revoke"),
    ("results", "record"),
    ("results", "destroy"),
];

const MODULES: [&[u8]; 2] = [
    include_bytes!("../../../samples/contracts/bookings/bookings-1.wasm"),
    include_bytes!("../../../samples/contracts/bookings/bookings-2.wasm"),
];

/// Two members, ballots, a contract in WebAssembly that runs and one that is being erased, and a proposal that waits for the other's vote;
/// an asset under a contract, a request that waits for the verdict and one with a grant.
static CONSORTIUM: LazyLock<Memory> = LazyLock::new(|| consortium(None));
static SIGNED_TWICE: LazyLock<Memory> = LazyLock::new(|| consortium(Some(Cosigning::MlDsa65)));

fn consortium(signing: Option<Cosigning>) -> Memory {
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
    let parameters = Parameters { cosigning: Some(Cosigning::MlDsa65), signing, ..DEFAULT_PARAMETERS };
    let first = [
        (&founder, "members", "invite", wire::to_vec(&invite)),
        (
            &key("other", "operator"),
            "members",
            "join",
            wire::to_vec(&Join { card: card("other"), token, ml_dsa: None }),
        ),
        (&key("founder", "node"), "oracles", "confirm", wire::to_vec(&oracles())),
        (&key("other", "node"), "oracles", "confirm", wire::to_vec(&oracles())),
        (&founder, "members", "principal_add", wire::to_vec(&person("founder"))),
        (&key("other", "operator"), "members", "principal_add", wire::to_vec(&person("other"))),
        (&key("founder", "node"), "assets", "register", wire::to_vec(&asset("trial"))),
        (&key("founder", "person"), "contracts", "offer", wire::to_vec(&Offer { terms: terms() })),
        (&key("founder", "person"), "requests", "apply", wire::to_vec(&apply())),
        (&key("founder", "person"), "requests", "approve", wire::to_vec(&approve("founder"))),
        (&key("other", "person"), "requests", "apply", wire::to_vec(&apply())),
        (&key("founder", "person"), "requests", "approve", wire::to_vec(&approve("other"))),
        (&key("other", "node"), "verdicts", "record", wire::to_vec(&verdict("other"))),
        (&key("founder", "node"), "grants", "issue", wire::to_vec(&issue("other"))),
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
}

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

fn oracles() -> OraclesConfirm {
    let participants = vec!["founder".into(), "other".into()];
    OraclesConfirm {
        epoch: 1,
        threshold: 2,
        participants,
        key: key("oracles", "group").public(),
        group: vec![7].into(),
    }
}

/// Somebody of a member's, who does all that persons do.
fn person(member: &str) -> PrincipalAdd {
    let roles = vec![Role::Owner, Role::Requester, Role::Approver];
    PrincipalAdd { name: "person".into(), key: key(member, "person").public(), roles }
}

fn asset(name: &str) -> AssetRegister {
    let commitment =
        Commitment { suite: crate::SEALED_OBJECT.into(), params: CHAIN.as_bytes().to_vec().into(), root: *CHAIN };
    AssetRegister {
        name: name.into(),
        kind: "table".into(),
        columns: vec!["arm".into(), "age".into()],
        commitments: vec![commitment],
        segments: 3,
        suite: Suite::X25519,
    }
}

/// The terms under which both members' persons have asked for the founder's asset.
fn terms() -> Terms {
    Terms {
        asset: crate::assets::identity(&CHAIN, "founder", "trial"),
        means: Means::Release,
        visibility: Visibility::Private,
        purposes: vec!["research".into()],
        window: Window { not_before: NOW - 1, not_after: NOW + 86_400_000 },
        approvals: Approvals { required: 1, approvers: vec![key("founder", "person").public()] },
        evidence: vec![],
        grant: GrantTerms { seconds: 5, uses: 1 },
        program: None,
        minimum_group: 0,
        adversary: Adversary::SemiHonest,
        max_corrupt: 0,
        tolerate_dropouts: 0,
        helpers: vec![],
        fee: None,
        privacy_budget: None,
        policy: *CHAIN,
        particulars: *CHAIN,
        disclosed: None,
    }
}

fn offered() -> ContractVersion {
    let offer = wire::to_vec(&Offer { terms: terms() });
    ContractVersion { contract: signed(&key("founder", "person"), "contracts", "offer", offer).id(), version: 1 }
}

fn apply() -> Apply {
    let ephemeral = RECIPIENT.public().clone();
    let (contracts, purpose) = (vec![offered()], "research".into());
    Apply { contracts, purpose, ephemeral, justification: *CHAIN, evidence: vec![] }
}

fn request(member: &str) -> Digest {
    signed(&key(member, "person"), "requests", "apply", wire::to_vec(&apply())).id()
}

fn approve(member: &str) -> Approve {
    Approve { request: request(member), contract: offered().contract, approve: true }
}

fn verdict(member: &str) -> VerdictRecord {
    let approvals = vec![key("founder", "person").public()];
    let verdict = Verdict {
        chain: *CHAIN,
        epoch: 1,
        request: request(member),
        contracts: vec![Judged { contract: offered(), terms: terms().digest(), policy: *CHAIN, approvals }],
        appraisals: vec![],
        decision: code::OK.into(),
        owner_asserted: vec![],
        decided: NOW,
        not_after: NOW + 600_000,
    };
    let signature = key("oracles", "group").sign(Label::VERDICT, &wire::to_vec(&verdict));
    VerdictRecord { verdict, signature, signers: vec!["founder".into(), "other".into()] }
}

fn issue(member: &str) -> GrantIssue {
    GrantIssue { request: request(member), contract: offered().contract, not_before: NOW, not_after: NOW + 5_000 }
}

fn key(member: &str, duty: &str) -> SigningKey {
    SigningKey::from_seed(hash(Label::KEY_ID, &[member.as_bytes(), duty.as_bytes()]).as_bytes())
}

fn card(member: &str) -> MemberCard {
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

/// The same in every process: what was found in one is found again.
static RECIPIENT: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::from_secret(Suite::X25519, Secret::new(vec![7; 32])).expect("any 32 bytes are a key"));
static CHAIN: LazyLock<Digest> = LazyLock::new(|| Digest::from([9; 32]));
const NOW: u64 = 1_795_000_000_000;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;
    use crypto::escrow::{Dealing, EscrowKey, Polynomial, Round, Wrap};
    use crypto::kem::Sealed;
    use crypto::mldsa;

    use crate::message::{
        Ballot, EscrowContribute, EscrowDeal, EscrowDestroy, EscrowOpen, EscrowPlan, EscrowReceive, Issuer, ModuleDrop,
        ModuleState, OraclePlan, OrderingRotate, PrincipalAdd, PrivateNamed, ProposalState, Recover, Registration,
        SignerRegister, VerifierName, Wake, recovery, registration,
    };

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
        seeds.push([&[37, TWICE][..], &wire::to_vec(&register)].concat());
        let add =
            PrincipalAdd { name: "clerk".into(), key: key("founder", "clerk").public(), roles: vec![Role::Owner] };
        let add = wire::to_vec(&add);
        seeds.push(
            [&[38, TWICE][..], &crate::signers::join("members", "principal_add", &add, &possession).unwrap()].concat(),
        );
        let rotate = OrderingRotate { key: key("other", "new").public(), ml_dsa: Some(ml_dsa("other")) };
        seeds.push([&[11, 3][..], &wire::to_vec(&rotate)].concat());
        seeds.extend(about_assets());
        seeds
    }

    /// What the founder's and the other's people and nodes do about assets, contracts and requests.
    fn about_assets() -> Vec<Vec<u8>> {
        use crate::message::{
            Amend, AssetRetire, Cancel, ContractState, Decline, Destroy, GrantRevoke, OrderingPlace, PrincipalRevoke,
            ReleaseRecord, ResultRecord, redemption,
        };

        let (contract, granted, open) = (offered().contract, request("other"), request("founder"));
        let grant = signed(&key("founder", "node"), "grants", "issue", wire::to_vec(&issue("other"))).id();
        let possession = key("other", "person").sign(Label::PROOF_OF_POSSESSION, &redemption(&CHAIN, &grant, NOW));
        let release =
            ReleaseRecord { grant, root: *CHAIN, stanzas: *CHAIN, suite: Suite::X25519, possession, signed: NOW };
        let disclosed = policy::Disclosed {
            salt: Fixed([7; 32]),
            particulars: policy::Particulars {
                title: "Trial".into(),
                description: "All rows.".into(),
                policy: "permit(principal, action, resource);".into(),
                retention_days: Some(30),
                jurisdictions: vec!["EU".into()],
            },
        };
        let told = Terms {
            visibility: Visibility::Consortium,
            policy: disclosed.policy_digest(),
            particulars: disclosed.commitment(),
            disclosed: Some(disclosed),
            ..terms()
        };
        let text = "minimum_group = 10\noutputs = [{ name = \"people\", count = \"*\" }]";
        let program = query::Program::from_toml(text).unwrap();
        let computed = Terms {
            means: Means::Compute,
            approvals: Approvals { required: 0, approvers: vec![] },
            program: Some(program.to_bytes().into()),
            minimum_group: 10,
            max_corrupt: 1,
            ..terms()
        };
        let result = ResultRecord {
            request: granted,
            party: "founder".into(),
            run: Fixed([7; 16]),
            session: crate::session(&granted),
            protocol: crate::ADDITIVE.into(),
            adversary: "semi-honest".into(),
            parties: vec!["founder".into(), "other".into()],
            program: program.digest(),
            share: *CHAIN,
            transcript: *CHAIN,
            simulated: false,
        };
        let invite = Invite { name: "third".into(), token: *CHAIN, expires: NOW + 2, regulator: false };
        let issuer =
            Issuer { name: "college".into(), key: key("college", "issuer").public(), claims: vec!["a".into()] };
        let state = wire::to_vec(&ContractState { contract });
        let ended = wire::to_vec(&Cancel { request: open });
        let declined = Decline { request: open, contract, code: code::OBJECTED.code.into() };
        let seeds = [
            (("assets", "register"), 3, wire::to_vec(&asset("second"))),
            (("contracts", "offer"), 4, wire::to_vec(&Offer { terms: told.clone() })),
            (("contracts", "offer"), 0, wire::to_vec(&Offer { terms: computed })),
            (("requests", "apply"), 5, wire::to_vec(&Apply { justification: request("other"), ..apply() })),
            (("verdicts", "record"), 2, wire::to_vec(&verdict("founder"))),
            (("grants", "issue"), 2, wire::to_vec(&issue("founder"))),
            (("releases", "record"), 2, wire::to_vec(&release)),
            (("members", "invite"), 0, wire::to_vec(&invite)),
            (
                ("members", "principal_revoke"),
                1,
                wire::to_vec(&PrincipalRevoke { key: key("other", "person").public() }),
            ),
            (("members", "issuer_accredit"), 0, wire::to_vec(&issuer)),
            (("members", "issuer_revoke"), 0, wire::to_vec(&issuer)),
            (("ordering", "enter"), 1, wire::to_vec(&OrderingPlace { member: "other".into() })),
            (("assets", "retire"), 2, wire::to_vec(&AssetRetire { asset: terms().asset })),
            (("contracts", "amend"), 4, wire::to_vec(&Amend { contract, terms: told })),
            (("contracts", "suspend"), 0, state.clone()),
            (("contracts", "resume"), 0, state.clone()),
            (("contracts", "revoke"), 4, state),
            (("requests", "cancel"), 4, ended),
            (("requests", "decline"), 2, wire::to_vec(&declined)),
            (("requests", "approve"), 4, wire::to_vec(&Approve { approve: false, ..approve("founder") })),
            (("grants", "revoke"), 2, wire::to_vec(&GrantRevoke { grant })),
            (("results", "record"), 2, wire::to_vec(&result)),
            (("results", "destroy"), 2, wire::to_vec(&Destroy { request: granted })),
        ];
        let place = |named| METHODS.iter().position(|method| *method == named).unwrap() as u8;
        let one = |(method, sender, arguments): (_, u8, Vec<u8>)| [&[place(method), sender][..], &arguments].concat();
        seeds.into_iter().map(one).collect()
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
            let (mut state, sender) = sent(seed[1]);
            state.execute(&sender, contract, method, seed[2..].to_vec()).is_ok()
        };
        let seeds = seeds();
        assert!(seeds.iter().filter(|seed| done(seed)).count() >= 6);
        assert!(seeds.iter().filter(|seed| [1, 11, 36, 37].contains(&seed[0])).all(|seed| done(seed)));
        seeds.iter().for_each(|seed| arguments(seed));
        let allowed = [
            ("assets", "register"),
            ("requests", "apply"),
            ("verdicts", "record"),
            ("releases", "record"),
            ("assets", "retire"),
            ("contracts", "amend"),
            ("contracts", "suspend"),
            ("contracts", "revoke"),
            ("requests", "cancel"),
            ("requests", "decline"),
            ("grants", "revoke"),
        ];
        for seed in about_assets() {
            let named = METHODS[usize::from(seed[0])];
            assert!(done(&seed) || !allowed.contains(&named), "{named:?}");
        }
    }

    #[test]
    fn fuzz_seeds() {
        for (at, bytes) in seeds().iter().enumerate() {
            arguments(bytes);
            keep("contract_arguments", at, bytes);
        }
    }

    /// Gives a sample to the guided target of that name, where the environment says where its corpus is.
    fn keep(name: &str, at: usize, bytes: &[u8]) {
        let Some(corpus) = std::env::var_os("FUZZ_CORPUS") else { return };
        let place = std::path::Path::new(&corpus).join(name);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join(format!("seed-{at}")), bytes).unwrap();
    }

    /// Well-formed arguments with a few bytes changed and some cut off.
    fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
        let change = (any::<prop::sample::Index>(), any::<u8>());
        let cut = prop::option::of(any::<prop::sample::Index>());
        (any::<prop::sample::Index>(), prop::collection::vec(change, 1..4), cut).prop_map(|(which, changes, cut)| {
            let mut bytes = which.get(SEEDS.as_slice()).clone();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            bytes
        })
    }

    static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(seeds);

    proptest! {
        #[test]
        fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            arguments(&bytes);
        }

        #[test]
        fn what_is_nearly_right_is_refused_or_done(bytes in nearly_right()) {
            arguments(&bytes);
        }
    }

    #[test]
    #[ignore = "fuzz: half a minute, run by .ci/run"]
    fn fuzz_minute() {
        let inputs = prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..200), 9 => nearly_right()];
        let fed = |bytes: Vec<u8>| {
            arguments(&bytes);
            Ok(())
        };
        let (begun, mut cases) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(30) {
            let mut runner = TestRunner::new(ProptestConfig { cases: 200, ..ProptestConfig::default() });
            runner.run(&inputs, fed).expect("refused or done");
            cases += 200;
        }
        eprintln!("contract_arguments: {cases} inputs");
    }
}
