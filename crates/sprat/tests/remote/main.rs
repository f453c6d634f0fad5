//! The commands that speak to a daemon, each against the real one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where its set-up does")]

mod house;

use std::fs;

use house::{House, are_alike};
use serde_json::json;

const SOCKET: &str = "unix:HOME/socket";

/// Exit codes (`sprat --help`).
const FAILED: Option<i32> = Some(1);
const USAGE: Option<i32> = Some(2);
const TORRENT: Option<i32> = Some(3);
const NETWORK: Option<i32> = Some(5);

#[test]
fn a_daemon_of_the_same_user_is_found_without_options() {
    let house = House::new(SOCKET);
    let before = house.run(&["ls"]);
    assert_eq!(before.code, NETWORK);
    assert!(before.err.contains("no daemon of yours has run on this machine yet"), "{}", before.err);

    let (daemon, _) = house.daemon();
    assert_eq!(house.text_of(&["ls"]), "no torrents\n");
    assert!(house.json_of(&["ls"]).is_empty());
    drop(daemon);

    let after = house.run(&["ls"]);
    assert_eq!(after.code, NETWORK);
    assert!(after.err.contains("no daemon is listening at unix:"), "{}", after.err);
    let event = house.run(&["--json", "ls"]);
    assert!(event.out.starts_with("{\"event\":\"error\""), "{}", event.out);
}

#[test]
fn any_other_daemon_is_named_with_its_token() {
    let house = House::new("127.0.0.1:0");
    let looker = house.read_only_token().display().to_string();
    let (_daemon, listening) = house.daemon();
    let unknown = house.run(&["ls"]);
    assert!(unknown.err.contains("--daemon"), "{}", unknown.err);

    // The port is all that the configuration does not say.
    let url = format!("http://{}", listening[0]);
    assert_eq!(house.text_of(&["ls", "--daemon", &url]), "no torrents\n");
    let look = ["--daemon", &url, "--token-file", &looker];
    assert_eq!(house.text_of(&[&["ls"], &look[..]].concat()), "no torrents\n");
    for command in [&["add", "magnet:?xt=urn:btih:0123456789012345678901234567890123456789"][..], &["log"]] {
        let refused = house.run(&[command, &look].concat());
        assert_eq!(refused.code, FAILED);
        assert!(refused.err.contains("allows to look only"), "{}", refused.err);
    }

    fs::write(house.path("wrong"), format!("sprat_{}", "A".repeat(43))).unwrap();
    let wrong = house.run(&["ls", "--daemon", &url, "--token-file", "wrong"]);
    assert_eq!(wrong.code, FAILED);
    assert!(wrong.err.contains("does not know the token in wrong"), "{}", wrong.err);
    fs::write(house.path("wrong"), "secret").unwrap();
    let no_token = house.run(&["ls", "--daemon", &url, "--token-file", "wrong"]);
    assert!(no_token.err.contains("holds no token") && !no_token.err.contains("secret"), "{}", no_token.err);
    let nobody = house.run(&["ls", "--daemon", "http://127.0.0.1:1"]);
    assert_eq!(nobody.code, NETWORK);
    assert!(nobody.err.contains("no daemon is listening"), "{}", nobody.err);
}

#[test]
fn a_daemon_with_a_certificate_is_spoken_to_if_somebody_vouches_for_it() {
    let house = House::new("127.0.0.1:0");
    let certificate = house.secured();
    let (_daemon, listening) = house.daemon();
    let port = listening[0].rsplit(':').next().unwrap();
    let ls = |name: &str| ["ls".to_owned(), "--daemon".to_owned(), format!("https://{name}:{port}")];
    let run = |name: &str| house.run_trusting(&certificate, &ls(name).each_ref().map(String::as_str));
    let trusted = run("localhost");
    assert_eq!((trusted.out.as_str(), trusted.code), ("no torrents\n", Some(0)), "{}", trusted.err);

    // It is for another name, or nobody vouches for it: the token is not sent.
    let misnamed = run("127.0.0.1");
    assert!(misnamed.code == NETWORK && misnamed.err.contains("certificate"), "{}", misnamed.err);
    let strange = house.run(&ls("localhost").each_ref().map(String::as_str));
    assert!(strange.code == NETWORK && strange.err.contains("certificate"), "{}", strange.err);
    let plain = house.run(&["ls", "--daemon", &format!("http://localhost:{port}")]);
    assert_eq!(plain.code, NETWORK, "{}", plain.err);
}

