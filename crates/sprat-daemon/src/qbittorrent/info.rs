//! `torrents/info` and `torrents/count`: the list, or what is asked for of it.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::failure::Failure;
use super::list;
use super::params::Params;
use super::state::Web;
use super::status::Filter;
use super::torrent::List;
use super::who::named;
use crate::torrents::{Line, Summary};

/// The list.
pub(super) async fn info(State(web): State<Arc<Web>>, params: Params) -> Result<Response, Failure> {
    let list = list::look(&web).await?;
    let mut lines = match params.text("hashes") {
        Some(all) if all.is_empty() || all.eq_ignore_ascii_case("all") => list.snapshot.lines().to_vec(),
        Some(_) => named(&list.snapshot, &params.list("hashes", '|')),
        None => list.snapshot.lines().to_vec(),
    };
    let wanted = Wanted::read(&params);
    lines.retain(|line| wanted.is_met_by(&line.summary));
    if let Some(field) = params.text("sort").filter(|field| !field.is_empty()) {
        sort(&list, &mut lines, field);
    }
    if params.flag("reverse") == Some(true) {
        lines.reverse();
    }
    let lines = part(&lines, params.number("offset")?.unwrap_or(0), params.number("limit")?.unwrap_or(0));
    let described: Vec<_> = lines.iter().map(|line| list.describe(line)).collect();
    Ok(Json(described).into_response())
}

/// How many there are.
pub(super) fn count(web: &Web) -> String {
    web.service.snapshot().lines().len().to_string()
}

/// What those that are asked for have in common. An empty category or tag is asked for by those who want what has none.
struct Wanted<'a> {
    filter: Filter,
    category: Option<&'a str>,
    tag: Option<&'a str>,
    is_private: Option<bool>,
}

impl<'a> Wanted<'a> {
    fn read(params: &'a Params) -> Self {
        Self {
            filter: Filter::of(params.text("filter").unwrap_or_default()),
            category: params.text("category"),
            tag: params.text("tag"),
            is_private: params.flag("private"),
        }
    }

    fn is_met_by(&self, one: &Summary) -> bool {
        self.filter.passes(one)
            && self.category.is_none_or(|name| one.label.as_deref().unwrap_or_default() == name)
            && self
                .tag
                .is_none_or(|tag| if tag.is_empty() { one.tags.is_empty() } else { one.tags.contains(tag) })
            && self.is_private.is_none_or(|is_private| one.is_private == is_private)
    }
}

/// By any field that the list tells; those that are alike stay in their order.
fn sort(list: &List, lines: &mut [Arc<Line>], field: &str) {
    let key = |line: &Arc<Line>| match serde_json::to_value(list.describe(line)) {
        Ok(Value::Object(mut fields)) => fields.remove(field).unwrap_or_default(),
        _ => Value::Null,
    };
    let mut keyed: Vec<(Value, Arc<Line>)> = lines.iter().map(|line| (key(line), Arc::clone(line))).collect();
    keyed.sort_by(|(one, _), (other, _)| compare(one, other));
    for (place, (_, line)) in lines.iter_mut().zip(keyed) {
        *place = line;
    }
}

fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.to_lowercase().cmp(&other.to_lowercase()),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64().unwrap_or_default().total_cmp(&other.as_f64().unwrap_or_default())
        }
        _ => Ordering::Equal,
    }
}

/// So many from there on. A place below 0 is counted from the end; a number that is not above 0 means all.
fn part<T>(list: &[T], offset: i64, limit: i64) -> &[T] {
    let place = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    let begin = match offset {
        ..0 => list.len().saturating_sub(place),
        // Beyond the end is the beginning, as programs page until they see something again.
        0.. => {
            if place < list.len() {
                place
            } else {
                0
            }
        }
    };
    let rest = list.get(begin..).unwrap_or_default();
    let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    rest.get(..limit).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_is_cut_out() {
        let list = [1, 2, 3, 4, 5];
        assert_eq!(part(&list, 0, 0), list);
        assert_eq!(part(&list, 1, 2), [2, 3]);
        assert_eq!(part(&list, -2, -1), [4, 5]);
        assert_eq!(part(&list, -9, 1), [1]);
        assert_eq!(part(&list, 4, 9), [5]);
        assert_eq!(part(&list, 9, 2), [1, 2]);
        assert_eq!(part(&list, i64::MIN, i64::MAX), list);
    }

    #[test]
    fn values_of_a_kind_are_compared() {
        assert_eq!(compare(&json!("B"), &json!("a")), Ordering::Greater);
        assert_eq!(compare(&json!(2), &json!(10.5)), Ordering::Less);
        assert_eq!(compare(&json!(true), &json!(false)), Ordering::Greater);
        assert_eq!(compare(&json!(null), &json!(1)), Ordering::Equal);
    }
}
