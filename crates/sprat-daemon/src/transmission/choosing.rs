//! What of the daemon can be changed.

use std::path::{Path, PathBuf};

use super::failure::{Code, Failure};
use super::memory::{Limit, Memory};
use super::params::Params;
use super::session_keys::NO_LIMIT;
use super::units;
use crate::service::Choices;

/// The keys that are heeded here.
pub(super) const HEEDED: &[&str] = &[
    "alt_speed_down",
    "alt_speed_enabled",
    "alt_speed_up",
    "download_dir",
    "download_queue_enabled",
    "download_queue_size",
    "idle_seeding_limit",
    "idle_seeding_limit_enabled",
    "incomplete_dir",
    "incomplete_dir_enabled",
    "seed_queue_enabled",
    "seed_queue_size",
    "seed_ratio_limit",
    "seed_ratio_limited",
    "speed_limit_down",
    "speed_limit_down_enabled",
    "speed_limit_up",
    "speed_limit_up_enabled",
];

/// What is chosen after what `session-set` says.
pub(super) fn chosen(params: &Params, memory: &Memory, before: &Choices) -> Result<Choices, Failure> {
    let mut after = before.clone();
    directories(params, memory, &mut after)?;
    rates(params, memory, &mut after)?;
    seeding(params, memory, &mut after)?;
    queue(params, memory, &mut after)?;
    Ok(after)
}

fn directories(params: &Params, memory: &Memory, choices: &mut Choices) -> Result<(), Failure> {
    let before = choices.clone();
    if let Some(directory) = directory(params, "download_dir", &before)? {
        choices.downloads = directory;
    }
    let incomplete = directory(params, "incomplete_dir", &before)?;
    for spoken in before.incomplete.iter().chain(&incomplete) {
        memory.remember_incomplete(spoken.clone());
    }
    let on = params.flag("incomplete_dir_enabled")?.unwrap_or(before.incomplete.is_some());
    choices.incomplete = if on { memory.incomplete() } else { None };
    if on && choices.incomplete.is_none() {
        return Err(Failure::parameter("incomplete-dir", "it is needed"));
    }
    Ok(())
}

/// A directory in which files may lie: who has a client's password is not to open more of the disk than was opened.
fn directory(params: &Params, name: &str, choices: &Choices) -> Result<Option<PathBuf>, Failure> {
    let Some(path) = params.text(name)?.filter(|path| !path.is_empty()) else { return Ok(None) };
    if Path::new(path).is_relative() {
        return Err(Failure::plain(Code::RelativePath));
    }
    if !choices.allows(Path::new(path)) {
        let detail = format!("{path} is not below a directory that torrents may lie in");
        return Err(Failure::new(Code::InvalidParams, detail));
    }
    Ok(Some(path.into()))
}

fn rates(params: &Params, memory: &Memory, choices: &mut Choices) -> Result<(), Failure> {
    let settle = |limit, value: &str, switch: &str, current: Option<u64>| {
        let (value, on) = (params.real(value)?, params.flag(switch)?);
        let settled = memory.settle((None, limit), value, on, current.map(units::kilobytes));
        Ok::<_, Failure>(settled.map(units::bytes))
    };
    let limits = &mut choices.limits;
    limits.download =
        settle(Limit::Download, "speed_limit_down", "speed_limit_down_enabled", limits.download)?;
    limits.upload = settle(Limit::Upload, "speed_limit_up", "speed_limit_up_enabled", limits.upload)?;
    let alternative = |name: &str, current| {
        let value = params.real(name)?;
        Ok::<_, Failure>(value.map_or(current, |value| (value < NO_LIMIT).then(|| units::bytes(value))))
    };
    choices.alternative.download = alternative("alt_speed_down", choices.alternative.download)?;
    choices.alternative.upload = alternative("alt_speed_up", choices.alternative.upload)?;
    choices.is_alternative = params.flag("alt_speed_enabled")?.unwrap_or(choices.is_alternative);
    Ok(())
}

