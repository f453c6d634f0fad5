//! Making and checking a torrent, sprat beside other programs: `cargo xtask bench create`.
//!
//! Every round lets each program hash the same file, which is in the page cache, one after the other. The CPU time is that
//! which the system counted for the process when it had ended, user and system, its start included.
//!
//! `SPRAT_BENCH_DIR` is where the file goes (the target directory).

#![allow(clippy::print_stdout, reason = "a benchmark prints figures")]
#![allow(dead_code, reason = "the clients are those of the interoperability tests, which need more of them")]

mod clients;
mod content;
mod figures;
mod http;
#[path = "../network/mod.rs"]
mod network;
mod process;
mod shared_content;
mod torrent;
mod usage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use crate::clients::Client as _;
use crate::clients::libtorrent::Libtorrent;
use crate::figures::Spread;
use crate::process::is_installed;
use crate::shared_content::{bench_directory, write_random};
use crate::torrent::Version;
use crate::usage::cpu_seconds_of_children;

/// Measures how fast torrents are made and checked.
#[derive(Debug, Parser)]
struct Arguments {
    /// MiB of the file.
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// So many times everything.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Pieces of 1 MiB, everywhere.
const PIECE_LENGTH: &str = "1M";

/// A program and what it is told.
struct Work {
    /// Of figures that can be compared.
    kind: &'static str,
    name: &'static str,
    /// `None` when the program is not here.
    command: Option<Command>,
}

fn main() -> Result<()> {
    let Arguments { mib, rounds, .. } = Arguments::parse();
    let directory = bench_directory()?;
    let file = directory.path().join("content.bin");
    write_random(&file, mib << 20, &mut fastrand::Rng::with_seed(42))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{mib} MiB, pieces of {PIECE_LENGTH}, {threads} threads, {rounds} rounds, in {}",
        directory.path().display()
    );

    let (mut present, absent): (Vec<_>, Vec<_>) =
        works(&file, directory.path(), threads).into_iter().partition(|work| work.command.is_some());
    for Work { kind, name, .. } in absent {
        println!("skipped: {name} ({kind}) is not installed");
    }
    let gib = mib as f64 / 1024.0;
    let mut results: Vec<Vec<(f64, f64)>> = vec![Vec::new(); present.len()];
    for _ in 0..rounds {
        for (work, results) in present.iter_mut().zip(&mut results) {
            let (seconds, cpu) = run(work)?;
            results.push((seconds / gib, cpu / gib));
        }
    }
    println!("\n| | program | s/GiB | to sprat | CPU s/GiB | to sprat |\n|---|---|---|---|---|---|");
    for (work, theirs) in present.iter().zip(&results) {
        let ours = present.iter().position(|other| other.kind == work.kind).and_then(|at| results.get(at));
        let ratios = |of: fn(&(f64, f64)) -> f64| {
            let pairs = theirs.iter().zip(ours.into_iter().flatten());
            Spread::of(pairs.map(|(theirs, ours)| of(theirs) / of(ours)))
        };
        let spread = |of: fn(&(f64, f64)) -> f64| Spread::of(theirs.iter().map(of));
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            work.kind,
            work.name,
            spread(|it| it.0),
            ratios(|it| it.0),
            spread(|it| it.1),
            ratios(|it| it.1)
        );
    }
    Ok(())
}

/// All that is compared; of each kind sprat first.
fn works(file: &Path, directory: &Path, threads: usize) -> Vec<Work> {
    let text = |path: PathBuf| path.display().to_string();
    let content = text(file.to_path_buf());
    let torrent = |name: &str| text(directory.join(format!("{name}.torrent")));
    let sprat = env!("CARGO_BIN_EXE_sprat");
    let command = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments);
        command
    };
    let installed =
        |program: &str, arguments: &[&str]| is_installed(program).then(|| command(program, arguments));
    let mut works = Vec::new();
    for (kind, version) in
        [("create v1", Version::V1), ("create v2", Version::V2), ("create hybrid", Version::Hybrid)]
    {
        let (name, output) = (version.name(), torrent(&format!("sprat-{}", version.name())));
        let announce = "http://127.0.0.1:1/announce";
        let create = [
            "create",
            "--version",
            name,
            "--piece-length",
            PIECE_LENGTH,
            "--tracker",
            announce,
            "--output",
            &output,
            "--quiet",
            &content,
        ];
        works.push(Work { kind, name: "sprat", command: Some(command(sprat, &create)) });
        let output = torrent(&format!("libtorrent-{name}"));
        let is_here = Libtorrent.absence().is_none();
        let libtorrent = is_here.then(|| Libtorrent::creation(file, version, Path::new(&output)));
        works.push(Work { kind, name: "libtorrent", command: libtorrent });
        if version == Version::V1 {
            let (output, threads) = (torrent("mktorrent"), threads.to_string());
            let mktorrent = installed(
                "mktorrent",
                &["-t", &threads, "-l", "20", "-a", announce, "-o", &output, &content],
            );
            works.push(Work { kind, name: "mktorrent", command: mktorrent });
            let output = torrent("transmission");
            let create =
                installed("transmission-create", &["-s", "1024", "-t", announce, "-o", &output, &content]);
            works.push(Work { kind, name: "transmission-create", command: create });
            let output = torrent("imdl");
            let create = [
                "torrent",
                "create",
                "--piece-length",
                "1MiB",
                "--announce",
                announce,
                "--output",
                &output,
                &content,
            ];
            works.push(Work { kind, name: "imdl", command: installed("imdl", &create) });
        }
    }
    let place = text(directory.to_path_buf());
    for (kind, name) in [("verify v1", "v1"), ("verify v2", "v2"), ("verify hybrid", "hybrid")] {
        let torrent = torrent(&format!("sprat-{name}"));
        let verify = ["verify", "--quiet", &torrent, &place];
        works.push(Work { kind, name: "sprat", command: Some(command(sprat, &verify)) });
        if name == "v1" {
            let verify =
                installed("imdl", &["torrent", "verify", "--content", &content, "--input", &torrent]);
            works.push(Work { kind, name: "imdl", command: verify });
            let check = [
                "--hash-check-only=true",
                "--check-integrity=true",
                "--seed-time=0",
                "--quiet=true",
                "--dir",
                &place,
                &torrent,
            ];
            works.push(Work { kind, name: "aria2", command: installed("aria2c", &check) });
        }
    }
    works
}

/// Seconds, and CPU seconds, of one run.
fn run(work: &mut Work) -> Result<(f64, f64)> {
    let command = work.command.as_mut().context("nothing to run")?;
    // Those that make torrents do not overwrite any.
    if work.kind.starts_with("create") {
        let torrents = command.get_args().map(Path::new);
        torrents
            .filter(|at| at.extension() == Some("torrent".as_ref()))
            .for_each(|at| _ = fs::remove_file(at));
    }
    let cpu_before = cpu_seconds_of_children()?;
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output().with_context(|| work.name)?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(
        output.status.success(),
        "{} ({}): {}",
        work.name,
        work.kind,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((seconds, cpu_seconds_of_children()? - cpu_before))
}
