//! One pass over a receipt's entries in the order of the log.

use std::collections::{BTreeMap, BTreeSet};

use crypto::{Digest, Label, PublicKey, mldsa};
use ledger::{Committed, Consortium, VerifiedReceipt};
use minicbor::{Decode, Encode};
use policy::{Means, Terms};
use wire::{Fixed, Limits};

use super::{Account, Error, Kind, Step};
use crate::message::{
    Amend, Apply, Approve, AssetRegister, Cancel, ContractVersion, Decline, GrantIssue, GrantRevoke, Offer,
    OraclesConfirm, ReleaseRecord, ResultRecord, SignerRegister, Verdict, VerdictRecord, redemption,
};
use crate::record::Notice;
use crate::{GRANT_SKEW, assets, code, session, signers};

pub(super) fn tell(receipt: &VerifiedReceipt, consortium: &Consortium) -> Result<Account, Error> {
    let mut story = Story::new(consortium);
    for (at, entry) in receipt.entries.iter().enumerate() {
        if entry.outcome.is_ok() {
            story.step(entry)?;
        } else if at + 1 == receipt.entries.len() {
            story.refusal(entry)?;
        } else {
            return Err(Error::RefusedEarly { index: entry.index, code: entry.outcome.code.clone() });
        }
    }
    if let Some(unused) = story.signers.values().find(|signer| !signer.used) {
        return Err(unused.unneeded());
    }
    let (Some(request), Some(kind)) = (story.request, story.end) else {
        let missing = "it has no release, complete result or refusal of a request";
        return Err(Error::Incomplete { missing });
    };
    Ok(Account { kind, request: request.id, requester: request.requester, steps: story.steps })
}

/// What the entries so far have told.
struct Story<'a> {
    consortium: &'a Consortium,
    /// Who has registered an ML-DSA key, by the Ed25519 key beside which it signs.
    signers: BTreeMap<PublicKey, SecondKey>,
    assets: BTreeMap<Digest, Registered>,
    versions: BTreeMap<ContractVersion, Terms>,
    /// Members that confirmed an oracle group, by its epoch; the group is the pinned one.
    confirmed: BTreeMap<u64, BTreeSet<String>>,
    request: Option<Requested>,
    approvals: BTreeMap<(Digest, PublicKey), bool>,
    verdict: Option<Verdict>,
    grant: Option<(Digest, GrantIssue)>,
    results: BTreeSet<String>,
    /// The run that they are of.
    run: Option<Fixed<16>>,
    end: Option<Kind>,
    steps: Vec<Step>,
}

struct Registered {
    owner: String,
    /// The owner's node key, which also signs grants, releases and results.
    node: PublicKey,
    registered: AssetRegister,
}

/// A registered ML-DSA key.
struct SecondKey {
    key: mldsa::PublicKey,
    /// Its registration's place in the log.
    index: u64,
    /// Whether anything of the chain is signed with it.
    used: bool,
}

impl SecondKey {
    const fn unneeded(&self) -> Error {
        Error::Broken { index: self.index, rule: "an ML-DSA key in the chain signs something of it" }
    }
}

struct Requested {
    id: Digest,
    requester: PublicKey,
    apply: Apply,
}

impl<'a> Story<'a> {
    fn new(consortium: &'a Consortium) -> Self {
        Self {
            consortium,
            signers: BTreeMap::new(),
            assets: BTreeMap::new(),
            versions: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            request: None,
            approvals: BTreeMap::new(),
            verdict: None,
            grant: None,
            results: BTreeSet::new(),
            run: None,
            end: None,
            steps: vec![],
        }
    }

