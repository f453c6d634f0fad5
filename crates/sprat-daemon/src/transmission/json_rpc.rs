//! JSON-RPC 2.0, as Transmission 4.1 speaks it. Batches are for whoever has the whole body.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value, json};

use super::call::{Answer, Request};
use super::failure::{Code, Failure};
use super::names::Dialect;
use super::params::Params;
use super::value::{Out, Spoken};

/// The version, which every message names.
const VERSION: &str = "2.0";

/// By what a client finds the answer again; whoever sends none wants none.
pub(super) type Id = Option<Value>;

/// What was sent.
pub(super) fn read(value: Value) -> Result<(Request, Id), Reply> {
    let Value::Object(mut object) = value else { return Err(refusal(Value::Null, "it is not an object")) };
    let id = object.remove("id");
    if id.as_ref().is_some_and(|id| !matches!(id, Value::Null | Value::Number(_) | Value::String(_))) {
        return Err(refusal(Value::Null, "id: this is neither a text nor a number"));
    }
    match request(object) {
        Ok(request) => Ok((request, id)),
        Err(problem) => Err(refusal(id.unwrap_or_default(), problem)),
    }
}

fn request(mut object: Map<String, Value>) -> Result<Request, &'static str> {
    if object.get("jsonrpc").and_then(Value::as_str) != Some(VERSION) {
        return Err("jsonrpc: only 2.0 is spoken here");
    }
    let Some(Value::String(method)) = object.remove("method") else { return Err("method: it is missing") };
    let params = match object.remove("params") {
        Some(Value::Object(params)) => params.into(),
        None | Some(Value::Null) => Params::default(),
        Some(_) => return Err("params: they need names"),
    };
    Ok(Request { method, params })
}

fn refusal(id: Value, problem: &str) -> Reply {
    Reply { answer: Err(Failure::new(Code::InvalidRequest, problem)), id }
}

/// An answer.
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) id: Value,
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("jsonrpc", VERSION)?;
        match &self.answer {
            Ok(object) => map.serialize_entry("result", &Spoken(object, Dialect::JsonRpc))?,
            Err(failure) => map.serialize_entry("error", &error(failure))?,
        }
        map.serialize_entry("id", &self.id)?;
        map.end()
    }
}

fn error(failure: &Failure) -> Value {
    let message = failure.code.to_string();
    let mut data = Map::new();
    if failure.detail != message {
        data.insert("error_string".to_owned(), failure.detail.clone().into());
    }
    if !failure.result.is_empty() {
        let result = Out::Object(failure.result.clone());
        let result = serde_json::to_value(Spoken(&result, Dialect::JsonRpc)).unwrap_or_default();
        data.insert("result".to_owned(), result);
    }
    let mut error = json!({ "code": failure.code.number(), "message": message });
    if !data.is_empty() {
        error["data"] = data.into();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::super::names::Name;
    use super::*;

    fn error_of(value: Value) -> Value {
        let Err(reply) = read(value) else { panic!("it was taken") };
        serde_json::to_value(reply).unwrap()
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert_eq!(error_of(json!(5))["error"]["code"], -32600);
        assert_eq!(error_of(json!({"jsonrpc": "1.0", "method": "x", "id": 4}))["id"], 4);
        assert_eq!(error_of(json!({"jsonrpc": "2.0", "id": "a"}))["id"], "a");
        assert_eq!(
            error_of(json!({"jsonrpc": "2.0", "method": "x", "params": [1], "id": 1}))["error"]["code"],
            -32600
        );
        assert_eq!(error_of(json!({"jsonrpc": "2.0", "method": "x", "id": []}))["id"], Value::Null);
    }

    #[test]
    fn requests_and_answers() {
        let sent = json!({"jsonrpc": "2.0", "method": "free_space", "params": {"path": "/"}, "id": 12});
        let Ok((request, id)) = read(sent) else { panic!("it was refused") };
        assert_eq!((request.method.as_str(), id), ("free_space", Some(json!(12))));
        let Ok((_, none)) = read(json!({"jsonrpc": "2.0", "method": "x"})) else { panic!("it was refused") };
        assert_eq!(none, None);
        let good = Reply { answer: Ok(vec![(Name::Kebab("size_bytes"), 5_u64.into())]), id: json!(12) };
        let good = serde_json::to_value(good).unwrap();
        assert_eq!(good, json!({"jsonrpc": "2.0", "result": {"size_bytes": 5}, "id": 12}));
        let mut failure = Failure::new(Code::Fetch, "nobody there");
        failure.result.push((Name::Same("ip_protocol"), "ipv4".into()));
        let bad = serde_json::to_value(Reply { answer: Err(failure), id: json!(1) }).unwrap();
        assert_eq!(bad["error"]["code"], 8);
        assert_eq!(
            bad["error"]["data"],
            json!({"error_string": "nobody there", "result": {"ip_protocol": "ipv4"}})
        );
    }
}
