//! Where bytes of files are read to.

use std::os::fd::AsFd;

use rustix::io::Errno;

/// Memory that is filled from the front.
pub(super) trait Sink {
    /// The next bytes are zeros.
    fn zeros(&mut self, length: usize);

    /// The next bytes are those of a file. `false` when it ends before.
    fn read_from(&mut self, file: impl AsFd, offset: u64, length: usize) -> Result<bool, Errno>;
}

/// As much as there is room for.
impl Sink for &mut [u8] {
    fn zeros(&mut self, length: usize) {
        if let Some(target) = self.split_off_mut(..length) {
            target.fill(0);
        }
    }

    fn read_from(&mut self, file: impl AsFd, mut offset: u64, length: usize) -> Result<bool, Errno> {
        let mut target = self.split_off_mut(..length).unwrap_or_default();
        while !target.is_empty() {
            match rustix::io::pread(&file, &mut *target, offset) {
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
}

/// Appended, within the capacity: new memory need not be filled with zeros first.
impl Sink for Vec<u8> {
    fn zeros(&mut self, length: usize) {
        self.resize(self.len() + length, 0);
    }

    fn read_from(&mut self, file: impl AsFd, mut offset: u64, length: usize) -> Result<bool, Errno> {
        let end = self.len() + length;
        self.reserve(length);
        while self.len() < end {
            match rustix::io::pread(&file, rustix::buffer::spare_capacity(self), offset) {
                Ok(0) => return Ok(false),
                Ok(read) => offset += read as u64,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        // There may be room for more than was asked for.
        self.truncate(end);
        Ok(true)
    }
}
