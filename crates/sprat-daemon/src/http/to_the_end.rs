//! What was begun is ended: a client that hangs up leaves nothing half done.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tokio::task::JoinError;

/// Has every change behind `router` go on when nobody waits for its answer any more. The server drops a handler when its connection is
/// closed, wherever that is just waiting: of a torrent that is already written down nobody would have been told. What only looks
/// (GET, HEAD, OPTIONS) is dropped as ever. To be laid inside of the gate, so that strangers begin nothing.
///
/// A handler that fails is answered by `failed`.
pub fn to_the_end<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    failed: fn(&JoinError) -> Response,
) -> Router<S> {
    router.layer(from_fn(move |request: Request, next: Next| async move {
        if request.method().is_safe() {
            return next.run(request).await;
        }
        tokio::spawn(next.run(request)).await.unwrap_or_else(|error| failed(&error))
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use axum::routing::any;
    use tokio::sync::{Semaphore, mpsc};
    use tokio::time::timeout;
    use tower::ServiceExt as _;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn failed(_: &JoinError) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }

    fn request(method: &str) -> Request {
        Request::builder().method(method).uri("/").body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn only_a_change_outlives_whoever_has_asked_for_it() {
        let (begun, mut begins) = mpsc::unbounded_channel();
        let (ended, mut ends) = mpsc::unbounded_channel();
        let may_end = Arc::new(Semaphore::new(0));
        let around = (begun, Arc::clone(&may_end), ended);
        let handler = move || {
            let (begun, may_end, ended) = around.clone();
            async move {
                begun.send(()).unwrap();
                may_end.acquire().await.unwrap().forget();
                ended.send(()).unwrap();
            }
        };
        let router = to_the_end(Router::new().route("/", any(handler)), failed);
        for method in ["POST", "PATCH", "GET"] {
            let client = tokio::spawn(router.clone().oneshot(request(method)));
            begins.recv().await.unwrap();
            client.abort();
            assert!(client.await.unwrap_err().is_cancelled());
            if method == "GET" {
                continue;
            }
            may_end.add_permits(1);
            assert_eq!(timeout(PATIENCE, ends.recv()).await, Ok(Some(())), "{method}");
        }
        // Nobody goes on with what was only looked at.
        drop(router);
        may_end.add_permits(1);
        assert_eq!(timeout(PATIENCE, ends.recv()).await, Ok(None));
    }

    #[tokio::test]
    async fn a_handler_that_fails_is_answered() {
        let handler = async || -> StatusCode { panic!("the handler has failed") };
        let router = to_the_end(Router::new().route("/", any(handler)), failed);
        assert_eq!(router.oneshot(request("POST")).await.unwrap().status(), 500);
    }
}
