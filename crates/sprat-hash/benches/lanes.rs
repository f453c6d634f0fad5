//! How fast each implementation hashes so many messages of such a length, and how much faster than one message after the
//! other (with SHA-NI, if the processor has it). Run it with `cargo bench -p sprat-hash`; arguments, if there are some, are the numbers of messages to try.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]

use std::fmt::{self, Display};
use std::hint::black_box;
use std::time::Instant;

use sprat_hash::{Batch, Implementation};

/// Bytes hashed for one figure, at least.
const VOLUME: usize = 64 << 20;
const RUNS: usize = 5;

/// Lengths of the messages of one measurement.
#[derive(Clone, Copy)]
enum Lengths {
    Same(usize),
    /// Different ones, from nearly nothing to 512 KiB.
    Mixed,
}

fn main() {
    let counts: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let counts = if counts.is_empty() { vec![1, 4, 8, 16, 64] } else { counts };
    println!("GiB/s, least/median/most of {RUNS} runs; x: ratio to one by one, of the most");
    for (name, sha1) in [("SHA-1", true), ("SHA-256", false)] {
        for lengths in
            [Lengths::Same(16 << 10), Lengths::Same(256 << 10), Lengths::Same(1 << 20), Lengths::Mixed]
        {
            for &count in &counts {
                print!("{name:<8}{count:>3} x {lengths:<8}");
                for (implementation, [least, median, most], ratio) in measure(sha1, lengths, count) {
                    print!("  {implementation}: {least:5.2}/{median:4.2}/{most:4.2} {ratio:4.2}x;");
                }
                println!();
            }
        }
    }
}

/// For each implementation its least, median and most speed, and the ratio to the last, which takes messages one by one.
fn measure(sha1: bool, lengths: Lengths, count: usize) -> Vec<(Implementation, [f64; 3], f64)> {
    let lengths = lengths.list(count);
    let total: usize = lengths.iter().sum();
    let memory: Vec<u8> =
        (0..total).map(|position| (position.wrapping_mul(0x9e37_79b9) >> 16) as u8).collect();
    let mut batch = Batch::new();
    let mut rest = &memory[..];
    for length in lengths {
        let (message, behind) = rest.split_at(length);
        batch.push(message);
        rest = behind;
    }
    let implementations = Implementation::available();
    let mut speeds = vec![Vec::new(); implementations.len()];
    // Side by side, so that a slow moment of the machine is a slow moment of all.
    for _ in 0..RUNS {
        for (implementation, speeds) in implementations.iter().zip(&mut speeds) {
            speeds.push(speed(&batch, *implementation, sha1, total));
        }
    }
    speeds.iter_mut().for_each(|speeds| speeds.sort_by(f64::total_cmp));
    // Whatever disturbs a run makes it slower, so the fastest ones compare best.
    let single = speeds.last().map_or(1.0, |speeds| speeds[RUNS - 1]);
    let figures =
        |speeds: Vec<f64>| ([speeds[0], speeds[RUNS / 2], speeds[RUNS - 1]], speeds[RUNS - 1] / single);
    let with_figures = |(implementation, speeds)| {
        let (figures, ratio) = figures(speeds);
        (implementation, figures, ratio)
    };
    implementations.into_iter().zip(speeds).map(with_figures).collect()
}

/// In GiB/s.
fn speed(batch: &Batch<'_>, implementation: Implementation, sha1: bool, total: usize) -> f64 {
    let rounds = VOLUME.div_ceil(total);
    let begin = Instant::now();
    for _ in 0..rounds {
        if sha1 {
            let mut digests = Vec::new();
            batch.sha1_by(implementation, &mut digests);
            black_box(digests);
        } else {
            let mut digests = Vec::new();
            batch.sha256_by(implementation, &mut digests);
            black_box(digests);
        }
    }
    (rounds * total) as f64 / begin.elapsed().as_secs_f64() / f64::from(1 << 30)
}

impl Lengths {
    fn list(self, count: usize) -> Vec<usize> {
        let length = |number: usize| match self {
            Self::Same(length) => length,
            Self::Mixed => (number.wrapping_mul(0x9e37_79b9) >> 8) % (512 << 10) + 1,
        };
        (1..=count).map(length).collect()
    }
}

impl Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(length) => f.pad(&format!("{} KiB", length >> 10)),
            Self::Mixed => f.pad("mixed"),
        }
    }
}
