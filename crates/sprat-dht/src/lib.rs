//! One Kademlia node of the BitTorrent DHT as a state machine: no socket, clock, thread, lock or `async` inside.
//!
//! A driver hands [`Node`] one [`Input`] at a time and then drains its [`Output`]s. What the caller wants is an
//! [`Operation`](io::Operation); it comes back as [`Event`](io::Event)s, from the first answer on.
//!
//! ```
//! use sprat_dht::io::{Event, Operation};
//! use sprat_dht::time::Time;
//! use sprat_dht::{Input, Node, NodeConfig, Output};
//! use sprat_wire::hash::InfoHash;
//!
//! let mut node = Node::new(NodeConfig::default(), 42);
//! let mut now = Time::ZERO; // since the driver began
//! node.add_entrances(now, ["192.0.2.1:6881".parse().unwrap()]);
//! let wanted = Operation::Peers { info_hash: InfoHash([1; 20]), no_seed: false };
//! node.start(now, wanted).unwrap();
//! loop {
//!     while let Some(output) = node.poll_output() {
//!         match output {
//!             Output::Send { to, datagram } => drop((to, datagram)), // into the socket
//!             Output::Event(Event::Finished { summary, .. }) => {
//!                 assert!(summary.closest.is_empty(), "nobody has answered");
//!                 return;
//!             }
//!             Output::Event(_) => {}
//!         }
//!     }
//!     now = node.poll_timeout(); // or Input::Received, if that comes sooner
//!     node.handle_input(now, Input::Timeout);
//! }
//! ```
//!
//! # Whom it believes
//!
//! A contact is in the [`table`] only because it has answered a query of ours, from the address that was asked, with
//! the random number that was sent there. Whatever else arrives changes nothing there. An address is in the table and
//! in a lookup once, a network (see [`subnet`]) in a bucket once and in a lookup twice; an id that does not fit its
//! address (BEP 42) gives way to one that does.
//!
//! # How something is found, and where it is stored
//!
//! A lookup asks the nodes closest to its target, four at a time and one more for each that takes longer than it
//! usually does, until the eight closest have answered. What is published goes to the whole region in which the twenty
//! closest nodes are to be expected, judged by the size of the network; a lookup that has found nothing, or only in
//! one network, goes on through that region too. It is searched shell by shell, so that nodes which have placed
//! themselves next to a key hide no more than the innermost shell.
//!
//! # What it holds for others
//!
//! Peers, items, tokens and limits are bounded in number, per network and in time. An answer to an address that was
//! not seen to receive anything has at most 3.5 times the bytes of the query; a longer one waits for a pong.

mod bloom;
pub mod config;
mod external;
pub mod io;
pub mod item;
mod lookup;
mod net;
mod network_size;
pub mod node;
pub mod node_id;
mod rate_limit;
pub mod saved;
mod server;
mod store;
pub mod subnet;
pub mod table;
pub mod time;
mod token;
mod transactions;

pub use config::NodeConfig;
pub use io::{Input, Output};
pub use node::Node;
