//! The places for connections, and who has to leave when they are taken.
//!
//! A limit alone would help whoever wants to keep others out: it suffices to come first. So a newcomer always gets a place
//! if somebody has one who has shown no token: the one that has done nothing for the longest time has to go.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrowdLimits {
    /// In all.
    pub total: usize,
    /// From one network: an IPv4 address, a /64 of IPv6. Not for this machine and for trusted proxies.
    pub of_network: usize,
}

impl Default for CrowdLimits {
    fn default() -> Self {
        Self { total: 256, of_network: 32 }
    }
}

/// Everybody who is connected.
#[derive(Debug)]
pub(super) struct Crowd {
    limits: CrowdLimits,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    next: u64,
    by_number: BTreeMap<u64, Member>,
}

#[derive(Debug)]
struct Member {
    /// Whose limit it counts for; `None` for those without one.
    network: Option<IpAddr>,
    trusted: bool,
    /// Requests of it that are being answered.
    busy: bool,
    /// When it came, or was last answered.
    since: Instant,
    leave: Arc<Notify>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    number: u64,
    crowd: Arc<Crowd>,
    leave: Arc<Notify>,
}

impl Crowd {
    pub(super) fn new(limits: CrowdLimits) -> Arc<Self> {
        Arc::new(Self { limits, members: Mutex::default() })
    }

    /// A place for a connection from `address`, which counts for the limit of its network unless it is `exempt`. Somebody
    /// may have to leave for it.
    pub(super) fn enter(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        exempt: bool,
        now: Instant,
    ) -> Option<Ticket> {
        let network = address.filter(|_| !exempt).map(network);
        let mut members = self.members();
        let of_network = members.by_number.values().filter(|member| member.network == network).count();
        if network.is_some() && of_network >= self.limits.of_network {
            members.make_room(|member| member.network == network)?;
        }
        if members.by_number.len() >= self.limits.total {
            members.make_room(|_| true)?;
        }
        let (number, leave) = (members.next, Arc::new(Notify::new()));
        members.next += 1;
        let member = Member { network, trusted: false, busy: false, since: now, leave: Arc::clone(&leave) };
        members.by_number.insert(number, member);
        drop(members);
        Some(Ticket { number, crowd: Arc::clone(self), leave })
    }

    /// A thread that panicked while it held the lock has left nothing half done.
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    /// Sends one of those away who may be; `None` if there is none. Whoever is trusted and being answered stays.
    fn make_room(&mut self, among: impl Fn(&Member) -> bool) -> Option<()> {
        let may_go = |member: &Member| among(member) && !(member.trusted && member.busy);
        let candidates = self.by_number.iter().filter(|(_, member)| may_go(member));
        let (&number, _) =
            candidates.min_by_key(|(_, member)| (member.trusted, member.busy, member.since))?;
        // The place is free at once, whenever the connection gets to know.
        self.by_number.remove(&number)?.leave.notify_one();
        Some(())
    }
}

impl Ticket {
    /// Its request was made with a right token.
    pub(super) fn trust(&self) {
        self.change(|member| member.trusted = true);
    }

    /// A request has arrived.
    pub(super) fn begin(&self) {
        self.change(|member| member.busy = true);
    }

    /// It has been answered.
    pub(super) fn end(&self, now: Instant) {
        self.change(|member| {
            member.busy = false;
            member.since = now;
        });
    }

    /// Waits until somebody else needs the place.
    pub(super) async fn must_leave(&self) {
        self.leave.notified().await;
    }

    fn change(&self, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.crowd.members().by_number.get_mut(&self.number) {
            change(member);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.crowd.members().by_number.remove(&self.number);
    }
}

/// What a limit counts by: the address in IPv4, the /64 in IPv6.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn crowd(total: usize, of_network: usize) -> Arc<Crowd> {
        Crowd::new(CrowdLimits { total, of_network })
    }

    fn left(ticket: &Ticket) -> bool {
        ticket.must_leave().now_or_never().is_some()
    }

    #[test]
    fn who_has_waited_longest_without_a_token_leaves_for_a_newcomer() {
        let (crowd, start) = (crowd(3, 3), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        let mut tickets: Vec<_> =
            (0..3).map(|second| crowd.enter(ip("127.0.0.1"), true, at(second)).unwrap()).collect();
        tickets[0].trust();
        tickets[1].begin();
        tickets.push(crowd.enter(ip("127.0.0.1"), true, at(3)).unwrap());
        assert!(left(&tickets[2]), "neither trusted nor being answered");
        tickets[1].end(at(4));
        tickets.push(crowd.enter(ip("192.0.2.1"), false, at(5)).unwrap());
        assert!(left(&tickets[3]), "the other one was answered just now");
        assert!(!left(&tickets[0]) && !left(&tickets[1]));
    }

    #[test]
    fn who_is_trusted_and_being_answered_leaves_for_nobody() {
        let (crowd, now) = (crowd(1, 1), Instant::now());
        let ticket = crowd.enter(ip("127.0.0.1"), true, now).unwrap();
        ticket.trust();
        ticket.begin();
        assert!(crowd.enter(ip("127.0.0.1"), true, now).is_none());
        ticket.end(now);
        assert!(crowd.enter(ip("127.0.0.1"), true, now).is_some());
        assert!(left(&ticket));
    }

    #[test]
    fn a_network_has_its_own_limit_and_its_own_have_to_leave() {
        let (crowd, now) = (crowd(10, 2), Instant::now());
        let other = crowd.enter(ip("192.0.2.1"), false, now).unwrap();
        let later = now + Duration::from_secs(1);
        let mut network: Vec<_> = ["2001:db8::1", "2001:db8::2", "2001:db8::3"]
            .into_iter()
            .map(|address| crowd.enter(ip(address), false, later).unwrap())
            .collect();
        assert!(left(&network[0]), "one /64 is one network");
        assert!(!left(&other));
        network.extend((0..5).map(|_| crowd.enter(ip("127.0.0.1"), true, later).unwrap()));
        assert!(network.iter().skip(1).all(|ticket| !left(ticket)));
        drop((other, network));
        assert!(crowd.members().by_number.is_empty());
    }
}
