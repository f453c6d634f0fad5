//! Getting what a URL leads to, for interfaces by which programs name one instead of sending a torrent file.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::fetch::{Fetcher, Source as Fetched};
use crate::service::Source;

/// Gets what a URL leads to; an error is for a person.
pub type Fetch = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Source, String>> + Send + Sync>;

/// With the daemon's fetcher.
#[must_use]
pub fn fetching(fetcher: Fetcher) -> Fetch {
    Arc::new(move |url| {
        let fetcher = fetcher.clone();
        Box::pin(async move {
            match fetcher.torrent(&url).await {
                Ok(Fetched::TorrentFile(bytes)) => Ok(Source::File(bytes)),
                Ok(Fetched::Magnet(magnet)) => Ok(Source::Magnet(magnet.to_string())),
                Err(error) => Err(error.to_string()),
            }
        })
    })
}

/// Where nothing is fetched.
#[must_use]
pub fn fetching_nothing() -> Fetch {
    Arc::new(|_| Box::pin(async { Err("nothing is fetched here".to_owned()) }))
}
