//! Two messages at once by the processor's own instructions for SHA-1 and SHA-256 (SHA-NI), which are quick but keep the next
//! one waiting: there is room for a second chain in between.

#![forbid(unsafe_code)]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_sha1msg1_epu32,
    _mm_sha1msg2_epu32, _mm_sha1nexte_epu32, _mm_sha1rnds4_epu32, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32,
    _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_xor_si128,
};

use super::load_128;
use super::rounds::K;
use crate::cursor::Block;

/// Four rounds for each of the two messages: `$g` is their number divided by four, `$f` chooses function and constant.
macro_rules! sha1_groups {
    ($m:ident, $abcd:ident, $before:ident, $f:literal: $($g:literal)*) => {$(
        for lane in 0..2 {
            let m = &mut $m[lane];
            if $g >= 4 {
                let mixed = _mm_sha1msg1_epu32(m[$g % 4], m[($g + 1) % 4]);
                m[$g % 4] = _mm_sha1msg2_epu32(_mm_xor_si128(mixed, m[($g + 2) % 4]), m[($g + 3) % 4]);
            }
            // The fifth word is the first one of four rounds ago, rotated; at the beginning it is given.
            let sum = if $g == 0 {
                _mm_add_epi32($before[lane], m[0])
            } else {
                _mm_sha1nexte_epu32($before[lane], m[$g % 4])
            };
            $before[lane] = $abcd[lane];
            $abcd[lane] = _mm_sha1rnds4_epu32::<$f>($abcd[lane], sum);
        }
    )*};
}

/// FIPS 180-4, 6.1.2, in both lanes, for each of their blocks.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
pub(super) fn sha1(states: &mut [[u32; 2]; 5], blocks: &[&[Block]; 2]) {
    // The first word is the uppermost one of a register, of a block as well.
    let reverse = _mm_set_epi32(0x0001_0203, 0x0405_0607, 0x0809_0a0b, 0x0c0d_0e0f);
    let [a, b, c, d, e] = states.map(|lanes| lanes.map(u32::cast_signed));
    let mut abcd = [0, 1].map(|lane| _mm_set_epi32(a[lane], b[lane], c[lane], d[lane]));
    let mut e = [0, 1].map(|lane| _mm_set_epi32(e[lane], 0, 0, 0));
    for (first, second) in blocks[0].iter().zip(blocks[1]) {
        let mut m = [quarters(first, reverse), quarters(second, reverse)];
        let (mut now, mut before) = (abcd, e);
        sha1_groups!(m, now, before, 0: 0 1 2 3 4);
        sha1_groups!(m, now, before, 1: 5 6 7 8 9);
        sha1_groups!(m, now, before, 2: 10 11 12 13 14);
        sha1_groups!(m, now, before, 3: 15 16 17 18 19);
        for lane in 0..2 {
            e[lane] = _mm_sha1nexte_epu32(before[lane], e[lane]);
            abcd[lane] = _mm_add_epi32(abcd[lane], now[lane]);
        }
    }
    for lane in 0..2 {
        let [d, c, b, a] = words(abcd[lane]);
        let [.., e] = words(e[lane]);
        for (words, word) in states.iter_mut().zip([a, b, c, d, e]) {
            words[lane] = word;
        }
    }
}

/// Four rounds for each of the two messages: `$g` is their number divided by four.
macro_rules! sha256_groups {
    ($m:ident, $abef:ident, $cdgh:ident: $($g:literal)*) => {$(
        for lane in 0..2 {
            let m = &mut $m[lane];
            if $g >= 4 {
                let (m9, m1) = (_mm_alignr_epi8::<4>(m[($g + 3) % 4], m[($g + 2) % 4]), m[($g + 3) % 4]);
                let mixed = _mm_add_epi32(_mm_sha256msg1_epu32(m[$g % 4], m[($g + 1) % 4]), m9);
                m[$g % 4] = _mm_sha256msg2_epu32(mixed, m1);
            }
            let k = |offset: usize| K[4 * $g + offset].cast_signed();
            let sum = _mm_add_epi32(m[$g % 4], _mm_set_epi32(k(3), k(2), k(1), k(0)));
            $cdgh[lane] = _mm_sha256rnds2_epu32($cdgh[lane], $abef[lane], sum);
            $abef[lane] = _mm_sha256rnds2_epu32($abef[lane], $cdgh[lane], _mm_shuffle_epi32::<0b11_10>(sum));
        }
    )*};
}

/// FIPS 180-4, 6.2.2, in both lanes, for each of their blocks.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
pub(super) fn sha256(states: &mut [[u32; 2]; 8], blocks: &[&[Block]; 2]) {
    // The first word of a block is the lowest one of a register, but the first one of the state the uppermost.
    let swap = _mm_set_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let [a, b, c, d, e, f, g, h] = states.map(|lanes| lanes.map(u32::cast_signed));
    let mut abef = [0, 1].map(|lane| _mm_set_epi32(a[lane], b[lane], e[lane], f[lane]));
    let mut cdgh = [0, 1].map(|lane| _mm_set_epi32(c[lane], d[lane], g[lane], h[lane]));
    for (first, second) in blocks[0].iter().zip(blocks[1]) {
        let mut m = [quarters(first, swap), quarters(second, swap)];
        let (mut x, mut y) = (abef, cdgh);
        sha256_groups!(m, x, y: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for lane in 0..2 {
            abef[lane] = _mm_add_epi32(abef[lane], x[lane]);
            cdgh[lane] = _mm_add_epi32(cdgh[lane], y[lane]);
        }
    }
    for lane in 0..2 {
        let ([f, e, b, a], [h, g, d, c]) = (words(abef[lane]), words(cdgh[lane]));
        for (words, word) in states.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            words[lane] = word;
        }
    }
}

/// The words of a block, four to a register, their bytes in the given order.
#[inline]
#[target_feature(enable = "ssse3")]
fn quarters(block: &Block, order: __m128i) -> [__m128i; 4] {
    let quarters = block.as_chunks().0;
    [0, 1, 2, 3].map(|quarter| _mm_shuffle_epi8(load_128(&quarters[quarter]), order))
}

/// From the lowest to the uppermost.
#[inline]
#[target_feature(enable = "sse4.1")]
fn words(register: __m128i) -> [u32; 4] {
    [
        _mm_extract_epi32::<0>(register),
        _mm_extract_epi32::<1>(register),
        _mm_extract_epi32::<2>(register),
        _mm_extract_epi32::<3>(register),
    ]
    .map(i32::cast_unsigned)
}
