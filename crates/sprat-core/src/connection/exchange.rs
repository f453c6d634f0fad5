//! Peer exchange (BEP 11) on one connection: what was told in either direction, and how often.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sprat_wire::peer::pex::{MOST_SENT, PexFlags, PexMessage};

use crate::io::DisconnectReason;
use crate::time::Time;

/// "Clients should batch updates to send no more than one message a minute" (BEP 11).
const PAUSE: Duration = Duration::from_secs(60);

/// Messages that come faster than this are not read. A little less than a minute, for clocks and networks differ.
const SHORTEST_PAUSE: Duration = Duration::from_secs(45);

/// So many messages that come too fast are no mistake.
const MOST_HASTY: u32 = 20;

/// Addresses believed of one connection in all: more than it can have connections.
const MOST_BELIEVED: usize = 200;

/// What one connection has told, and was told.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    told: Roll,
    last_told: Option<Time>,
    last_heard: Option<Time>,
    hasty: u32,
    believed: usize,
}

/// Whom a torrent is connected to, ascending by address, each once. The connections that have been told the same share
/// one.
pub(crate) type Roll = Arc<[(SocketAddr, PexFlags)]>;

impl Exchange {
    pub(crate) fn is_due(&self, now: Time) -> bool {
        self.last_told.is_none_or(|last| now.since(last) >= PAUSE)
    }

    /// The difference to what was told before, which is told now.
    pub(crate) fn tell(&mut self, now: Time, connected: &Roll, except: SocketAddr) -> PexMessage {
        if Arc::ptr_eq(&self.told, connected) {
            return PexMessage::default();
        }
        let mut dropped: Vec<SocketAddr> = missing(&self.told, connected)
            .map(|(address, _)| address)
            .filter(|gone| *gone != except)
            .collect();
        let mut added: Vec<(SocketAddr, PexFlags)> =
            missing(connected, &self.told).filter(|(address, _)| *address != except).collect();
        self.told = if dropped.len() <= MOST_SENT && added.len() <= MOST_SENT {
            Roll::clone(connected)
        } else {
            dropped.truncate(MOST_SENT);
            added.truncate(MOST_SENT);
            let kept = self.told.iter().filter(|(address, _)| !dropped.contains(address));
            let mut told: Vec<_> = kept.chain(&added).copied().collect();
            told.sort_unstable_by_key(|(address, _)| *address);
            told.into()
        };
        let message = PexMessage { added, dropped };
        if !message.is_empty() {
            self.last_told = Some(now);
        }
        message
    }

    /// What of a message is worth judging; an error when its sender floods us.
    pub(crate) fn hear(
        &mut self,
        now: Time,
        message: &PexMessage,
    ) -> Result<Vec<SocketAddr>, DisconnectReason> {
        if self.last_heard.is_some_and(|last| now.since(last) < SHORTEST_PAUSE) {
            self.hasty += 1;
            let floods = self.hasty > MOST_HASTY;
            return if floods {
                Err(DisconnectReason::Misbehaved("flood of peer exchange"))
            } else {
                Ok(Vec::new())
            };
        }
        self.last_heard = Some(now);
        let room = MOST_BELIEVED.saturating_sub(self.believed).min(MOST_SENT);
        let peers: Vec<SocketAddr> = message.added.iter().map(|(address, _)| *address).take(room).collect();
        self.believed += peers.len();
        Ok(peers)
    }
}

/// Those of `from` whose address is not among the `others`.
fn missing<'a>(from: &'a Roll, others: &'a Roll) -> impl Iterator<Item = (SocketAddr, PexFlags)> + 'a {
    let is_other = |address: &SocketAddr| others.binary_search_by_key(address, |(other, _)| *other).is_ok();
    from.iter().filter(move |(address, _)| !is_other(address)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u8) -> SocketAddr {
        SocketAddr::from(([20, 0, 0, number], 6881))
    }

    fn connected(numbers: impl IntoIterator<Item = u8>) -> Roll {
        numbers.into_iter().map(|number| (address(number), PexFlags::default())).collect()
    }

    #[test]
    fn only_differences_are_told_and_nobody_is_told_of_itself() {
        let mut exchange = Exchange::default();
        let first = exchange.tell(Time::ZERO, &connected([1, 2, 3]), address(3));
        assert_eq!((first.added, first.dropped), (connected([1, 2]).to_vec(), vec![]));
        assert!(!exchange.is_due(Time::from_secs(59)) && exchange.is_due(Time::from_secs(60)));
        let second = exchange.tell(Time::from_secs(60), &connected([2, 3, 4]), address(3));
        assert_eq!((second.added, second.dropped), (connected([4]).to_vec(), vec![address(1)]));
        assert!(exchange.tell(Time::from_secs(120), &connected([2, 3, 4]), address(3)).is_empty());
    }

    #[test]
    fn many_are_told_in_several_messages() {
        let mut exchange = Exchange::default();
        let all = connected(1..=120);
        let sizes: Vec<usize> = (0..4)
            .map(|minute| exchange.tell(Time::from_secs(60 * minute), &all, address(200)).added.len())
            .collect();
        assert_eq!(sizes, [50, 50, 20, 0]);
    }

    #[test]
    fn one_peer_is_believed_a_little_a_minute_and_not_much_in_all() {
        let mut exchange = Exchange::default();
        let message = PexMessage { added: connected(1..=200).to_vec(), dropped: vec![] };
        let heard: Vec<usize> = (0..6)
            .map(|minute| exchange.hear(Time::from_secs(60 * minute), &message).unwrap().len())
            .collect();
        assert_eq!(heard, [50, 50, 50, 50, 0, 0]);
    }

    #[test]
    fn haste_is_passed_over_and_a_flood_ends_the_connection() {
        let mut exchange = Exchange::default();
        let message = PexMessage { added: connected([1]).to_vec(), dropped: vec![] };
        assert_eq!(exchange.hear(Time::ZERO, &message), Ok(vec![address(1)]));
        for _ in 0..MOST_HASTY {
            assert_eq!(exchange.hear(Time::from_secs(1), &message), Ok(vec![]));
        }
        assert!(exchange.hear(Time::from_secs(1), &message).is_err());
    }
}
