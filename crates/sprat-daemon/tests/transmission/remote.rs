//! `transmission-remote` of Debian, which speaks the old dialect: every group of its options.

use std::path::PathBuf;

use sprat_daemon::service::Priority;
use sprat_daemon::torrents::{SeedingLimit, State};

use crate::house::House;
use crate::service_under_test::album::Album;
use crate::service_under_test::clients::{run, skip};
use crate::service_under_test::{until, until_one};

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join("transmission-remote"))
        .find(|file| file.is_file())
}

/// A user at a terminal.
struct User<'a> {
    house: &'a House,
    program: PathBuf,
}

impl User<'_> {
    /// What it says to these options, which have blanks between.
    async fn types(&self, options: &str) -> String {
        self.says(&options.split(' ').map(str::to_owned).collect::<Vec<_>>()).await
    }

    async fn says(&self, options: &[String]) -> String {
        let server = vec![format!("127.0.0.1:{}", self.house.address.port())];
        let output = run(self.program.clone(), [server, options.to_vec()].concat()).await;
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// It is done.
    async fn does(&self, options: &str) {
        let said = self.types(options).await;
        assert!(said.contains("success"), "{options}: {said}");
    }

    /// It is refused.
    async fn may_not(&self, options: &str, reason: &str) {
        let said = self.types(options).await;
        assert!(said.contains(reason) && !said.contains("success"), "{options}: {said}");
    }

    /// It is told all of this.
    async fn sees(&self, options: &str, expected: &[&str]) {
        let said = self.types(options).await;
        for expected in expected {
            assert!(said.contains(expected), "{options}: there is no {expected:?} in {said}");
        }
    }
}

#[tokio::test]
async fn transmission_remote_adds_shows_and_changes_torrents() {
    let Some(program) = program() else { return skip("transmission-remote") };
    let (album, house) = (Album::new().await, House::new().await);
    let user = User { house: &house, program };
    let file = house.place.home.path().join("album.torrent");
    std::fs::write(&file, &album.file).unwrap();
    let (file, hash) = (file.display(), &album.hash);

    user.does(&format!("-a {file} -S")).await;
    assert_eq!(house.one(hash).state, State::Stopped);
    user.sees("-l", &["album", "Stopped", "0%"]).await;
    user.sees("-t 1 -i", &["Name: album", hash, "State: Stopped", "Total size: ", "Piece Size: 16.00 KiB"])
        .await;
    user.sees("-t 1 -if", &["album (3 files):", "album/one.flac", "album/notes/read me.txt", "Normal"]).await;

    let priorities = async || {
        let files = house.service.files(house.service.find(hash).unwrap()).await.unwrap();
        files.iter().map(|file| file.priority).collect::<Vec<_>>()
    };
    user.does("-t 1 -G 0,2").await;
    assert_eq!(priorities().await, [Priority::Skip, Priority::Normal, Priority::Skip]);
    user.does("-t 1 -g all -ph 1").await;
    user.does("-t 1 -pl 2").await;
    assert_eq!(priorities().await, [Priority::Normal, Priority::High, Priority::Low]);
    user.sees("-t 1 -if", &["High", "Low"]).await;
    user.does("-t 1 -pn all").await;
    assert_eq!(priorities().await, [Priority::Normal; 3]);

    user.does("-t 1 -d 50 -u 20").await;
    let one = house.one(hash);
    assert_eq!((one.download_limit, one.upload_limit), (Some(50_000), Some(20_000)));
    user.sees("-t 1 -i", &["Download Limit: 50 kB/s", "Upload Limit: 20 kB/s"]).await;
    user.does("-t 1 -U").await;
    assert_eq!(house.one(hash).upload_limit, None);
    for (options, ratio) in [
        ("-sr 1.5", SeedingLimit::Limit(1.5)),
        ("-SR", SeedingLimit::Unlimited),
        ("--seedratio-default", SeedingLimit::Inherit),
    ] {
        user.does(&format!("-t 1 {options}")).await;
        assert_eq!(house.one(hash).seeding.ratio, ratio, "{options}");
    }
    user.does("-t 1 -L linux,iso").await;
    assert_eq!(house.one(hash).tags, ["iso", "linux"].map(str::to_owned).into());
    user.sees("-t 1 -i", &["Labels: iso, linux"]).await;

    user.does("-t 1 -td http://127.0.0.1:9/announce").await;
    user.sees("-t 1 -it", &["Tracker 0: ", "127.0.0.1:9"]).await;
    user.does("-t 1 -tr 0").await;
    assert!(house.service.trackers(house.service.find(hash).unwrap()).await.unwrap().is_empty());
    user.may_not("-t 1 -Bh", "bandwidthPriority").await;
    user.does("-t 1 -hl -pr 7").await;
    assert_eq!(house.one(hash).connection_limit, Some(7));
    user.sees("-t 1 -i", &["Peer limit: 7"]).await;

    user.does("-t 1 -s").await;
    assert_ne!(house.one(hash).state, State::Stopped);
    album.introduce(&house.service).await;
    until_one(&house.service, hash, |one| one.peers > 0).await;
    user.sees("-t 1 -ip", &["127.0.0.1"]).await;
    user.does("-t 1 -D").await;
    assert_eq!(house.one(hash).download_limit, None);
    until_one(&house.service, hash, |one| one.is_complete && one.state == State::Seeding).await;
    user.sees("-l", &["100%", "Done", "album"]).await;
    user.sees("-t 1 -ic", &["11111"]).await;
    user.does("-t 1 --reannounce").await;
    user.does("-t 1 -v").await;
    until_one(&house.service, hash, |one| one.state == State::Seeding && one.have == one.size).await;
    user.does("-t 1 -S").await;
    assert_eq!(house.one(hash).state, State::Stopped);
    user.does("-t all -s").await;

    let moved = house.place.downloads().join("moved");
    user.does(&format!("-t 1 --move {}", moved.display())).await;
    until_one(&house.service, hash, |one| one.state == State::Seeding && one.directory.ends_with("moved"))
        .await;
    assert!(moved.join("album/one.flac").exists());
    user.may_not("-t 1 --move /etc", "not below").await;
    user.does(&format!("-t 1 --find {}", moved.display())).await;

    user.does("-t 1 -r").await;
    until(&house.service, |snapshot| snapshot.lines().is_empty()).await;
    assert!(moved.join("album/one.flac").exists());
    user.may_not("-a http://127.0.0.1:9/x.torrent", "nothing is fetched").await;
    house.service.stop().await;
    album.seeder.stop().await;
}

