//! A consortium in memory: the contracts over an ordered map, with the demo's cast.

use std::cell::Cell;
use std::collections::BTreeMap;

use contracts::message::{
    Apply, Appraisal, AssetRegister, Commitment, ContractVersion, Cosigning, EvidenceCommitment, Founding, GrantIssue,
    Invite, Join, Judged, MemberCard, Offer, OraclesConfirm, Parameters, PrincipalAdd, ReleaseRecord, ResultRecord,
    SignerRegister, Verdict, VerdictRecord, redemption,
};
use contracts::record::Role;
use contracts::{Contracts, GRANT_SKEW, read, session, signers};
use crypto::kem::{PrivateKey, RecipientKey, Suite};
use crypto::{Digest, Label, PublicKey, Secret, SigningKey, hash, mldsa};
use ledger::{
    Application, Checkpoint, Committed, Consortium, Context, Genesis, Outcome, Pair, State, Transaction, Unreadable,
    VerifiedReceipt, VerifiedTransaction, Write,
};
use minicbor::Encode;
use policy::{
    Adversary, Approvals, Disclosed, EvidenceRule, GrantTerms, Means, Particulars, Terms, Visibility, Window,
};
use query::Program;
use wire::{Bytes, Fixed};

pub(crate) const START: u64 = 1_795_000_000_000;
pub(crate) const HOUR: u64 = 3_600_000;
pub(crate) const HOSPITALS: [&str; 3] = ["st-anna", "riverside", "northgate"];

#[derive(Default)]
pub(crate) struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

impl Memory {
    fn apply(&mut self, writes: Vec<Write>) {
        for Write { key, value } in writes {
            assert!(key.is_ascii() && key.len() <= 256);
            match value {
                Some(value) => _ = self.0.insert(key, value),
                None => _ = self.0.remove(&key),
            }
        }
    }
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

/// The keys of a member.
pub(crate) struct Keys {
    pub(crate) operator: SigningKey,
    pub(crate) node: SigningKey,
    pub(crate) cosigner: SigningKey,
}

pub(crate) struct World {
    pub(crate) state: Memory,
    pub(crate) chain: Digest,
    pub(crate) now: u64,
    pub(crate) log: Vec<Committed>,
    /// The time of each block, which is a transaction's.
    pub(crate) times: Vec<u64>,
    nonce: u64,
}

thread_local! {
    /// Goes into every key: another cast, who can only pretend to be this one.
    pub(crate) static CAST: Cell<&'static str> = const { Cell::new("") };
}

pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(hash(Label::KEY_ID, &[CAST.get().as_bytes(), name.as_bytes()]).as_bytes())
}

pub(crate) fn keys(member: &str) -> Keys {
    let of = |duty: &str| key(&format!("{member}/{duty}"));
    Keys { operator: of("operator"), node: of("node"), cosigner: of("cosigner") }
}

pub(crate) fn genesis() -> Genesis {
    let founding = Founding { founder: card("health-authority"), regulator: true };
    let application = wire::to_vec(&founding).into();
    Genesis { name: "trial".into(), created: START - HOUR, application, nonce: Fixed([9; 16]) }
}

pub(crate) fn digest(text: &str) -> Digest {
    hash(Label::KEY_ID, &[text.as_bytes()])
}

pub(crate) fn card(member: &str) -> MemberCard {
    let Keys { operator, node, cosigner } = keys(member);
    MemberCard {
        name: member.into(),
        operator: operator.public(),
        node: node.public(),
        cosigner: cosigner.public(),
        tls: digest(&format!("{member}/tls")),
        recipient: recipient(),
        address: "https://127.0.0.1:7001".into(),
    }
}

pub(crate) fn recipient() -> RecipientKey {
    static KEY: std::sync::OnceLock<RecipientKey> = std::sync::OnceLock::new();
    KEY.get_or_init(|| PrivateKey::generate(Suite::X25519).public().clone()).clone()
}

impl World {
    /// The founder alone, a regulator.
    pub(crate) fn founded() -> Self {
        let genesis = genesis();
        let mut state = Memory::default();
        state.apply(Contracts.genesis(&genesis.application).unwrap());
        Self { state, chain: genesis.chain(), now: START, log: vec![], times: vec![], nonce: 0 }
    }

    /// Four members, northgate's principals, an issuer, oracles, assets.
    pub(crate) fn ready() -> Self {
        Self::founded().settled()
    }

