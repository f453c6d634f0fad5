use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const RTT: Duration = Duration::from_millis(50);

fn own() -> NodeId {
    NodeId([0; 20])
}

/// An id that shares exactly `prefix` bits with ours.
fn id(prefix: usize, rest: u8) -> NodeId {
    let mut id = NodeId([0; 20]);
    id.0[prefix / 8] = 0x80 >> (prefix % 8);
    id.0[19] = rest;
    id
}

/// Each with a network of its own.
fn contact(prefix: usize, rest: u8) -> Contact {
    Contact { id: id(prefix, rest), address: SocketAddr::from(([20, prefix as u8, rest, 1], 6881)) }
}

fn at(minutes: u64) -> Time {
    Time::from_secs(60 * minutes)
}

/// A table whose bucket 5 is full.
fn full() -> Table {
    let mut table = Table::new(own());
    for prefix in 0..8 {
        for rest in 0..60 {
            table.heard(at(0), contact(prefix, rest), RTT);
        }
    }
    table
}

#[test]
fn buckets_have_their_sizes_and_spares() {
    let table = full();
    let sizes: Vec<usize> = table.bucket_sizes().collect();
    assert_eq!(sizes[..7], [32, 24, 16, 12, 8, 8, 8]);
    assert_eq!(table.len(), sizes.iter().sum::<usize>());
    assert!(table.spares() >= 7 * SPARES, "{}", table.spares());
}

#[test]
fn an_old_contact_stays_and_a_bad_one_makes_room() {
    let mut table = full();
    let old = contact(5, 0);
    assert!(!table.heard(at(1), contact(5, 100), RTT), "the bucket is full of good contacts");
    assert!(table.entry(&old).is_some());
    assert_eq!(table.failed(&old), None, "once is no reason");
    assert_eq!(table.failed(&old), Some(old));
    assert!(table.entry(&contact(5, 100)).is_some(), "the spare heard last has its place");
}

#[test]
fn without_a_spare_a_contact_may_fail_five_times() {
    let mut table = Table::new(own());
    let only = contact(3, 1);
    table.heard(at(0), only, RTT);
    for _ in 1..GONE {
        assert_eq!(table.failed(&only), None);
    }
    assert!(table.closest(own(), 8, |entry| !entry.is_bad()).is_empty());
    table.heard(at(1), only, RTT);
    assert!(table.entry(&only).unwrap().is_good(at(1)), "an answer makes up for everything");
    for _ in 1..GONE {
        table.failed(&only);
    }
    assert_eq!(table.failed(&only), Some(only));
    assert!(table.is_empty());
}

#[test]
fn an_address_is_there_once() {
    let mut table = Table::new(own());
    let first = contact(3, 1);
    table.heard(at(0), first, RTT);
    let other_port = Contact { id: id(4, 2), address: SocketAddr::new(first.address.ip(), 1) };
    assert!(!table.heard(at(0), other_port, RTT));
    assert!(table.entry(&first).is_some());
    // Who has changed its name is out; under the new one it has to come again.
    let renamed = Contact { id: id(4, 2), ..first };
    assert!(!table.heard(at(0), renamed, RTT));
    assert!(table.is_empty());
    assert!(table.heard(at(0), renamed, RTT));
}

#[test]
fn an_id_moves_to_another_address_only_when_it_does_not_answer_at_the_first() {
    let mut table = Table::new(own());
    let first = contact(3, 1);
    table.heard(at(0), first, RTT);
    let thief = Contact { address: "30.1.1.1:1".parse().unwrap(), ..first };
    assert!(!table.heard(at(0), thief, RTT));
    table.failed(&first);
    table.failed(&first);
    assert!(table.heard(at(0), thief, RTT));
    assert_eq!(table.len(), 1);
}

