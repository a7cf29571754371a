//! How the ledger is ordered: by one node at first, then by the validators of an epoch together, and after them by those of a later
//! one: members take their place among the validators, leave it and change their keys while the ledger goes on.

use crypto::mldsa;
use ledger::{Epoch, Failure, Validator};

use crate::application::World;
use crate::members::{check_active, check_unused, find, validator};
use crate::message::{OrderingBegin, OrderingPlace, OrderingRotate, OrderingSeat, Parameters, Registration};
use crate::record::{Duty, MemberKey, Notice, Quorum, ValidatorSet};
use crate::{code, governance, key, read};

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

/// Changes that each member may make, or have made, to the validators: a consortium's epochs have a bound.
pub const MAX_CHANGES: u64 = 8;
/// And so many more with each whole year since it joined.
pub const YEARLY_CHANGES: u64 = 2;
/// A year has 365 days, in milliseconds.
const YEAR: u64 = 365 * 24 * 3_600_000;
/// Most epochs of a ledger: as many as a consortium file holds.
pub const MAX_EPOCHS: u64 = 1024;
/// The last of them, for suspension, removal and leaving by ballot alone.
const KEPT_EPOCHS: u64 = 100;

/// A member takes its place among the validators again.
pub(crate) fn enter(world: &mut World<'_>, place: &OrderingPlace) -> Result<(), Failure> {
    if world.operator()? != place.member {
        presides(world)?;
    }
    governance::not_by_ballot(world)?;
    let validators = entered(world, &place.member)?;
    count(world, &place.member)?;
    turn(world, &place.member, "ordering.entered", validators, true).map(drop)
}

/// A member leaves its place among the validators. Its node follows them from there on.
pub(crate) fn leave(world: &mut World<'_>, place: &OrderingPlace) -> Result<(), Failure> {
    if world.operator()? != place.member {
        presides(world)?;
        governance::not_by_ballot(world)?;
    }
    let validators = left(world, &place.member)?;
    count(world, &place.member)?;
    turn(world, &place.member, "ordering.left", validators, true).map(drop)
}

/// The validators with one more.
pub(crate) fn entered(world: &World<'_>, name: &str) -> Result<Vec<Validator>, Failure> {
    let member = find(world, name)?;
    check_active(world, name)?;
    let mut validators = read::epoch(world.state)?.validators;
    if validators.iter().any(|validator| validator.name == name) {
        return Err(code::ALREADY_RECORDED.refuse(format!("`{name}` is a validator")));
    }
    if read::seat(world.state, name)?.is_none() {
        let message = format!("the node of `{name}` has not said where it takes part");
        return Err(code::VALIDATORS_MISSING.refuse(message));
    }
    validators.push(validator(&member.card));
    Ok(validators)
}

/// The validators with one less.
pub(crate) fn left(world: &World<'_>, name: &str) -> Result<Vec<Validator>, Failure> {
    find(world, name)?;
    let mut validators = read::epoch(world.state)?.validators;
    let before = validators.len();
    validators.retain(|validator| validator.name != name);
    if validators.len() == before {
        return Err(code::ALREADY_RECORDED.refuse(format!("`{name}` is no validator")));
    }
    if validators.len() < MIN_VALIDATORS {
        let message = format!("{MIN_VALIDATORS} validators are needed; {} would be left", validators.len());
        return Err(code::VALIDATORS_MISSING.refuse(message));
    }
    Ok(validators)
}

/// A member's node has a new key to cosign with, and, from the next beginning on, to vote with.
pub(crate) fn rotate(world: &mut World<'_>, rotate: &OrderingRotate) -> Result<(), Failure> {
    let name = world.node()?;
    check_unused(world, &rotate.key)?;
    let mut member = find(world, &name)?;
    member.card.cosigner = rotate.key;
    let mut validators = read::epoch(world.state)?.validators;
    for own in validators.iter_mut().filter(|validator| validator.name == name) {
        own.key = rotate.key;
    }
    if let Some(registration) = &rotate.ml_dsa {
        keep_ml_dsa(world, &name, registration)?;
    }
    // The old key stays taken.
    world.put(key::member_key(&rotate.key), &MemberKey { member: name.clone(), duty: Duty::Cosigner, void: None });
    world.put(key::member(&name), &member);
    count(world, &name)?;
    turn(world, &name, "ordering.rotated", validators, true).map(drop)
}

