//! Dispatch: from a transaction to the rule that it must satisfy.

use std::cell::Cell;
use std::collections::BTreeMap;

use crypto::{Digest, PublicKey};
use ledger::{Application, Context, Effects, Epoch, Event, Failure, State, VerifiedTransaction, Write};
use minicbor::{Decode, Encode};
use wire::Limits;

use crate::message::{ModuleDrop, PrivateBegin};
use crate::record::{Duty, MemberKey, Notice};
use crate::{
    assets, code, escrow, governance, grants, key, members, modules, offers, oracles, ordering, private, read,
    recovery, requests, signers, triggers, verdicts,
};

/// The contracts of this version, as the ledger runs them. Holds nothing: all is in the world state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contracts;

impl Application for Contracts {
    fn genesis(&self, application: &[u8]) -> Result<Vec<Write>, Failure> {
        members::found(&decode(application)?)
    }

    fn execute(&self, state: &dyn State, context: &Context, tx: &VerifiedTransaction) -> Result<Effects, Failure> {
        self.execute_within(state, context, tx, &mut 0)
    }

    fn execute_within(
        &self,
        state: &dyn State,
        context: &Context,
        tx: &VerifiedTransaction,
        used: &mut u64,
    ) -> Result<Effects, Failure> {
        let transaction = tx.transaction();
        let mut world = World {
            state,
            chain: context.chain,
            height: context.height,
            now: context.time,
            sender: Some(transaction.sender),
            id: tx.id(),
            used: Some(Cell::from_mut(used)),
            tries: false,
            ml_dsa: None,
            writes: BTreeMap::new(),
            events: Vec::new(),
        };
        governance::check_sender(&world)?;
        let w = &mut world;
        let bytes: &[u8] = &signers::check(w, transaction)?;
        match (transaction.contract.as_str(), transaction.method.as_str()) {
            ("members", "invite") => members::invite(w, &decode(bytes)?),
            ("members", "join") => members::join(w, decode(bytes)?),
            ("members", "principal_add") => members::principal_add(w, decode(bytes)?),
            ("members", "principal_revoke") => members::principal_revoke(w, &decode(bytes)?),
            ("members", "issuer_accredit") => members::issuer_accredit(w, decode(bytes)?),
            ("members", "issuer_revoke") => members::issuer_revoke(w, &decode(bytes)?),
            ("oracles", "confirm") => oracles::confirm(w, decode(bytes)?),
            ("escrow", "deal") => escrow::deal(w, decode(bytes)?),
            ("escrow", "receive") => escrow::receive(w, decode(bytes)?),
            ("escrow", "destroy") => escrow::destroy(w, &decode(bytes)?),
            ("escrow", "contribute") => escrow::contribute(w, decode(bytes)?),
            ("ordering", "seat") => ordering::seat(w, &decode(bytes)?),
            ("ordering", "begin") => ordering::begin(w, &decode(bytes)?),
            ("ordering", "enter") => ordering::enter(w, &decode(bytes)?),
            ("ordering", "leave") => ordering::leave(w, &decode(bytes)?),
            ("ordering", "register") => ordering::register(w, &decode(bytes)?),
            ("ordering", "rotate") => ordering::rotate(w, &decode(bytes)?),
            ("signers", "register") => signers::register(w, &decode(bytes)?),
            ("governance", "begin") => governance::begin(w, &decode(bytes)?),
            ("governance", "propose") => governance::propose(w, decode(bytes)?),
            ("governance", "ballot") => governance::ballot(w, &decode(bytes)?),
            ("governance", "withdraw") => governance::withdraw(w, &decode(bytes)?),
            ("governance", "close") => governance::close(w, &decode(bytes)?),
            ("governance", "veto") => recovery::veto(w, &decode(bytes)?),
            ("triggers", "wake") => triggers::wake(w, decode(bytes)?),
            ("modules", "store") => modules::store(w, decode(bytes)?),
            ("modules", "drop") => decode::<ModuleDrop>(bytes).and_then(|_| modules::drop(w)),
            ("modules", "sweep") => modules::sweep(w, &decode(bytes)?),
            ("assets", "register") => assets::register(w, decode(bytes)?),
            ("assets", "retire") => assets::retire(w, &decode(bytes)?),
            ("contracts", "offer") => offers::offer(w, decode(bytes)?),
            ("contracts", "amend") => offers::amend(w, decode(bytes)?),
            ("contracts", "suspend") => offers::suspend(w, &decode(bytes)?),
            ("contracts", "resume") => offers::resume(w, &decode(bytes)?),
            ("contracts", "revoke") => offers::revoke(w, &decode(bytes)?),
            ("requests", "apply") => requests::apply(w, decode(bytes)?),
            ("requests", "cancel") => requests::cancel(w, &decode(bytes)?),
            ("requests", "decline") => requests::decline(w, decode(bytes)?),
            ("requests", "approve") => requests::approve(w, &decode(bytes)?),
            ("verdicts", "record") => verdicts::record(w, decode(bytes)?),
            ("grants", "issue") => grants::issue(w, &decode(bytes)?),
            ("grants", "revoke") => grants::revoke(w, &decode(bytes)?),
            ("releases", "record") => grants::release(w, decode(bytes)?),
            ("results", "record") => grants::result(w, decode(bytes)?),
            ("results", "destroy") => grants::destroy(w, &decode(bytes)?),
            ("private", method) if !private::is_begun(w)? => match (method, decode::<PrivateBegin>(bytes)) {
                ("begin", Ok(_)) => private::begin(w),
                _ => Err(unknown("private", method)),
            },
            ("private", "put") => private::put(w, decode(bytes)?),
            ("private", "hold") => private::hold(w, &decode(bytes)?),
            ("private", "purge") => private::purge(w, &decode(bytes)?),
            ("private", "attest") => private::attest(w, &decode(bytes)?),
            ("private", "begin") => Err(code::ALREADY_RECORDED.refuse("private payloads are begun with")),
            (contract, method) if contract.starts_with(modules::PREFIX) => modules::call(w, contract, method, bytes),
            (contract, method) => Err(unknown(contract, method)),
        }?;
        Ok(world.effects())
    }

