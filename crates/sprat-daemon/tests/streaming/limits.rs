//! Who waits for what does not come, and how many may.

use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode};
use futures_util::StreamExt as _;
use sprat_daemon::service::{InspectError, NewTorrent, Source};
use sprat_daemon::streaming::{StreamError, StreamLimits, Streaming};

use crate::service_under_test::{Place, torrent};

#[tokio::test]
async fn what_nobody_sends_is_waited_for_no_longer_than_the_limit_and_places_come_back() {
    let (here, elsewhere) = (Place::new(), Place::new());
    let service = here.start().await;
    let file = torrent(&elsewhere.downloads(), "film.mkv", 9, 100_000);
    let torrent = service.add(NewTorrent::new(Source::File(file))).await.unwrap().torrent;
    let link = "magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let unknown = service.add(NewTorrent::new(Source::Magnet(link.to_owned()))).await.unwrap().torrent;
    let limits = StreamLimits { streams: 1, patience: Duration::from_secs(1) };
    let streaming = Streaming::new(service.clone(), limits);
    let get = async |torrent| streaming.answer(torrent, 0, &Method::GET, &HeaderMap::new()).await;

    let first = get(torrent).await.unwrap();
    assert!(matches!(get(torrent).await, Err(StreamError::Busy)));
    let head = streaming.answer(torrent, 0, &Method::HEAD, &HeaderMap::new()).await.unwrap();
    assert_eq!(head.status(), StatusCode::OK, "who only wants the head takes no place");
    // Whoever goes makes room, at once.
    drop(first);
    let mut body = get(torrent).await.unwrap().into_body().into_data_stream();
    assert!(body.next().await.unwrap().is_err(), "nobody has it");
    assert!(body.next().await.is_none());
    get(torrent).await.unwrap();
    assert!(matches!(get(unknown).await, Err(StreamError::Inspect(InspectError::NoMetadata))));
    service.stop().await;
}
