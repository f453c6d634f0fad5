//! Defaults, the file and what was changed through the API, one over the other.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;
use utoipa::ToSchema;

use super::check::{Problem, check};
use super::file::{FileLayer, SettingsError};
use super::key::Change;
use super::overlay::Overlay;
use super::places::{Places, lies_below};
use super::sections::{Settings, keys};

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody has said anything.
    Default,
    /// The configuration file.
    File,
    /// It was changed through the API.
    Api,
}

/// Everything about one setting.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SettingState {
    /// `limits.memory`
    pub key: String,
    /// What it means.
    pub documentation: String,
    /// Its value; `null` where nothing is set. Secrets are `***`.
    pub value: Value,
    /// What it would be if nobody had said anything.
    pub default: Value,
    /// Where the value comes from.
    pub origin: Origin,
    /// How it may change.
    pub change: Change,
}

/// A change that is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct UpdateError(pub Vec<Problem>);

/// The settings, and the layers that they are made of. A change makes a new one.
#[derive(Debug, Clone)]
pub struct Layers {
    places: Places,
    file: FileLayer,
    overlay: Overlay,
    settings: Settings,
    ignored: Vec<Problem>,
}

impl Layers {
    /// Reads the file, or if none is named the one of the platform if that exists, and puts `overlay` over it. A mistake in the
    /// file is an error; what of the overlay does not fit (the file has changed, or the version) is [left out](Self::ignored),
    /// since nobody could change it back while the daemon does not start.
    pub fn load(file: Option<&Path>, overlay: Overlay, places: Places) -> Result<Self, SettingsError> {
        let file = file.or_else(|| Some(places.settings_file.as_path()).filter(|file| file.exists()));
        let file = FileLayer::read(file)?;
        let mut layers = Self { settings: file.settings.clone(), overlay, places, file, ignored: Vec::new() };
        let problems = match layers.combined(&layers.overlay) {
            Ok(settings) => {
                layers.settings = settings;
                return Ok(layers);
            }
            Err(problems) => problems,
        };
        let mut fitting = layers.overlay.clone();
        for problem in &problems {
            fitting = fitting.without(&problem.key);
        }
        match layers.combined(&fitting) {
            Ok(settings) => layers.settings = settings,
            Err(more) => layers.ignored.extend(more),
        }
        layers.ignored.extend(problems);
        Ok(layers)
    }

    /// The same with the file as it is now, which may not have been there before.
    pub fn reloaded(&self) -> Result<Self, SettingsError> {
        Self::load(self.file.path.as_deref(), self.overlay.clone(), self.places.clone())
    }

    /// With a JSON merge patch (RFC 7396) over what was changed through the API before. Nothing is kept yet: see
    /// [`Overlay::write`].
    pub fn patched(&self, patch: &Value) -> Result<Self, UpdateError> {
        self.with_overlay(self.overlay.patched(patch).map_err(UpdateError)?)
    }