    /// An entry that broke no rule.
    fn step(&mut self, entry: &Committed) -> Result<(), Error> {
        let notice = notice(entry)?;
        require(self.end.is_none(), entry, "nothing follows the end of a request but a refusal")?;
        let transaction = &entry.transaction.transaction;
        let signed = self.signed(entry)?;
        let mut facts = match (transaction.contract.as_str(), transaction.method.as_str()) {
            ("assets", "register") => self.register(entry, &notice)?,
            ("contracts", "offer") => {
                let Offer { terms } = decode(entry)?;
                self.version(entry, ContractVersion { contract: entry.transaction.id(), version: 1 }, terms)?
            }
            ("contracts", "amend") => {
                let Amend { contract, terms } = decode(entry)?;
                let version = notice.detail.parse().map_err(|_| unreadable(entry, "no version in its event"))?;
                let first = ContractVersion { contract, version: 1 };
                require(self.versions.contains_key(&first), entry, "an amendment follows its offer")?;
                self.version(entry, ContractVersion { contract, version }, terms)?
            }
            ("signers", "register") => self.second_key(entry)?,
            ("oracles", "confirm") => self.confirm(entry, &notice)?,
            ("requests", "apply") => self.apply(entry)?,
            ("requests", "approve") => self.approve(entry)?,
            ("requests", "decline") => {
                let Decline { request, contract, code } = decode(entry)?;
                self.about(entry, &request)?;
                require(self.node_of(&contract) == Some(transaction.sender), entry, "the owner's node declines")?;
                self.end = Some(Kind::Refused(code.clone()));
                vec![fact("code", code)]
            }
            ("requests", "cancel") => {
                let Cancel { request } = decode(entry)?;
                require(self.about(entry, &request)?.requester == transaction.sender, entry, "the requester cancels")?;
                self.end = Some(Kind::Cancelled);
                vec![]
            }
            ("verdicts", "record") => self.judge(entry)?,
            ("grants", "issue") => self.grant(entry)?,
            ("grants", "revoke") => {
                let GrantRevoke { grant } = decode(entry)?;
                require(self.grant.as_ref().is_some_and(|own| own.0 == grant), entry, "it revokes this chain's grant")?;
                self.end = Some(Kind::Refused(code::GRANT_REVOKED.code.into()));
                vec![]
            }
            ("releases", "record") => self.release(entry, &notice)?,
            ("results", "record") => self.result(entry, &notice)?,
            _ => return Err(unrelated(entry)),
        };
        facts.extend(signed);
        let name = entry.outcome.events[0].name.clone();
        self.push(entry, name, Some(notice.at), facts);
        Ok(())
    }

    /// The last entry, refused by a rule of the ledger. Anyone can send such a transaction about anyone's request: only a
    /// refused application, which is its sender's own request, ends one, and nothing changes an end already reached.
    fn refusal(&mut self, entry: &Committed) -> Result<(), Error> {
        let transaction = &entry.transaction.transaction;
        let id = entry.transaction.id();
        let code = entry.outcome.code.clone();
        let name = format!("{}.{}", transaction.contract, transaction.method);
        let mut end = Kind::StepRefused { method: name.clone(), code: code.clone() };
        match (transaction.contract.as_str(), transaction.method.as_str()) {
            ("requests", "apply") => {
                require(self.request.is_none(), entry, "a chain has one request")?;
                self.request = Some(Requested { id, requester: transaction.sender, apply: decode(entry)? });
                self.no_strangers(entry)?;
                end = Kind::Refused(code.clone());
            }
            ("requests", "approve") => _ = self.about(entry, &decode::<Approve>(entry)?.request)?,
            ("requests", "cancel") => _ = self.about(entry, &decode::<Cancel>(entry)?.request)?,
            // A changed verdict may name anything: that is why it was refused.
            ("verdicts", "record") => require(self.request.is_some(), entry, "a verdict follows its request")?,
            ("grants", "issue") => _ = self.about(entry, &decode::<GrantIssue>(entry)?.request)?,
            ("releases", "record") => {
                let ReleaseRecord { grant, .. } = decode(entry)?;
                require(self.grant.as_ref().is_some_and(|own| own.0 == grant), entry, "it redeems this chain's grant")?;
            }
            ("results", "record") => _ = self.about(entry, &decode::<ResultRecord>(entry)?.request)?,
            _ => return Err(unrelated(entry)),
        }
        self.end.get_or_insert(end);
        self.push(entry, name, None, vec![fact("code", code)]);
        Ok(())
    }

