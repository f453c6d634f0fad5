//! Keeps the lanes of a vector implementation busy with messages of any lengths.
//!
//! From which number of messages on lanes are worth while is where a full pass of them takes less time than the same messages
//! by the next narrower way. The numbers were measured on one machine (docs/DECISIONS.md): a wrong one costs some speed for
//! a few messages, nothing else.

use crate::cursor::{Block, Cursor};
use crate::implementation::{Implementation, Vectors};

/// A hash function whose state is this many 32-bit words.
pub(crate) trait Algorithm<const WORDS: usize> {
    /// The state before the first block.
    const INITIAL: [u32; WORDS];

    /// Hashes all messages of the queue.
    fn run(implementation: Implementation, queue: &mut Queue<'_, '_, WORDS>);
}

/// A message that is being hashed.
pub(crate) struct Job<'a, const WORDS: usize> {
    /// Its number in the batch.
    pub(crate) message: usize,
    pub(crate) state: [u32; WORDS],
    pub(crate) cursor: Cursor<'a>,
}

/// Where messages come from, and where their final states go.
pub(crate) struct Queue<'a, 'q, const WORDS: usize> {
    pub(crate) waiting: &'q mut dyn Iterator<Item = Job<'a, WORDS>>,
    pub(crate) finished: &'q mut dyn FnMut(usize, [u32; WORDS]),
}

pub(crate) struct Sha1;

impl Algorithm<5> for Sha1 {
    /// FIPS 180-4, 5.3.1.
    const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

    fn run(implementation: Implementation, queue: &mut Queue<'_, '_, 5>) {
        let Implementation { vectors, pairs } = implementation;
        let mut jobs = Vec::new();
        match vectors {
            Some(Vectors::Avx512(cpu)) => {
                in_lanes::<5, 16>(queue, &mut jobs, 10, |states, blocks| cpu.sha1_16(states, blocks));
                let worthwhile = if pairs.is_some() { 3 } else { 2 };
                in_lanes::<5, 8>(queue, &mut jobs, worthwhile, |states, blocks| cpu.sha1_8(states, blocks));
            }
            Some(Vectors::Avx2(cpu)) => {
                let worthwhile = if pairs.is_some() { 6 } else { 2 };
                in_lanes::<5, 8>(queue, &mut jobs, worthwhile, |states, blocks| cpu.sha1(states, blocks));
            }
            None => {}
        }
        if let Some(cpu) = pairs {
            in_lanes::<5, 2>(queue, &mut jobs, 2, |states, blocks| cpu.sha1(states, blocks));
        }
        one_by_one(queue, jobs, sha1::block_api::compress);
    }
}

pub(crate) struct Sha256;

impl Algorithm<8> for Sha256 {
    /// FIPS 180-4, 5.3.3.
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    fn run(implementation: Implementation, queue: &mut Queue<'_, '_, 8>) {
        let Implementation { vectors, pairs } = implementation;
        let mut jobs = Vec::new();
        match vectors {
            Some(Vectors::Avx512(cpu)) => {
                in_lanes::<8, 16>(queue, &mut jobs, 11, |states, blocks| cpu.sha256_16(states, blocks));
                let worthwhile = if pairs.is_some() { 6 } else { 2 };
                in_lanes::<8, 8>(queue, &mut jobs, worthwhile, |states, blocks| cpu.sha256_8(states, blocks));
            }
            // Without AVX-512, SHA-256 needs so many instructions for rotations that two chains of SHA-NI are faster.
            Some(Vectors::Avx2(cpu)) if pairs.is_none() => {
                in_lanes::<8, 8>(queue, &mut jobs, 2, |states, blocks| cpu.sha256(states, blocks));
            }
            _ => {}
        }
        if let Some(cpu) = pairs {
            in_lanes::<8, 2>(queue, &mut jobs, 2, |states, blocks| cpu.sha256(states, blocks));
        }
        one_by_one(queue, jobs, sha2::block_api::compress256);
    }
}

/// Hashes up to `LANES` messages at once until fewer than `worthwhile` are left; those stay in `jobs`, unfinished.
///
/// `compress` takes the states, word by word with one lane beside the other, and as many blocks for each lane. More jobs than
/// lanes, which a wider way has left over, wait for each other.
fn in_lanes<'a, const WORDS: usize, const LANES: usize>(
    queue: &mut Queue<'a, '_, WORDS>,
    jobs: &mut Vec<Job<'a, WORDS>>,
    worthwhile: usize,
    compress: impl Fn(&mut [[u32; LANES]; WORDS], &[&[Block]; LANES]),
) {
    loop {
        jobs.extend(queue.waiting.take(LANES.saturating_sub(jobs.len())));
        if jobs.len() < worthwhile {
            return;
        }
        let active = jobs.len().min(LANES);
        step(&mut jobs[..active], &compress);
        for position in (0..active).rev() {
            if jobs[position].cursor.blocks().is_empty() {
                let job = jobs.swap_remove(position);
                (queue.finished)(job.message, job.state);
            }
        }
    }
}

/// Hashes as many blocks of each message as lie ready in all of them.
fn step<const WORDS: usize, const LANES: usize>(
    jobs: &mut [Job<'_, WORDS>],
    compress: &impl Fn(&mut [[u32; LANES]; WORDS], &[&[Block]; LANES]),
) {
    let count = jobs.iter().map(|job| job.cursor.blocks().len()).min().unwrap_or(0);
    let mut states = [[0; LANES]; WORDS];
    // A lane without a message does what the first one does, and nobody looks at its result.
    let mut blocks: [&[Block]; LANES] = [&jobs[0].cursor.blocks()[..count]; LANES];
    for (lane, job) in jobs.iter().enumerate() {
        blocks[lane] = &job.cursor.blocks()[..count];
        for (words, word) in states.iter_mut().zip(job.state) {
            words[lane] = word;
        }
    }
    compress(&mut states, &blocks);
    for (lane, job) in jobs.iter_mut().enumerate() {
        for (word, words) in job.state.iter_mut().zip(&states) {
            *word = words[lane];
        }
        job.cursor.advance(count);
    }
}

/// Finishes messages that have begun, then hashes those that still wait, each alone.
fn one_by_one<'a, const WORDS: usize>(
    queue: &mut Queue<'a, '_, WORDS>,
    jobs: Vec<Job<'a, WORDS>>,
    compress: impl Fn(&mut [u32; WORDS], &[Block]),
) {
    for mut job in jobs.into_iter().chain(&mut *queue.waiting) {
        loop {
            let count = job.cursor.blocks().len();
            if count == 0 {
                break;
            }
            compress(&mut job.state, job.cursor.blocks());
            job.cursor.advance(count);
        }
        (queue.finished)(job.message, job.state);
    }
}
