//! Reading a stretch of a file: with patience, or only if that costs no wait.

use std::io::IoSliceMut;
use std::os::fd::AsFd;

use rustix::io::{Errno, ReadWriteFlags};

use crate::disk;

/// Fills `target`. `false` when the file ends before.
pub(super) fn read_exact_at(file: impl AsFd, mut target: &mut [u8], mut offset: u64) -> Result<bool, Errno> {
    while !target.is_empty() {
        match disk::pread(&file, &mut *target, offset) {
            Ok(0) => return Ok(false),
            Ok(read) => {
                offset += read as u64;
                target = target.get_mut(read..).unwrap_or_default();
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(true)
}

/// Fills `target` if all of it is in the kernel's memory, and returns whether it did. `OPNOTSUPP` where the file system cannot
/// tell.
pub(super) fn read_resident_at(file: impl AsFd, target: &mut [u8], offset: u64) -> Result<bool, Errno> {
    if target.is_empty() {
        return Ok(true);
    }
    let length = target.len();
    match disk::preadv2(&file, &mut [IoSliceMut::new(target)], offset, ReadWriteFlags::NOWAIT) {
        Ok(read) => Ok(read == length),
        Err(Errno::OPNOTSUPP) => Err(Errno::OPNOTSUPP),
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn reads_end_with_the_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mut target = [0; 4];
        assert_eq!(read_exact_at(&file, &mut target, 6), Ok(true));
        assert_eq!(&target, b"6789");
        assert_eq!(read_exact_at(&file, &mut target, 7), Ok(false));
        assert_ne!(read_resident_at(&file, &mut target, 7), Ok(true));
    }

    #[test]
    fn what_was_just_written_is_in_memory_where_the_file_system_can_tell() {
        for directory in ["/dev/shm", "."] {
            let Ok(mut file) = tempfile::tempfile_in(directory) else { continue };
            file.write_all(b"0123456789").unwrap();
            let mut target = [0; 4];
            match read_resident_at(&file, &mut target, 3) {
                Ok(is_read) => assert!(is_read && &target == b"3456", "in {directory}"),
                Err(errno) => assert_eq!(errno, Errno::OPNOTSUPP),
            }
        }
    }
}
