//! Which torrents the daemon has, and which of them are meant.

use serde::Deserialize;
use sprat_daemon::torrents::Summary;
use url::form_urlencoded;

use super::caller::Caller;
use super::naming;
use crate::cli::remote::{FilterArgs, WhichArgs};

/// More than a daemon can have: all of them.
const ALL: usize = 10_000_000;

/// A part of the list, or what has changed of it: the counterpart of the API's `Page`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Page<T> {
    /// Whoever reads along must forget what it had.
    #[serde(default)]
    pub(crate) full: bool,
    /// Those that were removed, by hash.
    #[serde(default)]
    pub(crate) gone: Vec<String>,
    /// Torrents.
    pub(crate) torrents: Vec<T>,
}

/// The torrents that pass a filter, in the order of the queue.
pub(super) async fn list(caller: &Caller, filter: &FilterArgs) -> anyhow::Result<Vec<Summary>> {
    Ok(caller.get::<Page<Summary>>(&format!("/torrents?{}", query(filter))).await?.torrents)
}

fn query(filter: &FilterArgs) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &ALL.to_string());
    let given = [
        ("state", &filter.state),
        ("label", &filter.with_label),
        ("tag", &filter.with_tag),
        ("search", &filter.search),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    query.finish()
}

/// The torrents that are meant by names and filters; none only where a filter lets none through.
pub(super) async fn chosen(caller: &Caller, which: &WhichArgs) -> anyhow::Result<Vec<Summary>> {
    let is_open = which.torrents.is_empty() && which.filter.is_empty();
    anyhow::ensure!(!is_open || which.all, "which torrents? Name some, give a filter, or say --all");
    let listed = list(caller, &which.filter).await?;
    if which.torrents.is_empty() { Ok(listed) } else { naming::named(&which.torrents, listed) }
}

/// The one torrent that is meant.
pub(super) async fn one(caller: &Caller, name: &str) -> anyhow::Result<Summary> {
    let listed = list(caller, &FilterArgs::default()).await?;
    naming::one(name, listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_query() {
        let filter = FilterArgs {
            with_label: Some(String::new()),
            search: Some("a&b c".to_owned()),
            ..FilterArgs::default()
        };
        assert_eq!(query(&filter), "limit=10000000&label=&search=a%26b+c");
    }
}
