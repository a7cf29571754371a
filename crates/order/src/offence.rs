//! Validators that signed two things of which an honest one signs one.

use std::sync::{Arc, Mutex, PoisonError};

use commonware_actor::Feedback;
use commonware_codec::Encode as _;
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::types::{Activity, Attributable as _};
use commonware_consensus::{Reporter, Viewable as _};
use commonware_cryptography::sha256;
use commonware_parallel::Sequential;
use rand_core::CryptoRng;

use crate::committee::Committee;

/// Proof that a validator broke the protocol on purpose, or lost what it had signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offence {
    /// The validator's name.
    pub validator: String,
    /// The view in which it signed both.
    pub view: u64,
    /// What it did.
    pub kind: OffenceKind,
    /// Both signed votes, one after the other, as the engine encodes them.
    pub evidence: Vec<u8>,
}

/// What a validator signed beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffenceKind {
    /// Two slates to notarise.
    TwoNotarised,
    /// Two slates to finalise.
    TwoFinalised,
    /// That the view be skipped, and that its slate be final.
    SkippedAndFinalised,
}

/// Keeps offences, each checked.
pub(crate) struct Witness<E> {
    random: Arc<Mutex<E>>,
    scheme: Scheme,
    committee: Committee,
    offences: Offences,
}

/// The offences seen since start, oldest first.
pub(crate) type Offences = Arc<Mutex<Vec<Offence>>>;

impl<E> Clone for Witness<E> {
    fn clone(&self) -> Self {
        Self {
            random: self.random.clone(),
            scheme: self.scheme.clone(),
            committee: self.committee.clone(),
            offences: self.offences.clone(),
        }
    }
}

impl<E: CryptoRng> Witness<E> {
    pub(crate) fn new(random: E, scheme: Scheme, committee: Committee, offences: Offences) -> Self {
        Self { random: Arc::new(Mutex::new(random)), scheme, committee, offences }
    }
}

impl<E: CryptoRng + Send + 'static> Reporter for Witness<E> {
    type Activity = Activity<Scheme, sha256::Digest>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let (random, scheme) = (&mut *random, &self.scheme);
        // The engine reports votes before it has verified them.
        let (good, signer, kind, evidence) = match &activity {
            Activity::ConflictingNotarize(both) => {
                (both.verify(random, scheme, &Sequential), both.signer(), OffenceKind::TwoNotarised, both.encode())
            }
            Activity::ConflictingFinalize(both) => {
                (both.verify(random, scheme, &Sequential), both.signer(), OffenceKind::TwoFinalised, both.encode())
            }
            Activity::NullifyFinalize(both) => {
                let kind = OffenceKind::SkippedAndFinalised;
                (both.verify(random, scheme, &Sequential), both.signer(), kind, both.encode())
            }
            _ => return Feedback::Ok,
        };
        let validator = self.committee.at(signer.into()).map(|validator| validator.name.clone());
        if let Some(validator) = validator.filter(|_| good) {
            let view = activity.view().get();
            tracing::error!(validator, view, ?kind, "a validator has signed two things at once");
            let mut offences = self.offences.lock().unwrap_or_else(PoisonError::into_inner);
            if offences.len() < MAX_OFFENCES {
                offences.push(Offence { validator, view, kind, evidence: evidence.to_vec() });
            }
        }
        Feedback::Ok
    }
}

/// Offences kept; the first ones tell the story.
const MAX_OFFENCES: usize = 256;
