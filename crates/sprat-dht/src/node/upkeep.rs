//! Getting into the network, staying in it, and finding back.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sprat_wire::compact::Family;
use sprat_wire::hash::NodeId;
use sprat_wire::krpc::{Contact, Request, Response, Want};

use super::{Node, Purpose, is_local, own_place, random_id};
use crate::io::{Event, Operation, Summary};
use crate::lookup::is_usable;
use crate::net::{FEW, Net};
use crate::node_id;
use crate::time::Time;

/// Between two contacts that are asked whether they are still there: for a table of 230, each of which has a quarter
/// of an hour, that is plenty.
const CHECK_PAUSE: Duration = Duration::from_secs(2);

/// Between two addresses that are asked whether there is a node, by one that knows many.
const VERIFY_PAUSE: Duration = Duration::from_secs(2);

/// The same for a node that knows few: in a network that has just begun, all depends on those who were there first
/// until the others know each other.
const YOUNG_VERIFY_PAUSE: Duration = Duration::from_millis(100);

/// With fewer contacts a node is young.
const YOUNG: usize = 4 * FEW;

/// Entrances that are tried at once.
const ENTRANCES_AT_ONCE: usize = 8;

/// The first pause between two attempts to get in; it doubles with each that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two attempts to get in.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Between the first two lookups of our own place, once we are in; it doubles as well.
const FIRST_RE_ENTRY: Duration = Duration::from_secs(4 * 60);

/// Between two lookups of our own place, later.
const RE_ENTRY: Duration = Duration::from_secs(32 * 60);

/// In a network of few nodes, others may come any moment.
const SOON: Duration = Duration::from_secs(20);

impl Node {
    /// Tells of nodes that are likely to be up: those of the configuration, or of a torrent's `nodes`. They are used
    /// whenever there is nobody else.
    pub fn add_entrances(&mut self, now: Time, addresses: impl IntoIterator<Item = SocketAddr>) {
        for address in addresses {
            let address = SocketAddr::new(address.ip().to_canonical(), address.port());
            let Some(net) = self.net_mut(Family::of(address)).filter(|_| is_usable(address, true)) else {
                continue;
            };
            net.add_entrance(address);
            if net.table.len() < FEW {
                net.next_entry = now;
                net.entry_pause = Duration::ZERO;
            } else {
                net.verify_later(address);
            }
        }
        self.handle_timeouts(now);
    }

    /// Tells of somebody who may be a node: a peer has sent its port (BEP 5, `PORT`).
    pub fn add_candidate(&mut self, now: Time, address: SocketAddr) {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let Some(net) = self.net_mut(Family::of(address)).filter(|_| is_usable(address, true)) else {
            return;
        };
        if net.table.is_empty() {
            self.enter_by(now, address);
        } else {
            net.verify_later(address);
        }
    }

    /// When there is something to be done for the tables and stores.
    pub(super) fn next_upkeep(&self) -> Time {
        let nets = [&self.v4, &self.v6].into_iter().flatten();
        nets.map(Net::next_upkeep).fold(self.server.next_expiry(), Time::min)
    }

    pub(super) fn upkeep(&mut self, now: Time) {
        for family in self.families() {
            if self.net(family).is_some_and(|net| net.next_entry <= now && !net.is_entering) {
                self.enter(now, family);
            }
            self.check(now, family);
            self.verify(now, family);
        }
        self.server.expire(now);
        self.drive_all(now);
    }

    fn varied(&mut self, pause: Duration) -> Duration {
        pause.mul_f64(0.75 + self.random.f64() / 2.0)
    }

    /// Looks for our own place, or for somebody who may know.
    fn enter(&mut self, now: Time, family: Family) {
        let Some(net) = self.net_mut(family) else { return };
        let own = net.own();
        let is_alone = net.table.len() < FEW;
        let (shortest, longest) =
            if is_alone { (FIRST_PAUSE, LONGEST_PAUSE) } else { (FIRST_RE_ENTRY, RE_ENTRY) };
        net.entry_pause = (net.entry_pause * 2).clamp(shortest, longest);
        net.next_entry = now + net.entry_pause;
        let remembers = !net.remembered.is_empty();
        let mut addresses = net.entrances.clone();
        if !is_alone {
            // One of those that were lost, in case that the network was in two parts.
            addresses.extend(net.remembered.iter().map(|contact| contact.address));
        }
        let has_contacts = !net.table.is_empty() || remembers;
        self.random.shuffle(&mut addresses);
        for address in addresses.into_iter().take(if is_alone { ENTRANCES_AT_ONCE } else { 1 }) {
            self.enter_by(now, address);
        }
        if has_contacts {
            if let Some(net) = self.net_mut(family) {
                net.is_entering = true;
            }
            self.start_internal(now, family, own_place(own), &[]);
        }
    }

    fn enter_by(&mut self, now: Time, address: SocketAddr) {
        let Some(own) = self.net(Family::of(address)).map(|net| net.own()) else { return };
        if self.transactions.is_pending(address) {
            return;
        }
        let both = self.v4.is_some() && self.v6.is_some();
        let want = Want { v4: both, v6: both };
        self.ask(now, address, None, None, Request::FindNode { target: own, want }, Purpose::Enter);
    }

