//! The description of the API against a daemon: every operation is called as the description says, and answers as it says.

#![expect(clippy::unwrap_used, reason = "a test fails where its set-up does")]

use serde_json::{Value, json};

use furnished::Furnished;
use wire::{Answer, exchange, head};

mod daemon_under_test;
mod furnished;
mod service_under_test;
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

/// What is wrong with an answer, by what is said of it.
fn faults_of(document: &Value, operation: &Operation<'_>, answer: &Answer) -> Vec<String> {
    let Some(response) = operation.response(answer.status) else {
        return vec![format!("{} is not described: {answer:?}", answer.status)];
    };
    let kind = answer.header("content-type").unwrap_or_default();
    let Some(content) = response.get("content").and_then(Value::as_object) else {
        return if answer.body.is_empty() { Vec::new() } else { vec!["no body is described".to_owned()] };
    };
    let described = content.iter().find(|(described, _)| kind.starts_with(described.as_str()));
    let Some((_, described)) = described else { return vec![format!("{kind:?} is not described")] };
    if !kind.starts_with("application/json") {
        return Vec::new();
    }
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    faults(document, &described["schema"], &body)
}

/// Fails with all that was found.
#[track_caller]
fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn every_operation_answers_as_it_is_described() {
    let mut furnished = Furnished::open("").await;
    let document = furnished.house.get("/openapi.json").await;
    let operations = operations(&document);
    assert!(operations.len() >= 40, "{}", operations.len());
    let mut found = Vec::new();
    for operation in &operations {
        furnished.restore().await;
        let path = furnished.path_of(operation.path);
        let body = furnished.body_of(operation.method, operation.path);
        let mut of_this = Vec::new();
        match (operation.request(), &body) {
            (Some(schema), Some(body)) => of_this.extend(faults(&document, schema, body)),
            (Some(_), None) => of_this.push("an example is missing".to_owned()),
            (None, _) => {}
        }
        let answer = call(&furnished, operation, &path, body.as_ref(), !operation.is_stream()).await;
        if !(200..300).contains(&answer.status) {
            of_this.push(format!("{answer:?}"));
        }
        of_this.extend(faults_of(&document, operation, &answer));
        found.extend(of_this.into_iter().map(|fault| format!("{}: {fault}", operation.name())));
    }
    assert_none(&found);
    furnished.house.close().await;
}

#[tokio::test]
async fn what_is_not_there_is_refused_as_it_is_described() {
    let furnished = Furnished::open("").await;
    let document = furnished.house.get("/openapi.json").await;
    let mut found = Vec::new();
    for operation in operations(&document).iter().filter(|operation| operation.path.contains("{hash}")) {
        let path = furnished.path_of(&operation.path.replace("{hash}", &"f".repeat(40)));
        let body = furnished.body_of(operation.method, operation.path);
        let answer = call(&furnished, operation, &path, body.as_ref(), true).await;
        let mut of_this = faults_of(&document, operation, &answer);
        if answer.status != 404 {
            of_this.push(format!("{answer:?}"));
        }
        found.extend(of_this.into_iter().map(|fault| format!("{}: {fault}", operation.name())));
    }
    assert_none(&found);
    furnished.house.close().await;
}

#[tokio::test]
async fn ten_thousand_torrents_are_named_in_one_request() {
    let mut furnished = Furnished::open("").await;
    let these = vec![furnished.hash.clone(); 10_000];
    let requests = [
        ("POST", "/torrents/act", json!({"torrents": these, "action": "stop"})),
        ("PATCH", "/torrents", json!({"torrents": these, "change": {"add_tags": ["many"]}})),
        ("POST", "/torrents/remove", json!({"torrents": these})),
    ];
    for (method, path, body) in requests {
        let reply = furnished.house.tell(method, path, body).await;
        assert_eq!(reply.status, 204, "{method} {path}: {reply:?}");
    }
    furnished.restore().await;
    let files = format!("/torrents/{}/files", furnished.hash);
    let wish = json!({"files": vec![0; 100_000], "priority": "normal"});
    assert_eq!(furnished.house.tell("PATCH", &files, wish).await.status, 204);
    // What names one thing stays short.
    let wish = json!({"name": "x".repeat(100_000)});
    let one = format!("/torrents/{}", furnished.hash);
    assert_eq!(furnished.house.tell("PATCH", &one, wish).await.status, 413);
    furnished.house.close().await;
}
