//! What sockets are read into: a few buffers for all connections of the thread, so that one that says nothing holds none.
//!
//! A read that fills a good part of its buffer is handed on together with it, and nothing is copied. One that fills little is
//! copied out, and the buffer stays: whoever keeps a part of what came keeps memory of about the same size, not a buffer
//! of which the rest is idle.

use std::cell::RefCell;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;

/// The smallest buffer: one block and its header do not quite fit.
const SMALLEST: usize = 16 * 1024;

/// From 16 to 256 KiB; beyond that a read no longer gets cheaper per byte.
const SIZES: usize = 5;

/// The largest.
pub(super) const LARGEST_READ: usize = SMALLEST << (SIZES - 1);

/// The buffers, one of each size: a read begins and ends without anything between.
#[derive(Debug, Default)]
pub(super) struct ReceiveBuffers(RefCell<[BytesMut; SIZES]>);

/// How much one connection reads at a time: it grows and shrinks with what comes.
#[derive(Debug, Default)]
pub(super) struct Appetite(usize);

impl Appetite {
    const fn bytes(&self) -> usize {
        SMALLEST << self.0
    }

    fn had(&mut self, count: usize) {
        if count >= self.bytes() {
            self.0 = (self.0 + 1).min(SIZES - 1);
        } else if count < self.bytes() / 8 {
            self.0 = self.0.saturating_sub(1);
        }
    }
}

impl ReceiveBuffers {
    /// Reads what has come, as far as it fits. Nothing is the end.
    pub(super) fn read(&self, stream: &TcpStream, appetite: &mut Appetite) -> io::Result<Bytes> {
        self.read_by(appetite, |buffer| stream.try_read_buf(buffer))
    }

    fn read_by(
        &self,
        appetite: &mut Appetite,
        read: impl FnOnce(&mut BytesMut) -> io::Result<usize>,
    ) -> io::Result<Bytes> {
        let mut buffers = self.0.borrow_mut();
        let Some(buffer) = buffers.get_mut(appetite.0) else { return Ok(Bytes::new()) };
        let size = appetite.bytes();
        buffer.reserve(size);
        let count = read(buffer)?;
        appetite.had(count);
        if count < size / 2 {
            let bytes = Bytes::copy_from_slice(buffer);
            buffer.clear();
            return Ok(bytes);
        }
        Ok(std::mem::take(buffer).freeze())
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut as _;

    use super::*;

    /// A read of `count` bytes, as far as there is room.
    fn read(buffers: &ReceiveBuffers, appetite: &mut Appetite, count: usize) -> usize {
        let read = |buffer: &mut BytesMut| {
            let count = count.min(buffer.capacity());
            buffer.put_bytes(7, count);
            Ok(count)
        };
        buffers.read_by(appetite, read).unwrap().len()
    }

    fn held(buffers: &ReceiveBuffers) -> usize {
        buffers.0.borrow().iter().map(BytesMut::capacity).sum()
    }

    #[test]
    fn who_sends_much_is_read_in_large_parts_and_who_sends_little_in_small_ones() {
        let (buffers, mut appetite) = (ReceiveBuffers::default(), Appetite::default());
        let counts: Vec<usize> = (0..6).map(|_| read(&buffers, &mut appetite, 1 << 20)).collect();
        assert_eq!(counts, [16, 32, 64, 128, 256, 256].map(|kib| kib * 1024));
        for _ in 0..6 {
            assert_eq!(read(&buffers, &mut appetite, 100), 100);
        }
        assert_eq!(appetite.bytes(), SMALLEST);
    }

    #[test]
    fn what_is_handed_on_with_its_buffer_leaves_none_behind_and_little_is_copied_out_of_it() {
        let (buffers, mut appetite) = (ReceiveBuffers::default(), Appetite::default());
        assert_eq!(read(&buffers, &mut appetite, SMALLEST / 2), SMALLEST / 2);
        assert_eq!(held(&buffers), 0);
        assert_eq!(read(&buffers, &mut appetite, SMALLEST / 2 - 1), SMALLEST / 2 - 1);
        assert_eq!(held(&buffers), SMALLEST);
        assert_eq!(read(&buffers, &mut appetite, 5), 5);
        assert_eq!(held(&buffers), SMALLEST, "the same one again");
    }

    #[test]
    fn a_read_of_nothing_or_an_error_leaves_no_trace() {
        let (buffers, mut appetite) = (ReceiveBuffers::default(), Appetite::default());
        let error = buffers.read_by(&mut appetite, |_| Err(io::ErrorKind::WouldBlock.into()));
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(read(&buffers, &mut appetite, 0), 0);
        assert_eq!(read(&buffers, &mut appetite, 9), 9);
    }

    #[test]
    fn however_many_connections_there_are_the_buffers_are_a_few() {
        let buffers = ReceiveBuffers::default();
        let mut appetites: Vec<Appetite> = (0..1000).map(|number| Appetite(number % SIZES)).collect();
        for appetite in &mut appetites {
            read(&buffers, appetite, 100);
        }
        assert!(held(&buffers) <= 31 * SMALLEST, "{}", held(&buffers));
    }
}
