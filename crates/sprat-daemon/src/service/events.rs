//! What the engine tells of, as it comes.

use sprat_core::io::Event;
use sprat_engine::client::Ended;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::{HappeningKind, Service, hold};

/// What has happened since somebody last asked.
pub(super) struct Batch {
    events: Vec<Event>,
    /// There was more, which nobody can tell any more.
    is_missing_some: bool,
}

impl Batch {
    /// What was received first, and everything that is there already. `None`: the client has ended.
    pub(super) fn gather(
        first: Result<Event, RecvError>,
        receiver: &mut broadcast::Receiver<Event>,
    ) -> Option<Self> {
        let mut batch = Self { events: Vec::new(), is_missing_some: false };
        let mut next = first;
        loop {
            match next {
                Ok(event) => batch.events.push(event),
                Err(RecvError::Lagged(_)) => batch.is_missing_some = true,
                Err(RecvError::Closed) => return None,
            }
            next = match receiver.try_recv() {
                Ok(event) => Ok(event),
                Err(TryRecvError::Empty) => return Some(batch),
                // Only this once it is told.
                Err(TryRecvError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
                Err(TryRecvError::Closed) => Err(RecvError::Closed),
            };
        }
    }
}

impl Service {
    /// Takes note of what has happened. `false`: nobody needs to look for that.
    pub(super) async fn on_batch(&self, batch: Batch) -> Result<bool, Ended> {
        // What was counted until then belongs to those that are complete. Of thousands that come together each would have everything
        // looked at.
        if batch.events.iter().any(|event| matches!(event, Event::Finished { .. })) {
            self.look().await?;
        }
        let mut is_news = batch.is_missing_some;
        for event in batch.events {
            is_news |= self.on_event(event).await?;
        }
        if batch.is_missing_some {
            self.read_all_facts().await?;
        }
        Ok(is_news)
    }

    async fn on_event(&self, event: Event) -> Result<bool, Ended> {
        match event {
            Event::Finished { torrent } => self.on_complete(torrent),
            Event::MetadataReceived { torrent, .. } => {
                self.read_facts(torrent).await?;
                self.lay_out(torrent);
                self.tell_of(torrent, HappeningKind::MetadataFound);
            }
            Event::FileChanged { torrent, .. } => {
                let mut known = hold(&self.0.known);
                if let Some(one) = known.torrents.get_mut(&torrent) {
                    one.facts.is_complete = false;
                }
                known.show(torrent);
            }
            Event::Trouble { torrent, trouble } => {
                let kind = trouble.as_ref().map_or(HappeningKind::TroubleEnded, |trouble| {
                    HappeningKind::TroubleBegan(crate::torrents::explain(trouble))
                });
                self.tell_of(torrent, kind);
            }
            Event::Removed { torrent } => {
                self.tell_of(torrent, HappeningKind::Removed);
                hold(&self.0.known).forget(torrent);
            }
            Event::Checked { .. } | Event::FellAsleep { .. } => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use sprat_core::storage::TorrentId;

    use super::*;

    fn finished(number: u32) -> Event {
        Event::Finished { torrent: TorrentId(number) }
    }

    fn numbers(batch: &Batch) -> Vec<u32> {
        let number = |event: &Event| match event {
            Event::Finished { torrent } => torrent.0,
            other => panic!("{other:?}"),
        };
        batch.events.iter().map(number).collect()
    }

    #[tokio::test]
    async fn that_events_were_lost_is_noticed_whoever_is_told() {
        let (sender, mut receiver) = broadcast::channel(4);
        let send = |numbers: std::ops::Range<u32>| {
            numbers.for_each(|number| assert_eq!(sender.send(finished(number)).unwrap(), 1));
        };
        send(0..3);
        let batch = Batch::gather(receiver.recv().await, &mut receiver).unwrap();
        assert_eq!((numbers(&batch), batch.is_missing_some), (vec![0, 1, 2], false));
        // The first one is told.
        send(3..9);
        let batch = Batch::gather(receiver.recv().await, &mut receiver).unwrap();
        assert_eq!((numbers(&batch), batch.is_missing_some), (vec![5, 6, 7, 8], true));
        // Those that come while the first one is at hand.
        send(9..10);
        let first = receiver.recv().await;
        send(10..16);
        let batch = Batch::gather(first, &mut receiver).unwrap();
        assert_eq!((numbers(&batch), batch.is_missing_some), (vec![9, 12, 13, 14, 15], true));
        drop(sender);
        assert!(Batch::gather(receiver.recv().await, &mut receiver).is_none());
    }
}