#[test]
fn a_torrent_is_fetched_moved_and_removed() {
    let house = House::new(SOCKET);
    let (_daemon, _) = house.daemon();
    let (_sharer, port) = house.sharer();
    let mut watch = house.start(&["watch"]);

    let peer = format!("127.0.0.1:{port}");
    let options = ["--paused", "--label", "linux", "--tag", "new", "--peer", &peer];
    let added = house.json_of(&[&["add", "content.torrent"], &options[..]].concat());
    assert_eq!((&added[0]["event"], &added[0]["name"]), (&json!("added"), &json!("content")));
    watch.wait_for(|event| (event["event"] == "added").then_some(()));
    let again = house.text_of(&["add", "content.torrent"]);
    assert!(again.starts_with("there already"), "{again}");
    let listed = house.json_of(&["ls", "--state", "stopped", "--label", "linux", "--tag", "new"]);
    assert_eq!((&listed[0]["name"], &listed[0]["size"]), (&json!("content"), &json!(130_000)));
    assert!(house.json_of(&["ls", "--label", ""]).is_empty());

    assert!(house.text_of(&["start", "content"]).starts_with("started  "));
    // Its end is its exit.
    let (_, is_well) = house.start(&["watch", "content", "--until-finished"]).end();
    assert!(is_well);
    watch.wait_for(|event| (event["event"] == "finished").then_some(()));
    assert!(are_alike(&house.path("Downloads/content"), &house.path("shared/content")));
    let table = house.text_of(&["ls", "--columns", "name,state,progress,size"]);
    let lines: Vec<_> =
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines[..2], ["name state done size", "content seeding 100 % 127.0 KiB"], "{table}");

    let moved = house.text_of(&["mv", "content", "--to", "elsewhere"]);
    assert!(moved.starts_with("moved  "), "{moved}");
    assert!(are_alike(&house.path("elsewhere/content"), &house.path("shared/content")));
    watch.wait_for(|event| (event["event"] == "moved").then_some(()));
    let outside = house.run(&["mv", "content", "--to", "/nowhere"]);
    assert_eq!(outside.code, FAILED);
    assert!(outside.err.contains("/nowhere is not below a directory"), "{}", outside.err);

    assert!(house.text_of(&["recheck", "content"]).starts_with("checking  "));
    let nobody = house.run(&["rm", "content"]);
    assert_eq!(nobody.code, FAILED);
    assert!(nobody.err.contains("--yes"), "{}", nobody.err);
    let removed = house.json_of(&["rm", "content", "--files", "--yes"]);
    assert_eq!(removed[0]["name"], "content");
    watch.wait_for(|event| (event["event"] == "removed").then_some(()));
    assert!(house.json_of(&["ls"]).is_empty());
    assert!(!house.path("elsewhere/content/first").exists());
}

