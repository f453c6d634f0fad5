//! What an interface says of itself to the gate.

use axum::response::Response;

use super::refusal::Refusal;
use super::token::Access;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Safe methods (GET, HEAD, OPTIONS) need to look, all others everything.
    ByMethod,
    /// At least this; the interface looks at [`Granted::access`](super::Granted::access) for what changes something. For those
    /// that read by POST.
    AtLeast(Access),
}

/// How the programs of an interface authenticate, and what they understand.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// `Authorization: Bearer <token>`
    pub bearer: bool,
    /// `Authorization: Basic`: any user name, and the token as the password.
    pub basic: bool,
    /// The name of the cookie of a session.
    pub cookie: Option<&'static str>,
    /// A cookie is believed without `Origin` for what changes something: for programs that are no browsers and know only
    /// cookies. Browsers send `Origin` with what they are made to send elsewhere, so this opens nothing to them.
    pub cookie_without_origin: bool,
    /// What a request needs.
    pub needs: Needs,
    /// The answer to a refused request, in the shape of the interface.
    pub refuse: fn(&Refusal) -> Response,
}

impl Door {
    /// sprat's own API and page: tokens in headers, and a session for the browser.
    #[must_use]
    pub const fn own(refuse: fn(&Refusal) -> Response) -> Self {
        Self {
            bearer: true,
            basic: true,
            cookie: Some("sprat_session"),
            cookie_without_origin: false,
            needs: Needs::ByMethod,
            refuse,
        }
    }
}
