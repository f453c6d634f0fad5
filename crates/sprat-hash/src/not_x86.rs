//! In place of `x86` on other processors: the same names, but of no vector implementation is there a value.

use crate::cursor::Block;

macro_rules! absent {
    ($name:ident: $($function:ident, $words:literal, $lanes:literal;)*) => {
        /// Does not exist here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {}

        impl $name {
            pub(crate) fn detect() -> Option<Self> {
                None
            }

            $(pub(crate) fn $function(self, _: &mut [[u32; $lanes]; $words], _: &[&[Block]; $lanes]) {
                match self {}
            })*
        }
    };
}

absent!(Avx512: sha1_16, 5, 16; sha1_8, 5, 8; sha256_16, 8, 16; sha256_8, 8, 8;);
absent!(Avx2: sha1, 5, 8; sha256, 8, 8;);
absent!(ShaNi: sha1, 5, 2; sha256, 8, 2;);