    /// With these settings as the file has them.
    pub fn reset<'a>(&self, settings: impl IntoIterator<Item = &'a str>) -> Result<Self, UpdateError> {
        self.with_overlay(
            settings.into_iter().fold(self.overlay.clone(), |overlay, key| overlay.without(key)),
        )
    }

    /// What holds.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What was changed through the API.
    #[must_use]
    pub const fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// Whether a setting was changed through the API.
    #[must_use]
    pub fn is_changed(&self, key: &str) -> bool {
        self.overlay.contains(key)
    }

    /// What was changed through the API and does not hold, because it does not fit.
    #[must_use]
    pub fn ignored(&self) -> &[Problem] {
        &self.ignored
    }

    /// Every setting, in the order of the file.
    #[must_use]
    pub fn states(&self) -> Vec<SettingState> {
        let (values, defaults) = (tree(&self.settings), tree(&Settings::default()));
        let in_tree = |tree: &Value, section: &str, name: &str| {
            tree.get(section).and_then(|entries| entries.get(name)).cloned().unwrap_or_default()
        };
        let state = |key: &super::Key| {
            let path = key.path();
            let in_file = || in_tree_of_file(&self.file.values, key.section, key.name);
            let ignored = self.ignored.iter().any(|problem| problem.key == path);
            let origin = match () {
                () if self.overlay.contains(&path) && !ignored => Origin::Api,
                () if in_file() => Origin::File,
                () => Origin::Default,
            };
            SettingState {
                documentation: key.documentation.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
                value: in_tree(&values, key.section, key.name),
                default: in_tree(&defaults, key.section, key.name),
                origin,
                change: key.change,
                key: path,
            }
        };
        keys().into_iter().map(state).collect()
    }

    /// The state directory.
    #[must_use]
    pub fn state_directory(&self) -> PathBuf {
        self.settings
            .paths
            .state
            .as_deref()
            .map_or_else(|| self.places.state.clone(), |path| self.places.resolve(path))
    }

    /// A path of the settings, with `~/` replaced.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.places.resolve(path)
    }

    /// Where torrents go.
    #[must_use]
    pub fn downloads(&self) -> PathBuf {
        self.downloads_of(&self.settings)
    }

    /// Where the files of torrents may be: what the file names, whatever was changed since.
    #[must_use]
    pub fn roots(&self) -> Vec<PathBuf> {
        let paths = &self.file.settings.paths;
        let named = paths.roots.iter().chain(&paths.incomplete).map(|path| self.places.resolve(path));
        [self.downloads_of(&self.file.settings)].into_iter().chain(named).collect()
    }

    /// Whether the API may put files at `path`: it lies below one of the [roots](Self::roots), by its name.
    #[must_use]
    pub fn is_allowed(&self, path: &Path) -> bool {
        lies_below(&self.places.resolve(path), &self.roots())
    }

    fn downloads_of(&self, settings: &Settings) -> PathBuf {
        let chosen = settings.paths.downloads.as_deref();
        chosen.map_or_else(|| self.places.downloads.clone(), |path| self.places.resolve(path))
    }

    fn with_overlay(&self, overlay: Overlay) -> Result<Self, UpdateError> {
        let settings = self.combined(&overlay).map_err(UpdateError)?;
        Ok(Self {
            settings,
            overlay,
            ignored: Vec::new(),
            places: self.places.clone(),
            file: self.file.clone(),
        })
    }

    /// The file with `overlay` over it, or everything that is wrong with that.
    fn combined(&self, overlay: &Overlay) -> Result<Settings, Vec<Problem>> {
        // Each by itself first: only so it is certain whose fault it is.
        let alone = |key: &str| {
            let error = read(overlay.only(key).over(&self.file.values)).err()?;
            Some(Problem::new(key, error))
        };
        let problems: Vec<Problem> = overlay.keys().filter_map(alone).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let settings =
            read(overlay.over(&self.file.values)).map_err(|error| vec![Problem::new("", error)])?;
        let mut problems = check(&settings);
        let places = [
            ("paths.downloads", &settings.paths.downloads),
            ("paths.incomplete", &settings.paths.incomplete),
        ];
        for (key, path) in places {
            if let Some(path) = path
                && overlay.contains(key)
                && !self.is_allowed(path)
            {
                problems.push(Problem::new(key, "this lies in none of the directories that the file allows"));
            }
        }
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }
}

fn read(values: Map<String, Value>) -> Result<Settings, String> {
    serde_json::from_value(Value::Object(values)).map_err(|error| error.to_string())
}

fn tree(settings: &Settings) -> Value {
    serde_json::to_value(settings).unwrap_or_default()
}

