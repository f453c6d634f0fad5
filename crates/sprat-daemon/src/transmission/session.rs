//! `session-get`, `session-set`, `session-stats` and `session-close`.

use std::path::Path;

use serde_json::Value;

use super::call::Answer;
use super::choosing;
use super::failure::{Code, Failure};
use super::names::{Dialect, Name, folded};
use super::params::Params;
use super::session_keys::{FREE_SPACE, KEYS, Key, View};
use super::state::Rpc;
use super::value::{Object, Out, Spoken};
use crate::service::Choices;
use crate::statistics::Counts;
use crate::torrents::State;

/// What is so, of the keys that are asked for, or all.
pub(super) async fn get(rpc: &Rpc, params: &Params) -> Answer {
    let fields = params.texts("fields")?;
    let fields: Option<Vec<String>> = fields.map(|fields| fields.iter().map(|field| folded(field)).collect());
    let is_asked = |key: &&Key| match &fields {
        Some(fields) => fields.iter().any(|field| key.name.is(field)),
        None => true,
    };
    let keys: Vec<&Key> = KEYS.iter().filter(is_asked).collect();
    let choices = rpc.service.choices();
    let free = if keys.iter().any(|key| key.name.canonical() == FREE_SPACE) {
        free(&choices.downloads).await
    } else {
        UNKNOWN
    };
    let view = view(rpc, &choices, free);
    Ok(keys.into_iter().map(|key| (key.name, (key.value)(&view))).collect())
}

const UNKNOWN: i64 = -1;

fn view<'a>(rpc: &'a Rpc, choices: &'a Choices, free: i64) -> View<'a> {
    View {
        choices,
        fixed: rpc.service.fixed(),
        memory: &rpc.memory,
        session_id: &rpc.session_id,
        state: &rpc.around.state,
        port: rpc.service.client().port(),
        free,
    }
}

async fn free(directory: &Path) -> i64 {
    let directory = directory.to_path_buf();
    let space = tokio::task::spawn_blocking(move || crate::space::of(&directory)).await;
    space.ok().and_then(Result::ok).and_then(|space| i64::try_from(space.free).ok()).unwrap_or(UNKNOWN)
}

/// Chooses otherwise. What cannot be changed stays as it is; if it was to be another, that is answered once everything else is done.
pub(super) async fn set(rpc: &Rpc, params: &Params) -> Answer {
    let before = rpc.service.choices();
    let after = choosing::chosen(params, &rpc.memory, &before)?;
    if after != before {
        (rpc.around.choose)(before, after).await.map_err(|problem| Failure::new(Code::System, problem))?;
    }
    let choices = rpc.service.choices();
    let view = view(rpc, &choices, UNKNOWN);
    let fixed = KEYS.iter().filter(|key| !choosing::HEEDED.contains(&key.name.canonical()));
    let refused: Vec<_> = fixed
        .filter(|key| {
            params.value(key.name.canonical()).is_some_and(|wish| !is_so(wish, &(key.value)(&view)))
        })
        .map(|key| key.name.spelled(Dialect::Old))
        .collect();
    if refused.is_empty() {
        return Ok(Object::new());
    }
    let detail = format!("done but for this, which cannot be changed from here: {}", refused.join(", "));
    Err(Failure::new(Code::InvalidParams, detail))
}

/// What is wished is so already. A client sends all that it knows, in its own dialect, and often what it was told.
fn is_so(wish: &Value, value: &Out) -> bool {
    [Dialect::Old, Dialect::JsonRpc].into_iter().any(|dialect| {
        let so = serde_json::to_value(Spoken(value, dialect)).unwrap_or_default();
        so == *wish
            || (so.is_number() && so.as_f64() == wish.as_f64())
            || so.as_bool() == flag(wish) && so.is_boolean()
    })
}

fn flag(wish: &Value) -> Option<bool> {
    wish.as_bool().or_else(|| wish.as_i64().map(|number| number != 0))
}

/// What was counted.
pub(super) fn stats(rpc: &Rpc) -> Object {
    let snapshot = rpc.service.snapshot();
    let sum = |of: fn(&crate::torrents::Summary) -> u64| -> u64 {
        snapshot.lines().iter().map(|line| of(&line.summary)).sum()
    };
    let stopped = snapshot.lines().iter().filter(|line| line.summary.state == State::Stopped).count();
    let counted = rpc.service.statistics();
    vec![
        (Name::Camel("active_torrent_count"), (snapshot.lines().len() - stopped).into()),
        (Name::Camel("download_speed"), sum(|one| one.download_rate).into()),
        (Name::Camel("paused_torrent_count"), stopped.into()),
        (Name::Camel("torrent_count"), snapshot.lines().len().into()),
        (Name::Camel("upload_speed"), sum(|one| one.upload_rate).into()),
        (Name::Kebab("cumulative_stats"), counts(&counted.all()).into()),
        (Name::Kebab("current_stats"), counts(&counted.session).into()),
    ]
}

fn counts(counts: &Counts) -> Object {
    vec![
        (Name::Camel("uploaded_bytes"), counts.uploaded.into()),
        (Name::Camel("downloaded_bytes"), counts.downloaded.into()),
        // Torrents, in spite of its name, as in Transmission.
        (Name::Camel("files_added"), counts.added.into()),
        (Name::Camel("session_count"), counts.starts.into()),
        (Name::Camel("seconds_active"), counts.seconds.into()),
    ]
}

/// Ends the daemon, soon after this is answered.
pub(super) fn close(rpc: &Rpc) -> Object {
    (rpc.around.close)();
    Object::new()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_so_already_may_be_wished() {
        let plain = Out::Word(Name::Odd { new: "allowed", old: "tolerated" });
        assert!(is_so(&json!("tolerated"), &plain) && is_so(&json!("allowed"), &plain));
        assert!(!is_so(&json!("required"), &plain));
        assert!(is_so(&json!(0), &false.into()) && is_so(&json!(false), &false.into()));
        assert!(!is_so(&json!(1), &false.into()) && !is_so(&json!("x"), &false.into()));
        assert!(is_so(&json!(51413.0), &51413_i64.into()));
    }
}