#[test]
fn a_network_is_in_a_bucket_once_and_a_private_one_as_often_as_it_likes() {
    let mut table = Table::new(own());
    let neighbour = |host| Contact { id: id(3, host), address: SocketAddr::from(([20, 1, 1, host], 1)) };
    assert!(table.heard(at(0), neighbour(1), RTT));
    assert!(!table.heard(at(0), neighbour(2), RTT));
    assert!(!table.has_room_for(&neighbour(2)));
    let private = |port| Contact { id: id(3, port as u8), address: SocketAddr::from(([127, 0, 0, 1], port)) };
    assert!(table.heard(at(0), private(1001), RTT));
    assert!(table.heard(at(0), private(1002), RTT));
}

#[test]
fn contacts_are_checked_after_a_quarter_of_an_hour_and_one_after_the_other() {
    let mut table = Table::new(own());
    table.heard(at(0), contact(1, 1), RTT);
    table.heard(at(1), contact(1, 2), RTT);
    assert!(!table.entry(&contact(1, 1)).unwrap().is_good(at(16)));
    assert_eq!(table.next_to_check(FRESH), Some((at(15), contact(1, 1))));
    table.checked(at(15), &contact(1, 1));
    assert_eq!(table.next_to_check(FRESH), Some((at(16), contact(1, 2))));
    table.failed(&contact(1, 1));
    assert_eq!(
        table.next_to_check(FRESH),
        Some((at(16), contact(1, 1))),
        "it has failed: again after a minute"
    );
    assert_eq!(Table::new(own()).next_to_check(FRESH), None);
}

#[test]
fn another_own_id_keeps_the_contacts() {
    let mut table = full();
    let known = table.len();
    table.move_to(NodeId([0x0f; 20]));
    assert_eq!(table.own(), NodeId([0x0f; 20]));
    assert!(table.len() > known / 3, "{} of {known}", table.len());
}

proptest! {
    #[test]
    fn the_closest_are_the_closest(ids in vec(any::<[u8; 20]>(), 0..200), target: [u8; 20], count in 0_usize..20) {
        let mut table = Table::new(NodeId([0x55; 20]));
        for (number, id) in ids.into_iter().enumerate() {
            let address = SocketAddr::from(([20, 1, number as u8, 1], 1));
            table.heard(at(0), Contact { id: NodeId(id), address }, RTT);
        }
        let mut all: Vec<NodeId> = table.entries().map(|entry| entry.contact().id).collect();
        all.sort_by_key(|id| node_id::distance(*id, NodeId(target)));
        all.truncate(count);
        let closest: Vec<NodeId> =
            table.closest(NodeId(target), count, |_| true).iter().map(|entry| entry.contact().id).collect();
        prop_assert_eq!(closest, all);
    }

    /// Whatever answers and whatever does not: everybody is in the right place, once, and there are not too many.
    #[test]
    fn the_table_stays_in_order(events in vec((0_u8..40, 0_u8..30, 0_u8..4, any::<bool>()), 0..400)) {
        let mut table = Table::new(own());
        for (minute, (prefix, net, rest, answers)) in (0..).zip(events) {
            let contact = Contact {
                id: id(usize::from(prefix), rest),
                address: SocketAddr::from(([20, 1, net, rest], 1000 + u16::from(rest % 2))),
            };
            if answers {
                table.heard(at(minute), contact, RTT);
            } else {
                table.failed(&contact);
            }
            let mut ips: Vec<_> = table.entries().map(|entry| entry.ip).collect();
            let count = ips.len();
            ips.sort_unstable();
            ips.dedup();
            prop_assert_eq!(ips.len(), count, "an address is there twice");
            for (index, bucket) in table.buckets.iter().enumerate() {
                prop_assert!(bucket.live.len() <= capacity(index) && bucket.spares.len() <= SPARES);
                let mut nets: Vec<_> = bucket.live.iter().map(Entry::subnet).collect();
                nets.sort_unstable();
                nets.dedup();
                prop_assert_eq!(nets.len(), bucket.live.len(), "a network is in a bucket twice");
                for entry in bucket.live.iter().chain(&bucket.spares) {
                    prop_assert_eq!(table.index(entry.id), index);
                }
            }
        }
    }
}
