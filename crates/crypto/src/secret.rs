//! Values that must not leak.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret: no `Debug`, no `Clone`, wiped on drop, readable only inside a closure.
///
/// ```
/// let key = crypto::Secret::new([7u8; 32]);
/// assert_eq!(key.expose(|bytes| bytes.len()), 32);
/// ```
///
/// ```compile_fail
/// println!("{:?}", crypto::Secret::new([7u8; 32]));
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes ownership of a secret value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Lends the value to `reader`; what `reader` returns is declassified, and its call site says why it may be.
    pub fn expose<R>(&self, reader: impl FnOnce(&T) -> R) -> R {
        reader(&self.0)
    }
}

impl<const N: usize> Secret<[u8; N]> {
    /// `N` fresh random bytes.
    pub fn random() -> Self {
        Self(random())
    }
}

/// `N` bytes from the operating system.
///
/// # Panics
/// When the operating system has no randomness to give: nothing here could go on safely.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system provides randomness");
    bytes
}
