//! Trackers over HTTP (BEP 3, 7, 23, 24, 31, 48): the query strings of requests and the bodies of answers, both
//! sides. HTTP itself is somebody else's business.

use thiserror::Error;

mod answer;
mod query;

pub use answer::{
    decode_announce_response, decode_scrape_response, encode_announce_response, encode_failure,
    encode_scrape_response,
};
pub use query::{
    AnnounceQuery, MAX_QUERY, QueryError, announce_query, announce_request_from_query,
    scrape_hashes_from_query, scrape_query, scrape_url, with_query,
};

/// A tracker's refusal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the tracker says: {reason}")]
pub struct Failure {
    /// `failure reason`, safe to show.
    pub reason: String,
    /// `retry in` (BEP 31).
    pub retry: Option<Retry>,
}

/// When a refused request may be made again (BEP 31).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not at all.
    Never,
    /// After so many minutes, at most a day's.
    Minutes(u32),
}

/// Why the body of an answer is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// Understood: the tracker refuses.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// Not bencoded; often the page of a web server.
    #[error("the answer is not one of a tracker: {0}")]
    Bencode(#[from] crate::bencode::DecodeError),
    /// A value is missing, or not what it must be.
    #[error("the tracker's answer has no usable {0:?}")]
    Field(&'static str),
}
