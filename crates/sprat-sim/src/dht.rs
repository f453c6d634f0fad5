//! A virtual network of DHT nodes: one clock, datagrams with latency and loss, all from one seed.
//!
//! ```
//! use std::time::Duration;
//! use sprat_dht::io::Operation;
//! use sprat_sim::dht::Network;
//! use sprat_wire::hash::InfoHash;
//!
//! let mut network = Network::grown(1, 50);
//! let info_hash = InfoHash([7; 20]);
//! let (publisher, other) = (network.some_honest().unwrap(), network.some_honest().unwrap());
//! let announce = Operation::Announce { info_hash, port: 7000, implied_port: false, seed: true };
//! assert!(network.complete(publisher, announce).unwrap().stored > 0);
//! let found = network.complete(other, Operation::Peers { info_hash, no_seed: false }).unwrap();
//! assert!(found.found > 0 && found.took < Duration::from_secs(2));
//! ```
//!
//! The nodes are real [`Node`](sprat_dht::Node)s. Each host has a network (a /24 or /48) of its own unless the scenario
//! says otherwise, knows its own address, and is reachable: there is no NAT here. A round trip takes 50 ms in the
//! median, between 20 and 140.

mod attack;
mod host;
mod network;
mod survey;

pub use attack::{besiege, infiltrate};
pub use host::{HostNumber, Hostile, Told};
pub use network::Network;
pub use survey::{Findings, Survey};
