//! The messages that are to be hashed together, each in one or several segments.

use crate::cursor::Cursor;
use crate::implementation::Implementation;
use crate::schedule::{Algorithm, Job, Queue, Sha1, Sha256};

/// What SHA-1 makes of a message: its five words, the most significant byte first (FIPS 180-4, 6.1.2).
pub type Sha1Digest = [u8; 20];
/// What SHA-256 makes of a message: its eight words, the most significant byte first (FIPS 180-4, 6.2.2).
pub type Sha256Digest = [u8; 32];

/// Messages to be hashed together. They stay where they are, also those that are scattered in memory.
///
/// ```
/// let blocks: Vec<Vec<u8>> = vec![vec![1; 16384], vec![2; 16384], vec![3; 100]]; // as they came from the network
/// let mut batch = sprat_hash::Batch::new();
/// batch.push_segments(blocks.iter().map(|block| &block[..]));
/// batch.push(b"another piece");
/// let mut digests = Vec::new();
/// batch.sha1(&mut digests);
/// assert_eq!(digests.len(), 2);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Batch<'a> {
    /// Those of all messages, one message after the other.
    segments: Vec<&'a [u8]>,
    messages: Vec<Message>,
}

#[derive(Debug, Clone, Copy)]
struct Message {
    /// Where its segments begin and end in the batch's list.
    segments: (usize, usize),
    /// In bytes.
    length: u64,
}

impl<'a> Batch<'a> {
    /// A batch without messages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message that lies in one place.
    pub fn push(&mut self, message: &'a [u8]) {
        self.push_segments([message]);
    }

    /// Adds one message that consists of these segments, one behind the other. Best for speed are segments of a multiple of
    /// 64 bytes, all but the last; no segments at all are the empty message.
    pub fn push_segments(&mut self, segments: impl IntoIterator<Item = &'a [u8]>) {
        let begin = self.segments.len();
        self.segments.extend(segments);
        let length = self.segments[begin..].iter().map(|segment| segment.len() as u64).sum();
        self.messages.push(Message { segments: (begin, self.segments.len()), length });
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Hashes each message with SHA-1 and appends the digests in the order of the messages.
    pub fn sha1(&self, digests: &mut Vec<Sha1Digest>) {
        self.sha1_by(Implementation::chosen(), digests);
    }

    /// Hashes each message with SHA-256 and appends the digests in the order of the messages.
    pub fn sha256(&self, digests: &mut Vec<Sha256Digest>) {
        self.sha256_by(Implementation::chosen(), digests);
    }

    /// [`Batch::sha1`] by a certain implementation, for tests and benchmarks.
    #[doc(hidden)]
    pub fn sha1_by(&self, implementation: Implementation, digests: &mut Vec<Sha1Digest>) {
        self.hash::<Sha1, 5, 20>(implementation, digests);
    }

    /// [`Batch::sha256`] by a certain implementation, for tests and benchmarks.
    #[doc(hidden)]
    pub fn sha256_by(&self, implementation: Implementation, digests: &mut Vec<Sha256Digest>) {
        self.hash::<Sha256, 8, 32>(implementation, digests);
    }

    fn hash<A: Algorithm<WORDS>, const WORDS: usize, const BYTES: usize>(
        &self,
        implementation: Implementation,
        digests: &mut Vec<[u8; BYTES]>,
    ) {
        let first = digests.len();
        digests.resize(first + self.messages.len(), [0; BYTES]);
        let digests = &mut digests[first..];
        // The longest begin first, so that at the end, when lanes can no longer be filled, little is left to do.
        let mut order: Vec<usize> = (0..self.messages.len()).collect();
        order.sort_by_key(|&message| std::cmp::Reverse(self.messages[message].length));
        let mut waiting = order.into_iter().map(|message| {
            let Message { segments: (begin, end), length } = self.messages[message];
            Job { message, state: A::INITIAL, cursor: Cursor::new(&self.segments[begin..end], length) }
        });
        let mut finished = |message: usize, state: [u32; WORDS]| {
            for (bytes, word) in digests[message].as_chunks_mut::<4>().0.iter_mut().zip(state) {
                *bytes = word.to_be_bytes();
            }
        };
        A::run(implementation, &mut Queue { waiting: &mut waiting, finished: &mut finished });
    }
}

impl<'a> FromIterator<&'a [u8]> for Batch<'a> {
    /// A batch of messages that lie in one place each.
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(messages: I) -> Self {
        let mut batch = Self::new();
        messages.into_iter().for_each(|message| batch.push(message));
        batch
    }
}
