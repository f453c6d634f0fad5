//! What a torrent is doing, in qBittorrent's words, and the groups of these words that a list can be asked for.
//!
//! The words are those of version 5: `stoppedDL` where version 4 said `pausedDL`. Programs that know both ask for the version first, and
//! this is what goes with the one that is [told](super::app).

use crate::torrents::{State, Summary};

/// What a torrent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Error,
    MissingFiles,
    Uploading,
    StoppedUploading,
    QueuedUploading,
    StalledUploading,
    CheckingUploading,
    ForcedUploading,
    Downloading,
    FetchingMetadata,
    ForcedFetchingMetadata,
    StoppedDownloading,
    QueuedDownloading,
    StalledDownloading,
    CheckingDownloading,
    ForcedDownloading,
    Moving,
}

impl Status {
    /// What one is doing.
    pub(super) fn of(one: &Summary) -> Self {
        let by_completeness = |complete, incomplete| if one.is_complete { complete } else { incomplete };
        match one.state {
            State::Stopped => by_completeness(Self::StoppedUploading, Self::StoppedDownloading),
            State::Queued => by_completeness(Self::QueuedUploading, Self::QueuedDownloading),
            State::Checking => by_completeness(Self::CheckingUploading, Self::CheckingDownloading),
            State::FetchingMetadata if one.is_forced => Self::ForcedFetchingMetadata,
            State::FetchingMetadata => Self::FetchingMetadata,
            State::Downloading if one.is_forced => Self::ForcedDownloading,
            State::Downloading if one.download_rate == 0 => Self::StalledDownloading,
            State::Downloading => Self::Downloading,
            State::Seeding if one.is_forced => Self::ForcedUploading,
            State::Seeding if one.upload_rate == 0 => Self::StalledUploading,
            State::Seeding => Self::Uploading,
            State::Moving => Self::Moving,
            State::Trouble if one.trouble.as_ref().is_some_and(|trouble| trouble.kind == "missing") => {
                Self::MissingFiles
            }
            State::Trouble => Self::Error,
        }
    }

    /// Its word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::MissingFiles => "missingFiles",
            Self::Uploading => "uploading",
            Self::StoppedUploading => "stoppedUP",
            Self::QueuedUploading => "queuedUP",
            Self::StalledUploading => "stalledUP",
            Self::CheckingUploading => "checkingUP",
            Self::ForcedUploading => "forcedUP",
            Self::Downloading => "downloading",
            Self::FetchingMetadata => "metaDL",
            Self::ForcedFetchingMetadata => "forcedMetaDL",
            Self::StoppedDownloading => "stoppedDL",
            Self::QueuedDownloading => "queuedDL",
            Self::StalledDownloading => "stalledDL",
            Self::CheckingDownloading => "checkingDL",
            Self::ForcedDownloading => "forcedDL",
            Self::Moving => "moving",
        }
    }

    /// Not all of it is there, running or not.
    const fn is_downloading(self) -> bool {
        matches!(
            self,
            Self::Downloading
                | Self::FetchingMetadata
                | Self::ForcedFetchingMetadata
                | Self::StalledDownloading
                | Self::CheckingDownloading
                | Self::StoppedDownloading
                | Self::QueuedDownloading
                | Self::ForcedDownloading
        )
    }

    /// All of it is there, and it is to be given to others.
    const fn is_seeding(self) -> bool {
        matches!(
            self,
            Self::Uploading
                | Self::StalledUploading
                | Self::CheckingUploading
                | Self::QueuedUploading
                | Self::ForcedUploading
        )
    }

    const fn is_stopped(self) -> bool {
        matches!(self, Self::StoppedUploading | Self::StoppedDownloading)
    }

    const fn is_moving_bytes(self) -> bool {
        matches!(
            self,
            Self::Downloading
                | Self::FetchingMetadata
                | Self::ForcedFetchingMetadata
                | Self::ForcedDownloading
                | Self::Uploading
                | Self::ForcedUploading
                | Self::Moving
        )
    }
}

/// Which torrents of a list are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    All,
    Downloading,
    Seeding,
    Completed,
    Stopped,
    Running,
    Active,
    Inactive,
    Stalled,
    StalledUploading,
    StalledDownloading,
    Checking,
    Moving,
    Errored,
}

