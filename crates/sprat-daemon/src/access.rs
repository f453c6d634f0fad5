//! Who may do what: tokens, logins, and which requests a browser may have been made to send.
//!
//! ```text
//! request ─► Host is ours? ─► Origin is ours? ─► token or session? ─► allowed by it? ─► handler
//!               421               403             401, 429               403
//! ```
//!
//! There is no default password, and no address is trusted for being near: whoever has no token has no access. Each interface
//! says with a [`Door`] how its programs authenticate and what a refusal looks like; [`Gate::judge`] is the one place that
//! decides.

mod back_off;
mod door;
mod gate;
mod layers;
mod links;
mod origin;
mod refusal;
mod sessions;
mod token;
mod tokens;

pub use door::{Door, Needs};
pub use gate::{Admitted, Gate, GateConfig, Granted, Way};
pub(crate) use layers::ending_with;
pub use layers::{admit, guard};
pub use refusal::Refusal;
pub use sessions::SessionLife;
pub use token::{Access, ParseTokenError, Token};
pub use tokens::{TokenError, TokenInfo, Tokens};
