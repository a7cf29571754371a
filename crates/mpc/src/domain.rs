//! What a column's values are: rings, prime fields and packed bits, each in the clear as [`Values`].

mod bits;
mod element;
mod m61;
mod p127;

pub use bits::{Bits, gather_columns, gather_word};
pub use element::Element;
pub use m61::M61;
pub use p127::P127;

use zeroize::Zeroize;

/// Where a column's values live. Signed numbers are two's complement in the rings; in the fields a negative `v` is `p − |v|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Domain {
    /// Z modulo 2^64.
    Ring64,
    /// Z modulo 2^128.
    Ring128,
    /// The field of 2^61 − 1 elements.
    M61,
    /// The field of 2^127 − 1 elements, held in 128 bits.
    P127,
    /// Single bits, 64 to a word.
    Bits,
}

impl Domain {
    /// Bits of an integer that the domain holds with its sign: `|v| < 2^(width − 1)`.
    pub const fn width(self) -> u32 {
        match self {
            Self::Ring64 => 64,
            Self::Ring128 => 128,
            Self::M61 => 61,
            Self::P127 => 127,
            Self::Bits => 1,
        }
    }

    /// Bytes that `len` values take on the wire.
    pub const fn bytes(self, len: usize) -> usize {
        match self {
            Self::Ring64 | Self::M61 => len * 8,
            Self::Ring128 | Self::P127 => len * 16,
            Self::Bits => len.div_ceil(64) * 8,
        }
    }
}

/// A vector in the clear. Inputs are secret and wiped on drop; `Debug` tells domain and length only.
#[derive(Clone, PartialEq, Eq)]
pub enum Values {
    /// Of [`Domain::Ring64`].
    Ring64(Vec<u64>),
    /// Of [`Domain::Ring128`].
    Ring128(Vec<u128>),
    /// Of [`Domain::M61`].
    M61(Vec<M61>),
    /// Of [`Domain::P127`].
    P127(Vec<P127>),
    /// Of [`Domain::Bits`].
    Bits(Bits),
}

impl Values {
    /// Where the values live.
    pub const fn domain(&self) -> Domain {
        match self {
            Self::Ring64(_) => Domain::Ring64,
            Self::Ring128(_) => Domain::Ring128,
            Self::M61(_) => Domain::M61,
            Self::P127(_) => Domain::P127,
            Self::Bits(_) => Domain::Bits,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Ring64(values) => values.len(),
            Self::Ring128(values) => values.len(),
            Self::M61(values) => values.len(),
            Self::P127(values) => values.len(),
            Self::Bits(bits) => bits.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Small signed integers as values of a domain; for bits, whether each is odd.
    pub fn from_i64(domain: Domain, values: &[i64]) -> Self {
        fn all<E: Element>(values: &[i64]) -> Vec<E> {
            values.iter().map(|value| E::from_i64(*value)).collect()
        }
        match domain {
            Domain::Ring64 => Self::Ring64(all(values)),
            Domain::Ring128 => Self::Ring128(all(values)),
            Domain::M61 => Self::M61(all(values)),
            Domain::P127 => Self::P127(all(values)),
            Domain::Bits => Self::Bits(values.iter().map(|value| value & 1 == 1).collect()),
        }
    }

    /// Zeros.
    pub fn zeros(domain: Domain, len: usize) -> Self {
        match domain {
            Domain::Ring64 => Self::Ring64(vec![0; len]),
            Domain::Ring128 => Self::Ring128(vec![0; len]),
            Domain::M61 => Self::M61(vec![M61::ZERO; len]),
            Domain::P127 => Self::P127(vec![P127::ZERO; len]),
            Domain::Bits => Self::Bits(Bits::zeros(len)),
        }
    }

    /// The values as elements, where they are of the domain of `E`.
    pub fn elements<E: Element>(&self) -> Option<&[E]> {
        E::slice(self)
    }

    /// The values as bits, where they are.
    pub const fn bits(&self) -> Option<&Bits> {
        match self {
            Self::Bits(bits) => Some(bits),
            _ => None,
        }
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        match self {
            Self::Ring64(values) => values.zeroize(),
            Self::Ring128(values) => values.zeroize(),
            Self::M61(values) => values.zeroize(),
            Self::P127(values) => values.zeroize(),
            Self::Bits(bits) => bits.zeroize(),
        }
    }
}

impl std::fmt::Debug for Values {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} values of {:?}", self.len(), self.domain())
    }
}
