//! The fuzz target `session`: its corpus, and scripts made at random.
#![expect(clippy::disallowed_methods, reason = "the corpus is in files")]
#![allow(clippy::unwrap_used, reason = "all of this is a test, helper functions included")]

mod fuzz_targets;

use std::path::Path;

const SCRIPTS: u64 = 3000;

#[test]
fn every_script_of_the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/session");
    let mut scripts = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let path = file.unwrap().path();
        let script = std::fs::read(&path).unwrap();
        let ran = std::panic::catch_unwind(|| fuzz_targets::session(&script));
        assert!(ran.is_ok(), "{} fails", path.display());
        scripts += 1;
    }
    assert!(scripts > 0, "there is no corpus");
}

#[test]
fn scripts_made_at_random() {
    for seed in 0..SCRIPTS {
        let mut random = fastrand::Rng::with_seed(seed);
        let length = random.usize(10..1200);
        let script: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        let ran = std::panic::catch_unwind(|| fuzz_targets::session(&script));
        assert!(ran.is_ok(), "the script of seed {seed} fails");
    }
}
