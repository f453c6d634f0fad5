//! What a feed has on offer.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use feed_rs::model::Entry;
use jiff::Timestamp;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use url::Url;

use super::episode::Episode;
use super::xml_limits::{self, XmlProblem};

/// The newest of a feed; there is no use in more at a time.
pub const MAX_ITEMS: usize = 2000;

/// Of a title, in characters. Names of files end at 255 bytes.
const MAX_TITLE_LENGTH: usize = 1000;

/// Of a link. As long as a magnet link may be.
const MAX_LINK_LENGTH: usize = 64 * 1024;

/// Of the URL that relative links are read against, without its query. It stands before each of them.
const MAX_BASE_LENGTH: usize = 2048;

/// What tells an item from all others of its feed: a hash of its identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemKey(String);

impl ItemKey {
    fn of(identifier: &str) -> Self {
        let hash = Sha256::digest(identifier.as_bytes());
        let (start, _) = hash.split_at(16);
        Self(BASE64URL_NOPAD.encode(start))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Something to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Which one.
    pub key: ItemKey,
    /// Its title, without control characters. To be escaped where it is shown.
    pub title: String,
    /// What to add: an `http` or `https` URL, or a magnet link. `None` if the feed names nothing of the kind.
    pub source: Option<String>,
    /// Its page, for people.
    pub page: Option<String>,
    /// When it was published, by the feed.
    pub published: Option<Timestamp>,
    /// How long the content is, in bytes, by the feed; some say how long the `.torrent` file is instead.
    pub size: Option<u64>,
    /// Which episode it is, by its title.
    #[serde(skip)]
    pub(super) episode: Option<Episode>,
}

/// A feed that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its title, without control characters.
    pub title: Option<String>,
    /// How long it asks to be left alone after each fetch.
    pub patience: Option<Duration>,
    /// The first [`MAX_ITEMS`] of its items, in the order of the feed.
    pub items: Vec<Item>,
}

/// Why a document is not a feed.
#[derive(Debug, Error)]
pub enum FeedProblem {
    /// Neither XML nor JSON.
    #[error("neither RSS nor Atom nor a JSON feed")]
    UnknownFormat,
    /// Where it is.
    #[error("its address is longer than {MAX_BASE_LENGTH} bytes")]
    LongAddress,
    /// XML that is not to be read.
    #[error(transparent)]
    Xml(#[from] XmlProblem),
    /// XML, but not a feed.
    #[error("not an RSS or Atom feed: {0}")]
    NotAFeed(String),
    /// JSON, but not a feed.
    #[error("not a JSON feed: {0}")]
    Json(String),
}

/// Reads a feed of any kind that came from `base`. Takes up to seconds for the largest: not for a thread that has
/// other things to do.
pub fn parse(document: &[u8], base: &Url) -> Result<Channel, FeedProblem> {
    // A relative link has nothing of the query of its base (RFC 3986, section 5.2.2), which often is the longest part.
    let mut path = base.clone();
    path.set_query(None);
    path.set_fragment(None);
    let base = &path;
    if base.as_str().len() > MAX_BASE_LENGTH {
        return Err(FeedProblem::LongAddress);
    }
    match document.iter().find(|byte| matches!(byte, b'<' | b'{')) {
        Some(b'<') => parse_xml(document, base),
        Some(_) => parse_json(document, base),
        None => Err(FeedProblem::UnknownFormat),
    }
}

fn parse_xml(document: &[u8], base: &Url) -> Result<Channel, FeedProblem> {
    xml_limits::check(document, base.as_str().len())?;
    let parser = feed_rs::parser::Builder::new()
        .base_uri(Some(base.as_str()))
        // The default makes up a random one where an item has neither link nor title.
        .id_generator(|_, _, _| String::new())
        .build();
    let feed = parser.parse(document).map_err(|error| FeedProblem::NotAFeed(error.to_string()))?;
    Ok(Channel {
        title: feed.title.and_then(|title| clean(&title.content)),
        patience: feed.ttl.map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
        items: feed.entries.into_iter().take(MAX_ITEMS).map(|entry| from_entry(entry, base)).collect(),
    })
}

fn from_entry(entry: Entry, base: &Url) -> Item {
    let mut best = BestOffer::default();
    for content in entry.media.iter().flat_map(|media| &media.content) {
        if let Some(url) = &content.url {
            let kind = content.content_type.as_ref().map(ToString::to_string);
            best.look_at(Offer::new(url.as_str(), base, kind.as_deref(), true, content.size));
        }
    }
    for link in &entry.links {
        let is_enclosure = link.rel.as_deref() == Some("enclosure");
        best.look_at(Offer::new(&link.href, base, link.media_type.as_deref(), is_enclosure, link.length));
    }
    let published =
        entry.published.or(entry.updated).and_then(|date| Timestamp::from_second(date.timestamp()).ok());
    let title = entry.title.and_then(|title| clean(&title.content));
    item(entry.id, title, published, best, base)
}

/// The part of a JSON feed (version 1.1) that is of use here. feed-rs would make structures of the rest as well, thirty
/// times as large as the document, and compare each author with all others.
#[derive(Deserialize)]
struct JsonFeed {
    version: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(deserialize_with = "first_of")]
    items: Vec<JsonItem>,
}

