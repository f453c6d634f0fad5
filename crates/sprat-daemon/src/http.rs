//! The HTTP server: connections, what each may hold and for how long, and what is known of it.
//!
//! ```text
//! TCP ───┐              Crowd: is there a place?          Watch: does it go on?
//! Unix ──┼─► accept ─►  who waits longest without a  ─►   head 5 s, body by its bytes,  ─►  Router
//! systemd┘              token has to go for another       answers must be taken
//! ```
//!
//! A stranger can hold a connection, a request head of 16 KiB and a few seconds; never a place that somebody with a token
//! needs. What a request may do is decided by `access`, which stands in front of each interface.

mod body;
mod connection;
mod crowd;
mod forwarded;
mod headers;
mod listener;
mod server;
mod tls;
mod to_the_end;
mod watch;

pub use body::{BodyRefusal, BodyRule};
pub use connection::{Connection, Remote};
pub use crowd::CrowdLimits;
pub(crate) use crowd::network;
pub use forwarded::Proxies;
pub use headers::with_security_headers;
pub use listener::{BindError, Inherited, Listener, bind};
pub use server::{Server, ServerLimits};
pub use tls::{Tls, TlsError, TlsFiles};
pub use to_the_end::to_the_end;
pub use watch::Timeouts;
