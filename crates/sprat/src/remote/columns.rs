//! The columns of a list of torrents.

use std::cmp::Ordering;

use sprat_daemon::torrents::Summary;

use super::naming::short;
use super::table::Heading;
use super::words;
use crate::cli::remote::Column;
use crate::text;

/// How a column is headed and set.
pub(crate) const fn heading(column: Column) -> Heading {
    match column {
        Column::Hash => Heading::text("hash"),
        Column::Name => Heading::long("name"),
        Column::State => Heading::text("state"),
        Column::Progress => Heading::figure("done"),
        Column::Size => Heading::figure("size"),
        Column::Left => Heading::figure("left"),
        Column::Down => Heading::figure("down"),
        Column::Up => Heading::figure("up"),
        Column::Downloaded => Heading::figure("downloaded"),
        Column::Uploaded => Heading::figure("uploaded"),
        Column::Ratio => Heading::figure("ratio"),
        Column::Eta => Heading::figure("eta"),
        Column::Peers => Heading::figure("peers"),
        Column::Seeds => Heading::figure("seeds"),
        Column::Label => Heading::text("label"),
        Column::Tags => Heading::text("tags"),
        Column::Directory => Heading::long("directory"),
        Column::Added => Heading::text("added"),
        Column::Completed => Heading::text("completed"),
        Column::Active => Heading::text("active"),
        Column::Position => Heading::figure("queue"),
    }
}

/// What stands in it.
pub(crate) fn cell(column: Column, one: &Summary) -> String {
    match column {
        Column::Hash => short(&one.hash),
        Column::Name => text::safe(&one.name, 300),
        Column::State => words::state(one.state).to_owned(),
        Column::Progress => words::permille(one.progress.into()),
        Column::Size if one.has_metadata => text::bytes(one.size),
        Column::Size => words::NONE.to_owned(),
        Column::Left => text::bytes(one.left),
        Column::Down => words::rate(one.download_rate),
        Column::Up => words::rate(one.upload_rate),
        Column::Downloaded => text::bytes(one.downloaded),
        Column::Uploaded => text::bytes(one.uploaded),
        Column::Ratio => words::ratio(one.ratio),
        Column::Eta => words::eta(one),
        Column::Peers => one.peers.to_string(),
        Column::Seeds => one.seeds.to_string(),
        Column::Label => text::safe(one.label.as_deref().unwrap_or_default(), 100),
        Column::Tags => text::safe(&one.tags.iter().map(String::as_str).collect::<Vec<_>>().join(", "), 100),
        Column::Directory => text::safe(&one.directory, 300),
        Column::Added => words::date(one.added_at),
        Column::Completed => one.completed_at.map(words::date).unwrap_or_default(),
        Column::Active => one.active_at.map(words::date).unwrap_or_default(),
        Column::Position => (one.position + 1).to_string(),
    }
}

/// Which of two comes first by this column: the smaller one.
pub(crate) fn order(column: Column, one: &Summary, other: &Summary) -> Ordering {
    match column {
        Column::Hash => one.hash.cmp(&other.hash),
        Column::Name => one.name.to_lowercase().cmp(&other.name.to_lowercase()),
        Column::State => one.state.cmp(&other.state),
        Column::Progress => one.progress.cmp(&other.progress),
        Column::Size => one.size.cmp(&other.size),
        Column::Left => one.left.cmp(&other.left),
        Column::Down => one.download_rate.cmp(&other.download_rate),
        Column::Up => one.upload_rate.cmp(&other.upload_rate),
        Column::Downloaded => one.downloaded.cmp(&other.downloaded),
        Column::Uploaded => one.uploaded.cmp(&other.uploaded),
        Column::Ratio => one.ratio.total_cmp(&other.ratio),
        Column::Eta => one.eta.unwrap_or(u64::MAX).cmp(&other.eta.unwrap_or(u64::MAX)),
        Column::Peers => one.peers.cmp(&other.peers),
        Column::Seeds => one.seeds.cmp(&other.seeds),
        Column::Label => one.label.cmp(&other.label),
        Column::Tags => one.tags.cmp(&other.tags),
        Column::Directory => one.directory.cmp(&other.directory),
        Column::Added => one.added_at.cmp(&other.added_at),
        Column::Completed => one.completed_at.cmp(&other.completed_at),
        Column::Active => one.active_at.cmp(&other.active_at),
        Column::Position => one.position.cmp(&other.position),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::super::words::tests::summary;
    use super::*;

    #[test]
    fn no_column_lets_a_stranger_write_to_the_terminal() {
        const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{202e}\u{9b}2J\n";
        let one = Summary {
            label: Some(HOSTILE.to_owned()),
            tags: [HOSTILE.to_owned()].into(),
            directory: HOSTILE.to_owned(),
            ..summary(HOSTILE, HOSTILE)
        };
        for column in Column::value_variants() {
            let cell = cell(*column, &one);
            assert_eq!(text::safe(&cell, 1000), cell, "{column:?}");
        }
    }

    #[test]
    fn what_never_ends_comes_last() {
        let soon = Summary { eta: Some(1), ..summary("a", "a") };
        let late = Summary { eta: Some(9), ..summary("b", "b") };
        let never = summary("c", "c");
        assert_eq!(order(Column::Eta, &soon, &late), Ordering::Less);
        assert_eq!(order(Column::Eta, &late, &never), Ordering::Less);
    }
}
