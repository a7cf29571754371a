//! Modules: contracts in WebAssembly that members store, ballots install, and those call whom the ballots let.
//!
//! The format page is `docs/spec/modules.md`; what a module may do is in `docs/spec/wasm.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledger::{Failure, State};
use wasm::bounds::{MAX_FUEL, MAX_PAGES, MAX_WRITTEN};
use wasm::{Call, Code, Effects, Entry, Fault, Reads, Run, Sender, Stop, Verifier};
use wire::Bytes;

use crate::application::World;
use crate::message::{Callers, Install, ModuleState, ModuleStore, Room, Uninstall};
use crate::record::{Alarm, Course, Duty, Installed, Kept, MemberKey, Notice, PendingModule, Proposal, Role};
use crate::{code, governance, key, read, verifiers};

/// How the names of all contracts in WebAssembly begin, and of no others.
pub const PREFIX: &str = "x-";
/// Contracts in WebAssembly that a ledger has at most, uninstalled ones among them.
pub const MAX_INSTALLED: usize = 32;
/// The most that a proposal may give a contract.
pub const CEILING: Room = Room { fuel: MAX_FUEL, records: 100_000, bytes: 64 << 20 };
/// What the transactions of one block may use together, in units of fuel.
pub const MAX_WORK: u64 = 20_000_000;
/// Bytes of a migration's arguments, which a proposal keeps.
pub const MAX_MIGRATION: usize = 4096;
/// Fuel of a call by an alarm, where the contract's room has more.
pub const MAX_ALARM_FUEL: u64 = 2_000_000;
/// Alarms that a contract may have set.
pub const MAX_SET: usize = 64;
/// Records that one `modules.sweep` erases.
pub const SWEEP: usize = 200;

/// Of every call, besides its fuel.
const CALL: u64 = 100_000;
/// Of every page that a call's memory has in the end.
const PAGE: u64 = 20_000;
/// Of every byte of the keys and values that a call writes: they are kept for a while after they are replaced.
const WRITTEN: u64 = 10;
/// Of every byte of a module that is stored.
const CHECK: u64 = 50;
/// Of a module that is compiled.
const COMPILE: u64 = 2_000_000;
/// Of every record that is erased.
const ERASE: u64 = 10_000;
/// Longest name of a contract.
const MAX_NAME: usize = 32;

/// Keeps a module for its member to propose: one of each member, which the next replaces.
pub(crate) fn store(world: &mut World<'_>, store: ModuleStore) -> Result<(), Failure> {
    let member = world.operator()?;
    governance::govern(world)?;
    let key = key::pending(&member);
    let module = wasm::digest(&store.module);
    let pending: Option<PendingModule> = world.get(&key)?;
    if pending.is_some_and(|pending| pending.module == module) {
        return Err(code::ALREADY_RECORDED.refuse(format!("`{member}` has module {module} stored")));
    }
    let work = CHECK * store.module.len() as u64;
    world.reserve(work)?;
    world.spend(work);
    Code::check(&store.module).map_err(|refusal| code::MODULE_REFUSED.refuse(refusal.to_string()))?;
    let notice = Notice { members: vec![member], ..world.notice(module) };
    world.put(key, &PendingModule { module, since: world.now, bytes: store.module });
    world.emit("module.stored", notice);
    Ok(())
}

/// Forgets the module that a member has stored.
pub(crate) fn drop(world: &mut World<'_>) -> Result<(), Failure> {
    let member = world.operator()?;
    let pending: Option<PendingModule> = world.get(&key::pending(&member))?;
    let pending = pending.ok_or_else(|| code::UNKNOWN_MODULE.refuse(format!("`{member}` has no module stored")))?;
    world.remove(key::pending(&member));
    let notice = Notice { members: vec![member], ..world.notice(pending.module) };
    world.emit("module.dropped", notice);
    Ok(())
}

