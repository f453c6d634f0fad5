//! Letting a torrent act, and what becomes of it thereby: seekers that have found, sleepers that wake, torrents that fall asleep
//! or are gone.

use std::sync::Arc;

use sprat_wire::metainfo::Metainfo;

use crate::context::Context;
use crate::io::{ConnectionId, Event, Output};
use crate::seeker::Seeker;
use crate::sleeper::Sleeper;
use crate::storage::TorrentId;
use crate::time::Time;
use crate::torrent::Torrent;

use super::{METADATA_AT_ONCE, Member, Session, either};

impl Session {
    pub(super) fn with_owner(
        &mut self,
        now: Time,
        connection: ConnectionId,
        act: impl FnOnce(&mut Member, &mut Context<'_>),
    ) {
        if let Some(id) = self.owners.get(&connection).copied() {
            self.with_member(now, id, act);
        }
    }

    pub(super) fn for_each_torrent(
        &mut self,
        now: Time,
        mut act: impl FnMut(&mut Torrent, &mut Context<'_>),
    ) {
        let all: Vec<TorrentId> = self.torrents().map(Torrent::id).collect();
        for id in all {
            self.with_torrent(now, id, &mut act);
        }
    }

    pub(super) fn with_torrent(
        &mut self,
        now: Time,
        id: TorrentId,
        act: impl FnOnce(&mut Torrent, &mut Context<'_>),
    ) {
        self.with_member(now, id, |member, cx| {
            if let Some(torrent) = member.torrent_mut() {
                act(torrent, cx);
            }
        });
    }

    pub(super) fn with_sleeper(
        &mut self,
        now: Time,
        id: TorrentId,
        act: impl FnOnce(&mut Sleeper, &mut Context<'_>),
    ) {
        self.with_member(now, id, |member, cx| {
            if let Member::Sleeper(sleeper) = member {
                act(sleeper, cx);
            }
        });
    }

    /// Lets a member act, and afterwards takes note of the connections it opened and of its next appointment. A seeker
    /// that has found what it sought becomes a torrent, and so does a sleeper that is awake.
    pub(super) fn with_member(
        &mut self,
        now: Time,
        id: TorrentId,
        act: impl FnOnce(&mut Member, &mut Context<'_>),
    ) {
        self.let_act(now, id, act);
        match self.members.get_mut(&id) {
            Some(Member::Seeker(seeker)) if seeker.is_closing() => self.forget(id),
            Some(Member::Seeker(seeker)) => {
                if let Some(metainfo) = seeker.take_found() {
                    self.becomes_known(now, id, metainfo);
                }
            }
            Some(Member::Sleeper(sleeper)) if sleeper.is_gone() => self.forget(id),
            Some(Member::Sleeper(sleeper)) => {
                if let Some(metainfo) = sleeper.take_found() {
                    self.awakes(now, id, metainfo);
                }
            }
            Some(Member::Torrent(_)) | None => {}
        }
    }

    pub(super) fn becomes_known(&mut self, now: Time, id: TorrentId, metainfo: Arc<Metainfo>) {
        let Some(Member::Seeker(seeker)) = self.members.remove(&id) else { return };
        self.metadata_in_flight = self.metadata_in_flight.saturating_sub(seeker.metadata_in_flight());
        let before = seeker.holds();
        let torrent = seeker.into_torrent(metainfo, &self.config, now, &mut self.rng);
        self.memory.change(before, torrent.guests_hold());
        self.insert(id, Member::Torrent(Box::new(torrent)));
        self.let_act(now, id, |member, cx| either!(member, it => it.open(cx)));
    }

    pub(super) fn awakes(&mut self, now: Time, id: TorrentId, metainfo: Arc<Metainfo>) {
        let Some(Member::Sleeper(sleeper)) = self.members.remove(&id) else { return };
        let before = sleeper.guests_hold();
        let (torrent, closing) = sleeper.into_torrent(metainfo, &self.config, now, &mut self.rng);
        self.memory.change(before, torrent.guests_hold());
        self.insert(id, Member::Torrent(Box::new(torrent)));
        self.let_act(now, id, |member, cx| either!(member, it => it.open(cx)));
        if let Some(files) = closing {
            self.remove_with(now, id, files);
        }
    }

    /// The files of a torrent are closed: it is gone, or asleep.
    pub(super) fn on_closed_files(&mut self, now: Time, id: TorrentId) {
        if !self.torrent(id).is_some_and(Torrent::is_falling_asleep) {
            return self.forget(id);
        }
        let Some(Member::Torrent(torrent)) = self.members.remove(&id) else { return };
        let is_held = torrent.is_held();
        let (wish, announcer, closing) = torrent.into_sleeping();
        let sleeper = Sleeper::lie_down(id, now, wish, announcer);
        self.limits.forget(id);
        self.insert(id, Member::Sleeper(Box::new(sleeper)));
        if is_held {
            self.hold(now, id);
        } else {
            self.with_sleeper(now, id, |sleeper, cx| sleeper.settle(cx));
        }
        if let Some(files) = closing {
            self.remove_with(now, id, files);
        }
    }

    pub(super) fn let_act(
        &mut self,
        now: Time,
        id: TorrentId,
        act: impl FnOnce(&mut Member, &mut Context<'_>),
    ) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let held = |member: &Member| member.seeker().map_or(0, Seeker::metadata_in_flight);
        let (held_before, memory_before) = (held(member), member.holds());
        let first_output = self.outputs.len();
        let mut cx = Context {
            now,
            config: &self.config,
            peer_id: self.peer_id,
            outputs: &mut self.outputs,
            limits: &mut self.limits,
            names: &mut self.names,
            tracker_hosts: &mut self.tracker_hosts,
            lookups: &mut self.lookups,
            memory: &mut self.memory,
            connections_left: self.config.connections.saturating_sub(self.owners.len()),
            metadata_left: METADATA_AT_ONCE.saturating_sub(self.metadata_in_flight - held_before),
            slot_is_free: self.slot_is_free,
            rechoke: &mut self.rechoke,
        };
        act(member, &mut cx);
        self.metadata_in_flight = self.metadata_in_flight - held_before + held(member);
        self.memory.change(memory_before, member.holds());
        for output in self.outputs.iter().skip(first_output) {
            match output {
                Output::Connect { connection, .. } => drop(self.owners.insert(*connection, id)),
                Output::Event(Event::PeerDisconnected { address, reason, .. }) if reason.is_breach() => {
                    self.grudges.note(now, address.ip());
                }
                _ => {}
            }
        }
        self.next_turn = self.limits.next_time(now);
        let next = match member {
            Member::Torrent(torrent) => torrent.next_timeout(&self.config),
            Member::Seeker(seeker) => seeker.next_timeout(),
            Member::Sleeper(sleeper) => sleeper.next_timeout(),
        };
        if self.appointment_of.get(&id).copied() != next {
            if let Some(old) = self.appointment_of.remove(&id) {
                self.appointments.remove(&(old, id));
            }
            if let Some(next) = next {
                self.appointment_of.insert(id, next);
                self.appointments.insert((next, id));
            }
        }
    }

    pub(super) fn forget(&mut self, id: TorrentId) {
        let Some(member) = self.members.remove(&id) else { return };
        self.memory.change(member.holds(), 0);
        if let Some(seeker) = member.seeker() {
            self.metadata_in_flight = self.metadata_in_flight.saturating_sub(seeker.metadata_in_flight());
        }
        for hash in member.info_hashes().on_the_wire() {
            // Another may have it by now.
            if self.by_hash.get(&hash) == Some(&id) {
                self.by_hash.remove(&hash);
            }
        }
        if let Some(at) = self.appointment_of.remove(&id) {
            self.appointments.remove(&(at, id));
        }
        self.limits.forget(id);
    }
}
