//! Eight lanes with the instructions of AVX-512 (VL) on registers of 256 bits: rotations and three-way logic in one step each.
//! For fewer messages than fill sixteen lanes.

#![forbid(unsafe_code)]

use std::arch::x86_64::{__m256i, _mm256_rol_epi32, _mm256_ror_epi32, _mm256_ternarylogic_epi32};

use super::avx2::{add, shift_right, splat, words, xor};
use super::rounds::{K, lane_kernels, read_words, sha1_rounds, sha256_rounds};
use super::{load_words_256 as load, store_words_256 as store};
use crate::cursor::Block;

lane_kernels!("avx2,avx512f,avx512vl", 8);

/// The number of the truth table: bit `4a + 2b + c` is the result for these bits.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn xor3(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_ternarylogic_epi32::<0b1001_0110>(a, b, c)
}

/// `b` where `a` is set, else `c`.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn choose(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_ternarylogic_epi32::<0b1100_1010>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn majority(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_ternarylogic_epi32::<0b1110_1000>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn rotate_left<const BITS: i32>(a: __m256i) -> __m256i {
    _mm256_rol_epi32::<BITS>(a)
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn rotate_right<const BITS: i32>(a: __m256i) -> __m256i {
    _mm256_ror_epi32::<BITS>(a)
}
