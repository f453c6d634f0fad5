//! The list of torrents: a page of it, or what has changed since.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State as Shared};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use crate::service::Service;
use crate::torrents::{Cursor, Line, Snapshot, State, Summary};

/// Torrents on a page, unless it is said otherwise.
const PAGE: usize = 100;

/// The longest text to search for, bytes.
const MAX_SEARCH: usize = 200;

/// Which torrents, in which order, and what of them.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// In this state only.
    pub state: Option<State>,
    /// With this label only; empty is those without.
    pub label: Option<String>,
    /// With this tag only.
    pub tag: Option<String>,
    /// Those whose name has all of these words.
    pub search: Option<String>,
    /// By which field of a torrent; by queue position unless it is said otherwise.
    pub sort: Option<SortBy>,
    /// The greatest first.
    #[serde(default)]
    pub descending: bool,
    /// After so many.
    #[serde(default)]
    pub offset: usize,
    /// At the most so many; 100 unless it is said otherwise.
    pub limit: Option<usize>,
    /// Names of the fields that are wanted, with commas between; all unless it is said otherwise.
    pub fields: Option<String>,
    /// What has changed since this cursor, instead of a page.
    pub since: Option<String>,
}

/// What a list can be sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "they are the fields of a summary")]
pub enum SortBy {
    #[default]
    Position,
    Name,
    State,
    Size,
    Progress,
    DownloadRate,
    UploadRate,
    Downloaded,
    Uploaded,
    Ratio,
    Eta,
    Peers,
    Seeds,
    Label,
    AddedAt,
    CompletedAt,
    ActiveAt,
}

/// A part of the list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Page {
    /// What to ask for changes since.
    pub cursor: String,
    /// Torrents that the filters let through; with `since`, those that have changed.
    pub total: usize,
    /// With `since`: whoever asks must forget what it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full: Option<bool>,
    /// With `since`: those that were removed, by hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<Vec<String>>,
    /// Torrents, with the fields that were asked for.
    #[schema(value_type = Vec<Summary>)]
    pub torrents: Vec<Shown>,
}

/// A torrent on a page.
#[derive(Debug, Clone)]
pub enum Shown {
    /// All of it, written as it stands: lists are long.
    Whole(Arc<Line>),
    /// The fields that were asked for.
    Fields(Map<String, Value>),
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(line) => line.summary.serialize(serializer),
            Self::Fields(fields) => fields.serialize(serializer),
        }
    }
}

impl Shown {
    fn new(line: &Arc<Line>, fields: Option<&[&str]>) -> Self {
        let Some(fields) = fields else { return Self::Whole(Arc::clone(line)) };
        let Ok(Value::Object(mut all)) = serde_json::to_value(&line.summary) else {
            return Self::Fields(Map::new());
        };
        Self::Fields(fields.iter().filter_map(|field| all.remove_entry(*field)).collect())
    }
}

/// The list of torrents.
#[utoipa::path(get, path = "/torrents", params(ListQuery), responses((status = 200, body = Page), (status = 400, body = ApiError)))]
pub(super) async fn list(
    Shared(service): Shared<Service>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page>, ApiError> {
    let snapshot = service.snapshot();
    match &query.since {
        Some(cursor) => {
            let cursor = cursor.parse::<Cursor>().map_err(ApiError::bad_request)?;
            Ok(Json(changes(&snapshot, Some(cursor), query.fields.as_deref())))
        }
        None => Ok(Json(page(&snapshot, &query))),
    }
}

/// What has changed.
pub(super) fn changes(snapshot: &Snapshot, since: Option<Cursor>, fields: Option<&str>) -> Page {
    let delta = snapshot.since(since);
    let fields = fields.map(fields_of);
    let torrents: Vec<Shown> = delta.changed.iter().map(|line| Shown::new(line, fields.as_deref())).collect();
    Page {
        cursor: snapshot.cursor().to_string(),
        total: torrents.len(),
        full: Some(delta.is_full),
        gone: Some(delta.gone.into_iter().map(|gone| gone.hash).collect()),
        torrents,
    }
}

fn page(snapshot: &Snapshot, query: &ListQuery) -> Page {
    let words = query.search.as_deref().unwrap_or_default();
    let words = words.get(..MAX_SEARCH).unwrap_or(words).to_lowercase();
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut found: Vec<&Arc<Line>> =
        snapshot.lines().iter().filter(|line| query.lets_through(&line.summary, &words)).collect();
    sort(&mut found, query.sort.unwrap_or_default());
    if query.descending {
        found.reverse();
    }
    let fields = query.fields.as_deref().map(fields_of);
    let wanted = found.iter().skip(query.offset).take(query.limit.unwrap_or(PAGE));
    Page {
        cursor: snapshot.cursor().to_string(),
        total: found.len(),
        full: None,
        gone: None,
        torrents: wanted.map(|line| Shown::new(line, fields.as_deref())).collect(),
    }
}

impl ListQuery {
    fn lets_through(&self, one: &Summary, words: &[&str]) -> bool {
        let in_state = self.state.is_none_or(|state| one.state == state);
        let labelled =
            self.label.as_deref().is_none_or(|label| one.label.as_deref().unwrap_or_default() == label);
        let tagged = self.tag.as_ref().is_none_or(|tag| one.tags.contains(tag));
        in_state
            && labelled
            && tagged
            && (words.is_empty() || {
                let name = one.name.to_lowercase();
                words.iter().all(|word| name.contains(word))
            })
    }
}

fn sort(found: &mut [&Arc<Line>], by: SortBy) {
    // Equal ones stay in the order in which they were added.
    match by {
        SortBy::Position => found.sort_by_key(|line| line.summary.position),
        SortBy::Name => found.sort_by_cached_key(|line| line.summary.name.to_lowercase()),
        SortBy::State => found.sort_by_key(|line| line.summary.state),
        SortBy::Size => found.sort_by_key(|line| line.summary.size),
        SortBy::Progress => found.sort_by_key(|line| line.summary.progress),
        SortBy::DownloadRate => found.sort_by_key(|line| line.summary.download_rate),
        SortBy::UploadRate => found.sort_by_key(|line| line.summary.upload_rate),
        SortBy::Downloaded => found.sort_by_key(|line| line.summary.downloaded),
        SortBy::Uploaded => found.sort_by_key(|line| line.summary.uploaded),
        SortBy::Ratio => found.sort_by(|line, other| line.summary.ratio.total_cmp(&other.summary.ratio)),
        SortBy::Eta => found.sort_by_key(|line| line.summary.eta.unwrap_or(u64::MAX)),
        SortBy::Peers => found.sort_by_key(|line| line.summary.peers),
        SortBy::Seeds => found.sort_by_key(|line| line.summary.seeds),
        SortBy::Label => found.sort_by(|line, other| line.summary.label.cmp(&other.summary.label)),
        SortBy::AddedAt => found.sort_by_key(|line| line.summary.added_at),
        SortBy::CompletedAt => found.sort_by_key(|line| line.summary.completed_at),
        SortBy::ActiveAt => found.sort_by_key(|line| line.summary.active_at),
    }
}

fn fields_of(fields: &str) -> Vec<&str> {
    fields.split(',').map(str::trim).filter(|field| !field.is_empty()).collect()
}
