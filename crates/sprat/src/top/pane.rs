//! The details of one torrent.

use sprat_daemon::service::{FileDetails, PeerDetails, TorrentDetails, TrackerDetails};

use crate::remote::table::Heading;
use crate::remote::{details, files, peers, trackers};

/// A page of the details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Files,
    Peers,
    Trackers,
}

impl Tab {
    pub(super) const ALL: [Self; 4] = [Self::Overview, Self::Files, Self::Peers, Self::Trackers];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Files => "files",
            Self::Peers => "peers",
            Self::Trackers => "trackers",
        }
    }

    pub(super) const fn next(self) -> Self {
        match self {
            Self::Overview => Self::Files,
            Self::Files => Self::Peers,
            Self::Peers => Self::Trackers,
            Self::Trackers => Self::Overview,
        }
    }
}

/// What is known for a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Details {
    Overview(Vec<(&'static str, String)>),
    Files(Vec<FileDetails>),
    Peers(Vec<PeerDetails>),
    Trackers(Vec<TrackerDetails>),
    /// Why there is nothing to show.
    Nothing(String),
}

impl Details {
    pub(super) fn overview(of: &TorrentDetails) -> Self {
        Self::Overview(details::rows(of))
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Overview(rows) => rows.len(),
            Self::Files(files) => files.len(),
            Self::Peers(peers) => peers.len(),
            Self::Trackers(trackers) => trackers.len(),
            Self::Nothing(_) => 1,
        }
    }

    /// The columns.
    pub(super) fn headings(&self) -> Vec<Heading> {
        match self {
            Self::Overview(_) => details::HEADINGS.to_vec(),
            Self::Files(_) => files::HEADINGS.to_vec(),
            Self::Peers(_) => peers::HEADINGS.to_vec(),
            Self::Trackers(_) => trackers::HEADINGS.to_vec(),
            Self::Nothing(_) => vec![Heading::long("")],
        }
    }

    /// A row: text that is safe to print.
    pub(super) fn row(&self, at: usize) -> Option<Vec<String>> {
        match self {
            Self::Overview(rows) => rows.get(at).map(|(name, value)| vec![(*name).to_owned(), value.clone()]),
            Self::Files(files) => files.get(at).map(|file| files::row(at, file)),
            Self::Peers(peers) => peers.get(at).map(peers::row),
            Self::Trackers(trackers) => trackers.get(at).map(trackers::row),
            Self::Nothing(reason) => (at == 0).then(|| vec![reason.clone()]),
        }
    }
}
