//! Notifications to hooks that are well, ill, slow or forbidden.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sprat_daemon::webhook::{EventKind, HookConfig, HookStatus, Webhooks};
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::http::{HttpClient, HttpConfig};

use loopback::{Answer, WebServer, ok};

#[allow(dead_code, reason = "not every test needs all of it")]
#[path = "../../sprat-engine/tests/loopback/mod.rs"]
mod loopback;

fn hooks() -> Webhooks {
    let http = HttpClient::new(HttpConfig::new(Arc::new(AddressPolicy::public())));
    Webhooks::with_pauses(http, vec![Duration::from_millis(1); 2])
}

fn hook(json: &serde_json::Value) -> HookConfig {
    serde_json::from_value(json.clone()).unwrap()
}

fn status(code: u16) -> Answer {
    Answer::Bytes(format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n").into_bytes())
}

/// Waits until nothing waits any more.
async fn settled(hooks: &Webhooks, name: &str) -> HookStatus {
    loop {
        let (_, _, status) = hooks.hooks().find(|(found, ..)| *found == name).unwrap();
        if status.waiting == 0 {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn body(request: &str) -> serde_json::Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn hooks_get_the_events_they_want_signed_and_in_order() {
    let all = WebServer::start("127.0.0.1:0", vec![ok(b"")]).await;
    let some = WebServer::start("127.0.0.1:0", vec![ok(b"")]).await;
    let mut hooks = hooks();
    hooks.set("all", hook(&json!({ "url": all.url("/hook?key=1"), "secret": "s" })));
    hooks.set("some", hook(&json!({ "url": some.url("/"), "events": ["finished"] })));
    hooks.set("off", hook(&json!({ "url": some.url("/"), "paused": true })));
    for (kind, number) in [(EventKind::Added, 1), (EventKind::Finished, 2), (EventKind::FeedMatch, 3)] {
        hooks.notify(kind, &json!({ "name": number }));
    }
    assert_eq!(settled(&hooks, "all").await.delivered, 3);
    assert_eq!(settled(&hooks, "some").await.delivered, 1);
    let requests = all.requests();
    let kinds: Vec<_> = requests.iter().map(|request| body(request)["event"].clone()).collect();
    assert_eq!(kinds, ["added", "finished", "feed_match"]);
    assert!(requests[0].starts_with("POST /hook?key=1 HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(
        requests[0].contains("x-sprat-signature-256: sha256=")
            && requests[0].contains("x-sprat-event: added")
    );
    assert_eq!(some.requests().len(), 1);
    assert_eq!(body(&some.requests()[0])["data"], json!({ "name": 2 }));
    assert!(!some.requests()[0].contains("signature"));

    assert!(hooks.test("off") && !hooks.test("none"));
    assert_eq!(settled(&hooks, "off").await.delivered, 1);
    assert!(hooks.remove("off") && !hooks.remove("off"));
}

#[tokio::test]
async fn an_event_comes_again_until_it_is_taken() {
    let server =
        WebServer::start("127.0.0.1:0", vec![status(503), Answer::Bytes(Vec::new()), status(204)]).await;
    let mut hooks = hooks();
    hooks.set("a", hook(&json!({ "url": server.url("/") })));
    hooks.notify(EventKind::Added, &json!(null));
    let found = settled(&hooks, "a").await;
    assert_eq!((found.delivered, found.failed, found.last_error), (1, 0, None));
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| body(request)["id"] == body(&requests[0])["id"]));
}

#[tokio::test]
async fn an_event_is_given_up_at_some_time_and_the_next_one_is_tried() {
    let server = WebServer::start(
        "127.0.0.1:0",
        vec![status(500), status(500), status(500), status(404), status(200)],
    )
    .await;
    let mut hooks = hooks();
    hooks.set("a", hook(&json!({ "url": server.url("/") })));
    for _ in 0..2 {
        hooks.notify(EventKind::Added, &json!(null));
    }
    let found = settled(&hooks, "a").await;
    // 404 is not tried again.
    assert_eq!((found.failed, found.last_error.as_deref()), (2, Some("answered with status 404")));
    hooks.notify(EventKind::Added, &json!(null));
    assert_eq!(settled(&hooks, "a").await.delivered, 1);
}

#[tokio::test]
async fn redirects_and_link_local_addresses_are_refused() {
    let inner = WebServer::start("127.0.0.1:0", vec![ok(b"")]).await;
    let redirect = format!("HTTP/1.1 307 X\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", inner.url("/"));
    let server = WebServer::start("127.0.0.1:0", vec![Answer::Bytes(redirect.into_bytes())]).await;
    let mut hooks = hooks();
    let urls = [
        server.url("/"),
        "http://169.254.169.254/latest".to_owned(),
        "http://[fe80::1]/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ];
    for url in urls {
        hooks.set("a", hook(&json!({ "url": url })));
        hooks.notify(EventKind::Added, &json!(null));
        assert_eq!(settled(&hooks, "a").await.failed, 1, "{url}");
    }
    assert_eq!((server.requests().len(), inner.requests().len()), (1, 0));
}

#[tokio::test]
async fn a_hook_that_hangs_delays_no_other_and_holds_little() {
    let deaf = WebServer::start("127.0.0.1:0", vec![Answer::Hang(Vec::new())]).await;
    let well = WebServer::start("127.0.0.1:0", vec![ok(b"")]).await;
    let mut hooks = hooks();
    hooks.set("deaf", hook(&json!({ "url": deaf.url("/") })));
    hooks.set("well", hook(&json!({ "url": well.url("/"), "events": ["finished"] })));
    for _ in 0..400 {
        hooks.notify(EventKind::Added, &json!(null));
    }
    hooks.notify(EventKind::Finished, &json!(null));
    assert_eq!(settled(&hooks, "well").await.delivered, 1);
    let (_, _, status) = hooks.hooks().next().unwrap();
    assert!((256..=257).contains(&status.waiting), "{status:?}");
    assert_eq!(status.dropped, 401 - u64::try_from(status.waiting).unwrap());
}
