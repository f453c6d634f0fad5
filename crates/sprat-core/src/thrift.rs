//! What is kept of a read keeps all of it in memory. A block is a slice of the read that it came in, until it is on disk; if
//! the rest of that read was something else, a peer could have us hold sixteen times what we count.

use bytes::Bytes;

use crate::io::Output;
use crate::storage::StorageRequest;

/// Shorter reads are no loss.
const WORTH_A_LOOK: usize = 32 * 1024;

/// One read of a socket, by where it lies in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OneRead {
    begin: usize,
    length: usize,
}

impl OneRead {
    pub(crate) fn of(bytes: &Bytes) -> Self {
        Self { begin: bytes.as_ptr().addr(), length: bytes.len() }
    }

    /// Of what was put out after it, makes copies of its blocks if they are less than half of it.
    pub(crate) fn let_go<'a>(self, outputs: impl IntoIterator<Item = &'a mut Output>) {
        if self.length < WORTH_A_LOOK {
            return;
        }
        let mut blocks: Vec<&mut Bytes> =
            outputs.into_iter().filter_map(|output| self.block(output)).collect();
        let kept: usize = blocks.iter().map(|block| block.len()).sum();
        if kept < self.length / 2 {
            for block in &mut blocks {
                **block = Bytes::copy_from_slice(block);
            }
        }
    }

    fn block<'a>(&self, output: &'a mut Output) -> Option<&'a mut Bytes> {
        let Output::Storage(StorageRequest::Write { data, .. }) = output else { return None };
        let begin = data.as_ptr().addr();
        (begin >= self.begin && begin - self.begin < self.length).then_some(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::TorrentId;
    use crate::test_torrents::geometry_of_one_file;

    const BLOCK: usize = 16 * 1024;

    /// How many bytes of memory `blocks` blocks out of a read of `length` bytes keep.
    fn kept(length: usize, blocks: usize) -> usize {
        let geometry = geometry_of_one_file(1 << 20, 1 << 20);
        let piece = geometry.piece(0).unwrap();
        let read = Bytes::from(vec![7; length]);
        let mut outputs: Vec<Output> = (0..blocks)
            .map(|number| {
                let data = read.slice(length - (number + 1) * BLOCK..length - number * BLOCK);
                let block = geometry.block(piece, number as u32).unwrap();
                Output::Storage(StorageRequest::Write { torrent: TorrentId(0), block, data })
            })
            .collect();
        OneRead::of(&read).let_go(&mut outputs);
        let of_read = OneRead::of(&read);
        let (shared, copied): (Vec<usize>, Vec<usize>) = outputs
            .iter_mut()
            .map(|output| if of_read.block(output).is_some() { (length, 0) } else { (0, BLOCK) })
            .unzip();
        shared.into_iter().max().unwrap_or(0) + copied.into_iter().sum::<usize>()
    }

    #[test]
    fn what_is_kept_of_a_read_is_at_least_half_of_the_memory_that_it_keeps() {
        let read = 16 * BLOCK;
        assert_eq!(kept(read, 1), BLOCK);
        assert_eq!(kept(read, 7), 7 * BLOCK);
        assert_eq!(kept(read, 8), read);
        assert_eq!(kept(read, 15), read, "nothing is copied of a read of blocks");
        assert_eq!(kept(BLOCK + 13, 1), BLOCK + 13);
        assert_eq!(kept(read, 0), 0);
    }
}
