//! From HTTP to a request and back: who has no session id gets one, and each message is answered in the dialect that it is in.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use tokio::task::JoinError;

use super::failure::{Code, Failure};
use super::state::Rpc;
use super::{json_rpc, methods, old, session_keys};

const SESSION_ID: HeaderName = HeaderName::from_static("x-transmission-session-id");
const RPC_VERSION: HeaderName = HeaderName::from_static("x-transmission-rpc-version");

/// The largest body: a torrent file of 32 MiB in base64, and some words.
pub(super) const MAX_BODY: usize = 48 << 20;

/// Answers whatever was sent.
pub(super) async fn answer(
    Shared(rpc): Shared<Arc<Rpc>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let shown = headers.get(SESSION_ID).map(|value| value.as_bytes()).unwrap_or_default();
    if !bool::from(shown.ct_eq(rpc.session_id.as_bytes())) {
        return handshake(&rpc);
    }
    if method != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response();
    }
    match serde_json::from_slice(&body) {
        Err(error) => {
            json(&json_rpc::Reply { answer: Err(Failure::new(Code::Parse, error)), id: Value::Null })
        }
        Ok(Value::Array(calls)) if !calls.is_empty() => batch(&rpc, calls).await,
        Ok(Value::Object(object)) if !object.contains_key("jsonrpc") => {
            let (request, tag) = old::read(object);
            json(&old::Reply { answer: methods::perform(&rpc, request).await, tag })
        }
        Ok(value) => json_rpc_call(&rpc, value).await.map_or_else(nothing, |reply| json(&reply)),
    }
}

/// Whoever can read this answer is no page of somebody else's in a browser.
fn handshake(rpc: &Rpc) -> Response {
    let headers = [(SESSION_ID, rpc.session_id.as_str()), (RPC_VERSION, session_keys::RPC_VERSION_SEMVER)];
    let text = "Repeat this with the header X-Transmission-Session-Id that this answer has.\n";
    (StatusCode::CONFLICT, headers, text).into_response()
}

async fn batch(rpc: &Arc<Rpc>, calls: Vec<Value>) -> Response {
    let mut replies = Vec::new();
    for call in calls {
        replies.extend(json_rpc_call(rpc, call).await);
    }
    if replies.is_empty() { nothing() } else { json(&replies) }
}

/// Nothing for whoever wants no answer.
async fn json_rpc_call(rpc: &Arc<Rpc>, value: Value) -> Option<json_rpc::Reply> {
    match json_rpc::read(value) {
        Err(refusal) => Some(refusal),
        Ok((request, id)) => {
            let answer = methods::perform(rpc, request).await;
            id.map(|id| json_rpc::Reply { answer, id })
        }
    }
}

/// For a request on which the handler has panicked: which dialect it was in nobody knows any more.
pub(super) fn failed(error: &JoinError) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
}

fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

fn json(reply: &impl Serialize) -> Response {
    match serde_json::to_vec(reply) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
