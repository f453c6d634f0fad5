//! The matrix over a whole daemon, with everything that it serves.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::daemon_under_test::House;
use crate::furnished::Furnished;
use crate::matrix::{self, Case, Depth, Keys, Needs, Route};
use crate::wire::{Answer, Request, exchange, head};

const PATIENCE: Duration = Duration::from_secs(10);

/// Tokens of every kind, and sessions.
async fn keys(furnished: &Furnished) -> Keys {
    let house = &furnished.house;
    let (_, read_only) = house.make_token("look", "read_only").await;
    let (id, revoked) = house.make_token("gone", "full").await;
    assert_eq!(house.tell("DELETE", &format!("/tokens/{id}"), Value::Null).await.status, 204);

    let ended_session = house.log_in(&house.token).await;
    let short = json!({"api": {"session_life": "1 s"}});
    assert_eq!(house.tell("PATCH", "/settings", short).await.status, 200);
    let still_open = || async {
        let request = Request::new("GET", "/api/v1/session").header("Host", house.address.to_string());
        house.send(request.header("Cookie", ended_session.clone())).await.status == 200
    };
    while still_open().await {
        sleep(Duration::from_millis(50)).await;
    }
    let usual = json!({"keys": ["api.session_life"]});
    assert_eq!(house.tell("POST", "/settings/reset", usual).await.status, 200);
    Keys {
        host: house.address.to_string(),
        full: house.token.clone(),
        read_only,
        revoked,
        session: house.log_in(&house.token).await,
        ended_session,
    }
}

/// Everything that the daemon describes, and what it serves besides.
async fn routes(furnished: &Furnished) -> Vec<Route> {
    let document = furnished.house.get("/openapi.json").await;
    let fill = |path: &str| furnished.path_of(path);
    let described = matrix::routes_of(&document, fill, |method, path| furnished.body_of(method, path));
    let described = described.into_iter().map(|route| {
        let needs = match route.path.as_str() {
            "/login" | "/logout" => Needs::NoToken,
            "/log" | "/log/events" => Needs::Everything,
            path if path.starts_with("/tokens") => Needs::Everything,
            _ => Needs::ByMethod,
        };
        Route { path: format!("/api/v1{}", route.path), needs, ..route }
    });
    let others = [
        Route::new("GET", "/api/v1/openapi.json", Needs::ByMethod),
        Route::new("GET", "/metrics", Needs::Looking),
        Route::new("GET", "/", Needs::NoToken),
        Route::new("GET", "/scripts/main.js", Needs::NoToken),
        Route::new("GET", "/health", Needs::NoToken),
        Route::new("GET", "/ready", Needs::NoToken),
    ];
    described.chain(others).chain(of_other_programs(furnished)).collect()
}

/// Some of what programs for Transmission and qBittorrent ask for.
fn of_other_programs(furnished: &Furnished) -> [Route; 6] {
    const FORM: &[&str] = &["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
    let Furnished { hash, house, .. } = furnished;
    let remove = json!({"method": "torrent-remove", "arguments": {"ids": [hash]}});
    let routes = [
        Route::new("POST", "/transmission/rpc", Needs::Everything).taking(&[], remove.to_string()),
        Route::new("GET", "/api/v2/app/version", Needs::Looking),
        Route::new("GET", "/api/v2/torrents/info", Needs::Looking),
        Route::new("POST", "/api/v2/torrents/setCategory", Needs::Everything)
            .taking(FORM, format!("hashes={hash}&category=1")),
        Route::new("POST", "/api/v2/torrents/delete", Needs::Everything)
            .taking(FORM, format!("hashes={hash}&deleteFiles=true")),
        Route::new("POST", "/api/v2/auth/login", Needs::NoToken)
            .taking(FORM, format!("username=admin&password={}", house.token)),
    ];
    routes.map(Route::with_sessions_of_its_own)
}

/// The word of an answer of the API that tells why.
fn word(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_str(&answer.body).ok()?;
    Some(body.get("error")?.as_str()?.to_owned())
}

/// Whether a request got no further than the gate and the rule of bodies.
fn is_refused(case: &Case, answer: Option<&Answer>) -> bool {
    // A connection that is closed without an answer is one as well.
    let Some(answer) = answer else { return true };
    let by_the_gate = word(answer).is_none_or(|word| matches!(word.as_str(), "access" | "body"));
    let status = match answer.status {
        400 | 401 | 403 | 415 | 421 | 429 => by_the_gate,
        status => case.is_trick && (400..500).contains(&status),
    };
    status && answer.header("set-cookie").is_none()
}

/// Whether a request got to its handler, which may have its own reasons to do nothing.
fn is_let_in(answer: &Answer) -> bool {
    let status = matches!(answer.status, 200..300 | 404 | 409 | 422 | 429);
    status && word(answer).is_none_or(|word| !matches!(word.as_str(), "access" | "body"))
}

#[tokio::test]
async fn nothing_in_the_access_matrix_has_an_effect_on_a_daemon() {
    let furnished = Furnished::open("transmission = true\nqbittorrent = true\n").await;
    let keys = keys(&furnished).await;
    let address = furnished.house.address;
    let before = furnished.state().await;
    let (mut refused, mut controls) = (0, Vec::new());
    for route in routes(&furnished).await {
        for case in matrix::cases(&route, &keys, Depth::One) {
            if case.wrong.is_empty() {
                controls.push(case);
                continue;
            }
            let answer = timeout(PATIENCE, exchange(address, &case.request.to_bytes())).await;
            let answer = answer.unwrap_or_else(|_| panic!("this goes on: {case:?}"));
            assert!(is_refused(&case, answer.as_ref()), "{case:?} {answer:?}");
            refused += 1;
        }
        assert_eq!(furnished.state().await, before, "{} {}", route.method, route.path);
    }
    for case in &controls {
        // A stream of events has no end.
        let answer = timeout(PATIENCE, head(address, &case.request.to_bytes())).await;
        let answer = answer.unwrap_or_else(|_| panic!("no answer: {case:?}"));
        assert!(answer.as_ref().is_some_and(is_let_in), "{case:?} {answer:?}");
    }
    assert_ne!(furnished.house.get("/torrents").await["torrents"], before["torrents"], "those who may, do");
    println!("{refused} requests refused by a whole daemon, {} let in", controls.len());
    assert!(refused >= 3000 && controls.len() >= 200, "{refused} {}", controls.len());
    furnished.house.close().await;
}

#[tokio::test]
async fn what_somebody_adds_who_hangs_up_is_in_the_list_and_can_be_removed() {
    let house = House::open("").await;
    for number in 1..=20 {
        let hash = format!("{number:040x}");
        let request = house
            .request("POST", "/api/v1/torrents")
            .header("Content-Type", "application/json")
            .body(json!({"magnet": format!("magnet:?xt=urn:btih:{hash}")}).to_string());
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(&request.to_bytes()).await.unwrap();
        drop(stream);
        let path = format!("/torrents/{hash}");
        house.until("/torrents", |list| list["torrents"][0]["hash"] == hash.as_str()).await;
        assert_eq!(house.tell("DELETE", &path, Value::Null).await.status, 204);
        house.until("/torrents", |list| list["torrents"] == json!([])).await;
    }
    house.close().await;
}
