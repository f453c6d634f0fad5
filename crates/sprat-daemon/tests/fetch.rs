//! Documents and feeds from web servers that are well, ill or beside the point.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

use std::sync::Arc;
use std::time::Duration;

use sprat_daemon::clock;
use sprat_daemon::feeds::driver::FeedDriver;
use sprat_daemon::feeds::{FeedConfig, Name, Rule, SavedFeeds};
use sprat_daemon::fetch::{FeedDocument, FetchError, Fetcher, Source, Validators};
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::http::{HttpClient, HttpConfig, HttpError};
use tokio::sync::mpsc;

use loopback::{Answer, WebServer, ok};

#[allow(dead_code, reason = "not every test needs all of it")]
#[path = "../../sprat-engine/tests/loopback/mod.rs"]
mod loopback;

const MAGNET: &str = "magnet:?xt=urn:btih:0123456789012345678901234567890123456789";

fn fetcher() -> Fetcher {
    let policy = AddressPolicy::public().allowing("127.0.0.1".parse().unwrap());
    Fetcher::new(HttpClient::new(HttpConfig::new(Arc::new(policy))))
}

fn bytes(answer: &str) -> Answer {
    Answer::Bytes(answer.as_bytes().to_vec())
}

fn with_head(head: &str, body: &str) -> Answer {
    bytes(&format!("HTTP/1.1 200 OK\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

#[tokio::test]
async fn a_torrent_file_is_handed_over_as_it_is() {
    let server = WebServer::start("127.0.0.1:0", vec![ok(b"d1:ai0ee")]).await;
    let source = fetcher().torrent(&server.url("/x?key=1")).await.unwrap();
    assert_eq!(source, Source::TorrentFile("d1:ai0ee".into()));
}

#[tokio::test]
async fn a_magnet_link_is_one_wherever_it_is_met() {
    let location = format!("HTTP/1.1 302 Found\r\nLocation: {MAGNET}\r\n\r\n");
    let again = "HTTP/1.1 301 Moved\r\nLocation: /there\r\n\r\n";
    let server = WebServer::start("127.0.0.1:0", vec![bytes(again), bytes(&location)]).await;
    let magnet = Source::Magnet(Box::new(MAGNET.parse().unwrap()));
    assert_eq!(fetcher().torrent(&server.url("/")).await.unwrap(), magnet);
    assert_eq!(fetcher().torrent(&format!(" {MAGNET}")).await.unwrap(), magnet);
    assert!(matches!(fetcher().torrent("magnet:?x").await, Err(FetchError::Magnet(_))));
}

#[tokio::test]
async fn what_is_no_torrent_is_told_apart() {
    let answers = vec![
        with_head("Content-Type: text/html; charset=utf-8", "log in"),
        with_head("X: x", "\n <!DOCTYPE html>"),
        with_head("X: x", "d"),
        with_head("X: x", ""),
        bytes("HTTP/1.1 503 X\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n"),
        bytes("HTTP/1.1 429 X\r\nRetry-After: 99999999\r\nContent-Length: 0\r\n\r\n"),
        bytes("HTTP/1.1 404 X\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n"),
        bytes("HTTP/1.1 200 OK\r\nContent-Length: 33554433\r\n\r\nd"),
    ];
    let server = WebServer::start("127.0.0.1:0", answers).await;
    let mut results = Vec::new();
    for _ in 0..8 {
        results.push(fetcher().torrent(&server.url("/0key0")).await);
    }
    assert!(
        results
            .iter()
            .flat_map(|result| result.as_ref().err())
            .all(|error| !format!("{error:?}").contains("0key0"))
    );
    let patience = |result: &Result<Source, FetchError>| {
        result.as_ref().unwrap_err().retry_after().map(|it| it.as_secs())
    };
    assert!(matches!(results[0], Err(FetchError::NotATorrent { is_html: true })));
    assert!(matches!(results[1], Err(FetchError::NotATorrent { is_html: true })));
    assert!(results[2].is_ok());
    assert!(matches!(results[3], Err(FetchError::NotATorrent { is_html: false })));
    assert_eq!(
        (patience(&results[4]), patience(&results[5]), patience(&results[6])),
        (Some(120), Some(86400), None)
    );
    assert!(matches!(results[7], Err(FetchError::Http(HttpError::BodyTooLong { .. }))));
}

#[tokio::test]
async fn a_feed_is_asked_whether_it_has_changed() {
    let answers = vec![
        with_head("ETag: \"a\"\r\nLast-Modified: Sat, 07 Mar 2026 10:00:00 GMT", "<rss/>"),
        bytes("HTTP/1.1 304 Not Modified\r\n\r\n"),
        bytes("HTTP/1.1 304 Not Modified\r\n\r\n"),
    ];
    let server = WebServer::start("127.0.0.1:0", answers).await;
    let first = fetcher().feed(&server.url("/rss"), &Validators::default()).await.unwrap();
    let FeedDocument::Changed { body, base, validators } = first else { panic!("{first:?}") };
    assert_eq!((&body[..], base.as_str()), (&b"<rss/>"[..], &server.url("/rss")[..]));
    let second = fetcher().feed(&server.url("/rss"), &validators).await.unwrap();
    assert_eq!(second, FeedDocument::Unchanged);
    let request = server.requests()[1].clone();
    assert!(request.contains("if-none-match: \"a\"\r\n"), "{request}");
    assert!(request.contains("if-modified-since: Sat, 07 Mar 2026 10:00:00 GMT\r\n"), "{request}");
    // "Unchanged" to somebody who has nothing yet is no answer.
    let third = fetcher().feed(&server.url("/rss"), &Validators::default()).await;
    assert!(matches!(third, Err(FetchError::Status { status: 304, .. })), "{third:?}");
}

#[tokio::test]
async fn the_driver_fetches_feeds_and_hands_out_what_rules_want() {
    let rss =
        "<rss version='2.0'><channel><item><title>One</title><link>/1.torrent</link></item></channel></rss>";
    let server = WebServer::start("127.0.0.1:0", vec![ok(rss.as_bytes())]).await;
    let ill = WebServer::start("127.0.0.1:0", vec![ok(b"<html></html>")]).await;
    let driver = FeedDriver::new(SavedFeeds::default(), 7);
    let (sender, mut found) = mpsc::channel(1);
    let running = tokio::spawn({
        let driver = driver.clone();
        async move { driver.run(fetcher(), sender).await }
    });
    let config = |url: String| FeedConfig { url, interval_secs: None, paused: false };
    let name = |text: &str| Name::try_from(text.to_owned()).unwrap();
    driver.with(|feeds, now| {
        assert_eq!(feeds.set_rule(clock::now(), name("all"), Rule::default()).unwrap(), []);
        feeds.set_feed(now, name("1"), config(server.url("/rss"))).unwrap();
        feeds.set_feed(now, name("2"), config(ill.url("/rss"))).unwrap();
    });
    let matches = found.recv().await.unwrap();
    assert_eq!(matches[0].item.source.as_deref(), Some(&server.url("/1.torrent")[..]));
    let error = loop {
        let error = driver.with(|feeds, _| feeds.feeds().nth(1).unwrap().error.map(ToOwned::to_owned));
        match error {
            Some(error) => break error,
            None => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    };
    assert!(error.contains("not an RSS or Atom feed"), "{error}");
    drop(found);
    running.await.unwrap();
}