fn seeding(params: &Params, memory: &Memory, choices: &mut Choices) -> Result<(), Failure> {
    let settle = |limit, value: &str, switch: &str, current: Option<f64>| {
        let (value, on) = (params.real(value)?, params.flag(switch)?);
        Ok::<_, Failure>(memory.settle((None, limit), value, on, current))
    };
    let seeding = &mut choices.seeding.limits;
    let ratio = settle(Limit::Ratio, "seed_ratio_limit", "seed_ratio_limited", seeding.ratio.own())?;
    if ratio != seeding.ratio.own() {
        seeding.ratio = ratio.into();
    }
    let idle = seeding.idle_seconds.own().map(units::minutes);
    let settled = settle(Limit::Idle, "idle_seeding_limit", "idle_seeding_limit_enabled", idle)?;
    if settled != idle {
        seeding.idle_seconds = settled.map(units::seconds).into();
    }
    Ok(())
}

fn queue(params: &Params, memory: &Memory, choices: &mut Choices) -> Result<(), Failure> {
    let settle = |limit, value: &str, switch: &str, current: Option<u32>| {
        let (value, on) = (params.real(value)?, params.flag(switch)?);
        let settled = memory.settle((None, limit), value, on, current.map(f64::from));
        Ok::<_, Failure>(settled.map(|slots| u32::try_from(units::whole(slots)).unwrap_or(u32::MAX)))
    };
    let queue = &mut choices.queue;
    queue.active_downloads =
        settle(Limit::Downloads, "download_queue_size", "download_queue_enabled", queue.active_downloads)?;
    queue.active_seeds = settle(Limit::Seeds, "seed_queue_size", "seed_queue_enabled", queue.active_seeds)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::torrents::SeedingLimit;

    fn choose(before: &Choices, memory: &Memory, value: Value) -> Result<Choices, Failure> {
        let Value::Object(object) = value else { panic!("not an object") };
        chosen(&object.into(), memory, before)
    }

    #[test]
    fn limits_are_values_and_switches() {
        let (before, memory) = (Choices::below("/srv".into()), Memory::default());
        assert_eq!(choose(&before, &memory, json!({"utp-enabled": true})).unwrap(), before);
        let set = choose(&before, &memory, json!({"speed-limit-down": 500})).unwrap();
        assert_eq!(set.limits.download, None);
        let on = choose(&set, &memory, json!({"speed-limit-down-enabled": true, "seedRatioLimited": true}))
            .unwrap();
        assert_eq!(on.limits.download, Some(500_000));
        assert_eq!(on.seeding.limits.ratio, SeedingLimit::Limit(2.0));
        let alternative = json!({"alt-speed-up": 20, "alt-speed-enabled": true, "idle-seeding-limit": 60, "idle-seeding-limit-enabled": true});
        let on = choose(&on, &memory, alternative).unwrap();
        assert_eq!(on.limits_now().upload, Some(20_000));
        assert_eq!(on.limits_now().download, None);
        assert_eq!(on.seeding.limits.idle_seconds, SeedingLimit::Limit(3600));
        let off =
            choose(&on, &memory, json!({"alt_speed_enabled": false, "seed_ratio_limited": false})).unwrap();
        assert_eq!(off.limits_now().download, Some(500_000));
        assert_eq!(off.seeding.limits.ratio, SeedingLimit::Unlimited);
    }

    #[test]
    fn directories_stay_where_they_may_be() {
        let (before, memory) = (Choices::below("/srv".into()), Memory::default());
        assert_eq!(
            choose(&before, &memory, json!({"download-dir": "x"})).unwrap_err().code,
            Code::RelativePath
        );
        for elsewhere in ["/etc", "/srv/../etc"] {
            assert!(choose(&before, &memory, json!({"download-dir": elsewhere})).is_err());
            assert!(choose(&before, &memory, json!({"incomplete-dir": elsewhere})).is_err());
        }
        let below = choose(&before, &memory, json!({"download-dir": "/srv/new"})).unwrap();
        assert_eq!(below.downloads, PathBuf::from("/srv/new"));
        assert!(choose(&below, &memory, json!({"incomplete-dir-enabled": true})).is_err());
        let halves = choose(
            &below,
            &memory,
            json!({"incomplete-dir": "/srv/new/half", "incomplete-dir-enabled": true}),
        );
        assert_eq!(halves.unwrap().incomplete, Some("/srv/new/half".into()));
    }
}
