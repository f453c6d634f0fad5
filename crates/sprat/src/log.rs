//! The log, on standard error, and its last lines for who asks the daemon for them. How much of it there is can change while the
//! program runs.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use sprat_daemon::log::Journal;
use sprat_daemon::settings::LogLevel;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt as lines, reload};

/// How much is logged, and what was last.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    journal: Arc<Journal>,
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
        let journal = Arc::new(Journal::default());
        tracing_subscriber::registry()
            .with(filter)
            .with(lines::layer().with_writer(std::io::stderr))
            .with(ToJournal(Arc::clone(&journal)))
            .init();
        Self { filter: handle, journal }
    }

    /// From now on this much; where `RUST_LOG` is set, what that says.
    pub(crate) fn set_level(&self, level: &str) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
        // It fails only when the log is gone.
        let _ = self.filter.reload(filter);
    }

    /// The last lines.
    pub(crate) fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.journal)
    }
}

/// Writes what passes the filter into the journal.
struct ToJournal(Arc<Journal>);

impl<S: Subscriber> Layer<S> for ToJournal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        let metadata = event.metadata();
        self.0.write(level(*metadata.level()), metadata.target(), message.0);
    }
}

const fn level(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

/// What an event says: its message, and its fields as `name=value`.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let between = if self.0.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{between}{value:?}"),
            name => write!(self.0, "{between}{name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_has_what_was_said_with_its_fields() {
        let journal = Arc::new(Journal::default());
        let subscriber = tracing_subscriber::registry().with(ToJournal(Arc::clone(&journal)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(client = ?Some(1), reason = "none", "a wrong token");
        });
        let entries = journal.since(0, LogLevel::Trace, 10).entries;
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].message, "a wrong token client=Some(1) reason=none");
        assert_eq!(entries[0].level, LogLevel::Warn);
        assert!(entries[0].target.ends_with("log::tests"), "{}", entries[0].target);
    }
}
