//! Bloom filters over addresses: how nodes count a swarm together (BEP 33).

use std::net::IpAddr;

use sprat_wire::hash::Sha1Hash;
use sprat_wire::krpc::FILTER_LENGTH;

/// Bits of a filter.
const BITS: u16 = 2048;

/// A set of addresses, of which only the size is known.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Bloom([u8; FILTER_LENGTH]);

impl Bloom {
    pub(crate) fn insert(&mut self, ip: IpAddr) {
        let hash = match ip.to_canonical() {
            IpAddr::V4(ip) => Sha1Hash::digest(&ip.octets()),
            IpAddr::V6(ip) => Sha1Hash::digest(&ip.octets()),
        };
        let [a, b, c, d, ..] = hash.0;
        for index in [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])] {
            let index = index % BITS;
            if let Some(byte) = self.0.get_mut(usize::from(index / 8)) {
                *byte |= 1 << (index % 8);
            }
        }
    }

    pub(crate) fn union(&mut self, other: &Self) {
        for (byte, other) in self.0.iter_mut().zip(other.0) {
            *byte |= other;
        }
    }

    /// About how many addresses are in it; breaks down at some 6000.
    pub(crate) fn estimate(&self) -> f64 {
        let zeros: u32 = self.0.iter().map(|byte| byte.count_zeros()).sum();
        let bits = f64::from(BITS);
        // A full filter would be infinitely many.
        let zeros = f64::from(zeros.clamp(1, u32::from(BITS)));
        (zeros / bits).ln() / (2.0 * (1.0 - 1.0 / bits).ln())
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; FILTER_LENGTH] {
        &self.0
    }
}

impl Default for Bloom {
    fn default() -> Self {
        Self([0; FILTER_LENGTH])
    }
}

impl From<[u8; FILTER_LENGTH]> for Bloom {
    fn from(bytes: [u8; FILTER_LENGTH]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Bloom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bloom(about {:.0})", self.estimate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_of_bep_33() {
        const EXPECTED: &str = "
            F6C3F5EA A07FFD91 BDE89F77 7F26FB2B FF37BDB8 FB2BBAA2 FD3DDDE7 BACFFF75 EE7CCBAE
            FE5EEDB1 FBFAFF67 F6ABFF5E 43DDBCA3 FD9B9FFD F4FFD3E9 DFF12D1B DF59DB53 DBE9FA5B
            7FF3B8FD FCDE1AFB 8BEDD7BE 2F3EE71E BBBFE93B CDEEFE14 8246C2BC 5DBFF7E7 EFDCF24F
            D8DC7ADF FD8FFFDF DDFFF7A4 BBEEDF5C B95CE81F C7FCFF1F F4FFFFDF E5F7FDCB B7FD79B3
            FA1FC77B FE07FFF9 05B7B7FF C7FEFEFF E0B8370B B0CD3F5B 7F2BD93F EB4386CF DD6F7FD5
            BFAF2E9E BFFFFEEC D67ADBF7 C67F17EF D5D75EBA 6FFEBA7F FF47A91E B1BFBB53 E8ABFB57
            62ABE8FF 237279BF EFBFEEF5 FFC5FEBF DFE5ADFF ADFEE1FB 737FFFFB FD9F6AEF FEEE76B6
            FD8F72EF";
        let mut filter = Bloom::default();
        for host in 0..=255 {
            filter.insert([192, 0, 2, host].into());
        }
        for host in 0..=0x3e7 {
            filter.insert(IpAddr::V6((0x2001_0db8_u128 << 96 | host).into()));
        }
        let hex: String = filter.0.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(hex, EXPECTED.split_whitespace().collect::<String>());
        assert!((filter.estimate() - 1224.9308).abs() < 0.001, "{}", filter.estimate());
    }

    #[test]
    fn an_empty_filter_is_nobody_and_a_full_one_a_number() {
        assert_eq!(Bloom::default().estimate().abs(), 0.0);
        assert!(Bloom::from([0xff; FILTER_LENGTH]).estimate().is_finite());
        let mut both = Bloom::default();
        both.insert([192, 0, 2, 1].into());
        let mut other = Bloom::default();
        other.insert([192, 0, 2, 2].into());
        both.union(&other);
        assert!((both.estimate() - 2.0).abs() < 0.1);
    }
}
