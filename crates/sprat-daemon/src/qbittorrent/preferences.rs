//! The preferences that programs read, and which settings some of them are. Rates are bytes per second and 0 is no limit, times are
//! minutes, and −1 is no limit of anything else.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::delta;
use super::failure::Failure;
use super::share::of_seconds;
use crate::service::{Choices, Fixed};
use crate::settings::SeedingAction;

/// What they are read from.
pub(super) struct View<'a> {
    pub(super) choices: &'a Choices,
    pub(super) fixed: &'a Fixed,
    pub(super) port: u16,
}

/// What becomes of a torrent that has given enough, by its number, and as the setting has it.
const ACTIONS: [(i64, SeedingAction, &str); 4] = [
    (0, SeedingAction::Pause, "pause"),
    (1, SeedingAction::Remove, "remove"),
    (2, SeedingAction::SuperSeed, "super_seed"),
    (3, SeedingAction::RemoveWithData, "remove_with_data"),
];

/// All of them.
pub(super) fn all(view: &View<'_>) -> Map<String, Value> {
    let mut all = delta::object(&changeable(view.choices));
    all.extend(delta::object(&until_restart(view)));
    all.extend(delta::object(&always()));
    all
}

/// What can be changed from here.
fn changeable(choices: &Choices) -> Value {
    let (limits, queue) = (choices.seeding.limits, &choices.queue);
    let ratio = limits.ratio.or(None);
    let (time, idle) = (limits.seconds.or(None), limits.idle_seconds.or(None));
    let minutes = |seconds: Option<u64>| seconds.map_or(-1, of_seconds);
    let slots = |slots: Option<u32>| slots.map_or(-1, i64::from);
    let path = |path: &Path| path.display().to_string();
    let action = ACTIONS.iter().find(|(_, action, _)| choices.seeding.action == Some(*action));
    json!({
        "save_path": path(&choices.downloads),
        "temp_path_enabled": choices.incomplete.is_some(),
        "temp_path": choices.incomplete.as_deref().map(path).unwrap_or_default(),
        "dl_limit": choices.limits.download.unwrap_or_default(),
        "up_limit": choices.limits.upload.unwrap_or_default(),
        "alt_dl_limit": choices.alternative.download.unwrap_or_default(),
        "alt_up_limit": choices.alternative.upload.unwrap_or_default(),
        "max_ratio_enabled": ratio.is_some(),
        "max_ratio": ratio.unwrap_or(-1.0),
        "max_seeding_time_enabled": time.is_some(),
        "max_seeding_time": minutes(time),
        "max_inactive_seeding_time_enabled": idle.is_some(),
        "max_inactive_seeding_time": minutes(idle),
        "max_ratio_act": action.map_or(0, |(number, ..)| *number),
        "max_active_downloads": slots(queue.active_downloads),
        "max_active_uploads": slots(queue.active_seeds),
        "max_active_torrents": slots(queue.active_total),
    })
}

/// What is chosen when the daemon is started.
fn until_restart(view: &View<'_>) -> Value {
    json!({
        "listen_port": view.port,
        "dht": view.fixed.dht,
        "pex": view.fixed.pex,
        "lsd": view.fixed.lsd,
        "max_connec": view.fixed.connections,
        "max_connec_per_torrent": view.fixed.connections_per_torrent,
    })
}

/// How sprat is.
fn always() -> Value {
    json!({
        "queueing_enabled": true,
        "dont_count_slow_torrents": true,
        "random_port": false,
        "upnp": false,
        // TCP only, and nothing is encrypted.
        "bittorrent_protocol": 1,
        "encryption": 2,
        "anonymous_mode": false,
        // The directory of a category holds wherever none is named.
        "auto_tmm_enabled": false,
        "use_category_paths_in_manual_mode": true,
        "category_changed_tmm_enabled": false,
        "save_path_changed_tmm_enabled": false,
        "torrent_changed_tmm_enabled": false,
        "use_subcategories": false,
        "add_stopped_enabled": false,
        "add_to_top_of_queue": false,
        "torrent_content_layout": "Original",
        "torrent_stop_condition": "None",
        "incomplete_files_ext": false,
        "preallocate_all": false,
        "merge_trackers": false,
        "add_trackers_enabled": false,
        "add_trackers": "",
        "autorun_enabled": false,
        "autorun_program": "",
        "ip_filter_enabled": false,
        "proxy_type": "None",
        "rss_processing_enabled": false,
        "rss_auto_downloading_enabled": false,
        "locale": "en",
    })
}

