//! How the ledger is ordered: by one node at first, then by the validators of an epoch together.

use ledger::Failure;

use crate::application::World;
use crate::message::{OrderingBegin, OrderingSeat};
use crate::record::{Member, Notice, Quorum};
use crate::{code, key, read};

/// Fewest validators that may order together: with fewer, one that is down would stop the ledger.
pub const MIN_VALIDATORS: usize = 4;

/// A member's node says where it takes part in the ordering.
pub(crate) fn seat(world: &mut World<'_>, seat: &OrderingSeat) -> Result<(), Failure> {
    let member = world.node()?;
    check_address(&seat.address)?;
    world.put(key::seat(&member), &seat.address);
    let notice = Notice { members: vec![member.clone()], detail: seat.address.clone(), ..world.notice(&member) };
    world.emit("ordering.seated", notice);
    Ok(())
}

/// From the next block on, the validators of the epoch order together.
pub(crate) fn begin(world: &mut World<'_>, begin: &OrderingBegin) -> Result<(), Failure> {
    let member = world.operator()?;
    let own = world.get::<Member>(&key::member(&member))?;
    if !own.is_some_and(|own| own.regulator || own.joined == 0) {
        return Err(code::NOT_PERMITTED.refuse("only a regulator or the founder may change who orders the ledger"));
    }
    if read::quorum(world.state)?.is_some() {
        return Err(code::ORDERING_BEGUN.refuse("the validators order the ledger already"));
    }
    let epoch = read::epoch(world.state)?;
    if begin.epoch != epoch.number {
        return Err(code::EPOCH_INVALID.refuse(format!("the ledger's epoch is {}", epoch.number)));
    }
    if epoch.validators.len() < MIN_VALIDATORS {
        let message = format!("{MIN_VALIDATORS} validators are needed; there are {}", epoch.validators.len());
        return Err(code::VALIDATORS_MISSING.refuse(message));
    }
    let mut unseated = Vec::new();
    for validator in &epoch.validators {
        if read::seat(world.state, &validator.name)?.is_none() {
            unseated.push(validator.name.clone());
        }
    }
    if !unseated.is_empty() {
        return Err(code::VALIDATORS_MISSING
            .refuse(format!("these nodes have not said where they take part: {}", unseated.join(", "))));
    }
    world.put(key::QUORUM.into(), &Quorum { epoch: epoch.number, base: world.height });
    let members = epoch.validators.into_iter().map(|validator| validator.name).collect();
    let notice = Notice { members, ..world.notice(epoch.number) };
    world.emit("ordering.begun", notice);
    Ok(())
}

/// `host:port`: a name or an address, and a port that is not 0.
fn check_address(address: &str) -> Result<(), Failure> {
    let invalid = || code::ADDRESS_INVALID.refuse(format!("`{address}` is not of the form host:port"));
    let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
    let name = |host: &str| {
        !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
    };
    let six = || host.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok();
    let port_is_good = port.parse::<u16>().is_ok_and(|number| number != 0 && number.to_string() == port);
    match address.len() <= 255 && port_is_good && (name(host) || six().is_some()) {
        true => Ok(()),
        false => Err(invalid()),
    }
}
