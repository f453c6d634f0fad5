//! The shell around the machines: sockets, storage workers and clocks.

pub mod address_policy;
pub mod announce;
pub mod client;
pub mod create;
pub mod descriptors;
pub mod dht;
pub mod disk;
mod hashing;
pub mod http;
pub mod ledger;
pub mod listen;
pub mod lsd;
pub mod originals;
mod own_addresses;
pub mod resolve;
pub mod runtime;
pub mod shelf;
pub mod state;
pub mod storage;
pub mod tracker_server;
pub mod udp;
pub mod uplink;
pub mod verify;
pub mod whole_file;