/// A member's node has an ML-DSA key to cosign with, its first or a new one.
pub(crate) fn register(world: &mut World<'_>, registration: &Registration) -> Result<(), Failure> {
    let name = world.node()?;
    // A first key changes nothing that could be undone by another.
    let rotates = read::ml_dsa(world.state, &name)?.is_some();
    keep_ml_dsa(world, &name, registration)?;
    if rotates {
        count(world, &name)?;
    }
    let detail = registration.key.id().to_string();
    let notice = Notice { members: vec![name.clone()], detail, ..world.notice(&name) };
    world.emit("ordering.registered", notice);
    arm(world, &name)
}

/// Takes a member's ML-DSA key for good.
pub(crate) fn keep_ml_dsa(world: &mut World<'_>, member: &str, registration: &Registration) -> Result<(), Failure> {
    if !asks_ml_dsa(world)? {
        return Err(code::ML_DSA_OFF.refuse("the parameters do not ask for ML-DSA"));
    }
    let taken = key::ml_dsa_key(&registration.key.id());
    let signs = read::signer_key(world.state, &registration.key.id())?;
    if world.holds(&taken)? || signs.is_some() {
        return Err(code::KEY_TAKEN.refuse("the ML-DSA key was registered before"));
    }
    if !registration.is_signed(&world.chain, member) {
        return Err(code::BAD_SIGNATURE.refuse("the ML-DSA key has not signed that it is this member's"));
    }
    world.put(taken, &member.to_owned());
    world.put(key::ml_dsa(member), &registration.key);
    Ok(())
}

/// Whether the parameters ask validators to cosign with ML-DSA, as this transaction leaves them.
fn asks_ml_dsa(world: &World<'_>) -> Result<bool, Failure> {
    let parameters: Option<Parameters> = world.written(key::PARAMETERS)?;
    Ok(parameters.is_some_and(|parameters| parameters.cosigning.is_some()))
}

/// These validators with the ML-DSA keys that their nodes have registered, where the parameters ask for them and all have one; else
/// without. An epoch that demands them is followed by none that does not, unless the parameters say so: nobody comes in without.
pub(crate) fn armed(world: &World<'_>, mut validators: Vec<Validator>) -> Result<Vec<Validator>, Failure> {
    let asked = asks_ml_dsa(world)?;
    let mut missing = Vec::new();
    for validator in &mut validators {
        let key: Option<mldsa::PublicKey> = if asked { world.written(&key::ml_dsa(&validator.name))? } else { None };
        if key.is_none() {
            missing.push(validator.name.clone());
        }
        validator.ml_dsa = key;
    }
    if !missing.is_empty() {
        if asked && read::epoch(world.state)?.demands_ml_dsa() {
            let message = format!("these nodes have not registered an ML-DSA key: {}", missing.join(", "));
            return Err(code::ML_DSA_MISSING.refuse(message));
        }
        validators.iter_mut().for_each(|validator| validator.ml_dsa = None);
    }
    Ok(validators)
}

/// Has the ledger go on in a new epoch where the parameters, or the keys that are registered now, demand another one of its validators.
pub(crate) fn arm(world: &mut World<'_>, member: &str) -> Result<(), Failure> {
    let epoch = read::epoch(world.state)?;
    let validators = armed(world, epoch.validators.clone())?;
    match validators == epoch.validators {
        true => Ok(()),
        false => turn(world, member, "ordering.cosigning", validators, true).map(drop),
    }
}

/// Refuses whoever is not the operator of a regulator or of the founder.
pub(crate) fn presides(world: &World<'_>) -> Result<(), Failure> {
    match find(world, &world.operator()?)? {
        own if own.regulator || own.joined == 0 => Ok(()),
        _ => Err(code::NOT_PERMITTED.refuse("only a regulator or the founder may do this alone")),
    }
}

/// Counts a change that a member makes, or a regulator or the founder for it.
fn count(world: &mut World<'_>, member: &str) -> Result<(), Failure> {
    let made: u64 = world.get(&key::changes(member))?.unwrap_or(0);
    if made >= MAX_CHANGES && made >= MAX_CHANGES + YEARLY_CHANGES * years(world, member)? {
        let most =
            format!("{MAX_CHANGES} times at most, and {YEARLY_CHANGES} times more with each year since it joined");
        return Err(code::TOO_MANY.refuse(format!("a member's place or key changes {most}")));
    }
    world.put(key::changes(member), &(made + 1));
    Ok(())
}