/// Has a contract run a module from the next transaction on; what it keeps, it keeps from module to module.
pub(crate) fn install(world: &mut World<'_>, install: &Install, proposal: &Proposal) -> Result<(), Failure> {
    let Install { name, module, callers, room, migration } = install;
    check_name(name)?;
    check_callers(callers)?;
    check_room(room)?;
    if migration.as_ref().is_some_and(|arguments| arguments.len() > MAX_MIGRATION) {
        return Err(code::OVERSIZE.refuse(format!("a migration has {MAX_MIGRATION} bytes of arguments at most")));
    }
    let before: Option<Installed> = world.get(&key::installed(name))?;
    match &before {
        None => check_number(world)?,
        Some(before) if before.course == Course::Erasing => {
            return Err(code::CONTRACT_ERASING.refuse(format!("what the last `{name}` kept is being erased")));
        }
        Some(before) => {
            let same = (&before.module, &before.callers, &before.room) == (module, callers, room);
            if same && before.course == Course::Running && migration.is_none() {
                return Err(code::ALREADY_RECORDED.refuse(format!("`{name}` runs module {module} so")));
            }
        }
    }
    if before.is_none() && migration.is_some() {
        return Err(code::MALFORMED.refuse(format!("there is no earlier `{name}` to migrate")));
    }
    let bytes = bytes_of(world, install, before.as_ref(), &proposal.proposer)?;
    // One member alone has nobody compile anything, nor run it.
    if world.tries() {
        return Ok(());
    }
    // A whole block has enough for the largest room.
    world.reserve(COMPILE + migration.as_ref().map_or(0, |_| most(room)))?;
    world.spend(COMPILE);
    let code = ready(&bytes)?;
    let version = before.as_ref().map_or(1, |before| before.version.saturating_add(1));
    let installed = Installed {
        name: name.clone(),
        version,
        module: *module,
        callers: callers.clone(),
        room: *room,
        since: world.now,
        proposal: proposal.id,
        course: Course::Running,
    };
    if let (Some(before), Some(arguments)) = (&before, migration) {
        if !code.migrates() {
            return Err(code::MODULE_REFUSED.refuse("the module takes over no state: it does not export `migrate`"));
        }
        let sender = sender(world)?.ok_or_else(|| code::NOT_PERMITTED.refuse("this key is nobody's"))?.0;
        run(world, &installed, &code, sender, (Entry::Migrate { from: before.version }, arguments.to_vec()))?;
    }
    world.put(key::installed(name), &installed);
    let pending: Option<PendingModule> = world.get(&key::pending(&proposal.proposer))?;
    if pending.is_some_and(|pending| pending.module == *module) {
        world.remove(key::pending(&proposal.proposer));
    }
    world.put(key::code(name), &bytes);
    let notice = Notice { detail: version.to_string(), ..world.notice(name) };
    world.emit("module.installed", notice);
    Ok(())
}

/// Has a contract take no more calls. What it keeps stays, or is to be erased.
pub(crate) fn uninstall(world: &mut World<'_>, uninstall: &Uninstall, proposal: &Proposal) -> Result<(), Failure> {
    let Uninstall { name, erase } = uninstall;
    let installed: Option<Installed> = world.get(&key::installed(name))?;
    let installed = match installed {
        Some(installed) if installed.course == Course::Running => installed,
        // One that stands still may yet be erased.
        Some(installed) if installed.course == Course::Stopped && *erase => installed,
        _ => return Err(not_installed(name)),
    };
    let notice = Notice { detail: installed.version.to_string(), ..world.notice(name) };
    let course = if *erase { Course::Erasing } else { Course::Stopped };
    for alarm in read::alarms(world.state, name)? {
        take_off(world, &alarm);
    }
    if *erase {
        world.remove(key::code(name));
    }
    world.put(key::installed(name), &Installed { course, proposal: proposal.id, since: world.now, ..installed });
    world.emit("module.uninstalled", notice);
    Ok(())
}

/// Erases the next of what a contract kept that the members want erased; with the last of it, the contract.
pub(crate) fn sweep(world: &mut World<'_>, state: &ModuleState) -> Result<(), Failure> {
    let member = world.operator()?;
    let name = &state.name;
    let installed: Option<Installed> = world.get(&key::installed(name))?;
    if !installed.is_some_and(|installed| installed.course == Course::Erasing) {
        return Err(code::UNKNOWN_METHOD.refuse(format!("nothing of `{name}` is to be erased")));
    }
    let work = ERASE * SWEEP as u64;
    world.reserve(work)?;
    world.spend(work);
    let pairs = world.state.scan(key::kept(name).as_bytes(), None, SWEEP + 1)?;
    let done = pairs.len() <= SWEEP;
    let erased = &pairs[..pairs.len().min(SWEEP)];
    let bytes = erased.iter().map(|(key, value)| (key.len() - key::kept(name).len() + value.len()) as u64).sum();
    let kept: Kept = world.get(&key::usage(name))?.unwrap_or_default();
    let left =
        Kept { records: kept.records.saturating_sub(erased.len() as u64), bytes: kept.bytes.saturating_sub(bytes) };
    for (key, _) in erased {
        // The host has seen that keys are ASCII.
        world.remove(String::from_utf8_lossy(key).into_owned());
    }
    match done {
        true => {
            world.remove(key::usage(name));
            world.remove(key::installed(name));
        }
        false => world.put(key::usage(name), &left),
    }
    let notice = Notice { members: vec![member], detail: left.records.to_string(), ..world.notice(name) };
    world.emit(if done { "module.erased" } else { "module.swept" }, notice);
    Ok(())
}

