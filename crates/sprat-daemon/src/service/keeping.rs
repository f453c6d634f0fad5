//! Once a second, and when something has happened: what is new is read from the session, what is kept is written down, and the
//! policies decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sprat_core::io::Event;
use sprat_core::storage::TorrentId;
use sprat_engine::client::{Ended, Listing};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::MissedTickBehavior;

use super::{HappeningKind, Known, Service, Torrent, hold, note_of};
use crate::clock;
use crate::torrents::{Board, Doing, Facts, Live, Record, look};

/// How often a running session is looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What happens within this is looked at together.
const SOON: Duration = Duration::from_millis(50);

/// Records of which only counts have changed that are given to the engine at a look: those of ten thousand torrents that seed are all
/// written in a few minutes.
const COUNTS_AT_ONCE: usize = 100;

/// Records that are given to the engine in one go: it does nothing else meanwhile.
const RECORDS_AT_ONCE: usize = 256;

/// So often is written down what was counted, and when those that have moved something did so.
const KEEP_EVERY: u64 = 300;

/// Runs as long as the service.
pub(super) async fn keep(service: Service, mut events: broadcast::Receiver<Event>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut counted, mut unkept) = (Instant::now(), 0);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let passed = counted.elapsed().as_secs();
                counted += Duration::from_secs(passed);
                service.count_seconds(passed);
                unkept += passed;
                if unkept >= KEEP_EVERY {
                    unkept = 0;
                    service.keep_counted();
                }
            }
            () = service.0.nudge.notified() => {
                tokio::time::sleep(SOON).await;
                service.reconsider();
            }
            first = events.recv() => {
                let Some(batch) = Batch::gather(first, &mut events) else { return };
                match service.on_batch(batch).await {
                    Ok(true) => service.reconsider(),
                    Ok(false) => continue,
                    Err(Ended) => return,
                }
            }
        }
        if service.look().await.is_err() {
            return;
        }
        service.keep_records().await;
        service.keep_counts(COUNTS_AT_ONCE).await;
    }
}

/// What has happened since somebody last asked.
struct Batch {
    events: Vec<Event>,
    /// There was more, which nobody can tell any more.
    is_missing_some: bool,
}

