//! Write tokens (BEP 5): who wants to store something shows that it receives what is sent to its address.

use std::hash::Hasher as _;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use siphasher::sip::SipHasher24;
use sprat_wire::hash::NodeId;

use crate::time::Time;

/// A new secret comes this often, and the one before is still good (BEP 5: "every five minutes", "up to ten minutes").
const ROTATION: Duration = Duration::from_secs(5 * 60);

/// Makes tokens and knows them again, without keeping any: a token is a keyed hash of the address, the target, and the
/// number of the five minutes in which it was made. It serves nobody else and nothing else.
#[derive(Debug)]
pub(crate) struct Tokens {
    key: (u64, u64),
}

impl Tokens {
    pub(crate) fn new(random: &mut fastrand::Rng) -> Self {
        Self { key: (random.u64(..), random.u64(..)) }
    }

    pub(crate) fn make(&self, now: Time, ip: IpAddr, target: NodeId) -> Bytes {
        Bytes::copy_from_slice(&self.at(period(now), ip, target))
    }

    pub(crate) fn check(&self, now: Time, ip: IpAddr, target: NodeId, token: &[u8]) -> bool {
        let now = period(now);
        token == self.at(now, ip, target)
            || now.checked_sub(1).is_some_and(|last| token == self.at(last, ip, target))
    }

    fn at(&self, period: u64, ip: IpAddr, target: NodeId) -> [u8; 8] {
        let mut hasher = SipHasher24::new_with_keys(self.key.0, self.key.1);
        hasher.write_u64(period);
        match ip.to_canonical() {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        hasher.write(&target.0);
        hasher.finish().to_be_bytes()
    }
}

fn period(now: Time) -> u64 {
    now.since(Time::ZERO).as_secs() / ROTATION.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_one_address_one_target_and_five_to_ten_minutes() {
        let tokens = Tokens::new(&mut fastrand::Rng::with_seed(1));
        let (ip, other): (IpAddr, IpAddr) = ("20.1.1.1".parse().unwrap(), "20.1.1.2".parse().unwrap());
        let (target, elsewhere) = (NodeId([1; 20]), NodeId([2; 20]));
        let made = Time::from_secs(1199);
        let token = tokens.make(made, ip, target);
        assert!(tokens.check(made, ip, target, &token));
        assert!(tokens.check(made, "::ffff:20.1.1.1".parse().unwrap(), target, &token));
        assert!(!tokens.check(made, other, target, &token));
        assert!(!tokens.check(made, ip, elsewhere, &token));
        assert!(!tokens.check(made, ip, target, &token[..7]));
        assert!(!tokens.check(made, ip, target, b""));
        assert!(tokens.check(Time::from_secs(1499), ip, target, &token));
        assert!(!tokens.check(Time::from_secs(1500), ip, target, &token));
        let others = Tokens::new(&mut fastrand::Rng::with_seed(2));
        assert!(!others.check(made, ip, target, &token), "another secret");
    }
}
