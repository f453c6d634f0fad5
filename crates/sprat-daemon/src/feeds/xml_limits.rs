//! A first look at an XML feed, which keeps from feed-rs what would cost it out of proportion.
//!
//! Neither feed-rs nor quick-xml expands entities or fetches anything. But each level of nesting may lengthen the base
//! URL of the levels below, of which all are kept (4 GB for a document of 1 MiB), each relative link is kept with all of its base
//! URL before it, attributes are compared with one another, and an item of seven bytes becomes a structure of several hundred.

use quick_xml::Reader;
use quick_xml::encoding::DecodingReader;
use quick_xml::events::{BytesStart, Event};
use thiserror::Error;

/// XHTML within an Atom entry nests about this deeply at worst.
const MAX_DEPTH: usize = 64;
/// In bytes, with all attributes. A magnet link with many trackers has a few KiB.
const MAX_TAG_LENGTH: usize = 64 * 1024;
/// Of one element.
const MAX_ATTRIBUTES: usize = 64;
/// In the document.
const MAX_ELEMENTS: usize = 500_000;
/// In the document. Feeds have one, if any.
const MAX_BASES: usize = 4;
/// In bytes.
const MAX_BASE_TAG_LENGTH: usize = 2048;
/// What links may become longer by if all are relative, in bytes: as if each element were one, below every base URL.
const MAX_RESOLVED: usize = 64 * 1024 * 1024;
/// A byte of a URL that is written as `%C3`.
const ESCAPED: usize = 3;
/// In the document. Feeds of 16 MiB have 10,000.
const MAX_ITEMS: usize = 20_000;

/// Why an XML document is not read as a feed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum XmlProblem {
    /// Not well-formed.
    #[error("not XML: {0}")]
    Malformed(String),
    /// Too much of something.
    #[error("more {0} than any feed has")]
    TooMuch(&'static str),
}

/// Whether `document` may be given to feed-rs with a base URL of `base_length` bytes.
pub(super) fn check(document: &[u8], base_length: usize) -> Result<(), XmlProblem> {
    let malformed = |error: quick_xml::Error| XmlProblem::Malformed(error.to_string());
    let mut reader = Reader::from_reader(DecodingReader::new(document));
    reader.config_mut().trim_markup_names_in_closing_tags = true;
    let mut buffer = Vec::new();
    let mut seen = Seen { base_length, ..Seen::default() };
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(malformed)? {
            Event::Decl(declaration) => {
                // What feed-rs does, so that both see the same text.
                if let Some(encoding) = declaration.encoder() {
                    reader.get_mut().set_encoding(encoding);
                }
            }
            Event::Start(tag) => {
                seen.depth += 1;
                seen.note(&tag)?;
            }
            Event::Empty(tag) => seen.note(&tag)?,
            Event::End(_) => seen.depth = seen.depth.saturating_sub(1),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

#[derive(Default)]
struct Seen {
    depth: usize,
    elements: usize,
    items: usize,
    bases: usize,
    /// Of all base URLs one after the other, at most.
    base_length: usize,
}

impl Seen {
    fn note(&mut self, tag: &BytesStart<'_>) -> Result<(), XmlProblem> {
        self.elements += 1;
        let local = tag.local_name();
        if matches!(local.as_ref(), "item" | "entry") {
            self.items += 1;
        }
        let mut attributes = 0;
        for attribute in tag.attributes().with_checks(false) {
            attributes += 1;
            if attributes > MAX_ATTRIBUTES {
                break;
            }
            if attribute.is_ok_and(|attribute| attribute.key.as_ref() == "xml:base") {
                self.bases += if tag.len() > MAX_BASE_TAG_LENGTH { MAX_BASES + 1 } else { 1 };
                self.base_length += ESCAPED * tag.len();
            }
        }
        let limits = [
            (self.depth, MAX_DEPTH, "nesting"),
            (tag.len(), MAX_TAG_LENGTH, "text in a tag"),
            (attributes, MAX_ATTRIBUTES, "attributes"),
            (self.elements, MAX_ELEMENTS, "elements"),
            (self.bases, MAX_BASES, "base URLs"),
            (self.items, MAX_ITEMS, "items"),
            (self.elements.saturating_mul(self.base_length), MAX_RESOLVED, "elements below so long a URL"),
        ];
        match limits.iter().find(|(found, limit, _)| found > limit) {
            Some((_, _, what)) => Err(XmlProblem::TooMuch(what)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rss(inside: &str) -> Vec<u8> {
        format!("<?xml version='1.0'?><rss version='2.0'><channel>{inside}</channel></rss>").into_bytes()
    }

    #[test]
    fn what_feeds_have_passes() {
        let nested = "<a>".repeat(62) + &"</a>".repeat(62);
        for inside in
            [&nested, "<item a='1' b='2'/>", &"<item/>".repeat(20_000), "&unknown; &amp; <![CDATA[<a>]]>"]
        {
            assert_eq!(check(&rss(inside), 100), Ok(()));
        }
    }

    #[test]
    fn what_would_cost_too_much_does_not() {
        let attributes: String = (0..65).map(|number| format!(" a{number}=''")).collect();
        let cases = [
            ("nesting", "<a>".repeat(63)),
            ("text in a tag", format!("<a b='{}'/>", "x".repeat(64 * 1024))),
            ("attributes", format!("<a{attributes}/>")),
            ("elements", "<a/>".repeat(500_000)),
            ("base URLs", "<a xml:base='a/'>".repeat(5)),
            ("base URLs", format!("<a xml:base='{}'/>", "x".repeat(2048))),
            ("items", "<item/>".repeat(20_001)),
        ];
        for (what, inside) in cases {
            assert_eq!(check(&rss(&inside), 100), Err(XmlProblem::TooMuch(what)));
        }
    }

    #[test]
    fn relative_links_do_not_multiply_a_long_base() {
        let too_much = Err(XmlProblem::TooMuch("elements below so long a URL"));
        let links = rss(&"<link href='x'/>".repeat(40_000));
        assert_eq!(check(&links, 1024), Ok(()));
        assert_eq!(check(&links, 2048), too_much);
        let below = rss(&format!("<a xml:base='{}/'>{}", "é".repeat(900), "<link href='x'/>".repeat(40_000)));
        assert_eq!(check(&below, 100), too_much);
    }

    #[test]
    fn entities_expand_to_nothing() {
        let bomb = "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>\
            <!ENTITY f SYSTEM 'file:///etc/passwd'>]><rss version='2.0'><channel><title>&b;&f;</title></channel></rss>";
        assert_eq!(check(bomb.as_bytes(), 100), Ok(()));
        let feed = feed_rs::parser::parse(bomb.as_bytes()).unwrap();
        assert_eq!(feed.title.unwrap().content, "&b;&f;");
    }
}