    fn due(&self, state: &dyn State, context: &Context, used: &mut u64) -> Result<Option<Effects>, Failure> {
        triggers::due(state, context, used)
    }

    fn epoch(&self, state: &dyn State) -> Result<Epoch, Failure> {
        Ok(read::epoch(state)?)
    }
}

/// A view of one transaction, or of one piece of the ledger's own work: the state before it, who sent it and when, and what it changes so far.
pub(crate) struct World<'a> {
    pub(crate) state: &'a dyn State,
    pub(crate) chain: Digest,
    /// The block's height.
    pub(crate) height: u64,
    /// The block's time, Unix milliseconds.
    pub(crate) now: u64,
    /// None where the ledger acts by itself.
    sender: Option<PublicKey>,
    /// The transaction, and the identity of what it creates; of the ledger's own work, the subject.
    pub(crate) id: Digest,
    /// What the block's transactions, or the alarms of its beginning, have used so far of [`modules::MAX_WORK`].
    /// None for the ledger's own work that runs no module.
    used: Option<&'a Cell<u64>>,
    tries: bool,
    /// The identifier of the ML-DSA key that signed the transaction beside its sender's.
    pub(crate) ml_dsa: Option<Digest>,
    pub(crate) writes: BTreeMap<String, Option<Vec<u8>>>,
    events: Vec<Event>,
}