    /// What signed it, where that is what people sign contracts with.
    fn signed(&mut self, entry: &Committed) -> Result<Option<(String, String)>, Error> {
        let transaction = &entry.transaction.transaction;
        let (contract, method) = (transaction.contract.as_str(), transaction.method.as_str());
        if !signers::SIGNED_TWICE.iter().any(|(its, named, _)| (*its, *named) == (contract, method)) {
            return Ok(None);
        }
        let (plain, signature) = signers::split(contract, method, &transaction.arguments);
        let with = match (self.signers.get_mut(&transaction.sender), signature) {
            (None, None) => "Ed25519",
            (Some(_), None) => return Err(broken(entry, "who has registered an ML-DSA key signs with both")),
            (None, Some(_)) => return Err(broken(entry, "the ML-DSA key that signed it is registered in the chain")),
            (Some(second), Some(signature)) => {
                let statement = signers::signed_twice(transaction, &plain);
                let verified = second.key.verify(Label::CONTRACT, &statement, &signature).is_ok();
                require(verified, entry, "the second signature is by the sender's ML-DSA key")?;
                second.used = true;
                "Ed25519 and ML-DSA-65"
            }
        };
        Ok(Some(fact("signed with", with)))
    }

    /// A signer has an ML-DSA key, its first or another.
    fn second_key(&mut self, entry: &Committed) -> Result<Vec<(String, String)>, Error> {
        let registration: SignerRegister = decode(entry)?;
        let signer = entry.transaction.transaction.sender;
        let chain = &self.consortium.chain;
        require(registration.is_possessed(chain, &signer), entry, "an ML-DSA key is held by who registers it")?;
        if let Some(before) = self.signers.get(&signer) {
            if !before.used {
                return Err(before.unneeded());
            }
            let handed = registration.is_handed_over(chain, &signer, &before.key);
            require(handed == Some(true), entry, "the ML-DSA key before has handed over")?;
        }
        let facts = vec![fact("signer", signer), fact("ML-DSA key", registration.key.id())];
        self.signers.insert(signer, SecondKey { key: registration.key, index: entry.index, used: false });
        Ok(facts)
    }

    fn register(&mut self, entry: &Committed, notice: &Notice) -> Result<Vec<(String, String)>, Error> {
        let registered: AssetRegister = decode(entry)?;
        require(self.request.is_none(), entry, "the asset was registered before the request")?;
        let [owner] = notice.members.as_slice() else { return Err(unreadable(entry, "no owner in its event")) };
        let id = assets::identity(&self.consortium.chain, owner, &registered.name);
        require(notice.subject == id.to_string(), entry, "an asset's identity is made of its owner and name")?;
        let facts = vec![
            fact("asset", &registered.name),
            fact("owner", owner),
            fact("root", registered.commitments.first().map(|own| own.root.to_string()).unwrap_or_default()),
            fact("suite", registered.suite),
        ];
        let node = entry.transaction.transaction.sender;
        self.assets.insert(id, Registered { owner: owner.clone(), node, registered });
        Ok(facts)
    }

    fn version(
        &mut self,
        entry: &Committed,
        version: ContractVersion,
        terms: Terms,
    ) -> Result<Vec<(String, String)>, Error> {
        require(self.request.is_none(), entry, "the contract was offered before the request")?;
        let asset = self.assets.get(&terms.asset);
        let asset =
            asset.ok_or(Error::Broken { index: entry.index, rule: "the asset's registration is in the chain" })?;
        let mut facts = vec![
            fact("contract", version.contract),
            fact("version", version.version),
            fact("owner", &asset.owner),
            fact("means", terms.means),
            fact("purposes", terms.purposes.join(", ")),
            fact("approvals", format!("{} of {}", terms.approvals.required, terms.approvals.approvers.len())),
        ];
        if let Some(disclosed) = &terms.disclosed {
            facts.push(fact("title", &disclosed.particulars.title));
        }
        self.versions.insert(version, terms);
        Ok(facts)
    }

    fn confirm(&mut self, entry: &Committed, notice: &Notice) -> Result<Vec<(String, String)>, Error> {
        let group: OraclesConfirm = decode(entry)?;
        let pinned = self.consortium.oracles(group.epoch).is_some_and(|pinned| {
            pinned.key == group.key && pinned.threshold == group.threshold && pinned.participants == group.participants
        });
        require(pinned, entry, "the oracles confirmed are those of the consortium file")?;
        let [member] = notice.members.as_slice() else { return Err(unreadable(entry, "no member in its event")) };
        self.confirmed.entry(group.epoch).or_default().insert(member.clone());
        Ok(vec![fact("member", member), fact("oracle epoch", group.epoch), fact("key", group.key)])
    }

