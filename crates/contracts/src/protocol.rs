//! Which protocol a computation runs under: it follows from its contracts' threat models and the number of its parties, so that
//! the ledger, the parties and every reader of a receipt find the same one.

use policy::{Adversary, Terms};

/// A protocol of joint computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Its name in results and receipts.
    pub name: &'static str,
    /// What it withstands.
    pub adversary: Adversary,
}

/// Sums by additive sharing (`docs/spec/mpc/additive.md`).
pub const ADDITIVE: Protocol = Protocol { name: "additive", adversary: Adversary::SemiHonest };

/// Three parties by replicated sharing, every step verified (`docs/spec/mpc/rep3-malicious.md`).
pub const REP3: Protocol = Protocol { name: "rep3", adversary: Adversary::Malicious };

/// The protocol for `parties` parties under these terms, the strictest of which count.
///
/// # Errors
/// Why there is none.
pub fn protocol<'a>(terms: impl IntoIterator<Item = &'a Terms>, parties: usize) -> Result<Protocol, String> {
    let (mut adversary, mut corrupt, mut dropouts) = (Adversary::SemiHonest, 0, 0);
    for terms in terms {
        adversary = adversary.max(terms.adversary);
        corrupt = corrupt.max(usize::from(terms.max_corrupt));
        dropouts = dropouts.max(terms.tolerate_dropouts);
    }
    if dropouts > 0 {
        return Err("no protocol offered goes on without a party: tolerate_dropouts is 0".into());
    }
    if adversary == Adversary::SemiHonest && corrupt < parties {
        return Ok(ADDITIVE);
    }
    if parties == 3 && corrupt <= 1 {
        return Ok(REP3);
    }
    Err(format!(
        "{corrupt} corrupt, {adversary} parties of {parties}: `additive` withstands all but one, semi-honest; `rep3` withstands one of three, malicious"
    ))
}

/// Whether any number of parties has a protocol under these terms alone.
///
/// # Errors
/// Why none has.
pub(crate) fn offered(terms: &Terms) -> Result<(), String> {
    let found = (2..=MAX_PARTIES).any(|parties| protocol([terms], parties).is_ok());
    if found { Ok(()) } else { protocol([terms], 3).map(drop) }
}

/// Most parties of a computation.
const MAX_PARTIES: usize = 16;
