//! Everything that can be chosen about the daemon: what it is called, what it means, its unit, its default, and when a
//! change of it takes effect, all declared once in `sections`.
//!
//! A value comes from one of three layers: the default, the configuration file, and what was changed through the API
//! ([`Overlay`]). The file belongs to whoever wrote it and is never rewritten.

mod check;
mod file;
mod key;
mod layers;
mod overlay;
mod places;
mod print;
mod quantity;
mod secret;
mod sections;

pub use check::Problem;
pub use file::{PlacedProblem, ReadError, SettingsError};
pub use key::{Change, Key};
pub use layers::{Layers, Origin, SettingState, UpdateError};
pub use overlay::{Overlay, OverlayError};
pub use places::{Places, lies_below};
pub use print::default_file;
pub use quantity::{
    Count, CountLimit, Limit, Quantity, Rate, RateLimit, Ratio, RatioLimit, Size, Span, SpanLimit, TimeOfDay,
};
pub use secret::Secret;
pub use sections::{
    Addresses, Afterwards, AlternativeRates, AlternativeWindow, Api, Feeds, Limits, ListenAddress, Log,
    LogLevel, Paths, Peers, Queue, Seeding, SeedingAction, Settings, WatchFolder, Webhook, Webhooks, Weekday,
    changed, keys,
};
