//! The rounds of SHA-1 and SHA-256 on vectors of words, once for all widths.
//!
//! This is a macro and not a generic function because `#[target_feature]` is inherited neither by trait methods nor through
//! generics, and without it the intrinsics could be neither inlined nor called safely.

#![forbid(unsafe_code)]

/// Defines `sha1` and `sha256` for `$lanes` messages at once, in the terms of the module that calls it: `load` and `store`
/// (the words of all lanes), `words` (four words of the lanes' blocks), `splat`, `add`, `xor`, `xor3`, `choose`,
/// `majority`, `rotate_left`, `rotate_right`, `shift_right`.
macro_rules! lane_kernels {
    ($features:tt, $lanes:literal) => {
        /// FIPS 180-4, 6.1.2, in each lane, for each of its blocks.
        #[target_feature(enable = $features)]
        pub(super) fn sha1(states: &mut [[u32; $lanes]; 5], blocks: &[&[Block]; $lanes]) {
            let count = blocks[0].len();
            let blocks: [&[Block]; $lanes] = std::array::from_fn(|lane| &blocks[lane][..count]);
            let mut state = states.each_ref().map(|words| load(words));
            for index in 0..count {
                let blocks: [&Block; $lanes] = std::array::from_fn(|lane| &blocks[lane][index]);
                let mut w = [splat(0); 16];
                let mut s = state;
                read_words!(blocks, w, 0);
                sha1_rounds!(s, w, choose, 0x5a82_7999, 0 1 2 3);
                read_words!(blocks, w, 1);
                sha1_rounds!(s, w, choose, 0x5a82_7999, 4 5 6 7);
                read_words!(blocks, w, 2);
                sha1_rounds!(s, w, choose, 0x5a82_7999, 8 9 10 11);
                read_words!(blocks, w, 3);
                sha1_rounds!(s, w, choose, 0x5a82_7999, 12 13 14 15 16 17 18 19);
                sha1_rounds!(s, w, xor3, 0x6ed9_eba1, 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39);
                sha1_rounds!(s, w, majority, 0x8f1b_bcdc, 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59);
                sha1_rounds!(s, w, xor3, 0xca62_c1d6, 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79);
                for (old, new) in state.iter_mut().zip(s) {
                    *old = add(*old, new);
                }
            }
            for (words, vector) in states.iter_mut().zip(state) {
                store(words, vector);
            }
        }

        /// FIPS 180-4, 6.2.2, in each lane, for each of its blocks.
        #[target_feature(enable = $features)]
        pub(super) fn sha256(states: &mut [[u32; $lanes]; 8], blocks: &[&[Block]; $lanes]) {
            let count = blocks[0].len();
            let blocks: [&[Block]; $lanes] = std::array::from_fn(|lane| &blocks[lane][..count]);
            let mut state = states.each_ref().map(|words| load(words));
            for index in 0..count {
                let blocks: [&Block; $lanes] = std::array::from_fn(|lane| &blocks[lane][index]);
                let mut w = [splat(0); 16];
                let mut s = state;
                read_words!(blocks, w, 0);
                sha256_rounds!(s, w, 0 1 2 3);
                read_words!(blocks, w, 1);
                sha256_rounds!(s, w, 4 5 6 7);
                read_words!(blocks, w, 2);
                sha256_rounds!(s, w, 8 9 10 11);
                read_words!(blocks, w, 3);
                sha256_rounds!(s, w,
                    12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
                    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47
                    48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
                for (old, new) in state.iter_mut().zip(s) {
                    *old = add(*old, new);
                }
            }
            for (words, vector) in states.iter_mut().zip(state) {
                store(words, vector);
            }
        }
    };
}

/// Reads a quarter of the block of each lane right before the rounds that need it: the shuffles that put the words into lanes
/// take other parts of the processor than the rounds do, so the two should not come one after the other.
macro_rules! read_words {
    ($blocks:ident, $w:ident, $quarter:literal) => {
        $w.as_chunks_mut::<4>().0[$quarter] = words(&$blocks, $quarter);
    };
}

/// Rounds `$t` of SHA-1, written out one after the other: with indices known to the compiler, the words of the schedule (a
/// ring of the last sixteen) and of the state stay in registers.
macro_rules! sha1_rounds {
    ($state:ident, $w:ident, $f:ident, $k:literal, $($t:literal)*) => {$(
        if $t >= 16 {
            let mixed = xor(xor3($w[($t + 13) % 16], $w[($t + 8) % 16], $w[($t + 2) % 16]), $w[$t % 16]);
            $w[$t % 16] = rotate_left::<1>(mixed);
        }
        let [a, b, c, d, e] = $state;
        let sum = add(add(e, add($w[$t % 16], splat($k))), $f(b, c, d));
        $state = [add(sum, rotate_left::<5>(a)), a, rotate_left::<30>(b), c, d];
    )*};
}

/// Rounds `$t` of SHA-256; see [`sha1_rounds`].
macro_rules! sha256_rounds {
    ($state:ident, $w:ident, $($t:literal)*) => {$(
        if $t >= 16 {
            let (w2, w15) = ($w[($t + 14) % 16], $w[($t + 1) % 16]);
            let s0 = xor3(rotate_right::<7>(w15), rotate_right::<18>(w15), shift_right::<3>(w15));
            let s1 = xor3(rotate_right::<17>(w2), rotate_right::<19>(w2), shift_right::<10>(w2));
            $w[$t % 16] = add(add($w[$t % 16], s0), add($w[($t + 9) % 16], s1));
        }
        let [a, b, c, d, e, f, g, h] = $state;
        let s0 = xor3(rotate_right::<2>(a), rotate_right::<13>(a), rotate_right::<22>(a));
        let s1 = xor3(rotate_right::<6>(e), rotate_right::<11>(e), rotate_right::<25>(e));
        let one = add(add(add(h, add($w[$t % 16], splat(K[$t]))), choose(e, f, g)), s1);
        let two = add(s0, majority(a, b, c));
        $state = [add(one, two), a, b, c, add(d, one), e, f, g];
    )*};
}

/// The constants of SHA-256 (FIPS 180-4, 4.2.2).
pub(super) const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

pub(super) use {lane_kernels, read_words, sha1_rounds, sha256_rounds};
