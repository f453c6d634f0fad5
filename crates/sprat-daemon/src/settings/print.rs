//! The documented configuration file.

use std::fmt::Write as _;

use super::key::{Change, Key};
use super::sections::{Settings, keys, section_names};

/// The whole file with every key, what it means and its default. Every line is a comment: so what is not changed follows
/// the defaults of later versions.
#[must_use]
pub fn default_file() -> String {
    // Settings are always a table; without one the examples are still there.
    let defaults = toml::Table::try_from(Settings::default()).unwrap_or_default();
    let mut text = String::from(
        "# The configuration of sprat. Every key has its default here; remove the # to change it.\n\
         # What is changed through the API is kept in the state directory and comes first.\n",
    );
    for (section, documentation) in section_names() {
        text.push('\n');
        comment(&mut text, documentation);
        let _ = writeln!(text, "[{section}]");
        for key in keys().into_iter().filter(|key| key.section == section) {
            let default = defaults.get(section).and_then(|entries| entries.get(key.name));
            text.push('\n');
            entry(&mut text, key, default);
        }
    }
    text
}

fn comment(text: &mut String, lines: &[&str]) {
    for line in lines {
        let _ = writeln!(text, "# {}", line.trim());
    }
}

fn entry(text: &mut String, key: &Key, default: Option<&toml::Value>) {
    comment(text, key.documentation);
    match key.change {
        Change::AtOnce => {}
        Change::AtRestart => text.push_str("# A change takes effect at the next start.\n"),
        Change::InFile => {
            text.push_str("# Only here, not through the API; a change takes effect at the next start.\n");
        }
    }
    let name = key.name;
    let _ = match (default, key.example) {
        (Some(default), Some(example)) => {
            writeln!(text, "# For example: {name} = {example}\n#{name} = {default}")
        }
        (Some(default), None) => writeln!(text, "#{name} = {default}"),
        (None, Some(example)) => writeln!(text, "# Not set. For example:\n#{name} = {example}"),
        (None, None) => writeln!(text, "#{name} ="),
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::changed;
    use super::*;

    /// With the comment sign of everything that looks like a key removed.
    fn uncommented(text: &str) -> String {
        let line = |line: &str| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') => key.to_owned(),
            _ => line.to_owned(),
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_printed_file_says_nothing_and_uncommented_says_the_defaults() {
        let printed = default_file();
        assert_eq!(toml::from_str::<Settings>(&printed).unwrap(), Settings::default());
        let all = toml::from_str::<Settings>(&uncommented(&printed)).unwrap();
        let different: BTreeSet<_> =
            changed(&all, &Settings::default()).iter().map(|key| key.path()).collect();
        let unset = [
            "api.tls_certificate",
            "api.tls_key",
            "paths.downloads",
            "paths.incomplete",
            "paths.state",
            "peers.interface",
        ];
        assert_eq!(different.iter().map(String::as_str).collect::<Vec<_>>(), unset);
        assert!(printed.lines().all(|line| line.chars().count() <= 130), "for a terminal");
    }

    #[test]
    fn every_example_can_be_used() {
        for key in keys() {
            let Some(example) = key.example else { continue };
            let text = format!("[{}]\n{} = {example}\n", key.section, key.name);
            toml::from_str::<Settings>(&text).unwrap();
        }
    }

    #[test]
    fn every_setting_is_documented() {
        for key in keys() {
            assert!(!key.documentation.is_empty(), "{}", key.path());
        }
    }
}
