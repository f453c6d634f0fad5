//! Swarms of real processes, each on a machine of its own with a line of its own.

pub(crate) mod interrupt;
pub(crate) mod line;
pub(crate) mod processor;
pub(crate) mod race;
pub(crate) mod run;
pub(crate) mod scenario;
pub(crate) mod simulated;
pub(crate) mod twin;
