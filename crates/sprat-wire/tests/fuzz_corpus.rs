//! Replays the fuzz corpus, and ten thousand changed copies of it, where a deep recursion would be noticed.
//!
//! To write the seeds of the corpus again:
//! `cargo test -p sprat-wire --test fuzz_corpus -- --ignored`

#![expect(clippy::disallowed_methods, reason = "the corpus is in files")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is a test, helper functions included")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fuzz_targets::{TARGETS, run};

mod fuzz_targets;
mod seeds;

/// Far less than the 2 MiB of a test's thread, or the 8 MiB of a program's first one.
const STACK: usize = 256 * 1024;

const VARIANTS_PER_TARGET: usize = 10_000;

#[test]
fn every_target_survives_its_corpus_and_changed_copies_of_it() {
    let threads = TARGETS.iter().map(|(name, _)| {
        let replay = move || replay(name);
        std::thread::Builder::new().name((*name).to_owned()).stack_size(STACK).spawn(replay).unwrap()
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().expect("the target's own message says what is wrong");
    }
}

#[test]
fn every_seed_is_in_the_corpus() {
    for (name, seeds) in seeds::all() {
        let corpus = corpus(name);
        for (label, seed) in seeds {
            assert_eq!(corpus.get(label), Some(&seed), "{name}/{label}: write the seeds again");
        }
    }
}

#[test]
#[ignore = "writes files"]
fn write_the_seeds() {
    for (name, seeds) in seeds::all() {
        std::fs::create_dir_all(directory(name)).unwrap();
        for (label, seed) in seeds {
            std::fs::write(directory(name).join(label), seed).unwrap();
        }
    }
}

fn replay(name: &str) {
    let corpus: Vec<Vec<u8>> = corpus(name).into_values().collect();
    assert!(!corpus.is_empty(), "{name} has no corpus");
    for input in &corpus {
        run(name, input);
    }
    let mut random = fastrand::Rng::with_seed(0x5eed);
    for _ in 0..VARIANTS_PER_TARGET {
        let input = changed(&corpus, &mut random);
        let ran = std::panic::catch_unwind(|| run(name, &input));
        assert!(ran.is_ok(), "{name} fails with b\"{}\"", input.escape_ascii());
    }
}

/// An input with one to four changes of the kinds that break parsers.
fn changed(corpus: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    const NUMBERS: [&[u8]; 8] = [
        b"-1",
        b"0",
        b"4294967295",
        b"9223372036854775808",
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\0\0\0\0",
        b"e",
    ];
    let mut input = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(..=input.len());
        let end = random.usize(at..=input.len()).min(at + 64);
        match random.u8(..7) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, input[at..end].to_vec())),
            3 => drop(input.splice(at..end, NUMBERS[random.usize(..NUMBERS.len())].iter().copied())),
            4 => input.insert(at, random.u8(..)),
            5 => {
                let other = &corpus[random.usize(..corpus.len())];
                let from = random.usize(..=other.len());
                drop(input.splice(at.., other[from..].iter().copied()));
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.u8(..8);
                }
            }
        }
    }
    input
}

fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(directory(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

fn directory(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}
