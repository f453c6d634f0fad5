//! The BitTorrent client as a state machine: no socket, file, clock, thread, lock or `async` inside.
//!
//! A driver hands [`Session`] one [`Input`] at a time and then drains its [`Output`]s:
//!
//! ```text
//! loop {
//!     while let Some(output) = session.poll_output() { execute(output) }
//!     let input = wait(session.poll_timeout());
//!     session.handle_input(now(), input);
//! }
//! ```
//!
//! The engine runs this loop on real sockets and disks, the simulator on virtual ones. Imports run one way:
//! [`session`], [`torrent`], then its parts, then [`geometry`].

mod allowed_fast;
pub mod announcer;
pub mod bitfield;
pub mod blame;
pub mod choker;
pub mod config;
mod connection;
mod context;
pub mod geometry;
mod grudges;
pub mod io;
mod memory;
mod pace;
pub mod peer_list;
pub mod picker;
mod planted;
pub mod rate;
mod ration;
mod search;
pub mod seeker;
pub mod session;
pub mod sleeper;
pub mod storage;
mod strangers;
mod subnet;
#[cfg(test)]
mod test_torrents;
mod thrift;
pub mod time;
pub mod torrent;
pub mod tracker_hosts;
mod turns;

pub use connection::Direction;
pub use io::{Input, Output};
#[cfg(feature = "planted-bugs")]
pub use planted::PlantedBug;
pub use session::Session;
