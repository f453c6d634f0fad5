//! The directory itself, by its descriptor: what is read, renamed and deleted lies in it and nowhere else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::has_extension;
use super::sightings::Stamp;

/// More files than this are not taken at a time.
const MAX_FILES: usize = 100_000;

/// So many files with one name and `.added` behind it may there be.
const MAX_SAME_NAMES: u32 = 1000;

pub(super) struct Directory(OwnedFd);

impl Directory {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::openat(CWD, path, flags, Mode::empty())?))
    }

    /// The regular files that could be added. Those whose name begins with a dot are somebody's drafts.
    pub(super) fn list(&self) -> io::Result<BTreeMap<Vec<u8>, Stamp>> {
        let mut listing = BTreeMap::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let is_ours = has_extension(name, b".torrent") || has_extension(name, b".magnet");
            if !is_ours || name.starts_with(b".") {
                continue;
            }
            if let Some(stamp) = self.stamp(name)? {
                listing.insert(name.to_vec(), stamp);
            }
            if listing.len() >= MAX_FILES {
                break;
            }
        }
        Ok(listing)
    }

    /// The content of the file, unless it is another one by now.
    pub(super) fn read(&self, name: &[u8], stamp: Stamp) -> io::Result<Option<Vec<u8>>> {
        // NONBLOCK: a FIFO with that name must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.0, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let is_same = |file: &OwnedFd| io::Result::Ok(stamp_of(&rustix::fs::fstat(file)?) == Some(stamp));
        if !is_same(&file)? {
            return Ok(None);
        }
        let file = File::from(file);
        let mut bytes = Vec::new();
        (&file).take(stamp.size + 1).read_to_end(&mut bytes)?;
        let is_whole = u64::try_from(bytes.len()) == Ok(stamp.size) && is_same(&file.into())?;
        Ok(is_whole.then_some(bytes))
    }

    /// Puts `suffix` behind the name of the file, unless it is another one by now. Replaces nothing.
    pub(super) fn rename(&self, name: &[u8], stamp: Stamp, suffix: &str) -> io::Result<()> {
        for number in 1..=MAX_SAME_NAMES {
            if self.stamp(name)? != Some(stamp) {
                return Ok(());
            }
            let mut new = name.to_vec();
            if number > 1 {
                new.extend_from_slice(format!(".{number}").as_bytes());
            }
            new.extend_from_slice(suffix.as_bytes());
            match self.rename_to(name, &new) {
                Err(Errno::EXIST) => {}
                result => return Ok(result?),
            }
        }
        Err(Errno::EXIST.into())
    }

    fn rename_to(&self, old: &[u8], new: &[u8]) -> Result<(), Errno> {
        match rustix::fs::renameat_with(&self.0, old, &self.0, new, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            result => return result,
        }
        // A file system that cannot do that (NFS): a link fails where the name exists, too.
        match rustix::fs::linkat(&self.0, old, &self.0, new, AtFlags::empty()) {
            Ok(()) => rustix::fs::unlinkat(&self.0, old, AtFlags::empty()),
            Err(Errno::EXIST) => Err(Errno::EXIST),
            // Nor links (exFAT, some FUSE): what remains is to look first.
            Err(_) => match rustix::fs::statat(&self.0, new, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => Err(Errno::EXIST),
                Err(Errno::NOENT) => rustix::fs::renameat(&self.0, old, &self.0, new),
                Err(error) => Err(error),
            },
        }
    }

    /// Deletes the file, unless it is another one by now.
    pub(super) fn delete(&self, name: &[u8], stamp: Stamp) -> io::Result<()> {
        if self.stamp(name)? == Some(stamp) {
            rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?;
        }
        Ok(())
    }

    /// `None` if there is no regular file with this name.
    fn stamp(&self, name: &[u8]) -> io::Result<Option<Stamp>> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(stamp_of(&stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "the types differ between platforms")]
fn stamp_of(stat: &Stat) -> Option<Stamp> {
    (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then(|| Stamp {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        size: u64::try_from(stat.st_size).unwrap_or(u64::MAX),
        modified: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
    })
}
