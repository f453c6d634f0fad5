//! `sprat sim` as a person or a script meets it.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

/// A swarm that is over at once.
const SMALL: [&str; 6] = ["sim", "hello", "--set", "groups.leechers.count=4", "--set", "content.size=1 MiB"];

fn sprat(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sprat")).args(arguments).output().unwrap()
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.iter().chain(more).copied().collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_scenarios_are_listed() {
    let output = sprat(&["sim"]);
    assert!(output.status.success());
    let listed = text(&output.stdout);
    assert!(listed.contains("hello") && listed.contains("ten-thousand"), "{listed}");
}

#[test]
fn the_same_seed_gives_the_same_json() {
    let outcome = |seed: &str| {
        let output = sprat(&with(&["--json", "--seed", seed, "--set", "targets=[]"]));
        assert!(output.status.success(), "{}", text(&output.stderr));
        let lines = text(&output.stdout);
        let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 2);
        assert_eq!((&events[0]["event"], &events[1]["event"]), (&"outcome".into(), &"computing".into()));
        events[0].clone()
    };
    let first = outcome("7");
    assert_eq!(first, outcome("7"));
    assert_ne!(first["runs"][0]["trace"], outcome("8")["runs"][0]["trace"]);
    let run = &first["runs"][0];
    assert!(run["figures"]["last"].as_f64().unwrap() > run["figures"]["mean"].as_f64().unwrap());
    assert_eq!(run["groups"][0]["name"], "seed");
    assert_eq!(run["peer_flows"].as_array().unwrap().len(), 5);
    let moments = run["series"]["seconds"].as_array().unwrap().len();
    assert_eq!(run["series"]["utilisation"].as_array().unwrap().len(), moments);
}

#[test]
fn a_missed_target_is_a_failure_and_says_how_to_repeat_it() {
    let output = sprat(&with(&["--seed", "3", "--set", "targets=[\"mean <= 0\"]"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("MISSED"));
    let said = text(&output.stderr);
    assert!(said.contains("sprat sim hello --seed 3 --set groups.leechers.count=4"), "{said}");
}

#[test]
fn two_runs_stand_side_by_side_in_table_and_page() {
    let directory = tempfile::tempdir().unwrap();
    let [page, csv, section] = ["a.html", "a.csv", "a.md"].map(|name| directory.path().join(name));
    let compare = "groups.leechers.upload=512 KiB/s";
    let files = [
        "--html",
        page.to_str().unwrap(),
        "--csv",
        csv.to_str().unwrap(),
        "--write",
        section.to_str().unwrap(),
    ];
    let more = ["--set", "targets=[\"complete >= 1\"]", "--seeds", "2", "--compare", compare];
    let output = sprat(&with(&[&more[..], &files[..]].concat()));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains(compare));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains(compare) && page.contains("Seed 1 to 2"));
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert!(!page.contains("NaN") && !page.contains("<script") && !page.contains("http"), "it stands alone");
    let csv = fs::read_to_string(csv).unwrap();
    let columns = csv.lines().next().unwrap().split(',').count();
    assert!(csv.lines().count() > 20 && csv.lines().all(|line| line.split(',').count() == columns));
    let section = fs::read_to_string(section).unwrap();
    assert!(section.contains("](swarm/hello.svg)") && section.contains("| complete ≥ 1 |"), "{section}");
    let picture = fs::read_to_string(directory.path().join("swarm/hello.svg")).unwrap();
    assert!(picture.starts_with("<svg xmlns=") && picture.len() < 100_000);
}

#[test]
fn a_printed_scenario_can_be_run() {
    let directory = tempfile::tempdir().unwrap();
    let printed = text(&sprat(&with(&["--print"])).stdout);
    let file = directory.path().join("mine.toml");
    fs::write(&file, &printed).unwrap();
    let output = sprat(&["sim", file.to_str().unwrap(), "--set", "targets=[]"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        text(&sprat(&["sim", "hello", "--print"]).stdout).lines().next().unwrap().chars().next(),
        Some('#')
    );
}

#[test]
fn what_is_wrong_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wrong.toml");
    fs::write(&file, "question = 3\n").unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["sim", "nothing-like-it"], "nothing-like-it"),
        (&["sim", file.to_str().unwrap()], "question"),
        (&["sim", "hello", "--set", "groups.leechers.colour=1"], "colour"),
        (&["sim", "hello", "--set", "groups.leechers.count"], "key=value"),
        (&["sim", "hello", "--compare", "groups.leechers.count=x"], "count"),
    ];
    for (arguments, name) in cases {
        let output = sprat(arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(name), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_soak_runs_seeds_and_counts_them() {
    let output = sprat(&["sim", "soak", "--seed", "1", "--seeds", "2", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said: Value = serde_json::from_str(text(&output.stdout).lines().last().unwrap()).unwrap();
    assert_eq!((&said["swarms"], &said["failed"]), (&2.into(), &0.into()));
}
