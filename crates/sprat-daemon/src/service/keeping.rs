//! Once a second, and when something has happened: what is new is read from the session, what is kept is written down, and the
//! policies decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sprat_core::io::Event;
use sprat_core::storage::TorrentId;
use sprat_engine::client::{Ended, Listing};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use super::{HappeningKind, Known, Service, Torrent, hold, note_of};
use crate::clock;
use crate::torrents::{Board, Doing, Facts, Live, Record, look};

/// How often a running session is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What happens within this is looked at together.
const SOON: Duration = Duration::from_millis(50);

/// Records that are given to the engine at a look: those of ten thousand torrents that seed are all written in a few minutes.
const RECORDS_AT_ONCE: usize = 100;

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
            event = events.recv() => match event {
                Ok(event) => {
                    let mut is_news = service.on_event(event).await;
                    // Of thousands that come together each would have everything looked at.
                    while let Ok(event) = events.try_recv() {
                        is_news |= service.on_event(event).await;
                    }
                    if !is_news {
                        continue;
                    }
                    service.reconsider();
                }
                Err(RecvError::Lagged(_)) => {
                    if service.read_all_facts().await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Closed) => return,
            },
        }
        if service.look().await.is_err() {
            return;
        }
        service.keep_records(RECORDS_AT_ONCE).await;
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
        };
        for listing in list {
            let mut record: Record = serde_json::from_str(listing.note.as_str()).unwrap_or_default();
            record.times = record.times.taken_up(running_time);
            known.torrents.insert(listing.torrent, Torrent::new(Facts::of(&listing), record));
        }
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
        let before = hold(&self.0.known).awake.clone();
        let lives = self.0.client.with(move |session, now| look(session, now, &before)).await?;
        let (downloaded, uploaded) = hold(&self.0.known).take_in(lives, clock::unix_now());
        {
            let mut statistics = hold(&self.0.statistics);
            statistics.session.downloaded += downloaded;
            statistics.session.uploaded += uploaded;
        }
        self.decide().await?;
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

    /// Takes note of an event. `false`: nobody needs to look for that.
    async fn on_event(&self, event: Event) -> bool {
        match event {
            Event::Finished { torrent } => {
                // What was counted until then belongs to it.
                if self.look().await.is_err() {
                    return false;
                }
                self.on_complete(torrent);
            }
            Event::MetadataReceived { torrent, .. } => {
                if self.read_facts(torrent).await.is_err() {
                    return false;
                }
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
                let mut known = hold(&self.0.known);
                known.torrents.remove(&torrent);
                known.awake.remove(&torrent);
                known.board.remove(torrent);
            }
            Event::Checked { .. } | Event::FellAsleep { .. } => {}
            _ => return false,
        }
        true
    }

    /// Everything wanted of a torrent is there, and durable.
    pub(super) fn on_complete(&self, torrent: TorrentId) {
        let now = clock::unix_now();
        let downloaded = {
            let mut known = hold(&self.0.known);
            let Some(one) = known.torrents.get_mut(&torrent) else { return };
            one.facts.is_complete = true;
            if one.record.completed_at.is_some() {
                return;
            }
            one.record.completed_at = Some(now);
            one.is_unwritten = true;
            let downloaded = one.facts.totals.downloaded;
            known.show(torrent);
            downloaded
        };
        // What was there before it was added is no news.
        if downloaded > 0 {
            hold(&self.0.statistics).session.completed += 1;
            self.tell_of(torrent, HappeningKind::Finished);
        }
        self.bring_home(torrent);
    }

    /// Reads again what the engine's list says of a torrent.
    pub(super) async fn read_facts(&self, torrent: TorrentId) -> Result<(), Ended> {
        let Some(listing) = self.0.client.listing(torrent).await? else { return Ok(()) };
        self.take_facts(&listing);
        Ok(())
    }

    async fn read_all_facts(&self) -> Result<(), Ended> {
        let list = self.0.client.list().await?;
        let there: BTreeSet<TorrentId> = list.iter().map(|listing| listing.torrent).collect();
        for listing in &list {
            self.take_facts(listing);
        }
        let mut known = hold(&self.0.known);
        let gone: Vec<TorrentId> = known.torrents.keys().filter(|id| !there.contains(id)).copied().collect();
        for id in gone {
            known.torrents.remove(&id);
            known.awake.remove(&id);
            known.board.remove(id);
        }
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
            one.is_unwritten |= std::mem::take(&mut one.has_moved);
        }
        self.keep_statistics();
    }

    /// Gives the engine so many of the records that it does not have yet.
    pub(super) async fn keep_records(&self, most: usize) {
        let unwritten: Vec<(TorrentId, Record)> = {
            let mut known = hold(&self.0.known);
            let unwritten = known.torrents.iter_mut().filter(|(_, one)| one.is_unwritten).take(most);
            let taken = unwritten.map(|(id, one)| {
                one.is_unwritten = false;
                (*id, one.record.clone())
            });
            taken.collect()
        };
        for (id, record) in unwritten {
            if self.0.client.annotate(id, note_of(&record)).await.is_err() {
                return;
            }
        }
    }
}

/// Tells this run from others.
fn run_number() -> u64 {
    let mut bytes = [0; 8];
    if getrandom::fill(&mut bytes).is_err() {
        return clock::unix_now().unsigned_abs();
    }
    u64::from_le_bytes(bytes) >> 16
}
