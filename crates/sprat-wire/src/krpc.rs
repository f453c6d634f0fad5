//! Messages between nodes of the DHT (BEP 5 and its extensions): one bencoded dictionary in one datagram.

pub use crate::hash::NodeId;
