//! The page and the API of a service on this machine alone, to look at and for the tests of the page:
//!
//! ```text
//! serve --home DIR [--port N] [--token TEXT] [--synthetic N]
//! ```
//!
//! It trusts everybody on loopback as a peer or tracker. With `--synthetic` the list has so many torrents that do not exist, and
//! twenty of a hundred change each second. `--token` stands in for the daemon's own gate, which is tested elsewhere.

#![allow(clippy::print_stdout, reason = "whoever started it reads where it listens")]

use std::convert::Infallible;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::Stream;
use serde_json::{Value, json};
use sprat_core::config::Config;
use sprat_daemon::fetch::Fetcher;
use sprat_daemon::service::{Choices, Service, ServiceConfig};
use sprat_daemon::state::State as Kept;
use sprat_daemon::{api, page};
use sprat_engine::address_policy::AddressPolicy;
use sprat_engine::client::ClientConfig;
use sprat_engine::http::{HttpClient, HttpConfig};
use sprat_engine::listen::ListenConfig;
use sprat_engine::storage::StorageConfig;
use sprat_engine::udp::UdpConfig;
use sprat_engine::uplink::Uplink;

/// What is asked of it.
#[derive(Default)]
struct Wishes {
    home: Option<PathBuf>,
    port: u16,
    token: Option<String>,
    synthetic: Option<u64>,
}

impl Wishes {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut wishes = Self::default();
        while let Some(word) = words.next() {
            let value = words.next().ok_or("a value is missing")?;
            match word.as_str() {
                "--home" => wishes.home = Some(value.into()),
                "--port" => wishes.port = value.parse()?,
                "--token" => wishes.token = Some(value),
                "--synthetic" => wishes.synthetic = Some(value.parse()?),
                _ => return Err(format!("{word} is unknown").into()),
            }
        }
        Ok(wishes)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let wishes = Wishes::read(std::env::args().skip(1))?;
    let home = wishes.home.ok_or("--home is needed")?;
    let service = Service::start(config(&home)?).await?;
    let mut interface = Router::new().nest("/api/v1", api::of_service(service.clone(), fetcher()));
    if let Some(count) = wishes.synthetic {
        let events = get(synthetic).with_state(count);
        interface = Router::new().route("/api/v1/events", events).fallback_service(interface);
    }
    if let Some(token) = wishes.token {
        interface = with_token(interface, &token);
    }
    // `merge` wants one fallback only.
    let everything = page::router().fallback_service(interface);
    let listener =
        tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, wishes.port))).await?;
    println!("http://{}/", listener.local_addr()?);
    let ended = async || {
        let _ = tokio::signal::ctrl_c().await;
    };
    tokio::select! {
        served = async { axum::serve(listener, everything).await } => served?,
        () = ended() => {}
    }
    service.stop().await;
    Ok(())
}

fn config(home: &std::path::Path) -> std::io::Result<ServiceConfig> {
    let downloads = home.join("downloads");
    std::fs::create_dir_all(&downloads)?;
    let mut session = Config::default();
    session.peer_list.allow_low_ports = true;
    session.peer_list.trust_private = true;
    Ok(ServiceConfig {
        client: ClientConfig {
            session,
            listen: Some(ListenConfig::loopback(0..=0)),
            storage: StorageConfig::default(),
            policy: Arc::new(AddressPolicy::permissive()),
            uplink: Uplink::any(),
            udp: UdpConfig::loopback(0),
            dht: None,
            lsd: false,
            home: None,
            seed: None,
        },
        state: Kept::open(&home.join("state")).map_err(std::io::Error::other)?,
        choices: Choices::below(downloads),
    })
}

fn fetcher() -> Fetcher {
    Fetcher::new(HttpClient::new(HttpConfig::new(Arc::new(AddressPolicy::permissive()))))
}

