//! Faults begin and end.

use std::time::Duration;

use sprat_core::time::Time;

use super::{Appointment, Simulation};
use crate::faults::Fault;
use crate::peer::Peer;

impl Simulation {
    /// Lets something go wrong.
    pub fn add_fault(&mut self, fault: Fault) {
        let at = |time: Duration| self.now.max(Time::ZERO + time);
        let (begins, ends) = (at(fault.begins()), at(fault.ends()));
        let index = self.world.add_fault(fault);
        self.agenda.insert((begins, Appointment::FaultBegins(index)));
        self.agenda.insert((ends, Appointment::FaultEnds(index)));
    }

    pub(super) fn set_fault(&mut self, index: usize, active: bool) {
        let Some(fault) = self.world.fault(index).cloned() else { return };
        self.trace.number(index as u64 * 2 + u64::from(active));
        self.world.disturbed_at = self.now;
        match fault {
            Fault::Partition { .. } | Fault::Clog { .. } => {
                self.world.set_active(index, active);
                self.hold_or_release();
            }
            Fault::Suspend { peer, .. } => {
                if active {
                    let until = Time::ZERO + fault.ends();
                    self.with_peer(peer, |peer, _| peer.suspend(until));
                }
                // What others send it waits at them, as with TCP when nothing is acknowledged.
                self.world.set_active(index, active);
                self.hold_or_release();
            }
            Fault::SlowDisk { peer, by, .. } if active => {
                self.with_peer(peer, |peer, _| peer.disk.slow_down(by));
            }
            Fault::SlowDisk { peer, by, .. } => self.with_peer(peer, |peer, _| peer.disk.speed_up(by)),
            Fault::Crash { peer, .. } if active => self.with_peer(peer, Peer::crash),
            Fault::Crash { peer, .. } => self.with_peer(peer, Peer::restart),
            Fault::FullDisk { peer, .. } => self.with_peer(peer, |peer, _| peer.disk.set_full(active)),
            Fault::TrackerOutage { url, .. } => {
                for tracker in self.trackers.iter_mut().filter(|tracker| tracker.url() == url) {
                    tracker.is_silent = active;
                }
            }
            Fault::DhtOutage { .. } => self.rendezvous.is_silent = active,
        }
    }

    /// Stops and starts the connections that are concerned.
    fn hold_or_release(&mut self) {
        for number in self.numbers() {
            self.with_peer(number, Peer::hold_or_release);
        }
    }

    /// Those who read now and then begin or cease to do so.
    pub(super) fn let_slow_readers_read(&mut self) {
        if self.world.has_slow_readers() {
            self.hold_or_release();
        }
    }
}
