//! Vector implementations for x86-64, and all that is `unsafe` in this workspace.
//!
//! Intrinsics are safe to call in a function that is compiled for the feature in question. Two things remain: to call such a
//! function from ordinary code, which only a processor with the feature may do, and to move bytes between memory and
//! registers. Both are done here and nowhere else; the kernels below are safe code.
//!
//! [`Avx512`], [`Avx2`] and [`ShaNi`] are proofs: a value exists only where the processor has been asked.

#![allow(unsafe_code, reason = "see above")]

mod avx2;
mod avx512;
mod avx512vl;
mod rounds;
mod sha_ni;

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_loadu_si128, _mm256_loadu_si256, _mm256_storeu_si256, _mm512_loadu_si512,
    _mm512_storeu_si512,
};

use crate::cursor::Block;

/// The processor has AVX-512 F, VL and BW, and AVX2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// Asks the processor (and the operating system, which must save the registers).
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw");
        has.then_some(Self(()))
    }

    /// SHA-1 of sixteen messages: takes all of the blocks, of which each lane has as many as the first.
    pub(crate) fn sha1_16(self, states: &mut [[u32; 16]; 5], blocks: &[&[Block]; 16]) {
        // SAFETY: the processor has the features, or `self` would not exist.
        unsafe { avx512::sha1(states, blocks) }
    }

    /// SHA-1 of eight messages.
    pub(crate) fn sha1_8(self, states: &mut [[u32; 8]; 5], blocks: &[&[Block]; 8]) {
        // SAFETY: the processor has the features, or `self` would not exist.
        unsafe { avx512vl::sha1(states, blocks) }
    }

    /// SHA-256 of sixteen messages.
    pub(crate) fn sha256_16(self, states: &mut [[u32; 16]; 8], blocks: &[&[Block]; 16]) {
        // SAFETY: the processor has the features, or `self` would not exist.
        unsafe { avx512::sha256(states, blocks) }
    }

    /// SHA-256 of eight messages.
    pub(crate) fn sha256_8(self, states: &mut [[u32; 8]; 8], blocks: &[&[Block]; 8]) {
        // SAFETY: the processor has the features, or `self` would not exist.
        unsafe { avx512vl::sha256(states, blocks) }
    }
}

/// The processor has AVX2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// Asks the processor (and the operating system, which must save the registers).
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// SHA-1 of eight messages: takes all of the blocks, of which each lane has as many as the first.
    pub(crate) fn sha1(self, states: &mut [[u32; 8]; 5], blocks: &[&[Block]; 8]) {
        // SAFETY: the processor has the feature, or `self` would not exist.
        unsafe { avx2::sha1(states, blocks) }
    }

    /// SHA-256 of eight messages.
    pub(crate) fn sha256(self, states: &mut [[u32; 8]; 8], blocks: &[&[Block]; 8]) {
        // SAFETY: the processor has the feature, or `self` would not exist.
        unsafe { avx2::sha256(states, blocks) }
    }
}

/// The processor has SHA-NI, with SSE up to 4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShaNi(());

impl ShaNi {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse2")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse4.1");
        has.then_some(Self(()))
    }

    /// SHA-1 of two messages: takes all of the blocks, of which both have as many.
    pub(crate) fn sha1(self, states: &mut [[u32; 2]; 5], blocks: &[&[Block]; 2]) {
        // SAFETY: the processor has the features, or `self` would not exist.
        unsafe { sha_ni::sha1(states, blocks) }
    }

    /// SHA-256 of two messages.
    pub(crate) fn sha256(self, states: &mut [[u32; 2]; 8], blocks: &[&[Block]; 2]) {
        // SAFETY: the processor has the features, or `self` would not exist.
        unsafe { sha_ni::sha256(states, blocks) }
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn load_128(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: reads 16 bytes, which may lie at any address, from a reference to 16 bytes.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx")]
fn load_words_256(words: &[u32; 8]) -> __m256i {
    // SAFETY: reads 32 bytes, which may lie at any address, from a reference to 8 words.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx")]
fn store_words_256(words: &mut [u32; 8], vector: __m256i) {
    // SAFETY: writes 32 bytes, which may lie at any address, through a unique reference to 8 words.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_words_512(words: &[u32; 16]) -> __m512i {
    // SAFETY: reads 64 bytes, which may lie at any address, from a reference to 16 words.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_words_512(words: &mut [u32; 16], vector: __m512i) {
    // SAFETY: writes 64 bytes, which may lie at any address, through a unique reference to 16 words.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
}
