//! Items for anybody (BEP 44): few, for two hours, and best those around our own id.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sprat_wire::hash::NodeId;
use sprat_wire::krpc::error_code;

use crate::item::Item;
use crate::node_id;
use crate::subnet::Subnet;
use crate::time::Time;

/// Items (other implementations: 700). With keys and signatures, less than a megabyte.
const MAX_ITEMS: usize = 700;

/// Items that one network may have brought first.
const MAX_PER_SUBNET: u16 = 50;

/// An item that is not put again is forgotten (BEP 44: "MAY expire in 2 hours").
const LIFETIME: Duration = Duration::from_secs(2 * 3600);

/// How often expired items are looked for.
const SWEEP: Duration = Duration::from_secs(5 * 60);

/// Networks that put an item, for which it is worth as much as one more leading bit that it shares with our id.
const NETWORKS_PER_BIT: u32 = 5;

#[derive(Debug, Default)]
pub(crate) struct ItemStore {
    items: BTreeMap<NodeId, Stored>,
    /// How many items a network has brought first.
    bringers: BTreeMap<Subnet, u16>,
    next_sweep: Time,
}

#[derive(Debug)]
struct Stored {
    item: Item,
    heard: Time,
    bringer: Option<Subnet>,
    /// A bit for each network that has put it, several networks sharing one.
    networks: u64,
}

impl ItemStore {
    /// The item at a target.
    pub(crate) fn get(&self, now: Time, target: NodeId) -> Option<&Item> {
        let stored = self.items.get(&target)?;
        (now.since(stored.heard) < LIFETIME).then_some(&stored.item)
    }

    /// Stores an item that was checked, or says with which code it is refused. `own` is our id.
    pub(crate) fn put(
        &mut self,
        now: Time,
        own: NodeId,
        from: SocketAddr,
        item: Item,
        cas: Option<i64>,
    ) -> Result<(), i64> {
        let target = item.target();
        let network = network_bit(from.ip());
        if let Some(stored) = self.items.get_mut(&target).filter(|stored| now.since(stored.heard) < LIFETIME)
        {
            if cas.is_some() && stored.item.seq() != cas {
                return Err(error_code::CAS_MISMATCH);
            }
            // An equal number with another value is no newer version.
            if item.seq() < stored.item.seq()
                || (item.seq() == stored.item.seq() && item.value() != stored.item.value())
            {
                return Err(error_code::SEQ_TOO_LOW);
            }
            stored.item = item;
            stored.heard = now;
            stored.networks |= network;
            return Ok(());
        }
        self.remove(target);
        let bringer = Subnet::of(from.ip());
        if bringer
            .is_some_and(|subnet| self.bringers.get(&subnet).is_some_and(|count| *count >= MAX_PER_SUBNET))
        {
            return Err(error_code::SERVER);
        }
        if self.items.len() >= MAX_ITEMS && !self.make_room(now, own, target) {
            return Err(error_code::SERVER);
        }
        if let Some(subnet) = bringer {
            *self.bringers.entry(subnet).or_default() += 1;
        }
        self.items.insert(target, Stored { item, heard: now, bringer, networks: network });
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(crate) const fn next_sweep(&self) -> Time {
        self.next_sweep
    }

    /// Forgets what was not put again. Cheap when it is not time yet.
    pub(crate) fn expire(&mut self, now: Time) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP;
        let expired = |stored: &Stored| now.since(stored.heard) >= LIFETIME;
        let targets: Vec<NodeId> =
            self.items.iter().filter(|(_, stored)| expired(stored)).map(|(target, _)| *target).collect();
        for target in targets {
            self.remove(target);
        }
    }

