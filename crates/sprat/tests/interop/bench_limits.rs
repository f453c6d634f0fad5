//! What this machine takes for the parts of a transfer: `cargo xtask bench limits`.
//!
//! Every round measures each part once, so that a change in the machine's speed meets all of them. `SPRAT_BENCH_DIR` is where the files go
//! (the target directory).

#![allow(clippy::print_stdout, reason = "a benchmark prints figures")]
#![allow(dead_code, reason = "the content is that of other benchmarks, which need more of it")]

mod figures;
mod limits;
mod shared_content;

use anyhow::Result;
use clap::Parser;

use crate::figures::Spread;
use crate::limits::{Bench, Limit};
use crate::shared_content::{bench_directory, write_random};

/// Measures what receiving, sending, hashing and writing cost by themselves.
#[derive(Debug, Parser)]
struct Arguments {
    /// MiB moved for each figure; a multiple of 16.
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// So many times everything.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let Arguments { mib, rounds, .. } = Arguments::parse();
    let directory = bench_directory()?;
    let source = directory.path().join("content.bin");
    write_random(&source, mib << 20, &mut fastrand::Rng::with_seed(42))?;
    let bench = Bench::new(&source, directory.path())?;
    let mut figures = [(); Limit::ALL.len()].map(|()| Vec::with_capacity(rounds));
    for _ in 0..rounds {
        for (limit, figures) in Limit::ALL.iter().zip(&mut figures) {
            figures.push(bench.measure(*limit)?);
        }
    }
    println!("{mib} MiB, {rounds} rounds, in {}\n", directory.path().display());
    println!("| | CPU s/GiB: median (min – max) |\n|---|---|");
    for (limit, figures) in Limit::ALL.iter().zip(figures) {
        println!("| {limit} | {} |", Spread::of(figures));
    }
    Ok(())
}
