//! What Sonarr, Radarr, cross-seed, Flood and autobrr ask for and do, by the Python module qbittorrent-api.

use std::path::{Path, PathBuf};

use sprat_daemon::torrents::{SeedingLimit, State};

use crate::house::House;
use crate::service_under_test::album::Album;
use crate::service_under_test::clients::{python_with, run, skip};
use crate::service_under_test::{until, until_one};

/// A program that takes one step after the other, each in a process of its own.
struct Program<'a> {
    python: PathBuf,
    house: &'a House,
    album: &'a Album,
}

impl Program<'_> {
    async fn takes(&self, step: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qbittorrent/python_client.py");
        let file = self.house.place.home.path().join("album.torrent");
        std::fs::write(&file, &self.album.file).unwrap();
        let port = self.house.address.port().to_string();
        let (file, downloads) =
            (file.display().to_string(), self.house.place.downloads().display().to_string());
        let arguments = [script, step, &port, &self.house.token, &file, &self.album.hash, &downloads];
        let output = run(self.python.clone(), arguments.map(str::to_owned).into()).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{step}: {said}");
    }

    async fn becomes_complete(&self) {
        self.album.introduce(&self.house.service).await;
        let is_it = |one: &sprat_daemon::torrents::Summary| one.is_complete && one.state == State::Seeding;
        until_one(&self.house.service, &self.album.hash, is_it).await;
    }

    async fn is_gone(&self) {
        until(&self.house.service, |snapshot| snapshot.lines().is_empty()).await;
    }
}

#[tokio::test]
async fn python_qbittorrent_api_does_what_sonarr_and_radarr_do() {
    let Some(python) = python_with("qbittorrentapi") else {
        return skip("the Python module qbittorrent-api");
    };
    let (album, house) = (Album::new().await, House::new().await);
    let program = Program { python, house: &house, album: &album };
    program.takes("sonarr_tests_the_connection").await;
    assert_eq!(house.service.labels().labels["tv-sonarr"].directory.as_deref(), Some(Path::new("shows")));

    program.takes("sonarr_grabs").await;
    let one = house.one(&album.hash);
    assert_eq!((one.state, one.label.as_deref()), (State::Stopped, Some("tv-sonarr")));
    assert_eq!(one.seeding.ratio, SeedingLimit::Limit(1.25));
    assert_eq!(one.seeding.seconds, SeedingLimit::Limit(7200));
    assert_eq!(Path::new(&one.directory), house.place.downloads().join("shows"));

    program.takes("sonarr_starts").await;
    program.becomes_complete().await;
    program.takes("sonarr_imports").await;
    assert_eq!(house.one(&album.hash).label.as_deref(), Some("imported"));
    program.takes("sonarr_removes").await;
    program.is_gone().await;
    assert!(!house.place.downloads().join("shows/album/one.flac").exists());
    house.service.stop().await;
    album.seeder.stop().await;
}

#[tokio::test]
async fn python_qbittorrent_api_does_what_cross_seed_does() {
    let Some(python) = python_with("qbittorrentapi") else {
        return skip("the Python module qbittorrent-api");
    };
    let (album, house) = (Album::new().await, House::new().await);
    let program = Program { python, house: &house, album: &album };
    program.takes("autobrr_pushes").await;
    let one = house.one(&album.hash);
    assert_eq!((one.download_limit, one.upload_limit), (Some(900_000), Some(400_000)));
    program.becomes_complete().await;
    program.takes("cross_seed_looks_and_lets_go").await;
    program.is_gone().await;
    assert!(house.place.downloads().join("album/one.flac").exists());

    program.takes("cross_seed_injects_and_rechecks").await;
    until_one(&house.service, &album.hash, |one| one.is_complete && one.state == State::Stopped).await;
    program.takes("cross_seed_resumes").await;
    let one = until_one(&house.service, &album.hash, |one| one.state == State::Seeding).await;
    assert_eq!(one.downloaded, 0, "it was there");
    house.service.stop().await;
    album.seeder.stop().await;
}

#[tokio::test]
async fn python_qbittorrent_api_does_what_flood_does() {
    let Some(python) = python_with("qbittorrentapi") else {
        return skip("the Python module qbittorrent-api");
    };
    let (album, house) = (Album::new().await, House::new().await);
    let program = Program { python, house: &house, album: &album };
    program.takes("flood_adds_and_edits").await;
    assert_eq!(house.one(&album.hash).tags.iter().collect::<Vec<_>>(), ["music"]);
    program.takes("flood_starts").await;
    program.becomes_complete().await;
    program.takes("flood_shows").await;
    house.service.stop().await;
    album.seeder.stop().await;
}
