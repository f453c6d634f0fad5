//! How much may be under way: slow start and additive increase, multiplicative decrease (RFC 5681, counted in bytes as
//! RFC 3465 has it).

/// Segments to begin with (RFC 6928).
const FIRST: usize = 10;

#[derive(Debug)]
pub(super) struct Window {
    segment: usize,
    bytes: usize,
    /// Above this it grows by a segment in a round trip.
    threshold: usize,
    /// Acknowledged since it grew last.
    counted: usize,
    most: usize,
}

impl Window {
    pub(super) const fn new(segment: usize, most: usize) -> Self {
        Self { segment, bytes: FIRST * segment, threshold: usize::MAX, counted: 0, most }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// So many bytes have come while the window was what kept others from being sent.
    pub(super) fn grow(&mut self, acknowledged: usize) {
        if self.bytes < self.threshold {
            self.bytes += acknowledged;
        } else {
            self.counted += acknowledged;
            if self.counted >= self.bytes {
                self.counted -= self.bytes;
                self.bytes += self.segment;
            }
        }
        self.bytes = self.bytes.min(self.most);
    }

    /// Something got lost.
    pub(super) fn halve(&mut self) {
        self.threshold = (self.bytes / 2).max(2 * self.segment);
        self.bytes = self.threshold;
        self.counted = 0;
    }

    /// Nothing comes any more.
    pub(super) fn collapse(&mut self) {
        self.halve();
        self.bytes = self.segment;
    }

    /// Nothing was sent for so long that nobody knows what the network bears (RFC 5681, 4.1).
    pub(super) fn rest(&mut self) {
        self.bytes = self.bytes.min(FIRST * self.segment);
    }
}