    pub(crate) fn settled(mut self) -> Self {
        for name in HOSPITALS {
            self.join(name).unwrap();
        }
        for name in ["approver-1", "approver-2", "approver-3"] {
            self.principal("northgate", name, Role::Approver).unwrap();
        }
        self.principal("northgate", "owner", Role::Owner).unwrap();
        for name in HOSPITALS {
            self.send(&keys(name).node, "oracles.confirm", &oracles(1)).unwrap();
            self.send(&keys(name).node, "assets.register", &asset("trial")).unwrap();
        }
        self
    }

    /// What the ledger does by itself before a block.
    fn due(&mut self, context: &Context) -> Vec<ledger::Event> {
        let mut used = 0;
        let mut events = Vec::new();
        for _ in 0..ledger::Limits::V1.due {
            let Some(effects) = Contracts.due(&self.state, context, &mut used).unwrap() else { break };
            assert_eq!(effects.events[0].name, "trigger.ran");
            self.state.apply(effects.writes);
            events.extend(effects.events);
        }
        events
    }

    pub(crate) fn send<T: Encode<()>>(
        &mut self,
        sender: &SigningKey,
        method: &str,
        arguments: &T,
    ) -> Result<Digest, String> {
        self.send_bytes(sender, method, wire::to_vec(arguments))
    }

    pub(crate) fn send_bytes(
        &mut self,
        sender: &SigningKey,
        method: &str,
        arguments: Vec<u8>,
    ) -> Result<Digest, String> {
        self.send_made(sender, method, arguments, |transaction| transaction.arguments.to_vec())
    }

