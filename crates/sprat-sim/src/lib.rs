//! A virtual network, disk and clock that drive the sprat machines from one seed.
//!
//! A [`Simulation`] holds one torrent and its swarm: real [`Session`](sprat_core::Session)s and real
//! [`Tracker`](sprat_tracker::Tracker)s on virtual links. Everything that happens is an event in one queue, ordered by
//! time and, within one instant, by when it was scheduled. Nothing is ordered by hash, time is a whole number of
//! nanoseconds, and every random number follows from the seed, so that the same seed gives the same run on every
//! machine: [`Simulation::trace_hash`] tells two runs apart.
//!
//! ```
//! use std::time::Duration;
//! use sprat_sim::{ContentConfig, PeerConfig, Simulation, TrackerConfig};
//!
//! let mut simulation = Simulation::new(1, &ContentConfig::default()).unwrap();
//! simulation.add_tracker(TrackerConfig::default());
//! simulation.add_peer(PeerConfig { has_everything: true, ..PeerConfig::default() });
//! let leecher = simulation.add_peer(PeerConfig::default());
//! simulation.run_until_complete(Duration::from_secs(600)).unwrap();
//! assert!(simulation.report(leecher).unwrap().completed_at.is_some());
//! ```
//!
//! What is modelled: the capacity of each peer's access line in both directions, shared by its connections; the time on
//! the way, by region; connections that are refused, closed and cut, and peers behind a NAT that
//! nobody can call; a disk that hashes what it is given, answers late, fails
//! ([`DiskFaults`]) and loses what was not synced; trackers that are far away or dead; a DHT that finds who has said that
//! it is there; whatever else may go wrong at a certain time ([`Fault`]); peers that do not play fair ([`Behaviour`]). There are two models of the [`Network`]: one in
//! which connections take turns on their lines, block by block, and nothing gets lost; and one of packets, with queues,
//! loss and the congestion control of TCP. What is not modelled: bottlenecks within the network.
//!
//! [`dht`] is a network of another kind: nodes of the DHT, of which there may be a hundred thousand.
//!
//! Every run is watched (see [`Violation`]): no byte comes into being or vanishes unaccounted, no honest peer is banned
//! or accused by another, none starves with a seed within reach, no machine spins, and what every session says is held
//! against the rules of the protocol, message by message. [`random`] draws swarms with some of everything from seeds;
//! `tests/planted_bugs.rs` shows that bugs are found that way. [`scenario`] asks swarms questions that are answered with
//! figures: what a TOML file describes, and `sprat sim` runs.

mod account;
mod addresses;
mod behaviour;
mod content;
mod desk;
pub mod dht;
mod disk;
mod event;
mod faults;
mod hostile;
mod network;
mod peer;
mod peer_number;
mod place;
pub mod random;
mod rendezvous;
mod report;
pub mod scenario;
mod schedule;
mod shard;
mod shrink;
mod simulation;
mod trace;
mod trackers;
mod wire_watch;
mod world;

pub use account::MATRIX_PEERS;
pub use behaviour::Behaviour;
pub use content::{Content, ContentConfig, ContentError};
pub use disk::{Disk, DiskFaults};
pub use faults::Fault;
pub use network::{Network, PacketConfig};
pub use peer::{Departure, PeerConfig};
pub use peer_number::PeerNumber;
pub use place::{Nat, Region};
pub use report::{Flows, GroupSnapshot, PeerReport, Snapshot, Traffic, Violation};
pub use shrink::shrunk;
pub use simulation::{SNAPSHOTS, Simulation};
pub use trackers::TrackerConfig;
