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

    /// The bits at the places named, in this order.
    ///
    /// # Panics
    /// Where one is past the end.
    #[must_use]
    pub fn gather(&self, rows: &[u32]) -> Self {
        assert!(rows.iter().all(|row| (*row as usize) < self.len), "bits within {}", self.len);
        Self { len: rows.len(), words: rows.chunks(64).map(|rows| gather_word(&self.words, rows)).collect() }
    }

    /// Each bit in turn.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.len).map(|index| self.words[index / 64] >> (index % 64) & 1 == 1)
    }
}

/// At most 64 bits of packed ones, at the places named; runs of neighbours, and of one place again and again, cost a few instructions.
/// Which way is taken depends on the places alone.
///
/// # Panics
/// On a place past the words' end, and for no place.
#[inline]
pub fn gather_word(words: &[u64], rows: &[u32]) -> u64 {
    let (first, mask) = (rows[0], u64::MAX >> (64 - rows.len()));
    let (mut moves, mut breaks, mut expected) = (0, 0, first);
    for row in rows {
        moves |= row ^ first;
        breaks |= row ^ expected;
        expected = expected.wrapping_add(1);
    }
    let (word, shift) = (first as usize / 64, first % 64);
    if breaks == 0 {
        let low = words[word] >> shift;
        let high = if shift == 0 { 0 } else { words.get(word + 1).map_or(0, |word| word << (64 - shift)) };
        return (low | high) & mask;
    }
    if moves == 0 {
        return (words[word] >> shift & 1).wrapping_neg() & mask;
    }
    let bit = |row: u32| words[row as usize / 64] >> (row % 64) & 1;
    rows.iter().enumerate().fold(0, |gathered, (place, row)| gathered | bit(*row) << place)
}

/// [`gather_word`] for all words of many columns at the same places, by 64 columns and 64 rows at a time: a row's bits lie together
/// meanwhile.
///
/// # Panics
/// Where a column does not hold a place.
pub fn gather_columns(columns: &[&[u64]], rows: &[u32]) -> Vec<Vec<u64>> {
    let words = columns.iter().map(|column| column.len()).min().unwrap_or(0);
    // Turning all rows is not worth it for a few of them, or of a few columns.
    if columns.len() < 8 || rows.len() < 8 * words {
        let gather = |column: &&[u64]| rows.chunks(64).map(|rows| gather_word(column, rows)).collect();
        return columns.iter().map(gather).collect();
    }
    let mut gathered = Vec::with_capacity(columns.len());
    let mut turned = vec![0; words * 64];
    let mut block = [0; 64];
    for columns in columns.chunks(64) {
        for (word, turned) in turned.as_chunks_mut::<64>().0.iter_mut().enumerate() {
            turned.fill(0);
            turned.iter_mut().zip(columns).for_each(|(place, column)| *place = column[word]);
            transpose(turned);
        }
        let mut picked = vec![Vec::with_capacity(rows.len().div_ceil(64)); columns.len()];
        for rows in rows.chunks(64) {
            block.fill(0);
            block.iter_mut().zip(rows).for_each(|(place, row)| *place = turned[*row as usize]);
            transpose(&mut block);
            picked.iter_mut().zip(&block).for_each(|(column, word)| column.push(*word));
        }
        gathered.append(&mut picked);
    }
    turned.zeroize();
    gathered
}

/// Bit `j` of word `i` to bit `i` of word `j` (Warren, Hacker's Delight, §7-3).
fn transpose(block: &mut [u64; 64]) {
    let (mut width, mut mask) = (32, u64::MAX >> 32);
    while width > 0 {
        for pair in block.chunks_exact_mut(2 * width) {
            let (low, high) = pair.split_at_mut(width);
            for (low, high) in low.iter_mut().zip(high) {
                let moved = ((*low >> width) ^ *high) & mask;
                *low ^= moved << width;
                *high ^= moved;
            }
        }
        width /= 2;
        mask ^= mask << width;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathering_takes_runs_and_single_bits_alike() {
        let bits: Bits = (0..300u32).map(|at| at * at % 7 < 3).collect();
        let wild = (0..300u32).map(|at| at * 37 % 300);
        for rows in [
            (0..300).collect::<Vec<u32>>(),
            (5..300).collect(),
            (13..78).collect(),
            vec![299; 130],
            vec![64; 1],
            (0..70).chain(std::iter::repeat_n(9, 100)).collect(),
            wild.collect(),
            Vec::new(),
        ] {
            let expected: Bits = rows.iter().map(|row| bits.get(*row as usize)).collect();
            assert!(bits.gather(&rows) == expected);
        }
    }

    #[test]
    fn gathering_many_columns_is_gathering_each() {
        let column = |seed: u32| -> Bits { (0..300u32).map(|at| (at * at + at * seed) % 11 < 5).collect() };
        for count in [0, 1, 7, 8, 63, 64, 65, 130] {
            let columns: Vec<Bits> = (0..count).map(column).collect();
            for len in [0u32, 1, 64, 77, 1000] {
                let rows: Vec<u32> = (0..len).map(|at| at * 37 % 300).collect();
                let words: Vec<&[u64]> = columns.iter().map(Bits::words).collect();
                let found = gather_columns(&words, &rows);
                assert_eq!(found.len(), columns.len());
                for (found, column) in found.into_iter().zip(&columns) {
                    assert!(Bits::from_words(rows.len(), found) == column.gather(&rows));
                }
            }
        }
    }
}
