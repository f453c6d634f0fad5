//! Faults begin and end.

use std::time::Duration;

use sprat_core::time::Time;

use super::Simulation;
use crate::event::Event;
use crate::faults::Fault;
use crate::network::Side;
use crate::peer::Presence;
use crate::peer_number::PeerNumber;

impl Simulation {
    /// Lets something go wrong.
    pub fn add_fault(&mut self, fault: Fault) {
        let at = |time: Duration| self.now.max(Time::ZERO + time);
        let (begins, ends) = (at(fault.begins()), at(fault.ends()));
        let index = self.faults.len();
        self.faults.push(fault);
        self.schedule.at(begins, Event::FaultBegins(index));
        self.schedule.at(ends, Event::FaultEnds(index));
    }

    pub(super) fn fault_begins(&mut self, index: usize) {
        let Some(fault) = self.faults.get(index).cloned() else { return };
        self.note(b'F', PeerNumber(0), index as u64);
        self.disturbed_at = self.now;
        match fault {
            Fault::Partition { .. } | Fault::Clog { .. } => {
                self.active_faults.push(index);
                self.hold_or_release();
            }
            Fault::Crash { peer, .. } => self.crash(peer),
            Fault::FullDisk { peer, .. } => self.set_disk_full(peer, true),
            Fault::TrackerOutage { url, .. } => self.set_tracker_silent(&url, true),
        }
    }

    pub(super) fn fault_ends(&mut self, index: usize) {
        let Some(fault) = self.faults.get(index).cloned() else { return };
        self.note(b'G', PeerNumber(0), index as u64);
        self.disturbed_at = self.now;
        match fault {
            Fault::Partition { .. } | Fault::Clog { .. } => {
                self.active_faults.retain(|active| *active != index);
                self.hold_or_release();
            }
            Fault::Crash { peer, .. } => self.restart(peer),
            Fault::FullDisk { peer, .. } => self.set_disk_full(peer, false),
            Fault::TrackerOutage { url, .. } => self.set_tracker_silent(&url, false),
        }
    }

    /// Until when nothing gets from one to the other; `None` when nothing is in the way.
    pub(super) fn held_until(&self, from: PeerNumber, to: PeerNumber) -> Option<Time> {
        let active = self.active_faults.iter().filter_map(|index| self.faults.get(*index));
        let faults =
            active.filter(|fault| fault.holds(from, to)).map(|fault| Time::ZERO + fault.ends()).max();
        let is_slow = self.slow_readers.contains(&to);
        faults.max(if is_slow { reads_again_at(self.now) } else { None })
    }

    /// Whether one can call the other.
    pub(super) fn is_within_reach(&self, one: PeerNumber, other: PeerNumber) -> bool {
        let mut active = self.active_faults.iter().filter_map(|index| self.faults.get(*index));
        !active.any(|fault| fault.separates(one, other))
    }

    /// Stops and starts the connections that are concerned.
    fn hold_or_release(&mut self) {
        let ends: Vec<_> = self.links.ends().collect();
        let mut released = Vec::new();
        for (end, from, to) in ends {
            let hold = self.held_until(from, to).is_some();
            if self.links.hold(end, hold)
                && !hold
                && let Some(peer) = self.peers.get_mut(from.index())
            {
                peer.uplink.resume(&self.links, end);
                released.push(from);
            }
        }
        for peer in released {
            self.start_uplink(peer);
        }
    }

    /// Those who read now and then begin or cease to do so.
    pub(super) fn let_slow_readers_read(&mut self) {
        if !self.slow_readers.is_empty() {
            self.hold_or_release();
        }
    }

    /// A new connection may begin in the middle of a fault.
    pub(super) fn hold_new(&mut self, id: crate::network::LinkId, caller: PeerNumber, called: PeerNumber) {
        for (side, from, to) in [(Side::Caller, caller, called), (Side::Called, called, caller)] {
            if self.held_until(from, to).is_some() {
                self.links.hold((id, side), true);
            }
        }
    }

    fn crash(&mut self, number: PeerNumber) {
        self.note(b'K', number, 0);
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if peer.presence != Presence::Present {
            return;
        }
        peer.counted = peer.counted(self.now);
        peer.presence = Presence::Expected;
        peer.crashed = true;
        peer.life += 1;
        peer.wake_at = None;
        let ends = std::mem::take(&mut peer.ends);
        for piece in peer.disk.have().iter() {
            self.copies[piece as usize] -= 1;
        }
        peer.disk.crash(&mut self.rng);
        for end in ends.into_values() {
            self.close(end);
        }
    }

    fn restart(&mut self, number: PeerNumber) {
        let Some(peer) = self.peers.get_mut(number.index()) else { return };
        if std::mem::take(&mut peer.crashed) && peer.presence == Presence::Expected {
            peer.start_anew(&mut self.rng);
            self.join(number);
        }
    }

    fn set_disk_full(&mut self, number: PeerNumber, is_full: bool) {
        if let Some(peer) = self.peers.get_mut(number.index()) {
            peer.disk.set_full(is_full);
        }
    }

    fn set_tracker_silent(&mut self, url: &str, is_silent: bool) {
        for tracker in self.trackers.iter_mut().filter(|tracker| tracker.url() == url) {
            tracker.is_silent = is_silent;
        }
    }
}

/// When somebody reads again who reads in one second of ten; `None` when that is now.
const fn reads_again_at(now: Time) -> Option<Time> {
    let second = now.as_nanos() / 1_000_000_000;
    if second.is_multiple_of(10) { None } else { Some(Time::from_secs(second.next_multiple_of(10))) }
}
