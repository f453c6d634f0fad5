//! Connection ids of the UDP protocol: proof that an address receives what is sent to it (BEP 15).
//!
//! An id is a keyed 64-bit hash of the address and the time at which it was handed out. Nothing is stored, so
//! nothing can be exhausted by asking for ids.

use std::net::IpAddr;
use std::time::Duration;

use crate::keys::Keys;

/// How long an id is valid at least (BEP 15: "Trackers should accept the connection ID until two minutes after it has
/// been send"). It ends at most `SLICE` later.
pub const CONNECTION_ID_LIFETIME: Duration = Duration::from_secs(120);

/// Ids handed out to an address within one slice of time are equal.
const SLICE: Duration = Duration::from_secs(30);

pub(crate) fn issue(keys: &Keys, now: Duration, address: IpAddr) -> u64 {
    keys.connection_code(address, slice(now))
}

pub(crate) fn is_valid(keys: &Keys, now: Duration, address: IpAddr, id: u64) -> bool {
    let current = slice(now);
    let oldest = current.saturating_sub(CONNECTION_ID_LIFETIME.as_secs() / SLICE.as_secs());
    // The newest first: most clients announce right after they connect.
    (oldest..=current).rev().any(|slice| keys.connection_code(address, slice) == id)
}

const fn slice(now: Duration) -> u64 {
    now.as_secs() / SLICE.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const BOB: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn an_id_is_valid_for_two_minutes_and_not_for_three() {
        let keys = Keys::new([1; 32]);
        for start in (0..90).map(Duration::from_secs) {
            let id = issue(&keys, start, ALICE);
            assert!(is_valid(&keys, start, ALICE, id));
            assert!(is_valid(&keys, start + CONNECTION_ID_LIFETIME, ALICE, id));
            assert!(!is_valid(&keys, start + CONNECTION_ID_LIFETIME + SLICE, ALICE, id));
        }
    }

    #[test]
    fn an_id_belongs_to_one_address_and_one_tracker() {
        let keys = Keys::new([1; 32]);
        let id = issue(&keys, Duration::ZERO, ALICE);
        assert!(!is_valid(&keys, Duration::ZERO, BOB, id));
        assert!(!is_valid(&Keys::new([2; 32]), Duration::ZERO, ALICE, id));
        assert!(!is_valid(&keys, Duration::ZERO, ALICE, id ^ 1));
    }

    #[test]
    fn a_mapped_address_is_the_address_it_maps() {
        let keys = Keys::new([1; 32]);
        let mapped = IpAddr::V6(std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
        assert!(is_valid(&keys, Duration::ZERO, mapped, issue(&keys, Duration::ZERO, ALICE)));
    }
}
