//! A torrent with what it should hold, a second one of the same files, and somebody who has everything.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use sprat_engine::create::{CreateOptions, create};
use sprat_engine::storage::Place;
use sprat_wire::metainfo::build::Description;
use sprat_wire::metainfo::{Metainfo, Version};

use crate::client_under_test::{Node, config};

const FILES: [(&str, usize); 7] = [
    ("a first", 40_123),
    ("empty", 0),
    ("sub/b", 50_000),
    ("sub/deep/nothing", 0),
    ("sub/deep/tiny", 3),
    ("sub/small", 17_000),
    ("z", 30_001),
];

/// A file of the torrent.
pub(crate) struct Expected {
    /// In the info dictionary.
    pub(crate) number: usize,
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Sample {
    pub(crate) metainfo: Arc<Metainfo>,
    /// The same files cut in another way.
    pub(crate) second: Arc<Metainfo>,
    pub(crate) files: Vec<Expected>,
    seed: Node,
}

impl Sample {
    pub(crate) async fn new(home: &Path, version: Version) -> Self {
        let home = home.join(format!("{version:?}"));
        let mut random = fastrand::Rng::with_seed(7);
        for (path, length) in FILES {
            let path = home.join("t").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut bytes = vec![0; length];
            random.fill(&mut bytes);
            fs::write(path, bytes).unwrap();
        }
        let torrent = |piece_length| {
            let options = CreateOptions {
                path: home.join("t"),
                version,
                piece_length: Some(piece_length),
                threads: Some(1),
                description: Description::default(),
            };
            Arc::new(create(&options, &|_, _| {}).unwrap().metainfo)
        };
        let (metainfo, second) = (torrent(16 * 1024), torrent(32 * 1024));
        let files = metainfo.info.files.iter().enumerate();
        let files = files
            .filter(|(_, file)| !file.attributes.pad)
            .map(|(number, file)| Expected {
                number,
                path: file.path.clone(),
                bytes: fs::read(home.join(&file.path)).unwrap(),
            })
            .collect();
        let seed = Node::that_has(config(5), Arc::clone(&metainfo), home).await;
        Self { metainfo, second, files, seed }
    }

    pub(crate) fn seed(&self) -> SocketAddr {
        self.seed.address()
    }

    /// Below the directory of a place.
    pub(crate) fn path<'a>(&'a self, place: &'a Place, file: &'a Expected) -> &'a str {
        place.names.get(&file.number).map_or(file.path.as_str(), String::as_str)
    }
}
