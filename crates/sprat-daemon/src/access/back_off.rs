//! Who has guessed wrong has to wait.
//!
//! Nobody guesses 256 bits; what this keeps small is the work, the log, and the hope. It is asked only after a token turned
//! out to be wrong: whoever has the right one is never kept out by the mistakes of others, nor by their own.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// Mistakes that cost nothing: a token that was copied without its end.
const FREE: u32 = 5;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(300);

/// A network without a mistake for this long starts anew.
const FORGOTTEN: Duration = Duration::from_secs(900);

/// Networks that are remembered. When there are more, everybody unknown waits together.
const MOST: usize = 1024;

/// The mistakes of each network, and together those of all that are too many to be remembered.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    networks: BTreeMap<Option<IpAddr>, Mistakes>,
    others: Option<Mistakes>,
}

#[derive(Debug, Clone, Copy)]
struct Mistakes {
    count: u32,
    last: Instant,
}

impl Mistakes {
    fn wait(self) -> Duration {
        let doublings = self.count.saturating_sub(FREE);
        if doublings == 0 {
            return Duration::ZERO;
        }
        1_u64.checked_shl(doublings - 1).map_or(LONGEST, |seconds| Duration::from_secs(seconds).min(LONGEST))
    }
}

impl BackOff {
    /// A wrong token from `network` (`None`: from this machine's sockets). Whether it counted, or how long nothing is heard
    /// from there any more: mistakes while one has to wait do not make it longer.
    pub(super) fn mistake(&mut self, network: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        self.networks.retain(|_, mistakes| now < mistakes.last + FORGOTTEN);
        self.others = self.others.filter(|mistakes| now < mistakes.last + FORGOTTEN);
        let is_full = self.networks.len() >= MOST;
        let slot = match self.networks.get_mut(&network) {
            Some(mistakes) => mistakes,
            None if is_full => self.others.get_or_insert(Mistakes { count: 0, last: now }),
            None => self.networks.entry(network).or_insert(Mistakes { count: 0, last: now }),
        };
        let until = slot.last + slot.wait();
        if now < until {
            return Err(until - now);
        }
        *slot = Mistakes { count: slot.count.saturating_add(1), last: now };
        Ok(())
    }

    /// A right token: the mistakes before it were typing errors.
    pub(super) fn forgive(&mut self, network: Option<IpAddr>) {
        self.networks.remove(&network);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u32) -> Option<IpAddr> {
        Some(std::net::Ipv4Addr::from_bits(number).into())
    }

    #[test]
    fn waits_grow_with_mistakes_up_to_an_end_and_are_forgotten() {
        let (mut back_off, mut now) = (BackOff::default(), Instant::now());
        for _ in 0..6 {
            back_off.mistake(network(1), now).unwrap();
        }
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let wait = Duration::from_secs(seconds);
            assert_eq!(back_off.mistake(network(1), now), Err(wait));
            assert_eq!(back_off.mistake(network(1), now), Err(wait), "trying does not make it longer");
            assert!(back_off.mistake(network(2), now).is_ok() || seconds > 4, "others have their own");
            now += wait;
            back_off.mistake(network(1), now).unwrap();
        }
        now += FORGOTTEN;
        for _ in 0..6 {
            back_off.mistake(network(1), now).unwrap();
        }
        back_off.forgive(network(1));
        assert!(back_off.mistake(network(1), now).is_ok());
    }

    #[test]
    fn a_botnet_costs_bounded_memory_and_waits_together() {
        let (mut back_off, now) = (BackOff::default(), Instant::now());
        let refused = (0..10_000).filter(|&number| back_off.mistake(network(number), now).is_err()).count();
        assert_eq!(back_off.networks.len(), MOST);
        assert_eq!(refused, 10_000 - MOST - FREE as usize - 1);
    }
}