    /// As [`World::send_bytes`], with other arguments that are made of the transaction.
    pub(crate) fn send_made(
        &mut self,
        sender: &SigningKey,
        method: &str,
        arguments: Vec<u8>,
        make: impl FnOnce(&Transaction) -> Vec<u8>,
    ) -> Result<Digest, String> {
        let (contract, method) = method.split_once('.').unwrap();
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_be_bytes());
        let mut transaction = Transaction {
            chain: self.chain,
            sender: sender.public(),
            nonce: Fixed(nonce),
            expires: self.now + HOUR,
            contract: contract.into(),
            method: method.into(),
            arguments: arguments.into(),
        };
        transaction.arguments = make(&transaction).into();
        let verified = VerifiedTransaction::verify(transaction.sign(sender), &self.chain).unwrap();
        let index = self.log.len() as u64;
        let orders = read::quorum(&self.state).unwrap();
        let context = Context { chain: self.chain, height: index + 1, time: self.now, position: 0 };
        let mut due = self.due(&context);
        let mut outcome = match Contracts.execute(&self.state, &context, &verified) {
            Ok(effects) => {
                // Contracts in WebAssembly say as much or as little as they like.
                let ours = !contract.starts_with(contracts::PREFIX) && method != "sweep";
                assert!(!ours || effects.writes.len() <= 100 && !effects.events.is_empty());
                self.state.apply(effects.writes);
                Outcome { code: "ok".into(), events: effects.events }
            }
            Err(failure) => {
                assert!(!failure.fatal, "{failure}");
                // Contracts in WebAssembly have codes of their own, under their names.
                let own = failure.code.starts_with(contracts::PREFIX);
                assert!(own || contracts::code::lookup(&failure.code).is_some(), "{failure}");
                Outcome { code: failure.code.into_owned(), events: vec![] }
            }
        };
        outcome.events.append(&mut due);
        // Nodes look for a change of who orders after these only.
        let changed = read::quorum(&self.state).unwrap() != orders;
        assert!(!changed || contracts::may_pass_on(contract, method), "{contract}.{method} passed the ordering on");
        let id = verified.id();
        let code = outcome.code.clone();
        self.times.push(self.now);
        self.log.push(Committed {
            index,
            height: index + 1,
            position: 0,
            transaction: verified.into_signed(),
            outcome,
        });
        if code == "ok" { Ok(id) } else { Err(code) }
    }

    /// Signed twice, the second time with this key.
    pub(crate) fn send_twice<T: Encode<()>>(
        &mut self,
        sender: &SigningKey,
        second: &mldsa::SigningKey,
        method: &str,
        arguments: &T,
    ) -> Result<Digest, String> {
        self.send_made(sender, method, wire::to_vec(arguments), |transaction| twice_signed(transaction, second))
    }

    /// Has ballots govern and contracts be signed twice.
    pub(crate) fn begin_signing(&mut self) {
        let signing = Some(Cosigning::MlDsa65);
        let parameters = Parameters { recovery: None, signing, ..contracts::DEFAULT_PARAMETERS };
        self.send(&keys("health-authority").operator, "governance.begin", &parameters).unwrap();
    }

    /// Registers the ML-DSA key of a name beside this key.
    pub(crate) fn register_signer(&mut self, signer: &SigningKey, name: &str) -> Result<Digest, String> {
        let registration = registered(&self.chain, signer, name);
        self.send(signer, "signers.register", &registration)
    }

    pub(crate) fn join(&mut self, name: &str) -> Result<Digest, String> {
        let token = [7; 32];
        let invite = Invite {
            name: name.into(),
            token: hash(Label::INVITATION, &[&token]),
            expires: self.now + HOUR,
            regulator: false,
        };
        self.send(&keys("health-authority").operator, "members.invite", &invite)?;
        self.send(&keys(name).operator, "members.join", &Join { card: card(name), token: Fixed(token), ml_dsa: None })
    }

    pub(crate) fn principal(&mut self, member: &str, name: &str, role: Role) -> Result<Digest, String> {
        let key = key(&format!("{member}/{name}")).public();
        let add = PrincipalAdd { name: name.into(), key, roles: vec![role] };
        self.send(&keys(member).operator, "members.principal_add", &add)
    }

    pub(crate) fn offer(&mut self, owner: &str, terms: Terms) -> Result<Digest, String> {
        self.send(&keys(owner).operator, "contracts.offer", &Offer { terms })
    }

    pub(crate) fn asset_id(&self, owner: &str) -> Digest {
        read::asset_named(&self.state, &self.chain, owner, "trial").unwrap().unwrap().id
    }

    /// Northgate's terms: two of three approvers, researchers only, five seconds.
    pub(crate) fn release_terms(&self) -> Terms {
        let disclosed = Disclosed::new(particulars());
        Terms {
            asset: self.asset_id("northgate"),
            means: Means::Release,
            visibility: Visibility::Consortium,
            purposes: vec!["research".into()],
            window: Window { not_before: START - HOUR, not_after: START + 24 * HOUR },
            approvals: Approvals { required: 2, approvers: approvers().map(|key| key.public()).to_vec() },
            evidence: vec![EvidenceRule { kind: "credential".into(), claim: "researcher".into() }],
            grant: GrantTerms { seconds: 5, uses: 1 },
            program: None,
            minimum_group: 0,
            adversary: Adversary::SemiHonest,
            max_corrupt: 0,
            tolerate_dropouts: 0,
            helpers: vec![],
            fee: None,
            privacy_budget: None,
            policy: disclosed.policy_digest(),
            particulars: disclosed.commitment(),
            disclosed: Some(disclosed),
        }
    }

    pub(crate) fn compute_terms(&self, owner: &str) -> Terms {
        Terms {
            asset: self.asset_id(owner),
            means: Means::Compute,
            approvals: Approvals { required: 0, approvers: vec![] },
            evidence: vec![],
            program: Some(program(10)),
            minimum_group: 10,
            max_corrupt: 2,
            ..self.release_terms()
        }
    }

    pub(crate) fn apply(&mut self, contracts: &[Digest]) -> Result<Digest, String> {
        let apply = application(contracts);
        self.send(&researcher(), "requests.apply", &apply)
    }

    /// A verdict as honest oracles make it of the request as it stands.
    pub(crate) fn verdict(&self, request: &Digest, decision: &str) -> Verdict {
        let request = read::request(&self.state, request).unwrap().unwrap();
        let judged = |named: &ContractVersion| {
            let terms = read::version(&self.state, named).unwrap().unwrap().terms;
            let counted = request.approvals.iter().filter(|vote| vote.contract == named.contract && vote.approve);
            let mut approvals: Vec<PublicKey> = counted.map(|vote| vote.approver).collect();
            approvals.sort();
            Judged { contract: *named, terms: terms.digest(), policy: terms.policy, approvals }
        };
        let appraisal = |evidence: &EvidenceCommitment| Appraisal {
            kind: evidence.kind.clone(),
            commitment: evidence.commitment,
            claims: vec!["researcher".into()],
            trust: "issuer".into(),
            code: "ok".into(),
        };
        Verdict {
            chain: self.chain,
            epoch: read::oracle_epoch_number(&self.state).unwrap(),
            request: request.id,
            contracts: request.apply.contracts.iter().map(judged).collect(),
            appraisals: request.apply.evidence.iter().map(appraisal).collect(),
            decision: decision.into(),
            owner_asserted: vec![],
            decided: self.now,
            not_after: self.now + 600_000,
        }
    }

    pub(crate) fn judge(&mut self, request: &Digest, decision: &str) -> Result<Digest, String> {
        let verdict = self.verdict(request, decision);
        self.record(verdict)
    }

    pub(crate) fn record(&mut self, verdict: Verdict) -> Result<Digest, String> {
        self.send(&keys("riverside").node, "verdicts.record", &signed(verdict))
    }

    pub(crate) fn approve(
        &mut self,
        request: &Digest,
        contract: &Digest,
        approver: &SigningKey,
    ) -> Result<Digest, String> {
        let approve = contracts::message::Approve { request: *request, contract: *contract, approve: true };
        self.send(approver, "requests.approve", &approve)
    }

    /// A contract, a request under it, two approvals.
    pub(crate) fn approved(&mut self) -> (Digest, Digest) {
        let contract = self.offer("northgate", self.release_terms()).unwrap();
        let request = self.apply(&[contract]).unwrap();
        for approver in &approvers()[..2] {
            self.approve(&request, &contract, approver).unwrap();
        }
        (contract, request)
    }

    /// As [`World::approved`], allowed, with a grant.
    pub(crate) fn granted(&mut self) -> (Digest, Digest, Digest) {
        let (contract, request) = self.approved();
        self.judge(&request, "ok").unwrap();
        let grant = self.grant(&contract, &request).unwrap();
        (contract, request, grant)
    }

    pub(crate) fn grant(&mut self, contract: &Digest, request: &Digest) -> Result<Digest, String> {
        // The longest there may be, as nodes issue it.
        let (not_before, not_after) = (self.now - GRANT_SKEW, self.now + 5000);
        let issue = GrantIssue { request: *request, contract: *contract, not_before, not_after };
        self.send(&keys("northgate").node, "grants.issue", &issue)
    }

    pub(crate) fn redemption(&self, grant: &Digest, holder: &SigningKey) -> ReleaseRecord {
        ReleaseRecord {
            grant: *grant,
            root: digest("root"),
            stanzas: digest("stanzas"),
            suite: Suite::X25519,
            possession: holder.sign(Label::PROOF_OF_POSSESSION, &redemption(&self.chain, grant, self.now)),
            signed: self.now,
        }
    }

    pub(crate) fn redeem(&mut self, grant: &Digest, holder: &SigningKey) -> Result<Digest, String> {
        let record = self.redemption(grant, holder);
        self.send(&keys("northgate").node, "releases.record", &record)
    }

    /// An allowed computation of the three hospitals.
    pub(crate) fn computing(&mut self) -> (Vec<Digest>, Digest) {
        let contracts: Vec<Digest> =
            HOSPITALS.iter().map(|owner| self.offer(owner, self.compute_terms(owner)).unwrap()).collect();
        let request = self.apply(&contracts).unwrap();
        self.judge(&request, "ok").unwrap();
        (contracts, request)
    }

    /// Terms of a computation that goes on without one of four parties, one of them a helper.
    pub(crate) fn helped_terms(&self, owner: &str) -> Terms {
        Terms {
            adversary: Adversary::Malicious,
            max_corrupt: 1,
            tolerate_dropouts: 1,
            helpers: vec!["health-authority".into()],
            ..self.compute_terms(owner)
        }
    }

    /// An allowed computation of the three hospitals with the regulator's help.
    pub(crate) fn helped(&mut self) -> (Vec<Digest>, Digest) {
        let contracts: Vec<Digest> =
            HOSPITALS.iter().map(|owner| self.offer(owner, self.helped_terms(owner)).unwrap()).collect();
        let request = self.apply(&contracts).unwrap();
        self.judge(&request, "ok").unwrap();
        (contracts, request)
    }

    pub(crate) fn helped_result(&self, request: &Digest, party: &str) -> ResultRecord {
        let mut result = self.result(request, party);
        (result.protocol, result.adversary) = ("shamir".into(), "malicious".into());
        result.parties.push("health-authority".into());
        result
    }

    pub(crate) fn result(&self, request: &Digest, party: &str) -> ResultRecord {
        ResultRecord {
            request: *request,
            party: party.into(),
            run: Fixed([7; 16]),
            session: session(request),
            protocol: "additive".into(),
            adversary: "semi-honest".into(),
            parties: HOSPITALS.map(String::from).to_vec(),
            program: Program::from_bytes(&program(10)).unwrap().digest(),
            share: digest("share"),
            transcript: digest("transcript"),
            simulated: false,
        }
    }

    pub(crate) fn consortium(&self) -> Consortium {
        // A block per transaction: an epoch begins after the joining that made it.
        let joined = |entry: &&Committed| entry.transaction.transaction.method == "join" && entry.outcome.is_ok();
        let start = |epoch: u64| match epoch {
            1 => Ok(0),
            _ => Ok(self.log.iter().filter(joined).nth(epoch as usize - 2).unwrap().index + 1),
        };
        read::consortium(&self.state, &self.chain, "trial", start).unwrap()
    }

    /// What a verified receipt of these transactions holds.
    pub(crate) fn receipt(&self, ids: &[Digest]) -> VerifiedReceipt {
        let entries = self.log.iter().filter(|entry| ids.contains(&entry.transaction.id())).cloned().collect();
        let checkpoint = Checkpoint {
            chain: self.chain,
            size: self.log.len() as u64,
            root: digest("log"),
            header: digest("header"),
            epoch: 4,
        };
        VerifiedReceipt { entries, checkpoint, epoch: 4, cosigners: vec![], ml_dsa: false, testimony: None }
    }

    /// The last transaction, refused or not.
    pub(crate) fn last(&self) -> Digest {
        self.log.last().unwrap().transaction.id()
    }
}

