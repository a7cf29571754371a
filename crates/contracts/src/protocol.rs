//! Which protocol a computation runs under: it follows from its contracts' threat models and the number of its parties, so that
//! the ledger, the parties and every reader of a receipt find the same one.

use policy::{Adversary, Terms};

/// A protocol of joint computation, and what it was chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Its name in results and receipts.
    pub name: &'static str,
    /// What it withstands.
    pub adversary: Adversary,
    /// How many parties.
    pub parties: u16,
    /// How many of them may be corrupt.
    pub corrupt: u16,
    /// How many may vanish.
    pub dropouts: u16,
}

impl Protocol {
    /// Results of so many parties make the answer.
    pub const fn enough(&self) -> usize {
        (self.parties - self.dropouts) as usize
    }
}

/// Sums by additive sharing (`docs/spec/mpc/additive.md`).
pub const ADDITIVE: &str = "additive";
/// Three parties by replicated sharing, every step verified (`docs/spec/mpc/rep3-malicious.md`).
pub const REP3: &str = "rep3";
/// Shamir sharing, which goes on without parties that vanish (`docs/spec/mpc/shamir.md`).
pub const SHAMIR: &str = "shamir";

/// The protocol for a computation under these terms, one for each owner; the strictest of them count.
///
/// # Errors
/// Why there is none.
pub fn protocol<'a>(terms: impl IntoIterator<Item = &'a Terms>) -> Result<Protocol, String> {
    let (mut owners, mut helpers) = (0, 0);
    let (mut adversary, mut corrupt, mut dropouts) = (Adversary::SemiHonest, 0, 0);
    for terms in terms {
        owners += 1;
        helpers = terms.helpers.len();
        adversary = adversary.max(terms.adversary);
        corrupt = corrupt.max(terms.max_corrupt.into());
        dropouts = dropouts.max(terms.tolerate_dropouts.into());
    }
    choose(owners, helpers, adversary, corrupt, dropouts)
}

/// Whether some number of owners has a protocol under these terms alone.
///
/// # Errors
/// Why none has.
pub(crate) fn offered(terms: &Terms) -> Result<(), String> {
    let of = |owners| {
        let (corrupt, dropouts) = (terms.max_corrupt.into(), terms.tolerate_dropouts.into());
        choose(owners, terms.helpers.len(), terms.adversary, corrupt, dropouts).map(drop)
    };
    if (2..=MAX_PARTIES).any(|owners| of(owners).is_ok()) { Ok(()) } else { of(MAX_PARTIES) }
}

fn choose(
    owners: usize,
    helpers: usize,
    adversary: Adversary,
    corrupt: u16,
    dropouts: u16,
) -> Result<Protocol, String> {
    let all = owners + helpers;
    if all > MAX_PARTIES {
        return Err(format!("{all} parties: at most {MAX_PARTIES} compute together"));
    }
    let parties = all as u16;
    let malicious = adversary != Adversary::SemiHonest;
    if !malicious && dropouts == 0 && helpers == 0 && corrupt < parties {
        return Ok(Protocol { name: ADDITIVE, adversary, parties, corrupt, dropouts });
    }
    // What withstands malicious parties withstands covert ones.
    let adversary = if malicious { Adversary::Malicious } else { adversary };
    if parties == 3 && corrupt <= 1 && dropouts == 0 {
        return Ok(Protocol { name: REP3, adversary: Adversary::Malicious, parties, corrupt: 1, dropouts });
    }
    let corrupt = corrupt.max(1);
    if parties > 2 * corrupt + dropouts {
        return Ok(Protocol { name: SHAMIR, adversary, parties, corrupt, dropouts });
    }
    let needed = 2 * u32::from(corrupt) + u32::from(dropouts) + 1;
    Err(format!(
        "{parties} parties, of which {corrupt} may be corrupt and {dropouts} may vanish: `additive` withstands all but one, if they follow the protocol, \
         stay and nobody helps; `rep3` withstands one of three, malicious; `shamir` would take {needed} parties (name helpers)"
    ))
}

/// Most parties of a computation.
const MAX_PARTIES: usize = 16;