    fn apply(&mut self, entry: &Committed) -> Result<Vec<(String, String)>, Error> {
        require(self.request.is_none(), entry, "a chain has one request")?;
        let apply: Apply = decode(entry)?;
        for named in &apply.contracts {
            let Some(terms) = self.versions.get(named) else {
                return Err(Error::Broken {
                    index: entry.index,
                    rule: "every contract at its version is in the chain",
                });
            };
            require(terms.purposes.contains(&apply.purpose), entry, "the contract allows the purpose")?;
        }
        let facts = vec![
            fact("purpose", &apply.purpose),
            fact("evidence", apply.evidence.len()),
            fact("suite", apply.ephemeral.suite()),
        ];
        let requester = entry.transaction.transaction.sender;
        self.request = Some(Requested { id: entry.transaction.id(), requester, apply });
        self.no_strangers(entry)?;
        Ok(facts)
    }

    /// No contract or asset in the chain that the request does not need.
    fn no_strangers(&self, entry: &Committed) -> Result<(), Error> {
        let named = self.request.iter().flat_map(|request| &request.apply.contracts);
        let named: BTreeSet<Digest> = named.map(|named| named.contract).collect();
        let needed: BTreeSet<Digest> = self.versions.values().map(|terms| terms.asset).collect();
        let related = self.versions.keys().all(|version| named.contains(&version.contract))
            && self.assets.keys().all(|asset| needed.contains(asset));
        require(related, entry, "the chain holds the contracts and assets of its request, and no others")
    }

    fn approve(&mut self, entry: &Committed) -> Result<Vec<(String, String)>, Error> {
        let Approve { request, contract, approve } = decode(entry)?;
        self.about(entry, &request)?;
        require(self.verdict.is_none(), entry, "approvals come before the verdict")?;
        let approver = entry.transaction.transaction.sender;
        let entitled = self.terms_of(&contract).is_some_and(|terms| terms.approvals.approvers.contains(&approver));
        require(entitled, entry, "an approver is named in the contract")?;
        let first = self.approvals.insert((contract, approver), approve).is_none();
        require(first, entry, "an approver speaks once")?;
        if !approve {
            self.end = Some(Kind::Refused(code::OBJECTED.code.into()));
        }
        Ok(vec![fact("contract", contract), fact("vote", if approve { "approves" } else { "objects" })])
    }

    fn judge(&mut self, entry: &Committed) -> Result<Vec<(String, String)>, Error> {
        let VerdictRecord { verdict, signature, signers } = decode(entry)?;
        let apply = &self.about(entry, &verdict.request)?.apply;
        require(self.verdict.is_none(), entry, "a request has one verdict")?;
        require(verdict.chain == self.consortium.chain, entry, "the verdict is for this ledger")?;
        let oracles = self.consortium.oracles(verdict.epoch);
        let oracles = oracles.ok_or(Error::Broken { index: entry.index, rule: "the oracle epoch is pinned" })?;
        let body = wire::to_vec(&verdict);
        let signed = oracles.key.verify(Label::VERDICT, &body, &signature).is_ok();
        require(signed, entry, "the verdict is signed by the oracles of the consortium file")?;
        let distinct: BTreeSet<&String> = signers.iter().collect();
        let taken = distinct.len() == signers.len()
            && signers.len() >= usize::from(oracles.threshold)
            && signers.iter().all(|signer| oracles.participants.contains(signer));
        require(taken, entry, "enough distinct oracles took part")?;
        let confirmed = self.confirmed.get(&verdict.epoch);
        let all = confirmed.is_some_and(|members| oracles.participants.iter().all(|name| members.contains(name)));
        let one = self.confirmed.len() == 1;
        require(all && one, entry, "every oracle's confirmation of its epoch, and of no other, is in the chain")?;
        let same = verdict.contracts.iter().map(|judged| &judged.contract).eq(&apply.contracts);
        require(same, entry, "the verdict judges the request's contracts")?;
        let evidence = apply.evidence.iter().map(|evidence| (&evidence.kind, &evidence.commitment));
        let appraised = verdict.appraisals.iter().map(|appraisal| (&appraisal.kind, &appraisal.commitment));
        require(appraised.eq(evidence), entry, "the verdict appraises the request's evidence")?;
        let allowed = verdict.decision == code::OK;
        for judged in &verdict.contracts {
            let terms = self.versions.get(&judged.contract).expect("the request's contracts are in the chain");
            let same = judged.terms == terms.digest() && judged.policy == terms.policy;
            require(same, entry, "the verdict judged the contract's terms and policy")?;
            let counted: BTreeSet<&PublicKey> = judged.approvals.iter().collect();
            let given =
                |approver: &&PublicKey| self.approvals.get(&(judged.contract.contract, **approver)) == Some(&true);
            let real = counted.len() == judged.approvals.len() && judged.approvals.iter().all(|key| given(&key));
            require(real, entry, "the approvals counted were given")?;
            let enough = !allowed || counted.len() >= usize::from(terms.approvals.required);
            require(enough, entry, "as many approvals as the contract asks for were given")?;
        }
        let facts = vec![
            fact("decision", &verdict.decision),
            fact("oracles", signers.join(", ")),
            fact("claims", verdict.appraisals.iter().flat_map(|own| own.claims.clone()).collect::<Vec<_>>().join(", ")),
            fact("decided", verdict.decided),
        ];
        if !allowed {
            self.end = Some(Kind::Refused(verdict.decision.clone()));
        }
        self.verdict = Some(verdict);
        Ok(facts)
    }

