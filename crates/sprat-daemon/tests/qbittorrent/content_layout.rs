//! Where the files of a torrent lie that was added with another layout than its own.

use std::path::Path;

use serde_json::{Value, json};
use sprat_daemon::Service;
use sprat_daemon::service::{HappeningKind, NewTorrent, Source};
use sprat_daemon::torrents::{ContentLayout, State};

use crate::house::House;
use crate::service_under_test::album::Album;
use crate::service_under_test::{Place, next, torrent, until, until_one};

async fn paths(house: &House, hash: &str) -> Vec<String> {
    let files = house.get(&format!("torrents/files?hash={hash}")).await.json();
    let name = |file: &Value| file["name"].as_str().unwrap().to_owned();
    files.as_array().unwrap().iter().map(name).collect()
}

async fn content_path(house: &House) -> Value {
    house.get("torrents/info").await.json()[0]["content_path"].clone()
}

/// Everything below a directory.
fn there(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn stop(services: [&Service; 2]) {
    for service in services {
        service.stop().await;
    }
}

#[tokio::test]
async fn the_directory_of_a_torrent_is_left_out() {
    let (album, house) = (Album::new().await, House::new().await);
    house.add(&album.file, &[("contentLayout", "NoSubfolder")]).await;
    let downloads = house.place.downloads();
    assert_eq!(content_path(&house).await, json!(downloads));
    album.introduce(&house.service).await;
    until_one(&house.service, &album.hash, |one| one.state == State::Seeding).await;
    let mut told = paths(&house, &album.hash).await;
    told.sort();
    assert_eq!(told, ["notes/read me.txt", "one.flac", "three.mp3"]);
    assert_eq!(there(&downloads), ["notes", "one.flac", "three.mp3"]);
    house.does("torrents/delete", &[("hashes", "all"), ("deleteFiles", "true")]).await;
    until(&house.service, |snapshot| snapshot.lines().is_empty()).await;
    assert_eq!(there(&downloads), [""; 0], "but the directory of all of them is there");
    stop([&house.service, &album.seeder]).await;
}

#[tokio::test]
async fn a_single_file_is_put_into_a_directory() {
    let house = House::new().await;
    let elsewhere = house.place.home.path().join("elsewhere");
    let file = torrent(&elsewhere, "film.2024.mkv", 3, 40_000);
    house.add(&file, &[("contentLayout", "Subfolder"), ("stopped", "true")]).await;
    assert_eq!(content_path(&house).await, json!(house.place.downloads().join("film.2024")));
    let hash = house.service.snapshot().lines()[0].summary.hash.clone();
    assert_eq!(paths(&house, &hash).await, ["film.2024/film.2024.mkv"]);
    house.service.stop().await;
}

#[tokio::test]
async fn the_files_of_a_link_lie_as_wished_before_it_is_told_that_they_are_there() {
    let (album, house) = (Album::new().await, House::new().await);
    let mut happenings = house.service.happenings();
    let link = format!("magnet:?xt=urn:btih:{}", album.hash);
    house.does("torrents/add", &[("urls", &link), ("root_folder", "false")]).await;
    album.introduce(&house.service).await;
    while !matches!(next(&mut happenings).await, HappeningKind::Finished) {}
    let downloads = house.place.downloads();
    assert_eq!(there(&downloads), ["notes", "one.flac", "three.mp3"]);
    assert_eq!(content_path(&house).await, json!(downloads));
    stop([&house.service, &album.seeder]).await;
}

#[tokio::test]
async fn what_was_wished_for_a_link_outlives_a_restart() {
    let (album, place) = (Album::new().await, Place::new());
    let link = Source::Magnet(format!("magnet:?xt=urn:btih:{}", album.hash));
    let service = place.start().await;
    let new = NewTorrent { layout: ContentLayout::NoSubfolder, ..NewTorrent::new(link) };
    service.add(new).await.unwrap();
    service.stop().await;
    let service = place.start().await;
    let mut happenings = service.happenings();
    album.introduce(&service).await;
    while !matches!(next(&mut happenings).await, HappeningKind::Finished) {}
    assert_eq!(there(&place.downloads()), ["notes", "one.flac", "three.mp3"]);
    stop([&service, &album.seeder]).await;
}