fn in_tree_of_file(values: &Map<String, Value>, section: &str, name: &str) -> bool {
    values.get(section).is_some_and(|entries| entries.get(name).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sprat_engine::ledger::Ledger;
    use sprat_engine::state::StateStore;

    use super::super::{Rate, changed};
    use super::*;

    const FILE: &str = "[limits]\nupload_rate = \"1 MiB/s\"\n[paths]\nroots = [\"/mnt/more\"]\n";

    fn places() -> Places {
        Places::of(|name| (name == "HOME").then(|| "/home/ada".into()))
    }

    fn layers(text: &str, overlay: Overlay) -> Layers {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("sprat.toml");
        std::fs::write(&path, text).unwrap();
        Layers::load(Some(&path), overlay, places()).unwrap()
    }

    fn state(layers: &Layers, key: &str) -> (Value, Origin) {
        let state = layers.states().into_iter().find(|state| state.key == key).unwrap();
        (state.value, state.origin)
    }

    #[test]
    fn a_value_comes_from_the_api_or_the_file_or_is_the_default() {
        let layers = layers(FILE, Overlay::default());
        assert_eq!(state(&layers, "limits.upload_rate"), ("1 MiB/s".into(), Origin::File));
        assert_eq!(state(&layers, "limits.memory"), ("512 MiB".into(), Origin::Default));

        let patch = json!({"limits": {"upload_rate": "2 MiB/s", "download_rate": 1024}});
        let patched = layers.patched(&patch).unwrap();
        assert_eq!(state(&patched, "limits.upload_rate"), ("2 MiB/s".into(), Origin::Api));
        assert_eq!(patched.settings().limits.download_rate.get(), Rate::new(1024));
        let names: Vec<_> =
            changed(layers.settings(), patched.settings()).iter().map(|key| key.path()).collect();
        assert_eq!(names, ["limits.download_rate", "limits.upload_rate"]);

        let without_file = patched.patched(&json!({"limits": {"upload_rate": null}})).unwrap();
        assert_eq!(state(&without_file, "limits.upload_rate"), ("unlimited".into(), Origin::Api));
        let reset = without_file.reset(["limits.upload_rate"]).unwrap();
        assert_eq!(state(&reset, "limits.upload_rate"), ("1 MiB/s".into(), Origin::File));
        assert_eq!(state(&reset, "limits.download_rate").1, Origin::Api);
    }

    #[test]
    fn a_change_is_refused_as_a_whole_and_every_reason_is_told() {
        let layers = layers(FILE, Overlay::default());
        let refused = |patch: Value| -> Vec<String> {
            layers.patched(&patch).unwrap_err().0.into_iter().map(|problem| problem.key).collect()
        };
        let unknown = json!({"limits": {"memroy": 1}, "limit": {}, "x": 1, "queue": {"slow_after": "1 min"}});
        assert_eq!(refused(unknown), ["limits.memroy", "x"]);
        let wrong = json!({"limits": {"memory": "much", "upload_rate": true, "download_rate": 1}});
        assert_eq!(refused(wrong), ["limits.memory", "limits.upload_rate"]);
        assert_eq!(refused(json!({"limits": {"memory": 1}})), ["limits.memory"]);
        assert_eq!(refused(json!([])), [""]);
    }

    #[test]
    fn a_token_of_the_api_opens_no_more_doors() {
        let layers = layers(FILE, Overlay::default());
        for patch in [
            json!({"api": {"listen": ["0.0.0.0:7772"]}}),
            json!({"api": {"hosts": ["evil.example"]}}),
            json!({"api": {"trusted_proxies": null}}),
            json!({"addresses": {"allow_private": true}}),
            json!({"paths": {"roots": ["/"]}}),
            json!({"paths": {"watch": []}}),
            json!({"paths": {"downloads": "/etc"}}),
            json!({"paths": {"downloads": "/mnt/more/../../etc"}}),
            json!({"paths": {"incomplete": "/home/ada/Downloads2"}}),
        ] {
            assert!(layers.patched(&patch).is_err(), "{patch}");
        }
        let inside = layers.patched(&json!({"paths": {"downloads": "/mnt/more/here"}})).unwrap();
        assert_eq!(inside.downloads(), Path::new("/mnt/more/here"));
        assert!(!inside.is_allowed(Path::new("/mnt/morehere")));
        assert!(inside.is_allowed(Path::new("/home/ada/Downloads/x")), "the file's own place stays allowed");
    }

    #[tokio::test]
    async fn changes_are_kept_and_what_does_not_fit_any_more_is_left_out() {
        let home = tempfile::tempdir().unwrap();
        let patch = json!({"limits": {"upload_rate": "2 MiB/s", "memory": "1 GiB"}});
        let patched = layers(FILE, Overlay::default()).patched(&patch).unwrap();
        let ledger = Ledger::start(StateStore::open(home.path()).unwrap().0).unwrap();
        patched.overlay().write(&ledger.handle()).await.unwrap();
        drop(ledger);

        let ledger = Ledger::start(StateStore::open(home.path()).unwrap().0).unwrap();
        let overlay = Overlay::read(&ledger.handle()).unwrap();
        assert_eq!(&overlay, patched.overlay());
        let again = layers(FILE, overlay);
        assert_eq!(state(&again, "limits.upload_rate"), ("2 MiB/s".into(), Origin::Api));

        // As if an older or newer version had written it.
        let stored =
            json!({"limits": {"upload_rate": "fast", "memory": "1 GiB", "gone": 1}, "old": {"x": 1}});
        let Value::Object(stored) = stored else { panic!() };
        let foreign = layers(FILE, Overlay::from_stored(stored));
        let ignored: Vec<_> = foreign.ignored().iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(ignored, ["limits.gone", "limits.upload_rate", "old.x"]);
        assert_eq!(state(&foreign, "limits.memory"), ("1 GiB".into(), Origin::Api));
        assert_eq!(state(&foreign, "limits.upload_rate"), ("1 MiB/s".into(), Origin::File));
    }

    #[test]
    fn a_file_that_is_made_later_is_read_when_it_is_there() {
        let home = tempfile::tempdir().unwrap();
        let places = Places::of(|name| (name == "HOME").then(|| home.path().into()));
        let file = places.settings_file.clone();
        let without = Layers::load(None, Overlay::default(), places).unwrap();
        assert_eq!(state(&without.reloaded().unwrap(), "limits.upload_rate").1, Origin::Default);

        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, FILE).unwrap();
        let with = without.reloaded().unwrap();
        assert_eq!(state(&with, "limits.upload_rate"), ("1 MiB/s".into(), Origin::File));
        std::fs::write(&file, "[limits]\nupload_rate = 1\n").unwrap();
        assert_eq!(state(&with.reloaded().unwrap(), "limits.upload_rate").0, "1 B/s");
    }

    #[test]
    fn secrets_are_shown_to_nobody() {
        let text = "[[webhooks.endpoints]]\nurl = \"https://x/hunter2\"\nsecret = \"hunter2\"\n";
        let layers = layers(text, Overlay::default());
        let shown = serde_json::to_string(&layers.states()).unwrap();
        assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
        assert!(!format!("{:?}", layers.settings()).contains("hunter2"));
    }
}
