//! Assets: registered by commitment, retired by their owner.

use std::collections::BTreeSet;

use crypto::{Digest, Label, hash};
use ledger::Failure;
use wire::Fixed;

use crate::application::World;
use crate::members::check_name;
use crate::message::{AssetRegister, AssetRetire};
use crate::record::{Asset, Notice};
use crate::{code, key, read};

/// The commitment suite of sealed objects.
pub const SEALED_OBJECT: &str = "sealed-object-v1";
/// Most columns of a table.
const MAX_COLUMNS: usize = 1024;
/// Longest column name in bytes.
const MAX_COLUMN: usize = 128;

/// An asset's identity: `H(ASSET, [chain, owner, name])`.
pub(crate) fn identity(chain: &Digest, owner: &str, name: &str) -> Digest {
    hash(Label::ASSET, &[chain.as_ref(), owner.as_bytes(), name.as_bytes()])
}

pub(crate) fn register(world: &mut World<'_>, registered: AssetRegister) -> Result<(), Failure> {
    let owner = world.node()?;
    check_name(&registered.name, 64, true)?;
    check_columns(&registered)?;
    let [commitment] = registered.commitments.as_slice() else {
        return Err(code::ASSET_INVALID.refuse(format!("an asset has one commitment, `{SEALED_OBJECT}`")));
    };
    if commitment.suite != SEALED_OBJECT || commitment.params.len() != 32 {
        return Err(
            code::ASSET_INVALID.refuse(format!("the commitment is `{SEALED_OBJECT}` with the object's id, 32 bytes"))
        );
    }
    if registered.segments == 0 {
        return Err(code::ASSET_INVALID.refuse("a sealed object has one segment at least"));
    }
    let id = identity(&world.chain, &owner, &registered.name);
    if world.holds(&key::asset(&id))? {
        return Err(code::NAME_TAKEN.refuse(format!("`{owner}` has registered `{}`", registered.name)));
    }
    // Once there are escrow agents an object is one asset's: else another member could have it opened as its own.
    if read::escrow_epoch_number(world.state)? > 0 {
        let place = key::object(&Digest(Fixed::from_slice(&commitment.params).expect("it has 32 bytes")));
        if world.holds(&place)? {
            return Err(code::ASSET_INVALID.refuse("this sealed object is registered; seal it anew"));
        }
        world.put(place, &id);
    }
    let notice = Notice { members: vec![owner.clone()], detail: registered.name.clone(), ..world.notice(id) };
    let asset = Asset { id, owner, registered, since: world.now, retired: false, transaction: world.id };
    world.put(key::asset(&id), &asset);
    world.emit("asset.registered", notice);
    Ok(())
}

pub(crate) fn retire(world: &mut World<'_>, retire: &AssetRetire) -> Result<(), Failure> {
    let owner = world.node()?;
    let mut asset = active(world, &retire.asset)?;
    if asset.owner != owner {
        return Err(code::NOT_PERMITTED.refuse(format!("the asset belongs to `{}`", asset.owner)));
    }
    asset.retired = true;
    world.put(key::asset(&asset.id), &asset);
    let notice = Notice { members: vec![owner], detail: asset.registered.name, ..world.notice(asset.id) };
    world.emit("asset.retired", notice);
    Ok(())
}

/// An asset that is not retired.
pub(crate) fn active(world: &World<'_>, id: &Digest) -> Result<Asset, Failure> {
    let asset: Asset =
        world.get(&key::asset(id))?.ok_or_else(|| code::UNKNOWN_ASSET.refuse(format!("no asset {id}")))?;
    match asset.retired {
        true => Err(code::ASSET_RETIRED.refuse(format!("`{}` of `{}` is retired", asset.registered.name, asset.owner))),
        false => Ok(asset),
    }
}

fn check_columns(registered: &AssetRegister) -> Result<(), Failure> {
    let columns = &registered.columns;
    let distinct: BTreeSet<&String> = columns.iter().collect();
    let shaped = |name: &String| (1..=MAX_COLUMN).contains(&name.len()) && !name.chars().any(char::is_control);
    let fits = match registered.kind.as_str() {
        "table" => {
            (1..=MAX_COLUMNS).contains(&columns.len()) && distinct.len() == columns.len() && columns.iter().all(shaped)
        }
        "file" => columns.is_empty(),
        _ => false,
    };
    match fits {
        true => Ok(()),
        false => Err(code::ASSET_INVALID.refuse("an asset is a `table` with distinct columns or a `file` without")),
    }
}
