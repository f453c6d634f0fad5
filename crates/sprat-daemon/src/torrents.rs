//! What the daemon knows of its torrents, as plain values.
//!
//! ```text
//! session ──look──► Live ┐
//! engine's list ─► Facts ├─► Summary ─► Board ─► Snapshot: lists and deltas of every interface
//! note ─────────► Record ┘
//! ```

mod board;
mod content_layout;
mod facts;
mod live;
pub mod queue;
mod recent;
mod record;
pub mod share_limits;
mod summary;
mod times;

pub use board::{Board, Cursor, Delta, Gone, Line, NoCursor, Snapshot};
pub use content_layout::ContentLayout;
pub use facts::{Facts, Identity};
pub use live::{Bytes, Doing, Live, look};
pub use recent::{RECENT, Recent};
pub use record::{ReachedLimits, Record, SeedingChange, SeedingLimit, SeedingLimits};
pub use summary::{State, Summary, TroubleText, explain, is_expected_elsewhere, summarise};
pub use times::{Running, Times};
