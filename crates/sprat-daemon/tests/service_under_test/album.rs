//! Something to share.

use std::path::PathBuf;

use bytes::Bytes;
use sprat_daemon::Service;
use sprat_daemon::service::{NewTorrent, Source};
use sprat_daemon::torrents::State;

use super::{Place, torrent_of, until_one};

/// Three files, and a service that has them.
pub(crate) struct Album {
    /// Its files are there as long as this is.
    place: Place,
    pub(crate) seeder: Service,
    pub(crate) file: Bytes,
    pub(crate) hash: String,
}

impl Album {
    pub(crate) async fn new() -> Self {
        let place = Place::new();
        let directory = place.downloads().join("album");
        std::fs::create_dir_all(directory.join("notes")).unwrap();
        for (name, length) in [("one.flac", 300_000), ("three.mp3", 50_000), ("notes/read me.txt", 1_000)] {
            let bytes: Vec<u8> = (0..length).map(|at: u32| (at * 7 + at / 251) as u8).collect();
            std::fs::write(directory.join(name), bytes).unwrap();
        }
        let file = torrent_of(&directory);
        let seeder = place.start().await;
        let new = NewTorrent { adopt: true, ..NewTorrent::new(Source::File(file.clone())) };
        let hash = seeder.add(new).await.unwrap().hash;
        until_one(&seeder, &hash, |one| one.state == State::Seeding && one.left == 0).await;
        Self { place, seeder, file, hash }
    }

    /// Where its files are.
    pub(crate) fn directory(&self) -> PathBuf {
        self.place.downloads().join("album")
    }

    /// Has another service know of the seeder.
    pub(crate) async fn introduce(&self, service: &Service) {
        let torrent = service.find(&self.hash).unwrap();
        let address = format!("127.0.0.1:{}", self.seeder.client().port()).parse().unwrap();
        let add = move |session: &mut sprat_core::Session, now| session.add_peers(now, torrent, &[address]);
        service.client().with(add).await.unwrap();
    }
}
