//! Bencoding (BEP 3): the serialisation under `.torrent` files, extension messages, tracker replies and the DHT.
//!
//! [`Document::decode`] reads untrusted bytes into a flat list of tokens, eight bytes each, that point into the
//! input. Nothing is copied, nothing recurses (decoding, skipping, dropping, encoding), and [`Limits`] bound depth,
//! tokens and length. [`Encoder`] writes.
//!
//! Decoding is lenient where that harms nobody, because real files and real peers are sloppy: keys may be unsorted or
//! repeated (the first one counts), numbers may have leading zeros, `-0` is zero. It is strict where leniency would
//! mean guessing: truncated values, negative or overflowing lengths, integers beyond 64 bits, keys that are no
//! strings, keys without values, and anything after the value are errors. Where a hash depends on the exact form,
//! [`Value::check_canonical`] reports the first deviation from it.

use std::fmt;
use std::ops::Range;

use thiserror::Error;

mod encode;
mod scan;
#[cfg(test)]
mod tests;

pub use encode::Encoder;
use scan::Token;

/// What a decoder accepts at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Lists and dictionaries within one another.
    pub depth: usize,
    /// Strings (keys too), integers, and beginnings and ends of lists and dictionaries.
    pub tokens: usize,
    /// Bytes of the value. Never more than `u32::MAX`.
    pub length: usize,
}

impl Limits {
    /// A `.torrent` file from a user. Real ones reach 24 MB; other implementations stop at 10 to 30 MiB, at depth
    /// 100 and at 3 million tokens. A file tree may be nested more deeply than this only beyond every real use.
    pub const TORRENT: Self = Self { depth: 64, tokens: 3_000_000, length: 32 << 20 };
    /// An info dictionary fetched from peers (BEP 9).
    pub const METADATA: Self = Self { depth: 64, tokens: 3_000_000, length: 16 << 20 };
    /// An extension message (BEP 10). Its length is bounded by the message; the number is a second fence.
    pub const EXTENSION: Self = Self { depth: 16, tokens: 10_000, length: 128 << 10 };
    /// A DHT packet (BEP 5): one datagram.
    pub const DHT: Self = Self { depth: 10, tokens: 500, length: 64 << 10 };
    /// A tracker's reply (BEP 3), after decompression: 200 peers in the long form are 1,600 tokens, a scrape of
    /// thousands of torrents some ten thousands.
    pub const TRACKER: Self = Self { depth: 16, tokens: 200_000, length: 1 << 20 };
}

/// Why bytes are not a bencoded value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("bencoding, byte {offset}: {reason}")]
pub struct DecodeError {
    /// Where decoding stopped: the first byte of the token at fault.
    pub offset: usize,
    /// What is wrong there.
    pub reason: DecodeErrorReason,
}

/// What can be wrong with bencoded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeErrorReason {
    /// The input ends within the value.
    #[error("the value is cut short")]
    Truncated,
    /// A byte that begins no token.
    #[error("unexpected byte 0x{0:02x}")]
    UnexpectedByte(u8),
    /// Something other than a string where a dictionary has a key.
    #[error("a dictionary key is not a string")]
    KeyNotString,
    /// A dictionary ended after a key.
    #[error("a dictionary key has no value")]
    KeyWithoutValue,
    /// A number that is no number.
    #[error("malformed number")]
    MalformedNumber,
    /// A number beyond 64 bits, or written with more than 32 digits.
    #[error("number out of range")]
    NumberOutOfRange,
    /// A string longer than what is left of the input.
    #[error("a string is longer than the input")]
    StringTooLong,
    /// More nesting than [`Limits::depth`].
    #[error("nested too deeply")]
    TooDeep,
    /// More tokens than [`Limits::tokens`].
    #[error("too many values")]
    TooManyTokens,
    /// More bytes than [`Limits::length`].
    #[error("too long")]
    TooLong,
    /// Bytes after the value.
    #[error("bytes after the end of the value")]
    TrailingBytes,
}

/// A deviation from the one form that a value can have (BEP 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("bencoding, byte {offset}: {reason}")]
pub struct NotCanonical {
    /// First byte of the token at fault, counted from the beginning of the decoded input.
    pub offset: usize,
    /// What is wrong there.
    pub reason: NotCanonicalReason,
}

