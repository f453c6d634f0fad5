//! Memory that stretches of files are read to, used again and again.
//!
//! A buffer that was just sent is still in the processor's cache; new memory would have to be fetched, and be filled with
//! zeros by the kernel first.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sprat_core::storage::READ_LENGTH;

/// The length of a buffer: as much as is read for one peer at a time.
const LENGTH: usize = READ_LENGTH as usize;

/// Less than this gets memory of its own: a block that waits for a slow peer must not keep sixteen times its length.
const SMALLEST: usize = LENGTH / 2;

/// Buffers kept for the next reads, 8 MiB in all. More may be in use.
const KEPT: usize = 32;

/// Where buffers wait for their next use. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer in use. It returns when it is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
    home: Buffers,
}

impl Buffers {
    /// `length` bytes of whatever was there before.
    pub(super) fn take(&self, length: usize) -> Buffer {
        let bytes = if (SMALLEST..=LENGTH).contains(&length) {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
            kept.unwrap_or_else(|| vec![0; LENGTH])
        } else {
            vec![0; length]
        };
        Buffer { bytes, length, home: self.clone() }
    }
}

impl Buffer {
    /// All of it, to be filled.
    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }

    /// To be shared, and to return when nobody holds a part of it any more.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() != LENGTH {
            return;
        }
        let mut kept = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_returns_when_its_last_part_is_dropped() {
        let buffers = Buffers::default();
        let kept = || buffers.0.lock().unwrap().len();
        let mut buffer = buffers.take(LENGTH - 1);
        buffer.as_mut().fill(7);
        let bytes = buffer.freeze();
        let part = bytes.slice(5..10);
        drop(bytes);
        assert_eq!((kept(), &*part), (0, &[7; 5][..]));
        drop(part);
        assert_eq!(kept(), 1);
        assert_eq!(buffers.take(SMALLEST).freeze().len(), SMALLEST);
        assert_eq!(kept(), 1, "the same one");
    }

    #[test]
    fn small_and_huge_reads_have_memory_of_their_own() {
        let buffers = Buffers::default();
        for length in [0, 1, SMALLEST - 1, LENGTH + 1] {
            assert_eq!(buffers.take(length).freeze().len(), length);
        }
        let all: Vec<Buffer> = (0..KEPT + 3).map(|_| buffers.take(LENGTH)).collect();
        drop(all);
        assert_eq!(buffers.0.lock().unwrap().len(), KEPT);
    }
}