/// Compiles what the members have installed, so that no block waits for it; [`Contracts`](crate::Contracts) does it at the first call
/// otherwise.
///
/// # Errors
/// [`Failure`] where the state cannot be read, or this node cannot compile.
pub fn prepare(state: &dyn State) -> Result<(), Failure> {
    for installed in read::installed_contracts(state)? {
        if installed.course == Course::Running && Code::kept(&installed.module).is_none() {
            ready(&read::need::<Bytes>(state, &key::code(&installed.name))?)?;
        }
    }
    Ok(())
}

/// Calls a method of an installed contract.
pub(crate) fn call(world: &mut World<'_>, name: &str, method: &str, arguments: &[u8]) -> Result<(), Failure> {
    let installed: Option<Installed> = world.get(&key::installed(name))?;
    let installed = installed.filter(|installed| installed.course == Course::Running);
    let installed = installed.ok_or_else(|| not_installed(name))?;
    let sender = sender(world)?.filter(|(sender, roles)| lets(&installed.callers, sender, roles));
    let (sender, _) = sender
        .ok_or_else(|| code::NOT_PERMITTED.refuse(format!("the members let {} call `{name}`", installed.callers)))?;
    world.reserve(most(&installed.room))?;
    let code = compiled(world, &installed)?;
    run(world, &installed, &code, sender, (Entry::Method(method.into()), arguments.to_vec()))
}

/// Calls a contract because its alarm has come.
pub(crate) fn ring(world: &mut World<'_>, alarm: &Alarm) -> Result<(), Failure> {
    let name = &alarm.contract;
    let installed: Option<Installed> = world.get(&key::installed(name))?;
    // Who uninstalls a contract clears its alarms.
    let installed = installed.filter(|installed| installed.course == Course::Running);
    let mut installed = installed.ok_or_else(|| not_installed(name))?;
    installed.room.fuel = installed.room.fuel.min(MAX_ALARM_FUEL);
    world.reserve(most(&installed.room))?;
    let code = compiled(world, &installed)?;
    if !code.wakes() {
        return Err(code::UNKNOWN_METHOD.refuse(format!("this version of `{name}` takes no alarms")));
    }
    run(world, &installed, &code, Sender::LEDGER, (Entry::Alarm(alarm.name.clone()), vec![]))
}

/// Takes an alarm off.
pub(crate) fn take_off(world: &mut World<'_>, alarm: &Alarm) {
    world.remove(key::ringing(alarm));
    world.remove(format!("{}{}", key::alarms(&alarm.contract), alarm.name));
}

/// Sets and clears a contract's alarms as it wants.
fn set_alarms(world: &mut World<'_>, contract: &str, alarms: BTreeMap<String, Option<u64>>) -> Result<(), Failure> {
    if alarms.is_empty() {
        return Ok(());
    }
    let own = key::alarms(contract);
    let before = read::alarms(world.state, contract)?;
    let mut names: BTreeSet<String> = before.iter().map(|alarm| alarm.name.clone()).collect();
    // The one that has just come is off already.
    names.retain(|name| !matches!(world.writes.get(&format!("{own}{name}")), Some(None)));
    let then = names.len();
    for (name, at) in alarms {
        if let Some(old) = before.iter().find(|alarm| alarm.name == name) {
            take_off(world, old);
            names.remove(&name);
        }
        if let Some(at) = at {
            // Never in this block: what is due now is done when the next begins.
            let alarm = Alarm { at: at.max(world.now.saturating_add(1)), contract: contract.to_owned(), name };
            world.put(key::ringing(&alarm), &alarm);
            world.put(format!("{own}{}", alarm.name), &alarm);
            names.insert(alarm.name);
        }
    }
    match names.len() <= MAX_SET || names.len() <= then {
        true => Ok(()),
        false => Err(code::CONTRACT_FULL.refuse(format!("a contract has {MAX_SET} alarms at most"))),
    }
}

