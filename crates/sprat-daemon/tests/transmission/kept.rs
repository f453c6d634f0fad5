//! What is set through the interface stays set: it is a setting of the daemon from then on.

use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::daemon_under_test::RunningDaemon;
use crate::house::header;

/// Asks with the token; the head and the body of the answer.
async fn ask(daemon: &RunningDaemon, request: &str, more: &str, body: &Value) -> (String, String) {
    let (address, token, body) = (daemon.address(), daemon.authorization(), body.to_string());
    let length = body.len();
    let request = format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {token}\r\nConnection: close\r\n{more}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn call(daemon: &RunningDaemon, method: &str, arguments: Value) -> Value {
    let request = json!({"method": method, "arguments": arguments});
    let (refusal, _) = ask(daemon, "POST /transmission/rpc", "", &request).await;
    let id = header(&refusal, "x-transmission-session-id").unwrap();
    let id = format!("X-Transmission-Session-Id: {id}\r\n");
    let (_, body) = ask(daemon, "POST /transmission/rpc", &id, &request).await;
    serde_json::from_str(&body).unwrap()
}

async fn settings(daemon: &RunningDaemon, patch: Value) {
    let (head, body) = ask(daemon, "PATCH /api/v1/settings", "", &patch).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}\n{body}");
}

/// What `session-get` has for these.
async fn told(daemon: &RunningDaemon) -> Value {
    let fields = [
        "speed-limit-down",
        "speed-limit-down-enabled",
        "alt-speed-enabled",
        "alt-speed-up",
        "seedRatioLimit",
        "download-queue-size",
        "download-dir",
    ];
    call(daemon, "session-get", json!({"fields": fields})).await["arguments"].clone()
}

async fn restarted(daemon: RunningDaemon, home: &Path) -> RunningDaemon {
    daemon.daemon.stop().await;
    RunningDaemon::start(home).await
}

#[tokio::test]
async fn what_a_program_for_transmission_sets_outlives_other_changes_and_the_daemon() {
    let home = tempfile::tempdir().unwrap();
    let daemon = RunningDaemon::start(home.path()).await;
    let downloads = home.path().join("Downloads/new");
    let wishes = json!({
        "speed-limit-down": 500, "speed-limit-down-enabled": true, "alt-speed-enabled": true, "alt-speed-up": 20,
        "seedRatioLimit": 1.5, "seedRatioLimited": true, "download-queue-size": 3, "download-dir": downloads,
    });
    assert_eq!(call(&daemon, "session-set", wishes).await["result"], "success");
    let expected = json!({
        "speed-limit-down": 500, "speed-limit-down-enabled": true, "alt-speed-enabled": true, "alt-speed-up": 20,
        "seedRatioLimit": 1.5, "download-queue-size": 3, "download-dir": downloads,
    });
    assert_eq!(told(&daemon).await, expected);
    // Everything is carried out anew when something else is changed.
    settings(&daemon, json!({"queue": {"slow_after": "2 min"}})).await;
    assert_eq!(told(&daemon).await, expected);
    let daemon = restarted(daemon, home.path()).await;
    assert_eq!(told(&daemon).await, expected);

    // And the other way round: what the API sets is told, and what is turned off is off.
    settings(&daemon, json!({"limits": {"download_rate": "1 MiB/s"}})).await;
    assert_eq!(told(&daemon).await["speed-limit-down"], 1049);
    let off = json!({"alt-speed-enabled": false, "speed-limit-down-enabled": false});
    assert_eq!(call(&daemon, "session-set", off).await["result"], "success");
    let daemon = restarted(daemon, home.path()).await;
    let told = told(&daemon).await;
    assert_eq!(
        (&told["alt-speed-enabled"], &told["speed-limit-down-enabled"]),
        (&json!(false), &json!(false))
    );
    let elsewhere = call(&daemon, "session-set", json!({"download-dir": "/etc"})).await;
    assert_ne!(elsewhere["result"], "success");
    daemon.daemon.stop().await;
}

#[tokio::test]
async fn a_program_for_transmission_can_end_the_daemon() {
    let home = tempfile::tempdir().unwrap();
    let daemon = RunningDaemon::start(home.path()).await;
    let (_reload, reloads) = tokio::sync::mpsc::channel(1);
    let running = daemon.daemon.run(std::future::pending(), reloads);
    let closing = async { assert_eq!(call(&daemon, "session-close", json!({})).await["result"], "success") };
    let both = async { tokio::join!(running, closing) };
    tokio::time::timeout(std::time::Duration::from_secs(30), both).await.expect("it goes on");
    daemon.daemon.stop().await;
}
