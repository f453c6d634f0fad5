//! What swarms there are.

use std::time::Duration;

use crate::real_swarm::line::{Line, MIB};

/// A seeder, and leechers who come at once and stay.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// MiB.
    pub(crate) content: u64,
    pub(crate) seeder: Line,
    pub(crate) leechers: Vec<Line>,
}

/// Of all scenarios.
pub(crate) const PIECE_LENGTH: u32 = 256 << 10;

impl Scenario {
    /// Equal peers; only what they send is limited.
    pub(crate) fn equals(leechers: usize, upload: u64) -> Self {
        let line = Line { upload: upload * MIB, download: None };
        Self {
            name: format!("{leechers} leechers at {upload} MiB/s"),
            content: 256,
            seeder: line,
            leechers: vec![line; leechers],
        }
    }

    /// Twenty peers: one seeder, and leechers of as many classes as there are upload rates, in MiB/s.
    pub(crate) fn twenty(name: &str, classes: &[u64]) -> Self {
        let line = |upload: u64| Line { upload: upload * MIB, download: Some(8 * MIB) };
        Self {
            name: name.to_owned(),
            content: 64,
            seeder: line(4),
            leechers: classes.iter().copied().cycle().take(19).map(line).collect(),
        }
    }

    /// The same with less of every capacity, for machines whose processors cannot keep up.
    pub(crate) fn slower(mut self, by: u64) -> Self {
        if by > 1 {
            self.name = format!("{}, all divided by {by}", self.name);
        }
        for line in std::iter::once(&mut self.seeder).chain(&mut self.leechers) {
            line.upload /= by;
            line.download = line.download.map(|download| download / by);
        }
        self
    }

    /// All lines, the seeder's first.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        std::iter::once(self.seeder).chain(self.leechers.iter().copied())
    }

    pub(crate) fn bytes(&self) -> f64 {
        (self.content * MIB) as f64
    }

    /// No swarm can be faster: the seeder sends everything once, all together send as much as all receive, and nobody
    /// receives faster than its line is. Seconds.
    pub(crate) fn lower_bound(&self) -> f64 {
        let content = self.bytes();
        let together: u64 = self.lines().map(|line| line.upload).sum();
        let slowest = self.leechers.iter().filter_map(|line| line.download).min();
        let uploads = content * self.leechers.len() as f64 / together as f64;
        let download = slowest.map_or(0.0, |download| content / download as f64);
        (content / self.seeder.upload as f64).max(uploads).max(download)
    }

    /// Longer than this it is not waited for: the slowest client we know needs eight times the bound.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs_f64(60.0 + 12.0 * self.lower_bound())
    }
}
