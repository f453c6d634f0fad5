//! The last lines of the log, for whoever reads them over the API. Whoever sets up the logging writes them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::clock;
use crate::settings::LogLevel;

/// So many are kept: some hours of a daemon that tells what an operator may want to know.
const KEPT: usize = 5000;

/// The longest message, bytes. With [`KEPT`] this bounds the memory: 20 MiB, if every one of them is as long.
const LONGEST: usize = 4096;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its number, from 0 at the start of the daemon.
    pub number: u64,
    /// When, seconds since 1970.
    pub at: i64,
    /// How grave it is.
    pub level: LogLevel,
    /// The part of the program that has written it.
    pub target: String,
    /// What has happened.
    pub message: String,
}

/// What was written since some line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Since {
    /// Lines, the oldest first.
    pub entries: Vec<Entry>,
    /// Where to go on: the number of the line that comes next.
    pub next: u64,
}

/// The last lines of the log.
#[derive(Debug)]
pub struct Journal {
    kept: Mutex<Kept>,
    /// The number of the line that comes next.
    next: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Entry>,
    next: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Self { kept: Mutex::default(), next: watch::Sender::new(0) }
    }
}

impl Journal {
    /// Adds a line. What is too long of the message is cut off.
    pub fn write(&self, level: LogLevel, target: &str, mut message: String) {
        if message.len() > LONGEST {
            let whole = (0..=LONGEST).rev().find(|end| message.is_char_boundary(*end));
            message.truncate(whole.unwrap_or_default());
        }
        let at = clock::unix_now();
        let mut kept = self.kept();
        let entry = Entry { number: kept.next, at, level, target: target.to_owned(), message };
        kept.entries.push_back(entry);
        if kept.entries.len() > KEPT {
            kept.entries.pop_front();
        }
        kept.next += 1;
        let next = kept.next;
        drop(kept);
        self.next.send_replace(next);
    }

    /// The last `most` lines from number `since` on that are as grave as `level`.
    #[must_use]
    pub fn since(&self, since: u64, level: LogLevel, most: usize) -> Since {
        let kept = self.kept();
        let wanted = kept.entries.iter().rev().take_while(|entry| entry.number >= since);
        let wanted = wanted.filter(|entry| entry.level <= level).take(most);
        let mut entries: Vec<Entry> = wanted.cloned().collect();
        entries.reverse();
        Since { entries, next: kept.next }
    }

    /// Tells when there is a new line.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(since: &Since) -> Vec<&str> {
        since.entries.iter().map(|entry| entry.message.as_str()).collect()
    }

    #[test]
    fn the_last_lines_are_kept_and_can_be_chosen_by_level() {
        let journal = Journal::default();
        for (at, level) in
            [LogLevel::Warn, LogLevel::Debug, LogLevel::Error, LogLevel::Info].iter().enumerate()
        {
            journal.write(*level, "test", format!("{at}"));
        }
        let all = journal.since(0, LogLevel::Trace, 10);
        assert_eq!((messages(&all), all.next), (vec!["0", "1", "2", "3"], 4));
        assert_eq!(messages(&journal.since(0, LogLevel::Warn, 10)), ["0", "2"]);
        assert_eq!(messages(&journal.since(0, LogLevel::Trace, 2)), ["2", "3"]);
        assert_eq!(messages(&journal.since(3, LogLevel::Trace, 10)), ["3"]);
        assert!(journal.since(4, LogLevel::Trace, 10).entries.is_empty());
    }

    #[test]
    fn it_takes_no_more_room_than_is_said() {
        let journal = Journal::default();
        for _ in 0..KEPT + 10 {
            journal.write(LogLevel::Info, "test", "ä".repeat(LONGEST));
        }
        let all = journal.since(0, LogLevel::Trace, usize::MAX);
        assert_eq!((all.entries.len(), all.entries[0].number), (KEPT, 10));
        assert!(all.entries.iter().all(|entry| entry.message.len() <= LONGEST));
    }
}
