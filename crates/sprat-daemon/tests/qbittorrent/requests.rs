//! Requests as they stand on the wire.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sprat_core::io::RateLimits;
use sprat_daemon::qbittorrent::QBittorrent;
use sprat_daemon::service::Source;
use sprat_daemon::torrents::{SeedingLimit, State};

use crate::house::House;
use crate::service_under_test::album::Album;
use crate::service_under_test::{torrent, until, until_one};

fn magnet(number: u32) -> (String, String) {
    let hash = format!("{number:040x}");
    (format!("magnet:?xt=urn:btih:{hash}&dn=number+{number}"), hash)
}

/// Stopped torrents of which only the name is known.
async fn magnets(house: &House, numbers: std::ops::Range<u32>) -> Vec<String> {
    let (links, hashes): (Vec<_>, Vec<_>) = numbers.map(magnet).unzip();
    house.does("torrents/add", &[("urls", &links.join("\n")), ("stopped", "true")]).await;
    hashes
}

async fn piece_states(house: &House, hash: &str) -> Vec<Value> {
    let states = house.get(&format!("torrents/pieceStates?hash={hash}")).await.json();
    states.as_array().unwrap().clone()
}

#[tokio::test]
async fn a_torrent_is_found_by_each_of_its_hashes() {
    let (album, house) = (Album::new().await, House::new().await);
    let added = house.add(&album.file, &[("category", "tv"), ("paused", "true"), ("tags", "a,b")]).await;
    assert_eq!((added.status, added.body.as_str()), (200, "Ok."));
    assert_eq!(house.add(&album.file, &[]).await.body, "Fails.", "it is there already");
    let told = house.get("torrents/info").await.json();
    let told = &told[0];
    let v2 = told["infohash_v2"].as_str().unwrap();
    assert_eq!((&told["hash"], &told["infohash_v1"], v2.len()), (&json!(album.hash), &json!(album.hash), 64));
    assert_eq!(
        (&told["state"], &told["category"], &told["tags"]),
        (&json!("stoppedDL"), &json!("tv"), &json!("a, b"))
    );
    let downloads = house.place.downloads();
    assert_eq!(
        (&told["save_path"], &told["content_path"]),
        (&json!(downloads), &json!(downloads.join("album")))
    );
    let link = told["magnet_uri"].as_str().unwrap();
    assert!(link.contains(&format!("xt=urn:btih:{}", album.hash)) && link.contains(v2), "{link}");
    for hash in [&album.hash, &album.hash.to_uppercase(), v2, &v2[..40]] {
        let properties = house.get(&format!("torrents/properties?hash={hash}")).await.json();
        assert_eq!(properties["hash"], json!(album.hash));
        let listed = house.get(&format!("torrents/info?hashes={hash}|{}", "0".repeat(40))).await.json();
        assert_eq!(listed.as_array().unwrap().len(), 1, "{hash}");
    }
    let unknown = house.get(&format!("torrents/properties?hash={}", "0".repeat(40))).await;
    assert_eq!(unknown.status, 404);
    house.service.stop().await;
    album.seeder.stop().await;
}