impl Batch {
    /// What was received first, and everything that is there already. `None`: the client has ended.
    fn gather(first: Result<Event, RecvError>, receiver: &mut broadcast::Receiver<Event>) -> Option<Self> {
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

impl Known {
    /// What is in the engine's list when the service is started.
    pub(super) fn take_up(list: Vec<Listing>, running_time: u64) -> Self {
        let run = run_number();
        let mut known = Self {
            torrents: BTreeMap::new(),
            board: Board::new(run),
            awake: BTreeSet::new(),
            running_time,
            decided_at: None,
            is_reordered: true,
        };
        for listing in list {
            known.torrents.insert(listing.torrent, Torrent::of(&listing, running_time));
        }
        known.rank();
        for id in known.torrents.keys().copied().collect::<Vec<_>>() {
            known.show(id);
        }
        known
    }

    /// Takes in what the session has told.
    fn take_in(&mut self, mut lives: BTreeMap<TorrentId, Live>, now: i64) -> (u64, u64) {
        let (mut downloaded, mut uploaded) = (0, 0);
        let before = std::mem::take(&mut self.awake);
        for id in before.iter().chain(lives.keys()).copied().collect::<BTreeSet<_>>() {
            let live = lives.remove(&id);
            let Some(torrent) = self.torrents.get_mut(&id) else { continue };
            if let Some(live) = &live {
                let known = torrent.facts.totals;
                let received = live.totals.downloaded.saturating_sub(known.downloaded);
                let sent = live.totals.uploaded.saturating_sub(known.uploaded);
                downloaded += received;
                uploaded += sent;
                if received + sent > 0 {
                    torrent.record.active_at = Some(now);
                    torrent.has_moved = true;
                }
                if sent > 0 {
                    torrent.record.times.gave(self.running_time);
                }
                torrent.facts.totals = live.totals;
                if let Some(bytes) = live.bytes {
                    torrent.facts.left = bytes.left;
                }
                if !matches!(live.doing, Doing::Closing) {
                    self.awake.insert(id);
                }
            }
            torrent.live = live;
            self.show(id);
        }
        (downloaded, uploaded)
    }
}

impl Service {
    /// Reads what is new from the session, lets the policies decide, and shows it.
    pub(crate) async fn look(&self) -> Result<(), Ended> {
        {
            let _in_order = self.0.reading.lock().await;
            let before = hold(&self.0.known).awake.clone();
            let lives = self.0.client.with(move |session, now| look(session, now, &before)).await?;
            let (downloaded, uploaded) = hold(&self.0.known).take_in(lives, clock::unix_now());
            let mut statistics = hold(&self.0.statistics);
            statistics.session.downloaded += downloaded;
            statistics.session.uploaded += uploaded;
        }
        self.decide().await?;
        hold(&self.0.known).rank();
        self.publish();
        Ok(())
    }

    /// Lets everybody see what was put on the board.
    pub(super) fn publish(&self) {
        if let Some(snapshot) = hold(&self.0.known).board.publish() {
            hold(&self.0.recent).push(Instant::now(), snapshot.cursor());
            self.0.published.send_replace(Arc::new(snapshot));
        }
    }

    /// Takes note of what has happened. `false`: nobody needs to look for that.
    async fn on_batch(&self, batch: Batch) -> Result<bool, Ended> {
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

    /// Everything wanted of a torrent is there, and durable. That is told when its files are where they are to stay: programs take
    /// them from where they are told.
    pub(super) fn on_complete(&self, torrent: TorrentId) {
        let is_at_home = {
            let mut known = hold(&self.0.known);
            let Some(one) = known.torrents.get_mut(&torrent) else { return };
            one.facts.is_complete = true;
            if one.record.completed_at.is_some() {
                return;
            }
            one.record.completed_at = Some(clock::unix_now());
            one.is_unwritten = true;
            if was_fetched(one) {
                hold(&self.0.statistics).session.completed += 1;
            }
            let is_at_home = one.record.destination.is_none();
            known.show(torrent);
            is_at_home
        };
        if is_at_home {
            self.tell_finished(torrent);
        } else {
            self.bring_home(torrent);
        }
    }

    /// What was there before it was added is no news.
    pub(super) fn tell_finished(&self, torrent: TorrentId) {
        if hold(&self.0.known).torrents.get(&torrent).is_some_and(was_fetched) {
            self.tell_of(torrent, HappeningKind::Finished);
        }
    }

    /// Does what the last run of the daemon has left undone: tells of what has become complete unnoticed, and brings to its place what
    /// was on its way there. To be called when everybody listens who is to be told.
    pub fn go_on(&self) {
        self.complete_unnoticed();
        let on_their_way: Vec<(TorrentId, bool)> = {
            let known = hold(&self.0.known);
            let moving = known.torrents.iter().filter(|(_, one)| one.is_on_its_way());
            moving.map(|(id, one)| (*id, one.record.destination.is_some())).collect()
        };
        for (torrent, has_home) in on_their_way {
            if has_home {
                self.bring_home(torrent);
            } else {
                self.follow_move(torrent);
            }
        }
    }

    /// Takes note of those that are complete and of which nobody has told that.
    fn complete_unnoticed(&self) {
        let unnoticed: Vec<TorrentId> = {
            let known = hold(&self.0.known);
            let all = known.torrents.iter();
            all.filter(|(_, one)| {
                one.facts.is_complete && one.facts.is_known && one.record.completed_at.is_none()
            })
            .map(|(id, _)| *id)
            .collect()
        };
        for torrent in unnoticed {
            self.on_complete(torrent);
        }
    }

    /// Reads again what the engine's list says of a torrent.
    pub(super) async fn read_facts(&self, torrent: TorrentId) -> Result<(), Ended> {
        let _in_order = self.0.reading.lock().await;
        let Some(listing) = self.0.client.listing(torrent).await? else { return Ok(()) };
        self.take_facts(&listing);
        Ok(())
    }

    /// Reads the engine's whole list again, for it is not known what has happened.
    async fn read_all_facts(&self) -> Result<(), Ended> {
        {
            let _in_order = self.0.reading.lock().await;
            // Whoever comes while the list is read is not in it.
            let before: Vec<TorrentId> = hold(&self.0.known).torrents.keys().copied().collect();
            let list = self.0.client.list().await?;
            for listing in &list {
                let mut known = hold(&self.0.known);
                if known.torrents.contains_key(&listing.torrent) {
                    drop(known);
                    self.take_facts(listing);
                } else {
                    let torrent = Torrent::of(listing, known.running_time);
                    known.enter(listing.torrent, torrent);
                }
            }
            let there: BTreeSet<TorrentId> = list.iter().map(|listing| listing.torrent).collect();
            for torrent in before.into_iter().filter(|torrent| !there.contains(torrent)) {
                self.tell_of(torrent, HappeningKind::Removed);
                hold(&self.0.known).forget(torrent);
            }
        }
        self.complete_unnoticed();
        Ok(())
    }

    fn take_facts(&self, listing: &Listing) {
        let mut known = hold(&self.0.known);
        if let Some(one) = known.torrents.get_mut(&listing.torrent) {
            let mut facts = Facts::of(listing);
            if one.live.is_some() {
                facts.totals = one.facts.totals;
            }
            if facts.name.is_empty() {
                facts.name.clone_from(&one.facts.name);
            }
            one.facts = facts;
        }
        known.show(listing.torrent);
    }

    /// Seconds have passed.
    fn count_seconds(&self, seconds: u64) {
        hold(&self.0.known).running_time += seconds;
        hold(&self.0.statistics).session.seconds += seconds;
    }

    /// Has what was counted written down.
    pub(super) fn keep_counted(&self) {
        for one in hold(&self.0.known).torrents.values_mut() {
            one.has_counted |= std::mem::take(&mut one.has_moved);
        }
        self.keep_statistics();
    }

    /// Gives the engine all records that say something new: what a command has changed is with it before the command is answered.
    pub(super) async fn keep_records(&self) {
        self.give_records(usize::MAX, |one| one.is_unwritten).await;
    }

    /// Gives it so many of those that only count something else.
    pub(super) async fn keep_counts(&self, most: usize) {
        self.give_records(most, |one| one.has_counted).await;
    }

    async fn give_records(&self, most: usize, which: impl Fn(&Torrent) -> bool) {
        let _in_order = self.0.writing.lock().await;
        let records: Vec<(TorrentId, Record)> = {
            let mut known = hold(&self.0.known);
            let given = known.torrents.iter_mut().filter(|(_, one)| which(one)).take(most);
            let taken = given.map(|(id, one)| {
                (one.is_unwritten, one.has_counted) = (false, false);
                (*id, one.record.clone())
            });
            taken.collect()
        };
        for records in records.chunks(RECORDS_AT_ONCE) {
            let notes = records.iter().map(|(id, record)| (*id, note_of(record))).collect();
            if self.0.client.annotate(notes).await.is_err() {
                return;
            }
        }
    }
}

/// Something of it was received since it was added.
const fn was_fetched(torrent: &Torrent) -> bool {
    torrent.facts.totals.downloaded > 0
}

/// Tells this run from others.
fn run_number() -> u64 {
    let mut bytes = [0; 8];
    if getrandom::fill(&mut bytes).is_err() {
        return clock::unix_now().unsigned_abs();
    }
    u64::from_le_bytes(bytes) >> 16
}

#[cfg(test)]
mod tests {
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
