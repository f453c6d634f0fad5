//! Writing bencoded values.

use std::io::Write as _;

use super::Value;

/// Writes one bencoded value, token by token, in canonical form.
///
/// ```
/// use sprat_wire::bencode::Encoder;
///
/// let mut encoder = Encoder::new();
/// encoder.begin_dict().key("cow").bytes("moo").key("n").int(-3).end();
/// assert_eq!(encoder.finish(), b"d3:cow3:moo1:ni-3ee");
/// ```
///
/// The caller keeps the grammar: keys in ascending order of their bytes, each followed by one value, and as many
/// [`end`](Self::end)s as beginnings. Debug builds assert it.
#[derive(Debug, Clone, Default)]
pub struct Encoder {
    out: Vec<u8>,
    open: Vec<Open>,
}

#[derive(Debug, Clone)]
struct Open {
    is_dict: bool,
    /// Where the last key lies in the output.
    last_key: Option<std::ops::Range<usize>>,
    wants_key: bool,
}

impl Encoder {
    /// With nothing written yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a dictionary; [`key`](Self::key) or [`end`](Self::end) is next.
    pub fn begin_dict(&mut self) -> &mut Self {
        self.before_value();
        self.out.push(b'd');
        self.open.push(Open { is_dict: true, last_key: None, wants_key: true });
        self
    }

    /// Begins a list; a value or [`end`](Self::end) is next.
    pub fn begin_list(&mut self) -> &mut Self {
        self.before_value();
        self.out.push(b'l');
        self.open.push(Open { is_dict: false, last_key: None, wants_key: false });
        self
    }

    /// Ends the innermost list or dictionary.
    pub fn end(&mut self) -> &mut Self {
        let open = self.open.pop();
        debug_assert!(
            open.is_some_and(|open| open.is_dict == open.wants_key),
            "an end without a beginning or value"
        );
        self.out.push(b'e');
        self
    }

    /// Writes a key; its value is next.
    pub fn key(&mut self, key: impl AsRef<[u8]>) -> &mut Self {
        let key = key.as_ref();
        self.write_string(key);
        let range = self.out.len().saturating_sub(key.len())..self.out.len();
        if let Some(open) = self.open.last_mut() {
            debug_assert!(open.is_dict && open.wants_key, "a key where none belongs");
            debug_assert!(
                open.last_key.take().is_none_or(|last| self.out.get(last) < Some(key)),
                "keys must ascend: {}",
                key.escape_ascii()
            );
            open.last_key = Some(range);
            open.wants_key = false;
        }
        self
    }

    /// Writes a string.
    pub fn bytes(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.before_value();
        self.write_string(bytes.as_ref());
        self
    }

    /// Writes an integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        self.before_value();
        self.write_int(value)
    }

    /// Writes an integer that may not be negative.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.before_value();
        self.write_int(value)
    }

    /// Copies a value that was decoded, byte for byte.
    pub fn value(&mut self, value: Value<'_>) -> &mut Self {
        self.before_value();
        self.out.extend_from_slice(value.raw());
        self
    }

    /// Copies bytes that are known to be one encoded value: an info dictionary, for one.
    pub fn raw(&mut self, encoded: impl AsRef<[u8]>) -> &mut Self {
        self.before_value();
        self.out.extend_from_slice(encoded.as_ref());
        self
    }

    /// The encoded bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        debug_assert!(self.open.is_empty(), "a list or dictionary has no end");
        self.out
    }

    fn before_value(&mut self) {
        if let Some(open) = self.open.last_mut().filter(|open| open.is_dict) {
            debug_assert!(!open.wants_key, "a value without a key");
            open.wants_key = true;
        }
    }

    fn write_int(&mut self, value: impl std::fmt::Display) -> &mut Self {
        // Writing to a vector does not fail.
        let _ = write!(self.out, "i{value}e");
        self
    }

    fn write_string(&mut self, bytes: &[u8]) {
        let _ = write!(self.out, "{}:", bytes.len());
        self.out.extend_from_slice(bytes);
    }
}
