//! Feeds of a running daemon: from a server of the house to the list of torrents.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

use serde_json::{Value, json};

use daemon_under_test::House;
use loopback::{Answer, WebServer, ok};
use service_under_test::torrent;

mod daemon_under_test;
#[allow(dead_code, reason = "not every test needs all of it")]
#[path = "../../sprat-engine/tests/loopback/mod.rs"]
mod loopback;
mod service_under_test;
mod wire;

const RSS: &str = "<rss version='2.0'><channel><title>Images</title>\
    <item><title>Image 1</title><guid>1</guid><link>/1.torrent?key=hunter2</link></item>\
    <item><title>Notes</title><guid>2</guid><link>/2.torrent?key=hunter2</link></item></channel></rss>";

/// That feeds may be at this server.
fn opening(server: &WebServer) -> String {
    format!("[feeds]\nprivate_servers = [\"{}\"]\n", server.address)
}

fn not_found() -> Answer {
    Answer::Bytes(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec())
}

async fn has_come(house: &House, feed: &str) -> Value {
    house.until(&format!("/feeds/{feed}"), |feed| feed["fetched_at"].is_i64()).await
}

#[tokio::test]
async fn what_a_rule_wants_is_added_once_and_for_all() {
    let files = tempfile::tempdir().unwrap();
    let image = torrent(files.path(), "image", 1, 1000);
    let server =
        WebServer::start("127.0.0.1:0", vec![ok(RSS.as_bytes()), ok(&image), ok(RSS.as_bytes())]).await;
    let house = House::open(&opening(&server)).await;
    let mut happenings = house.happenings().await;

    let feed = json!({"url": server.url("/rss?key=hunter2"), "interval_secs": 600});
    assert_eq!(house.tell("PUT", "/feeds/images", feed).await.status, 204);
    let feed = has_come(&house, "images").await;
    assert_eq!((&feed["title"], &feed["items"], &feed["error"]), (&json!("Images"), &json!(2), &Value::Null));
    assert!(feed["next_fetch_secs"].as_u64().unwrap() > 500, "{feed}");

    let rule =
        json!({"feeds": ["images"], "must_contain": "image", "add": {"label": "disks", "paused": true}});
    let tested = house.tell("POST", "/feed-rules/images/test", rule.clone()).await.body;
    assert_eq!((&tested["would_take"], &tested["items"][0]["title"]), (&json!(1), &json!("Image 1")));
    assert_eq!(tested["items"][1]["rejection"], "must_contain");
    assert_eq!(house.get("/torrents").await["total"], 0, "a test takes nothing");

    assert_eq!(house.tell("PUT", "/feed-rules/images", rule).await.body, json!({"matches": 1}));
    let matched = happenings.next("feed_match").await;
    assert_eq!((&matched["feed"], &matched["title"]), (&json!("images"), &json!("Image 1")));
    let added = house.get(&format!("/torrents/{}", matched["hash"].as_str().unwrap())).await;
    assert_eq!(
        (&added["label"], &added["state"], &added["origin"]),
        (&json!("disks"), &json!("stopped"), &json!("feed images"))
    );
    let is_taken = |items: &Value| (items[0]["is_taken"] == true, items[1]["is_taken"] == true);
    assert_eq!(is_taken(&house.get("/feeds/images/items").await), (true, false));
    assert_eq!(house.get("/feed-rules/images").await["last_match"]["title"], "Image 1");

    // Whoever removes it does not want it again, not even after a restart.
    let removed =
        house.tell("DELETE", &format!("/torrents/{}", added["hash"].as_str().unwrap()), Value::Null).await;
    assert_eq!(removed.status, 204);
    let house = house.reopen(&opening(&server)).await;
    assert_eq!(house.tell("POST", "/feeds/images/refresh", Value::Null).await.status, 202);
    has_come(&house, "images").await;
    assert_eq!(is_taken(&house.get("/feeds/images/items").await), (true, false));
    assert_eq!(house.get("/torrents").await["total"], 0);
    assert_eq!(server.requests().len(), 3);

    assert_eq!(house.tell("DELETE", "/feed-rules/images", Value::Null).await.status, 204);
    assert_eq!(house.tell("DELETE", "/feeds/images", Value::Null).await.status, 204);
    assert_eq!(house.get("/feeds").await, json!([]));
    assert_eq!(house.get("/feed-rules").await, json!([]));
    house.close().await;
}

#[tokio::test]
async fn what_goes_wrong_is_told() {
    let server = WebServer::start("127.0.0.1:0", vec![ok(RSS.as_bytes()), not_found()]).await;
    let house = House::open("").await;
    let feed = json!({"url": server.url("/rss")});
    assert_eq!(house.tell("PUT", "/feeds/a", feed).await.status, 204);
    let refused = house.until("/feeds/a", |feed| feed["failures"] == 1).await;
    let error = refused["error"].as_str().unwrap();
    assert!(error.contains("this machine") && error.contains("feeds.private_servers"), "{error}");
    assert_eq!(server.requests().len(), 0);

    let house = house.reopen(&opening(&server)).await;
    let mut happenings = house.happenings().await;
    assert_eq!(house.tell("PUT", "/feed-rules/all", json!({"must_contain": "notes"})).await.status, 200);
    assert_eq!(house.tell("POST", "/feeds/a/refresh", Value::Null).await.status, 202);
    let failed = happenings.next("feed_match_failed").await;
    let reason = "the server answered with status 404";
    assert_eq!((&failed["title"], &failed["reason"]), (&json!("Notes"), &json!(reason)));
    let items = house.until("/feeds/a/items", |items| items[1]["failure"] == reason).await;
    assert_eq!(items[1]["is_taken"], false, "it is tried again");
    house.close().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let house = House::open("").await;
    let too_long = format!("/feeds/{}", "x".repeat(201));
    for (method, path, body, status) in [
        ("PUT", "/feeds/a", json!({"url": "file:///etc/passwd"}), 422),
        ("PUT", "/feeds/a", json!({"url": "not a URL"}), 422),
        ("PUT", "/feeds/a", json!({"url": "http://x.example/", "interval_secs": 299}), 422),
        ("PUT", "/feeds/a", json!({"paused": true}), 404),
        ("PUT", &too_long, json!({"url": "http://x.example/"}), 422),
        ("GET", "/feeds/a/items", Value::Null, 404),
        ("POST", "/feeds/a/refresh", Value::Null, 404),
        ("DELETE", "/feeds/a", Value::Null, 404),
        ("PUT", "/feed-rules/a", json!({"notation": "regex", "must_contain": "["}), 422),
        ("PUT", "/feed-rules/a", json!({"feeds": ["a"]}), 422),
        ("PUT", "/feed-rules/a", json!({"add": {"label": "a,b"}}), 422),
        ("PUT", "/feed-rules/a", json!({"add": {"save_path": "/etc"}}), 403),
        ("POST", "/feed-rules/a/test", json!({"must_contain": "x".repeat(1025)}), 422),
        ("DELETE", "/feed-rules/a", Value::Null, 404),
    ] {
        let reply = house.tell(method, path, body).await;
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
        assert!(reply.body["message"].is_string(), "{reply:?}");
    }
    house.close().await;
}
