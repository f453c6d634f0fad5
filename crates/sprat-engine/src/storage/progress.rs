//! The record of progress: which pieces are durable, and how the files looked when that was written down.
//!
//! It lies in the [ledger](crate::ledger), which keeps it whole. It is written after the data that it speaks of is durable,
//! so what it claims was on the disk before it; and it is read as if a stranger had written it.
//!
//! ```text
//! format: u8 = 1 | length u8, key of the torrent | at rest: u8 | device: u64
//! pieces: u32 | durable: bitfield | unproven: bitfield
//! files: u32 | per file: origin u8, present u8, size u64, mtime and ctime (i64 s, u32 ns), inode u64
//! directories: u32 | per directory: length u32, path                                        integers little-endian
//! ```

use sprat_core::bitfield::Bitfield;

use super::signature::Signature;

const FORMAT: u8 = 1;

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Origin {
    /// There is none, and we may make it.
    #[default]
    Absent,
    /// We have made it.
    Ours,
    /// It was there before: read, never written.
    Foreign,
    /// It was there before, and the user lets us write it.
    Adopted,
}

impl Origin {
    /// Whether it may be opened for writing.
    pub(super) const fn is_writable(self) -> bool {
        matches!(self, Self::Ours | Self::Adopted)
    }

    const fn code(self) -> u8 {
        match self {
            Self::Absent => 0,
            Self::Ours => 1,
            Self::Foreign => 2,
            Self::Adopted => 3,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Absent),
            1 => Some(Self::Ours),
            2 => Some(Self::Foreign),
            3 => Some(Self::Adopted),
            _ => None,
        }
    }
}

/// What is recorded of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FileRecord {
    pub(super) origin: Origin,
    /// `None` when there was none.
    pub(super) signature: Option<Signature>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) have: Bitfield,
    /// Those of `have` that have not been hashed since an earlier process was stopped while it wrote.
    pub(super) unproven: Bitfield,
    /// Nothing is being written.
    pub(super) at_rest: bool,
    /// Of the file system that the torrent's directory lies on.
    pub(super) device: u64,
    /// By index.
    pub(super) files: Vec<FileRecord>,
    /// That we have made, joined by `/`.
    pub(super) directories: Vec<String>,
}

impl Progress {
    pub(super) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        put_key(&mut bytes, key);
        bytes.push(u8::from(self.at_rest));
        bytes.extend_from_slice(&self.device.to_le_bytes());
        bytes.extend_from_slice(&self.have.len().to_le_bytes());
        bytes.extend_from_slice(&self.have.to_wire());
        bytes.extend_from_slice(&self.unproven.to_wire());
        put_count(&mut bytes, self.files.len());
        for file in &self.files {
            bytes.extend([file.origin.code(), u8::from(file.signature.is_some())]);
            let Some(Signature { size, modified, changed, inode }) = file.signature else { continue };
            bytes.extend_from_slice(&size.to_le_bytes());
            for (seconds, nanoseconds) in [modified, changed] {
                bytes.extend_from_slice(&seconds.to_le_bytes());
                bytes.extend_from_slice(&nanoseconds.to_le_bytes());
            }
            bytes.extend_from_slice(&inode.to_le_bytes());
        }
        put_count(&mut bytes, self.directories.len());
        for directory in &self.directories {
            put_count(&mut bytes, directory.len());
            bytes.extend_from_slice(directory.as_bytes());
        }
        bytes
    }

    /// `None` unless this is a whole record of just this torrent.
    pub(super) fn decode(bytes: &[u8], key: &[u8], pieces: u32, files: usize) -> Option<Self> {
        let mut identity = vec![FORMAT];
        put_key(&mut identity, key);
        let mut rest = Rest(bytes.strip_prefix(identity.as_slice())?);
        let at_rest = rest.flag()?;
        let device = u64::from_le_bytes(rest.array()?);
        if rest.count()? != pieces as usize {
            return None;
        }
        let field = pieces.div_ceil(8) as usize;
        let have = Bitfield::from_wire(rest.take(field)?, pieces)?;
        let unproven = Bitfield::from_wire(rest.take(field)?, pieces)?;
        if !unproven.is_subset_of(&have) || rest.count()? != files {
            return None;
        }
        let files = (0..files).map(|_| rest.file()).collect::<Option<Vec<_>>>()?;
        let count = rest.count()?;
        // Each has a length of four bytes, so that a count cannot ask for more than is there.
        let directories = (0..count).map(|_| rest.text()).collect::<Option<Vec<_>>>()?;
        rest.0.is_empty().then_some(Self { have, unproven, at_rest, device, files, directories })
    }

    /// On which file system a record, of whatever torrent, was made, and the files that it speaks of.
    pub(super) fn signatures(bytes: &[u8]) -> (u64, Vec<Signature>) {
        let read = |bytes: &[u8]| {
            let mut rest = Rest(bytes.strip_prefix(&[FORMAT])?);
            let [key] = rest.array()?;
            rest.take(usize::from(key) + 1)?;
            let device = u64::from_le_bytes(rest.array()?);
            let pieces = rest.count()?;
            rest.take(pieces.div_ceil(8).checked_mul(2)?)?;
            let files = rest.count()?;
            Some((device, (0..files).map_while(|_| rest.file()).filter_map(|file| file.signature).collect()))
        };
        read(bytes).unwrap_or_default()
    }
}

