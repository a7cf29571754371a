//! Since when members' keys are in force, as the ledger tells.

use std::sync::{Arc, PoisonError};

use client::api::KeyAges;
use contracts::read;
use ledger::{Epoch, View};

use super::Replica;
use crate::problem::ApiError;

impl Replica {
    /// When this member got the keys that it cosigns with, Ed25519 and ML-DSA-65: Unix milliseconds. None for a member that is no validator,
    /// where it has no such key, and where this copy has no header of then.
    pub(crate) fn cosigning_since(&self) -> Result<[Option<u64>; 2], ApiError> {
        let view = self.view()?;
        let now = read::epoch(&*view)?;
        let Some((place, _)) = now.validator(&self.own.member) else { return Ok([None, None]) };
        let begun = self.begun(&now)?;
        let ml_dsa = begun[place].ml_dsa.map_or(Ok(None), |epoch| self.made(&view, epoch))?;
        Ok([self.made(&view, begun[place].cosigner)?, ml_dsa])
    }

    /// The same of all keys of all members that are neither suspended nor removed, by name. May wait for the disk.
    pub(crate) fn key_ages(&self) -> Result<Vec<KeyAges>, ApiError> {
        let view = self.view()?;
        let (now, rekeyed) = (read::epoch(&*view)?, read::rekeyed(&*view)?);
        let begun = self.begun(&now)?;
        let ages = read::active_members(&*view)?.into_iter().map(|member| {
            let name = member.card.name;
            let node = if member.joined == 0 { self.founded() } else { member.joined };
            let begun = now.validator(&name).map(|(place, _)| &begun[place]);
            let made = |epoch: Option<u64>| epoch.map_or(Ok(None), |epoch| self.made(&view, epoch));
            Ok(KeyAges {
                cosigner: made(begun.map(|begun| begun.cosigner))?,
                ml_dsa: made(begun.and_then(|begun| begun.ml_dsa))?,
                node,
                operator: (!rekeyed.contains(&name)).then_some(node),
                member: name,
            })
        });
        ages.collect()
    }

    /// In which epochs those of `now` began with their keys: read from all epochs before it, once for each epoch.
    fn begun(&self, now: &Epoch) -> Result<Arc<[Begun]>, ApiError> {
        let mut known = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((number, begun)) = &*known
            && *number == now.number
        {
            return Ok(begun.clone());
        }
        let earlier = (0..now.number).rev().map(|number| self.ledger.epoch(number).map_err(ApiError::from));
        let begun: Arc<[Begun]> = begun(now, earlier.filter_map(Result::transpose))?.into();
        *known = Some((now.number, begun.clone()));
        Ok(begun)
    }

    /// When an epoch was made: Unix milliseconds. None where this copy has no header of then.
    fn made(&self, view: &View, epoch: u64) -> Result<Option<u64>, ApiError> {
        match view.last_before(epoch)? {
            Some(last) => Ok(self.ledger.header(last)?.map(|header| header.time)),
            // The ledger began with it.
            None => Ok(Some(self.founded())),
        }
    }
}

/// The epochs in which a validator began to cosign with its keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Begun {
    cosigner: u64,
    ml_dsa: Option<u64>,
}

/// In which epochs the validators of `now` began with their keys, in their order; `earlier` are the epochs before, newest first.
fn begun(now: &Epoch, earlier: impl Iterator<Item = Result<Epoch, ApiError>>) -> Result<Vec<Begun>, ApiError> {
    let validators = now.validators.iter();
    let mut trails: Vec<_> = validators
        .map(|validator| {
            let ml_dsa = validator.ml_dsa.as_ref().map(|key| Trail::of(key, now.number));
            (&validator.name, Trail::of(&validator.key, now.number), ml_dsa)
        })
        .collect();
    for epoch in earlier {
        let (epoch, mut ended) = (epoch?, true);
        for (name, cosigner, ml_dsa) in &mut trails {
            // One that left for a while keeps its keys.
            if let Some((_, validator)) = epoch.validator(name) {
                cosigner.back(epoch.number, Some(&validator.key));
                ml_dsa.iter_mut().for_each(|trail| trail.back(epoch.number, validator.ml_dsa.as_ref()));
            }
            ended &= cosigner.ended && ml_dsa.as_ref().is_none_or(|trail| trail.ended);
        }
        if ended {
            break;
        }
    }
    let begun = trails
        .into_iter()
        .map(|(_, cosigner, ml_dsa)| Begun { cosigner: cosigner.first, ml_dsa: ml_dsa.map(|trail| trail.first) });
    Ok(begun.collect())
}