/// A contract's code, made ready before or now.
fn compiled(world: &World<'_>, installed: &Installed) -> Result<Arc<Code>, Failure> {
    match Code::kept(&installed.module) {
        Some(code) => Ok(code),
        None => ready(&read::need::<Bytes>(world.state, &key::code(&installed.name))?),
    }
}

/// Runs code over the contract's own keys.
fn run(
    world: &mut World<'_>,
    installed: &Installed,
    code: &Code,
    sender: Sender,
    (entry, arguments): (Entry, Vec<u8>),
) -> Result<(), Failure> {
    let Installed { name, room, .. } = installed;
    let own = Own { state: world.state, prefix: key::kept(name) };
    let members: Vec<String> = sender.member.iter().cloned().collect();
    let call = Call { entry, fuel: room.fuel, ..Call::method("", arguments, sender, world.height, world.now) };
    let Run { end, fuel, pages } = code.run(&own, call).map_err(fatal)?;
    world.spend(CALL + fuel + PAGE * pages);
    let Effects { writes, events, alarms } = end.map_err(|stop| refuse(name, stop))?;
    let written = writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum::<usize>();
    world.spend(WRITTEN * written as u64);
    let before: Kept = world.get(&key::usage(name))?.unwrap_or_default();
    let mut kept = before;
    for (key, value) in writes {
        // The host has seen that keys are ASCII.
        let full = format!("{}{}", own.prefix, String::from_utf8_lossy(&key));
        if let Some(old) = world.state.get(full.as_bytes())? {
            kept.records = kept.records.saturating_sub(1);
            kept.bytes = kept.bytes.saturating_sub((key.len() + old.len()) as u64);
        }
        match value {
            Some(value) => {
                kept.records += 1;
                kept.bytes += (key.len() + value.len()) as u64;
                world.put_bytes(full, value);
            }
            None => world.remove(full),
        }
    }
    // What was given less room than it needs may still shrink.
    let grown = |now: u64, then: u64, most: u64| now > most && now > then;
    if grown(kept.records, before.records, room.records) || grown(kept.bytes, before.bytes, room.bytes) {
        let Room { records, bytes, .. } = room;
        let message = format!("`{name}` may keep {records} records and {bytes} bytes at most");
        return Err(code::CONTRACT_FULL.refuse(message));
    }
    if kept != before {
        world.put(key::usage(name), &kept);
    }
    set_alarms(world, name, alarms)?;
    for event in events {
        let notice = Notice { members: members.clone(), detail: event.detail, ..world.notice(event.subject) };
        world.emit(&format!("{name}.{}", event.name), notice);
    }
    Ok(())
}

/// Who sent the transaction, as a contract sees it, and what it is to its member; none where the ledger does not know the key, or only for
/// cosigning.
fn sender(world: &World<'_>) -> Result<Option<(Sender, Vec<Role>)>, Failure> {
    let key = world.sender()?;
    let held = match world.get::<MemberKey>(&key::member_key(&key))? {
        Some(MemberKey { void: Some(_), .. }) => None,
        Some(MemberKey { member, duty: Duty::Operator, .. }) => Some((member, wasm::Role::Operator, vec![])),
        Some(MemberKey { member, duty: Duty::Node, .. }) => Some((member, wasm::Role::Node, vec![])),
        Some(MemberKey { duty: Duty::Cosigner, .. }) => None,
        None => read::active_principal(world.state, &key)?
            .map(|principal| (principal.member, wasm::Role::Principal, principal.roles)),
    };
    Ok(held.map(|(member, role, roles)| (Sender { key, member: Some(member), role }, roles)))
}

fn lets(callers: &Callers, sender: &Sender, roles: &[Role]) -> bool {
    match callers {
        Callers::Members => matches!(sender.role, wasm::Role::Operator | wasm::Role::Node),
        Callers::Known => sender.role != wasm::Role::Nobody,
        Callers::Roles(wanted) => roles.iter().any(|role| wanted.contains(role)),
    }
}

