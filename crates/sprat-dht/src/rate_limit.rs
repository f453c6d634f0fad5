//! How much of us strangers may have.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::subnet::Subnet;
use crate::time::Time;

/// Queries of one address that are answered, per second (other implementations: 5).
const QUERIES: f64 = 5.0;

/// Queries of one address that may come at once: a lookup and what it stores.
const QUERY_BURST: f64 = 50.0;

/// Addresses in one of two generations. Who is in none has its whole burst.
const MAX_ADDRESSES: usize = 4096;

/// For how many seconds of the allowed rate answers may leave at once.
const REPLY_BURST_SECONDS: f64 = 4.0;

/// Limits on queries per address and on the bytes of all answers.
#[derive(Debug)]
pub(crate) struct RateLimit {
    young: BTreeMap<IpAddr, Bucket>,
    /// Those seen last before the last change of generations.
    old: BTreeMap<IpAddr, Bucket>,
    changed: Time,
    replies: Bucket,
    reply_bytes: f64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: f64,
    at: Time,
}

impl Bucket {
    const fn full(now: Time, capacity: f64) -> Self {
        Self { level: capacity, at: now }
    }

    fn take(&mut self, now: Time, amount: f64, rate: f64, capacity: f64) -> bool {
        let gained = now.since(self.at).as_secs_f64() * rate;
        self.level = (self.level + gained).min(capacity);
        self.at = self.at.max(now);
        let enough = self.level >= amount;
        if enough {
            self.level -= amount;
        }
        enough
    }
}

impl RateLimit {
    /// Answers may have so many bytes per second, over all.
    pub(crate) fn new(reply_bytes: u32) -> Self {
        let reply_bytes = f64::from(reply_bytes);
        Self {
            young: BTreeMap::new(),
            old: BTreeMap::new(),
            changed: Time::ZERO,
            replies: Bucket::full(Time::ZERO, reply_bytes * REPLY_BURST_SECONDS),
            reply_bytes,
        }
    }

    /// Whether another query of this address is looked at. Within private networks one address may be many nodes.
    pub(crate) fn admits(&mut self, now: Time, ip: IpAddr) -> bool {
        if Subnet::of(ip).is_none() {
            return true;
        }
        // After this long, a bucket that is not used is full.
        let refilled = Duration::from_secs_f64(QUERY_BURST / QUERIES);
        if self.young.len() >= MAX_ADDRESSES || now.since(self.changed) > refilled {
            self.old = std::mem::take(&mut self.young);
            self.changed = now;
        }
        let key = owner(ip);
        let known = self.young.get(&key).or_else(|| self.old.get(&key)).copied();
        let mut bucket = known.unwrap_or(Bucket::full(now, QUERY_BURST));
        let admitted = bucket.take(now, 1.0, QUERIES, QUERY_BURST);
        self.young.insert(key, bucket);
        admitted
    }

    /// Whether an answer of so many bytes may leave.
    pub(crate) fn may_send(&mut self, now: Time, bytes: usize) -> bool {
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.replies.take(now, bytes, self.reply_bytes, self.reply_bytes * REPLY_BURST_SECONDS)
    }
}

/// Whoever has an IPv6 address has the 2^64 next to it.
fn owner(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_gets_its_burst_and_then_five_a_second() {
        let mut limit = RateLimit::new(8000);
        let now = Time::from_secs(100);
        let admitted = (0..200).filter(|_| limit.admits(now, ip("20.1.1.1"))).count();
        assert_eq!(admitted, 50);
        assert!(limit.admits(now, ip("20.1.1.2")), "others are not to blame");
        let later = now + Duration::from_secs(2);
        assert_eq!((0..200).filter(|_| limit.admits(later, ip("20.1.1.1"))).count(), 10);
        assert_eq!((0..200).filter(|_| limit.admits(now, ip("127.0.0.1"))).count(), 200);
    }

    #[test]
    fn all_addresses_of_one_line_are_one() {
        let mut limit = RateLimit::new(8000);
        let address = |host: u128| IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | host));
        assert_eq!((0..200).filter(|host| limit.admits(Time::ZERO, address(*host))).count(), 50);
    }

    #[test]
    fn the_memory_for_addresses_is_bounded() {
        let mut limit = RateLimit::new(8000);
        for host in 0..100_000_u32 {
            limit.admits(Time::ZERO, IpAddr::V4((0x1400_0000 + host).into()));
        }
        assert!(limit.young.len() + limit.old.len() <= 2 * MAX_ADDRESSES);
    }

    #[test]
    fn answers_have_a_rate_over_all() {
        let mut limit = RateLimit::new(8000);
        assert_eq!((0..1000).filter(|_| limit.may_send(Time::ZERO, 100)).count(), 320);
        assert_eq!((0..1000).filter(|_| limit.may_send(Time::from_secs(1), 100)).count(), 80);
    }
}
