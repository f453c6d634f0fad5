//! What both dialects make of what was sent, and what they make their answers of.

use super::failure::Failure;
use super::params::Params;
use super::value::Object;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    /// The method, in any spelling.
    pub(super) method: String,
    /// Its parameters.
    pub(super) params: Params,
}

/// What is answered.
pub(super) type Answer = Result<Object, Failure>;