/// One token, and a cookie that is the token.
fn with_token(interface: Router, token: &str) -> Router {
    let cookie = format!("sprat_session={token}");
    let expected = token.to_owned();
    let log_in = async move |Json(body): Json<Value>| -> Response {
        if body.get("token").and_then(Value::as_str) == Some(&expected) {
            let cookie = format!("sprat_session={expected}; Path=/; HttpOnly; SameSite=Strict");
            return (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response();
        }
        refusal("the token is wrong or has been revoked")
    };
    let log_out = async || {
        (StatusCode::NO_CONTENT, [(header::SET_COOKIE, "sprat_session=; Path=/; Max-Age=0; HttpOnly")])
    };
    let guarded = interface.layer(from_fn(move |headers: HeaderMap, request: Request, next: Next| {
        let cookies = headers.get(header::COOKIE).and_then(|list| list.to_str().ok()).unwrap_or_default();
        let is_known = cookies.split("; ").any(|one| one == cookie);
        async move { if is_known { next.run(request).await } else { refusal("a token is needed") } }
    }));
    Router::new().route("/api/v1/session", post(log_in).delete(log_out)).fallback_service(guarded)
}

fn refusal(message: &str) -> Response {
    (StatusCode::UNAUTHORIZED, Json(json!({ "error": "token", "message": message }))).into_response()
}

/// A list that nobody has, which changes each second.
async fn synthetic(State(count): State<u64>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stream = futures_util::stream::unfold((count, 0_u64), async |(count, tick)| {
        if tick > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let torrents = (0..count).filter(|number| tick == 0 || (number + tick).is_multiple_of(5));
        let page = json!({
            "cursor": format!("1-{tick:x}"),
            "full": tick == 0,
            "gone": [],
            "torrents": torrents.map(|number| line(number, tick)).collect::<Vec<_>>(),
        });
        let event = Event::default().event("torrents").data(page.to_string());
        Some((Ok(event), (count, tick + 1)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

fn line(number: u64, tick: u64) -> Value {
    const WORDS: [&str; 12] = [
        "Atlas",
        "of",
        "Northern",
        "Birds",
        "Field",
        "Recordings",
        "Volume",
        "Lecture",
        "Archive",
        "Night",
        "River",
        "Maps",
    ];
    let word = |shift: u64| {
        let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(shift as u32);
        WORDS.get((mixed % 12) as usize).copied().unwrap_or_default()
    };
    let states = ["seeding", "seeding", "seeding", "downloading", "stopped", "queued", "checking", "seeding"];
    let state = states.get((number % 8) as usize).copied().unwrap_or_default();
    let size = (number % 977 + 1) * 7_340_033;
    let progress = if state == "seeding" { 1000 } else { (number * 37 + tick) % 1000 };
    let rate = if state == "downloading" { (number * 977 + tick * 131_071) % 4_000_000 } else { 0 };
    json!({
        "hash": format!("{number:040x}"),
        "name": format!("{} {} {} {number}", word(7), word(19), word(31)),
        "state": state,
        "progress": progress,
        "size": size,
        "wanted": size,
        "left": size - size / 1000 * progress,
        "downloaded": size / 1000 * progress,
        "uploaded": size / 7 * (number % 13),
        "ratio": (number % 13) as f64 / 7.0,
        "download_rate": rate,
        "upload_rate": if state == "seeding" { (number * 31 + tick * 4099) % 900_000 } else { 0 },
        "eta": (rate > 0).then(|| size / rate.max(1)),
        "peers": number % 40,
        "seeds": number % 17,
        "known_peers": number % 90,
        "label": number.is_multiple_of(3).then(|| ["music", "films", "books", "data"][(number % 4) as usize]),
        "tags": [],
        "directory": "/srv/torrents",
        "added_at": 1_790_000_000 - number * 3600,
        "position": number,
        "is_forced": false,
        "is_complete": state == "seeding",
        "is_private": number.is_multiple_of(11),
        "has_metadata": true,
        "sequential": false,
        "origin": "api",
    })
}
