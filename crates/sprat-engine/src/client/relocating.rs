//! Moving torrents to other places, and saying where somebody else has moved them.
//!
//! A torrent whose files are on their way is [held](sprat_core::Session::hold): nobody uses them. What is to be done is in its
//! entry before anything is done, and what was interrupted is ended by the next start. How it is done is a
//! [`Job`](super::relocation_job).

use std::sync::Arc;

use sprat_core::io::Event;
use sprat_core::sleeper::Sleeper;
use sprat_core::storage::TorrentId;
use tokio::sync::oneshot;

use super::driver::Driver;
use super::entry::{Entry, Journey};
use super::moves::{CancelError, Cancelled, Move};
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
        to.check_directory()?;
        if entry.is_known {
            if data == Data::Move {
                entry.place().check_directory()?;
            }
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

    /// The same for one that could not be ended and that nobody is about to end.
    pub(super) fn restart_move(&mut self, torrent: TorrentId) {
        let entry = self.catalogue.as_ref().and_then(|catalogue| catalogue.get(torrent));
        let Some((journey, place)) = entry.and_then(|entry| Some((entry.journey()?, entry.place()))) else {
            return;
        };
        if self.moves.destination(torrent).is_none() {
            self.resume_move(torrent, journey, place);
        }
    }

    /// Has a torrent stay where it was, if it is not elsewhere already, and answers when that is so.
    pub(super) fn cancel_move(&mut self, torrent: TorrentId, answer: Cancelled) {
        let entry = self.catalogue.as_ref().and_then(|catalogue| catalogue.get(torrent));
        let at = entry.map(Entry::place);
        let journey = entry.and_then(Entry::journey);
        if matches!(journey, Some(Journey::To(..))) {
            self.restart_move(torrent);
        }
        let to = self.moves.destination(torrent);
        // One that cannot even look for what it has left is given up, and answers the same.
        let is_stuck = self.moves.of(torrent).is_some_and(|one| one.trouble.is_some());
        let has_arrived =
            matches!(journey, Some(Journey::From(..))) && (to.is_none() || to == at.as_ref()) && !is_stuck;
        match to {
            // Who asked may have gone.
            _ if has_arrived => drop(answer.send(Err(CancelError::Arrived))),
            None => drop(answer.send(Err(CancelError::NotMoving))),
            Some(_) => self.moves.cancel(torrent, answer),
        }
    }

    fn spawn_move(&mut self, torrent: TorrentId, to: Place, begin: Begin, answer: Option<Answer>) {
        let Some((home, hashes, from)) = self.catalogue.as_ref().and_then(|catalogue| {
            let entry = catalogue.get(torrent)?;
            Some((catalogue.home.clone(), entry.info_hashes(), entry.place()))
        }) else {
            return;
        };
        let steering = Arc::new(Steering::default());
        let (one, closed) = Move::new(to.clone(), Arc::clone(&steering));
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
            let is_interrupted = result == Err(RelocateError::Interrupted);
            let _ = job.on_driver(move |driver| driver.end_move(torrent, is_interrupted)).await;
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

    fn end_move(&mut self, torrent: TorrentId, is_interrupted: bool) {
        let Some(Move { to, removal, cancelled_by, .. }) = self.moves.end(torrent) else { return };
        let tell = |outcome| {
            for by in cancelled_by {
                // Who asked may have gone.
                let _ = by.send(outcome);
            }
        };
        if let Some(catalogue) = &mut self.catalogue {
            catalogue.detach(torrent);
        }
        let Some(entry) = self.catalogue.as_ref().and_then(|catalogue| catalogue.get(torrent)) else {
            return tell(Err(CancelError::NotMoving));
        };
        if is_interrupted {
            // Its files are in two places, and stay so until the next start.
            return tell(Err(CancelError::Interrupted));
        }
        let (place, is_complete, journey) = (entry.place(), entry.is_complete, entry.journey());
        tell(if place == to { Err(CancelError::Arrived) } else { Ok(()) });
        let now = self.now();
        if self.session.sleeper(torrent).is_some_and(Sleeper::is_held) {
            self.storage.place(torrent, place);
        }
        self.session.release(now, torrent);
        if let Some(files) = removal {
            // A disk that is not there may never come back, and a removal ends all the same.
            if let Some(reason) = journey.as_ref().and_then(Journey::leaves) {
                self.tell(Event::FilesLeft { torrent, reason });
            }
            self.session.remove_with(now, torrent, files);
        } else if !is_complete && self.session.sleeper(torrent).is_some_and(|sleeper| !sleeper.is_paused()) {
            self.session.wake(now, torrent);
        }
    }
}
