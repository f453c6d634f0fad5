//! The routing table: whom we know, in ever smaller neighbourhoods of our own id (BEP 5, "Routing Table").
//!
//! A contact gets in only by answering a query of ours; nothing that merely arrives changes anything here. Old
//! contacts stay, new ones wait as spares, because a node that has been up for long is likely to stay up. Each
//! address is there once, and each network (see [`Subnet`]) once in a bucket.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sprat_wire::hash::NodeId;
use sprat_wire::krpc::Contact;

use crate::node_id;
use crate::subnet::Subnet;
use crate::time::Time;

/// Contacts in the buckets nearest to the root: the first covers half of all ids, the second a quarter, and so on.
/// More of them shorten every lookup by about a hop, for the price of keeping them fresh.
const LOW_BUCKETS: [usize; 4] = [32, 24, 16, 12];

/// Contacts in every other bucket (BEP 5: "K, currently eight").
pub const BUCKET: usize = 8;

/// Contacts in reserve for a bucket.
const SPARES: usize = 8;

/// A contact that was not heard for this long is questionable (BEP 5).
pub const FRESH: Duration = Duration::from_secs(15 * 60);

/// Unanswered queries in a row after which a contact is bad: it makes room for another (BEP 5: "multiple").
const BAD: u8 = 2;

/// Unanswered queries in a row after which a contact goes even when there is no other.
const GONE: u8 = 5;

/// A contact that has failed is asked again after this part of the patience with others.
pub const HASTE: u32 = 15;

/// One contact with what we know of it: 56 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    id: NodeId,
    /// IPv4 as mapped IPv6.
    ip: [u8; 16],
    port: u16,
    /// Smoothed round-trip time, milliseconds.
    rtt: u16,
    /// When it first answered, seconds.
    since: u32,
    /// When it last answered, seconds.
    heard: u32,
    /// When it was last asked for the sake of asking, seconds (see [`Table::checked`]).
    checked: u32,
    /// Queries in a row that it has not answered.
    failures: u8,
    /// Its id fits its address (BEP 42).
    secure: bool,
}

// The budget of a contact (see the crate's documentation).
const _: () = assert!(size_of::<Entry>() <= 64);

impl Entry {
    fn new(now: Time, contact: Contact, rtt: Duration) -> Self {
        let ip = contact.address.ip();
        let now = seconds(now);
        Self {
            id: contact.id,
            ip: octets(ip),
            port: contact.address.port(),
            rtt: millis(rtt),
            since: now,
            heard: now,
            checked: now,
            failures: 0,
            secure: node_id::is_secure(contact.id, ip),
        }
    }

    /// Id and address.
    #[must_use]
    pub fn contact(&self) -> Contact {
        Contact { id: self.id, address: SocketAddr::new(self.ip(), self.port) }
    }

    /// Smoothed round-trip time.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        Duration::from_millis(self.rtt.into())
    }

    /// Answered lately, and has not left a query unanswered since.
    #[must_use]
    pub fn is_good(&self, now: Time) -> bool {
        self.failures == 0 && u64::from(seconds(now).saturating_sub(self.heard)) <= FRESH.as_secs()
    }

    /// Has left several queries unanswered.
    #[must_use]
    pub const fn is_bad(&self) -> bool {
        self.failures >= BAD
    }

    fn is(&self, contact: &Contact) -> bool {
        self.id == contact.id
            && self.port == contact.address.port()
            && self.ip == octets(contact.address.ip())
    }

    fn ip(&self) -> IpAddr {
        IpAddr::from(Ipv6Addr::from(self.ip)).to_canonical()
    }

    fn subnet(&self) -> Option<Subnet> {
        Subnet::of(self.ip())
    }

    /// Whether both are at one address, of which there may be only one. Within a private network, and behind
    /// loopback in particular, one address may have several nodes.
    fn conflicts_with(&self, other: &Self) -> bool {
        self.ip == other.ip && (self.port == other.port || self.subnet().is_some())
    }

    fn heard(&mut self, now: Time, rtt: Duration) {
        self.heard = seconds(now);
        self.failures = 0;
        // An eighth of the new one, as RFC 6298 has it.
        let smoothed = (u32::from(self.rtt) * 7 + u32::from(millis(rtt))) / 8;
        self.rtt = u16::try_from(smoothed).unwrap_or(u16::MAX);
    }
}

#[derive(Debug, Clone, Default)]
struct Bucket {
    live: Vec<Entry>,
    /// Have answered as well, but there was no room. The last one was heard last.
    spares: Vec<Entry>,
}

/// The contacts of one node in one family.
#[derive(Debug, Clone)]
pub struct Table {
    own: NodeId,
    /// Bucket `n` has the contacts that share exactly `n` leading bits with us; the last one all that share more.
    buckets: Vec<Bucket>,
}

impl Table {
    /// Empty, around `own`.
    #[must_use]
    pub fn new(own: NodeId) -> Self {
        Self { own, buckets: vec![Bucket::default()] }
    }

