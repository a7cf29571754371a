//! Contracts: offered, amended, suspended, resumed and revoked by the asset's owner.

use crypto::Digest;
use ledger::Failure;
use policy::{Means, Terms, Visibility};
use query::Program;

use crate::application::World;
use crate::message::{Amend, ContractState, ContractVersion, Offer};
use crate::record::{Contract, Duty, Member, Notice, Role, Standing, Trigger, TriggerKind, Version};
use crate::{assets, code, key, read, triggers};

pub(crate) fn offer(world: &mut World<'_>, offer: Offer) -> Result<(), Failure> {
    let owner = check_terms(world, &offer.terms)?;
    permit(world, &owner)?;
    let contract = Contract {
        id: world.id,
        owner,
        version: 1,
        terms: offer.terms,
        standing: Standing::Active,
        since: world.now,
        transaction: world.id,
        ml_dsa: world.ml_dsa,
    };
    keep(world, &contract, true);
    tell(world, "contract.offered", &contract);
    time(world, &contract)
}

pub(crate) fn amend(world: &mut World<'_>, amend: Amend) -> Result<(), Failure> {
    let mut contract = owned(world, &amend.contract)?;
    if contract.standing == Standing::Revoked {
        return Err(code::CONTRACT_NOT_IN_FORCE.refuse("a revoked contract stays revoked"));
    }
    if amend.terms.asset != contract.terms.asset {
        return Err(code::TERMS_INVALID.refuse("an amendment keeps the asset; offer another contract instead"));
    }
    check_terms(world, &amend.terms)?;
    untime(world, &contract)?;
    contract.version = contract.version.checked_add(1).ok_or_else(|| code::TOO_MANY.refuse("no more versions"))?;
    contract.terms = amend.terms;
    contract.since = world.now;
    contract.transaction = world.id;
    contract.ml_dsa = world.ml_dsa;
    keep(world, &contract, true);
    tell(world, "contract.amended", &contract);
    time(world, &contract)
}

pub(crate) fn suspend(world: &mut World<'_>, state: &ContractState) -> Result<(), Failure> {
    stand(world, &state.contract, &[Standing::Active], Standing::Suspended, "contract.suspended")
}

pub(crate) fn resume(world: &mut World<'_>, state: &ContractState) -> Result<(), Failure> {
    stand(world, &state.contract, &[Standing::Suspended], Standing::Active, "contract.resumed")
}

pub(crate) fn revoke(world: &mut World<'_>, state: &ContractState) -> Result<(), Failure> {
    stand(world, &state.contract, &[Standing::Active, Standing::Suspended], Standing::Revoked, "contract.revoked")
}

/// A contract.
pub(crate) fn find(world: &World<'_>, id: &Digest) -> Result<Contract, Failure> {
    world.get(&key::contract(id))?.ok_or_else(|| code::UNKNOWN_CONTRACT.refuse(format!("no contract {id}")))
}

/// The terms that a request was made under; they outlive amendments.
pub(crate) fn terms_at(world: &World<'_>, version: &ContractVersion) -> Result<Terms, Failure> {
    let kept: Version = world
        .get(&key::version(version))?
        .ok_or_else(|| code::CONTRACT_CHANGED.refuse(format!("no version {}", version.version)))?;
    Ok(kept.terms)
}

/// A contract that is in force now: active, and inside the window of its newest terms.
pub(crate) fn in_force(world: &World<'_>, id: &Digest) -> Result<Contract, Failure> {
    let contract = find(world, id)?;
    if contract.standing != Standing::Active {
        return Err(code::CONTRACT_NOT_IN_FORCE.refuse(format!("the contract is {:?}", contract.standing)));
    }
    if let Some(barred) = read::barred(world.state, &contract.owner)? {
        let message = format!("its owner `{}` is {}", contract.owner, barred.standing);
        return Err(code::CONTRACT_NOT_IN_FORCE.refuse(message));
    }
    if !contract.terms.window.contains(world.now) {
        return Err(code::CONTRACT_NOT_IN_FORCE.refuse("the contract's window does not contain this moment"));
    }
    Ok(contract)
}

/// As [`in_force`], still at the version that was read, and over an asset that is not retired.
pub(crate) fn unchanged(world: &World<'_>, version: &ContractVersion) -> Result<Contract, Failure> {
    let contract = in_force(world, &version.contract)?;
    if contract.version != version.version {
        let message = format!("the contract is at version {}, not {}", contract.version, version.version);
        return Err(code::CONTRACT_CHANGED.refuse(message));
    }
    assets::active(world, &contract.terms.asset)?;
    Ok(contract)
}

fn stand(world: &mut World<'_>, id: &Digest, from: &[Standing], to: Standing, event: &str) -> Result<(), Failure> {
    let mut contract = owned(world, id)?;
    if !from.contains(&contract.standing) {
        return Err(code::CONTRACT_NOT_IN_FORCE.refuse(format!("the contract is {:?}", contract.standing)));
    }
    contract.standing = to;
    keep(world, &contract, false);
    tell(world, event, &contract);
    match to {
        Standing::Revoked => {
            untime(world, &contract)?;
            if read::has_ended(world.state, id)? {
                world.remove(key::ended(id));
            }
        }
        // It stands, and its window is over all the same.
        Standing::Active if read::has_ended(world.state, id)? => tell_window(world, "contract.ended", &contract),
        _ => {}
    }
    Ok(())
}