pub(crate) fn second(name: &str) -> mldsa::SigningKey {
    let seed = hash(Label::KEY_ID, &[CAST.get().as_bytes(), name.as_bytes(), b"second"]);
    mldsa::SigningKey::from_seed(Secret::new(*seed.as_bytes()))
}

/// A first registration of the ML-DSA key of a name.
pub(crate) fn registered(chain: &Digest, signer: &SigningKey, name: &str) -> SignerRegister {
    let key = second(name);
    let possession = key.sign(Label::SIGNER, &signers::statement(chain, &signer.public(), &key.public()));
    SignerRegister { key: key.public(), possession, handover: None }
}

/// The arguments of a transaction with its second signature.
pub(crate) fn twice_signed(transaction: &Transaction, second: &mldsa::SigningKey) -> Vec<u8> {
    let statement = signers::signed_twice(transaction, &transaction.arguments);
    let signature = second.sign(Label::CONTRACT, &statement);
    signers::join(&transaction.contract, &transaction.method, &transaction.arguments, &signature).unwrap()
}

pub(crate) fn signed(verdict: Verdict) -> VerdictRecord {
    let signature = oracle_key().sign(Label::VERDICT, &wire::to_vec(&verdict));
    VerdictRecord { verdict, signature, signers: vec!["st-anna".into(), "riverside".into()] }
}