impl Filter {
    /// By its word, of either generation. A word that is not known asks for all.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "downloading" => Self::Downloading,
            "seeding" => Self::Seeding,
            "completed" => Self::Completed,
            "stopped" | "paused" => Self::Stopped,
            "running" | "resumed" => Self::Running,
            "active" => Self::Active,
            "inactive" => Self::Inactive,
            "stalled" => Self::Stalled,
            "stalled_uploading" => Self::StalledUploading,
            "stalled_downloading" => Self::StalledDownloading,
            "checking" => Self::Checking,
            "moving" => Self::Moving,
            "errored" => Self::Errored,
            _ => Self::All,
        }
    }

    /// Whether one is asked for.
    pub(super) fn passes(self, one: &Summary) -> bool {
        let status = Status::of(one);
        let is_active =
            status.is_moving_bytes() || (status == Status::StalledDownloading && one.upload_rate > 0);
        match self {
            Self::All => true,
            Self::Downloading => status.is_downloading(),
            Self::Seeding => status.is_seeding(),
            Self::Completed => status.is_seeding() || status == Status::StoppedUploading,
            Self::Stopped => status.is_stopped(),
            Self::Running => !status.is_stopped(),
            Self::Active => is_active,
            Self::Inactive => !is_active,
            Self::Stalled => matches!(status, Status::StalledUploading | Status::StalledDownloading),
            Self::StalledUploading => status == Status::StalledUploading,
            Self::StalledDownloading => status == Status::StalledDownloading,
            Self::Checking => matches!(status, Status::CheckingUploading | Status::CheckingDownloading),
            Self::Moving => status == Status::Moving,
            Self::Errored => matches!(status, Status::Error | Status::MissingFiles),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::summary;
    use super::*;
    use crate::torrents::TroubleText;

    fn word(change: impl FnOnce(&mut Summary)) -> &'static str {
        let mut one = summary();
        change(&mut one);
        Status::of(&one).word()
    }

    fn doing(state: State, is_complete: bool) -> impl FnOnce(&mut Summary) {
        move |one| (one.state, one.is_complete) = (state, is_complete)
    }

    #[test]
    fn a_state_has_a_word_for_each_half_of_a_torrents_life() {
        for (state, incomplete, complete) in [
            (State::Stopped, "stoppedDL", "stoppedUP"),
            (State::Queued, "queuedDL", "queuedUP"),
            (State::Checking, "checkingDL", "checkingUP"),
            (State::Moving, "moving", "moving"),
        ] {
            assert_eq!(word(doing(state, false)), incomplete);
            assert_eq!(word(doing(state, true)), complete);
        }
        assert_eq!(word(doing(State::FetchingMetadata, false)), "metaDL");
        assert_eq!(word(doing(State::Downloading, false)), "stalledDL");
        assert_eq!(word(doing(State::Seeding, true)), "stalledUP");
        let rates = |one: &mut Summary| (one.download_rate, one.upload_rate) = (1, 1);
        assert_eq!(
            word(|one| {
                doing(State::Downloading, false)(one);
                rates(one);
            }),
            "downloading"
        );
        assert_eq!(
            word(|one| {
                doing(State::Seeding, true)(one);
                rates(one);
            }),
            "uploading"
        );
        for (state, forced) in [
            (State::Downloading, "forcedDL"),
            (State::Seeding, "forcedUP"),
            (State::FetchingMetadata, "forcedMetaDL"),
        ] {
            assert_eq!(word(|one| (one.state, one.is_forced) = (state, true)), forced);
        }
    }

    #[test]
    fn what_is_missing_is_told_from_other_troubles() {
        let trouble = |kind: &str| {
            let text = TroubleText { kind: kind.to_owned(), text: String::new(), remedy: String::new() };
            word(|one| (one.state, one.trouble) = (State::Trouble, Some(text)))
        };
        assert_eq!(trouble("missing"), "missingFiles");
        assert_eq!(trouble("disk_full"), "error");
    }

    #[test]
    fn filters_of_both_generations_choose_alike() {
        let mut one = summary();
        doing(State::Stopped, true)(&mut one);
        let passed = |one: &Summary| {
            let words = [
                "all",
                "downloading",
                "seeding",
                "completed",
                "stopped",
                "paused",
                "running",
                "resumed",
                "active",
                "inactive",
                "stalled",
                "stalled_uploading",
                "stalled_downloading",
                "checking",
                "moving",
                "errored",
                "no such word",
            ];
            words.into_iter().filter(|word| Filter::of(word).passes(one)).collect::<Vec<_>>()
        };
        assert_eq!(passed(&one), ["all", "completed", "stopped", "paused", "inactive", "no such word"]);
        doing(State::Downloading, false)(&mut one);
        assert_eq!(
            passed(&one),
            [
                "all",
                "downloading",
                "running",
                "resumed",
                "inactive",
                "stalled",
                "stalled_downloading",
                "no such word"
            ]
        );
        one.upload_rate = 1;
        assert!(Filter::Active.passes(&one), "it gives something");
        doing(State::Seeding, true)(&mut one);
        assert_eq!(
            passed(&one),
            ["all", "seeding", "completed", "running", "resumed", "active", "no such word"]
        );
        doing(State::Trouble, false)(&mut one);
        assert_eq!(passed(&one), ["all", "running", "resumed", "inactive", "errored", "no such word"]);
    }
}
