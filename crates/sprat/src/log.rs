//! The log, on standard error. How much of it there is can change while the program runs.

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// How much is logged.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Log {
    /// Warnings by default; more with every `-v`. `RUST_LOG` has the last word, for as long as nobody says otherwise.
    pub(crate) fn to_stderr(verbose: u8) -> Self {
        let level = match verbose {
            0 => "warn",
            1 => "info",
            2 => "debug",
            _ => "trace",
        };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
        let (filter, handle) = reload::Layer::new(filter);
        tracing_subscriber::registry().with(filter).with(fmt::layer().with_writer(std::io::stderr)).init();
        Self { filter: handle }
    }

    /// From now on this much; where `RUST_LOG` is set, what that says.
    pub(crate) fn set_level(&self, level: &str) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
        // It fails only when the log is gone.
        let _ = self.filter.reload(filter);
    }
}
