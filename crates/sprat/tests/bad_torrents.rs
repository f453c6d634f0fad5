//! What a stranger may hand to the program: every torrent of the fuzz corpus, and worse.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `Failure::Torrent`: the torrent cannot be used. See `sprat help get`.
const UNUSABLE: i32 = 3;

/// `Failure::Mismatch`: the files do not match it.
const MISMATCH: i32 = 6;

fn sprat(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sprat")).args(arguments).output().unwrap()
}

fn corpus() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/metainfo");
    let mut files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Ends with one of these codes, and if that is an error, with one line that says what is wrong.
fn ends_well(what: &str, output: &Output, codes: &[i32]) {
    let errors = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    assert!(code.is_some_and(|code| codes.contains(&code)), "{what}: {code:?}\n{errors}");
    if code != Some(0) {
        assert_eq!(errors.lines().count(), 1, "{what}: {errors}");
        assert!(errors.starts_with("sprat: "), "{what}: {errors}");
    }
    let printed = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    assert!(!printed.contains(&0x1b), "{what} moves the cursor");
}

#[test]
fn every_torrent_of_the_corpus_is_shown_and_verified_or_refused() {
    let empty = tempfile::tempdir().unwrap();
    for torrent in corpus() {
        let name = torrent.to_str().unwrap();
        ends_well(name, &sprat(&["show", name]), &[0, UNUSABLE]);
        ends_well(name, &sprat(&["show", "--json", name]), &[0, UNUSABLE]);
        let verified = sprat(&["verify", name, empty.path().to_str().unwrap()]);
        ends_well(name, &verified, &[0, UNUSABLE, MISMATCH]);
    }
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0, "checking makes no files");
}

#[test]
fn what_is_no_torrent_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let nested = [vec![b'l'; 10_000], vec![b'e'; 10_000]].concat();
    let nested_info = [b"d4:info".to_vec(), nested.clone(), b"e".to_vec()].concat();
    let cases: [(&str, &[u8]); 7] = [
        ("empty", b""),
        ("text", b"hello"),
        ("nested lists", &nested),
        ("nested lists as info", &nested_info),
        ("a string beyond its end", b"d4:info4294967295:"),
        ("no info", b"d8:announce3:abce"),
        ("a cursor in an error", b"d4:infod\x1b[2Jee"),
    ];
    for (what, bytes) in cases {
        let path = directory.path().join(what);
        fs::write(&path, bytes).unwrap();
        let name = path.to_str().unwrap();
        ends_well(what, &sprat(&["show", name]), &[UNUSABLE]);
        ends_well(what, &sprat(&["verify", name, "."]), &[UNUSABLE]);
        ends_well(what, &sprat(&["get", name, "--dir", directory.path().to_str().unwrap()]), &[UNUSABLE]);
    }
    for link in ["magnet:?", "magnet:?xt=urn:btih:1234", "magnet:?xt=urn:btmh:1220zz", "magnet:?xt=\u{1b}[2J"]
    {
        ends_well(link, &sprat(&["show", link]), &[UNUSABLE]);
        ends_well(link, &sprat(&["get", link]), &[UNUSABLE]);
    }
}