    fn grant(&mut self, entry: &Committed) -> Result<Vec<(String, String)>, Error> {
        let issue: GrantIssue = decode(entry)?;
        self.about(entry, &issue.request)?;
        let verdict = self.verdict.as_ref();
        let verdict =
            verdict.ok_or(Error::Broken { index: entry.index, rule: "a grant follows an allowing verdict" })?;
        require(self.grant.is_none(), entry, "a request gives one grant")?;
        let own = self.node_of(&issue.contract) == Some(entry.transaction.transaction.sender);
        require(own, entry, "the owner's node issues the grant")?;
        let terms = self.terms_of(&issue.contract).filter(|terms| terms.means == Means::Release);
        let terms = terms.ok_or(Error::Broken { index: entry.index, rule: "a grant is for a release" })?;
        let length = issue.not_after.saturating_sub(issue.not_before);
        let bounded = (1..=u64::from(terms.grant.seconds) * 1000 + GRANT_SKEW).contains(&length)
            && issue.not_after <= verdict.not_after;
        require(bounded, entry, "the grant lasts as long as contract and verdict allow")?;
        let facts = vec![fact("not before", issue.not_before), fact("not after", issue.not_after)];
        self.grant = Some((entry.transaction.id(), issue));
        Ok(facts)
    }

    fn release(&mut self, entry: &Committed, notice: &Notice) -> Result<Vec<(String, String)>, Error> {
        let release: ReleaseRecord = decode(entry)?;
        let (Some((id, issue)), Some(request)) = (&self.grant, &self.request) else { return Err(unrelated(entry)) };
        require(release.grant == *id, entry, "it redeems this chain's grant")?;
        let own = self.node_of(&issue.contract) == Some(entry.transaction.transaction.sender);
        require(own, entry, "the owner's node releases")?;
        let message = redemption(&self.consortium.chain, id, release.signed);
        let held = request.requester.verify(Label::PROOF_OF_POSSESSION, &message, &release.possession).is_ok();
        require(held, entry, "the requester signed the redemption")?;
        let inside = |moment: u64| issue.not_before <= moment && moment <= issue.not_after;
        require(inside(release.signed) && inside(notice.at), entry, "the grant was redeemed in its window")?;
        let asset = self.terms_of(&issue.contract).and_then(|terms| self.assets.get(&terms.asset));
        let root = asset.is_some_and(|asset| asset.registered.commitments.iter().any(|own| own.root == release.root));
        require(root, entry, "the object released is the registered one")?;
        require(release.suite == request.apply.ephemeral.suite(), entry, "the suite is the requester's key's")?;
        let facts = vec![fact("root", release.root), fact("stanzas", release.stanzas), fact("suite", release.suite)];
        self.end = Some(Kind::Released);
        Ok(facts)
    }