/// Whole years since a member joined; for the founder, since the first other member did.
fn years(world: &World<'_>, member: &str) -> Result<u64, Failure> {
    let joined = match find(world, member)?.joined {
        0 => read::members(world.state)?.into_iter().map(|other| other.joined).filter(|joined| *joined > 0).min(),
        joined => Some(joined),
    };
    Ok(joined.map_or(0, |joined| world.now.saturating_sub(joined) / YEAR))
}

/// The number of the ledger's next epoch. The last ones are kept for taking validators away.
pub(crate) fn next(epoch: u64, keep: bool) -> Result<u64, Failure> {
    let most = if keep { MAX_EPOCHS - KEPT_EPOCHS } else { MAX_EPOCHS };
    match epoch < most {
        true => Ok(epoch + 1),
        false => Err(code::TOO_MANY.refuse(format!("the ledger is in epoch {epoch}; {most} are possible here"))),
    }
}

/// A new epoch of the ledger because of a member. Who orders stays until it begins.
pub(crate) fn turn(
    world: &mut World<'_>,
    member: &str,
    event: &str,
    validators: Vec<Validator>,
    keep: bool,
) -> Result<Epoch, Failure> {
    let number = next(read::epoch(world.state)?.number, keep)?;
    let set = ValidatorSet { validators: armed(world, validators)? };
    world.put(key::epoch(number), &set);
    world.put(key::EPOCH.into(), &number);
    let notice = Notice { members: vec![member.to_owned()], detail: number.to_string(), ..world.notice(member) };
    world.emit(event, notice);
    Ok(Epoch { number, validators: set.validators })
}

/// Has an epoch begin at once, where validators order already and all of this one have said where they take part.
pub(crate) fn proceed(world: &mut World<'_>, epoch: Epoch) -> Result<(), Failure> {
    let orders = read::quorum(world.state)?;
    if orders.is_some_and(|orders| orders.epoch != epoch.number) && unseated(world, &epoch)?.is_empty() {
        begun(world, epoch);
    }
    Ok(())
}

/// The validators that have not said where they take part.
fn unseated(world: &World<'_>, epoch: &Epoch) -> Result<Vec<String>, Failure> {
    let mut unseated = Vec::new();
    for validator in &epoch.validators {
        if read::seat(world.state, &validator.name)?.is_none() {
            unseated.push(validator.name.clone());
        }
    }
    Ok(unseated)
}

fn begun(world: &mut World<'_>, epoch: Epoch) {
    world.put(key::QUORUM.into(), &Quorum { epoch: epoch.number, base: world.height });
    let members = epoch.validators.into_iter().map(|validator| validator.name).collect();
    let notice = Notice { members, ..world.notice(epoch.number) };
    world.emit("ordering.begun", notice);
}

/// Whether a transaction with this method may change who orders the ledger: only after such a one need anybody look.
pub fn may_pass_on(contract: &str, method: &str) -> bool {
    (contract, method) == ("ordering", "begin") || contract == "governance"
}

/// From the next block on, the validators of the epoch order together.
pub(crate) fn begin(world: &mut World<'_>, begin: &OrderingBegin) -> Result<(), Failure> {
    // Where ballots govern it decides nothing: they made the epoch.
    if read::parameters(world.state)?.is_none() {
        presides(world)?;
    }
    world.operator()?;
    let epoch = read::epoch(world.state)?;
    if read::quorum(world.state)?.is_some_and(|quorum| quorum.epoch == epoch.number) {
        return Err(code::ORDERING_BEGUN.refuse("the validators of the ledger's epoch order it already"));
    }
    if begin.epoch != epoch.number {
        return Err(code::EPOCH_INVALID.refuse(format!("the ledger's epoch is {}", epoch.number)));
    }
    if epoch.validators.len() < MIN_VALIDATORS {
        let message = format!("{MIN_VALIDATORS} validators are needed; there are {}", epoch.validators.len());
        return Err(code::VALIDATORS_MISSING.refuse(message));
    }
    let unseated = unseated(world, &epoch)?;
    if !unseated.is_empty() {
        return Err(code::VALIDATORS_MISSING
            .refuse(format!("these nodes have not said where they take part: {}", unseated.join(", "))));
    }
    begun(world, epoch);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_end_and_the_last_are_kept_for_taking_validators_away() {
        let kept = MAX_EPOCHS - KEPT_EPOCHS;
        assert_eq!(next(kept - 1, true).unwrap(), kept);
        assert!(next(kept, true).is_err() && next(kept, false).is_ok());
        assert_eq!(next(MAX_EPOCHS - 1, false).unwrap(), MAX_EPOCHS);
        assert!(next(MAX_EPOCHS, false).is_err());
    }
}
