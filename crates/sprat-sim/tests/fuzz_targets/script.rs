//! The bytes of the fuzzer as a source of choices.

/// What is left of the input. At its end every choice is 0.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    left: &'a [u8],
}

impl<'a> Script<'a> {
    pub(crate) const fn new(left: &'a [u8]) -> Self {
        Self { left }
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((byte, left)) = self.left.split_first() else { return 0 };
        self.left = left;
        *byte
    }

    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, left) = self.left.split_at(count.min(self.left.len()));
        self.left = left;
        bytes
    }

    /// One of `count`; `count` is not zero.
    pub(crate) fn one_of(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Small numbers mostly, for they are the ones that mean something; now and then any.
    pub(crate) fn number(&mut self) -> u32 {
        match self.byte() {
            small @ 0..=199 => u32::from(small % 16),
            200..=219 => u32::from(self.byte()) * 16 * 1024,
            _ => u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
        }
    }
}
