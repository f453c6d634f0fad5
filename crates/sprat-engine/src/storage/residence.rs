//! How the session's own thread may read the files of a torrent without waiting for their disk.
//!
//! Which way there is is found out by the threads of the disk: to ask the file system of an open file what it is may take a
//! round trip over the network.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::FsWord;
use rustix::io::Errno;

use super::file_read::{read_exact_at, read_resident_at};

/// `TMPFS_MAGIC` of statfs(2). What lies there lies in memory, but the kernel may not answer
/// [`NOWAIT`](rustix::io::ReadWriteFlags::NOWAIT).
const TMPFS: FsWord = 0x0102_1994;

/// What is known of a torrent's file system.
#[derive(Debug, Default)]
pub(super) struct Residence {
    is_learnt: AtomicBool,
    /// It is nothing but memory.
    is_memory: AtomicBool,
    /// It cannot tell what of a file is in memory, as those that are reached over a network cannot.
    is_untold: AtomicBool,
}

impl Residence {
    /// Takes note of what file system it is, the first time. For the threads of the disk.
    pub(super) fn learn(&self, file_system: impl FnOnce() -> Result<FsWord, Errno>) {
        if !self.is_learnt.swap(true, Ordering::Relaxed) {
            self.is_memory.store(file_system() == Ok(TMPFS), Ordering::Relaxed);
            self.is_untold.store(false, Ordering::Relaxed);
        }
    }

    /// It may be another one the next time.
    pub(super) fn forget(&self) {
        self.is_learnt.store(false, Ordering::Relaxed);
    }

    /// Whether it makes sense to try.
    pub(super) fn is_told(&self) -> bool {
        !self.is_untold.load(Ordering::Relaxed)
    }

    /// Fills `target` if that takes no wait, and returns whether it did.
    pub(super) fn read(&self, file: &OwnedFd, target: &mut [u8], offset: u64) -> bool {
        match read_resident_at(file, target, offset) {
            Err(Errno::OPNOTSUPP) if self.is_memory.load(Ordering::Relaxed) => {
                read_exact_at(file, target, offset) == Ok(true)
            }
            Err(_) => {
                self.is_untold.store(true, Ordering::Relaxed);
                false
            }
            Ok(is_read) => is_read,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_lies_in_memory_is_read_and_who_cannot_tell_is_asked_once() {
        for directory in ["/dev/shm", "."] {
            let Ok(mut file) = tempfile::tempfile_in(directory) else { continue };
            file.write_all(b"0123456789").unwrap();
            let file = OwnedFd::from(file);
            let is_told = read_resident_at(&file, &mut [0; 4], 3).is_ok();
            let residence = Residence::default();
            let mut target = [0; 4];
            assert_eq!(residence.read(&file, &mut target, 3), is_told, "nobody has looked yet");
            assert_eq!(residence.is_told(), is_told);
            residence.learn(|| Ok(rustix::fs::fstatfs(&file)?.f_type));
            assert!(residence.is_told());
            let is_memory = directory == "/dev/shm";
            assert_eq!(residence.read(&file, &mut target, 3), is_told || is_memory, "in {directory}");
            assert!(!(is_told || is_memory) || &target == b"3456");
        }
    }
}