#[tokio::test]
async fn the_list_is_filtered_sorted_and_cut() {
    let house = House::new().await;
    let hashes = magnets(&house, 1..5).await;
    house.does("torrents/createCategory", &[("category", "tv")]).await;
    house.does("torrents/setCategory", &[("hashes", &hashes[..2].join("|")), ("category", "tv")]).await;
    house.does("torrents/addTags", &[("hashes", &hashes[1]), ("tags", "new, old")]).await;
    house.does("torrents/start", &[("hashes", &hashes[3])]).await;
    let asked = async |query: &str| {
        let told: Value = house.get(&format!("torrents/info?{query}")).await.json();
        let number = |one: &Value| i64::from_str_radix(one["hash"].as_str().unwrap(), 16).unwrap();
        told.as_array().unwrap().iter().map(number).collect::<Vec<_>>()
    };
    assert_eq!(asked("").await, [1, 2, 3, 4]);
    assert_eq!(asked("category=tv").await, [1, 2]);
    assert_eq!(asked("category=").await, [3, 4]);
    assert_eq!((asked("tag=old").await, asked("tag=").await), (vec![2], vec![1, 3, 4]));
    assert_eq!((asked("filter=stopped").await, asked("filter=paused").await), (vec![1, 2, 3], vec![1, 2, 3]));
    assert_eq!(asked("filter=running").await, [4]);
    assert_eq!(asked("sort=name&reverse=true").await, [4, 3, 2, 1]);
    assert_eq!(asked("sort=priority&limit=2&offset=1").await, [2, 3]);
    assert_eq!(asked("sort=no_such_field&offset=-1").await, [4]);
    assert_eq!(asked("hashes=all&category=tv&filter=downloading").await, [1, 2]);
    assert_eq!(house.get("torrents/count").await.body, "4");
    assert_eq!(house.get("torrents/info?limit=x").await.status, 400);

    house.does("torrents/topPrio", &[("hashes", &hashes[2])]).await;
    assert_eq!(asked("sort=priority").await, [3, 1, 2, 4]);
    house.does("torrents/decreasePrio", &[("hashes", &hashes[2])]).await;
    house.does("torrents/bottomPrio", &[("hashes", &hashes[0])]).await;
    assert_eq!(asked("sort=priority").await, [3, 2, 4, 1]);
    house.does("torrents/increasePrio", &[("hashes", &hashes[3])]).await;
    assert_eq!(asked("sort=priority").await, [3, 4, 2, 1]);

    house.does("torrents/delete", &[("hashes", "all"), ("deleteFiles", "true")]).await;
    until(&house.service, |snapshot| snapshot.lines().is_empty()).await;
    house.service.stop().await;
}

#[tokio::test]
async fn who_follows_is_told_what_has_changed() {
    let house = House::new().await;
    let whole = house.get("sync/maindata").await.json();
    assert_eq!((&whole["full_update"], &whole["torrents"]), (&json!(true), &json!({})));
    assert!(whole["server_state"]["free_space_on_disk"].as_u64().unwrap() > 0);
    let next = async |rid: &Value| house.get(&format!("sync/maindata?rid={rid}")).await.json();
    let hashes = magnets(&house, 1..3).await;
    house.does("torrents/createCategory", &[("category", "tv"), ("savePath", "shows")]).await;
    let told = next(&whole["rid"]).await;
    assert_eq!(told.get("full_update"), None);
    assert_eq!(told["torrents"].as_object().unwrap().len(), 2);
    assert_eq!(told["categories"], json!({"tv": {"name": "tv", "savePath": "shows"}}));
    house.does("torrents/setCategory", &[("hashes", &hashes[0]), ("category", "tv")]).await;
    house.does("torrents/createTags", &[("tags", "kept")]).await;
    let again = next(&told["rid"]).await;
    assert_eq!(again["torrents"], json!({&hashes[0]: {"category": "tv"}}));
    assert_eq!(again["tags"], json!(["kept"]));
    // The answer got lost.
    let repeated = next(&told["rid"]).await;
    assert_eq!(repeated["torrents"], again["torrents"]);
    house.does("torrents/delete", &[("hashes", &hashes[0])]).await;
    until(&house.service, |snapshot| snapshot.lines().len() == 1).await;
    house.does("torrents/deleteTags", &[("tags", "kept")]).await;
    house.does("torrents/removeCategories", &[("categories", "tv\nnone")]).await;
    let told = next(&repeated["rid"]).await;
    assert_eq!(told["torrents_removed"], json!([&hashes[0]]));
    assert_eq!((&told["tags_removed"], &told["categories_removed"]), (&json!(["kept"]), &json!(["tv"])));
    assert_eq!(next(&json!(999_999_999_999_u64)).await["full_update"], true, "that was never told");
    house.service.stop().await;
}

