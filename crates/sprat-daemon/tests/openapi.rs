//! The description of the API against a daemon: every operation is called as the description says, and answers as it says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use furnished::Furnished;
use wire::{Answer, exchange, head};

mod daemon_under_test;
mod furnished;
mod service_under_test;
#[allow(dead_code, reason = "not every test needs all of it")]
#[path = "access/wire.rs"]
mod wire;

/// An operation of the description.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    described: &'a Value,
}

impl Operation<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The schema of what it takes.
    fn request(&self) -> Option<&Value> {
        self.described.pointer("/requestBody/content/application~1json/schema")
    }

    /// Whether its answer is a stream of events, which has no end, or of a file that nobody has.
    fn is_stream(&self) -> bool {
        let content = self.described.pointer("/responses/200/content").and_then(Value::as_object);
        let is_one =
            |kind: &String| matches!(kind.as_str(), "text/event-stream" | "application/octet-stream");
        content.is_some_and(|content| content.keys().any(is_one))
    }

    /// What is said of answers with a status.
    fn response(&self, status: u16) -> Option<&Value> {
        self.described.get("responses")?.get(status.to_string())
    }
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter().filter(|(method, _)| method.as_str() != "parameters");
        methods.map(move |(method, described)| Operation { method, path, described })
    });
    all.collect()
}

/// What `value` has that `schema`, of `document`, does not allow. An object may have nothing that is not described.
fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut schema = schema.clone();
    let of_each = schema["type"] == "array";
    let object = if of_each { &mut schema["items"] } else { &mut schema };
    if object.get("$ref").is_some() {
        object["unevaluatedProperties"] = json!(false);
    }
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults = validator.iter_errors(value);
    faults.map(|fault| format!("{}: {fault}", fault.instance_path())).collect()
}

/// Calls an operation, and reads the answer: all of it, unless that has no end.
async fn call(
    furnished: &Furnished,
    operation: &Operation<'_>,
    path: &str,
    body: Option<&Value>,
    has_end: bool,
) -> Answer {
    let target = format!("/api/v1{path}");
    let mut request = furnished.house.request(&operation.method.to_uppercase(), &target);
    if let Some(body) = body {
        request = request.header("Content-Type", "application/json").body(body.to_string());
    }
    let address = furnished.house.address;
    let request = request.to_bytes();
    let answer = if has_end { exchange(address, &request).await } else { head(address, &request).await };
    answer.unwrap()
}

/// Compares an answer with what is said of it.
fn check(document: &Value, operation: &Operation<'_>, answer: &Answer) {
    let name = operation.name();
    let response = operation.response(answer.status);
    let response =
        response.unwrap_or_else(|| panic!("{name}: {} is not described: {answer:?}", answer.status));
    let kind = answer.header("content-type").unwrap_or_default();
    let Some(content) = response.get("content").and_then(Value::as_object) else {
        assert_eq!(answer.body, "", "{name}: no body is described");
        return;
    };
    let (_, described) = content
        .iter()
        .find(|(described, _)| kind.starts_with(described.as_str()))
        .unwrap_or_else(|| panic!("{name}: {kind:?} is not described"));
    if kind.starts_with("application/json") {
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(faults(document, &described["schema"], &body), [""; 0], "{name}: {body}");
    }
}

#[tokio::test]
async fn every_operation_answers_as_it_is_described() {
    let mut furnished = Furnished::open("").await;
    let document = furnished.house.get("/openapi.json").await;
    let operations = operations(&document);
    assert!(operations.len() >= 40, "{}", operations.len());
    for operation in &operations {
        furnished.restore().await;
        let path = furnished.path_of(operation.path);
        let body = furnished.body_of(operation.method, operation.path);
        if let Some(schema) = operation.request() {
            let body = body.as_ref().unwrap_or_else(|| panic!("{}: an example is missing", operation.name()));
            assert_eq!(faults(&document, schema, body), [""; 0], "{}: {body}", operation.name());
        }
        let answer = call(&furnished, operation, &path, body.as_ref(), !operation.is_stream()).await;
        assert!((200..300).contains(&answer.status), "{}: {answer:?}", operation.name());
        check(&document, operation, &answer);
    }
    furnished.house.close().await;
}

#[tokio::test]
async fn what_is_not_there_is_refused_as_it_is_described() {
    let furnished = Furnished::open("").await;
    let document = furnished.house.get("/openapi.json").await;
    for operation in operations(&document).iter().filter(|operation| operation.path.contains("{hash}")) {
        let path = furnished.path_of(&operation.path.replace("{hash}", &"f".repeat(40)));
        let body = furnished.body_of(operation.method, operation.path);
        let answer = call(&furnished, operation, &path, body.as_ref(), true).await;
        assert_eq!(answer.status, 404, "{}: {answer:?}", operation.name());
        check(&document, operation, &answer);
    }
    furnished.house.close().await;
}
