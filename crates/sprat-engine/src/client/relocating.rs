//! Moving torrents to other places, and saying where somebody else has moved them.
//!
//! A torrent whose files are on their way is [held](sprat_core::Session::hold): nobody uses them. What is to be done is in its
//! entry before anything is done, and what was interrupted is ended by the next start. How it is done is a
//! [`Job`](super::relocation_job).

use std::sync::Arc;

use sprat_core::sleeper::Sleeper;
use sprat_core::storage::TorrentId;
use tokio::sync::oneshot;

use super::driver::Driver;
use super::entry::Journey;
use super::moves::Move;
use super::relocation_job::{Begin, Data, Job, RelocateError};
use crate::storage::{Place, PlaceError, Steering};

type Answer = oneshot::Sender<Result<(), RelocateError>>;

impl Driver {
    /// Has a torrent lie elsewhere from now on.
    pub(super) fn relocate(&mut self, torrent: TorrentId, to: Place, data: Data, answer: Answer) {
        match self.may_relocate(torrent, &to, data) {
            Ok(Some(begin)) => self.spawn_move(torrent, to, begin, Some(answer)),
            // Who asked may have gone.
            Ok(None) => drop(answer.send(Ok(()))),
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// How it begins; `None` if there is nothing more to be done.
    fn may_relocate(
        &mut self,
        torrent: TorrentId,
        to: &Place,
        data: Data,
    ) -> Result<Option<Begin>, RelocateError> {
        let catalogue = self.catalogue.as_mut().ok_or(RelocateError::Unknown)?;
        let entry = catalogue.get(torrent).filter(|entry| entry.removing().is_none());
        let entry = entry.ok_or(RelocateError::Unknown)?;
        let journey = entry.journey();
        if self.moves.of(torrent).is_some() || matches!(journey, Some(Journey::To(..))) {
            return Err(RelocateError::Busy);
        }
        if entry.is_known {
            return Ok(Some(Begin::New(data, journey)));
        }
        if self.session.torrent(torrent).is_some() {
            return Err(RelocateError::Busy);
        }
        if !to.names.is_empty() {
            return Err(PlaceError::FilesUnknown.into());
        }
        // Of a magnet link nothing is on the disk.
        catalogue.change(torrent, |entry| entry.set_place(to));
        self.storage.place(torrent, to.clone());
        Ok(None)
    }

    /// Goes on with what an earlier process has begun.
    pub(super) fn resume_move(&mut self, torrent: TorrentId, journey: Journey, place: Place) {
        let to = match &journey {
            Journey::To(to, ..) => to.clone(),
            Journey::From(..) => place,
        };
        // Its files are in two places.
        let now = self.now();
        self.session.hold(now, torrent);
        self.spawn_move(torrent, to, Begin::Again(journey), None);
    }

    fn spawn_move(&mut self, torrent: TorrentId, to: Place, begin: Begin, answer: Option<Answer>) {
        let Some((home, hashes, from)) = self.catalogue.as_ref().and_then(|catalogue| {
            let entry = catalogue.get(torrent)?;
            Some((catalogue.home.clone(), entry.info_hashes(), entry.place()))
        }) else {
            return;
        };
        let steering = Arc::new(Steering::default());
        let (one, closed) = Move::new(to.directory.clone(), Arc::clone(&steering));
        self.moves.insert(torrent, one);
        let route = [&from, &to].map(|place| self.storage.disk_of(&place.directory));
        let (route, open) = (self.moves.route(route), self.storage.open_contents());
        let job = Job { torrent, hashes, from, to, home, open, steering, hands: self.hands.clone(), route };
        tokio::task::spawn_local(async move {
            let result = job.run(begin, closed).await;
            if let Err(error) = &result
                && answer.is_none()
            {
                tracing::warn!(torrent = torrent.0, %error, "a torrent could not be moved");
            }
            let _ = job.on_driver(move |driver| driver.end_move(torrent)).await;
            if let Some(answer) = answer {
                let _ = answer.send(result);
            }
        });
    }

    pub(super) fn hold(&mut self, torrent: TorrentId) {
        let now = self.now();
        self.session.hold(now, torrent);
        if self.session.sleeper(torrent).is_some() {
            self.moves.on_closed(torrent);
        }
    }

    fn end_move(&mut self, torrent: TorrentId) {
        self.moves.end(torrent);
        let Some(catalogue) = &mut self.catalogue else { return };
        catalogue.detach(torrent);
        let Some(entry) = catalogue.get(torrent) else { return };
        let (place, is_complete, removing) = (entry.place(), entry.is_complete, entry.removing());
        let now = self.now();
        if self.session.sleeper(torrent).is_some_and(Sleeper::is_held) {
            self.storage.place(torrent, place);
        }
        self.session.release(now, torrent);
        if let Some(files) = removing {
            self.session.remove_with(now, torrent, files);
        } else if !is_complete && self.session.sleeper(torrent).is_some_and(|sleeper| !sleeper.is_paused()) {
            self.session.wake(now, torrent);
        }
    }
}
