//! How things are called in each of the two dialects.

use std::borrow::Cow;

/// In which words client and server speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// That of all clients before Transmission 4.1: `arguments`, `result` and `tag`; camelCase and kebab-case.
    Old,
    /// JSON-RPC 2.0 with snake_case, since Transmission 4.1.
    JsonRpc,
}

/// The name of a value, as JSON-RPC has it, and how the old dialect makes its own out of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// Not at all: what is new, or one word.
    Same(&'static str),
    /// `download_dir` is `downloadDir`: what is said of torrents.
    Camel(&'static str),
    /// `download_dir` is `download-dir`: what is said of the daemon.
    Kebab(&'static str),
    /// By no rule.
    Odd {
        /// In JSON-RPC.
        new: &'static str,
        /// In the old dialect.
        old: &'static str,
    },
}

impl Name {
    /// As JSON-RPC has it.
    pub(super) const fn canonical(self) -> &'static str {
        match self {
            Self::Same(new) | Self::Camel(new) | Self::Kebab(new) | Self::Odd { new, .. } => new,
        }
    }

    /// As this dialect has it.
    pub(super) fn spelled(self, dialect: Dialect) -> Cow<'static, str> {
        match (self, dialect) {
            (Self::Camel(new), Dialect::Old) => camel(new).into(),
            (Self::Kebab(new), Dialect::Old) => new.replace('_', "-").into(),
            (Self::Odd { old, .. }, Dialect::Old) => old.into(),
            _ => self.canonical().into(),
        }
    }

    /// Whether this is it, in whatever spelling; see [`folded`].
    pub(super) fn is(self, folded_name: &str) -> bool {
        let other = match self {
            Self::Odd { old, .. } => folded(old) == folded_name,
            _ => false,
        };
        other || folded(self.canonical()) == folded_name
    }
}

fn camel(new: &str) -> String {
    let mut words = new.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let (head, tail) = word.split_at_checked(1).unwrap_or((word, ""));
        name.push_str(&head.to_ascii_uppercase());
        name.push_str(tail);
        name
    })
}

/// What `files-wanted`, `filesWanted` and `files_wanted` have in common. Nobody means different things by them, and clients do mix
/// them, so that what is asked is compared like this in both dialects.
pub(super) fn folded(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_its_own_spelling_and_understands_all() {
        let dir = Name::Camel("download_dir");
        assert_eq!(dir.spelled(Dialect::Old), "downloadDir");
        assert_eq!(dir.spelled(Dialect::JsonRpc), "download_dir");
        assert_eq!(Name::Kebab("download_dir").spelled(Dialect::Old), "download-dir");
        let utp = Name::Odd { new: "is_utp", old: "isUTP" };
        assert_eq!(
            (utp.spelled(Dialect::Old), utp.spelled(Dialect::JsonRpc)),
            ("isUTP".into(), "is_utp".into())
        );
        assert_eq!(Name::Same("id").spelled(Dialect::Old), "id");
        for spelling in ["downloadDir", "download-dir", "download_dir"] {
            assert!(dir.is(&folded(spelling)));
        }
        let cache = Name::Odd { new: "cache_size_mib", old: "cache-size-mb" };
        assert!(cache.is("cachesizemb") && cache.is("cachesizemib"));
    }
}
