//! Who takes part: honest nodes, hostile ones, and the addresses that those have left who are gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprat_dht::Node;
use sprat_dht::io::Event;
use sprat_dht::time::Time;
use sprat_wire::hash::NodeId;
use sprat_wire::krpc::{Body, Contact, Message, Query, Request, Response};

use crate::report::Traffic;

/// A host of a [`Network`](super::Network), in the order of being added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostNumber(pub u32);

impl HostNumber {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Where it is, unless the scenario has put it elsewhere: each in a /24 of its own, from 20.0.0.0 on.
    #[must_use]
    pub const fn address(self) -> SocketAddr {
        let [_, a, b, c] = self.0.to_be_bytes();
        let ip = std::net::Ipv4Addr::new(20_u8.wrapping_add(a), b, c, 1);
        SocketAddr::new(std::net::IpAddr::V4(ip), 6881)
    }
}

/// What a node has told, and when.
pub type Told = (Time, Event);

#[derive(Debug)]
pub(super) struct Host {
    pub(super) address: SocketAddr,
    pub(super) kind: Kind,
    pub(super) told: Vec<Told>,
    pub(super) traffic: Traffic,
    /// To the nearest exchange, one way.
    pub(super) access: Duration,
    /// The earliest time for which it is in the schedule.
    pub(super) wake: Time,
    /// Only hosts of one side hear each other.
    pub(super) side: u8,
}

#[derive(Debug)]
pub(super) enum Kind {
    Honest(Box<Node>),
    Hostile(Hostile),
    Gone,
}

/// Names only its friends, takes everything and gives nothing.
#[derive(Debug, Clone)]
pub struct Hostile {
    /// Its id.
    pub id: NodeId,
    /// Whom it names, itself among them.
    pub friends: Arc<[Contact]>,
    /// Whether it invents ids for its friends, next to whatever is asked for.
    pub invents: bool,
}

impl Hostile {
    pub(super) fn answer(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        let message = Message::decode(datagram).ok()?;
        let Body::Query(Query { request, .. }) = message.body else { return None };
        let target = match request {
            Request::FindNode { target, .. } | Request::Get { target, .. } => Some(target),
            Request::GetPeers { info_hash, .. } => Some(NodeId(info_hash.0)),
            _ => None,
        };
        let mut response = Response { id: self.id, ..Response::default() };
        if let Some(target) = target {
            response.nodes = self.named(target);
            response.token = Some(Bytes::from_static(b"token"));
        }
        let body = Body::Response(Box::new(response));
        Some(Message { body, read_only: false, external: None, version: None, ..message }.encode())
    }

    fn named(&self, target: NodeId) -> Vec<Contact> {
        let mut friends = self.friends.to_vec();
        if self.invents {
            for (friend, last) in friends.iter_mut().zip(0_u8..) {
                friend.id = target;
                friend.id.0[19] ^= last;
            }
        }
        friends.sort_by_key(|friend| distance(friend.id, target));
        friends.truncate(8);
        friends
    }
}

pub(super) fn distance(a: NodeId, b: NodeId) -> [u8; NodeId::LENGTH] {
    std::array::from_fn(|at| a.0[at] ^ b.0[at])
}
