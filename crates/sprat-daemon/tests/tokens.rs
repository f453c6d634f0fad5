//! Tokens that are made and revoked while the daemon runs.

use serde_json::{Value, json};

use daemon_under_test::House;

mod daemon_under_test;
mod wire;

/// How a request without a body for something below `/api/v1` ends.
async fn status(house: &House, token: &str, method: &str, path: &str) -> u16 {
    house.send(house.request_with(token, method, &format!("/api/v1{path}"))).await.status
}

#[tokio::test]
async fn a_token_is_shown_once_and_allows_what_it_says() {
    let house = House::open("").await;
    let (id, looking) = house.make_token("a phone", "read_only").await;
    assert_eq!(status(&house, &looking, "GET", "/torrents").await, 200);
    for (method, path) in [("GET", "/tokens".to_owned()), ("DELETE", format!("/tokens/{id}"))] {
        assert_eq!(status(&house, &looking, method, &path).await, 403, "{method} {path}");
    }
    let list = house.get("/tokens").await;
    let names: Vec<&Value> = list.as_array().into_iter().flatten().map(|token| &token["name"]).collect();
    assert_eq!(names, ["owner", "a phone"]);
    assert_eq!((&list[1]["id"], &list[1]["access"]), (&json!(id), &json!("read_only")));
    assert!(list[1]["created_at"].is_i64() && list[1]["last_used_at"].is_i64(), "{list}");
    for secret in [&looking, &house.token] {
        assert!(!list.to_string().contains(secret.trim_start_matches("sprat_")));
    }
    for (wish, expected) in [
        (json!({"name": "", "access": "full"}), 422),
        (json!({"name": "a", "access": "all"}), 422),
        (json!({"name": "a", "access": "full", "token": "mine"}), 422),
    ] {
        assert_eq!(house.tell("POST", "/tokens", wish).await.status, expected);
    }
    house.close().await;
}

#[tokio::test]
async fn a_revoked_token_ends_with_its_logins_and_its_streams_and_stays_so() {
    let house = House::open("").await;
    let (id, token) = house.make_token("a script", "full").await;
    let cookie = house.log_in(&token).await;
    let stream = house.happenings_for(&token).await;
    let with_cookie = || {
        let request = wire::Request::new("GET", "/api/v1/session").header("Host", house.address.to_string());
        house.send(request.header("Cookie", cookie.clone()))
    };
    assert_eq!(with_cookie().await.status, 200);

    assert_eq!(house.tell("DELETE", &format!("/tokens/{id}"), Value::Null).await.status, 204);
    assert_eq!(status(&house, &token, "GET", "/torrents").await, 401);
    assert_eq!(with_cookie().await.status, 401);
    stream.ended().await;
    assert_eq!(house.tell("DELETE", &format!("/tokens/{id}"), Value::Null).await.status, 404);
    assert_eq!(house.tell("DELETE", "/tokens/owner", Value::Null).await.status, 409, "somebody must be left");

    let house = house.reopen("").await;
    assert_eq!(status(&house, &token, "GET", "/torrents").await, 401);
    assert_eq!(house.get("/tokens").await.as_array().map(Vec::len), Some(1));
    house.close().await;
}