    /// Somebody who may know the way in has answered.
    pub(super) fn entered(&mut self, now: Time, from: Contact, response: &Response) {
        let family = Family::of(from.address);
        let local = is_local(from.address);
        for (family, nodes) in [(Family::V4, &response.nodes), (Family::V6, &response.nodes6)] {
            if let Some(net) = self.net_mut(family).filter(|net| net.table.len() < FEW) {
                for node in nodes.iter().filter(|node| is_usable(node.address, local)) {
                    // Whom we know is not asked again: in a network of few, all would ask each other for ever.
                    if net.table.has_room_for(node) {
                        net.verify_later(node.address);
                    }
                }
            }
        }
        let nodes = match family {
            Family::V4 => &response.nodes,
            Family::V6 => &response.nodes6,
        };
        let Some(net) = self.net_mut(family) else { return };
        let own = net.own();
        let news = nodes.iter().any(|node| is_usable(node.address, local) && net.table.has_room_for(node));
        if !net.is_entering && (news || !net.is_ready) {
            net.is_entering = true;
            let mut with: Vec<Contact> =
                nodes.iter().filter(|node| is_usable(node.address, local)).copied().collect();
            with.push(from);
            self.start_internal(now, family, own_place(own), &with);
        }
        self.drive_all(now);
    }

    /// A lookup of our own is over. If it was for our own place, we may be in.
    pub(super) fn internal_finished(&mut self, now: Time, family: Family, target: NodeId, summary: &Summary) {
        let Some(net) = self.net_mut(family).filter(|net| net.own() == target) else { return };
        net.is_entering = false;
        if summary.closest.is_empty() {
            return;
        }
        // We have our neighbours. Far away, a bucket fills best with those close to a point within it.
        let first = !net.is_ready;
        net.is_ready = true;
        if net.table.len() < FEW {
            net.next_entry = now + SOON;
        } else {
            net.entry_pause = net.entry_pause.max(FIRST_RE_ENTRY);
            net.next_entry = now + net.entry_pause;
        }
        let own = net.own();
        let sparse: Vec<usize> =
            (0..net.table.bucket_sizes().count()).filter(|at| net.table.is_sparse(*at)).collect();
        let limit = if first { FIRST_REFRESHES } else { 1 };
        for bucket in sparse.into_iter().take(limit) {
            let target = point_in_bucket(own, bucket, &mut self.random);
            self.start_internal(now, family, Operation::FindNode { target }, &[]);
        }
        if first {
            self.event(Event::Ready { family });
        }
    }

    /// Asks the contact that was silent for longest whether it is still there.
    fn check(&mut self, now: Time, family: Family) {
        let patience = self.config.patience();
        // Not all nodes of a simulation, or after a power cut, at the same moment.
        let pause = self.varied(CHECK_PAUSE);
        let Some(net) = self.net_mut(family).filter(|net| net.next_check <= now) else { return };
        let Some((due, contact)) = net.table.next_to_check(patience) else {
            net.next_check = Time::NEVER;
            return;
        };
        if due > now {
            net.next_check = due;
            return;
        }
        net.table.checked(now, &contact);
        net.next_check = now + pause;
        let rtt = net.table.entry(&contact).map(crate::table::Entry::rtt);
        let own = net.own();
        let buckets = net.table.bucket_sizes().count();
        let bucket = node_id::common_prefix(own, contact.id).min(buckets.saturating_sub(1));
        // A ping would do; but where there is room, the answer may as well bring others.
        let request = if net.table.is_sparse(bucket) {
            let target = point_in_bucket(own, bucket, &mut self.random);
            Request::FindNode { target, want: Want::default() }
        } else {
            Request::Ping
        };
        self.ask(now, contact.address, Some(contact.id), rtt, request, Purpose::Check);
    }

    /// A contact was there, and has named others.
    pub(super) fn learn(&mut self, from: Contact, response: &Response) {
        let family = Family::of(from.address);
        let nodes = match family {
            Family::V4 => &response.nodes,
            Family::V6 => &response.nodes6,
        };
        let local = is_local(from.address);
        let Some(net) = self.net_mut(family) else { return };
        for node in nodes.iter().filter(|node| is_usable(node.address, local)) {
            if net.table.has_room_for(node) {
                net.verify_later(node.address);
            }
        }
    }

    /// Asks one of those who may be nodes.
    fn verify(&mut self, now: Time, family: Family) {
        let (pause, young_pause) = (self.varied(VERIFY_PAUSE), self.varied(YOUNG_VERIFY_PAUSE));
        let Some(net) = self.net_mut(family).filter(|net| net.next_verify <= now) else { return };
        let Some(address) = net.to_verify.pop_front() else { return };
        let known = net.table.len();
        net.next_verify = now + if known < YOUNG { young_pause } else { pause };
        if known < FEW {
            self.enter_by(now, address);
        } else if !self.transactions.is_pending(address) {
            self.ask(now, address, None, None, Request::Ping, Purpose::Check);
        }
    }

    /// The others see us at another address than we thought.
    pub(super) fn moved(&mut self, now: Time, family: Family, ip: IpAddr) {
        self.event(Event::ExternalAddress { ip });
        let Some(net) = self.net(family).filter(|net| !node_id::is_secure(net.own(), ip)) else { return };
        let old = net.own();
        let own = node_id::secure(ip, &mut self.random);
        debug_assert!(old != own, "the new id fits and the old one does not");
        if let Some(net) = self.net_mut(family) {
            net.table.move_to(own);
            net.is_entering = false;
            net.next_entry = now;
        }
    }
}

/// Lookups of points in sparse buckets after the node has found its place.
const FIRST_REFRESHES: usize = 6;

/// A random id for which this bucket would be the place.
fn point_in_bucket(own: NodeId, bucket: usize, random: &mut fastrand::Rng) -> NodeId {
    let mut point = random_id(random);
    let mut bit = 0;
    for (byte, own) in point.0.iter_mut().zip(own.0) {
        for mask in (0..8).map(|shift| 0x80 >> shift) {
            let wanted = match bit {
                _ if bit < bucket => own & mask,
                _ if bit == bucket => !own & mask,
                _ => *byte & mask,
            };
            *byte = *byte & !mask | wanted;
            bit += 1;
        }
    }
    point
}
