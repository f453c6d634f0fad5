//! Once a second, and when something has happened: what is new is read from the session, what is kept is written down, and the
//! policies decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sprat_core::io::Event;
use sprat_core::storage::TorrentId;
use sprat_engine::client::{Ended, Listing};
use tokio::sync::broadcast;
use tokio::time::MissedTickBehavior;

use super::events::Batch;
use super::{Known, Service, Torrent, hold};
use crate::clock;
use crate::torrents::{Board, Doing, Live, look};

/// How often a running session is looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What happens within this is looked at together.
const SOON: Duration = Duration::from_millis(50);

/// A look at thousands of torrents that are awake takes long: for so many times as long nothing is looked at just because something has
/// happened. What happens meanwhile is looked at together.
const REST: u32 = 3;

/// Records of which only counts have changed that are given to the engine at a look: those of ten thousand torrents that seed are all
/// written in a few minutes.
const COUNTS_AT_ONCE: usize = 100;

/// So often is written down what was counted, and when those that have moved something did so.
const KEEP_EVERY: u64 = 300;

/// Runs as long as the service.
pub(super) async fn keep(service: Service, mut events: broadcast::Receiver<Event>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut counted, mut unkept) = (Instant::now(), 0);
    let mut rests_until = Instant::now();
    loop {
        let began;
        tokio::select! {
            _ = ticks.tick() => {
                began = Instant::now();
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
                tokio::time::sleep_until(rests_until.max(Instant::now() + SOON).into()).await;
                began = Instant::now();
                service.reconsider();
            }
            first = events.recv() => {
                tokio::time::sleep_until(rests_until.into()).await;
                began = Instant::now();
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
        let rest = (began.elapsed() * REST).min(LOOK_EVERY);
        rests_until = Instant::now() + rest;
        service.keep_records().await;
        service.keep_counts(COUNTS_AT_ONCE).await;
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
}

/// Tells this run from others.
fn run_number() -> u64 {
    let mut bytes = [0; 8];
    if getrandom::fill(&mut bytes).is_err() {
        return clock::unix_now().unsigned_abs();
    }
    u64::from_le_bytes(bytes) >> 16
}
