//! Queries that wait for their answers.
//!
//! An answer counts only if it comes from the address that was asked and has the random id that was sent there.
//! Each query has two deadlines: at the first it is *slow*, and somebody else is asked as well; at the second it has
//! failed. Both follow the round-trip times that were seen, instead of being fixed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use sprat_wire::hash::NodeId;
use sprat_wire::krpc::TransactionId;

use crate::time::Time;

/// Queries that may wait at once: sixteen operations in two families, each storing something.
pub(crate) const MAX_PENDING: usize = 2048;

/// The first deadline lies between these.
const SLOW: (Duration, Duration) = (Duration::from_millis(80), Duration::from_millis(1500));

/// The second deadline lies between these.
const LOST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(6));

/// A query that was sent, and what for.
#[derive(Debug, Clone)]
pub(crate) struct Pending<P> {
    /// Whom we asked.
    pub(crate) to: SocketAddr,
    /// What it should call itself, if that is known.
    pub(crate) id: Option<NodeId>,
    /// When.
    pub(crate) sent: Time,
    /// What for.
    pub(crate) purpose: P,
    deadline: Time,
    lost: Time,
}

/// A deadline has passed.
#[derive(Debug)]
pub(crate) enum Due<P> {
    /// The first one; an answer may still come.
    Slow(Pending<P>),
    /// The second one; the transaction is over.
    Lost(Pending<P>),
}

/// All queries that wait.
#[derive(Debug)]
pub(crate) struct Transactions<P> {
    pending: BTreeMap<u32, Pending<P>>,
    deadlines: BTreeSet<(Time, u32)>,
    addresses: BTreeMap<SocketAddr, u8>,
    rtt: RoundTrip,
}

impl<P: Clone> Transactions<P> {
    pub(crate) fn new() -> Self {
        Self {
            pending: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            addresses: BTreeMap::new(),
            rtt: RoundTrip::default(),
        }
    }

    /// The id for a new query, or `None` when too many wait. `rtt` is that of the node, if it is known.
    pub(crate) fn begin(
        &mut self,
        now: Time,
        random: &mut fastrand::Rng,
        to: SocketAddr,
        id: Option<NodeId>,
        rtt: Option<Duration>,
        purpose: P,
    ) -> Option<TransactionId> {
        if self.pending.len() >= MAX_PENDING {
            return None;
        }
        let transaction =
            std::iter::repeat_with(|| random.u32(..)).find(|id| !self.pending.contains_key(id))?;
        let deadline = now + self.rtt.slow_after(rtt);
        let pending = Pending { to, id, sent: now, purpose, deadline, lost: now + self.rtt.lost_after() };
        self.deadlines.insert((deadline, transaction));
        self.pending.insert(transaction, pending);
        let count = self.addresses.entry(to).or_default();
        *count = count.saturating_add(1);
        TransactionId::new(&transaction.to_be_bytes())
    }

    /// The query that is answered by a message with this id from this address.
    pub(crate) fn take(
        &mut self,
        now: Time,
        from: SocketAddr,
        transaction: TransactionId,
    ) -> Option<Pending<P>> {
        let key = u32::from_be_bytes(transaction.as_bytes().try_into().ok()?);
        if self.pending.get(&key)?.to != from {
            return None;
        }
        let pending = self.remove(key)?;
        self.rtt.observe(now.since(pending.sent));
        Some(pending)
    }

    /// Whether a query to this address waits for its answer.
    pub(crate) fn is_pending(&self, to: SocketAddr) -> bool {
        self.addresses.contains_key(&to)
    }

    /// Queries that wait.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// When [`pop_due`](Self::pop_due) will have something.
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.deadlines.first().map(|(time, _)| *time)
    }

    /// The next deadline that has passed.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Due<P>> {
        let (_, key) = *self.deadlines.first().filter(|(time, _)| *time <= now)?;
        let pending = self.pending.get_mut(&key)?;
        if pending.deadline == pending.lost {
            return self.remove(key).map(Due::Lost);
        }
        self.deadlines.remove(&(pending.deadline, key));
        pending.deadline = pending.lost;
        self.deadlines.insert((pending.deadline, key));
        Some(Due::Slow(pending.clone()))
    }

    /// What a round trip takes, over all nodes.
    pub(crate) fn typical_rtt(&self) -> Duration {
        self.rtt.mean.unwrap_or(RoundTrip::ASSUMED)
    }

    fn remove(&mut self, key: u32) -> Option<Pending<P>> {
        let pending = self.pending.remove(&key)?;
        self.deadlines.remove(&(pending.deadline, key));
        if let Some(count) = self.addresses.get_mut(&pending.to) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.addresses.remove(&pending.to);
            }
        }
        Some(pending)
    }
}

