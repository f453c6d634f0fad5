//! Who has misbehaved several times of late is not let in for a while. Otherwise it would call again at once, and do again
//! what it was sent away for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::peer_list::network;
use crate::time::Time;

/// Breaches that are borne. Behind one address there may be several people, and not every breach is malice.
const BORNE: u32 = 3;

/// What is older does not count.
const MEMORY: Duration = Duration::from_secs(600);

/// For so long nobody is let in after the first breach too many; twice as long after each further one.
const FIRST_REFUSAL: Duration = Duration::from_secs(60);

/// Never longer.
const LAST_REFUSAL: Duration = Duration::from_secs(3600);

/// Addresses that are remembered; of more, the oldest are forgotten.
const MOST: usize = 4096;

/// What is held against whom.
#[derive(Debug, Default)]
pub(crate) struct Grudges(BTreeMap<IpAddr, Grudge>);

#[derive(Debug)]
struct Grudge {
    breaches: u32,
    last: Time,
}

impl Grudge {
    /// When it is forgotten.
    fn over(&self) -> Time {
        self.last + MEMORY.max(self.refusal())
    }

    fn refusal(&self) -> Duration {
        match self.breaches.checked_sub(BORNE) {
            None | Some(0) => Duration::ZERO,
            Some(excess) => (FIRST_REFUSAL * (1 << (excess - 1).min(10))).min(LAST_REFUSAL),
        }
    }
}

impl Grudges {
    /// Somebody at this address has broken the rules.
    pub(crate) fn note(&mut self, now: Time, ip: IpAddr) {
        let ip = network(ip);
        if self.0.len() >= MOST && !self.0.contains_key(&ip) {
            self.0.retain(|_, grudge| grudge.over() > now);
            if self.0.len() >= MOST
                && let Some(oldest) =
                    self.0.iter().min_by_key(|(ip, grudge)| (grudge.last, **ip)).map(|it| *it.0)
            {
                self.0.remove(&oldest);
            }
        }
        let grudge = self.0.entry(ip).or_insert(Grudge { breaches: 0, last: now });
        if grudge.over() <= now {
            grudge.breaches = 0;
        }
        grudge.breaches = grudge.breaches.saturating_add(1);
        grudge.last = now;
    }

    /// Whether a call from there is not taken.
    pub(crate) fn refuses(&self, now: Time, ip: IpAddr) -> bool {
        self.0.get(&network(ip)).is_some_and(|grudge| now < grudge.last + grudge.refusal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(number: u32) -> IpAddr {
        let [a, b, c, d] = (0x1400_0000 + number).to_be_bytes();
        IpAddr::from([a, b, c, d])
    }

    fn noted(times: &[u64]) -> Grudges {
        let mut grudges = Grudges::default();
        times.iter().for_each(|second| grudges.note(Time::from_secs(*second), ip(1)));
        grudges
    }

    #[test]
    fn three_breaches_are_borne_and_the_fourth_is_not() {
        assert!(!noted(&[1, 2, 3]).refuses(Time::from_secs(3), ip(1)));
        let grudges = noted(&[1, 2, 3, 4]);
        assert!(grudges.refuses(Time::from_secs(4), ip(1)));
        assert!(!grudges.refuses(Time::from_secs(4), ip(2)));
        assert!(grudges.refuses(Time::from_secs(63), ip(1)));
        assert!(!grudges.refuses(Time::from_secs(64), ip(1)));
    }

    #[test]
    fn each_further_one_is_resented_for_twice_as_long_up_to_an_hour() {
        let grudges = noted(&[0, 0, 0, 0, 0]);
        assert!(
            grudges.refuses(Time::from_secs(119), ip(1)) && !grudges.refuses(Time::from_secs(120), ip(1))
        );
        let grudges = noted(&[0; 1000]);
        assert!(
            grudges.refuses(Time::from_secs(3599), ip(1)) && !grudges.refuses(Time::from_secs(3600), ip(1))
        );
    }

    #[test]
    fn one_breach_in_ten_minutes_is_borne_for_ever() {
        let times: Vec<u64> = (0..100).map(|number| number * 600).collect();
        assert!(!noted(&times).refuses(Time::from_secs(99 * 600), ip(1)));
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_no_more_addresses_are_kept_than_there_is_room_for() {
        let mut grudges = Grudges::default();
        for host in 0..4_u16 {
            grudges.note(Time::ZERO, IpAddr::from([0x2001, 0xdb8, 1, 1, 0, 0, 0, host]));
        }
        assert!(grudges.refuses(Time::ZERO, IpAddr::from([0x2001, 0xdb8, 1, 1, 9, 9, 9, 9])));
        for number in 0..2 * MOST as u32 {
            grudges.note(Time::from_millis(u64::from(number)), ip(number));
        }
        assert_eq!(grudges.0.len(), MOST);
        assert!(grudges.0.contains_key(&ip(2 * MOST as u32 - 1)) && !grudges.0.contains_key(&ip(0)));
    }
}
