//! Feeds, and what they offer.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use sprat_core::time::Time;
use sprat_engine::http::RedactedUrl;
use url::Url;
use utoipa::ToSchema;

use super::error::ApiError;
use super::feed_names::{FeedName, NewName};
use crate::access::{Access, Granted};
use crate::feeding::{ChangeFeedsError, Feeding};
use crate::feeds::{FeedConfig, FeedStatus, FeedsError, ItemStatus, MIN_INTERVAL, RuleError};

/// The longest URL of a feed, bytes.
const MAX_URL: usize = 4096;

/// A feed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FeedDetails {
    /// What it is called here.
    name: String,
    /// Where it is. Whoever may only look sees the server, as there may be a key in the rest.
    url: String,
    /// How often it is fetched, in seconds, if somebody has said so.
    interval_secs: Option<u32>,
    /// It is not fetched.
    paused: bool,
    /// What it calls itself; not known before it was fetched.
    title: Option<String>,
    /// When it was fetched last with success since the start, seconds since 1970.
    fetched_at: Option<i64>,
    /// Why it could not be fetched.
    error: Option<String>,
    /// In how many tries, one after the other.
    failures: u32,
    /// In how many seconds it will be fetched again; not while it is fetched or paused, or something of it is being added.
    next_fetch_secs: Option<u64>,
    /// How many items it offers.
    items: usize,
}

impl FeedDetails {
    fn of(status: &FeedStatus<'_>, now: Time, access: Access) -> Self {
        Self {
            name: status.name.to_string(),
            url: shown(&status.config.url, access),
            interval_secs: status.config.interval_secs,
            paused: status.config.paused,
            title: status.title.map(str::to_owned),
            fetched_at: status.fetched.map(|date| date.as_second()),
            error: status.error.map(str::to_owned),
            failures: status.failures,
            next_fetch_secs: status.next_fetch.map(|due| due.since(now).as_secs()),
            items: status.items.len(),
        }
    }
}

/// A URL, to whoever may see the key that may be in it.
fn shown(url: &str, access: Access) -> String {
    if access == Access::Full { url.to_owned() } else { RedactedUrl::parse(url).to_string() }
}

/// All feeds.
#[utoipa::path(get, path = "/feeds", responses((status = 200, body = Vec<FeedDetails>)))]
pub(super) async fn list(
    State(feeding): State<Feeding>,
    Extension(granted): Extension<Granted>,
) -> Json<Vec<FeedDetails>> {
    Json(feeding.look(|feeds, now| {
        feeds.feeds().map(|status| FeedDetails::of(&status, now, granted.access)).collect()
    }))
}

/// A feed.
#[utoipa::path(get, path = "/feeds/{name}", params(("name" = String, Path)), responses(
    (status = 200, body = FeedDetails), (status = 404, body = ApiError)))]
pub(super) async fn details(
    State(feeding): State<Feeding>,
    Extension(granted): Extension<Granted>,
    FeedName(name): FeedName,
) -> Result<Json<FeedDetails>, ApiError> {
    let details = feeding
        .look(|feeds, now| feeds.feed(&name).map(|status| FeedDetails::of(&status, now, granted.access)));
    Ok(Json(details.map_err(ChangeFeedsError::from)?))
}

/// What is said of a feed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FeedRequest {
    /// Where it is: `http` or `https`. May be left out if the feed is there: then it stays.
    url: Option<String>,
    /// How often to fetch it, in seconds, whatever it asks for itself; at least 300.
    interval_secs: Option<u32>,
    /// Not to be fetched.
    paused: bool,
}

impl FeedRequest {
    fn check(&self) -> Result<(), ApiError> {
        let refuse = |message| Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "feed", message));
        let is_of_the_web = |url: &String| {
            url.len() <= MAX_URL && Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
        };
        if !self.url.as_ref().is_none_or(is_of_the_web) {
            return refuse("`url` is not an http or https URL, or too long".to_owned());
        }
        let least = MIN_INTERVAL.as_secs();
        if self.interval_secs.is_some_and(|secs| u64::from(secs) < least) {
            return refuse(format!("`interval_secs` is less than {least}"));
        }
        Ok(())
    }
}

/// Makes a feed, or changes it, and fetches it.
#[utoipa::path(put, path = "/feeds/{name}", params(("name" = String, Path)), request_body = FeedRequest, responses(
    (status = 204), (status = 404, body = ApiError), (status = 409, body = ApiError), (status = 422, body = ApiError)))]
