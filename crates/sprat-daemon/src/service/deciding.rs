//! What the policies decide, carried out: which torrents run ([`queue`]), and which have given enough ([`share_limits`]).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sprat_core::storage::{Files, TorrentId};
use sprat_core::time::Time;
use sprat_engine::client::Ended;

use super::{Choices, HappeningKind, Known, Service, Torrent, hold};
use crate::labels::Labels;
use crate::settings::SeedingAction;
use crate::torrents::queue::{self, Candidate, Stage};
use crate::torrents::share_limits::{self, Effective, Given};
use crate::torrents::{Doing, ReachedLimits};

/// Ten thousand torrents are not put in order each second: only when something has changed that the order depends on, and so often
/// for the rest, which is time and rates.
const DECIDE_EVERY: Duration = Duration::from_secs(5);

impl Service {
    /// Has torrents run that are to run, and no others.
    pub(super) async fn decide(&self) -> Result<(), Ended> {
        let choices = self.choices();
        let labels = self.labels();
        let now = self.now();
        let (wrong, enough) = {
            let mut known = hold(&self.0.known);
            if known.decided_at.is_some_and(|at| now.since(at) < DECIDE_EVERY) {
                return Ok(());
            }
            known.decided_at = Some(now);
            let enough = known.have_given_enough(&choices, &labels);
            (known.run_wrongly(now, &choices), enough)
        };
        for (id, runs) in wrong {
            if runs {
                self.0.client.resume(id).await?;
            } else {
                self.0.client.pause(id).await?;
            }
            let mut known = hold(&self.0.known);
            if let Some(one) = known.torrents.get_mut(&id) {
                one.facts.is_paused = !runs;
            }
            known.show(id);
        }
        for (id, action) in enough {
            self.end_seeding(id, action).await?;
        }
        Ok(())
    }

    /// Something that the policies go by has changed: they are asked at the next look.
    pub(super) fn reconsider(&self) {
        hold(&self.0.known).decided_at = None;
    }

    async fn end_seeding(&self, id: TorrentId, action: SeedingAction) -> Result<(), Ended> {
        self.tell_of(id, HappeningKind::GaveEnough);
        let files = match action {
            SeedingAction::Pause => {
                self.note(&[id], |record| (record.has_given_enough, record.is_started) = (true, false));
                return Ok(());
            }
            SeedingAction::SuperSeed => {
                self.note(&[id], |record| record.has_given_enough = true);
                self.0.client.set_super_seeding(id, true).await?;
                return self.read_facts(id).await;
            }
            SeedingAction::Remove => Files::Forget,
            SeedingAction::RemoveWithData => Files::Delete,
        };
        self.note(&[id], |record| record.has_given_enough = true);
        // What cannot be written down stays in the list, and is stopped at least.
        if let Err(error) = self.0.client.remove(id, files).await? {
            tracing::warn!(torrent = id.0, %error, "a torrent that has given enough could not be removed");
            self.note(&[id], |record| record.is_started = false);
        }
        Ok(())
    }

    /// The user wants torrents to run. Those that have given enough are to give more: until a limit that they have not reached yet.
    pub(super) fn start_again(&self, torrents: &[TorrentId], is_forced: bool) {
        let (choices, labels) = (self.choices(), self.labels());
        let mut known = hold(&self.0.known);
        let running_time = known.running_time;
        for torrent in torrents {
            if let Some(one) = known.torrents.get_mut(torrent) {
                let overruled = one.reached(&one.seeding_limits(&choices, &labels), running_time);
                one.record.overruled = overruled;
                one.record.has_given_enough = false;
                (one.record.is_started, one.record.is_forced) = (true, is_forced);
                one.is_unwritten = true;
            }
            known.show(*torrent);
        }
        known.decided_at = None;
    }

    /// By the clock that never jumps.
    pub(super) fn now(&self) -> Time {
        let nanos = Instant::now().saturating_duration_since(self.0.epoch).as_nanos();
        Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Known {
    /// Torrents that run and are not to, or the other way round.
    fn run_wrongly(&mut self, now: Time, choices: &Choices) -> Vec<(TorrentId, bool)> {
        let mut candidates = Vec::new();
        for (id, one) in self.torrents.iter_mut().filter(|(_, one)| one.record.is_started) {
            candidates.push(one.candidate(*id, now, self.running_time, choices));
        }
        let run: BTreeSet<TorrentId> = queue::decide(now, &candidates, &choices.queue);
        let is_wrong = |(id, one): (&TorrentId, &Torrent)| {
            let runs = run.contains(id);
            // Nobody uses its files meanwhile.
            (!one.facts.is_moving && runs == one.facts.is_paused).then_some((*id, runs))
        };
        self.torrents.iter().filter_map(is_wrong).collect()
    }

    fn have_given_enough(&self, choices: &Choices, labels: &Labels) -> Vec<(TorrentId, SeedingAction)> {
        let seeds = self.torrents.iter().filter(|(_, one)| {
            let record = &one.record;
            // Whoever forces a torrent has decided.
            record.is_started && !record.is_forced && !record.has_given_enough && !one.is_on_its_way()
        });
        let enough = seeds.filter_map(|(id, one)| {
            let limits = one.seeding_limits(choices, labels);
            let reached = one.reached(&limits, self.running_time);
            reached.go_beyond(&one.record.overruled).then_some((*id, limits.action))
        });
        enough.collect()
    }
}

impl Torrent {
    fn seeding_limits(&self, choices: &Choices, labels: &Labels) -> Effective {
        labels.seeding_limits(self.record.seeding, self.record.label.as_deref(), choices.seeding)
    }

    /// None while it lacks something: only who seeds gives.
    fn reached(&self, limits: &Effective, running_time: u64) -> ReachedLimits {
        if !self.facts.is_complete {
            return ReachedLimits::default();
        }
        let given = Given {
            uploaded: self.facts.totals.uploaded,
            downloaded: self.facts.totals.downloaded,
            have: self.facts.size.saturating_sub(self.facts.left),
            seeding: Duration::from_secs(self.record.times.seeding_seconds(running_time)),
            inactive: Duration::from_secs(self.record.times.idle_seconds(running_time)),
        };
        share_limits::reached(limits, &given)
    }

    fn stage(&self) -> Stage {
        match self.live.as_ref().map(|live| live.doing) {
            Some(Doing::Checking(_)) => Stage::Checking,
            _ if self.facts.is_complete => Stage::Seeding,
            _ => Stage::Downloading,
        }
    }

    fn candidate(
        &mut self,
        id: TorrentId,
        now: Time,
        running_time: u64,
        choices: &Choices,
    ) -> Candidate<TorrentId> {
        let stage = self.stage();
        if self.facts.is_paused {
            self.running_since = None;
            self.slowness = queue::Slowness::default();
        } else if self.running_since.is_none_or(|(before, _)| before != stage) {
            self.running_since = Some((stage, now));
            self.slowness = queue::Slowness::default();
        }
        let rate = self.live.as_ref().map_or(0, |live| match stage {
            Stage::Seeding => live.upload_rate,
            Stage::Checking | Stage::Downloading => live.download_rate,
        });
        if self.running_since.is_some() {
            self.slowness.observe(now, rate, choices.slow);
        }
        Candidate {
            torrent: id,
            position: self.record.position,
            forced: self.record.is_forced,
            stage,
            running_since: self.running_since.map(|(_, since)| since),
            slow: self.slowness.is_slow(),
            swarm: self.live.as_ref().and_then(|live| live.swarm),
            seeding_time: Duration::from_secs(self.record.times.seeding_seconds(running_time)),
        }
    }
}
