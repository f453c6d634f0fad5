//! Getting what a URL leads to, for interfaces by which programs name one instead of sending a torrent file.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::fetch::Fetcher;
use crate::service::Source;

/// Gets what a URL leads to; an error is for a person.
pub type Fetch = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Source, String>> + Send + Sync>;

/// With the daemon's fetcher.
#[must_use]
pub fn fetching(fetcher: Fetcher) -> Fetch {
    Arc::new(move |url| {
        let fetcher = fetcher.clone();
        Box::pin(
            async move { fetcher.torrent(&url).await.map(Source::from).map_err(|error| error.to_string()) },
        )
    })
}

/// Where nothing is fetched.
#[must_use]
pub fn fetching_nothing() -> Fetch {
    Arc::new(|_| Box::pin(async { Err("nothing is fetched here".to_owned()) }))
}
