//! Removing torrents: with a list, that one is to go is durable there before anything of it is touched.

use sprat_core::storage::{Files, TorrentId};
use tokio::sync::oneshot;

use super::driver::Driver;
use crate::state::StateError;

impl Driver {
    /// Removes a torrent as soon as it is durable that it is to go, and says when that is so. Also if nobody waits for it any more.
    pub(super) fn order_removal(
        &mut self,
        torrent: TorrentId,
        files: Files,
        answer: oneshot::Sender<Result<(), StateError>>,
    ) {
        let before = self.catalogue.as_ref().and_then(|catalogue| catalogue.get(torrent)?.removing());
        let note = |catalogue: &mut super::catalogue::Catalogue| {
            catalogue.change_with(torrent, |entry| entry.set_removing(Some(files)), None)
        };
        let Some(written) = self.catalogue.as_mut().and_then(note) else {
            self.remove(torrent, files);
            // Who asked may have gone, here and below.
            let _ = answer.send(Ok(()));
            return;
        };
        let hands = self.hands.clone();
        tokio::task::spawn_local(async move {
            let written = written.await.unwrap_or(Err(StateError::Closed));
            let _ = hands.send(Box::new(move |driver| {
                match (&written, &mut driver.catalogue) {
                    (Ok(()), _) => driver.remove(torrent, files),
                    // It is not removed after all, or only as it was to be before.
                    (Err(_), Some(catalogue)) => {
                        catalogue.change(torrent, |entry| entry.set_removing(before));
                    }
                    (Err(_), None) => {}
                }
                let _ = answer.send(written);
            }));
        });
    }

    /// Removes a torrent of which it is durable that it is to go.
    pub(super) fn remove(&mut self, id: TorrentId, files: Files) {
        // One that is on its way is removed when that has ended; what was left behind of an earlier move goes before, for nobody will
        // know of it any more.
        self.restart_move(id);
        if !self.moves.remove_after(id, files) {
            let now = self.now();
            self.session.remove_with(now, id, files);
        }
    }
}
