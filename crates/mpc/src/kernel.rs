//! Vector arithmetic of the protocols, compiled for what the processor offers: the only module that calls code the compiler may not
//! assume to run everywhere. A [`Level`] other than the portable one exists only after the processor was asked.
#![allow(unsafe_code)]

pub(crate) mod carryless;
pub(crate) mod galois;
mod octet;

/// Which compilation of the kernels runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// All that this processor offers, the fastest first.
    pub(crate) fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            if avx512 {
                levels.push(Self(Kind::Avx512));
            }
        }
        levels.push(Self(Kind::Portable));
        levels
    }

    /// The fastest that this processor offers.
    pub(crate) fn detect() -> Self {
        Self::available()[0]
    }
}
