//! One Kademlia node of the BitTorrent DHT as a state machine: no socket, clock, thread, lock or `async` inside.

pub mod time;