/// The module that is to be installed: the one that the contract has, or the one that the proposer has stored.
fn bytes_of(
    world: &World<'_>,
    install: &Install,
    before: Option<&Installed>,
    proposer: &str,
) -> Result<Bytes, Failure> {
    if before.is_some_and(|before| before.module == install.module) {
        return Ok(read::need(world.state, &key::code(&install.name))?);
    }
    let pending: Option<PendingModule> = world.get(&key::pending(proposer))?;
    let pending = pending.filter(|pending| pending.module == install.module);
    let unknown = || format!("`{proposer}` has not stored module {}, or another since", install.module);
    Ok(pending.ok_or_else(|| code::UNKNOWN_MODULE.refuse(unknown()))?.bytes)
}

fn ready(bytes: &[u8]) -> Result<Arc<Code>, Failure> {
    Code::keep(bytes).map_err(|error| match error {
        wasm::Error::Refused(refusal) => code::MODULE_REFUSED.refuse(refusal.to_string()),
        error => fatal(error),
    })
}

/// What a call may use at most.
const fn most(room: &Room) -> u64 {
    CALL + room.fuel + PAGE * MAX_PAGES + WRITTEN * MAX_WRITTEN as u64
}

fn refuse(name: &str, stop: Stop) -> Failure {
    match stop {
        Stop::Fuel { .. } => code::OUT_OF_FUEL.refuse(stop.to_string()),
        Stop::Depth => code::CALL_TOO_DEEP.refuse(stop.to_string()),
        // Its own code, under its name: nobody takes it for one of ours.
        Stop::Refused(reason) => Failure::refuse(format!("{name}.{reason}"), format!("`{name}` refuses this")),
        stop => code::CONTRACT_FAILED.refuse(stop.to_string()),
    }
}

fn not_installed(name: &str) -> Failure {
    code::UNKNOWN_METHOD.refuse(format!("no contract `{name}` is installed"))
}

/// What this node cannot do, no node may be told of.
fn fatal(error: impl ToString) -> Failure {
    Failure { code: "internal".into(), message: error.to_string(), fatal: true }
}

fn check_name(name: &str) -> Result<(), Failure> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let rest = name.strip_prefix(PREFIX).unwrap_or_default();
    match (1..=MAX_NAME - PREFIX.len()).contains(&rest.len()) && rest.bytes().all(good) {
        true => Ok(()),
        false => Err(code::NAME_INVALID
            .refuse(format!("a contract is called `{PREFIX}` and 1 to 30 characters of `a-z 0-9 -`: not `{name}`"))),
    }
}

fn check_callers(callers: &Callers) -> Result<(), Failure> {
    match callers {
        Callers::Roles(roles) if roles.is_empty() || !roles.is_sorted_by(|a, b| a < b) => {
            Err(code::MALFORMED.refuse("roles that may call are listed once each, in their order, and one at least"))
        }
        _ => Ok(()),
    }
}

fn check_room(room: &Room) -> Result<(), Failure> {
    let Room { fuel, records, bytes } = CEILING;
    let fits = (1..=fuel).contains(&room.fuel) && room.records <= records && room.bytes <= bytes;
    match fits {
        true => Ok(()),
        false => Err(code::MALFORMED.refuse(format!(
            "a contract has 1 to {fuel} of fuel for a call, and keeps {records} records and {bytes} bytes at most"
        ))),
    }
}

fn check_number(world: &World<'_>) -> Result<(), Failure> {
    let found = read::page::<Installed>(world.state, key::INSTALLED, None, MAX_INSTALLED)?.items.len();
    match found < MAX_INSTALLED {
        true => Ok(()),
        false => {
            Err(code::TOO_MANY_CONTRACTS.refuse(format!("this ledger has {MAX_INSTALLED} contracts in WebAssembly")))
        }
    }
}

/// Whatever is allowed fits a block.
const _: () = assert!(COMPILE + most(&CEILING) <= MAX_WORK);

/// The state as a contract sees it.
struct Own<'a> {
    state: &'a dyn State,
    prefix: String,
}

impl Reads for Own<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.state.get(&[self.prefix.as_bytes(), key].concat()).map_err(|error| Fault(error.to_string()))
    }

    fn verifier(&self, name: &str) -> Result<Option<Verifier>, Fault> {
        let found = read::verifier(self.state, name).map_err(|error| Fault(error.to_string()))?;
        Ok(found.map(|found| Verifier { digest: found.verifier, fuel: found.fuel }))
    }

    fn verify(&self, name: &str, proof: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        verifiers::verify(self.state, name, proof).map_err(|error| Fault(error.to_string()))
    }
}
