//! Changing what is chosen for all torrents, for interfaces in which programs do so in their own words.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::service::{Choices, Service};

/// Has choices be other than they were, and keeps that; an error is for a person.
pub type Choose = Arc<dyn Fn(Choices, Choices) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Where nothing is kept: what is chosen ends with the service.
#[must_use]
pub fn choosing_for_now(service: Service) -> Choose {
    Arc::new(move |_, choices| {
        let service = service.clone();
        Box::pin(async move { service.choose(choices).await.map_err(|ended| ended.to_string()) })
    })
}