pub(crate) fn application(contracts: &[Digest]) -> Apply {
    Apply {
        contracts: contracts.iter().map(|id| ContractVersion { contract: *id, version: 1 }).collect(),
        purpose: "research".into(),
        ephemeral: recipient(),
        justification: digest("justification"),
        evidence: vec![EvidenceCommitment { kind: "credential".into(), commitment: digest("credential") }],
    }
}

pub(crate) fn researcher() -> SigningKey {
    key("researcher")
}

pub(crate) fn approvers() -> [SigningKey; 3] {
    [1, 2, 3].map(|i| key(&format!("northgate/approver-{i}")))
}

/// A FROST signature is an ordinary Ed25519 signature: one key stands for the group's.
pub(crate) fn oracle_key() -> SigningKey {
    key("oracles")
}

pub(crate) fn oracles(epoch: u64) -> OraclesConfirm {
    OraclesConfirm {
        epoch,
        threshold: 2,
        participants: HOSPITALS.map(String::from).to_vec(),
        key: oracle_key().public(),
        group: Bytes(vec![1, 2, 3]),
    }
}

pub(crate) fn asset(name: &str) -> AssetRegister {
    AssetRegister {
        name: name.into(),
        kind: "table".into(),
        columns: vec!["arms".into(), "age".into()],
        commitments: vec![Commitment {
            suite: "sealed-object-v1".into(),
            params: vec![7; 32].into(),
            root: digest("root"),
        }],
        segments: 3,
        suite: Suite::XWing,
    }
}

pub(crate) fn particulars() -> Particulars {
    Particulars {
        title: "Trial data".into(),
        description: "A clinical trial.".into(),
        policy: "permit(principal, action, resource);".into(),
        retention_days: Some(30),
        jurisdictions: vec!["EU".into()],
    }
}

pub(crate) fn program(minimum_group: u32) -> Bytes {
    let text = format!("minimum_group = {minimum_group}\noutputs = [{{ name = \"people\", count = \"*\" }}]");
    Program::from_toml(&text).unwrap().to_bytes().into()
}
