//! A daemon, and a seeder of the torrent that it is given.

use std::net::SocketAddr;

use bytes::Bytes;
use data_encoding::BASE64;
use serde_json::{Value, json};
use sprat_core::io::RateLimits;
use sprat_daemon::service::{NewTorrent, Service, Source};
use sprat_daemon::torrents::State;

use crate::daemon_under_test::House;
use crate::player::{Answer, ask};
use crate::service_under_test::{Place, torrent_of, until_one};

pub(crate) struct Theatre {
    house: House,
    seeder: Service,
    /// By which the daemon calls the torrent.
    pub(crate) hash: String,
    _place: Place,
}

impl Theatre {
    /// With these files in one torrent, of which the seeder gives so many bytes per second.
    pub(crate) async fn open(files: &[(&str, &[u8])], rate: Option<u64>) -> Self {
        Self::open_with(files, rate, &json!({})).await
    }

    /// The same, of which the daemon fetches nothing before it is told to.
    pub(crate) async fn open_stopped(files: &[(&str, &[u8])]) -> Self {
        Self::open_with(files, None, &json!({"stopped": true})).await
    }

    /// With this said besides when the torrent is added.
    async fn open_with(files: &[(&str, &[u8])], rate: Option<u64>, how: &Value) -> Self {
        let place = Place::new();
        let directory = place.downloads().join("show");
        for (name, bytes) in files {
            let path = directory.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let file = torrent_of(&directory);
        let mut config = place.config();
        config.choices.limits = RateLimits { upload: rate, download: None };
        let seeder = Service::start(config).await.unwrap();
        let new = NewTorrent { adopt: true, ..NewTorrent::new(Source::File(file.clone())) };
        let hash = seeder.add(new).await.unwrap().hash;
        until_one(&seeder, &hash, |one| one.state == State::Seeding && one.left == 0).await;

        let house = House::open("[addresses]\nallow_private = true\n").await;
        let theatre = Self { house, seeder, hash, _place: place };
        theatre.add(&file, how).await;
        theatre
    }

    async fn add(&self, file: &Bytes, how: &Value) {
        let peer = format!("127.0.0.1:{}", self.seeder.client().port());
        let mut request = json!({"file": BASE64.encode(file), "peers": [peer]});
        request.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
        let answer = self.house.tell("POST", "/torrents", request).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// Tells something to do, below `/api/v1`.
    pub(crate) async fn tell(&self, method: &str, path: &str, body: Value) {
        let answer = self.house.tell(method, path, body).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// The `Authorization` of somebody who may only look.
    pub(crate) async fn lookers_authorization(&self) -> String {
        format!("Bearer {}", self.house.make_token("television", "read_only").await.1)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.house.address
    }

    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.house.token)
    }

    /// Where the API has a file.
    pub(crate) fn content(&self, index: usize) -> String {
        format!("/api/v1/torrents/{}/files/{index}/content", self.hash)
    }

    /// With the token.
    pub(crate) async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.request("GET", target, headers).await
    }

    pub(crate) async fn request(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let token = self.authorization();
        let headers: Vec<_> = headers.iter().copied().chain([("Authorization", token.as_str())]).collect();
        ask(self.address(), method, target, &headers, "").await
    }

    /// A part of a file, as the API has it.
    pub(crate) async fn part(&self, index: usize, range: &str) -> Answer {
        let answer = self.get(&self.content(index), &[("Range", range)]).await;
        assert_eq!(answer.status, 206, "{range}");
        answer
    }

    /// What the API says of the torrent.
    pub(crate) async fn json(&self, path: &str) -> Value {
        self.house.get(&format!("/torrents/{}{path}", self.hash)).await
    }

    /// The number of a file, by its name.
    pub(crate) async fn number_of(&self, name: &str) -> usize {
        let files = self.json("/files").await;
        let file = files.as_array().unwrap().iter().find(|one| one["path"].as_str().unwrap().ends_with(name));
        usize::try_from(file.unwrap()["index"].as_u64().unwrap()).unwrap()
    }

    /// Bytes of the torrent that the daemon lacks.
    pub(crate) async fn left(&self) -> u64 {
        self.json("").await["left"].as_u64().unwrap()
    }

    pub(crate) async fn close(self) {
        self.house.close().await;
        self.seeder.stop().await;
    }
}

/// So many bytes that tell where they stand.
pub(crate) fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..length).map(|_| rng.u8(..)).collect()
}
