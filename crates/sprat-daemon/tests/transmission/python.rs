//! What Sonarr, Radarr, Flood, cross-seed and autobrr ask for, by the Python module transmission-rpc.

use std::path::Path;

use sprat_daemon::torrents::{SeedingLimit, State};

use crate::house::House;
use crate::service_under_test::album::Album;
use crate::service_under_test::clients::{python_with, run, skip};
use crate::service_under_test::{until, until_one};

#[tokio::test]
async fn python_transmission_rpc_does_what_downloaders_do() {
    let Some(python) = python_with("transmission_rpc") else {
        return skip("the Python module transmission-rpc");
    };
    let (album, house) = (Album::new().await, House::new().await);
    let file = house.place.home.path().join("album.torrent");
    std::fs::write(&file, &album.file).unwrap();
    let takes = async |step: &str| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transmission/python_client.py");
        let port = house.address.port().to_string();
        let downloads = house.place.downloads().display().to_string();
        let arguments = [script, step, &port, &file.display().to_string(), &album.hash, &downloads];
        let output = run(python.clone(), arguments.map(str::to_owned).into()).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{step}: {said}");
    };
    takes("add").await;
    let one = house.one(&album.hash);
    assert_eq!(one.state, State::Stopped);
    assert_eq!(one.tags.iter().map(String::as_str).collect::<Vec<_>>(), ["tv-sonarr"]);
    assert_eq!(Path::new(&one.directory), house.place.downloads().join("sonarr"));

    takes("change").await;
    let one = house.one(&album.hash);
    assert_eq!(one.seeding.ratio, SeedingLimit::Limit(1.25));
    assert_eq!(one.seeding.idle_seconds, SeedingLimit::Limit(600));
    assert_eq!((one.download_limit, one.upload_limit), (None, Some(40_000)));
    assert!(one.tags.contains("done"), "{:?}", one.tags);

    takes("start").await;
    album.introduce(&house.service).await;
    until_one(&house.service, &album.hash, |one| one.is_complete && one.state == State::Seeding).await;
    takes("complete").await;
    takes("session").await;
    assert_eq!(house.service.choices().limits.upload, Some(200_000));
    takes("remove").await;
    until(&house.service, |snapshot| snapshot.lines().is_empty()).await;
    assert!(!house.place.downloads().join("sonarr/album/one.flac").exists());
    house.service.stop().await;
    album.seeder.stop().await;
}
