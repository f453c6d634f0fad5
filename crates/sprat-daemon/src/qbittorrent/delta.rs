//! What is different in two objects.

use serde_json::{Map, Value};

/// The fields of `after` that are not so in `before`.
pub(super) fn fields(before: &Map<String, Value>, after: Map<String, Value>) -> Map<String, Value> {
    after.into_iter().filter(|(name, value)| before.get(name) != Some(value)).collect()
}

/// The fields of an object.
pub(super) fn object(value: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_new_is_left() {
        let before = object(&json!({"a": 1, "b": "x", "c": [1], "gone": true}));
        let after = object(&json!({"a": 1, "b": "y", "c": [1, 2], "new": null}));
        assert_eq!(fields(&before, after), object(&json!({"b": "y", "c": [1, 2], "new": null})));
        assert!(fields(&before, before.clone()).is_empty());
    }
}
