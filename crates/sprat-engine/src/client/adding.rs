//! Adding torrents: with a list, one is durable there before anything is done with it.
//!
//! Nothing is written before it is certain that the torrent is not there, nor on its way out: what an entry says of a removal or of
//! a move must not be lost to another one. Whoever asked may go at any time; what was begun is ended all the same.

use std::sync::Arc;

use sprat_core::io::{AddMagnet, AddTorrent};
use sprat_core::session;
use sprat_core::storage::TorrentId;
use sprat_wire::hash::InfoHashes;
use sprat_wire::metainfo::Metainfo;
use thiserror::Error;
use tokio::sync::oneshot;

use super::admission::Admission;
use super::driver::Driver;
use super::entry::Entry;
use crate::state::StateError;
use crate::storage::{Place, PlaceError};

/// Why a torrent was not added.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddError {
    /// It is there already, under this name.
    #[error("this torrent is there already")]
    Duplicate(TorrentId),
    /// It is just being added, or being removed: [`Event::Removed`](sprat_core::io::Event::Removed) says when that is done.
    #[error("this torrent is just being added or removed")]
    Busy,
    /// It could not be written down.
    #[error("the torrent cannot be kept: {0}")]
    State(StateError),
    /// Its files cannot have the names that they were given.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

impl From<session::AddError> for AddError {
    fn from(error: session::AddError) -> Self {
        match error {
            session::AddError::Duplicate(torrent) => Self::Duplicate(torrent),
        }
    }
}

/// What is to be added.
pub(super) enum Wish {
    Torrent(AddTorrent),
    Magnet(AddMagnet),
}

impl Wish {
    fn info_hashes(&self) -> InfoHashes {
        match self {
            Self::Torrent(add) => add.metainfo.info_hashes,
            Self::Magnet(add) => add.info_hashes,
        }
    }

    fn metainfo(&self) -> Option<Arc<Metainfo>> {
        match self {
            Self::Torrent(add) => Some(Arc::clone(&add.metainfo)),
            Self::Magnet(_) => None,
        }
    }

    fn entry(&self, admission: &Admission) -> Entry {
        match self {
            Self::Torrent(add) => Entry::of_torrent(add, admission),
            Self::Magnet(add) => Entry::of_magnet(add, admission),
        }
    }
}

type Answer = oneshot::Sender<Result<TorrentId, AddError>>;

impl Driver {
    /// Adds a torrent, as soon as it is durable if there is a list.
    pub(super) fn add(&mut self, wish: Wish, admission: Admission, answer: Answer) {
        let (entry, hashes) = (wish.entry(&admission), wish.info_hashes());
        let place = admission.place;
        let home = match self.reserve(&hashes) {
            Ok(home) => home,
            Err(error) => {
                // Who asked may have gone, here and below.
                let _ = answer.send(Err(error));
                return;
            }
        };
        let Some(home) = home else {
            let _ = answer.send(self.begin(wish, entry, place));
            return;
        };
        let (metainfo, to_write, hands) = (wish.metainfo(), entry.clone(), self.hands.clone());
        tokio::task::spawn_local(async move {
            let enter = move || home.enter(&to_write, metainfo.as_deref());
            let entered = tokio::task::spawn_blocking(enter).await;
            let _ = hands.send(Box::new(move |driver| {
                if let Some(catalogue) = &mut driver.catalogue {
                    catalogue.expect_no_more(&hashes);
                }
                // The thread has failed: nobody can say what has become of it.
                let Ok(entered) = entered else { return };
                let added = match entered {
                    Ok(()) => driver.begin(wish, entry, place),
                    Err(error) => Err(AddError::State(error)),
                };
                let _ = answer.send(added);
            }));
        });
    }

    /// Keeps others from adding the same torrent, if it may be added. `None`: there is no list, and nothing to be kept.
    fn reserve(&mut self, hashes: &InfoHashes) -> Result<Option<super::Home>, AddError> {
        let Some(catalogue) = &mut self.catalogue else { return Ok(None) };
        if let Some(known) = hashes.on_the_wire().find_map(|hash| self.session.by_info_hash(hash)) {
            let is_going = catalogue.get(known).is_some_and(|entry| entry.removing().is_some());
            return Err(if is_going { AddError::Busy } else { AddError::Duplicate(known) });
        }
        if !catalogue.expect(hashes) {
            return Err(AddError::Busy);
        }
        Ok(Some(catalogue.home.clone()))
    }

    /// The torrent is written down, or need not be.
    fn begin(&mut self, wish: Wish, entry: Entry, place: Place) -> Result<TorrentId, AddError> {
        let now = self.now();
        let id = match wish {
            Wish::Torrent(add) => {
                let metainfo = Arc::clone(&add.metainfo);
                let id = self.session.add(now, add)?;
                let is_for_all = !metainfo.info.private && !metainfo.nodes.is_empty();
                if let Some(dht) = self.dht.as_ref().filter(|_| is_for_all) {
                    dht.add_nodes(metainfo.nodes.clone(), Arc::clone(&self.policy));
                }
                id
            }
            Wish::Magnet(add) => {
                let id = self.session.add_magnet(now, add)?;
                self.announce_locally_soon();
                id
            }
        };
        self.settle(id, entry, place);
        Ok(id)
    }
}
