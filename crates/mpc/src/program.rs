//! A computation as a graph of vector operations: built in Rust, sent as canonical bytes, approved by its digest.
//!
//! Handles are typed by what they hold, [`Numbers`] or [`Truths`], so that a program that type-checks can be run; the lengths of
//! columns are known only then. Nothing is opened but what [`Builder::open`] names.
//!
//! ```
//! use mpc::domain::Domain;
//! use mpc::program::Builder;
//!
//! // Which of two companies' customers spend more with the second one, and by how much in all?
//! let mut program = Builder::new(2);
//! let here = program.input(0, Domain::Ring64);
//! let there = program.input(1, Domain::Ring64);
//! let more = program.less(here, there);
//! let gap = program.sub(there, here);
//! let nothing = program.constant_like(gap, 0);
//! let counted = program.select(more, gap, nothing);
//! let total = program.sum(counted);
//! program.open(total);
//! let program = program.finish().unwrap();
//! assert_eq!(program, mpc::program::Program::from_bytes(&program.to_bytes()).unwrap());
//! ```

mod builder;
mod operation;

pub use builder::{Builder, Handle, Numbers, Truths};
pub use operation::{Kind, Node, Operation, Term};

use crypto::{Digest, Label};
use minicbor::{Decode, Encode};
use wire::Limits;

use crate::domain::Domain;

/// A checked program. Its canonical bytes travel between the parties; its digest is what a contract approves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    content: Content,
    kinds: Vec<Vec<Domain>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Content {
    #[n(0)]
    version: u8,
    #[n(1)]
    parties: u16,
    /// In order: an operation's operands come before it.
    #[n(2)]
    operations: Vec<Operation>,
}

impl Program {
    fn new(parties: u16, operations: Vec<Operation>) -> Result<Self, Error> {
        let content = Content { version: VERSION, parties, operations };
        let kinds = check(&content)?;
        Ok(Self { content, kinds })
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// Where they are not canonical, or not a program that can be run.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let content: Content = wire::from_slice(bytes, LIMITS)?;
        if content.version != VERSION {
            return Err(Error::Version(content.version));
        }
        let kinds = check(&content)?;
        Ok(Self { content, kinds })
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_vec(&self.content)
    }

    /// What a contract approves.
    pub fn digest(&self) -> Digest {
        crypto::hash(Label::PROGRAM, &[b"mpc", &self.to_bytes()])
    }

    /// How many parties hold inputs: indices in the program are below.
    pub const fn parties(&self) -> u16 {
        self.content.parties
    }

    /// The operations in order; a [`Node`] names an output of one of them.
    pub fn operations(&self) -> &[Operation] {
        &self.content.operations
    }

    /// The domains of an operation's outputs.
    pub fn kinds(&self, operation: usize) -> &[Domain] {
        self.kinds.get(operation).map_or(&[], Vec::as_slice)
    }

    /// The inputs in order: who holds each, and its domain.
    pub fn inputs(&self) -> impl Iterator<Item = (u16, Domain)> + '_ {
        self.operations().iter().filter_map(|operation| match operation {
            Operation::Input(party, domain) => Some((*party, (*domain).into())),
            _ => None,
        })
    }
}

/// The domains of all operations' outputs.
fn check(content: &Content) -> Result<Vec<Vec<Domain>>, Error> {
    if content.operations.len() > MAX_OPERATIONS || content.parties == 0 || content.parties > MAX_PARTIES {
        return Err(Error::Bounds);
    }
    let mut kinds: Vec<Vec<Domain>> = Vec::with_capacity(content.operations.len());
    for (index, operation) in content.operations.iter().enumerate() {
        let of = |node: &Node| {
            let (operation, output) = (node.0 as usize, usize::from(node.1));
            kinds.get(operation).and_then(|outputs| outputs.get(output)).copied().ok_or(Error::Operand { index })
        };
        let found = operation.kinds(content.parties, of, index)?;
        kinds.push(found);
    }
    if content.operations.iter().any(|operation| matches!(operation, Operation::Open(..) | Operation::Give(_))) {
        Ok(kinds)
    } else {
        Err(Error::Silent)
    }
}

/// Why something is no program.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not canonical.
    #[error("no program: {0}")]
    Malformed(#[from] wire::Error),
    /// It is of a later format.
    #[error("a program of format {0}; this version reads format {VERSION}")]
    Version(u8),
    /// Too many operations or parties.
    #[error("a program has 1 to {MAX_PARTIES} parties and at most {MAX_OPERATIONS} operations")]
    Bounds,
    /// An operand does not exist, or comes later.
    #[error("operation {index} names an operand that does not come before it")]
    Operand {
        /// Which operation.
        index: usize,
    },
    /// An operand is of the wrong kind.
    #[error("operation {index}: {what}")]
    Kind {
        /// Which operation.
        index: usize,
        /// What is expected.
        what: &'static str,
    },
    /// Nothing is opened.
    #[error("the program opens nothing")]
    Silent,
}

/// Most operations of a program.
pub const MAX_OPERATIONS: usize = 65_536;
const MAX_PARTIES: u16 = crate::engine::Settings::MAX_PARTIES;
const VERSION: u8 = 1;
const LIMITS: Limits = Limits { bytes: 4 << 20, depth: 24 };

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Program {
        let mut program = Builder::new(3);
        let a = program.input(0, Domain::Ring64);
        let b = program.input(1, Domain::Ring64);
        let sorted = program.sort(a, &[b]);
        let product = program.mul(sorted[0], sorted[1]);
        let flag = program.equal(product, a);
        program.open(flag);
        program.open_to(2, product);
        program.finish().unwrap()
    }

    #[test]
    fn bytes_and_digest_are_frozen() {
        let program = program();
        assert_eq!(program, Program::from_bytes(&program.to_bytes()).unwrap());
        assert_eq!(program.inputs().collect::<Vec<_>>(), [(0, Domain::Ring64), (1, Domain::Ring64)]);
        assert_eq!(
            wire::text::to_hex(&program.to_bytes()),
            "830103878300000083000100831818820000818201008303820200820201830c82030082000082181a82040083181a82030002"
        );
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        let build = |act: &dyn Fn(&mut Builder, Numbers, Truths)| {
            let mut program = Builder::new(2);
            let (number, truth) = (program.input(0, Domain::Ring64), program.input_truths(1));
            act(&mut program, number, truth);
            program.finish()
        };
        assert_eq!(build(&|_, _, _| ()), Err(Error::Silent));
        assert!(matches!(
            build(&|program, _, _| {
                let _ = program.input(2, Domain::M61);
            }),
            Err(Error::Kind { .. })
        ));
        let mixed = build(&|program, number, _| {
            let other = program.input(1, Domain::M61);
            let sum = program.add(number, other);
            program.open(sum);
        });
        assert!(matches!(mixed, Err(Error::Kind { index: 3, .. })));
        // An operand that comes later.
        let mut operations = program().operations().to_vec();
        operations.swap(0, 3);
        assert!(matches!(Program::new(3, operations), Err(Error::Operand { index: 0 })));
        // No bytes make it panic.
        let bytes = program().to_bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                if let Ok(read) = Program::from_bytes(&changed) {
                    assert_eq!(read.to_bytes(), changed);
                }
            }
            assert!(Program::from_bytes(&bytes[..at]).is_err());
        }
    }
}