pub(super) async fn put(
    State(feeding): State<Feeding>,
    NewName(name): NewName,
    Json(request): Json<FeedRequest>,
) -> Result<StatusCode, ApiError> {
    request.check()?;
    feeding
        .change(|feeds, now| {
            let url = match request.url {
                Some(url) => url,
                None => feeds.feed(&name)?.config.url.clone(),
            };
            let config = FeedConfig { url, interval_secs: request.interval_secs, paused: request.paused };
            feeds.set_feed(now, name, config)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets a feed. What was added from it stays.
#[utoipa::path(delete, path = "/feeds/{name}", params(("name" = String, Path)), responses(
    (status = 204), (status = 404, body = ApiError)))]
pub(super) async fn delete(
    State(feeding): State<Feeding>,
    FeedName(name): FeedName,
) -> Result<StatusCode, ApiError> {
    feeding.change(|feeds, _| feeds.remove_feed(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Fetches a feed soon, whenever it would be its turn. One that is paused stays so.
#[utoipa::path(post, path = "/feeds/{name}/refresh", params(("name" = String, Path)), responses(
    (status = 202), (status = 404, body = ApiError)))]
pub(super) async fn refresh(
    State(feeding): State<Feeding>,
    FeedName(name): FeedName,
) -> Result<StatusCode, ApiError> {
    feeding.refresh(&name)?;
    Ok(StatusCode::ACCEPTED)
}

/// Something that a feed offers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ItemDetails {
    /// Unlike that of all others of its feed.
    key: String,
    /// As the feed calls it.
    title: String,
    /// What would be added, a URL or a magnet link. Whoever may only look sees the server, as there may be a key in the
    /// rest.
    source: Option<String>,
    /// A page about it; as `source`.
    page: Option<String>,
    /// When it was published, as the feed says, seconds since 1970.
    published_at: Option<i64>,
    /// Bytes, as the feed says; some say how long the torrent file is instead.
    size: Option<u64>,
    /// A rule has taken it, and it does not come again.
    is_taken: bool,
    /// Why it could not be added the last time that it was tried.
    failure: Option<String>,
}

impl ItemDetails {
    fn of(status: &ItemStatus<'_>, access: Access) -> Self {
        let item = status.item;
        let shown = |url: &Option<String>| url.as_ref().map(|url| shown(url, access));
        Self {
            key: item.key.as_str().to_owned(),
            title: item.title.clone(),
            source: shown(&item.source),
            page: shown(&item.page),
            published_at: item.published.map(|date| date.as_second()),
            size: item.size,
            is_taken: status.is_taken,
            failure: status.failure.map(str::to_owned),
        }
    }
}

/// What a feed offers.
#[utoipa::path(get, path = "/feeds/{name}/items", params(("name" = String, Path)), responses(
    (status = 200, body = Vec<ItemDetails>), (status = 404, body = ApiError)))]
pub(super) async fn items(
    State(feeding): State<Feeding>,
    Extension(granted): Extension<Granted>,
    FeedName(name): FeedName,
) -> Result<Json<Vec<ItemDetails>>, ApiError> {
    let items = feeding.look(|feeds, _| {
        let items = feeds.items(&name)?.map(|status| ItemDetails::of(&status, granted.access));
        Ok::<_, ChangeFeedsError>(items.collect())
    });
    Ok(Json(items?))
}

impl From<ChangeFeedsError> for ApiError {
    fn from(error: ChangeFeedsError) -> Self {
        let message = error.to_string();
        match error {
            ChangeFeedsError::Feeds(FeedsError::NoSuchFeed) => {
                Self::new(StatusCode::NOT_FOUND, "unknown_feed", message)
            }
            ChangeFeedsError::Feeds(FeedsError::NoSuchRule) => {
                Self::new(StatusCode::NOT_FOUND, "unknown_rule", message)
            }
            ChangeFeedsError::Feeds(FeedsError::TooManyFeeds)
            | ChangeFeedsError::Rule(RuleError::TooMany) => {
                Self::new(StatusCode::CONFLICT, "too_many", message)
            }
            ChangeFeedsError::Rule(RuleError::Pattern(_) | RuleError::NoSuchFeed(_)) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "rule", message)
            }
            ChangeFeedsError::Add(error) => error.into(),
            ChangeFeedsError::State(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, "state", message),
        }
    }
}
