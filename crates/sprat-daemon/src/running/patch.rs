//! What is to be chosen otherwise, as a change of the settings: the way back of [`plan::choices`](super::plan::choices).

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::service::Choices;
use crate::settings::AlternativeRates;

/// A JSON merge patch of the settings in which two choices differ. What can be chosen only in other ways, such as roots, is not in it.
/// `is_scheduled`: the time of day asks for the alternative rates.
pub(crate) fn patch(before: &Choices, after: &Choices, is_scheduled: bool) -> Value {
    let mut patch = Patch::default();
    let (limits, old) = (&after.limits, &before.limits);
    let (alternative, old_alternative) = (&after.alternative, &before.alternative);
    let (seeding, old_seeding) = (&after.seeding.limits, &before.seeding.limits);
    let (queue, old_queue) = (&after.queue, &before.queue);
    patch.paths("downloads", Some(&before.downloads), Some(&after.downloads));
    patch.paths("incomplete", before.incomplete.as_deref(), after.incomplete.as_deref());
    patch.limit("limits.download_rate", old.download, limits.download);
    patch.limit("limits.upload_rate", old.upload, limits.upload);
    patch.limit("limits.alternative_download_rate", old_alternative.download, alternative.download);
    patch.limit("limits.alternative_upload_rate", old_alternative.upload, alternative.upload);
    if after.is_alternative != before.is_alternative {
        patch.set("limits.alternative", json!(switched(after.is_alternative, is_scheduled)));
    }
    patch.limit("seeding.ratio", old_seeding.ratio.own(), seeding.ratio.own());
    patch.limit("seeding.time", old_seeding.seconds.own(), seeding.seconds.own());
    patch.limit("seeding.inactivity", old_seeding.idle_seconds.own(), seeding.idle_seconds.own());
    if after.seeding.action != before.seeding.action {
        patch.set("seeding.action", json!(after.seeding.action));
    }
    patch.limit("queue.active_downloads", old_queue.active_downloads, queue.active_downloads);
    patch.limit("queue.active_seeds", old_queue.active_seeds, queue.active_seeds);
    patch.limit("queue.active_total", old_queue.active_total, queue.active_total);
    Value::Object(patch.0)
}

/// What whoever wishes the alternative rates to be on, or off, has to set for that.
const fn switched(is_on: bool, is_scheduled: bool) -> AlternativeRates {
    match (is_on, is_scheduled) {
        (true, false) => AlternativeRates::On,
        (false, true) => AlternativeRates::Off,
        (true, true) | (false, false) => AlternativeRates::Schedule,
    }
}

#[derive(Default)]
struct Patch(Map<String, Value>);

impl Patch {
    /// A setting, as `section.name`.
    fn set(&mut self, key: &str, value: Value) {
        let Some((section, name)) = key.split_once('.') else { return };
        let section = self.0.entry(section).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(settings) = section {
            settings.insert(name.to_owned(), value);
        }
    }

    fn limit<T: PartialEq + Into<Value>>(&mut self, key: &str, before: Option<T>, after: Option<T>) {
        if before != after {
            self.set(key, after.map_or_else(|| "unlimited".into(), Into::into));
        }
    }

    fn paths(&mut self, name: &str, before: Option<&Path>, after: Option<&Path>) {
        if before != after {
            let path = after.map(|path| path.display().to_string());
            self.set(&format!("paths.{name}"), path.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use sprat_core::io::RateLimits;

    use super::super::plan;
    use super::*;
    use crate::settings::{Layers, Overlay, Places, SeedingAction};
    use crate::torrents::{SeedingLimit, SeedingLimits};

    fn layers() -> Layers {
        let places = Places::of(|name| (name == "HOME").then(|| "/home/ada".into()));
        Layers::load(None, Overlay::default(), places).unwrap()
    }

    #[test]
    fn what_is_patched_is_chosen() {
        let layers = layers();
        let before = plan::choices(&layers);
        assert_eq!(patch(&before, &before, false), json!({}));
        let mut after = before.clone();
        after.downloads = "/home/ada/Downloads/new".into();
        after.incomplete = Some("/home/ada/Downloads/half".into());
        after.limits = RateLimits { download: Some(500_000), upload: None };
        after.alternative = RateLimits { download: Some(1), upload: Some(20_000) };
        after.is_alternative = true;
        after.seeding.limits = SeedingLimits {
            ratio: SeedingLimit::Limit(1.5),
            seconds: SeedingLimit::Limit(86_400),
            idle_seconds: SeedingLimit::Limit(1800),
        };
        after.seeding.action = Some(SeedingAction::SuperSeed);
        after.queue.active_downloads = None;
        after.queue.active_seeds = Some(0);
        after.queue.active_total = Some(7);
        let patched = layers.patched(&patch(&before, &after, false)).unwrap();
        assert_eq!(plan::choices(&patched), after);
        let back = patched.patched(&patch(&after, &before, false)).unwrap();
        assert_eq!(plan::choices(&back), before);
    }

    #[test]
    fn who_switches_against_the_time_of_day_switches_by_hand() {
        let off = plan::choices(&layers());
        let on = Choices { is_alternative: true, ..off.clone() };
        for (from, to, is_scheduled, expected) in [
            (&off, &on, false, "on"),
            (&on, &off, false, "schedule"),
            (&on, &off, true, "off"),
            (&off, &on, true, "schedule"),
        ] {
            let patch = patch(from, to, is_scheduled);
            assert_eq!(patch, json!({"limits": {"alternative": expected}}));
        }
    }
}
