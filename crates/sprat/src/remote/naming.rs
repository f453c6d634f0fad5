//! Which torrent a name means.

use sprat_daemon::torrents::Summary;

use crate::exit::{Failure, fail, fail_listing};
use crate::text;

/// So many candidates are listed; more help nobody.
const CANDIDATES: usize = 10;

/// Hexadecimal digits of an info-hash that are shown: enough to tell some ten thousand torrents apart.
pub(crate) const SHORT: usize = 10;

/// The torrents that these names mean, each once, in the order in which they were named. If one name means none or several, it
/// is an error.
pub(super) fn named(names: &[String], torrents: Vec<Summary>) -> anyhow::Result<Vec<Summary>> {
    let mut found: Vec<Summary> = Vec::new();
    for name in names {
        let one = find(name, &torrents)?;
        if found.iter().all(|other| other.hash != one.hash) {
            found.push(one.clone());
        }
    }
    Ok(found)
}

/// The torrent that a name means.
pub(super) fn one(name: &str, torrents: Vec<Summary>) -> anyhow::Result<Summary> {
    let found = find(name, &torrents)?.hash.clone();
    torrents.into_iter().find(|one| one.hash == found).ok_or_else(|| anyhow::anyhow!("it is gone"))
}

/// First whoever is called exactly so; then whoever's hash begins or whoever's name goes on so.
fn find<'a>(name: &str, torrents: &'a [Summary]) -> anyhow::Result<&'a Summary> {
    anyhow::ensure!(!name.trim().is_empty(), "a torrent cannot be named by nothing");
    let hash = name.to_ascii_lowercase();
    let exact: Vec<&Summary> = torrents.iter().filter(|one| one.hash == hash || one.name == name).collect();
    let found = if exact.is_empty() {
        let part = name.to_lowercase();
        let goes = |one: &&Summary| one.hash.starts_with(&hash) || one.name.to_lowercase().contains(&part);
        torrents.iter().filter(goes).collect()
    } else {
        exact
    };
    match found.as_slice() {
        [one] => Ok(*one),
        [] => fail(Failure::Torrent, format_args!("the daemon has no torrent that {name:?} could mean")),
        several => fail_listing(
            Failure::Torrent,
            format_args!("{name:?} could mean several torrents, and nothing was done:"),
            candidates(several),
        ),
    }
}

fn candidates(torrents: &[&Summary]) -> Vec<String> {
    let line = |one: &&Summary| format!("{}  {}", short(&one.hash), text::safe(&one.name, 100));
    let mut lines: Vec<String> = torrents.iter().take(CANDIDATES).map(line).collect();
    let more = torrents.len().saturating_sub(CANDIDATES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// The beginning of an info-hash.
pub(crate) fn short(hash: &str) -> String {
    text::safe(hash.get(..SHORT).unwrap_or(hash), SHORT)
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::summary;
    use super::*;
    use crate::exit::details;

    fn torrents() -> Vec<Summary> {
        [
            ("aa11", "Debian 12"),
            ("aa22", "debian 13"),
            ("bb33", "Debian"),
            ("cc44", "face"),
            ("face", "other"),
        ]
        .map(|(hash, name)| summary(hash, name))
        .into()
    }

    /// The hash, or what is said instead.
    fn found(name: &str) -> Result<String, String> {
        let told = |error: anyhow::Error| format!("{error:#} {}", details(&error).join("; "));
        find(name, &torrents()).map(|one| one.hash.clone()).map_err(told)
    }

    #[test]
    fn a_torrent_is_named_by_hash_name_or_a_part_of_either() {
        assert_eq!(found("aa11").as_deref(), Ok("aa11"));
        assert_eq!(found("AA2").as_deref(), Ok("aa22"));
        assert_eq!(found("bb").as_deref(), Ok("bb33"));
        // The exact name wins over those that have it as a part.
        assert_eq!(found("Debian").as_deref(), Ok("bb33"));
        assert_eq!(found("IAN 13").as_deref(), Ok("aa22"));
    }

    #[test]
    fn what_could_mean_several_means_none() {
        let several = found("aa").unwrap_err();
        assert!(several.ends_with("aa11  Debian 12; aa22  debian 13"), "{several}");
        // One is called so, and the hash of another is, or begins so.
        for both in ["face", "fac"] {
            assert!(found(both).unwrap_err().ends_with("cc44  face; face  other"), "{both}");
        }
        assert!(found("nothing").unwrap_err().contains("no torrent"));
        for nothing in ["", " "] {
            assert!(found(nothing).is_err());
        }
    }

    #[test]
    fn of_several_names_each_must_mean_one() {
        let names = ["aa11", "aa"].map(str::to_owned);
        assert!(named(&names, torrents()).is_err());
        let names = ["aa11", "debian 12", "Debian 12", "cc"].map(str::to_owned);
        let hashes: Vec<_> = named(&names, torrents()).unwrap().into_iter().map(|one| one.hash).collect();
        assert_eq!(hashes, ["aa11", "cc44"]);
    }

    #[test]
    fn candidates_cannot_write_to_the_terminal() {
        let hostile = vec![summary("aa", "x\u{1b}[2J\n\u{202e}"), summary("ab", "x")];
        let error = find("a", &hostile).unwrap_err();
        let told = details(&error).concat();
        assert!(!told.contains(['\u{1b}', '\u{202e}', '\n']), "{told}");
        let many: Vec<_> = (0..30).map(|at| summary(&format!("a{at:02}"), "x")).collect();
        let error = find("a", &many).unwrap_err();
        assert_eq!(details(&error).last().map(String::as_str), Some("and 20 more"));
    }
}
