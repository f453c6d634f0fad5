//! A running hash over everything that happens.

/// Multiplies and turns, a word at a time: fast, and the same everywhere. Not against adversaries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace(u64);

/// An odd number without a pattern: the golden ratio's binary digits.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Trace {
    pub(crate) const fn new() -> Self {
        Self(FACTOR)
    }

    pub(crate) const fn number(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(FACTOR).rotate_left(29);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.number(u64::from_le_bytes(last) ^ ((bytes.len() as u64) << 56));
    }

    pub(crate) const fn hash(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(parts: &[&[u8]]) -> u64 {
        let mut trace = Trace::new();
        for part in parts {
            trace.bytes(part);
        }
        trace.hash()
    }

    #[test]
    fn every_byte_and_the_order_matter() {
        let runs: [&[&[u8]]; 7] =
            [&[b"foo", b"bar"], &[b"bar", b"foo"], &[b"foobar"], &[b"foobaz"], &[b"foo"], &[b"foo\0"], &[]];
        let hashes: std::collections::BTreeSet<u64> = runs.iter().map(|run| hash(run)).collect();
        assert_eq!(hashes.len(), runs.len());
    }
}
