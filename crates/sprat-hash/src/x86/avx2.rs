//! Eight lanes: AVX2, registers of 256 bits.

#![forbid(unsafe_code)]

use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm_setr_epi32, _mm256_add_epi32, _mm256_and_si256, _mm256_or_si256,
    _mm256_set_m128i, _mm256_set1_epi32, _mm256_shuffle_epi8, _mm256_sll_epi32, _mm256_srl_epi32,
    _mm256_srli_epi32, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32,
    _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use super::load_128;
use super::rounds::{K, lane_kernels, read_words, sha1_rounds, sha256_rounds};
use super::{load_words_256 as load, store_words_256 as store};
use crate::cursor::Block;

lane_kernels!("avx2", 8);

/// Four words, the given quarter of each lane's block: vector `j` has word `4 * quarter + j` of all lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn words(blocks: &[&Block; 8], quarter: usize) -> [__m256i; 4] {
    // Words are big-endian.
    let swap = _mm_setr_epi32(0x0001_0203, 0x0405_0607, 0x0809_0a0b, 0x0c0d_0e0f);
    let swap = _mm256_set_m128i(swap, swap);
    let mut rows = [splat(0); 4];
    for (lane, row) in rows.iter_mut().enumerate() {
        let four = |lane: usize| load_128(&blocks[lane].as_chunks().0[quarter]);
        *row = _mm256_shuffle_epi8(_mm256_set_m128i(four(lane + 4), four(lane)), swap);
    }
    // The halves of a register never meet: the lower one has the lanes 0 to 3, the upper one 4 to 7.
    let low = [_mm256_unpacklo_epi32(rows[0], rows[1]), _mm256_unpacklo_epi32(rows[2], rows[3])];
    let high = [_mm256_unpackhi_epi32(rows[0], rows[1]), _mm256_unpackhi_epi32(rows[2], rows[3])];
    [
        _mm256_unpacklo_epi64(low[0], low[1]),
        _mm256_unpackhi_epi64(low[0], low[1]),
        _mm256_unpacklo_epi64(high[0], high[1]),
        _mm256_unpackhi_epi64(high[0], high[1]),
    ]
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn splat(word: u32) -> __m256i {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn add(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn xor(a: __m256i, b: __m256i) -> __m256i {
    _mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    xor(xor(a, b), c)
}

/// `b` where `a` is set, else `c`.
#[inline]
#[target_feature(enable = "avx2")]
fn choose(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    xor(c, _mm256_and_si256(a, xor(b, c)))
}

/// In SHA-256, `b ^ c` is the `a ^ b` of the round before, which the compiler sees.
#[inline]
#[target_feature(enable = "avx2")]
fn majority(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    xor(b, _mm256_and_si256(xor(a, b), xor(b, c)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_left<const BITS: i32>(a: __m256i) -> __m256i {
    // Shifts by a register, since `32 - BITS` may not be an immediate; the compiler makes it one.
    let left = _mm256_sll_epi32(a, _mm_cvtsi32_si128(BITS));
    _mm256_or_si256(left, _mm256_srl_epi32(a, _mm_cvtsi32_si128(32 - BITS)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_right<const BITS: i32>(a: __m256i) -> __m256i {
    let right = _mm256_srl_epi32(a, _mm_cvtsi32_si128(BITS));
    _mm256_or_si256(right, _mm256_sll_epi32(a, _mm_cvtsi32_si128(32 - BITS)))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn shift_right<const BITS: i32>(a: __m256i) -> __m256i {
    _mm256_srli_epi32::<BITS>(a)
}
