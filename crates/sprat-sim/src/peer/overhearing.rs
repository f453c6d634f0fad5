//! Every session's connections are listened to at its own end.

use bytes::Bytes;
use sprat_core::bitfield::Bitfield;
use sprat_core::io::ConnectionId;
use sprat_core::time::Time;
use sprat_core::torrent::{Torrent, TorrentState};

use super::{Peer, Presence};
use crate::behaviour::Behaviour;
use crate::desk::Context;
use crate::report::Violation;
use crate::wire_watch::{Knowledge, WireWatch};

impl Peer {
    pub(super) fn overhear_said(&mut self, cx: &mut Context<'_>, connection: ConnectionId, bytes: &Bytes) {
        if !cx.world.checks_wires || self.hostile.is_some() {
            return;
        }
        let Self { wires, session, torrent, disk, config, .. } = self;
        let content = disk.content();
        let counted = torrent.and_then(|id| session.torrent(id)).map(Torrent::have);
        let poisons = matches!(config.behaviour, Behaviour::Poisoner { .. });
        let knows = Knowledge { content, verified: disk.have(), counted, poisons };
        let wire = wires.entry(connection).or_insert_with(|| WireWatch::new(content.geometry().pieces()));
        if let Err(rule) = wire.says(bytes.clone(), knows) {
            cx.violate(Violation::BrokenRule { at: cx.now, by: self.number, rule });
        }
    }

    pub(super) fn overhear_heard(&mut self, cx: &Context<'_>, connection: ConnectionId, bytes: &Bytes) {
        if !cx.world.checks_wires || self.hostile.is_some() {
            return;
        }
        let content = self.disk.content();
        let pieces = content.geometry().pieces();
        let wire = self.wires.entry(connection).or_insert_with(|| WireWatch::new(pieces));
        wire.hears(bytes.clone(), content);
    }

    pub(super) fn overhear_sent(&mut self, connection: ConnectionId, bytes: usize) {
        if let Some(wire) = self.wires.get_mut(&connection) {
            wire.sent(bytes);
        }
    }

    /// Once a second: what is had is told, and what is wanted is asked for; the rule that is broken.
    pub(crate) fn check_wires(&mut self, now: Time) -> Result<(), String> {
        if self.is_asleep(now) {
            self.had = None;
            return Ok(());
        }
        let Self { wires, line, session, torrent, had, .. } = self;
        wires.retain(|connection, _| line.is_open(*connection));
        if self.presence != Presence::Present {
            return Ok(());
        }
        let Some(torrent) = torrent.and_then(|id| session.torrent(id)) else { return Ok(()) };
        // Otherwise it may not listen yet.
        if !matches!(torrent.state(), TorrentState::Downloading | TorrentState::Seeding) {
            return Ok(());
        }
        let counted = torrent.have();
        let empty = Bitfield::new(counted.len());
        // A super-seeder does not tell what it has before it is time.
        let before = had.as_ref().filter(|_| !torrent.manner().super_seeding).unwrap_or(&empty);
        wires.values().try_for_each(|wire| wire.at_rest(before, counted))?;
        if had.as_ref() != Some(counted) {
            *had = Some(counted.clone());
        }
        Ok(())
    }
}