/// Mean and mean deviation of round trips, as RFC 6298 keeps them.
#[derive(Debug, Clone, Copy, Default)]
struct RoundTrip {
    mean: Option<Duration>,
    deviation: Duration,
}

impl RoundTrip {
    /// As long as nothing was seen.
    const ASSUMED: Duration = Duration::from_millis(150);

    fn observe(&mut self, rtt: Duration) {
        let Some(mean) = self.mean else {
            (self.mean, self.deviation) = (Some(rtt), rtt / 2);
            return;
        };
        self.deviation = (self.deviation * 3 + mean.abs_diff(rtt)) / 4;
        self.mean = Some((mean * 7 + rtt) / 8);
    }

    fn slow_after(&self, known: Option<Duration>) -> Duration {
        let typical = self.mean.unwrap_or(Self::ASSUMED) + self.deviation * 2;
        // For a node that we know, twice what it took so far; a little for its queue.
        let expected = known.map_or(typical, |rtt| rtt * 2 + Duration::from_millis(20));
        expected.clamp(SLOW.0, SLOW.1)
    }

    fn lost_after(&self) -> Duration {
        let typical = self.mean.unwrap_or(Self::ASSUMED) + self.deviation * 4;
        (typical * 4).clamp(LOST.0, LOST.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn begin(transactions: &mut Transactions<u8>, now: Time, port: u16) -> Option<TransactionId> {
        transactions.begin(now, &mut fastrand::Rng::with_seed(port.into()), address(port), None, None, 7)
    }

    #[test]
    fn only_the_node_that_was_asked_can_answer_and_once() {
        let mut transactions = Transactions::new();
        let id = begin(&mut transactions, Time::ZERO, 1).unwrap();
        let now = Time::from_millis(50);
        assert!(transactions.is_pending(address(1)));
        assert!(transactions.take(now, address(2), id).is_none(), "from elsewhere");
        assert!(transactions.take(now, address(1), TransactionId::new(b"abcd").unwrap()).is_none());
        assert!(transactions.take(now, address(1), TransactionId::new(b"").unwrap()).is_none());
        assert_eq!(transactions.take(now, address(1), id).unwrap().purpose, 7);
        assert!(transactions.take(now, address(1), id).is_none(), "a second time");
        assert!(!transactions.is_pending(address(1)));
        assert_eq!((transactions.len(), transactions.next_timeout()), (0, None));
    }

    #[test]
    fn a_query_is_slow_before_it_is_lost_and_both_follow_the_network() {
        let mut transactions = Transactions::new();
        for port in 1..50 {
            let id = begin(&mut transactions, Time::ZERO, port).unwrap();
            transactions.take(Time::from_millis(40), address(port), id);
        }
        let now = Time::from_secs(1);
        begin(&mut transactions, now, 1);
        let slow = transactions.next_timeout().unwrap();
        assert!(slow.since(now) < Duration::from_millis(150), "{:?}", slow.since(now));
        assert!(transactions.pop_due(now).is_none());
        assert!(matches!(transactions.pop_due(slow), Some(Due::Slow(_))));
        let lost = transactions.next_timeout().unwrap();
        assert_eq!(lost.since(now), LOST.0);
        assert!(transactions.pop_due(slow).is_none());
        assert!(matches!(transactions.pop_due(lost), Some(Due::Lost(_))));
        assert!(transactions.pop_due(lost).is_none());

        let hint = Some(Duration::from_millis(300));
        let mut random = fastrand::Rng::with_seed(1);
        transactions.begin(now, &mut random, address(1), None, hint, 7);
        assert_eq!(transactions.next_timeout().unwrap().since(now), Duration::from_millis(620));
    }

    #[test]
    fn the_number_of_queries_is_limited() {
        let mut transactions = Transactions::new();
        let mut random = fastrand::Rng::with_seed(1);
        let mut begin = |port: usize| {
            let to = address(u16::try_from(port).unwrap());
            transactions.begin(Time::ZERO, &mut random, to, None, None, 7).is_some()
        };
        for port in 1..=MAX_PENDING {
            assert!(begin(port), "{port}");
        }
        assert!(!begin(MAX_PENDING + 1));
    }
}
