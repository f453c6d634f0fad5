//! The preferences that programs read, and which of them can be chosen. Rates are bytes per second and 0 is no limit, times are
//! minutes, and −1 is no limit of anything else.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::delta;
use super::failure::Failure;
use super::limits;
use super::share::{MINUTE, of_seconds};
use crate::service::{Choices, Fixed};
use crate::settings::SeedingAction;

/// What they are read from.
pub(super) struct View<'a> {
    pub(super) choices: &'a Choices,
    pub(super) fixed: &'a Fixed,
    pub(super) port: u16,
}

/// What becomes of a torrent that has given enough, by its number.
const ACTIONS: [(i64, SeedingAction); 4] = [
    (0, SeedingAction::Pause),
    (1, SeedingAction::Remove),
    (2, SeedingAction::SuperSeed),
    (3, SeedingAction::RemoveWithData),
];

/// The preferences that can be chosen.
pub(super) const HEEDED: &[&str] = &[
    "save_path",
    "temp_path",
    "temp_path_enabled",
    "dl_limit",
    "up_limit",
    "alt_dl_limit",
    "alt_up_limit",
    "max_ratio",
    "max_ratio_enabled",
    "max_seeding_time",
    "max_seeding_time_enabled",
    "max_inactive_seeding_time",
    "max_inactive_seeding_time_enabled",
    "max_ratio_act",
    "max_active_downloads",
    "max_active_uploads",
    "max_active_torrents",
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
    let ratio = limits.ratio.own();
    let (time, idle) = (limits.seconds.own(), limits.idle_seconds.own());
    let minutes = |seconds: Option<u64>| seconds.map_or(-1, of_seconds);
    let slots = |slots: Option<u32>| slots.map_or(-1, i64::from);
    let path = |path: &Path| path.display().to_string();
    let action = ACTIONS.iter().find(|(_, action)| choices.seeding.action == Some(*action));
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
        "max_ratio_act": action.map_or(0, |(number, _)| *number),
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

/// What is chosen if the preferences are as wished; what is not spoken of, or cannot be chosen here, stays.
pub(super) fn chosen(wishes: &Map<String, Value>, before: &Choices) -> Result<Choices, Failure> {
    let wishes = Wishes(wishes);
    let mut after = before.clone();
    if let Some(path) = wishes.read("save_path", directory)? {
        after.downloads = path;
    }
    after.incomplete =
        wishes.switched("temp_path", before.incomplete.clone(), |path| directory(path).map(Some))?;
    if after.incomplete.is_none() && wishes.read("temp_path_enabled", Value::as_bool)? == Some(true) {
        return Err(cannot_be("temp_path"));
    }
    for (name, rate) in [
        ("dl_limit", &mut after.limits.download),
        ("up_limit", &mut after.limits.upload),
        ("alt_dl_limit", &mut after.alternative.download),
        ("alt_up_limit", &mut after.alternative.upload),
    ] {
        if let Some(limit) = wishes.read(name, |limit| limit.as_i64().map(limits::rate))? {
            *rate = limit;
        }
    }
    let seeding = &mut after.seeding.limits;
    seeding.ratio = wishes.switched("max_ratio", seeding.ratio.own(), ratio)?.into();
    seeding.seconds = wishes.switched("max_seeding_time", seeding.seconds.own(), minutes)?.into();
    seeding.idle_seconds =
        wishes.switched("max_inactive_seeding_time", seeding.idle_seconds.own(), minutes)?.into();
    if let Some(action) = wishes.read("max_ratio_act", action)? {
        after.seeding.action = Some(action);
    }
    for (name, slots) in [
        ("max_active_downloads", &mut after.queue.active_downloads),
        ("max_active_uploads", &mut after.queue.active_seeds),
        ("max_active_torrents", &mut after.queue.active_total),
    ] {
        if let Some(limit) =
            wishes.read(name, |limit| limit.as_i64().map(|limit| u32::try_from(limit).ok()))?
        {
            *slots = limit;
        }
    }
    Ok(after)
}

struct Wishes<'a>(&'a Map<String, Value>);

impl Wishes<'_> {
    /// A preference, if it is spoken of.
    fn read<T>(&self, name: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Failure> {
        self.0.get(name).map(|value| read(value).ok_or_else(|| cannot_be(name))).transpose()
    }

    /// A preference of which `…_enabled` says whether it holds at all.
    fn switched<T>(
        &self,
        name: &str,
        before: Option<T>,
        read: impl Fn(&Value) -> Option<Option<T>>,
    ) -> Result<Option<T>, Failure> {
        let switch = self.read(&format!("{name}_enabled"), Value::as_bool)?;
        if !switch.unwrap_or(before.is_some()) {
            return Ok(None);
        }
        Ok(self.read(name, read)?.unwrap_or(before))
    }
}