#[test]
fn what_is_known_of_a_torrent_is_shown_and_changed() {
    let house = House::new(SOCKET);
    let (_daemon, _) = house.daemon();
    let (_sharer, _) = house.sharer();
    house.text_of(&["add", "content.torrent", "--paused", "--only", "1"]);

    let shown = house.text_of(&["show", "content"]);
    for line in ["name          content", "state         stopped", "size          127.0 KiB in 2 files"] {
        assert!(shown.contains(line), "{shown}");
    }
    let details = &house.json_of(&["show", "content"])[0];
    let hash = details["hash"].as_str().unwrap();
    assert_eq!(house.json_of(&["show", &hash[..6]])[0]["info_hash_v2"], details["info_hash_v2"]);
    let magnet = house.text_of(&["show", "content", "--magnet"]);
    assert!(magnet.starts_with("magnet:?"), "{magnet}");
    // A file is a file.
    assert!(house.text_of(&["show", "content.torrent"]).contains("info-hash v1"));
    assert_eq!(house.run(&["show", "absent.torrent"]).code, TORRENT);

    let wanted = || -> Vec<_> {
        let files = house.json_of(&["files", "content"]);
        files.iter().map(|file| (file["number"].clone(), file["priority"].clone())).collect()
    };
    assert_eq!(wanted(), [(json!(0), json!("skip")), (json!(1), json!("normal"))]);
    house.text_of(&["files", "content", "--high", "0", "--low", "1"]);
    assert_eq!(wanted(), [(json!(0), json!("high")), (json!(1), json!("low"))]);
    assert!(house.text_of(&["files", "content"]).contains("first"));
    let beyond = house.run(&["files", "content", "--skip", "2"]);
    assert!(beyond.err.contains("numbered 0 to 1"), "{}", beyond.err);

    house.text_of(&[
        "set",
        "content",
        "--name",
        "renamed",
        "--set-label",
        "linux",
        "--add-tag",
        "a",
        "--add-tag",
        "b",
        "--download-limit",
        "1M",
        "--ratio",
        "2",
        "--idle-time",
        "unlimited",
        "--sequential",
        "yes",
        "--queue",
        "top",
    ]);
    house.text_of(&["set", "--label", "linux", "--remove-tag", "a", "--seed-time", "7d"]);
    let changed = &house.json_of(&["ls", "renamed"])[0];
    assert_eq!(changed["tags"], json!(["b"]));
    assert_eq!((&changed["download_limit"], &changed["sequential"]), (&json!(1 << 20), &json!(true)));
    let seeding =
        json!({ "ratio": { "limit": 2.0 }, "seconds": { "limit": 604_800 }, "idle_seconds": "unlimited" });
    assert_eq!(changed["seeding"], seeding);
    assert_eq!(house.run(&["set", "renamed"]).code, USAGE);

    let tracker = "http://127.0.0.1:1/announce";
    house.text_of(&["trackers", "renamed", "--add", tracker]);
    let trackers = house.json_of(&["trackers", "renamed"]);
    assert!(trackers.iter().any(|one| one["url"] == tracker && one["tier"] == 1), "{trackers:?}");
    assert!(house.text_of(&["trackers", "renamed"]).contains("/announce"));
    house.text_of(&["trackers", "renamed", "--remove", tracker, "--announce"]);
    assert!(house.json_of(&["trackers", "renamed"]).iter().all(|one| one["url"] != tracker));
}

#[test]
fn peers_are_listed_while_they_are_connected() {
    let house = House::new(SOCKET);
    let (_daemon, _) = house.daemon();
    let (_sharer, port) = house.sharer();
    // Slow enough to be looked at.
    house.text_of(&["add", "content.torrent", "--download-limit", "1K"]);
    let peer = format!("127.0.0.1:{port}");
    assert!(house.text_of(&["peers", "content", "--add", &peer]).starts_with("calling  "));
    house.until(|torrent| torrent["peers"].as_u64() > Some(0));
    let peers = house.json_of(&["peers", "content"]);
    assert!(peers.iter().any(|one| one["address"] == peer.as_str()), "{peers:?}");
    let table = house.text_of(&["peers", "content"]);
    assert!(table.contains(&peer) && table.contains("S  it has everything"), "{table}");
    house.text_of(&["stop", "content"]);
    house.until(|torrent| torrent["peers"] == 0);
    assert_eq!(house.text_of(&["peers", "content"]), "no peers are connected\n");
}

