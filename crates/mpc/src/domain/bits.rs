//! A vector of bits, 64 to a word.

use zeroize::Zeroize;

/// Bits packed 64 to a word, the first one lowest. Bits past the end of the last word are zero.
#[derive(Clone, PartialEq, Eq, Zeroize)]
pub struct Bits {
    len: usize,
    words: Vec<u64>,
}

impl Bits {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self { len, words: vec![0; len.div_ceil(64)] }
    }

    /// `len` bits from words, of which there must be as many as hold them; what is past the end is cleared.
    ///
    /// # Panics
    /// Where there are more or fewer words.
    pub fn from_words(len: usize, mut words: Vec<u64>) -> Self {
        assert_eq!(words.len(), len.div_ceil(64), "as many words as hold the bits");
        if let (Some(last), 1..) = (words.last_mut(), len % 64) {
            *last &= (1 << (len % 64)) - 1;
        }
        Self { len, words }
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The words.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// One bit.
    ///
    /// # Panics
    /// Past the end.
    pub fn get(&self, index: usize) -> bool {
        assert!(index < self.len, "bit {index} of {}", self.len);
        self.words[index / 64] >> (index % 64) & 1 == 1
    }

    /// Each bit in turn.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.len).map(|index| self.words[index / 64] >> (index % 64) & 1 == 1)
    }
}

impl FromIterator<bool> for Bits {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        let (mut len, mut words) = (0, Vec::new());
        for bit in bits {
            if len % 64 == 0 {
                words.push(0);
            }
            if let Some(last) = words.last_mut() {
                *last |= u64::from(bit) << (len % 64);
            }
            len += 1;
        }
        Self { len, words }
    }
}