fn cannot_be(name: &str) -> Failure {
    Failure::bad_request(format!("{name} cannot be that"))
}

fn directory(path: &Value) -> Option<PathBuf> {
    path.as_str().map(|path| PathBuf::from(path.trim())).filter(|path| path.is_absolute())
}

/// One below 0 is no limit.
fn ratio(ratio: &Value) -> Option<Option<f64>> {
    let ratio = ratio.as_f64()?;
    Some(Some(ratio).filter(|ratio| *ratio >= 0.0))
}

/// Seconds; minutes below 0 are no limit.
fn minutes(minutes: &Value) -> Option<Option<u64>> {
    let minutes = minutes.as_i64()?;
    Some(u64::try_from(minutes).ok().map(|minutes| minutes.saturating_mul(MINUTE)))
}

fn action(number: &Value) -> Option<SeedingAction> {
    ACTIONS.iter().find(|(known, _)| number.as_i64() == Some(*known)).map(|(_, action)| *action)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torrents::SeedingLimit;

    fn before() -> Choices {
        let mut choices = Choices::below("/srv".into());
        choices.seeding.limits.ratio = SeedingLimit::Limit(2.0);
        choices.seeding.limits.seconds = SeedingLimit::Unlimited;
        choices.seeding.limits.idle_seconds = SeedingLimit::Unlimited;
        choices.seeding.action = Some(SeedingAction::Pause);
        choices
    }

    fn chosen(wishes: Value) -> Result<Choices, Failure> {
        let Value::Object(wishes) = wishes else { panic!("not an object") };
        super::chosen(&wishes, &before())
    }

    #[test]
    fn every_preference_that_can_be_chosen_can_be_read() {
        let readable = changeable(&before());
        for name in HEEDED {
            assert!(readable.get(name).is_some(), "{name}");
        }
        assert_eq!(readable.as_object().unwrap().len(), HEEDED.len());
        assert_eq!(chosen(readable).unwrap(), before(), "what is told changes nothing");
    }

    #[test]
    fn preferences_become_choices() {
        let after = chosen(json!({
            "autorun_enabled": true, "up_limit": 1000, "alt_dl_limit": 0, "max_active_downloads": -1, "max_active_uploads": 7,
            "max_ratio_act": 3, "max_seeding_time_enabled": true, "max_seeding_time": 90, "save_path": "/srv/new",
            "temp_path_enabled": true, "temp_path": "/srv/part",
        }));
        let after = after.unwrap();
        assert_eq!((after.limits.upload, after.alternative.download), (Some(1000), None));
        assert_eq!((after.queue.active_downloads, after.queue.active_seeds), (None, Some(7)));
        assert_eq!(after.seeding.action, Some(SeedingAction::RemoveWithData));
        assert_eq!(after.seeding.limits.ratio, SeedingLimit::Limit(2.0), "it was not spoken of");
        assert_eq!(after.seeding.limits.seconds, SeedingLimit::Limit(5400));
        assert_eq!((after.downloads, after.incomplete), ("/srv/new".into(), Some("/srv/part".into())));
    }

    #[test]
    fn a_value_holds_while_its_switch_is_on() {
        let ratio = |wishes| chosen(wishes).unwrap().seeding.limits.ratio;
        assert_eq!(ratio(json!({"max_ratio": 1.5})), SeedingLimit::Limit(1.5));
        assert_eq!(ratio(json!({"max_ratio": -1})), SeedingLimit::Unlimited);
        assert_eq!(ratio(json!({"max_ratio_enabled": false, "max_ratio": 1.5})), SeedingLimit::Unlimited);
        let idle = chosen(json!({"max_inactive_seeding_time": 90})).unwrap().seeding.limits.idle_seconds;
        assert_eq!(idle, SeedingLimit::Unlimited, "its switch is off");
        assert_eq!(chosen(json!({"temp_path_enabled": false, "temp_path": ""})).unwrap().incomplete, None);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            json!({"save_path": "relative"}),
            json!({"up_limit": "fast"}),
            json!({"max_ratio_act": 9}),
            json!({"temp_path_enabled": true}),
            json!({"temp_path_enabled": true, "temp_path": ""}),
            json!({"max_ratio": "x"}),
            json!({"max_ratio_enabled": "x"}),
        ] {
            assert!(chosen(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
