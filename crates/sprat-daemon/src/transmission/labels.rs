//! Transmission's labels: a flat list, where a torrent of ours has one label, which may have a directory and limits, and tags.
//!
//! What is shown is the label, then the tags. What is set: the label that the torrent has, if it is named; otherwise the first name
//! that is already one of a label; all others are tags. So no client can make a label by chance.

use std::collections::BTreeSet;

use super::value::Out;
use crate::labels::Labels;
use crate::torrents::Summary;

/// As a list.
pub(super) fn of(one: &Summary) -> Out {
    let tags = one.tags.iter().filter(|tag| Some(*tag) != one.label.as_ref());
    one.label.iter().chain(tags).map(|name| name.as_str().into()).collect()
}

/// Which of the names are the label and the tags, for a torrent that has `current`.
pub(super) fn split(
    names: Vec<String>,
    current: Option<&String>,
    labels: &Labels,
) -> (Option<String>, BTreeSet<String>) {
    let names = names.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let names: Vec<String> = names.collect();
    let kept = current.filter(|current| names.contains(current)).cloned();
    let label = kept.or_else(|| names.iter().find(|name| labels.labels.contains_key(*name)).cloned());
    let tags = names.into_iter().filter(|name| Some(name) != label.as_ref()).collect();
    (label, tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_known_is_the_label() {
        let mut labels = Labels::default();
        for name in ["tv", "films"] {
            labels.labels.insert(name.to_owned(), Default::default());
        }
        let split = |names: &[&str], current: Option<&str>| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            let (label, tags) = split(names, current.map(str::to_owned).as_ref(), &labels);
            (label.unwrap_or_default(), tags.into_iter().collect::<Vec<_>>().join(" "))
        };
        let is = |label: &str, tags: &str| (label.to_owned(), tags.to_owned());
        assert_eq!(split(&["hd", "tv", "films", " "], None), is("tv", "films hd"));
        assert_eq!(split(&["hd", "tv", "films"], Some("films")), is("films", "hd tv"));
        assert_eq!(split(&["hd"], Some("films")), is("", "hd"));
        assert_eq!(split(&[], Some("films")), is("", ""));
    }
}
