//! Triggers: what the ledger does by itself when its time has come, at the start of a block, in order and bounded.
//!
//! A rule that has something follow later puts a [`Trigger`] down with [`set`], due at a time or, by a time that has come, before the next
//! block; and takes it off with [`unset`] where it shall not happen any more. The format page is `docs/spec/triggers.md`.

use std::cell::Cell;

use crypto::Digest;
use ledger::{Context, Effects, Failure, State};

use crate::application::World;
use crate::message::Wake;
use crate::record::{Alarm, Notice, Trigger, TriggerKind};
use crate::{code, governance, key, modules, offers, read, recovery, requests};

/// Has the ledger do something.
pub(crate) fn set(world: &mut World<'_>, trigger: &Trigger) {
    world.put(key::due(trigger), trigger);
}

/// Has it not done, where it was to be. Ledgers of versions that knew no triggers have none.
pub(crate) fn unset(world: &mut World<'_>, trigger: &Trigger) -> Result<(), Failure> {
    let place = key::due(trigger);
    if world.get::<Trigger>(&place)?.is_some() {
        world.remove(place);
    }
    Ok(())
}

/// Does the first of what is due in a block: the ledger's own work before contracts' alarms, so that none of these delays it, and deadlines, of
/// which anybody may make many, when neither is left. It is off the list then, whatever comes of it.
pub(crate) fn due(state: &dyn State, context: &Context, used: &mut u64) -> Result<Option<Effects>, Failure> {
    if let Some(trigger) = read::next_trigger(state)?.filter(|trigger| trigger.at <= context.time) {
        return perform(state, context, &trigger).map(Some);
    }
    if let Some(alarm) = read::next_alarm(state)?.filter(|alarm| alarm.at <= context.time)
        && let Some(effects) = ring(state, context, &alarm, Cell::from_mut(used))?
    {
        return Ok(Some(effects));
    }
    match read::next_deadline(state)?.filter(|trigger| trigger.at <= context.time) {
        Some(trigger) => perform(state, context, &trigger).map(Some),
        None => Ok(None),
    }
}

/// Does a piece of the ledger's own work.
fn perform(state: &dyn State, context: &Context, trigger: &Trigger) -> Result<Effects, Failure> {
    let begin = || {
        let mut world = World::of_ledger(state, context, trigger.subject);
        world.remove(key::due(trigger));
        let notice = Notice { detail: trigger.kind.name().into(), ..world.notice(trigger.subject) };
        world.emit("trigger.ran", notice);
        world
    };
    let mut world = begin();
    let done = match trigger.kind {
        TriggerKind::Expire => governance::expire(&mut world, &trigger.subject),
        TriggerKind::Recover => recovery::take_effect(&mut world, &trigger.subject),
        TriggerKind::Begin => offers::begun(&mut world, &trigger.subject),
        TriggerKind::End => offers::ended(&mut world, &trigger.subject),
        TriggerKind::Lapse => requests::lapse(&mut world, &trigger.subject),
    };
    end(world, done, begin, trigger.subject)
}

/// Calls a contract whose alarm has come; none where the block has no work left for it, and it waits for the next.
fn ring(state: &dyn State, context: &Context, alarm: &Alarm, used: &Cell<u64>) -> Result<Option<Effects>, Failure> {
    let begin = || {
        // Nothing that a contract in WebAssembly does is known by the identity of what made it do so.
        let mut world = World::of_ledger(state, context, Digest::from([0; 32])).with_work(used);
        modules::take_off(&mut world, alarm);
        let notice = Notice { detail: format!("alarm {}", alarm.name), ..world.notice(&alarm.contract) };
        world.emit("trigger.ran", notice);
        world
    };
    let mut world = begin();
    match modules::ring(&mut world, alarm) {
        Err(failure) if failure.code == code::BLOCK_FULL.code => Ok(None),
        done => end(world, done, begin, &alarm.contract).map(Some),
    }
}

/// What a piece of work changes and reports; where it was refused, no more than that it was begun, and why it came to nothing.
fn end<'a>(
    mut world: World<'a>,
    done: Result<(), Failure>,
    begin: impl FnOnce() -> World<'a>,
    subject: impl ToString,
) -> Result<Effects, Failure> {
    match done {
        Ok(()) => {}
        Err(failure) if failure.fatal => return Err(failure),
        Err(failure) => {
            // What it changed before it was refused is forgotten.
            world = begin();
            let notice = Notice { detail: failure.code.into_owned(), ..world.notice(subject) };
            world.emit("trigger.failed", notice);
        }
    }
    Ok(world.effects())
}

/// Makes a block on a ledger where nobody else does: what is due was done before.
pub(crate) fn wake(world: &mut World<'_>, wake: Wake) -> Result<(), Failure> {
    let member = world.node()?;
    let notice = Notice { members: vec![member.clone()], detail: wake.height.to_string(), ..world.notice(member) };
    world.emit("triggers.woken", notice);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wire::Limits;

    use super::*;

    #[test]
    fn what_cannot_be_done_is_told_and_off_the_list() {
        let subject = Digest::from([3; 32]);
        for (kind, code) in [
            (TriggerKind::Expire, "unknown_proposal"),
            (TriggerKind::Recover, "no_recovery"),
            (TriggerKind::Begin, "unknown_contract"),
            (TriggerKind::End, "unknown_contract"),
            (TriggerKind::Lapse, "unknown_request"),
        ] {
            let trigger = Trigger { at: 1_000, kind, subject };
            let place = key::due(&trigger).into_bytes();
            let state = BTreeMap::from([(place.clone(), wire::to_vec(&trigger))]);
            let context = |time| Context { chain: Digest::from([1; 32]), height: 7, time, position: 0 };
            assert_eq!(due(&state, &context(999), &mut 0).unwrap(), None);
            let Effects { writes, events } = due(&state, &context(1_000), &mut 0).unwrap().unwrap();
            assert_eq!(writes, [ledger::Write::remove(place)]);
            let [ran, failed] = events.as_slice() else { panic!("{events:?}") };
            assert_eq!((ran.name.as_str(), failed.name.as_str()), ("trigger.ran", "trigger.failed"));
            let notice: Notice = wire::from_slice(&failed.data, Limits::small()).unwrap();
            assert_eq!((notice.subject, notice.detail.as_str()), (subject.to_string(), code));
        }
    }

    #[test]
    fn the_order_of_keys_is_the_order_of_doing() {
        let of = |at, kind, byte| Trigger { at, kind, subject: Digest::from([byte; 32]) };
        let mut triggers = [
            of(u64::MAX, TriggerKind::Expire, 0),
            of(0x100, TriggerKind::Recover, 0),
            of(0x100, TriggerKind::Expire, 9),
            of(0x100, TriggerKind::Expire, 1),
            of(0xff, TriggerKind::Recover, 9),
            of(0, TriggerKind::Recover, 255),
        ];
        let mut keys: Vec<String> = triggers.iter().map(key::due).collect();
        triggers.sort_unstable();
        keys.sort_unstable();
        assert_eq!(triggers.iter().map(key::due).collect::<Vec<_>>(), keys);
        assert_eq!(keys[0], format!("due/0000000000000000-01-{}", "ff".repeat(32)));
    }
}
