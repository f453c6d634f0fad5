//! Bringing the files of a torrent elsewhere, and giving them other names.

use std::path::PathBuf;

use sprat_core::storage::TorrentId;
use sprat_engine::client::{Ended, RelocateError};
use sprat_engine::storage::Place;
use thiserror::Error;

use super::{HappeningKind, Service, hold};

/// Why files were not moved.
#[derive(Debug, Error)]
pub enum MoveError {
    /// There is no such torrent.
    #[error("there is no such torrent")]
    Unknown,
    /// Files may not lie there.
    #[error("{} is not below a directory that torrents may lie in", .0.display())]
    Directory(PathBuf),
    /// Nothing of the torrent lies there, or it is not known yet what does.
    #[error("the torrent has nothing at {0:?}")]
    Path(String),
    /// Not one name.
    #[error("{0:?} cannot be the name of a file or a directory")]
    Name(String),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] RelocateError),
    /// The client has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl Service {
    /// Has the files of a torrent lie elsewhere, and returns when that has been begun; [`HappeningKind::Moved`] comes when it is done.
    /// With `is_there` somebody else has put them there.
    pub async fn begin_move(
        &self,
        torrent: TorrentId,
        directory: PathBuf,
        is_there: bool,
    ) -> Result<(), MoveError> {
        if !self.choices().allows(&directory) {
            return Err(MoveError::Directory(directory));
        }
        let listing = self.0.client.listing(torrent).await?.ok_or(MoveError::Unknown)?;
        if let Some(record) = hold(&self.0.known).record(torrent) {
            // The user knows better.
            record.destination = None;
        }
        self.spawn_move(torrent, Place { directory, ..listing.place }, is_there);
        Ok(())
    }

    /// Gives a file another path below its directory, `/` between its parts.
    pub async fn rename_file(&self, torrent: TorrentId, file: usize, path: String) -> Result<(), MoveError> {
        let listing = self.0.client.listing(torrent).await?.ok_or(MoveError::Unknown)?;
        let mut place = listing.place;
        place.names.insert(file, path);
        self.0.client.relocate(torrent, place).await??;
        self.read_facts(torrent).await?;
        self.0.nudge.notify_one();
        Ok(())
    }

    /// Gives a file or a directory of a torrent another name; what it is all in gives it to the torrent as well.
    pub async fn rename_path(&self, torrent: TorrentId, path: &str, name: &str) -> Result<(), MoveError> {
        if name.is_empty() || name.contains('/') {
            return Err(MoveError::Name(name.to_owned()));
        }
        let listing = self.0.client.listing(torrent).await?.ok_or(MoveError::Unknown)?;
        let nothing = || MoveError::Path(path.to_owned());
        let metainfo = self.metainfo(torrent).await.ok_or_else(nothing)?;
        let renamed = path.rsplit_once('/').map_or(name.to_owned(), |(above, _)| format!("{above}/{name}"));
        let mut place = listing.place;
        let files = metainfo.info.files.iter().enumerate().filter(|(_, file)| !file.attributes.pad);
        let changed: Vec<(usize, String)> = files
            .filter_map(|(index, file)| {
                let below = place.names.get(&index).unwrap_or(&file.path).strip_prefix(path)?;
                (below.is_empty() || below.starts_with('/')).then(|| (index, format!("{renamed}{below}")))
            })
            .collect();
        if changed.is_empty() {
            return Err(nothing());
        }
        place.names.extend(changed);
        self.0.client.relocate(torrent, place).await??;
        if !path.contains('/') {
            self.note(&[torrent], |record| record.name = Some(name.to_owned()));
        }
        self.read_facts(torrent).await?;
        Ok(self.look().await?)
    }

    /// What is complete is brought to where it is to stay.
    pub(super) fn bring_home(&self, torrent: TorrentId) {
        let destination = hold(&self.0.known).record(torrent).and_then(|record| record.destination.clone());
        let Some(directory) = destination else { return };
        let service = self.clone();
        tokio::spawn(async move {
            if let Ok(Some(listing)) = service.0.client.listing(torrent).await {
                service.spawn_move(torrent, Place { directory, ..listing.place }, false);
            }
        });
    }

    fn spawn_move(&self, torrent: TorrentId, place: Place, is_there: bool) {
        let service = self.clone();
        tokio::spawn(async move {
            let directory = place.directory.display().to_string();
            let moving = async {
                if is_there {
                    service.0.client.locate(torrent, place).await
                } else {
                    service.0.client.relocate(torrent, place).await
                }
            };
            let mut moving = std::pin::pin!(moving);
            // It is shown as moving as soon as it is.
            let result = tokio::select! {
                biased;
                result = &mut moving => result,
                () = tokio::task::yield_now() => {
                    let _ = service.read_facts(torrent).await;
                    service.0.nudge.notify_one();
                    moving.await
                }
            };
            let Ok(result) = result else { return };
            let _ = service.read_facts(torrent).await;
            service.0.nudge.notify_one();
            match result {
                Ok(()) => {
                    service.note(&[torrent], |record| record.destination = None);
                    service.tell_of(torrent, HappeningKind::Moved { directory });
                }
                Err(error) => {
                    service.tell_of(torrent, HappeningKind::MoveFailed { reason: error.to_string() });
                }
            }
        });
    }
}
