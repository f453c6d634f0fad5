//! The dialect of all clients before Transmission 4.1.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

use super::call::{Answer, Request};
use super::failure::Failure;
use super::names::Dialect;
use super::params::Params;
use super::value::Spoken;

/// What Transmission says of a method that it does not know, and what clients look for.
const UNKNOWN_METHOD: &str = "no method name";

/// What was sent, and by what the client finds the answer again.
pub(super) fn read(mut object: Map<String, Value>) -> (Request, Option<Value>) {
    let tag = object.remove("tag").filter(Value::is_number);
    let method = object.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
    let params = match object.remove("arguments") {
        Some(Value::Object(arguments)) => arguments.into(),
        _ => Params::default(),
    };
    (Request { method, params }, tag)
}

/// An answer to it.
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) tag: Option<Value>,
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (arguments, result) = match &self.answer {
            Ok(object) => (object, "success"),
            Err(Failure { code: super::failure::Code::MethodNotFound, result, .. }) => {
                (result, UNKNOWN_METHOD)
            }
            Err(failure) => (&failure.result, failure.detail.as_str()),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("arguments", &Spoken(arguments, Dialect::Old))?;
        map.serialize_entry("result", result)?;
        if let Some(tag) = &self.tag {
            map.serialize_entry("tag", tag)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::failure::Code;
    use super::super::names::Name;
    use super::*;

    #[test]
    fn requests_and_answers() {
        let Value::Object(sent) = json!({"method": "torrent-get", "arguments": {"ids": [1]}, "tag": 7})
        else {
            unreachable!()
        };
        let (request, tag) = read(sent);
        assert_eq!(request.method, "torrent-get");
        assert_eq!(request.params.value("ids"), Some(&json!([1])));
        let good = Reply { answer: Ok(vec![(Name::Kebab("size_bytes"), 5_u64.into())]), tag };
        let good = serde_json::to_value(good).unwrap();
        assert_eq!(good, json!({"arguments": {"size-bytes": 5}, "result": "success", "tag": 7}));
        let bad = Reply { answer: Err(Failure::new(Code::System, "no room")), tag: None };
        assert_eq!(serde_json::to_value(bad).unwrap(), json!({"arguments": {}, "result": "no room"}));
        let unknown = Reply { answer: Err(Failure::plain(Code::MethodNotFound)), tag: None };
        assert_eq!(serde_json::to_value(unknown).unwrap()["result"], "no method name");
    }
}