impl<'a> World<'a> {
    /// The view of the ledger's own work on a subject.
    pub(crate) fn of_ledger(state: &'a dyn State, context: &Context, id: Digest) -> Self {
        let Context { chain, height, time: now, .. } = *context;
        World {
            state,
            chain,
            height,
            now,
            sender: None,
            id,
            used: None,
            tries: false,
            ml_dsa: None,
            writes: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// The same, for work that runs a module.
    pub(crate) fn with_work(self, used: &'a Cell<u64>) -> Self {
        Self { used: Some(used), ..self }
    }

    /// Whether the ledger acts by itself.
    pub(crate) const fn by_ledger(&self) -> bool {
        self.sender.is_none()
    }

    /// Who sent this.
    pub(crate) fn sender(&self) -> Result<PublicKey, Failure> {
        self.sender.ok_or_else(|| code::NOT_PERMITTED.refuse("nobody sent this"))
    }

    pub(crate) fn get<T>(&self, key: &str) -> Result<Option<T>, Failure>
    where
        T: Encode<()> + for<'b> Decode<'b, ()>,
    {
        Ok(read::get(self.state, key)?)
    }

    /// Whether there is a record, for one that is to be made if not.
    pub(crate) fn holds(&self, key: &str) -> Result<bool, Failure> {
        Ok(self.state.holds(key.as_bytes())?)
    }

    /// As [`World::get`], with what this has written so far.
    pub(crate) fn written<T>(&self, key: &str) -> Result<Option<T>, Failure>
    where
        T: Encode<()> + for<'b> Decode<'b, ()>,
    {
        match self.writes.get(key) {
            Some(written) => Ok(written.as_deref().map(|bytes| read::decode(key, bytes)).transpose()?),
            None => self.get(key),
        }
    }

    pub(crate) fn put<T: Encode<()>>(&mut self, key: String, value: &T) {
        self.writes.insert(key, Some(wire::to_vec(value)));
    }

    pub(crate) fn put_bytes(&mut self, key: String, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    pub(crate) fn remove(&mut self, key: String) {
        self.writes.insert(key, None);
    }

    pub(crate) fn emit(&mut self, name: &str, notice: Notice) {
        self.events.push(Event { name: name.into(), data: wire::to_vec(&notice).into() });
    }

    /// A notice of now.
    pub(crate) fn notice(&self, subject: impl ToString) -> Notice {
        Notice { at: self.now, subject: subject.to_string(), members: vec![], request: None, detail: String::new() }
    }

    /// The member whose node key sent this.
    pub(crate) fn node(&self) -> Result<String, Failure> {
        self.duty(Duty::Node)?.ok_or_else(|| code::NOT_PERMITTED.refuse("only a member's node may do this"))
    }

    /// The member whose operator sent this.
    pub(crate) fn operator(&self) -> Result<String, Failure> {
        self.duty(Duty::Operator)?.ok_or_else(|| code::NOT_PERMITTED.refuse("only a member's operator may do this"))
    }

    /// The member that the sender serves in this duty.
    pub(crate) fn duty(&self, duty: Duty) -> Result<Option<String>, Failure> {
        let held: Option<MemberKey> = self.get(&key::member_key(&self.sender()?))?;
        Ok(held.filter(|held| held.duty == duty && held.void.is_none()).map(|held| held.member))
    }

    /// The same view with nothing changed yet, to try something out.
    pub(crate) fn trial(&self) -> World<'_> {
        let World { state, chain, height, now, sender, id, used, ml_dsa, .. } = *self;
        let (writes, events) = (BTreeMap::new(), Vec::new());
        World { state, chain, height, now, sender, id, used, tries: true, ml_dsa, writes, events }
    }

    /// Whether this only tries something out.
    pub(crate) const fn tries(&self) -> bool {
        self.tries
    }

    /// Refuses what may use more than the block has left.
    pub(crate) fn reserve(&self, most: u64) -> Result<(), Failure> {
        let left = self.used.map_or(0, |used| modules::MAX_WORK.saturating_sub(used.get()));
        match most <= left {
            true => Ok(()),
            false => Err(code::BLOCK_FULL.refuse(format!("this may use {most}, and the block has {left} left"))),
        }
    }

    /// Takes what was used from what the block has.
    pub(crate) fn spend(&self, work: u64) {
        if let Some(used) = self.used {
            used.set(used.get().saturating_add(work));
        }
    }

    pub(crate) fn effects(self) -> Effects {
        Effects { writes: self.writes.into_iter().map(|(key, value)| write(key, value)).collect(), events: self.events }
    }
}

/// A write as the ledger takes it.
pub(crate) fn write(key: String, value: Option<Vec<u8>>) -> Write {
    Write { key: key.into_bytes(), value }
}

fn unknown(contract: &str, method: &str) -> Failure {
    code::UNKNOWN_METHOD.refuse(format!("no method `{contract}.{method}`"))
}

fn decode<T>(bytes: &[u8]) -> Result<T, Failure>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    wire::from_slice(bytes, Limits::small()).map_err(|error| match error {
        wire::Error::TooLong { .. } => code::OVERSIZE.refuse(error.to_string()),
        _ => code::MALFORMED.refuse(error.to_string()),
    })
}