#[tokio::test]
async fn single_torrents_are_changed() {
    let (album, house) = (Album::new().await, House::new().await);
    house.add(&album.file, &[("stopped", "true")]).await;
    let hash = album.hash.as_str();
    let info = async || house.get("torrents/info").await.json()[0].clone();

    house
        .does(
            "torrents/setShareLimits",
            &[("hashes", hash), ("ratioLimit", "1.5"), ("seedingTimeLimit", "90")],
        )
        .await;
    let told = info().await;
    assert_eq!((&told["ratio_limit"], &told["max_ratio"]), (&json!(1.5), &json!(1.5)));
    assert_eq!((&told["seeding_time_limit"], &told["inactive_seeding_time_limit"]), (&json!(90), &json!(-2)));
    assert_eq!(house.one(hash).seeding.seconds, SeedingLimit::Limit(5400));
    house.does("torrents/setUploadLimit", &[("hashes", "all"), ("limit", "1000")]).await;
    assert_eq!(house.get(&format!("torrents/uploadLimit?hashes={hash}")).await.json(), json!({hash: 1000}));
    house.does("torrents/setUploadLimit", &[("hashes", hash), ("limit", "0")]).await;
    assert_eq!((info().await["up_limit"].clone(), house.one(hash).upload_limit), (json!(0), None));

    house.does("torrents/toggleSequentialDownload", &[("hashes", hash)]).await;
    house.does("torrents/toggleFirstLastPiecePrio", &[("hashes", hash)]).await;
    house.does("torrents/setSuperSeeding", &[("hashes", hash), ("value", "true")]).await;
    let told = info().await;
    assert_eq!(
        (&told["seq_dl"], &told["f_l_piece_prio"], &told["super_seeding"]),
        (&json!(true), &json!(true), &json!(true))
    );
    house.does("torrents/toggleFirstLastPiecePrio", &[("hashes", hash)]).await;
    assert_eq!(info().await["f_l_piece_prio"], false);

    house.does("torrents/rename", &[("hash", hash), ("name", "My album")]).await;
    house
        .does(
            "torrents/renameFile",
            &[("hash", hash), ("oldPath", "album/three.mp3"), ("newPath", "album/drei.mp3")],
        )
        .await;
    house.does("torrents/renameFolder", &[("hash", hash), ("oldPath", "album"), ("newPath", "record")]).await;
    let told = info().await;
    assert_eq!(
        (&told["name"], &told["content_path"]),
        (&json!("My album"), &json!(house.place.downloads().join("record")))
    );
    house.does("torrents/filePrio", &[("hash", hash), ("id", "0|2"), ("priority", "0")]).await;
    house.does("torrents/filePrio", &[("hash", hash), ("id", "1"), ("priority", "7")]).await;
    let files = house.get(&format!("torrents/files?hash={hash}")).await.json();
    let files = files.as_array().unwrap();
    let priorities: Vec<_> = files.iter().map(|file| file["priority"].as_i64().unwrap()).collect();
    assert_eq!(priorities, [0, 6, 0]);
    let names: Vec<_> = files.iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"record/drei.mp3") && names.contains(&"record/notes/read me.txt"), "{names:?}");
    assert!(piece_states(&house, hash).await.iter().all(|state| *state == 0));

    let (a, b, c) = ("http://127.0.0.1:9/announce", "udp://127.0.0.1:9", "http://127.0.0.1:9/other");
    house.does("torrents/addTrackers", &[("hash", hash), ("urls", &format!("{a}\n\n{b}\n{a}"))]).await;
    house.does("torrents/editTracker", &[("hash", hash), ("origUrl", a), ("newUrl", c)]).await;
    house.does("torrents/removeTrackers", &[("hash", hash), ("urls", b)]).await;
    let trackers = house.get(&format!("torrents/trackers?hash={hash}")).await.json();
    let urls: Vec<_> = trackers.as_array().unwrap().iter().map(|one| one["url"].as_str().unwrap()).collect();
    assert_eq!(urls, ["** [DHT] **", "** [PeX] **", "** [LSD] **", c]);
    assert_eq!(info().await["trackers_count"], 1);
    let all = house.get("sync/maindata").await.json();
    assert_eq!(all["trackers"], json!({c: [hash]}));

    let elsewhere = house.place.downloads().join("elsewhere");
    house.does("torrents/setLocation", &[("hashes", hash), ("location", elsewhere.to_str().unwrap())]).await;
    until_one(&house.service, hash, |one| elsewhere == Path::new(&one.directory)).await;
    assert_eq!(info().await["save_path"], json!(elsewhere));
    let export = house.get(&format!("torrents/export?hash={hash}")).await;
    assert_eq!((export.status, export.header("Content-Type")), (200, Some("application/x-bittorrent")));
    house.service.stop().await;
    album.seeder.stop().await;
}

