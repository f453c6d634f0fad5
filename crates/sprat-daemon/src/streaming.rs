//! Files of torrents over HTTP, while they are downloaded: what is asked for is fetched before all else.
//!
//! ```text
//! Range, If-Range ─► byte_range ─► Streaming: is there a place? ─► FileReader ─► body, as it is taken
//! ```
//!
//! A body is read as fast as the other end takes it, and the reader goes with the connection. What is served was made by strangers:
//! only what can hold no script is shown by browsers, all else is for saving.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::Stream;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sprat_core::storage::{StorageErrorKind, TorrentId};
use sprat_engine::client::{Ended, FileReader, ReadError};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::media_type;
use crate::service::{FileDescription, InspectError, Service};

mod byte_range;

use byte_range::{Wanted, wanted};

/// Bytes that are read at a time.
const CHUNK: usize = 256 * 1024;

/// How often in a row bytes may be gone that were said to be there: they are fetched again, and somebody changes them again.
const RETRIES: u32 = 3;

/// What a file may do if a browser shows it: nothing, and not in the name of the page.
const POLICY: &str =
    "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What stands for itself in an address or a header (RFC 3986, RFC 8187).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How much may be read at a time, and how long anybody may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Bodies that are being sent. A player has two or three of them.
    pub streams: usize,
    /// How long nothing may come of what is waited for: a torrent that wakes, or a piece that nobody sends.
    pub patience: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { streams: 64, patience: Duration::from_secs(300) }
    }
}

/// Why a file is not sent.
#[derive(Debug, Error)]
pub enum StreamError {
    /// It is not known.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The torrent does not wake in time.
    #[error("the torrent cannot be read just now")]
    Late,
    /// So many are read already.
    #[error("too many files are being read at the same time")]
    Busy,
    /// The range lies behind the end.
    #[error("the file has {length} bytes")]
    Range {
        /// How many.
        length: u64,
    },
}

impl From<Ended> for StreamError {
    fn from(_: Ended) -> Self {
        Self::Read(ReadError::Ended)
    }
}

/// Answers requests for files: cheap to clone, and the same one.
#[derive(Debug, Clone)]
pub struct Streaming {
    service: Service,
    patience: Duration,
    places: Arc<Semaphore>,
}

impl Streaming {
    /// For the torrents of a service.
    #[must_use]
    pub fn new(service: Service, limits: StreamLimits) -> Self {
        let places = Arc::new(Semaphore::new(limits.streams));
        Self { service, patience: limits.patience, places }
    }

    /// The torrents.
    #[must_use]
    pub const fn service(&self) -> &Service {
        &self.service
    }

    /// The answer to a GET or HEAD of a file, by its number in the torrent.
    pub async fn answer(
        &self,
        torrent: TorrentId,
        file: usize,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response, StreamError> {
        let about = self.service.file(torrent, file).await?;
        let length = about.size;
        let tag = format!("\"{}-{file}\"", about.hash);
        // A range of what the other end has a part of, if it is the same still (RFC 9110, section 13.1.5); HEAD has no ranges.
        let is_same = headers.get(header::IF_RANGE).is_none_or(|known| known.as_bytes() == tag.as_bytes());
        let range = only(headers, &header::RANGE).filter(|_| is_same && *method == Method::GET);
        let (status, part) = match range.map_or(Wanted::Whole, |range| wanted(range, length)) {
            Wanted::Whole => (StatusCode::OK, 0..length),
            Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
            Wanted::Unsatisfiable => return Err(StreamError::Range { length }),
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        describe(&about, &tag, &part, response.headers_mut());
        if status == StatusCode::PARTIAL_CONTENT {
            let place = format!("bytes {}-{}/{length}", part.start, part.end - 1);
            insert(response.headers_mut(), header::CONTENT_RANGE, &place);
        }
        if *method != Method::HEAD && !part.is_empty() {
            *response.body_mut() = Body::from_stream(self.open(torrent, file, part).await?);
        }
        Ok(response)
    }

    async fn open(
        &self,
        torrent: TorrentId,
        file: usize,
        part: Range<u64>,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + use<>, StreamError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| StreamError::Busy)?;
        let opening = self.service.client().reader(torrent, file);
        let reader = timeout(self.patience, opening).await.map_err(|_| StreamError::Late)???;
        let reading = Reading { reader, left: part, patience: self.patience, _place: place };
        Ok(futures_util::stream::try_unfold(reading, async |mut reading| {
            let next = reading.next().await?;
            Ok(next.map(|bytes| (bytes, reading)))
        }))
    }
}

/// A body on its way.
struct Reading {
    reader: FileReader,
    left: Range<u64>,
    patience: Duration,
    _place: OwnedSemaphorePermit,
}

impl Reading {
    /// What comes next; an error breaks the connection, as the head has been sent.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let most = usize::try_from(self.left.end - self.left.start).unwrap_or(CHUNK).min(CHUNK);
        if most == 0 {
            return Ok(None);
        }
        let mut retries = RETRIES;
        let bytes = loop {
            let read = timeout(self.patience, self.reader.read_at(self.left.start, most));
            match read.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? {
                Err(ReadError::Storage(error)) if error.kind == StorageErrorKind::Changed && retries > 0 => {
                    retries -= 1;
                }
                read => break read.map_err(io::Error::other)?,
            }
        };
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left.start += bytes.len() as u64;
        Ok(Some(bytes))
    }
}

fn describe(about: &FileDescription, tag: &str, part: &Range<u64>, headers: &mut HeaderMap) {
    let media_type = media_type::of(&about.path);
    let (media_type, disposition) = match media_type {
        "text/plain" => ("text/plain; charset=utf-8", "inline"),
        inert if media_type::is_inert(inert) => (inert, "inline"),
        _ => (media_type::UNKNOWN, "attachment"),
    };
    let disposition = format!("{disposition}; filename*=UTF-8''{}", escaped_name(&about.path));
    for (name, value) in [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_DISPOSITION, &disposition),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::ACCEPT_RANGES, "bytes"),
        (header::ETAG, tag),
    ] {
        insert(headers, name, value);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
}

/// The name of a file without its directories, as it may stand in an address or a header.
pub(crate) fn escaped_name(path: &str) -> String {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    utf8_percent_encode(name, ESCAPED).to_string()
}

/// What cannot stand in a header is left out; nothing that is written here cannot.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// A header that stands there once. Two ranges in two headers are no range.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}