    /// Removes an item that is worth no more than a new one at `target` would be; returns whether there was any.
    fn make_room(&mut self, now: Time, own: NodeId, target: NodeId) -> bool {
        let worth = |target: NodeId, networks: u64| {
            node_id::common_prefix(own, target) + (networks.count_ones() / NETWORKS_PER_BIT) as usize
        };
        let weakest = self.items.iter().min_by_key(|(target, stored)| {
            let expired = now.since(stored.heard) >= LIFETIME;
            (!expired, worth(**target, stored.networks), stored.heard)
        });
        let Some((weakest, stored)) = weakest else { return false };
        let gives_way =
            now.since(stored.heard) >= LIFETIME || worth(*weakest, stored.networks) <= worth(target, 1);
        let weakest = *weakest;
        if gives_way {
            self.remove(weakest);
        }
        gives_way
    }

    fn remove(&mut self, target: NodeId) {
        let bringer = self.items.remove(&target).and_then(|stored| stored.bringer);
        if let Some(subnet) = bringer
            && let Some(count) = self.bringers.get_mut(&subnet)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.bringers.remove(&subnet);
            }
        }
    }
}

/// One of 64 bits for the /24 or the like of an address.
fn network_bit(ip: IpAddr) -> u64 {
    let mixed = match ip.to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits() >> 8),
        IpAddr::V6(ip) => (ip.to_bits() >> 80) as u64,
    };
    // Fibonacci hashing: the upper bits of the product are well mixed.
    1 << (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const NOW: Time = Time::from_secs(1000);
    const OWN: NodeId = NodeId([0; 20]);

    fn from(number: u32) -> SocketAddr {
        SocketAddr::new(IpAddr::V4((0x1400_0001 + (number << 8)).into()), 1)
    }

    fn immutable(number: u32) -> Item {
        Item::immutable(format!("i{number}e").into()).unwrap()
    }

    fn version(seq: i64, value: &'static [u8]) -> Item {
        Item::signed(&[1; 32], Bytes::new(), seq, Bytes::from_static(value)).unwrap()
    }

    #[test]
    fn a_version_gives_way_to_newer_ones_only() {
        let mut store = ItemStore::default();
        let mut put = |item: Item, cas| store.put(NOW, OWN, from(1), item, cas);
        assert_eq!(put(version(5, b"1:a"), Some(77)), Ok(()), "nothing there: cas does not count");
        assert_eq!(put(version(4, b"1:b"), None), Err(error_code::SEQ_TOO_LOW));
        assert_eq!(put(version(5, b"1:b"), None), Err(error_code::SEQ_TOO_LOW));
        assert_eq!(put(version(5, b"1:a"), None), Ok(()), "the same again keeps it alive");
        assert_eq!(put(version(6, b"1:b"), Some(4)), Err(error_code::CAS_MISMATCH));
        assert_eq!(put(version(6, b"1:b"), Some(5)), Ok(()));
        let target = version(6, b"1:b").target();
        assert_eq!(store.get(NOW, target).unwrap().seq(), Some(6));
        assert!(store.get(NOW + LIFETIME, target).is_none());
        store.expire(NOW + LIFETIME);
        assert_eq!((store.len(), store.bringers.len()), (0, 0));
    }

    #[test]
    fn one_network_has_its_share_and_the_store_its_size() {
        let mut store = ItemStore::default();
        let admitted =
            (0..200).filter(|number| store.put(NOW, OWN, from(1), immutable(*number), None).is_ok()).count();
        assert_eq!(admitted, usize::from(MAX_PER_SUBNET));
        for number in 0..5000 {
            let _ = store.put(NOW, OWN, from(number), immutable(number), None);
            assert!(store.len() <= MAX_ITEMS);
        }
        assert_eq!(store.len(), MAX_ITEMS);
    }

    #[test]
    fn in_a_full_store_the_closest_and_the_most_wanted_stay() {
        let mut store = ItemStore::default();
        let wanted = immutable(77);
        for network in 0..200 {
            store.put(NOW, OWN, from(network), wanted.clone(), None).unwrap();
        }
        for number in 1000..20_000 {
            let _ = store.put(NOW, OWN, from(number), immutable(number), None);
        }
        assert!(store.get(NOW, wanted.target()).is_some());
        let near = store.items.keys().filter(|target| node_id::common_prefix(OWN, **target) >= 4).count();
        assert!(near > MAX_ITEMS * 9 / 10, "{near}");
    }
}
