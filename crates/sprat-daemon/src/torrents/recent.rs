//! Where the list stood a minute ago, for those who ask for what is new without having remembered anything.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::board::Cursor;

/// What has changed since then is recent.
pub const RECENT: Duration = Duration::from_secs(60);

/// Cursors of the last minute, and the one before.
#[derive(Debug, Default)]
pub struct Recent(VecDeque<(Instant, Cursor)>);

impl Recent {
    /// The list stands there now.
    pub fn push(&mut self, now: Instant, cursor: Cursor) {
        while self.0.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= RECENT) {
            self.0.pop_front();
        }
        self.0.push_back((now, cursor));
    }

    /// Where it stood a minute ago, or when it began.
    #[must_use]
    pub fn cursor(&self, now: Instant) -> Option<Cursor> {
        let old = |(at, _): &&(Instant, Cursor)| now.saturating_duration_since(*at) >= RECENT;
        self.0.iter().rev().find(old).or(self.0.front()).map(|(_, cursor)| *cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::Board;
    use super::*;

    #[test]
    fn the_list_stood_somewhere_a_minute_ago() {
        let cursor = Board::new(1).snapshot().cursor();
        let at = |run: u64| format!("{run:x}-0").parse::<Cursor>().unwrap_or(cursor);
        let begin = Instant::now();
        let mut recent = Recent::default();
        assert_eq!(recent.cursor(begin), None);
        for run in 1..=200_u64 {
            recent.push(begin + Duration::from_secs(run), at(run));
        }
        assert_eq!(recent.cursor(begin + Duration::from_secs(200)), Some(at(140)));
        assert!(recent.0.len() <= 62, "{}", recent.0.len());
        // Nothing has changed for long.
        assert_eq!(recent.cursor(begin + Duration::from_secs(900)), Some(at(200)));
    }
}