/// A validator's key on the way back through the epochs.
struct Trail<'a, K> {
    key: &'a K,
    /// The first epoch, as far as was looked, since which the validator had no other.
    first: u64,
    /// It had another before.
    ended: bool,
}

impl<'a, K: PartialEq> Trail<'a, K> {
    const fn of(key: &'a K, epoch: u64) -> Self {
        Self { key, first: epoch, ended: false }
    }

    /// Goes back to an epoch in which the validator had this key, or none of the kind.
    fn back(&mut self, epoch: u64, key: Option<&K>) {
        match key {
            Some(key) if !self.ended && key == self.key => self.first = epoch,
            Some(_) => self.ended = true,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crypto::{Secret, mldsa};
    use ledger::Validator;

    use super::*;

    /// An epoch of one validator, `a`, by the seeds of its keys; none where it has left for a while.
    fn epoch(number: u64, keys: Option<(u8, Option<u8>)>) -> Epoch {
        let validator = |name: &str, key, ml_dsa: Option<u8>| Validator {
            ml_dsa: ml_dsa.map(|seed| mldsa::SigningKey::from_seed(Secret::new([seed; 32])).public()),
            ..Validator::new(name.into(), crypto::SigningKey::from_seed(&[key; 32]).public())
        };
        let a = keys.map(|(key, ml_dsa)| validator("a", key, ml_dsa));
        Epoch { number, validators: a.into_iter().chain([validator("b", 99, None)]).collect() }
    }

    /// In which epochs `a` began with the keys that it has in the last of these.
    fn of(epochs: &[Option<(u8, Option<u8>)>]) -> (u64, Option<u64>) {
        let mut epochs: Vec<Epoch> = (0..).zip(epochs).map(|(number, keys)| epoch(number, *keys)).collect();
        let now = epochs.pop().unwrap();
        let found = begun(&now, epochs.into_iter().rev().map(Ok)).unwrap();
        assert_eq!(found[1], Begun { cosigner: 0, ml_dsa: None }, "`b` has one key all along");
        (found[0].cosigner, found[0].ml_dsa)
    }

    #[test]
    fn a_key_is_as_old_as_the_epoch_that_began_with_it() {
        let (first, second) = (Some((1, None)), Some((2, None)));
        assert_eq!(of(&[first]), (0, None));
        assert_eq!(of(&[first, first, first]), (0, None));
        assert_eq!(of(&[first, second, second]), (1, None));
        // Who leaves for a while comes back with the key that it had, or with another.
        assert_eq!(of(&[first, None, first]), (0, None));
        assert_eq!(of(&[first, None, second]), (2, None));
        // One that was used once before is no older than its return.
        assert_eq!(of(&[second, first, second, second]), (2, None));
    }

    #[test]
    fn both_keys_have_ages_of_their_own() {
        let keys = |key, ml_dsa| Some((key, Some(ml_dsa)));
        assert_eq!(of(&[Some((1, None)), keys(1, 7), keys(1, 7)]), (0, Some(1)));
        assert_eq!(of(&[Some((1, None)), keys(1, 7), keys(2, 8), keys(2, 8)]), (2, Some(2)));
        assert_eq!(of(&[keys(1, 7), keys(1, 8)]), (0, Some(1)));
        // Off for a while, by ballot: the key stays the same.
        assert_eq!(of(&[keys(1, 7), Some((1, None)), keys(1, 7)]), (0, Some(0)));
    }

    #[test]
    fn who_cannot_read_an_epoch_says_so() {
        let unreadable = || ApiError::internal("the disk");
        assert!(begun(&epoch(1, Some((1, None))), [Err(unreadable())].into_iter()).is_err());
    }
}
