//! What a command prints: lines for people, or one JSON object per line for scripts.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::{exit, text};

/// How to print, decided once from the flags and from where standard output leads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    /// From `--json` and `--quiet`.
    pub(crate) const fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether only errors are wanted.
    pub(crate) const fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Whether scripts read along.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// A line for people.
    pub(crate) fn line(self, text: impl std::fmt::Display) {
        if !self.json && !self.quiet {
            // A closed pipe is the reader's choice.
            let _ = writeln!(std::io::stdout().lock(), "{text}");
        }
    }

    /// What the command was asked for: printed even when quiet.
    pub(crate) fn result(self, text: impl std::fmt::Display) {
        if !self.json {
            let _ = writeln!(std::io::stdout().lock(), "{text}");
        }
    }

    /// An object for scripts.
    pub(crate) fn object(self, object: &impl Serialize) {
        if self.json
            && let Ok(text) = serde_json::to_string(object)
        {
            let _ = writeln!(std::io::stdout().lock(), "{}", text::safe_json(&text));
        }
    }

    /// Something that has happened, as a line and as an object. Tells when nobody reads any more, so that who follows something
    /// does not follow it for ever.
    pub(crate) fn happening(
        self,
        text: impl std::fmt::Display,
        object: &impl Serialize,
    ) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", text::safe_json(&serde_json::to_string(object)?))
        } else {
            writeln!(out, "{text}")
        }
    }

    /// Why something was not done, with what is to be said below it.
    pub(crate) fn problem(self, error: &anyhow::Error) {
        let message = text::safe(&format!("{error:#}"), 2000);
        let details: Vec<_> = exit::details(error).iter().map(|line| text::safe(line, 500)).collect();
        if self.json {
            let mut object = json!({ "event": "error", "message": message });
            if !details.is_empty() {
                object["details"] = json!(details);
            }
            self.object(&object);
        }
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "sprat: {message}");
        for line in details {
            let _ = writeln!(stderr, "  {line}");
        }
    }

    /// A progress bar on standard error, hidden unless a person watches.
    pub(crate) fn bar(self, total: u64, template: &str) -> ProgressBar {
        let watched = std::io::stderr().is_terminal() && !self.json && !self.quiet;
        let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style.progress_chars("━╸─"));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}
