//! The gate in front of the routes of an interface.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use futures_util::StreamExt as _;

use super::door::Door;
use super::gate::Gate;
use super::refusal::Refusal;
use crate::http::Connection;

/// Lets only what was sent to us, and not by a foreign page, reach the routes of `router`: for what anybody may see. No other routes than
/// those are looked at.
pub fn admit<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    gate: Arc<Gate>,
    refuse: fn(&Refusal) -> Response,
) -> Router<S> {
    router.route_layer(from_fn(move |request: Request, next: Next| {
        let gate = Arc::clone(&gate);
        async move {
            let (parts, body) = request.into_parts();
            let connection = Connection::of(&parts).ok_or(Refusal::Malformed);
            match connection.and_then(|connection| gate.admit(&parts, &connection)) {
                Ok(_) => next.run(Request::from_parts(parts, body)).await,
                Err(refusal) => refuse(&refusal),
            }
        }
    }))
}

/// Puts the gate in front of every route of `router`, also of those that do not exist: who has no token learns nothing.
/// Behind it each request has its [`Granted`](super::Granted) among its extensions. An answer without a known length, such as a stream of
/// events, ends with the token.
pub fn guard<S: Clone + Send + Sync + 'static>(router: Router<S>, gate: Arc<Gate>, door: Door) -> Router<S> {
    router.layer(from_fn(move |request: Request, next: Next| {
        let gate = Arc::clone(&gate);
        async move {
            let (mut parts, body) = request.into_parts();
            // Without a connection, somebody has forgotten our server: nobody may pass.
            let connection = Connection::of(&parts).ok_or(Refusal::Malformed);
            match connection.and_then(|connection| gate.judge(&parts, &connection, &door)) {
                Ok(granted) => {
                    let token = granted.token.id.clone();
                    parts.extensions.insert(granted);
                    ending_with(gate, token, next.run(Request::from_parts(parts, body)).await)
                }
                Err(refusal) => (door.refuse)(&refusal),
            }
        }
    }))
}

/// An answer that ends with a token, unless its length is known already and it is about to be sent.
pub(crate) fn ending_with(gate: Arc<Gate>, token: String, response: Response) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let ended = async move { gate.tokens().ended(&token).await };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(ended))))
}
