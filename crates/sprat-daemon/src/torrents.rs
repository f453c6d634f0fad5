//! The torrents of the daemon, and what is decided about them without their users.

pub mod queue;
pub mod share_limits;