/// Has the ledger tell when the contract's window begins, if it has not, and when it ends, where the parameters ask for that.
fn time(world: &mut World<'_>, contract: &Contract) -> Result<(), Failure> {
    let has_ended = read::has_ended(world.state, &contract.id)?;
    let is_asked = read::parameters(world.state)?.is_some_and(|parameters| parameters.deadlines.is_some());
    if !has_ended && !is_asked {
        return Ok(());
    }
    let [begin, end] = deadlines(contract);
    triggers::set(world, &end);
    if world.now < begin.at {
        triggers::set(world, &begin);
    } else if has_ended && world.now < end.at {
        world.remove(key::ended(&contract.id));
        tell_window(world, "contract.begun", contract);
    }
    Ok(())
}

/// Has it not tell so any more: the window is another, or the contract is revoked.
fn untime(world: &mut World<'_>, contract: &Contract) -> Result<(), Failure> {
    deadlines(contract).iter().try_for_each(|trigger| triggers::unset(world, trigger))
}

/// When a contract's window begins, and ends.
fn deadlines(contract: &Contract) -> [Trigger; 2] {
    let window = contract.terms.window;
    [(window.not_before, TriggerKind::Begin), (window.not_after, TriggerKind::End)].map(|(at, kind)| Trigger {
        at,
        kind,
        subject: contract.id,
    })
}

/// A contract's window begins: the ledger itself says so.
pub(crate) fn begun(world: &mut World<'_>, id: &Digest) -> Result<(), Failure> {
    let contract = find(world, id)?;
    if read::has_ended(world.state, id)? {
        world.remove(key::ended(id));
    }
    tell_window(world, "contract.begun", &contract);
    Ok(())
}

/// A contract's window has ended: the ledger itself says so.
pub(crate) fn ended(world: &mut World<'_>, id: &Digest) -> Result<(), Failure> {
    let contract = find(world, id)?;
    let now = world.now;
    world.put(key::ended(id), &now);
    tell_window(world, "contract.ended", &contract);
    Ok(())
}

/// An event about a contract's window, which says how the contract stands besides.
fn tell_window(world: &mut World<'_>, event: &str, contract: &Contract) {
    let standing = match contract.standing {
        Standing::Active => "active",
        Standing::Suspended => "suspended",
        Standing::Revoked => "revoked",
    };
    let members = vec![contract.owner.clone()];
    let notice = Notice { members, detail: standing.into(), ..world.notice(contract.id) };
    world.emit(event, notice);
}

/// The contract, if the sender may act for its owner.
fn owned(world: &World<'_>, id: &Digest) -> Result<Contract, Failure> {
    let contract = find(world, id)?;
    permit(world, &contract.owner)?;
    Ok(contract)
}

/// The sender is the owner's operator, or its principal with role `owner`.
pub(crate) fn permit(world: &World<'_>, owner: &str) -> Result<(), Failure> {
    let operator = world.duty(Duty::Operator)?.is_some_and(|member| member == owner);
    let principal = read::active_principal(world.state, &world.sender()?)?
        .is_some_and(|principal| principal.member == owner && principal.roles.contains(&Role::Owner));
    match operator || principal {
        true => Ok(()),
        false => {
            Err(code::NOT_PERMITTED.refuse(format!("only `{owner}`'s operator or principals with role `owner` may")))
        }
    }
}

fn keep(world: &mut World<'_>, contract: &Contract, new_version: bool) {
    world.put(key::contract(&contract.id), contract);
    if new_version {
        let version = ContractVersion { contract: contract.id, version: contract.version };
        let Contract { terms, since, transaction, ml_dsa, .. } = contract.clone();
        world.put(key::version(&version), &Version { terms, since, transaction, ml_dsa });
    }
}

fn tell(world: &mut World<'_>, event: &str, contract: &Contract) {
    let notice = Notice {
        members: vec![contract.owner.clone()],
        detail: contract.version.to_string(),
        ..world.notice(contract.id)
    };
    world.emit(event, notice);
}

/// All that terms must satisfy; gives the asset's owner.
fn check_terms(world: &World<'_>, terms: &Terms) -> Result<String, Failure> {
    terms.check().map_err(|error| code::TERMS_INVALID.refuse(error.to_string()))?;
    let asset = assets::active(world, &terms.asset)?;
    for approver in &terms.approvals.approvers {
        let known = read::active_principal(world.state, approver)?
            .is_some_and(|known| known.member == asset.owner && known.roles.contains(&Role::Approver));
        if !known {
            let message = format!("{approver} is not an approver of `{}`", asset.owner);
            return Err(code::UNKNOWN_APPROVER.refuse(message));
        }
    }
    if let Visibility::Members(members) = &terms.visibility {
        for name in members {
            if world.get::<Member>(&key::member(name))?.is_none() {
                return Err(code::UNKNOWN_MEMBER.refuse(format!("`{name}` is not a member")));
            }
        }
    }
    match terms.means {
        Means::Release => {}
        Means::Compute => {
            for name in &terms.helpers {
                if world.get::<Member>(&key::member(name))?.is_none() {
                    return Err(code::UNKNOWN_MEMBER.refuse(format!("`{name}` is not a member")));
                }
            }
            check_computation(terms)?;
        }
    }
    Ok(asset.owner)
}

/// The program, and whether a protocol withstands what the terms assume.
fn check_computation(terms: &Terms) -> Result<(), Failure> {
    let bytes = terms.program.as_ref().expect("checked terms of `compute` carry a program");
    let program = Program::from_bytes(bytes).map_err(|error| code::PROGRAM_INVALID.refuse(error.to_string()))?;
    if program.minimum_group() < terms.minimum_group {
        let message = format!("the program says {}, the terms {}", program.minimum_group(), terms.minimum_group);
        return Err(code::MINIMUM_GROUP_TOO_SMALL.refuse(message));
    }
    crate::protocol::offered(terms).map_err(|reason| code::NO_PROTOCOL.refuse(reason))
}
