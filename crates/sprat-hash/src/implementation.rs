//! The ways of hashing that this machine has, and the choice between them.

use std::fmt;
use std::sync::LazyLock;

use crate::x86::{Avx2, Avx512, ShaNi};

/// A way of hashing many messages that this machine is able to go. All of them give the same digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Implementation {
    /// For many messages.
    pub(crate) vectors: Option<Vectors>,
    /// For two messages. A single one goes through the crates `sha1` and `sha2`, which use the processor's instructions
    /// as well if there are some.
    pub(crate) pairs: Option<ShaNi>,
}

/// A variant can be made only where the processor has what it needs: its content is the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vectors {
    /// Sixteen lanes, or eight when there are few messages.
    Avx512(Avx512),
    /// Eight lanes.
    Avx2(Avx2),
}

impl Implementation {
    /// The one that is used on this machine, the same for the life of the process.
    pub fn chosen() -> Self {
        static CHOSEN: LazyLock<Implementation> = LazyLock::new(|| Implementation::available()[0]);
        *CHOSEN
    }

    /// All that this machine is able to go, the best first; the last one takes one message after the other.
    pub fn available() -> Vec<Self> {
        let vectors = [Avx512::detect().map(Vectors::Avx512), Avx2::detect().map(Vectors::Avx2)];
        let mut available = Vec::new();
        for vectors in vectors.into_iter().flatten().map(Some).chain([None]) {
            let pairs = ShaNi::detect().map(Some).into_iter().chain([None]);
            available.extend(pairs.map(|pairs| Self { vectors, pairs }));
        }
        available
    }

    /// How many messages it hashes at once.
    pub fn lanes(self) -> usize {
        match (self.vectors, self.pairs) {
            (Some(Vectors::Avx512(_)), _) => 16,
            (Some(Vectors::Avx2(_)), _) => 8,
            (None, Some(_)) => 2,
            (None, None) => 1,
        }
    }
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match (self.vectors, self.pairs) {
            (Some(Vectors::Avx512(_)), Some(_)) => "AVX-512+SHA-NI",
            (Some(Vectors::Avx512(_)), None) => "AVX-512",
            (Some(Vectors::Avx2(_)), Some(_)) => "AVX2+SHA-NI",
            (Some(Vectors::Avx2(_)), None) => "AVX2",
            (None, Some(_)) => "SHA-NI",
            (None, None) => "one by one",
        })
    }
}
