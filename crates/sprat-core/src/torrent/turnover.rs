//! Places are few, and some are held by peers of no use: they neither want nor have anything, they promise and are
//! silent, or they never let us have a turn. When all places are taken and other addresses are known, such a one is let
//! go. A peer that gives or takes stays.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Torrent;
use crate::connection::PeerConnection;
use crate::context::Context;
use crate::io::{ConnectionId, DisconnectReason};
use crate::time::Time;

/// Who owes us blocks, or refuses what it says it has, and has given nothing in this time is silent: what snubbing is
/// measured by (Cohen 2003).
const SILENT_AFTER: Duration = Duration::from_secs(60);

/// Two ends that want nothing of each other may come to want something while pieces spread: a few decisions of the
/// choker, in which a newcomer becomes interesting.
const IDLE_AFTER: Duration = Duration::from_secs(120);

/// Who chokes us may have many others to serve. Ten trials of half a minute (BEP 3) later we were not among them.
const CHOKED_AFTER: Duration = Duration::from_secs(300);

/// Nobody has given us anything for so long: whoever is connected may take from us, but somebody else has to be found.
const STARVED_AFTER: Duration = Duration::from_secs(120);

/// One is let go at a time, four a minute: a place is soon found, and a swarm full of new connections would not be
/// better than one full of useless ones. (libtorrent lets 4 % go every five minutes.)
const PAUSE: Duration = Duration::from_secs(15);

/// Who was let go does not get the last place by calling back at once.
const STAYS_AWAY: Duration = Duration::from_secs(300);

/// Why a connection is of no use; the greatest is let go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Useless {
    /// It has never let us have a turn.
    Chokes,
    /// Neither end wants anything of the other.
    Idle,
    /// It owes us blocks, or refuses them.
    Silent,
}

/// What is remembered of letting go.
#[derive(Debug, Default)]
pub(super) struct Turnover {
    next: Time,
    let_go: BTreeMap<IpAddr, Time>,
    /// There is nobody among our peers who is of use.
    pub(super) is_lonely: bool,
    /// When somebody last gave us a block.
    pub(super) given_at: Time,
}

impl Turnover {
    fn remember(&mut self, now: Time, address: SocketAddr) {
        self.let_go.retain(|_, at| now.since(*at) < STAYS_AWAY);
        // Of our own machine every process has the same address.
        if !address.ip().is_loopback() {
            self.let_go.insert(address.ip(), now);
        }
    }

    fn was_let_go(&self, now: Time, address: SocketAddr) -> bool {
        self.let_go.get(&address.ip()).is_some_and(|at| now.since(*at) < STAYS_AWAY)
    }
}

impl Torrent {
    /// Lets somebody go who is of no use, if all places are taken and there is somebody else to call.
    pub(super) fn turn_over(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        for connection in self.connections.values_mut() {
            if connection.interested || connection.wanted {
                connection.wanted_at = now;
            }
        }
        let is_starved = self.is_downloading() && now.since(self.turnover.given_at) >= STARVED_AFTER;
        self.turnover.is_lonely =
            is_starved || self.connections.values().all(|one| uselessness(now, one).is_some());
        let is_full = self.connection_count() >= self.most_connections(cx) || cx.connections_left == 0;
        if !is_full || now < self.turnover.next || !self.peers.has_candidate(now) {
            return;
        }
        if self.let_one_go(cx) {
            self.turnover.next = now + PAUSE;
        }
    }

    /// Ends the connection that is of least use, if there is one of none.
    pub(super) fn let_one_go(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((id, address)) = self.most_useless(cx.now) else { return false };
        self.turnover.remember(cx.now, address);
        self.disconnect(cx, id, DisconnectReason::Useless);
        true
    }

    /// Ends connections until there are no more than so many: calls that nobody has answered, then those that move least.
    pub(crate) fn let_go_beyond(&mut self, cx: &mut Context<'_>, most: usize) {
        let surplus = self.connection_count().saturating_sub(most);
        if surplus == 0 {
            return;
        }
        let now = cx.now;
        let rate = |one: &PeerConnection| one.download.rate(now) + one.upload.rate(now);
        let mut by_rate: Vec<(u64, ConnectionId)> =
            self.connections.values().map(|one| (rate(one), one.id)).collect();
        by_rate.sort_unstable();
        let least = self.dials.keys().copied().chain(by_rate.into_iter().map(|(_, id)| id));
        for id in least.take(surplus).collect::<Vec<_>>() {
            self.disconnect(cx, id, DisconnectReason::TooMany);
        }
    }

    /// Whether this caller was let go a short time ago, and would take the place that was to be somebody else's.
    pub(super) fn is_to_stay_away(&self, cx: &Context<'_>, address: SocketAddr) -> bool {
        self.turnover.was_let_go(cx.now, address) && self.connection_count() >= self.most_connections(cx)
    }

    /// Of those that are useless in the same way it is the one that has been so for longest.
    fn most_useless(&self, now: Time) -> Option<(ConnectionId, SocketAddr)> {
        let useless = self.connections.values().filter_map(|one| Some((uselessness(now, one)?, one)));
        let worst = useless.max_by_key(|(why, one)| (*why, now.since(one.exchanged_at), one.id));
        worst.map(|(_, one)| (one.id, one.address))
    }
}

/// What speaks against this connection, if anything does.
fn uselessness(now: Time, connection: &PeerConnection) -> Option<Useless> {
    let quiet = now.since(connection.exchanged_at);
    if connection.interested && !connection.choked {
        let owes = connection.snubbed || connection.refuses(now);
        return (owes && quiet >= SILENT_AFTER).then_some(Useless::Silent);
    }
    if connection.interested {
        return (quiet >= CHOKED_AFTER).then_some(Useless::Chokes);
    }
    let idle = now.since(connection.wanted_at.max(connection.exchanged_at));
    (idle >= IDLE_AFTER).then_some(Useless::Idle)
}