fn put_key(bytes: &mut Vec<u8>, key: &[u8]) {
    bytes.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(key);
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.array()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.count()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }

    fn time(&mut self) -> Option<(i64, u32)> {
        Some((i64::from_le_bytes(self.array()?), u32::from_le_bytes(self.array()?)))
    }

    fn file(&mut self) -> Option<FileRecord> {
        let [origin] = self.array()?;
        let origin = Origin::from_code(origin)?;
        if !self.flag()? {
            return Some(FileRecord { origin, signature: None });
        }
        let size = u64::from_le_bytes(self.array()?);
        let modified = self.time()?;
        let changed = self.time()?;
        let inode = u64::from_le_bytes(self.array()?);
        Some(FileRecord { origin, signature: Some(Signature { size, modified, changed, inode }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = &[7; 20];

    fn sample() -> Progress {
        let (mut have, mut unproven) = (Bitfield::new(11), Bitfield::new(11));
        for piece in [0, 3, 10] {
            have.insert(piece);
        }
        unproven.insert(3);
        let signature = Signature { size: 77, modified: (-1, 2), changed: (3, 4), inode: 5 };
        let files = vec![
            FileRecord { origin: Origin::Ours, signature: Some(signature) },
            FileRecord { origin: Origin::Absent, signature: None },
            FileRecord { origin: Origin::Foreign, signature: Some(signature) },
            FileRecord { origin: Origin::Adopted, signature: Some(signature) },
        ];
        let directories = vec!["a".to_owned(), "a/b".to_owned()];
        Progress { have, unproven, at_rest: true, device: 9, files, directories }
    }

    /// The first format, byte by byte: what was written with it must be read for ever.
    const FIRST_FORMAT: &str = include_str!("progress_1.hex");

    #[test]
    fn the_first_format_is_still_read_and_written() {
        let bytes = data_encoding::HEXLOWER.decode(FIRST_FORMAT.trim().as_bytes()).unwrap();
        assert_eq!(Progress::decode(&bytes, KEY, 11, 4), Some(sample()));
        assert_eq!(sample().encode(KEY), bytes);
    }

    #[test]
    fn records_of_other_torrents_and_cut_ones_are_refused() {
        let bytes = sample().encode(KEY);
        assert_eq!(Progress::decode(&bytes, KEY, 12, 4), None);
        assert_eq!(Progress::decode(&bytes, KEY, 11, 3), None);
        assert_eq!(Progress::decode(&bytes, &[8; 20], 11, 4), None);
        for length in 0..bytes.len() {
            assert_eq!(Progress::decode(&bytes[..length], KEY, 11, 4), None, "{length}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Progress::decode(&longer, KEY, 11, 4), None);
    }

    #[test]
    fn files_are_found_by_their_place_on_the_disk() {
        let bytes = sample().encode(KEY);
        let (device, files) = Progress::signatures(&bytes);
        assert_eq!((device, files.len()), (9, 3));
        assert!(files.iter().all(|file| file.inode == 5));
        for length in 0..bytes.len() {
            assert!(Progress::signatures(&bytes[..length]).1.len() <= 3);
        }
    }
}