#[derive(Deserialize)]
struct JsonItem {
    /// A string by the standard; people write numbers.
    #[serde(default)]
    id: Option<serde_json::Value>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    external_url: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    date_published: Option<String>,
    #[serde(default, deserialize_with = "first_of")]
    attachments: Vec<JsonAttachment>,
}

#[derive(Deserialize)]
struct JsonAttachment {
    url: String,
    #[serde(default)]
    mime_type: Option<String>,
    #[serde(default)]
    size_in_bytes: Option<u64>,
}

fn first_of<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct First<T>(Vec<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for First<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Vec<T>, A::Error> {
            while self.0.len() < MAX_ITEMS {
                match list.next_element()? {
                    Some(element) => self.0.push(element),
                    None => return Ok(self.0),
                }
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(self.0)
        }
    }

    deserializer.deserialize_seq(First(Vec::new()))
}

fn parse_json(document: &[u8], base: &Url) -> Result<Channel, FeedProblem> {
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    let feed: JsonFeed =
        serde_json::from_slice(document).map_err(|error| FeedProblem::Json(error.to_string()))?;
    if !feed.version.starts_with("https://jsonfeed.org/version/1") {
        return Err(FeedProblem::Json("its version is not 1".to_owned()));
    }
    let from_json = |found: JsonItem| {
        let mut best = BestOffer::default();
        for attachment in &found.attachments {
            let kind = attachment.mime_type.as_deref();
            best.look_at(Offer::new(&attachment.url, base, kind, true, attachment.size_in_bytes));
        }
        for url in found.url.iter().chain(&found.external_url) {
            best.look_at(Offer::new(url, base, None, false, None));
        }
        let id = match found.id {
            Some(serde_json::Value::String(id)) => id,
            Some(serde_json::Value::Number(id)) => id.to_string(),
            _ => String::new(),
        };
        let published = found.date_published.and_then(|date| date.parse().ok());
        let title = found.title.as_deref().and_then(clean);
        item(id, title, published, best, base)
    };
    let title = feed.title.as_deref().and_then(clean);
    Ok(Channel { title, patience: None, items: feed.items.into_iter().map(from_json).collect() })
}

/// How sure it is that a link leads to a torrent; the least is the surest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    DeclaredTorrent,
    Magnet,
    NamedTorrent,
    Enclosure,
    Page,
}

/// A link of an item.
struct Offer {
    kind: Kind,
    url: Url,
    size: Option<u64>,
}

impl Offer {
    fn new(
        link: &str,
        base: &Url,
        media_type: Option<&str>,
        is_enclosure: bool,
        size: Option<u64>,
    ) -> Option<Self> {
        if link.len() > MAX_LINK_LENGTH {
            return None;
        }
        let url = base.join(link.trim()).ok()?;
        let kind = match url.scheme() {
            "magnet" => Kind::Magnet,
            "http" | "https" if media_type == Some("application/x-bittorrent") => Kind::DeclaredTorrent,
            "http" | "https" if url.path().to_ascii_lowercase().ends_with(".torrent") => Kind::NamedTorrent,
            "http" | "https" if is_enclosure => Kind::Enclosure,
            "http" | "https" => Kind::Page,
            _ => return None,
        };
        Some(Self { kind, url, size: size.filter(|size| *size > 0) })
    }
}

/// The best of the offers that were looked at. No others are kept: an item may have any number of links.
#[derive(Default)]
struct BestOffer {
    source: Option<(Kind, Url)>,
    page: Option<Url>,
    size: Option<u64>,
}

impl BestOffer {
    fn look_at(&mut self, offer: Option<Offer>) {
        let Some(Offer { kind, url, size }) = offer else { return };
        self.size = self.size.or(size);
        if kind == Kind::Page && self.page.is_none() {
            self.page = Some(url.clone());
        }
        if self.source.as_ref().is_none_or(|(best, _)| kind < *best) {
            self.source = Some((kind, url));
        }
    }
}

fn item(
    id: String,
    title: Option<String>,
    published: Option<Timestamp>,
    mut best: BestOffer,
    base: &Url,
) -> Item {
    // Some have a magnet link for an identifier, and no other.
    if id.starts_with("magnet:") {
        best.look_at(Offer::new(&id, base, None, false, None));
    }
    let (source, page) = (best.source.map(|(_, url)| url.to_string()), best.page.map(|url| url.to_string()));
    let title = title.or_else(|| page.clone()).unwrap_or_default();
    let identifier = if id.is_empty() { source.as_ref().unwrap_or(&title) } else { &id };
    let (key, episode) = (ItemKey::of(identifier), Episode::of(&title));
    Item { key, title, source, page, published, size: best.size, episode }
}

/// One line of bounded length.
fn clean(text: &str) -> Option<String> {
    let text: String = text
        .trim()
        .chars()
        .take(MAX_TITLE_LENGTH)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
