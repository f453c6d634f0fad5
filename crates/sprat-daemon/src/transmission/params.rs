//! What is asked, before it is known what it is about.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::failure::Failure;
use super::names::folded;

/// The parameters of a request, by their [folded](folded) names. `null` is as if it was not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Params(BTreeMap<String, Value>);

impl From<Map<String, Value>> for Params {
    fn from(object: Map<String, Value>) -> Self {
        let named = object.into_iter().filter(|(_, value)| !value.is_null());
        Self(named.map(|(name, value)| (folded(&name), value)).collect())
    }
}

impl Params {
    /// Whether this one is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// As it was sent.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(&folded(name))
    }

    fn read<'a, T>(
        &'a self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let Some(value) = self.0.get(&folded(name)) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| Failure::parameter(name, expected))
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        self.read(name, "this is not a text", Value::as_str)
    }

    /// Yes or no; old clients also send 1 and 0.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        self.read(name, "this is neither true nor false", |value| match value {
            Value::Bool(flag) => Some(*flag),
            _ => integer(value).map(|number| number != 0),
        })
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.read(name, "this is not a whole number", integer)
    }

    /// A number.
    pub(super) fn real(&self, name: &str) -> Result<Option<f64>, Failure> {
        self.read(name, "this is not a number", Value::as_f64)
    }

    /// A number that counts something.
    pub(super) fn count(&self, name: &str) -> Result<Option<u64>, Failure> {
        self.read(name, "this is not a number from 0 upwards", |value| u64::try_from(integer(value)?).ok())
    }

    /// Texts.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Failure> {
        self.read(name, "this is not a list of texts", |value| {
            value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
        })
    }

    /// Numbers of files.
    pub(super) fn numbers(&self, name: &str) -> Result<Option<Vec<usize>>, Failure> {
        self.read(name, "this is not a list of numbers from 0 upwards", |value| {
            value.as_array()?.iter().map(|one| usize::try_from(integer(one)?).ok()).collect()
        })
    }
}

/// Some clients know no whole numbers.
pub(super) fn integer(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "it is looked at whether it is whole")]
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64);
    value.as_i64().or_else(|| whole(value.as_f64()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::failure::Code;
    use super::*;

    fn params(value: Value) -> Params {
        let Value::Object(object) = value else { panic!("not an object") };
        object.into()
    }

    #[test]
    fn values_are_found_in_any_spelling_and_have_a_type() {
        let params = params(json!({
            "files-wanted": [0, 2.0], "downloadLimited": 1, "seed_ratio_limit": 2, "peer-limit": null, "labels": ["a"],
            "filename": 5, "uploadLimit": -1,
        }));
        assert_eq!(params.numbers("files_wanted").unwrap(), Some(vec![0, 2]));
        assert_eq!(params.flag("download_limited").unwrap(), Some(true));
        assert_eq!(params.real("seed_ratio_limit").unwrap(), Some(2.0));
        assert_eq!(params.integer("peer_limit").unwrap(), None);
        assert_eq!(params.texts("labels").unwrap(), Some(vec!["a".to_owned()]));
        assert!(!params.has("paused"));
        assert_eq!(params.text("filename").unwrap_err().code, Code::InvalidParams);
        assert!(params.count("upload_limit").is_err());
        assert!(params.texts("files_wanted").is_err());
    }
}
