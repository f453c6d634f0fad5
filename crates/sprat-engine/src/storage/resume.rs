//! The resume record: which pieces are had, and how the files looked when that was written down.
//!
//! One file per torrent, replaced as a whole: data synced, names synced, record written beside the old one, synced,
//! renamed, directory synced. So at every instant there is a whole record on the disk, and what it claims was on the
//! disk before it. It is believed only when every file still has the size, times and inode that it says; and it is
//! read as if a stranger had written it.
//!
//! ```text
//! magic "sprat-resume-1\n\0" | presence of v1, v2: u8, u8 | v1: 20 | v2: 32 | device: u64
//! pieces: u32 | bitfield | files: u32 | per file: present u8, size u64, mtime and ctime (i64 s, u32 ns), inode u64
//! SHA-256 of all of the above: 32                                                       integers little-endian
//! ```

use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;
use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::Geometry;
use sprat_core::storage::StorageError;
use sprat_wire::hash::{InfoHashes, Sha256Hash};

use super::content::Content;
use super::fault::{changed, errno_of, fault};
use super::file_read::read_up_to;
use crate::{disk, whole_file};

const MAGIC: &[u8; 16] = b"sprat-resume-1\n\0";

/// What is noted of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature {
    size: u64,
    modified: (i64, u32),
    changed: (i64, u32),
    inode: u64,
}

impl Signature {
    const LENGTH: usize = 8 + 12 + 12 + 8;

    pub(super) fn of(stat: &Stat) -> Self {
        let nanoseconds = |value| u32::try_from(value).unwrap_or(u32::MAX);
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            changed: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
            inode: stat.st_ino,
        }
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }
}

/// A resume record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) have: Bitfield,
    /// Of the file system that the torrent's directory lies on.
    pub(super) device: u64,
    /// By index; `None` for files that do not exist, and for padding.
    pub(super) files: Vec<Option<Signature>>,
}

impl Record {
    pub(super) fn encode(&self, hashes: &InfoHashes) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(encoded_length(self.have.len(), self.files.len()));
        bytes.extend_from_slice(MAGIC);
        put_identity(&mut bytes, hashes);
        bytes.extend_from_slice(&self.device.to_le_bytes());
        bytes.extend_from_slice(&self.have.len().to_le_bytes());
        bytes.extend_from_slice(&self.have.to_wire());
        bytes.extend_from_slice(&u32::try_from(self.files.len()).unwrap_or(u32::MAX).to_le_bytes());
        for file in &self.files {
            bytes.push(u8::from(file.is_some()));
            let Some(file) = file else {
                bytes.resize(bytes.len() + Signature::LENGTH, 0);
                continue;
            };
            bytes.extend_from_slice(&file.size.to_le_bytes());
            for (seconds, nanoseconds) in [file.modified, file.changed] {
                bytes.extend_from_slice(&seconds.to_le_bytes());
                bytes.extend_from_slice(&nanoseconds.to_le_bytes());
            }
            bytes.extend_from_slice(&file.inode.to_le_bytes());
        }
        let checksum = Sha256Hash::digest(&bytes);
        bytes.extend_from_slice(&checksum.0);
        bytes
    }

    /// `None` unless this is a whole, unharmed record of just this torrent.
    pub(super) fn decode(bytes: &[u8], hashes: &InfoHashes, pieces: u32, files: usize) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<{ Sha256Hash::LENGTH }>()?;
        if Sha256Hash::digest(body).0 != *checksum {
            return None;
        }
        let mut identity = Vec::new();
        put_identity(&mut identity, hashes);
        let mut rest = Rest(body.strip_prefix(MAGIC)?.strip_prefix(identity.as_slice())?);
        let device = u64::from_le_bytes(rest.array()?);
        if u32::from_le_bytes(rest.array()?) != pieces {
            return None;
        }
        let have = Bitfield::from_wire(rest.take(pieces.div_ceil(8) as usize)?, pieces)?;
        if u32::from_le_bytes(rest.array()?) as usize != files {
            return None;
        }
        let files = (0..files).map(|_| rest.signature()).collect::<Option<Vec<_>>>()?;
        rest.0.is_empty().then_some(Self { have, device, files })
    }
}

