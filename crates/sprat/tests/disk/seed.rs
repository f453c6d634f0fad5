//! Somebody who has everything.

use std::path::Path;
use std::sync::Arc;

use crate::oracle::Torrent;
use crate::sprat::{NETWORK, PATIENCE, Sprat};

/// A torrent and its seed, which stays until this is dropped.
pub(crate) struct Seed {
    pub(crate) torrent: Arc<Torrent>,
    pub(crate) port: u16,
    _sprat: Sprat,
}

impl Seed {
    pub(crate) fn start(home: &Path, torrent: Torrent) -> Self {
        let state = home.join(format!("seed-{}", torrent.metainfo.info.name));
        let mut arguments = vec!["share".to_owned()];
        arguments.push(torrent.content.to_str().unwrap().to_owned());
        arguments.extend(["--torrent".to_owned(), torrent.path.to_str().unwrap().to_owned()]);
        arguments.extend(["--state-dir".to_owned(), state.to_str().unwrap().to_owned()]);
        arguments.extend(NETWORK.map(str::to_owned));
        let mut sprat = Sprat::start(home, &arguments);
        let port = sprat.port().unwrap();
        sprat.wait_for_event("finished", PATIENCE).unwrap();
        Self { torrent: Arc::new(torrent), port, _sprat: sprat }
    }

    /// As an argument.
    pub(crate) fn address(&self) -> [String; 2] {
        ["--peer".to_owned(), format!("127.0.0.1:{}", self.port)]
    }
}
