//! What two peers say to each other: [`Handshake`](handshake::Handshake), [`Message`](message::Message), and the
//! [`Deframer`](deframer::Deframer) that cuts messages out of a byte stream.

pub mod deframer;
pub mod extension;
pub mod handshake;
pub mod message;
pub mod metadata;
pub mod pex;
