//! What goes into a [`Node`](crate::Node) and what comes out of it. All of it is data.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sprat_wire::compact::Family;
use sprat_wire::hash::{InfoHash, NodeId};
use sprat_wire::krpc::{Contact, Samples};

use crate::item::Item;

/// Something has happened.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A datagram has arrived.
    Received {
        /// From whom.
        from: SocketAddr,
        /// All of it.
        datagram: &'a [u8],
    },
    /// The time that [`poll_timeout`](crate::Node::poll_timeout) named has come.
    Timeout,
}

/// Something is to be done or told.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a datagram from the socket of the address's family. It may be lost.
    Send {
        /// To whom.
        to: SocketAddr,
        /// All of it; at most [`MAX_SENT`](sprat_wire::krpc::MAX_SENT) bytes.
        datagram: Vec<u8>,
    },
    /// For the caller.
    Event(Event),
}

/// The name of an operation: what [`Node::start`](crate::Node::start) returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub(crate) u64);

/// Something that the caller wants of the network.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// The nodes closest to a point.
    FindNode {
        /// The point.
        target: NodeId,
    },
    /// The peers of a swarm. They come as [`Event::Peers`], from the first answer on.
    Peers {
        /// The swarm.
        info_hash: InfoHash,
        /// Rather those that do not have everything: we are a seed ourselves (BEP 33).
        no_seed: bool,
    },
    /// The same, and then ourselves are announced to the nodes around the swarm's info-hash.
    Announce {
        /// The swarm.
        info_hash: InfoHash,
        /// Where we accept connections.
        port: u16,
        /// Rather believe the port from which our datagrams come: there is a NAT.
        implied_port: bool,
        /// We have everything (BEP 33).
        seed: bool,
    },
    /// How many there are in a swarm (BEP 33). The peers come as well.
    Scrape {
        /// The swarm.
        info_hash: InfoHash,
    },
    /// An item (BEP 44). Every better version comes as [`Event::Item`]; the first of an immutable one is the last.
    Get {
        /// Where it is stored.
        target: NodeId,
        /// Its salt, if it is mutable and has one: needed to check the signature.
        salt: Vec<u8>,
        /// Only a version newer than this.
        newer_than: Option<i64>,
    },
    /// Stores an item (BEP 44) on the nodes around its target. What is found there before comes as [`Event::Item`].
    Put {
        /// The item, signed if it is mutable.
        item: Item,
        /// Replace only this version.
        cas: Option<i64>,
    },
    /// Which info-hashes the nodes on the way to a point hold (BEP 51). They come as [`Event::Samples`].
    Sample {
        /// The point.
        target: NodeId,
    },
}

/// What the caller is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The node has found its place in the network.
    Ready {
        /// Of this family.
        family: Family,
    },
    /// Several nodes agree on the address that they see us at.
    ExternalAddress {
        /// The address.
        ip: IpAddr,
    },
    /// Peers of a swarm; each is told once in an operation.
    Peers {
        /// For which operation.
        operation: OperationId,
        /// The peers.
        peers: Vec<SocketAddr>,
    },
    /// An item, checked.
    Item {
        /// For which operation.
        operation: OperationId,
        /// The item.
        item: Item,
    },
    /// Some of the info-hashes that a node has.
    Samples {
        /// For which operation.
        operation: OperationId,
        /// The node.
        from: Contact,
        /// The samples.
        samples: Samples,
    },
    /// An operation is over.
    Finished {
        /// Which one.
        operation: OperationId,
        /// How it went.
        summary: Summary,
    },
}

/// How an operation went, both families together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// How long it took.
    pub took: Duration,
    /// Queries sent, those that store among them.
    pub queries: u32,
    /// Answers that led, one after the other, to the closest node.
    pub hops: u8,
    /// The nodes closest to the target, closest first: up to eight of each family.
    pub closest: Vec<Contact>,
    /// Nodes that had what was looked for.
    pub found: usize,
    /// Nodes that have confirmed to have stored something.
    pub stored: usize,
    /// Nodes that have refused to, with their code (see [`error_code`](sprat_wire::krpc::error_code)).
    pub refused: Vec<i64>,
    /// For [`Operation::Put`]: nothing was stored because this version is there already, newer than ours or not the one
    /// to be replaced.
    pub conflict: Option<i64>,
    /// Seeds and other peers, about: for [`Operation::Scrape`], if anybody knew.
    pub scrape: Option<ScrapeEstimate>,
}

/// What the Bloom filters of a swarm let one guess (BEP 33).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ScrapeEstimate {
    /// Peers that have everything.
    pub seeds: f64,
    /// Peers that have not.
    pub peers: f64,
}
