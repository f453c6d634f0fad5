//! `sprat set`

use hyper::Method;
use serde_json::{Map, Value, json};
use sprat_daemon::service::Action;
use sprat_daemon::torrents::{SeedingChange, SeedingLimit};

use super::caller::Caller;
use super::{act, listing};
use crate::cli::remote::{ChangeArgs, LimitArg, QueueArg, SetArgs};
use crate::output::Output;

pub(crate) async fn run(args: SetArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let torrents = listing::chosen(&caller, &args.which).await?;
    let named = act::named(&args.which, &torrents);
    let change = change(&args.change);
    if !change.is_empty() && !torrents.is_empty() {
        let body = json!({ "torrents": named, "change": change });
        caller.tell(Method::PATCH, "/torrents", &body).await?;
    }
    if let Some(place) = args.change.queue {
        act::act(&caller, &named, action(place)).await?;
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

/// What the API is told.
fn change(args: &ChangeArgs) -> Map<String, Value> {
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
    let numbers = [
        ("download_limit", args.download_limit),
        ("upload_limit", args.upload_limit),
        ("connection_limit", args.connections),
    ];
    for (key, limit) in numbers {
        if let Some(limit) = limit {
            say(key, json!(number(limit)));
        }
    }
    let switches = [
        ("sequential", args.sequential),
        ("first_last", args.first_last),
        ("super_seeding", args.super_seeding),
    ];
    for (key, is_on) in switches {
        if let Some(is_on) = is_on {
            say(key, json!(is_on));
        }
    }
    let seeding = SeedingChange {
        ratio: args.ratio.map(limit),
        seconds: args.seed_time.map(limit),
        idle_seconds: args.idle_time.map(limit),
    };
    if seeding != SeedingChange::default() {
        say("seeding", json!(seeding));
    }
    change
}

const fn number(limit: LimitArg<u64>) -> Option<u64> {
    match limit {
        LimitArg::Limit(number) => Some(number),
        LimitArg::Unlimited | LimitArg::Default => None,
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
    use super::*;

    #[test]
    fn only_what_was_said_is_changed() {
        let nothing = change(&ChangeArgs::default());
        assert!(nothing.is_empty(), "{nothing:?}");
        let args = ChangeArgs {
            set_label: Some(String::new()),
            add_tag: vec!["a".to_owned()],
            upload_limit: Some(LimitArg::Unlimited),
            connections: Some(LimitArg::Limit(9)),
            super_seeding: Some(false),
            ratio: Some(LimitArg::Limit(2.0)),
            ..ChangeArgs::default()
        };
        let expected = json!({
            "label": null, "add_tags": ["a"], "upload_limit": null, "connection_limit": 9, "super_seeding": false,
            "seeding": { "ratio": { "limit": 2.0 } },
        });
        assert_eq!(Value::Object(change(&args)), expected);
    }
}
