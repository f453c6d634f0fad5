//! Bringing the files of a torrent elsewhere, and giving them other names.

use std::path::{Path, PathBuf};

use sprat_core::storage::TorrentId;
use sprat_engine::client::{Ended, RelocateError};
use sprat_engine::storage::Place;
use thiserror::Error;
use tokio::sync::OwnedMutexGuard;

use super::keeping::LOOK_EVERY;
use super::{HappeningKind, Service, Torrent, hold};

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
        // The user knows better.
        self.note(&[torrent], |record| record.destination = None);
        self.keep_records().await;
        let place = Place { directory, ..listing.place };
        let service = self.clone();
        tokio::spawn(async move {
            if let Ok(result) = service.relocate(torrent, place.clone(), is_there).await {
                service.end_move(torrent, &place.directory, result);
            }
        });
        Ok(())
    }

    /// Gives a file another path below its directory, `/` between its parts.
    pub async fn rename_file(&self, torrent: TorrentId, file: usize, path: String) -> Result<(), MoveError> {
        let _alone = self.placing(torrent)?;
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
        let _alone = self.placing(torrent)?;
        let listing = self.0.client.listing(torrent).await?.ok_or(MoveError::Unknown)?;
        let nothing = || MoveError::Path(path.to_owned());
        let metainfo = self.metainfo(torrent).await.ok_or_else(nothing)?;
        let renamed = path.rsplit_once('/').map_or(name.to_owned(), |(above, _)| format!("{above}/{name}"));
        let mut place = listing.place;
        let files = metainfo.info.files.iter().enumerate().filter(|(_, file)| file.is_on_disk());
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
        self.look().await?;
        self.keep_records().await;
        Ok(())
    }

    /// As long as this is held, nobody else gives its files other names. Whoever comes meanwhile is told so, as by the engine: a disk
    /// may hang.
    pub(super) fn placing(&self, torrent: TorrentId) -> Result<OwnedMutexGuard<()>, MoveError> {
        let lock = hold(&self.0.known).torrents.get(&torrent).map(|one| one.placing.clone());
        lock.ok_or(MoveError::Unknown)?.try_lock_owned().map_err(|_| RelocateError::Busy.into())
    }

    /// What is complete is brought to where it is to stay, and [`HappeningKind::Finished`] is told then; also if it cannot be brought
    /// there. While it is moved already, or about to be laid out, it is waited for.
    pub(super) fn bring_home(&self, torrent: TorrentId) {
        let service = self.clone();
        tokio::spawn(async move {
            loop {
                let Ok(Some(listing)) = service.0.client.listing(torrent).await else { return };
                if hold(&service.0.known).torrents.get(&torrent).is_some_and(Torrent::awaits_layout) {
                    tokio::time::sleep(LOOK_EVERY).await;
                    continue;
                }
                let home = hold(&service.0.known).record(torrent).and_then(|one| one.destination.clone());
                // The user has said otherwise meanwhile.
                let Some(directory) = home else { break };
                let place = Place { directory, ..listing.place };
                match service.relocate(torrent, place.clone(), false).await {
                    Ok(Err(RelocateError::Busy)) => tokio::time::sleep(LOOK_EVERY).await,
                    Ok(Err(RelocateError::Interrupted)) | Err(Ended) => return,
                    Ok(result) => {
                        service.end_move(torrent, &place.directory, result);
                        break;
                    }
                }
            }
            service.tell_finished(torrent);
        });
    }

    /// Waits for a move that the engine goes on with since the last run, and tells when it is done.
    pub(super) fn follow_move(&self, torrent: TorrentId) {
        let service = self.clone();
        tokio::spawn(async move {
            while let Ok(Some(listing)) = service.0.client.listing(torrent).await {
                if listing.relocating.is_none() {
                    let _ = service.read_facts(torrent).await;
                    service.end_move(torrent, &listing.place.directory, Ok(()));
                    return;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
    }

    /// Has the files of a torrent elsewhere, and shows it meanwhile as moving.
    async fn relocate(
        &self,
        torrent: TorrentId,
        place: Place,
        is_there: bool,
    ) -> Result<Result<(), RelocateError>, Ended> {
        let moving = async {
            if is_there {
                self.0.client.locate(torrent, place).await
            } else {
                self.0.client.relocate(torrent, place).await
            }
        };
        let mut moving = std::pin::pin!(moving);
        // It is shown as moving as soon as it is.
        let result = tokio::select! {
            biased;
            result = &mut moving => result,
            () = tokio::task::yield_now() => {
                let _ = self.read_facts(torrent).await;
                self.0.nudge.notify_one();
                moving.await
            }
        };
        let _ = self.read_facts(torrent).await;
        result
    }

    /// A move is done, or it stays where it was: where it was to go is tried again by nobody but the user.
    fn end_move(&self, torrent: TorrentId, directory: &Path, result: Result<(), RelocateError>) {
        // The next start goes on.
        if result == Err(RelocateError::Interrupted) {
            return;
        }
        self.note(&[torrent], |record| record.destination = None);
        self.0.nudge.notify_one();
        let kind = match result {
            Ok(()) => HappeningKind::Moved { directory: directory.display().to_string() },
            Err(error) => HappeningKind::MoveFailed { reason: error.to_string() },
        };
        self.tell_of(torrent, kind);
    }
}