/// A preference that is a setting, or one of two that are one together: a value and a switch.
enum Wish {
    /// A directory.
    Directory { setting: &'static str },
    /// Bytes per second.
    Rate { setting: &'static str },
    /// How many run.
    Slots { setting: &'static str },
    /// What becomes of those that have given enough.
    Action { setting: &'static str },
    /// A value that holds only while `switch` is on.
    Switched { setting: &'static str, switch: &'static str, kind: Kind },
}

/// What a value with a switch is.
#[derive(Clone, Copy)]
enum Kind {
    Directory,
    Ratio,
    Minutes,
}

const WISHES: &[(&str, Wish)] = &[
    ("save_path", Wish::Directory { setting: "paths.downloads" }),
    ("dl_limit", Wish::Rate { setting: "limits.download_rate" }),
    ("up_limit", Wish::Rate { setting: "limits.upload_rate" }),
    ("alt_dl_limit", Wish::Rate { setting: "limits.alternative_download_rate" }),
    ("alt_up_limit", Wish::Rate { setting: "limits.alternative_upload_rate" }),
    ("max_active_downloads", Wish::Slots { setting: "queue.active_downloads" }),
    ("max_active_uploads", Wish::Slots { setting: "queue.active_seeds" }),
    ("max_active_torrents", Wish::Slots { setting: "queue.active_total" }),
    ("max_ratio_act", Wish::Action { setting: "seeding.action" }),
    (
        "temp_path",
        Wish::Switched { setting: "paths.incomplete", switch: "temp_path_enabled", kind: Kind::Directory },
    ),
    (
        "max_ratio",
        Wish::Switched { setting: "seeding.ratio", switch: "max_ratio_enabled", kind: Kind::Ratio },
    ),
    (
        "max_seeding_time",
        Wish::Switched { setting: "seeding.time", switch: "max_seeding_time_enabled", kind: Kind::Minutes },
    ),
    (
        "max_inactive_seeding_time",
        Wish::Switched {
            setting: "seeding.inactivity",
            switch: "max_inactive_seeding_time_enabled",
            kind: Kind::Minutes,
        },
    ),
];

/// Whether a preference is a setting.
pub(super) fn is_heeded(name: &str) -> bool {
    let is_it = |(value, wish): &(&str, Wish)| {
        *value == name || matches!(wish, Wish::Switched { switch, .. } if *switch == name)
    };
    WISHES.iter().any(is_it)
}

/// What the settings have to be, as a JSON merge patch, so that the preferences are as wished; the others are passed over.
pub(super) fn patch(
    before: &Map<String, Value>,
    wishes: &Map<String, Value>,
) -> Result<Map<String, Value>, Failure> {
    let mut patch = Map::new();
    for (name, wish) in WISHES {
        let value = wishes.get(*name);
        let wrong = || Failure::bad_request(format!("{name} cannot be that"));
        let (setting, value) = match (wish, value) {
            (Wish::Switched { setting, switch, kind }, value) => {
                if value.is_none() && !wishes.contains_key(*switch) {
                    continue;
                }
                let is_on = wishes.get(*switch).or_else(|| before.get(*switch)).and_then(Value::as_bool);
                let value = value.or_else(|| before.get(*name)).ok_or_else(wrong)?;
                (setting, switched(is_on.ok_or_else(wrong)?, value, *kind).ok_or_else(wrong)?)
            }
            (_, None) => continue,
            (Wish::Directory { setting }, Some(value)) => (setting, directory(value).ok_or_else(wrong)?),
            (Wish::Rate { setting }, Some(value)) => {
                (setting, limit(value, |rate| rate > 0).ok_or_else(wrong)?)
            }
            (Wish::Slots { setting }, Some(value)) => {
                (setting, limit(value, |slots| slots >= 0).ok_or_else(wrong)?)
            }
            (Wish::Action { setting }, Some(value)) => {
                let action = ACTIONS.iter().find(|(number, ..)| value.as_i64() == Some(*number));
                (setting, action.map(|(.., word)| json!(word)).ok_or_else(wrong)?)
            }
        };
        if let Some((section, key)) = setting.split_once('.') {
            let section = patch.entry(section).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(section) = section {
                section.insert(key.to_owned(), value);
            }
        }
    }
    Ok(patch)
}

const UNLIMITED: &str = "unlimited";

fn directory(value: &Value) -> Option<Value> {
    value.as_str().map(str::trim).filter(|path| Path::new(path).is_absolute()).map(|path| json!(path))
}

/// A whole number; what is no limit by `is_limit` is none.
fn limit(value: &Value, is_limit: impl Fn(i64) -> bool) -> Option<Value> {
    let number = value.as_i64()?;
    Some(if is_limit(number) { json!(number) } else { json!(UNLIMITED) })
}

fn switched(is_on: bool, value: &Value, kind: Kind) -> Option<Value> {
    match kind {
        Kind::Directory if is_on => directory(value),
        // Out of the settings.
        Kind::Directory => Some(Value::Null),
        _ if !is_on => Some(json!(UNLIMITED)),
        Kind::Ratio => {
            let ratio = value.as_f64()?;
            Some(if ratio >= 0.0 { json!(ratio) } else { json!(UNLIMITED) })
        }
        Kind::Minutes => match u64::try_from(value.as_i64()?) {
            Ok(minutes) => Some(json!(format!("{minutes} min"))),
            Err(_) => Some(json!(UNLIMITED)),
        },
    }
}

/// What the rate of all torrents is limited to by this number of bytes per second, as a JSON merge patch.
pub(super) fn rate_patch(key: &str, bytes_per_second: i64) -> Value {
    let rate = if bytes_per_second > 0 { json!(bytes_per_second) } else { json!(UNLIMITED) };
    json!({"limits": {key: rate}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torrents::SeedingLimit;

    fn before() -> Map<String, Value> {
        let fixed =
            Fixed { connections: 500, connections_per_torrent: 100, pex: true, dht: true, lsd: false };
        let mut choices = Choices::below("/srv".into());
        choices.seeding.limits.ratio = SeedingLimit::Limit(2.0);
        all(&View { choices: &choices, fixed: &fixed, port: 6881 })
    }

    fn patched(wishes: Value) -> Result<Value, Failure> {
        let Value::Object(wishes) = wishes else { panic!("not an object") };
        patch(&before(), &wishes).map(Value::Object)
    }

    #[test]
    fn every_preference_that_is_a_setting_can_be_read() {
        let before = before();
        for (name, wish) in WISHES {
            assert!(before.contains_key(*name) && is_heeded(name), "{name}");
            if let Wish::Switched { switch, .. } = wish {
                assert!(before.contains_key(*switch) && is_heeded(switch), "{switch}");
            }
        }
        assert!(!is_heeded("autorun_program"));
    }

    #[test]
    fn preferences_become_settings() {
        assert_eq!(
            patched(json!({"autorun_enabled": true, "up_limit": 1000})).unwrap(),
            json!({"limits": {"upload_rate": 1000}})
        );
        assert_eq!(
            patched(json!({"dl_limit": 0, "max_active_downloads": -1, "max_ratio_act": 3})).unwrap(),
            json!({"limits": {"download_rate": "unlimited"}, "queue": {"active_downloads": "unlimited"},
                "seeding": {"action": "remove_with_data"}})
        );
        assert_eq!(patched(json!({"max_ratio": 1.5})).unwrap(), json!({"seeding": {"ratio": 1.5}}));
        assert_eq!(
            patched(json!({"max_ratio_enabled": false, "max_ratio": 1.5})).unwrap(),
            json!({"seeding": {"ratio": "unlimited"}})
        );
        assert_eq!(
            patched(json!({"max_seeding_time_enabled": true, "max_seeding_time": 90})).unwrap(),
            json!({"seeding": {"time": "90 min"}})
        );
        assert_eq!(
            patched(json!({"temp_path_enabled": true, "temp_path": "/srv/part"})).unwrap(),
            json!({"paths": {"incomplete": "/srv/part"}})
        );
        assert_eq!(
            patched(json!({"temp_path_enabled": false})).unwrap(),
            json!({"paths": {"incomplete": null}})
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            json!({"save_path": "relative"}),
            json!({"up_limit": "fast"}),
            json!({"max_ratio_act": 9}),
            json!({"temp_path_enabled": true}),
            json!({"max_ratio": "x"}),
        ] {
            assert!(patched(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