#[tokio::test]
async fn transmission_remote_removes_what_it_has_fetched() {
    let Some(program) = program() else { return skip("transmission-remote") };
    let (album, house) = (Album::new().await, House::new().await);
    let user = User { house: &house, program };
    let file = house.place.home.path().join("album.torrent");
    std::fs::write(&file, &album.file).unwrap();
    let other = house.place.downloads().join("other");
    user.does(&format!("-a {} -w {}", file.display(), other.display())).await;
    album.introduce(&house.service).await;
    until_one(&house.service, &album.hash, |one| one.is_complete && one.left == 0).await;
    assert!(other.join("album/one.flac").exists());
    user.does(&format!("-t {} --remove-and-delete", album.hash)).await;
    until(&house.service, |snapshot| snapshot.lines().is_empty()).await;
    assert!(!other.join("album").exists());
    house.service.stop().await;
    album.seeder.stop().await;
}

#[tokio::test]
async fn transmission_remote_changes_the_daemon() {
    let Some(program) = program() else { return skip("transmission-remote") };
    let house = House::new().await;
    let user = User { house: &house, program };
    let downloads = house.place.downloads().display().to_string();
    user.sees(
        "-si",
        &[
            "Daemon version: 4.1.1 (sprat",
            "RPC version: 19",
            "Encryption: tolerated",
            "Distributed hash table enabled: No",
            &downloads,
        ],
    )
    .await;

    user.does("-d 500 -u 80").await;
    assert_eq!(house.service.choices().limits_now().download, Some(500_000));
    user.does("-asd 30 -asu 10 -as").await;
    let choices = house.service.choices();
    assert_eq!((choices.limits_now().download, choices.limits_now().upload), (Some(30_000), Some(10_000)));
    user.sees("-si", &["30 kB/s"]).await;
    user.does("-AS -D").await;
    let choices = house.service.choices();
    assert_eq!((choices.limits_now().download, choices.limits_now().upload), (None, Some(80_000)));
    user.does("-gsr 2.5").await;
    assert_eq!(house.service.choices().seeding.limits.ratio, SeedingLimit::Limit(2.5));
    user.sees("-si", &["2.5"]).await;
    user.does("-GSR").await;
    assert_eq!(house.service.choices().seeding.limits.ratio, SeedingLimit::Unlimited);

    let incomplete = house.place.downloads().join("half");
    user.does(&format!("-c {}", incomplete.display())).await;
    assert_eq!(house.service.choices().incomplete, Some(incomplete));
    user.does("-C").await;
    assert_eq!(house.service.choices().incomplete, None);
    user.does(&format!("-w {downloads}/new")).await;
    assert!(house.service.choices().downloads.ends_with("new"));

    user.may_not("-er", "encryption").await;
    user.does("-et").await;
    user.may_not("-m", "port-forwarding-enabled").await;
    user.may_not("-pt", "server outside").await;
    user.may_not("--blocklist-update", "no blocklist").await;
    user.sees("-st", &["CURRENT SESSION", "TOTAL", "Started 1 times"]).await;
    house.service.stop().await;
}
