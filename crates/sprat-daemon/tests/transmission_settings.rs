//! What is set through Transmission's interface stays set: it is a setting of the daemon from then on.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "all of this is a test")]

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use daemon_under_test::House;
use wire::exchange;

mod daemon_under_test;
mod wire;

/// What is in the configuration besides.
const SERVED: &str = "transmission = true\n";

async fn call(house: &House, method: &str, arguments: Value) -> Value {
    let body = json!({"method": method, "arguments": arguments}).to_string();
    let request =
        house.request("POST", "/transmission/rpc").header("Content-Type", "application/json").body(body);
    let refusal = exchange(house.address, &request.to_bytes()).await.unwrap();
    let id = refusal.header("x-transmission-session-id").unwrap();
    house.send(request.header("X-Transmission-Session-Id", id)).await.body
}

async fn settings(house: &House, patch: Value) {
    let reply = house.tell("PATCH", "/settings", patch).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// What `session-get` has for these.
async fn told(house: &House) -> Value {
    let fields = [
        "speed-limit-down",
        "speed-limit-down-enabled",
        "alt-speed-enabled",
        "alt-speed-up",
        "seedRatioLimit",
        "download-queue-size",
        "download-dir",
    ];
    call(house, "session-get", json!({"fields": fields})).await["arguments"].clone()
}

#[tokio::test]
async fn what_a_program_for_transmission_sets_outlives_other_changes_and_the_daemon() {
    let house = House::open(SERVED).await;
    let downloads = house.home.path().join("downloads/new");
    let wishes = json!({
        "speed-limit-down": 500, "speed-limit-down-enabled": true, "alt-speed-enabled": true, "alt-speed-up": 20,
        "seedRatioLimit": 1.5, "seedRatioLimited": true, "download-queue-size": 3, "download-dir": downloads,
    });
    assert_eq!(call(&house, "session-set", wishes).await["result"], "success");
    let expected = json!({
        "speed-limit-down": 500, "speed-limit-down-enabled": true, "alt-speed-enabled": true, "alt-speed-up": 20,
        "seedRatioLimit": 1.5, "download-queue-size": 3, "download-dir": downloads,
    });
    assert_eq!(told(&house).await, expected);
    // Everything is carried out anew when something else is changed.
    settings(&house, json!({"queue": {"slow_after": "2 min"}})).await;
    assert_eq!(told(&house).await, expected);
    let house = house.reopen(SERVED).await;
    assert_eq!(told(&house).await, expected);

    // And the other way round: what the API sets is told, and what is turned off is off.
    settings(&house, json!({"limits": {"download_rate": "1 MiB/s"}})).await;
    assert_eq!(told(&house).await["speed-limit-down"], 1049);
    let off = json!({"alt-speed-enabled": false, "speed-limit-down-enabled": false});
    assert_eq!(call(&house, "session-set", off).await["result"], "success");
    let house = house.reopen(SERVED).await;
    let now = told(&house).await;
    assert_eq!((&now["alt-speed-enabled"], &now["speed-limit-down-enabled"]), (&json!(false), &json!(false)));
    let elsewhere = call(&house, "session-set", json!({"download-dir": "/etc"})).await;
    assert_ne!(elsewhere["result"], "success");
    house.close().await;
}

#[tokio::test]
async fn a_program_for_transmission_can_end_the_daemon() {
    let house = House::open(SERVED).await;
    let closing = async {
        assert_eq!(call(&house, "session-close", json!({})).await["result"], "success");
    };
    let both = async { tokio::join!(house.run(), closing) };
    timeout(Duration::from_secs(30), both).await.expect("it goes on");
    house.close().await;
}
