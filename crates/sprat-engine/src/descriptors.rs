//! How many files and sockets the system lets this process have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More are of no use, and programs that look at every number that there could be exist.
const ENOUGH: u64 = 1 << 20;

/// Raises the soft limit as far as the hard one allows. The soft one is 1,024 on most systems, for programs that cannot
/// deal with more; this one can. To be called when the program starts.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let goal = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if limit.current.is_none_or(|current| current >= goal) {
        return;
    }
    // It stays as it was, then.
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(goal), maximum: limit.maximum }) {
        tracing::info!(%error, "the limit of open files cannot be raised");
    }
}

/// The soft limit; `None` is no limit.
#[must_use]
pub fn limit() -> Option<usize> {
    getrlimit(Resource::Nofile).current.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}
