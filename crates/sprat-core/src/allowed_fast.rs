//! Which pieces a choked newcomer may request: always the same ones for the same address, so that reconnecting gains
//! nothing (BEP 6, "Allowed Fast").

use std::net::IpAddr;

use sprat_wire::hash::{InfoHash, Sha1Hash};

/// `count` distinct piece numbers below `pieces` for a peer at `ip`; all pieces if there are fewer.
pub(crate) fn set(ip: IpAddr, info_hash: InfoHash, pieces: u32, count: usize) -> Vec<u32> {
    let count = count.min(pieces as usize);
    let mut allowed = Vec::with_capacity(count);
    let mut seed = network(ip);
    seed.extend_from_slice(info_hash.as_bytes());
    while allowed.len() < count {
        let hash = Sha1Hash::digest(&seed);
        for word in hash.0.as_chunks::<4>().0 {
            let piece = u32::from_be_bytes(*word) % pieces;
            if allowed.len() < count && !allowed.contains(&piece) {
                allowed.push(piece);
            }
        }
        seed = hash.0.to_vec();
    }
    allowed
}

/// The part of the address that is hard to change: /24 as in BEP 6, /48 for the IPv6 that it does not mention.
fn network(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            vec![a, b, c, 0]
        }
        IpAddr::V6(ip) => ip.octets().iter().take(6).chain([0; 10].iter()).copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of BEP 6.
    #[test]
    fn the_published_example_comes_out() {
        let ip = "80.4.4.200".parse().unwrap();
        let info_hash = InfoHash([0xaa; 20]);
        assert_eq!(set(ip, info_hash, 1313, 7), [1059, 431, 808, 1217, 287, 376, 1188]);
        assert_eq!(set(ip, info_hash, 1313, 9), [1059, 431, 808, 1217, 287, 376, 1188, 353, 508]);
    }

    #[test]
    fn a_torrent_of_few_pieces_is_allowed_whole() {
        let mut all = set("::1".parse().unwrap(), InfoHash([1; 20]), 3, 10);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
    }
}
