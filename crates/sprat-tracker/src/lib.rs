//! The BitTorrent tracker as a state machine: it answers "who else is in this swarm?" and does no I/O.
//!
//! A [`Tracker`] is given the time, the address a request came from and the decoded request, and returns the decoded
//! answer. Sockets, clocks and the rendering of statistics belong to whoever drives it (`sprat-engine`); bytes belong
//! to `sprat-wire`. Randomness comes from the seed it was made with, so one seed and one sequence of calls give one
//! sequence of answers.
//!
//! ```
//! use std::time::Duration;
//! use sprat_tracker::{Origin, Protocol, Tracker, TrackerConfig};
//! use sprat_wire::hash::{InfoHash, PeerId};
//! use sprat_wire::tracker::{AnnounceEvent, AnnounceRequest};
//!
//! let mut tracker = Tracker::new(TrackerConfig::default(), [7; 32]);
//! let request = AnnounceRequest {
//!     info_hash: InfoHash([1; 20]), peer_id: PeerId([2; 20]), port: 6881,
//!     uploaded: 0, downloaded: 0, left: 1000, event: AnnounceEvent::Started,
//!     num_want: None, key: 0, ip: None, tracker_id: None,
//! };
//! let now = Duration::ZERO; // since the tracker was started
//! let first = Origin { protocol: Protocol::Udp, address: "192.0.2.1:1".parse().unwrap() };
//! let second = Origin { protocol: Protocol::Udp, address: "192.0.2.2:1".parse().unwrap() };
//! assert!(tracker.announce(now, first, &request).unwrap().peers.is_empty());
//! assert_eq!(tracker.announce(now, second, &request).unwrap().peers, ["192.0.2.1:6881".parse().unwrap()]);
//! ```
//!
//! # What a peer is here
//!
//! A peer is the address the announce came from and the port it names; two announces with the same pair are the same
//! peer, whatever their peer ids. The address an announce *claims* (`ip=`) is ignored unless [`ClaimedAddress`] says
//! otherwise, because believing it lets anyone point a whole swarm at a victim. A peer that names port 0 cannot be
//! reached: it is answered and not listed.
//!
//! # Who gets whom
//!
//! Nobody is told of itself. A seeder is told of leechers only. A leecher is told of both in proportion to the swarm,
//! but of at least a quarter of each kind where they exist, so that neither a lone seeder nor the few other leechers
//! get lost in the crowd. Over UDP an answer carries the asker's address family (BEP 15); over HTTP it carries both,
//! with at least three quarters from the asker's own.
//!
//! # How it is stored
//!
//! A peer is 8 bytes in an IPv4 swarm and 20 in an IPv6 swarm: address, port, the minute it was last heard, and
//! whether its completion was counted. Each family of a swarm is one vector, seeders before leechers, each part sorted
//! by a keyed permutation of the peer's network. That order makes three things cheap without an index:
//! finding a peer is a binary search, the peers of one network lie side by side and can be counted against their
//! limit, and a run of neighbours from a random start is an answer in which any peer is as likely as any other.
//! The price is a `memmove` for each *new* peer: a few microseconds at ten thousand peers.
//!
//! Swarms lie in 64 shards by keyed hash, each with a tombstone-free index, so that a table that doubles
//! doubles a sixty-fourth of the whole.
//!
//! # What happens under a flood
//!
//! Every byte the store allocates is accounted for before it is allocated, and [`TrackerConfig::max_memory`] is never
//! passed. What gives way, in this order:
//!
//! 1. From 7/8 of the memory on (or at [`TrackerConfig::max_swarms`], or at 7/8 of [`TrackerConfig::max_peers`]) a new
//!    swarm is admitted only in the place of an *unsettled* one: a swarm in which only one network has ever announced,
//!    within one minute. Random info-hashes thus push out one another, and swarms with a life stay.
//!    Where no unsettled swarm is found the announce is refused with [`Refusal::Full`].
//! 2. The last eighth is for the growth of known swarms. When that is gone too, and likewise when a swarm or a network
//!    has reached its own limit, the newcomer is *answered but not listed*, with a warning.
//! 3. Peers that are already listed are always answered and kept.

mod access;
mod config;
mod connection_id;
mod keys;
mod members;
mod origin;
mod slot_index;
mod statistics;
mod store;
mod swarm;
mod tracker;

pub use access::{Access, InfoHashList, ParseListError};
pub use config::{ClaimedAddress, TrackerConfig};
pub use connection_id::CONNECTION_ID_LIFETIME;
pub use origin::{Origin, Protocol};
pub use statistics::{PerOrigin, Statistics};
pub use tracker::{Expired, Refusal, Tracker};
