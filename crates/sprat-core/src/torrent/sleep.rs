//! When a torrent that has everything has nobody to give it to, it falls asleep: see [`crate::sleeper`]. So does one that is
//! held, whatever it is doing.

use std::net::SocketAddr;
use std::time::Duration;

use crate::announcer::Announcer;
use crate::context::Context;
use crate::io::{AddSleeping, Totals};
use crate::peer_list::PeerSource;
use crate::storage::{Files, StorageRequest};
use crate::time::Time;

use super::{Phase, Torrent};

/// How near a torrent is to sleep.
#[derive(Debug, Default)]
pub(super) struct Sleep {
    /// When there was last somebody to look after.
    busy_at: Option<Time>,
    /// The files are being closed; what the user has said meanwhile that is to become of them.
    falling: Option<Option<Files>>,
    /// It is to sleep until it is released.
    is_held: bool,
}

impl Sleep {
    pub(super) const fn busy(&mut self, now: Time) {
        self.busy_at = Some(now);
    }

    /// Whether it is about to sleep, and leaves what is to be done to the sleeper.
    pub(super) const fn put_off(&mut self, files: Files) -> bool {
        let is_falling = self.falling.is_some();
        if is_falling {
            self.falling = Some(Some(files));
        }
        is_falling
    }
}

impl Torrent {
    /// When it falls asleep if nobody comes.
    pub(super) fn bed_time(&self, after: Option<Duration>) -> Option<Time> {
        if self.is_idle() { Some(self.sleep.busy_at? + after?) } else { None }
    }

    /// Has everything, and nothing to do.
    fn is_idle(&self) -> bool {
        self.is_active()
            && self.trouble.is_none()
            && self.connections.is_empty()
            && self.dials.is_empty()
            && self.guests.is_empty()
            && self.reading.is_over()
            && self.durability.is_settled()
            && self.is_complete()
    }

    /// Closes the files. When that is done, it is asleep.
    pub(super) fn fall_asleep(&mut self, cx: &mut Context<'_>) {
        self.commit_last(cx);
        self.sleep.falling = Some(None);
        self.phase = Phase::Closing;
        self.next_probe = None;
        self.next_tick = None;
        cx.storage(StorageRequest::Close { torrent: self.id, files: Files::Keep });
    }

    /// Leaves the swarm and closes the files, until the sleeper is released.
    pub(crate) fn hold(&mut self, cx: &mut Context<'_>) {
        self.sleep.is_held = true;
        if !self.is_closing() {
            self.leave_swarm(cx);
            self.leave_trouble(cx);
            self.fall_asleep(cx);
        }
    }

    /// The sleeper that it becomes need not be held.
    pub(crate) const fn release(&mut self) {
        self.sleep.is_held = false;
    }

    /// Its files are closed to let it sleep, not for good.
    pub(crate) const fn is_falling_asleep(&self) -> bool {
        self.sleep.falling.is_some()
    }

    /// The sleeper that it becomes is to be held.
    pub(crate) const fn is_held(&self) -> bool {
        self.sleep.is_held
    }

    /// What is left of it while it sleeps, and what the user has said that is to become of its files.
    pub(crate) fn into_sleeping(self) -> (AddSleeping, Announcer, Option<Files>) {
        let wish = AddSleeping {
            info_hashes: self.metainfo.info_hashes,
            private: self.metainfo.info.private,
            tiers: Vec::new(),
            complete: self.is_complete(),
            left: self.picker.bytes_left(),
            totals: self.totals,
            paused: self.paused,
            recheck: self.believes_nothing,
            priorities: self.priorities,
            sequential: self.picker.is_sequential(),
            limits: self.limits.limits(),
            manner: self.manner,
        };
        let files = self.sleep.falling.flatten();
        (wish, self.announcer, files)
    }

    /// Takes up where the sleeper was.
    pub(crate) fn carry_on(&mut self, now: Time, totals: Totals, recheck: bool, peers: &[SocketAddr]) {
        self.totals = totals;
        self.believes_nothing = recheck;
        self.add_peers(now, peers, PeerSource::Tracker);
    }
}
