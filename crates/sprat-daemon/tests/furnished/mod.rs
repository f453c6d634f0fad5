//! A daemon in which there is one of everything, and what each of its operations can be asked.
//!
//! Whoever has this needs the modules `daemon_under_test`, `service_under_test` and `wire` as well.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails where its set-up does")]

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::daemon_under_test::House;
use crate::service_under_test::torrent;

/// What labels, feeds and rules are called.
const NAME: &str = "1";

/// A link to a torrent that is not there.
const MAGNET: &str = "magnet:?xt=urn:btih:0123456789012345678901234567890123456789&dn=another";

/// A daemon with a torrent that is complete and stopped, a label, a feed that is paused, a rule and a token.
pub(crate) struct Furnished {
    pub(crate) house: House,
    pub(crate) hash: String,
    /// The id of a token that nobody uses.
    token: String,
    file: String,
}

impl Furnished {
    /// With more keys of `[api]`, and more sections of the configuration.
    pub(crate) async fn open(more: &str) -> Self {
        // A peer of the examples is on this machine.
        let house = House::open(&format!("{more}[addresses]\nallow_private = true\n")).await;
        let file = BASE64.encode(&torrent(&house.home.path().join("downloads"), "thing", 1, 40_000));
        let looked_into = house.tell("POST", "/torrents/inspect", json!({"file": file})).await;
        let hash = looked_into.body["hash"].as_str().unwrap().to_owned();
        let mut furnished = Self { house, hash, token: String::new(), file };
        furnished.restore().await;
        furnished
    }

    /// Puts there again what was removed.
    pub(crate) async fn restore(&mut self) {
        let there = |list: &Value, key: &str, value: &str| {
            list.as_array().into_iter().flatten().any(|one| one[key] == *value)
        };
        let list = self.house.get("/torrents").await;
        if !there(&list["torrents"], "hash", &self.hash) {
            let wish = json!({"file": self.file, "stopped": true, "adopt": true});
            assert_eq!(self.house.tell("POST", "/torrents", wish).await.status, 201);
            let path = format!("/torrents/{}", self.hash);
            self.house.until(&path, |one| one["is_complete"] == true && one["state"] == "stopped").await;
        }
        for path in ["/labels/{name}", "/feeds/{name}", "/feed-rules/{name}"] {
            let made = self
                .house
                .tell("PUT", &path.replace("{name}", NAME), self.body_of("put", path).unwrap())
                .await;
            assert!((200..300).contains(&made.status), "{path}: {made:?}");
        }
        if !there(&self.house.get("/tokens").await, "id", &self.token) {
            self.token = self.house.make_token("of nobody", "full").await.0;
        }
    }

    /// A path of the description, with something that is there in the place of each parameter.
    pub(crate) fn path_of(&self, path: &str) -> String {
        let part = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(parameter) => self.fill(parameter),
            None => part.to_owned(),
        };
        path.split('/').map(part).collect::<Vec<_>>().join("/")
    }

    fn fill(&self, parameter: &str) -> String {
        match parameter {
            "hash" => self.hash.clone(),
            "id" => self.token.clone(),
            "index" => "0".to_owned(),
            _ => NAME.to_owned(),
        }
    }

    /// A body that an operation takes, and by which it changes something.
    pub(crate) fn body_of(&self, method: &str, path: &str) -> Option<Value> {
        let these = json!([self.hash]);
        Some(match (method, path) {
            ("post", "/torrents" | "/torrents/inspect") => json!({"magnet": MAGNET}),
            ("post", "/torrents/act") => json!({"torrents": these, "action": "force_start"}),
            ("post", "/torrents/remove") => json!({"torrents": these}),
            ("patch", "/torrents") => {
                json!({"torrents": these, "change": {"label": "many", "add_tags": ["a", "b"]}})
            }
            ("patch", "/torrents/{hash}") => {
                json!({"name": "renamed", "label": null, "upload_limit": 1000, "seeding": {"ratio": {"limit": 2.0}}})
            }
            ("patch", "/torrents/{hash}/files") => json!({"files": [0], "priority": "high"}),
            ("post", "/torrents/{hash}/peers") => json!({"addresses": ["127.0.0.1:9"]}),
            ("put", "/torrents/{hash}/trackers") => json!({"tiers": [["http://tracker.example/announce"]]}),
            ("post", "/torrents/{hash}/move") => {
                json!({"directory": self.house.home.path().join("downloads/deeper")})
            }
            ("put", "/labels/{name}") => json!({"directory": "filed"}),
            ("patch", "/settings") => json!({"limits": {"upload_rate": "1 MiB/s"}}),
            ("post", "/settings/reset") => json!({"keys": ["limits.upload_rate"]}),
            ("post", "/login") => json!({"token": self.house.token}),
            ("post", "/tokens") => json!({"name": "made", "access": "read_only"}),
            ("put", "/feeds/{name}") => json!({"url": "http://feed.example/rss", "paused": true}),
            ("put", "/feed-rules/{name}") | ("post", "/feed-rules/{name}/test") => {
                json!({"feeds": [NAME], "must_contain": "image", "episodes": "1x2-5", "add": {"tags": ["new"]}})
            }
            _ => return None,
        })
    }

    /// All that must not change unless somebody may change it.
    pub(crate) async fn state(&self) -> Value {
        let house = &self.house;
        let fields =
            "hash,name,label,tags,directory,position,sequential,is_forced,state,download_limit,upload_limit";
        let mut tokens = house.get("/tokens").await;
        for token in tokens.as_array_mut().into_iter().flatten() {
            token["last_used_at"] = Value::Null;
        }
        json!({
            "torrents": house.get(&format!("/torrents?fields={fields}")).await["torrents"],
            "details": house.get(&format!("/torrents/{}/files", self.hash)).await,
            "trackers": house.get(&format!("/torrents/{}/trackers", self.hash)).await,
            "labels": house.get("/labels").await,
            "settings": house.get("/settings").await,
            "tokens": tokens,
            "feeds": house.get("/feeds").await,
            "rules": house.get("/feed-rules").await,
        })
    }
}