/// How a value can deviate from the canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotCanonicalReason {
    /// A key sorts before its predecessor.
    #[error("dictionary keys are not sorted")]
    UnsortedKeys,
    /// A key equals its predecessor.
    #[error("a dictionary key is repeated")]
    DuplicateKey,
    /// An integer or the length of a string has needless zeros, or the integer is `-0`.
    #[error("needless zeros in a number")]
    LeadingZero,
}

/// A decoded value and what is within it. Borrows the input.
#[derive(Clone)]
pub struct Document<'a> {
    input: &'a [u8],
    tokens: Vec<Token>,
}

impl<'a> Document<'a> {
    /// Decodes input that is exactly one value.
    pub fn decode(input: &'a [u8], limits: Limits) -> Result<Self, DecodeError> {
        if input.len() > limits.length {
            return Err(DecodeError { offset: limits.length, reason: DecodeErrorReason::TooLong });
        }
        let (document, consumed) = Self::decode_prefix(input, limits)?;
        if consumed < input.len() {
            return Err(DecodeError { offset: consumed, reason: DecodeErrorReason::TrailingBytes });
        }
        Ok(document)
    }

    /// Decodes the value at the beginning of the input and says how many bytes it has. `ut_metadata` messages, for
    /// one, go on with raw bytes after a dictionary (BEP 9).
    pub fn decode_prefix(input: &'a [u8], limits: Limits) -> Result<(Self, usize), DecodeError> {
        let (tokens, consumed) = scan::scan(input, limits)?;
        Ok((Self { input, tokens }, consumed))
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        Value { input: self.input, tokens: &self.tokens, index: 0 }
    }

    /// The outermost value as a dictionary: what most messages are.
    #[must_use]
    pub fn as_dict(&self) -> Option<Dict<'_>> {
        self.root().as_dict()
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.root(), f)
    }
}

/// One value of a [`Document`].
#[derive(Clone, Copy)]
pub struct Value<'a> {
    input: &'a [u8],
    tokens: &'a [Token],
    /// Of the value's first token.
    index: usize,
}

impl<'a> Value<'a> {
    /// The bytes of a string.
    #[must_use]
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        self.first_byte().filter(u8::is_ascii_digit)?;
        let header = scan::string_header(self.input.get(self.start()..)?).ok()?;
        self.raw().get(header.length..)
    }

    /// The text of a string that is UTF-8.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The value of an integer.
    #[must_use]
    pub fn as_int(self) -> Option<i64> {
        self.first_byte().filter(|byte| *byte == b'i')?;
        scan::integer(self.input.get(self.start()..)?).ok().map(|number| number.value)
    }

    /// The value of an integer that is not negative.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        self.as_int().and_then(|value| u64::try_from(value).ok())
    }

    /// The value as a list.
    #[must_use]
    pub fn as_list(self) -> Option<List<'a>> {
        (self.first_byte()? == b'l').then_some(List { value: self })
    }

    /// The value as a dictionary.
    #[must_use]
    pub fn as_dict(self) -> Option<Dict<'a>> {
        (self.first_byte()? == b'd').then_some(Dict { value: self })
    }

    /// Where the encoded value lies in the input.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        let Some(token) = self.tokens.get(self.index) else { return 0..0 };
        let end = if self.is_container() {
            let last = (token.link as usize).checked_sub(1).and_then(|at| self.tokens.get(at));
            last.map_or(0, |token| (token.start as usize).saturating_add(1))
        } else {
            token.link as usize
        };
        token.start as usize..end
    }

    /// The encoded value exactly as in the input: what an info-hash is made of.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.input.get(self.range()).unwrap_or_default()
    }

    /// Checks that this value and all within it have canonical form: sorted, unique keys and no needless zeros.
    pub fn check_canonical(self) -> Result<(), NotCanonical> {
        scan::check_canonical(self)
    }

    fn first_byte(self) -> Option<u8> {
        self.input.get(self.start()).copied()
    }

    fn start(self) -> usize {
        self.tokens.get(self.index).map_or(usize::MAX, |token| token.start as usize)
    }

    fn is_container(self) -> bool {
        matches!(self.first_byte(), Some(b'd' | b'l'))
    }

    /// Index of the token after this value.
    fn next_index(self) -> usize {
        match self.tokens.get(self.index) {
            Some(token) if self.is_container() => token.link as usize,
            _ => self.index.saturating_add(1),
        }
    }

    /// The value at `index`, unless the list or dictionary ends there.
    fn sibling(self, index: usize) -> Option<Self> {
        let value = Self { index, ..self };
        (value.first_byte()? != b'e').then_some(value)
    }
}

