//! What a route takes as the body of a request.

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http_body_util::Limited;
use thiserror::Error;

/// The kinds of bodies that routes take, and how long they may be. How long one may take is the connection's matter
/// ([`Timeouts`](super::Timeouts)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyRule {
    /// None: of whatever type they say they are, also of none.
    types: Option<&'static [&'static str]>,
    limit: u64,
}

/// Why a body is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyRefusal {
    /// It is of another kind, or of none. Forms and plain text are what foreign pages can send unasked.
    #[error("this content type is not taken here")]
    WrongType,
    /// It is longer than this.
    #[error("the body is longer than {0} bytes")]
    TooLong(u64),
}

impl BodyRefusal {
    /// The status that says so.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::WrongType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

impl BodyRule {
    /// JSON up to 64 KiB: enough for every command that names one thing.
    pub const JSON: Self = Self::new(&["application/json"], 64 * 1024);

    /// Bodies of these media types (without parameters, in lower case) up to `limit` bytes.
    #[must_use]
    pub const fn new(types: &'static [&'static str], limit: u64) -> Self {
        Self { types: Some(types), limit }
    }

    /// Bodies of whatever type, also of none, up to `limit` bytes. Only behind a door through which nothing comes that a
    /// foreign page can send unasked.
    #[must_use]
    pub const fn of_any_type(limit: u64) -> Self {
        Self { types: None, limit }
    }

    /// Puts the rule in front of every route of `router`; `refuse` makes the answer in the interface's own shape.
    pub fn guard<S: Clone + Send + Sync + 'static>(
        self,
        router: Router<S>,
        refuse: fn(BodyRefusal) -> Response,
    ) -> Router<S> {
        router
            // The limit of extractors would come on top of ours.
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn(move |request: Request, next: Next| async move {
                match self.check(&request) {
                    Ok(()) => {
                        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
                        next.run(request.map(|body| Body::new(Limited::new(body, limit)))).await
                    }
                    Err(refusal) => refuse(refusal),
                }
            }))
    }

    fn check(self, request: &Request) -> Result<(), BodyRefusal> {
        if let Some(taken) = self.types
            && !is_one_of(taken, request)
        {
            return Err(BodyRefusal::WrongType);
        }
        // A body of unknown length is cut off where it gets too long.
        if request.body().size_hint().lower() > self.limit {
            return Err(BodyRefusal::TooLong(self.limit));
        }
        Ok(())
    }
}

/// Whether the body is of one of these types, or there is none.
fn is_one_of(taken: &[&str], request: &Request) -> bool {
    let mut types = request.headers().get_all(CONTENT_TYPE).into_iter();
    match (types.next(), types.next()) {
        (None, _) => request.body().is_end_stream(),
        (Some(kind), None) => {
            let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
            taken.iter().any(|known| known.eq_ignore_ascii_case(kind))
        }
        _ => false,
    }
}