/// Where records lie: one directory for all torrents.
#[derive(Debug, Clone)]
pub(super) struct Records(PathBuf);

impl Records {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// The record of this torrent, when there is one that can be believed to be whole. Anything wrong with it is said
    /// in the log and otherwise the same as no record: the files are checked.
    pub(super) fn load(&self, hashes: &InfoHashes, geometry: &Geometry, files: usize) -> Option<Record> {
        let path = self.path(hashes);
        let length = encoded_length(geometry.pieces(), files);
        let bytes = match read_at_most(&path, length) {
            Ok(bytes) => bytes,
            Err(Errno::NOENT) => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "resume record cannot be read; checking the files");
                return None;
            }
        };
        let record = Record::decode(&bytes, hashes, geometry.pieces(), files);
        if record.is_none() {
            tracing::warn!(path = %path.display(), "resume record is damaged; checking the files");
        }
        record
    }

    /// Replaces the record. The data it speaks of must be durable already.
    pub(super) fn store(&self, hashes: &InfoHashes, record: &Record) -> Result<(), StorageError> {
        let path = self.path(hashes);
        whole_file::write(&path, &record.encode(hashes))
            .map_err(|error| fault(path.display(), "writing the resume record", errno_of(&error)))
    }

    fn path(&self, hashes: &InfoHashes) -> PathBuf {
        let name = match (hashes.v1(), hashes.v2()) {
            (_, Some(hash)) => hash.to_string(),
            (Some(hash), None) => hash.to_string(),
            (None, None) => String::new(),
        };
        self.0.join(format!("{name}.resume"))
    }
}

/// Syncs what was written and then writes down that `have` is had.
pub(super) fn save(
    content: &Content,
    hashes: &InfoHashes,
    records: &Records,
    have: Bitfield,
) -> Result<(), StorageError> {
    content.sync()?;
    let Ok(root) = content.root() else {
        if have.is_empty() {
            return Ok(());
        }
        return Err(changed(content.directory.display(), "is not there although pieces were stored in it"));
    };
    let device = root.device().map_err(|errno| content.root_fault(errno))?;
    let files = content.signatures(&root)?;
    let covered = content.covered(&files);
    if let Some(piece) = have.iter().find(|piece| !covered.contains(*piece)) {
        return Err(changed(content.directory.display(), &format!("lacks files that held piece {piece}")));
    }
    records.store(hashes, &Record { have, device, files })
}

fn put_identity(bytes: &mut Vec<u8>, hashes: &InfoHashes) {
    bytes.extend([u8::from(hashes.v1().is_some()), u8::from(hashes.v2().is_some())]);
    bytes.extend(hashes.v1().map_or([0; 20], |hash| hash.0));
    bytes.extend(hashes.v2().map_or([0; 32], |hash| hash.0));
}

fn encoded_length(pieces: u32, files: usize) -> usize {
    let fixed = MAGIC.len() + 2 + 20 + 32 + 8 + 4 + 4 + Sha256Hash::LENGTH;
    fixed + pieces.div_ceil(8) as usize + files * (1 + Signature::LENGTH)
}

/// One byte more than `limit` is read at most: such a file is not a record either.
fn read_at_most(path: &Path, limit: usize) -> Result<Vec<u8>, Errno> {
    let file = disk::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    read_up_to(file, limit + 1)
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

    fn time(&mut self) -> Option<(i64, u32)> {
        Some((i64::from_le_bytes(self.array()?), u32::from_le_bytes(self.array()?)))
    }

    fn signature(&mut self) -> Option<Option<Signature>> {
        let [present] = self.array()?;
        let size = u64::from_le_bytes(self.array()?);
        let modified = self.time()?;
        let changed = self.time()?;
        let inode = u64::from_le_bytes(self.array()?);
        match present {
            0 => Some(None),
            1 => Some(Some(Signature { size, modified, changed, inode })),
            _ => None,
        }
    }
}