    /// The id that it is around.
    #[must_use]
    pub const fn own(&self) -> NodeId {
        self.own
    }

    /// Contacts, spares not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.live.len()).sum()
    }

    /// Whether nobody is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries().next().is_none()
    }

    /// Contacts in reserve.
    #[must_use]
    pub fn spares(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.spares.len()).sum()
    }

    /// All contacts, those far away first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flat_map(|bucket| &bucket.live)
    }

    /// What is known of a contact.
    #[must_use]
    pub fn entry(&self, contact: &Contact) -> Option<&Entry> {
        let entries = &self.buckets.get(self.index(contact.id))?.live;
        entries.iter().find(|entry| entry.is(contact))
    }

    /// Moves the table around another id. Spares are forgotten.
    pub fn move_to(&mut self, own: NodeId) {
        let old = std::mem::replace(self, Self::new(own));
        for entry in old.buckets.into_iter().flat_map(|bucket| bucket.live) {
            self.insert(entry);
        }
    }

    /// A contact has answered a query of ours after `rtt`. Returns whether it is new in the table.
    pub fn heard(&mut self, now: Time, contact: Contact, rtt: Duration) -> bool {
        let index = self.index(contact.id);
        if let Some(known) = self.buckets[index].live.iter_mut().find(|entry| entry.is(&contact)) {
            known.heard(now, rtt);
            return false;
        }
        let entry = Entry::new(now, contact, rtt);
        let lists = self.buckets.iter_mut().flat_map(|bucket| [&mut bucket.live, &mut bucket.spares]);
        for list in lists {
            let Some(at) = list.iter().position(|known| known.conflicts_with(&entry)) else { continue };
            let known = &mut list[at];
            if known.contact() == contact {
                known.heard(now, rtt);
                return false;
            }
            let renamed = known.port == entry.port;
            if !renamed && !known.is_bad() {
                return false;
            }
            list.remove(at);
            if renamed {
                // Who calls itself something else today is no pillar of the network; it may come again.
                return false;
            }
            break;
        }
        self.insert_unless_known(entry)
    }

    /// A contact has not answered a query of ours. Returns it if it is out of the table for that.
    pub fn failed(&mut self, contact: &Contact) -> Option<Contact> {
        let index = self.index(contact.id);
        let bucket = self.buckets.get_mut(index)?;
        bucket.spares.retain(|entry| !entry.is(contact));
        let at = bucket.live.iter().position(|entry| entry.is(contact))?;
        let entry = &mut bucket.live[at];
        entry.failures = entry.failures.saturating_add(1);
        let (bad, gone) = (entry.is_bad(), entry.failures >= GONE);
        if gone || (bad && !bucket.spares.is_empty()) {
            bucket.live.remove(at);
            self.promote(index);
            return Some(*contact);
        }
        None
    }

    /// Whether a node could get in, were it to answer a query: whether it is worth one.
    #[must_use]
    pub fn has_room_for(&self, contact: &Contact) -> bool {
        let entry = Entry::new(Time::ZERO, *contact, Duration::ZERO);
        let index = self.index(contact.id);
        let Some(bucket) = self.buckets.get(index).filter(|_| contact.id != self.own) else { return false };
        let known =
            |list: &[Entry]| list.iter().any(|known| known.conflicts_with(&entry) || known.id == entry.id);
        if self.buckets.iter().any(|bucket| known(&bucket.live) || known(&bucket.spares)) {
            return false;
        }
        let full = bucket.live.len() >= capacity(index) && index.saturating_add(1) < self.buckets.len();
        let crowded =
            entry.subnet().is_some() && bucket.live.iter().any(|known| known.subnet() == entry.subnet());
        let room = !full || bucket.live.iter().any(Entry::is_bad);
        !crowded
            && (room
                || bucket.spares.len() < SPARES
                || (entry.secure && bucket.live.iter().any(|known| !known.secure)))
    }

    /// The `count` contacts closest to `target` for which `wanted` holds, closest first.
    pub fn closest(&self, target: NodeId, count: usize, wanted: impl Fn(&Entry) -> bool) -> Vec<&Entry> {
        // Seen from the target: who shares our own bucket with it is closest, then all deeper buckets are, in one
        // mass, and then one shallower bucket after the other.
        let home = self.index(target);
        let mut closest: Vec<&Entry> = Vec::new();
        let deeper = home.saturating_add(1)..self.buckets.len();
        let groups = [home..home.saturating_add(1), deeper].into_iter();
        for group in groups.chain((0..home).rev().map(|index| index..index.saturating_add(1))) {
            let start = closest.len();
            let buckets = self.buckets.get(group).unwrap_or_default();
            closest.extend(buckets.iter().flat_map(|bucket| &bucket.live).filter(|entry| wanted(entry)));
            closest[start..].sort_unstable_by_key(|entry| node_id::distance(entry.id, target));
            if closest.len() >= count {
                break;
            }
        }
        closest.truncate(count);
        closest
    }

    /// The contact that should be asked first whether it is still there, and when.
    ///
    /// `patience` is how long a contact may have been silent: [`FRESH`] for those who are to pass it on as good.
    #[must_use]
    pub fn next_to_check(&self, patience: Duration) -> Option<(Time, Contact)> {
        let due = |entry: &Entry| {
            // One that has failed is asked again soon: either it comes back or it makes room.
            let patience = if entry.failures > 0 { patience / HASTE } else { patience };
            u64::from(entry.checked.max(entry.heard)) + patience.as_secs()
        };
        let first = self.entries().min_by_key(|entry| due(entry))?;
        Some((Time::from_secs(due(first)), first.contact()))
    }

    /// A contact is being asked whether it is still there.
    pub fn checked(&mut self, now: Time, contact: &Contact) {
        let index = self.index(contact.id);
        let mut live = self.buckets[index].live.iter_mut();
        if let Some(entry) = live.find(|entry| entry.is(contact)) {
            entry.checked = seconds(now);
        }
    }

    /// Buckets, each with the number of its contacts.
    pub fn bucket_sizes(&self) -> impl Iterator<Item = usize> {
        self.buckets.iter().map(|bucket| bucket.live.len())
    }

    /// Whether bucket `index` has fewer contacts than it could have.
    #[must_use]
    pub fn is_sparse(&self, index: usize) -> bool {
        self.buckets.get(index).is_some_and(|bucket| bucket.live.len() < capacity(index))
    }

    fn index(&self, id: NodeId) -> usize {
        node_id::common_prefix(self.own, id).min(self.buckets.len().saturating_sub(1))
    }

    /// An id may be there once.
    fn insert_unless_known(&mut self, entry: Entry) -> bool {
        let index = self.index(entry.id);
        let live = &mut self.buckets[index].live;
        if let Some(at) = live.iter().position(|known| known.id == entry.id) {
            if !live[at].is_bad() {
                return false;
            }
            live.remove(at);
        }
        self.insert(entry)
    }

    fn insert(&mut self, entry: Entry) -> bool {
        if entry.id == self.own {
            return false;
        }
        loop {
            let index = self.index(entry.id);
            let is_last = index.saturating_add(1) == self.buckets.len();
            let bucket = &mut self.buckets[index];
            let subnet = entry.subnet();
            if let Some(at) =
                bucket.live.iter().position(|known| subnet.is_some() && known.subnet() == subnet)
            {
                if bucket.live[at].is_bad() {
                    bucket.live[at] = entry;
                    return true;
                }
                return false;
            }
            if bucket.live.len() < capacity(index) {
                bucket.live.push(entry);
                return true;
            }
            if let Some(bad) =
                bucket.live.iter_mut().filter(|known| known.is_bad()).max_by_key(|known| known.failures)
            {
                *bad = entry;
                return true;
            }
            if is_last && index < NodeId::LENGTH * 8 - 1 {
                self.split();
                continue;
            }
            // The youngest of those whose id is as they like it makes room for one whose id is as it must be.
            let insecure = bucket.live.iter_mut().filter(|known| !known.secure);
            if let Some(known) = insecure.max_by_key(|known| known.since).filter(|_| entry.secure) {
                *known = entry;
                return true;
            }
            if bucket.spares.iter().any(|spare| subnet.is_some() && spare.subnet() == subnet) {
                return false;
            }
            if bucket.spares.len() == SPARES {
                bucket.spares.remove(0);
            }
            bucket.spares.push(entry);
            return false;
        }
    }

    /// Divides the last bucket. What it cannot hold any more waits.
    fn split(&mut self) {
        let last = self.buckets.len().saturating_sub(1);
        let own = self.own;
        let bucket = &mut self.buckets[last];
        let deeper = |entry: &mut Entry| node_id::common_prefix(own, entry.id) > last;
        let new = Bucket {
            live: bucket.live.extract_if(.., deeper).collect(),
            spares: bucket.spares.extract_if(.., deeper).collect(),
        };
        self.buckets.push(new);
        self.promote(last);
    }

    /// Gives the spare heard last the place that has become free.
    fn promote(&mut self, index: usize) {
        let bucket = &mut self.buckets[index];
        while bucket.live.len() < capacity(index) {
            let fits = |spare: &Entry| {
                spare.subnet().is_none() || bucket.live.iter().all(|known| known.subnet() != spare.subnet())
            };
            let Some(at) = bucket.spares.iter().rposition(fits) else { return };
            let spare = bucket.spares.remove(at);
            bucket.live.push(spare);
        }
    }
}

fn capacity(index: usize) -> usize {
    LOW_BUCKETS.get(index).copied().unwrap_or(BUCKET)
}

/// IPv4 as mapped IPv6.
const fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Enough for 136 years.
fn seconds(time: Time) -> u32 {
    u32::try_from(time.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX)
}

fn millis(duration: Duration) -> u16 {
    u16::try_from(duration.as_millis()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