#[tokio::test]
async fn it_is_told_how_far_each_piece_has_come() {
    let (album, house) = (Album::new().await, House::new().await);
    house.add(&album.file, &[("dlLimit", "50000")]).await;
    album.introduce(&house.service).await;
    until_one(&house.service, &album.hash, |one| one.downloaded > 0).await;
    let states = piece_states(&house, &album.hash).await;
    assert!(states.contains(&json!(1)), "those that are asked for: {states:?}");
    house.does("torrents/setDownloadLimit", &[("hashes", &album.hash), ("limit", "0")]).await;
    until_one(&house.service, &album.hash, |one| one.state == State::Seeding).await;
    assert!(piece_states(&house, &album.hash).await.iter().all(|state| *state == 2));
    house.service.stop().await;
    album.seeder.stop().await;
}

#[tokio::test]
async fn what_can_not_be_done_is_said() {
    let house = House::new().await;
    let hash = magnets(&house, 1..2).await.remove(0);
    let hash = hash.as_str();
    for (endpoint, fields, status) in [
        ("torrents/add", &[][..], 400),
        ("torrents/start", &[], 400),
        ("torrents/recheck", &[("hash", hash)], 400),
        ("torrents/createCategory", &[("category", "")], 400),
        ("torrents/createCategory", &[("category", "a,b")], 409),
        ("torrents/createCategory", &[("category", "x"), ("savePath", "/etc")], 409),
        ("torrents/createCategory", &[("category", "x"), ("savePath", "../..")], 409),
        ("torrents/editCategory", &[("category", "none"), ("savePath", "")], 409),
        ("torrents/setCategory", &[("hashes", hash), ("category", "none")], 409),
        ("torrents/setAutoManagement", &[("hashes", hash), ("enable", "true")], 409),
        ("torrents/setLocation", &[("hashes", hash), ("location", "/etc")], 409),
        ("torrents/setLocation", &[("hashes", hash), ("location", "")], 400),
        ("torrents/rename", &[("hash", hash), ("name", " ")], 409),
        ("torrents/renameFile", &[("hash", hash), ("oldPath", "a"), ("newPath", "../../b")], 409),
        ("torrents/renameFolder", &[("hash", hash), ("oldPath", "a"), ("newPath", "b/c")], 409),
        ("torrents/filePrio", &[("hash", hash), ("id", "0"), ("priority", "4")], 400),
        ("torrents/filePrio", &[("hash", hash), ("id", "0"), ("priority", "1")], 409),
        ("torrents/addTrackers", &[("hash", hash), ("urls", "file:///etc/passwd")], 400),
        ("torrents/editTracker", &[("hash", hash), ("origUrl", "http://a/"), ("newUrl", "http://b/")], 409),
        ("torrents/removeTrackers", &[("hash", hash), ("urls", "http://a/")], 409),
        ("torrents/setShareLimits", &[("hashes", hash), ("ratioLimit", "x")], 400),
        ("torrents/setUploadLimit", &[("hashes", hash)], 400),
        ("torrents/addPeers", &[("hashes", hash), ("peers", "nobody")], 400),
        ("torrents/export", &[("hash", hash)], 409),
        ("app/setPreferences", &[("json", "[]")], 400),
        ("app/setPreferences", &[("json", r#"{"autorun_enabled": true, "up_limit": 1000}"#)], 409),
        ("transfer/setSpeedLimitsMode", &[], 400),
        ("app/shutdown", &[], 404),
    ] {
        let reply = house.post(endpoint, fields).await;
        assert_eq!(reply.status, status, "{endpoint} {fields:?}: {}", reply.body);
    }
    assert_eq!(house.service.choices().limits.upload, Some(1000), "what can be done is done");
    for url in ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/x.torrent", "magnet:?xt=none"] {
        assert_eq!(house.post("torrents/add", &[("urls", url)]).await.body, "Fails.", "{url}");
    }
    let outside = [("urls", magnet(9).0), ("savepath", "/etc".to_owned())];
    let outside = outside.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(house.post("torrents/add", &outside).await.body, "Fails.");
    assert_eq!(house.add(b"no torrent", &[]).await.status, 415);
    assert_eq!(house.service.snapshot().lines().len(), 1);
    house.service.stop().await;
}

#[tokio::test]
async fn the_daemon_around_fetches_and_keeps_limits() {
    let place = tempfile::tempdir().unwrap();
    let file = torrent(place.path(), "fetched", 5, 40_000);
    let house = House::with(move |around| QBittorrent {
        fetch: Arc::new(move |url| {
            let file = file.clone();
            Box::pin(async move {
                if url == "https://example.org/a" { Ok(Source::File(file)) } else { Err("404".to_owned()) }
            })
        }),
        ..around
    })
    .await;
    let fetched = [("urls", "https://example.org/b\nhttps://example.org/a"), ("sequentialDownload", "true")];
    assert_eq!(house.post("torrents/add", &fetched).await.body, "Ok.");
    let told = house.get("torrents/info").await.json();
    assert_eq!((&told[0]["name"], &told[0]["seq_dl"]), (&json!("fetched"), &json!(true)));
    house.does("transfer/setDownloadLimit", &[("limit", "1000")]).await;
    house.does("transfer/setUploadLimit", &[("limit", "0")]).await;
    assert_eq!(house.service.choices().limits, RateLimits { download: Some(1000), upload: None });
    house.does("transfer/toggleSpeedLimitsMode", &[]).await;
    assert_eq!(house.get("transfer/speedLimitsMode").await.body, "1");
    house.does("transfer/setUploadLimit", &[("limit", "2000")]).await;
    house.does("transfer/setSpeedLimitsMode", &[("mode", "0")]).await;
    let choices = house.service.choices();
    assert_eq!((choices.is_alternative, choices.alternative.upload), (false, Some(2000)));
    assert_eq!(choices.limits.upload, None, "which of the rates is limited depends on the mode");
    house.service.stop().await;
}

#[tokio::test]
async fn files_that_are_there_are_seeded_where_they_are() {
    let (album, house) = (Album::new().await, House::new().await);
    let mut choices = house.service.choices();
    choices.incomplete = Some(house.place.downloads().join("incomplete"));
    house.service.choose(choices).await.unwrap();
    let there = house.place.downloads().join("there");
    copy(&album.directory(), &there.join("album"));
    let path = there.to_str().unwrap();
    let fields =
        [("savepath", path), ("downloadPath", path), ("skip_checking", "true"), ("stopped", "false")];
    assert_eq!(house.add(&album.file, &fields).await.body, "Ok.");
    let one = until_one(&house.service, &album.hash, |one| one.state == State::Seeding).await;
    assert_eq!((one.downloaded, one.directory.as_str()), (0, path));
    house.service.stop().await;
    album.seeder.stop().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
