//! `sprat set`

use hyper::Method;
use serde_json::{Map, Value, json};
use sprat_daemon::service::Action;
use sprat_daemon::torrents::{SeedingLimit, SeedingLimits, Summary};

use super::caller::Caller;
use super::{act, listing};
use crate::cli::remote::{ChangeArgs, LimitArg, QueueArg, SetArgs};
use crate::output::Output;

pub(crate) async fn run(args: SetArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let torrents = listing::chosen(&caller, &args.which).await?;
    for one in &torrents {
        let change = change(&args.change, one);
        if !change.is_empty() {
            let path = format!("/torrents/{}", one.hash);
            caller.tell(Method::PATCH, &path, &Value::Object(change)).await?;
        }
    }
    if let Some(place) = args.change.queue {
        act::act(&caller, &torrents, action(place)).await?;
    }
    act::tell("changed", &torrents, output);
    Ok(())
}

const fn action(place: QueueArg) -> Action {
    match place {
        QueueArg::Top => Action::QueueTop,
        QueueArg::Up => Action::QueueUp,
        QueueArg::Down => Action::QueueDown,
        QueueArg::Bottom => Action::QueueBottom,
    }
}

/// What the API is told of one torrent.
fn change(args: &ChangeArgs, one: &Summary) -> Map<String, Value> {
    let mut change = Map::new();
    let mut say = |key: &str, value: Value| change.insert(key.to_owned(), value);
    if let Some(name) = &args.name {
        say("name", json!(name));
    }
    if let Some(label) = &args.set_label {
        say("label", if label.is_empty() { Value::Null } else { json!(label) });
    }
    if !args.add_tag.is_empty() {
        say("add_tags", json!(args.add_tag));
    }
    if !args.remove_tag.is_empty() {
        say("remove_tags", json!(args.remove_tag));
    }
    if let Some(limit) = args.download_limit {
        say("download_limit", json!(bytes_per_second(limit)));
    }
    if let Some(limit) = args.upload_limit {
        say("upload_limit", json!(bytes_per_second(limit)));
    }
    if let Some(sequential) = args.sequential {
        say("sequential", json!(sequential));
    }
    let seeding = seeding(args, one.seeding);
    if seeding != one.seeding {
        say("seeding", json!(seeding));
    }
    change
}

const fn bytes_per_second(limit: LimitArg<u64>) -> Option<u64> {
    match limit {
        LimitArg::Limit(rate) => Some(rate),
        LimitArg::Unlimited | LimitArg::Default => None,
    }
}

/// The API takes all three together.
fn seeding(args: &ChangeArgs, now: SeedingLimits) -> SeedingLimits {
    SeedingLimits {
        ratio: args.ratio.map_or(now.ratio, limit),
        seconds: args.seed_time.map_or(now.seconds, limit),
        idle_seconds: args.idle_time.map_or(now.idle_seconds, limit),
    }
}

fn limit<T>(limit: LimitArg<T>) -> SeedingLimit<T> {
    match limit {
        LimitArg::Default => SeedingLimit::Inherit,
        LimitArg::Unlimited => SeedingLimit::Unlimited,
        LimitArg::Limit(limit) => SeedingLimit::Limit(limit),
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::summary;
    use super::*;

    #[test]
    fn only_what_was_said_is_changed() {
        let one = Summary {
            seeding: SeedingLimits { seconds: SeedingLimit::Limit(60), ..SeedingLimits::default() },
            ..summary("aa", "x")
        };
        let nothing = change(&ChangeArgs::default(), &one);
        assert!(nothing.is_empty(), "{nothing:?}");
        let args = ChangeArgs {
            set_label: Some(String::new()),
            add_tag: vec!["a".to_owned()],
            upload_limit: Some(LimitArg::Unlimited),
            ratio: Some(LimitArg::Limit(2.0)),
            ..ChangeArgs::default()
        };
        let expected = json!({
            "label": null, "add_tags": ["a"], "upload_limit": null,
            "seeding": { "ratio": { "limit": 2.0 }, "seconds": { "limit": 60 }, "idle_seconds": "inherit" },
        });
        assert_eq!(Value::Object(change(&args, &one)), expected);
    }
}
