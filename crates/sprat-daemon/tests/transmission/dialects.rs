//! Both dialects, byte by byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use data_encoding::BASE64;
use serde_json::{Value, json};
use sprat_daemon::labels::Label;
use sprat_daemon::service::Source;
use sprat_daemon::torrents::{SeedingLimit, State};
use sprat_daemon::transmission::Transmission;

use crate::house::House;
use crate::service_under_test::album::Album;
use crate::service_under_test::{torrent, until, until_one};

#[tokio::test]
async fn nobody_is_heard_without_the_session_id() {
    let mut house = House::new().await;
    for method in ["GET", "PUT"] {
        assert_eq!(house.send(method, "").await.status, 405);
    }
    house.forget_session_id();
    for method in ["GET", "POST"] {
        let reply = house.send(method, r#"{"method": "session-close"}"#).await;
        assert_eq!(reply.status, 409);
        assert_eq!(reply.header("x-transmission-rpc-version").unwrap(), "6.0.1");
        assert!(reply.header("x-transmission-session-id").unwrap().len() >= 32);
    }
    house.service.stop().await;
}

#[tokio::test]
async fn json_rpc_knows_batches_and_notifications() {
    let house = House::new().await;
    let get = |id: Value| json!({"jsonrpc": "2.0", "method": "session_get", "params": {"fields": ["rpc_version_semver"]}, "id": id});
    assert_eq!(
        house.ask(get(json!("a"))).await,
        json!({"jsonrpc": "2.0", "result": {"rpc_version_semver": "6.0.1"}, "id": "a"})
    );
    let notification = json!({"jsonrpc": "2.0", "method": "torrent_stop"});
    assert_eq!(house.post(&notification.to_string()).await.status, 204);
    assert_eq!(house.post(&json!([notification]).to_string()).await.status, 204);
    let batch = house
        .ask(json!([get(json!(1)), notification, 5, {"jsonrpc": "2.0", "method": "dance", "id": 2}]))
        .await;
    let batch = batch.as_array().unwrap();
    assert_eq!(batch.len(), 3);
    assert_eq!(batch[0]["id"], 1);
    assert_eq!((&batch[1]["error"]["code"], &batch[1]["id"]), (&json!(-32600), &Value::Null));
    assert_eq!((&batch[2]["error"]["code"], &batch[2]["id"]), (&json!(-32601), &json!(2)));
    for (body, code) in [("{", -32700), ("[]", -32600), ("5", -32600)] {
        let reply: Value = serde_json::from_str(&house.post(body).await.body).unwrap();
        assert_eq!((&reply["error"]["code"], &reply["id"]), (&json!(code), &Value::Null), "{body}");
    }
    let old = house.ask(json!({"method": "dance", "tag": 3})).await;
    assert_eq!(old, json!({"arguments": {}, "result": "no method name", "tag": 3}));
    house.service.stop().await;
}

#[tokio::test]
async fn a_torrent_is_added_changed_asked_for_and_removed_in_both_dialects() {
    let (album, house) = (Album::new().await, House::new().await);
    house.service.change_labels(|labels| labels.labels.insert("tv".to_owned(), Label::default()));
    let metainfo = BASE64.encode(&album.file);
    let add = json!({"method": "torrent-add", "tag": 1, "arguments": {
        "metainfo": metainfo, "paused": true, "labels": ["hd", "tv"], "files-unwanted": [0], "priority-high": [1]}});
    let added = house.ask(add.clone()).await;
    let expected = json!({"id": 1, "name": "album", "hashString": album.hash});
    assert_eq!(added, json!({"arguments": {"torrent-added": expected}, "result": "success", "tag": 1}));
    assert_eq!(house.ask(add).await["arguments"]["torrent-duplicate"], expected);
    let one = until_one(&house.service, &album.hash, |one| one.state == State::Stopped).await;
    assert_eq!((one.label.as_deref(), one.tags.len(), one.origin.as_str()), (Some("tv"), 1, "transmission"));

    let fields = ["labels", "wanted", "priorities", "downloadDir", "status", "queuePosition", "file-count"];
    let ask = |fields: &[&str]| json!({"method": "torrent-get", "arguments": {"ids": [album.hash], "fields": fields}});
    let got = house.ask(ask(&fields)).await;
    let files = house.service.files(house.service.find(&album.hash).unwrap()).await.unwrap();
    let skipped: Vec<u8> = (0..files.len()).map(|at| u8::from(at != 0)).collect();
    let high: Vec<u8> = (0..files.len()).map(|at| u8::from(at == 1)).collect();
    assert_eq!(
        got["arguments"]["torrents"][0],
        json!({"labels": ["tv", "hd"], "wanted": skipped, "priorities": high, "status": 0, "queuePosition": 0,
            "downloadDir": house.place.downloads(), "file-count": files.len()})
    );
    let table = json!({"jsonrpc": "2.0", "id": 1, "method": "torrent_get",
        "params": {"ids": 1, "fields": ["hash_string", "wanted", "peers_from", "nonsense"], "format": "table"}});
    let table = house.ask(table).await;
    let rows = table["result"]["torrents"].as_array().unwrap();
    assert_eq!(rows[0], json!(["hash_string", "wanted", "peers_from"]));
    assert_eq!(rows[1][1][0], json!(false));
    assert_eq!(rows[1][2]["from_incoming"], 0);

    // Everything that can be asked for has an answer, and of the type that clients expect.
    let all: Vec<&str> = ALL.split_whitespace().collect();
    let all = json!({"jsonrpc": "2.0", "id": 1, "method": "torrent_get", "params": {"fields": all}});
    let all = house.ask(all).await;
    assert_eq!(all["result"]["torrents"][0].as_object().unwrap().len(), ALL.split_whitespace().count());

    let set = json!({"method": "torrent-set", "arguments": {"ids": [1], "downloadLimit": 30, "downloadLimited": true,
        "seedRatioMode": 1, "seedRatioLimit": 1.5, "seedIdleMode": 2, "labels": ["hd"],
        "trackerList": "http://127.0.0.1:9/announce\n\nudp://127.0.0.1:9\n", "files-wanted": []}});
    assert_eq!(house.ask(set).await["result"], "success");
    let one = house.one(&album.hash);
    assert_eq!((one.download_limit, one.label, one.tags.len()), (Some(30_000), None, 1));
    assert_eq!(
        (one.seeding.ratio, one.seeding.idle_seconds),
        (SeedingLimit::Limit(1.5), SeedingLimit::Unlimited)
    );
    let got = house.ask(ask(&["trackerList", "trackers", "trackerStats", "wanted"])).await;
    let got = &got["arguments"]["torrents"][0];
    assert_eq!(got["trackerList"], "http://127.0.0.1:9/announce\n\nudp://127.0.0.1:9\n");
    assert_eq!(
        got["trackers"][1],
        json!({"id": 1, "announce": "udp://127.0.0.1:9", "scrape": "udp://127.0.0.1:9", "sitename": "127.0.0.1", "tier": 1})
    );
    assert_eq!(got["trackerStats"][0]["host"], "127.0.0.1:9");
    assert_eq!(got["wanted"], json!(vec![1; files.len()]));
    let refused = house
        .ask(json!({"method": "torrent-set", "arguments": {"ids": [1], "group": "x", "uploadLimited": true}}))
        .await;
    assert!(refused["result"].as_str().unwrap().contains("group"));
    assert_eq!(house.one(&album.hash).upload_limit, Some(100_000), "what can be done is done");

    let rename = json!({"method": "torrent-rename-path", "tag": 5, "arguments": {"ids": [1], "path": "album", "name": "renamed"}});
    let renamed = house.ask(rename).await;
    assert_eq!(
        renamed,
        json!({"arguments": {"id": 1, "path": "album", "name": "renamed"}, "result": "success", "tag": 5})
    );
    let files = house.service.files(house.service.find(&album.hash).unwrap()).await.unwrap();
    assert!(files.iter().all(|file| file.path.starts_with("renamed/")), "{files:?}");
    assert_eq!(house.one(&album.hash).name, "renamed");

    let removed = house
        .ask(json!({"jsonrpc": "2.0", "id": 9, "method": "torrent_remove", "params": {"ids": [album.hash]}}))
        .await;
    assert_eq!(removed, json!({"jsonrpc": "2.0", "result": {}, "id": 9}));
    until(&house.service, |snapshot| snapshot.lines().is_empty()).await;
    let recent = json!({"method": "torrent-get", "arguments": {"ids": "recently-active", "fields": ["id"]}});
    assert_eq!(house.ask(recent).await["arguments"], json!({"torrents": [], "removed": [1]}));
    house.service.stop().await;
    album.seeder.stop().await;
}

const ALL: &str = "activity_date added_date availability bandwidth_priority bytes_completed comment corrupt_ever creator date_created
    desired_available done_date download_dir downloaded_ever download_limit download_limited edit_date error error_string eta eta_idle
    file_count files file_stats group hash_string have_unchecked have_valid honors_session_limits id is_finished is_private is_stalled
    labels left_until_done magnet_link manual_announce_time max_connected_peers metadata_percent_complete name peer_limit peers
    peers_connected peers_from peers_getting_from_us peers_sending_to_us percent_complete percent_done pieces piece_count piece_size
    priorities primary_mime_type queue_position rate_download rate_upload recheck_progress seconds_downloading seconds_seeding
    seed_idle_limit seed_idle_mode seed_ratio_limit seed_ratio_mode sequential_download sequential_download_from_piece size_when_done
    start_date status torrent_file total_size trackers tracker_list tracker_stats uploaded_ever upload_limit upload_limited
    upload_ratio wanted webseeds webseeds_ex webseeds_sending_to_us";

#[tokio::test]
async fn what_can_not_be_done_is_said() {
    let house = House::new().await;
    let result = async |method: &str, arguments: Value| {
        let answer = house.ask(json!({"method": method, "arguments": arguments})).await;
        answer["result"].as_str().unwrap().to_owned()
    };
    for (method, arguments) in [
        ("torrent-add", json!({})),
        ("torrent-add", json!({"filename": "/etc/passwd"})),
        ("torrent-add", json!({"filename": "file:///etc/passwd"})),
        ("torrent-add", json!({"filename": "http://127.0.0.1:1/x.torrent"})),
        ("torrent-add", json!({"metainfo": "?"})),
        ("torrent-add", json!({"metainfo": "ZGU="})),
        (
            "torrent-add",
            json!({"filename": format!("magnet:?xt=urn:btih:{}", "a".repeat(40)), "download-dir": "/etc"}),
        ),
        (
            "torrent-add",
            json!({"filename": format!("magnet:?xt=urn:btih:{}", "a".repeat(40)), "download-dir": "x"}),
        ),
        ("torrent-get", json!({})),
        ("torrent-get", json!({"fields": ["id"], "format": "xml"})),
        ("torrent-set-location", json!({"location": "x"})),
        ("torrent-rename-path", json!({"path": "x", "name": "y"})),
        ("session-set", json!({"download-dir": "/etc"})),
        ("session-set", json!({"encryption": "required"})),
        (
            "session-set",
            json!({"script-torrent-done-enabled": true, "script-torrent-done-filename": "/bin/sh"}),
        ),
        ("free-space", json!({"path": "/etc"})),
        ("free-space", json!({"path": "x"})),
        ("blocklist-update", json!({})),
        ("port-test", json!({"ip_protocol": "ipv6"})),
        ("group-set", json!({"name": "x"})),
    ] {
        assert_ne!(result(method, arguments.clone()).await, "success", "{method} {arguments}");
    }
    assert!(house.service.snapshot().lines().is_empty());
    assert_eq!(house.ask(json!({"method": "group-get"})).await["arguments"], json!({"group": []}));
    house.service.stop().await;
}

#[tokio::test]
async fn the_daemon_around_fetches_and_ends() {
    let place = tempfile::tempdir().unwrap();
    let file = torrent(place.path(), "fetched", 5, 40_000);
    let is_closed = Arc::new(AtomicBool::new(false));
    let closed = Arc::clone(&is_closed);
    let house = House::with(move |around| Transmission {
        fetch: Arc::new(move |url| {
            let file = file.clone();
            Box::pin(async move {
                if url == "https://example.org/a" { Ok(Source::File(file)) } else { Err("404".to_owned()) }
            })
        }),
        close: Arc::new(move || closed.store(true, Ordering::Relaxed)),
        ..around
    })
    .await;
    let add = |url: &str| json!({"method": "torrent-add", "arguments": {"filename": url}});
    assert_eq!(house.ask(add("https://example.org/b")).await["result"], "404");
    assert_eq!(
        house.ask(add("https://example.org/a")).await["arguments"]["torrent-added"]["name"],
        "fetched"
    );
    assert!(!is_closed.load(Ordering::Relaxed));
    assert_eq!(house.ask(json!({"method": "session-close"})).await["result"], "success");
    assert!(is_closed.load(Ordering::Relaxed));
    house.service.stop().await;
}

#[tokio::test]
async fn the_queue_has_an_order() {
    let house = House::new().await;
    let hashes: Vec<String> = (0..4).map(|at| format!("{at:040x}")).collect();
    for hash in &hashes {
        let answer = house
            .ask(json!({"method": "torrent-add", "arguments": {"filename": hash, "paused": true}}))
            .await;
        assert_eq!(answer["result"], "success");
    }
    let order = async || {
        let all =
            house.ask(json!({"method": "torrent-get", "arguments": {"fields": ["queuePosition"]}})).await;
        let torrents = all["arguments"]["torrents"].as_array().unwrap().clone();
        torrents.iter().map(|one| one["queuePosition"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(order().await, [0, 1, 2, 3]);
    for (method, ids, expected) in [
        ("queue-move-top", json!([3]), [1, 2, 0, 3]),
        ("queue-move-bottom", json!([hashes[2]]), [0, 1, 3, 2]),
        ("queue-move-up", json!([2]), [1, 0, 3, 2]),
        ("queue-move-down", json!(2), [0, 1, 3, 2]),
    ] {
        house.ask(json!({"method": method, "arguments": {"ids": ids}})).await;
        assert_eq!(order().await, expected, "{method}");
    }
    house.ask(json!({"method": "torrent-set", "arguments": {"ids": [1], "queuePosition": 2}})).await;
    assert_eq!(order().await, [2, 0, 3, 1]);
    house.service.stop().await;
}
