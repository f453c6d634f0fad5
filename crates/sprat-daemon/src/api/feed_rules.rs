//! The rules by which what feeds offer is added.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::feed_names::{NewName, RuleName};
use crate::clock;
use crate::feeding::{ChangeFeedsError, Feeding};
use crate::feeds::{
    AddWith, EpisodeFilter, Judgement, LastMatch, Name, Notation, Rejection, Rule, RuleStatus,
};

/// Items that a test tells of. What would be taken comes first.
const MAX_JUDGED: usize = 2000;

/// A rule.
// Its fields one by one: the schema of `Rule` itself allows nothing besides them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RuleDetails {
    /// What it is called.
    name: String,
    /// Whether it is followed.
    enabled: bool,
    /// The feeds it is for, by name; all of them if there is none.
    #[schema(value_type = Vec<String>)]
    feeds: BTreeSet<Name>,
    /// How the next two are written.
    notation: Notation,
    /// What the title must contain. Empty: anything.
    must_contain: String,
    /// What the title must not contain. Empty: nothing.
    must_not_contain: String,
    /// The episodes that are wanted; all if this is empty.
    #[schema(value_type = String)]
    episodes: EpisodeFilter,
    /// Each episode only once, except for corrections.
    each_episode_once: bool,
    /// Days after a match within which nothing is wanted.
    ignore_days: u16,
    /// How what it wants is added.
    add: AddWith,
    /// What it took last.
    last_match: Option<LastMatchDetails>,
}

/// What a rule took last.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LastMatchDetails {
    /// When, seconds since 1970.
    at: i64,
    /// What the feed calls it.
    title: String,
}

impl RuleDetails {
    fn of(status: &RuleStatus<'_>) -> Self {
        let rule = status.rule.clone();
        Self {
            name: status.name.to_string(),
            enabled: rule.enabled,
            feeds: rule.feeds,
            notation: rule.notation,
            must_contain: rule.must_contain,
            must_not_contain: rule.must_not_contain,
            episodes: rule.episodes,
            each_episode_once: rule.each_episode_once,
            ignore_days: rule.ignore_days,
            add: rule.add,
            last_match: status.last_match.map(LastMatchDetails::from),
        }
    }
}

impl From<&LastMatch> for LastMatchDetails {
    fn from(last: &LastMatch) -> Self {
        Self { at: last.date.as_second(), title: last.title.clone() }
    }
}

/// All rules, in the order in which they are asked: the first that wants an item takes it.
#[utoipa::path(get, path = "/feed-rules", responses((status = 200, body = Vec<RuleDetails>)))]
pub(super) async fn list(State(feeding): State<Feeding>) -> Json<Vec<RuleDetails>> {
    Json(feeding.look(|feeds, _| feeds.rules().map(|status| RuleDetails::of(&status)).collect()))
}

/// A rule.
#[utoipa::path(get, path = "/feed-rules/{name}", params(("name" = String, Path)), responses(
    (status = 200, body = RuleDetails), (status = 404, body = ApiError)))]
pub(super) async fn details(
    State(feeding): State<Feeding>,
    RuleName(name): RuleName,
) -> Result<Json<RuleDetails>, ApiError> {
    let details = feeding.look(|feeds, _| feeds.rule(&name).map(|status| RuleDetails::of(&status)));
    Ok(Json(details.map_err(ChangeFeedsError::from)?))
}

/// What a rule has found at once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RuleSet {
    /// Items that are being added now.
    matches: usize,
}

/// Makes a rule, or changes it, and applies it to all that the feeds offer at present.
#[utoipa::path(put, path = "/feed-rules/{name}", params(("name" = String, Path)), request_body = Rule, responses(
    (status = 200, body = RuleSet), (status = 403, body = ApiError), (status = 409, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn put(
    State(feeding): State<Feeding>,
    NewName(name): NewName,
    Json(rule): Json<Rule>,
) -> Result<Json<RuleSet>, ApiError> {
    Ok(Json(RuleSet { matches: feeding.set_rule(name, rule).await? }))
}

/// Forgets a rule, and which episodes it has taken.
#[utoipa::path(delete, path = "/feed-rules/{name}", params(("name" = String, Path)), responses(
    (status = 204), (status = 404, body = ApiError)))]
pub(super) async fn delete(
    State(feeding): State<Feeding>,
    RuleName(name): RuleName,
) -> Result<StatusCode, ApiError> {
    feeding.change(|feeds, _| feeds.remove_rule(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a rule says to what the feeds offer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RuleTest {
    /// Items that it would take.
    would_take: usize,
    /// Those first, then the others; at most 2,000 in all.
    items: Vec<JudgedItem>,
}

/// What a rule says to an item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JudgedItem {
    /// The feed that offers it.
    feed: String,
    /// By which it is known there.
    key: String,
    /// What the feed calls it.
    title: String,
    /// The rule would take it.
    would_be_taken: bool,
    /// A rule has taken it before: so it does not come again.
    is_taken: bool,
    /// Why the rule does not want it.
    rejection: Option<Rejection>,
}

impl From<Judgement<'_>> for JudgedItem {
    fn from(judgement: Judgement<'_>) -> Self {
        Self {
            feed: judgement.feed.to_string(),
            key: judgement.item.key.as_str().to_owned(),
            title: judgement.item.title.clone(),
            would_be_taken: judgement.verdict.is_ok() && !judgement.is_taken,
            is_taken: judgement.is_taken,
            rejection: judgement.verdict.err(),
        }
    }
}

/// Tries a rule on all that the feeds offer at present, as if it were the only one, and takes nothing. It knows the episodes that
/// the rule with this name has taken, if there is one.
#[utoipa::path(post, path = "/feed-rules/{name}/test", params(("name" = String, Path)), request_body = Rule, responses(
    (status = 200, body = RuleTest), (status = 422, body = ApiError)))]
pub(super) async fn test(
    State(feeding): State<Feeding>,
    NewName(name): NewName,
    Json(rule): Json<Rule>,
) -> Result<Json<RuleTest>, ApiError> {
    // Thousands of titles may have to be looked at.
    let testing = tokio::task::spawn_blocking(move || {
        feeding.look(|feeds, _| {
            let judged = feeds.test_rule(clock::now(), &name, rule).map_err(ChangeFeedsError::from)?;
            let (wanted, others): (Vec<_>, Vec<_>) =
                judged.into_iter().partition(|judgement| judgement.verdict.is_ok() && !judgement.is_taken);
            let would_take = wanted.len();
            let items = wanted.into_iter().chain(others).take(MAX_JUDGED).map(JudgedItem::from).collect();
            Ok::<_, ChangeFeedsError>(RuleTest { would_take, items })
        })
    });
    Ok(Json(testing.await.map_err(ApiError::bad_request)??))
}
