//! Datagrams on an access line, and what the network does to them.

use std::collections::VecDeque;
use std::time::Duration;

use sprat_core::io::ConnectionId;
use sprat_core::time::Time;

use super::{Datagram, PacketConfig};
use crate::network::{Departed, Downlink, Parcel, Passage, Route, time_on_line};

/// Both directions of a line.
#[derive(Debug)]
pub(super) struct Access {
    config: PacketConfig,
    upload: u64,
    uplink: VecDeque<Leaving>,
    /// Bytes in it.
    waiting: usize,
    /// The first one is being sent.
    is_busy: bool,
    downlink: Downlink,
    rng: fastrand::Rng,
    /// The most bytes that have waited before either direction.
    #[cfg(test)]
    pub(super) most_waiting: usize,
    #[cfg(test)]
    pub(super) dropped: u64,
}

#[derive(Debug)]
struct Leaving {
    connection: ConnectionId,
    route: Route,
    datagram: Datagram,
}

impl Access {
    pub(super) const fn new(config: PacketConfig, upload: u64, download: u64, rng: fastrand::Rng) -> Self {
        Self {
            config,
            upload,
            uplink: VecDeque::new(),
            waiting: 0,
            is_busy: false,
            downlink: Downlink::new(download),
            rng,
            #[cfg(test)]
            most_waiting: 0,
            #[cfg(test)]
            dropped: 0,
        }
    }

    /// Puts a datagram before the uplink, or drops it if there is no room.
    pub(super) fn queue(&mut self, connection: ConnectionId, route: Route, datagram: Datagram) {
        let length = datagram.length();
        let has_room = self.has_room(self.waiting, length);
        #[cfg(test)]
        self.watch(self.waiting + length, has_room);
        if has_room {
            self.waiting += length;
            self.uplink.push_back(Leaving { connection, route, datagram });
        }
    }

    /// Begins to send the next one if none is being sent; when it will have left.
    pub(super) fn start(&mut self, now: Time) -> Option<Time> {
        if self.is_busy {
            return None;
        }
        let length = self.uplink.front()?.datagram.length();
        self.is_busy = true;
        Some(now + time_on_line(length, self.upload))
    }

    /// The one that was being sent is in the network now, which may lose it or make two of it.
    pub(super) fn departed(&mut self, out: &mut Vec<Departed>) {
        self.is_busy = false;
        let Some(Leaving { connection, route, datagram }) = self.uplink.pop_front() else { return };
        self.waiting -= datagram.length();
        if self.happens(self.config.loss_per_mille) {
            return;
        }
        let mut send = |datagram, takes| {
            let parcel = Parcel::Datagram(Box::new(datagram));
            out.push(Departed { connection, route, parcel, said: 0, takes: Some(takes) });
        };
        if self.happens(self.config.duplication_per_mille) {
            send(datagram.clone(), route.latency + self.detour());
        }
        send(datagram, route.latency + self.detour());
    }

    /// So many bytes stand before the downlink.
    pub(super) fn arrive(&mut self, now: Time, length: usize) -> Passage {
        if self.downlink.is_free(now) && length == 0 {
            return Passage::AtOnce;
        }
        let waiting = self.downlink.backlog(now);
        let has_room = self.has_room(waiting, length);
        #[cfg(test)]
        self.watch(waiting + length, has_room);
        if !has_room {
            return Passage::Dropped;
        }
        Passage::At(self.downlink.pass(now, length))
    }

    /// What has no length always finds room.
    const fn has_room(&self, waiting: usize, length: usize) -> bool {
        length == 0 || waiting + length <= self.config.queue
    }

    /// What does not happen draws no random numbers.
    fn happens(&mut self, per_mille: u16) -> bool {
        per_mille > 0 && self.rng.u16(..1000) < per_mille
    }

    fn detour(&mut self) -> Duration {
        if !self.happens(self.config.reorder_per_mille) {
            return Duration::ZERO;
        }
        let most = u64::try_from(self.config.jitter.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.rng.u64(..=most))
    }

    #[cfg(test)]
    fn watch(&mut self, waiting: usize, has_room: bool) {
        self.dropped += u64::from(!has_room);
        self.most_waiting = self.most_waiting.max(if has_room { waiting } else { 0 });
    }
}