#[test]
fn what_could_mean_several_is_listed_and_nothing_is_done() {
    let house = House::new(SOCKET);
    let (_daemon, _) = house.daemon();
    for (seed, name) in ["debian-12", "debian-13", "fedora"].into_iter().enumerate() {
        house.text_of(&["add", &house.torrent(name, seed as u64)]);
    }
    let unclear = house.run(&["--json", "rm", "--yes", "fedora", "debian"]);
    assert_eq!(unclear.code, TORRENT);
    assert!(
        unclear.err.contains("  debian-12\n") && unclear.err.contains("  debian-13\n"),
        "{}",
        unclear.err
    );
    let object: serde_json::Value = serde_json::from_str(unclear.out.trim()).unwrap();
    assert_eq!(object["details"].as_array().unwrap().len(), 2);
    assert_eq!(house.json_of(&["ls"]).len(), 3);
    assert_eq!(house.run(&["stop", "absent"]).code, TORRENT);
    assert_eq!(house.run(&["stop"]).code, FAILED);

    let stopped = house.text_of(&["stop", "--search", "debian", "13"]);
    assert!(stopped.lines().count() == 1 && stopped.contains("debian-13"), "{stopped}");
    assert_eq!(house.text_of(&["stop", "--all"]).lines().count(), 3);
    assert_eq!(house.json_of(&["ls", "--state", "stopped"]).len(), 3);
    let names = |arguments: &[&str]| -> Vec<String> {
        house.json_of(arguments).iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["ls", "--sort", "name", "--reverse", "-n", "2"]), ["fedora", "debian-13"]);
    assert_eq!(house.json_of(&["rm", "--all", "--yes"]).len(), 3);
    assert_eq!(house.text_of(&["rm", "--label", "nobody", "--yes"]), "no torrents\n");
}

#[test]
fn one_that_cannot_be_added_does_not_keep_out_the_others() {
    let house = House::new(SOCKET);
    let (_daemon, _) = house.daemon();
    fs::write(house.path("bad.torrent"), "no torrent").unwrap();
    let good = house.torrent("good", 1);
    let magnet = "magnet:?xt=urn:btih:0123456789012345678901234567890123456789&dn=%E2%80%AEevil%1b[2J";
    let said = house.run(&["add", "bad.torrent", &good, magnet, "--paused"]);
    assert_eq!(said.code, TORRENT);
    assert!(said.err.contains("bad.torrent"), "{}", said.err);
    assert_eq!(house.json_of(&["ls"]).len(), 2);
    for output in
        [said.out, house.text_of(&["ls"]), house.text_of(&["--json", "ls"]), house.text_of(&["show", "evil"])]
    {
        assert!(!output.contains(['\u{202e}', '\u{1b}']), "{output:?}");
    }
}

#[test]
fn statistics_and_the_log_are_told() {
    let house = House::new(SOCKET);
    let (_daemon, _) = house.daemon();
    house.text_of(&["add", &house.torrent("some", 1)]);
    let statistics = &house.json_of(&["stats"])[0];
    assert_eq!((&statistics["torrents"], &statistics["session"]["added"]), (&json!(1), &json!(1)));
    assert!(statistics["space"]["free"].as_u64().unwrap() > 0);
    let text = house.text_of(&["stats"]);
    assert!(text.contains("torrents      1") && text.contains("since the start"), "{text}");

    // A wrong token is worth a line.
    let mut follow = house.start(&["log", "--follow", "--level", "warn"]);
    fs::write(house.path("wrong"), format!("sprat_{}", "A".repeat(43))).unwrap();
    assert_eq!(house.run(&["ls", "--token-file", "wrong"]).code, FAILED);
    let line = follow.wait_for(|line| (line["level"] == "warn").then(|| line.clone()));
    assert!(line["message"].as_str().unwrap().starts_with("a wrong token"), "{line}");
    let text = house.text_of(&["log", "--lines", "1", "--level", "warn"]);
    assert!(text.lines().count() == 1 && text.contains("WARN") && text.contains("a wrong token"), "{text}");
}

#[test]
fn a_terminal_view_needs_a_terminal() {
    let house = House::new(SOCKET);
    let (_daemon, _) = house.daemon();
    let refused = house.run(&["top"]);
    assert_eq!(refused.code, FAILED);
    assert!(refused.err.contains("for a terminal"), "{}", refused.err);
}

#[test]
fn completions_know_the_commands() {
    let house = House::new(SOCKET);
    let script = house.text_of(&["completions", "bash"]);
    for command in [
        "add", "ls", "start", "stop", "rm", "mv", "set", "peers", "trackers", "files", "stats", "watch",
        "log", "top",
    ] {
        assert!(script.contains(&format!("sprat,{command})")), "{command}");
    }
}
