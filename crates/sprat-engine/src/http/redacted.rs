//! URLs as they may be shown.

use std::fmt;

use url::Url;

/// A URL without what must stay secret: user name and password, path and query, where private trackers put the key
/// of each user. What is left, scheme, host and port, tells trackers apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedactedUrl(String);

impl RedactedUrl {
    /// The part of `url` that may be shown. Text that is not a URL is not shown at all.
    #[must_use]
    pub fn parse(url: &str) -> Self {
        Url::parse(url).map_or_else(|_| Self("(not a URL)".to_owned()), |url| Self::from(&url))
    }
}

impl From<&Url> for RedactedUrl {
    fn from(url: &Url) -> Self {
        let mut text = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
        if let Some(port) = url.port() {
            text.push_str(&format!(":{port}"));
        }
        // The paths that say nothing are shown, because people look for them.
        match (url.path(), url.query()) {
            ("" | "/", None) => {}
            (path @ ("/announce" | "/scrape"), None) => text.push_str(path),
            (path @ ("/announce" | "/scrape"), Some(_)) => text.push_str(&format!("{path}?…")),
            _ => text.push_str("/…"),
        }
        Self(text)
    }
}

impl fmt::Display for RedactedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_shown() {
        let cases = [
            ("http://a.example/announce", "http://a.example/announce"),
            ("http://a.example:6969/announce", "http://a.example:6969/announce"),
            ("https://a.example/0123456789abcdef/announce", "https://a.example/…"),
            ("https://a.example/announce?passkey=0123", "https://a.example/announce?…"),
            ("https://a.example/announce/0123", "https://a.example/…"),
            ("http://me:0123@a.example/", "http://a.example"),
            ("udp://a.example:80/0123?0123", "udp://a.example:80/…"),
            ("udp://[::1]:80", "udp://[::1]:80"),
            ("http://a.example/#0123", "http://a.example"),
            ("0123", "(not a URL)"),
        ];
        for (url, shown) in cases {
            assert_eq!(RedactedUrl::parse(url).to_string(), shown, "{url}");
        }
    }
}
