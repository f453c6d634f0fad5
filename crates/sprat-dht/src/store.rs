//! What a node holds for others: bounded, and fair to whoever came first.

pub(crate) mod items;
pub(crate) mod peers;