    fn result(&mut self, entry: &Committed, notice: &Notice) -> Result<Vec<(String, String)>, Error> {
        let result: ResultRecord = decode(entry)?;
        let request = self.about(entry, &result.request)?;
        require(self.verdict.is_some(), entry, "a result follows an allowing verdict")?;
        let contracts = &request.apply.contracts;
        let terms: Vec<&Terms> = contracts.iter().filter_map(|named| self.terms_of(&named.contract)).collect();
        let first = *terms.first().ok_or_else(|| unrelated(entry))?;
        let owners = contracts.iter().filter_map(|named| self.owner_of(&named.contract));
        let parties = owners.chain(first.helpers.iter().map(String::as_str));
        let parties = parties.eq(result.parties.iter().map(String::as_str));
        // An owner's node is known from its asset; that a helper's node sent this, the ledger says.
        let place = result.parties.iter().position(|party| *party == result.party);
        let place = place.ok_or_else(|| unrelated(entry))?;
        let node = contracts.get(place).map(|named| self.node_of(&named.contract));
        let own = node.is_none_or(|node| node == Some(entry.transaction.transaction.sender));
        require(own && notice.detail == result.party, entry, "a party's node records its result")?;
        let program = first.program.as_ref();
        let protocol = crate::protocol(terms.iter().copied()).map_err(|_| unrelated(entry))?;
        let follows = parties
            && result.session == session(&request.id)
            && program.is_some_and(|program| crypto::hash(Label::PROGRAM, &[program]) == result.program)
            && result.protocol == protocol.name
            && result.adversary == protocol.adversary.to_string()
            && self.run.is_none_or(|run| run == result.run)
            && !result.simulated;
        require(follows, entry, "session, run, parties, program and protocol follow from the request")?;
        let complete = self.results.len() + 1 == protocol.enough();
        require(self.results.insert(result.party.clone()), entry, "a party records its result once")?;
        self.run = Some(result.run);
        if complete {
            self.end = Some(Kind::Computed);
        }
        Ok(vec![
            fact("party", result.party),
            fact("run", result.run),
            fact("protocol", format!("{} ({})", result.protocol, result.adversary)),
            fact("program", result.program),
            fact("share", result.share),
            fact("transcript", result.transcript),
        ])
    }

    /// The chain's request, if this is it.
    fn about(&self, entry: &Committed, request: &Digest) -> Result<&Requested, Error> {
        self.request.as_ref().filter(|own| own.id == *request).ok_or_else(|| unrelated(entry))
    }

    /// The terms under which the request names a contract.
    fn terms_of(&self, contract: &Digest) -> Option<&Terms> {
        let named = self.request.as_ref()?.apply.contracts.iter().find(|named| named.contract == *contract)?;
        self.versions.get(named)
    }

    fn node_of(&self, contract: &Digest) -> Option<PublicKey> {
        Some(self.assets.get(&self.terms_of(contract)?.asset)?.node)
    }

    fn owner_of(&self, contract: &Digest) -> Option<&str> {
        Some(&self.assets.get(&self.terms_of(contract)?.asset)?.owner)
    }

    fn push(&mut self, entry: &Committed, name: String, at: Option<u64>, facts: Vec<(String, String)>) {
        self.steps.push(Step {
            name,
            at,
            by: entry.transaction.transaction.sender,
            transaction: entry.transaction.id(),
            index: entry.index,
            code: entry.outcome.code.clone(),
            facts,
        });
    }
}

fn decode<T>(entry: &Committed) -> Result<T, Error>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let transaction = &entry.transaction.transaction;
    let (plain, _) = signers::split(&transaction.contract, &transaction.method, &transaction.arguments);
    wire::from_slice(&plain, Limits::small()).map_err(|error| unreadable(entry, &error.to_string()))
}

/// What the entry's first event tells.
fn notice(entry: &Committed) -> Result<Notice, Error> {
    let event = entry.outcome.events.first().ok_or_else(|| unreadable(entry, "it has no event"))?;
    wire::from_slice(&event.data, Limits::small()).map_err(|error| unreadable(entry, &error.to_string()))
}

fn require(holds: bool, entry: &Committed, rule: &'static str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(broken(entry, rule)) }
}

const fn broken(entry: &Committed, rule: &'static str) -> Error {
    Error::Broken { index: entry.index, rule }
}

fn unreadable(entry: &Committed, detail: &str) -> Error {
    Error::Unreadable { index: entry.index, detail: detail.into() }
}

fn unrelated(entry: &Committed) -> Error {
    let transaction = &entry.transaction.transaction;
    Error::Unrelated { index: entry.index, method: format!("{}.{}", transaction.contract, transaction.method) }
}

fn fact(name: &str, value: impl ToString) -> (String, String) {
    (name.into(), value.to_string())
}
