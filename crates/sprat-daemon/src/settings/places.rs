//! Where things are by the conventions of the platform.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The directories that the environment names: systemd's for services, the XDG ones for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The state, if the file says nothing else.
    pub state: PathBuf,
    /// Where torrents go, if the file says nothing else.
    pub downloads: PathBuf,
    /// The configuration file, if the command line names none. It need not exist.
    pub settings_file: PathBuf,
    home: Option<PathBuf>,
}

impl Places {
    /// By the environment of this process.
    #[must_use]
    pub fn of_environment() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    /// Those of the service that is installed on this machine, if one is: as systemd tells it (`packaging/systemd`).
    #[must_use]
    pub fn of_service() -> Self {
        Self::of(|name| match name {
            "STATE_DIRECTORY" => Some("/var/lib/sprat".into()),
            "CONFIGURATION_DIRECTORY" => Some("/etc/sprat".into()),
            _ => None,
        })
    }

    /// By an environment.
    #[must_use]
    pub fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        // Relative ones are to be ignored (XDG base directory specification).
        let directory = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        // systemd lists several, separated by colons.
        let of_service = |name: &str| {
            let list = variable(name)?;
            std::env::split_paths(&list).next().filter(|path| path.is_absolute())
        };
        let home = directory("HOME");
        let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let service = of_service("STATE_DIRECTORY");
        let state = service.clone().unwrap_or_else(|| {
            let base = directory("XDG_STATE_HOME").or_else(|| below_home(".local/state"));
            base.map_or_else(|| PathBuf::from("/var/lib/sprat"), |base| base.join("sprat"))
        });
        let downloads = service.map(|state| state.join("downloads")).or_else(|| below_home("Downloads"));
        let settings_file = of_service("CONFIGURATION_DIRECTORY")
            .or_else(|| {
                let base = directory("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
                base.map(|base| base.join("sprat"))
            })
            .unwrap_or_else(|| PathBuf::from("/etc/sprat"))
            .join("sprat.toml");
        Self { downloads: downloads.unwrap_or_else(|| state.join("downloads")), state, settings_file, home }
    }

    /// `path` with `~/` replaced.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }
}

/// Whether a path lies below one of these directories, or is one of them. Words of the path only, as its disk may
/// hang.
#[must_use]
pub fn lies_below<'a>(path: &Path, roots: impl IntoIterator<Item = &'a PathBuf>) -> bool {
    let is_plain = path.is_absolute() && path.components().all(|part| !matches!(part, Component::ParentDir));
    is_plain && roots.into_iter().any(|root| path.starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(environment: &[(&str, &str)]) -> Places {
        Places::of(|wanted| {
            environment.iter().find(|(name, _)| *name == wanted).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn a_person_has_them_at_home_and_a_service_where_systemd_says() {
        let person = places(&[("HOME", "/home/ada"), ("XDG_STATE_HOME", "relative")]);
        assert_eq!(person.state, Path::new("/home/ada/.local/state/sprat"));
        assert_eq!(person.downloads, Path::new("/home/ada/Downloads"));
        assert_eq!(person.settings_file, Path::new("/home/ada/.config/sprat/sprat.toml"));
        assert_eq!(person.resolve(Path::new("~/x")), Path::new("/home/ada/x"));
        assert_eq!(person.resolve(Path::new("/x")), Path::new("/x"));

        let service = places(&[
            ("HOME", "/"),
            ("STATE_DIRECTORY", "/var/lib/sprat:/var/lib/more"),
            ("CONFIGURATION_DIRECTORY", "/etc/sprat"),
        ]);
        assert_eq!(service.state, Path::new("/var/lib/sprat"));
        assert_eq!(service.downloads, Path::new("/var/lib/sprat/downloads"));
        assert_eq!(service.settings_file, Path::new("/etc/sprat/sprat.toml"));
        let known = Places::of_service();
        assert_eq!((known.state, known.settings_file), (service.state, service.settings_file));
    }
    #[test]
    fn what_lies_below_is_said_by_the_words_of_a_path() {
        let roots = [PathBuf::from("/srv"), PathBuf::from("/data/torrents")];
        for below in ["/srv", "/srv/a/b", "/data/torrents/x"] {
            assert!(lies_below(Path::new(below), &roots), "{below}");
        }
        for elsewhere in ["/srvx", "/data", "/srv/../etc", "srv/a", "", "~/x"] {
            assert!(!lies_below(Path::new(elsewhere), &roots), "{elsewhere}");
        }
    }
}