impl fmt::Debug for Value<'_> {
    /// The encoded bytes, escaped and cut: enough to recognise a value, and no way to flood a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 200;
        let raw = self.raw();
        match raw.get(..SHOWN) {
            Some(start) if raw.len() > SHOWN => write!(f, "{}… ({} bytes)", start.escape_ascii(), raw.len()),
            _ => write!(f, "{}", raw.escape_ascii()),
        }
    }
}

/// A list of a [`Document`].
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    value: Value<'a>,
}

impl<'a> List<'a> {
    /// The elements in order.
    #[must_use]
    pub fn iter(self) -> ListIter<'a> {
        ListIter { value: self.value, next: self.value.index.saturating_add(1) }
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// The list as a value.
    #[must_use]
    pub const fn value(self) -> Value<'a> {
        self.value
    }
}

impl<'a> IntoIterator for List<'a> {
    type Item = Value<'a>;
    type IntoIter = ListIter<'a>;

    fn into_iter(self) -> ListIter<'a> {
        self.iter()
    }
}

/// The elements of a [`List`].
#[derive(Clone, Debug)]
pub struct ListIter<'a> {
    value: Value<'a>,
    next: usize,
}

impl<'a> Iterator for ListIter<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let value = self.value.sibling(self.next)?;
        self.next = value.next_index();
        Some(value)
    }
}

/// A dictionary of a [`Document`].
#[derive(Clone, Copy, Debug)]
pub struct Dict<'a> {
    value: Value<'a>,
}

impl<'a> Dict<'a> {
    /// The value of the first entry with this key. Takes time in the number of entries.
    #[must_use]
    pub fn value_of(self, key: impl AsRef<[u8]>) -> Option<Value<'a>> {
        let key = key.as_ref();
        self.iter().find(|(candidate, _)| *candidate == key).map(|(_, value)| value)
    }

    /// The bytes of the string under `key`.
    #[must_use]
    pub fn bytes(self, key: impl AsRef<[u8]>) -> Option<&'a [u8]> {
        self.value_of(key)?.as_bytes()
    }

    /// The text under `key`, if it is UTF-8.
    #[must_use]
    pub fn str(self, key: impl AsRef<[u8]>) -> Option<&'a str> {
        self.value_of(key)?.as_str()
    }

    /// The integer under `key`.
    #[must_use]
    pub fn int(self, key: impl AsRef<[u8]>) -> Option<i64> {
        self.value_of(key)?.as_int()
    }

    /// The integer under `key`, if it is not negative.
    #[must_use]
    pub fn u64(self, key: impl AsRef<[u8]>) -> Option<u64> {
        self.value_of(key)?.as_u64()
    }

    /// The list under `key`.
    #[must_use]
    pub fn list(self, key: impl AsRef<[u8]>) -> Option<List<'a>> {
        self.value_of(key)?.as_list()
    }

    /// The dictionary under `key`.
    #[must_use]
    pub fn dict(self, key: impl AsRef<[u8]>) -> Option<Self> {
        self.value_of(key)?.as_dict()
    }

    /// Keys and values in the order of the input.
    #[must_use]
    pub fn iter(self) -> DictIter<'a> {
        DictIter { entries: List { value: self.value }.iter() }
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// The dictionary as a value.
    #[must_use]
    pub const fn value(self) -> Value<'a> {
        self.value
    }
}

impl<'a> IntoIterator for Dict<'a> {
    type Item = (&'a [u8], Value<'a>);
    type IntoIter = DictIter<'a>;

    fn into_iter(self) -> DictIter<'a> {
        self.iter()
    }
}

/// The entries of a [`Dict`].
#[derive(Clone, Debug)]
pub struct DictIter<'a> {
    /// Keys and values in turn.
    entries: ListIter<'a>,
}

impl<'a> Iterator for DictIter<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.entries.next()?.as_bytes()?;
        Some((key, self.entries.next()?))
    }
}
