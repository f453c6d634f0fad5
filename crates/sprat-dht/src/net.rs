//! What a node knows of the network of one family: IPv4 and IPv6 are two networks (BEP 32).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use sprat_wire::compact::Family;
use sprat_wire::hash::NodeId;
use sprat_wire::krpc::Contact;

use crate::external::Votes;
use crate::lookup::Lookup;
use crate::network_size::{NetworkSize, Region};
use crate::node_id;
use crate::table::{BUCKET, HASTE, Table};
use crate::time::Time;

/// Addresses that wait to be asked whether there is a node.
const MAX_TO_VERIFY: usize = 32;

/// Nodes to fall back on: those of the last run, and those lost in this one.
const MAX_REMEMBERED: usize = 64;

/// Addresses given to begin with.
const MAX_ENTRANCES: usize = 32;

/// With fewer contacts a node is not at home in the network.
pub(crate) const FEW: usize = BUCKET;

/// After nobody was heard for this long, silence is our own: it is held against nobody.
const OFFLINE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) family: Family,
    pub(crate) table: Table,
    pub(crate) size: NetworkSize,
    pub(crate) votes: Votes,
    /// Where there are nodes that are up for long, or at least were when we were told.
    pub(crate) entrances: Vec<SocketAddr>,
    /// Contacts of the last run and such as were lost in this one: after an outage, some of them will be back.
    pub(crate) remembered: VecDeque<Contact>,
    /// Somebody may be there; it is asked when there is time.
    pub(crate) to_verify: VecDeque<SocketAddr>,
    /// When the next of them is asked.
    pub(crate) next_verify: Time,
    /// No contact has to be asked earlier than this whether it is still there.
    pub(crate) next_check: Time,
    /// When a query of ours was last answered.
    last_heard: Option<Time>,
    /// When to look for our own place next, and how long to wait after that.
    pub(crate) next_entry: Time,
    pub(crate) entry_pause: Duration,
    /// Our own place is being looked for.
    pub(crate) is_entering: bool,
    /// It was found once.
    pub(crate) is_ready: bool,
}

impl Net {
    pub(crate) fn new(family: Family, own: NodeId) -> Self {
        Self {
            family,
            table: Table::new(own),
            size: NetworkSize::default(),
            votes: Votes::default(),
            entrances: Vec::new(),
            remembered: VecDeque::new(),
            to_verify: VecDeque::new(),
            next_verify: Time::ZERO,
            next_check: Time::NEVER,
            last_heard: None,
            next_entry: Time::ZERO,
            entry_pause: Duration::ZERO,
            is_entering: false,
            is_ready: false,
        }
    }

    pub(crate) const fn own(&self) -> NodeId {
        self.table.own()
    }

    pub(crate) fn add_entrance(&mut self, address: SocketAddr) {
        if !self.entrances.contains(&address) {
            if self.entrances.len() == MAX_ENTRANCES {
                self.entrances.remove(0);
            }
            self.entrances.push(address);
        }
    }

    pub(crate) fn remember(&mut self, contact: Contact) {
        self.remembered.retain(|known| known.address != contact.address);
        if self.remembered.len() == MAX_REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(contact);
    }

    /// Whether [`verify_later`](Self::verify_later) would have an effect. Whoever comes when the queue is full has to
    /// come again.
    pub(crate) fn can_verify(&self, address: SocketAddr) -> bool {
        self.to_verify.len() < MAX_TO_VERIFY && !self.to_verify.contains(&address)
    }

    pub(crate) fn verify_later(&mut self, address: SocketAddr) {
        if self.can_verify(address) {
            self.to_verify.push_back(address);
        }
    }

    /// Gives a lookup those to begin with.
    pub(crate) fn feed(&self, lookup: &mut Lookup) {
        let target = lookup.target();
        let mut closest = self.table.closest(target, 2 * BUCKET, |entry| !entry.is_bad());
        if closest.len() < BUCKET {
            closest = self.table.closest(target, 2 * BUCKET, |_| true);
        }
        for entry in &closest {
            lookup.add_known(entry.contact(), Some(entry.rtt()));
        }
        if closest.len() < BUCKET {
            let mut remembered: Vec<Contact> = self.remembered.iter().copied().collect();
            remembered.sort_unstable_by_key(|contact| node_id::distance(contact.id, target));
            for contact in remembered.into_iter().take(4 * BUCKET) {
                lookup.add_known(contact, None);
            }
        }
    }

    /// Where to store something, or to look for it, around any target.
    pub(crate) fn region(&self) -> Region {
        let neighbours = self.table.closest(self.own(), 2 * BUCKET, |entry| !entry.is_bad());
        self.size.region(self.own(), neighbours.into_iter().map(|entry| entry.contact().id))
    }

    /// When something is to be done for the table.
    pub(crate) fn next_upkeep(&self) -> Time {
        let verify = if self.to_verify.is_empty() { Time::NEVER } else { self.next_verify };
        let entry = if self.is_entering { Time::NEVER } else { self.next_entry };
        verify.min(entry).min(self.next_check)
    }

    /// A query was answered.
    pub(crate) fn heard(&mut self, now: Time, contact: Contact, rtt: Duration, patience: Duration) {
        self.last_heard = Some(now);
        if self.table.heard(now, contact, rtt) {
            self.next_check = self.next_check.min(now + patience);
        }
    }

    /// A query was not answered. When nobody answers, it is probably us.
    pub(crate) fn failed(&mut self, now: Time, contact: &Contact, patience: Duration) {
        if self.last_heard.is_none_or(|heard| now.since(heard) >= OFFLINE) {
            return;
        }
        self.next_check = self.next_check.min(now + patience / HASTE);
        if let Some(lost) = self.table.failed(contact) {
            self.remember(lost);
        }
    }
}
