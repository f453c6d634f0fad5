//! Copying a file, with its holes, and comparing two.

use std::fmt::Display;
use std::io::IoSlice;
use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use super::content::write_all_at;
use super::fault::fault;
use super::file_read::read_exact_at;
use super::steering::{Steering, Stop};
use crate::disk;

/// Bytes between two looks at whether to go on.
const STRETCH: usize = 1 << 20;

/// What may come between.
#[derive(Debug)]
pub(super) enum Hitch {
    Disk(Errno),
    Stopped(Stop),
}

impl Hitch {
    /// As it is told to others: met while `doing` something with `file`.
    pub(super) fn at(self, file: impl Display, doing: &str) -> Stop {
        match self {
            Self::Disk(errno) => fault(file, doing, errno).into(),
            Self::Stopped(stop) => stop,
        }
    }
}

impl From<Errno> for Hitch {
    fn from(errno: Errno) -> Self {
        Self::Disk(errno)
    }
}

impl From<Stop> for Hitch {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

/// Fills the empty `copy`. Returns whether the file system lets both share their bytes, so that there is nothing to compare.
pub(super) fn replicate(original: &OwnedFd, copy: &OwnedFd, steering: &Steering) -> Result<bool, Hitch> {
    steering.may_go_on()?;
    let size = size_of(original)?;
    if disk::ficlone(copy, original).is_ok() {
        steering.advance(size);
        return Ok(true);
    }
    let mut buffer = vec![0; STRETCH];
    let mut at = 0;
    while at < size {
        let data = match disk::next_data(original, at) {
            Ok(Some(data)) => data,
            Ok(None) => break,
            Err(Errno::INVAL | Errno::OPNOTSUPP) => at..size,
            Err(errno) => return Err(errno.into()),
        };
        steering.advance(data.start.saturating_sub(at));
        for stretch in stretches(data.start..data.end.min(size)) {
            steering.may_go_on()?;
            let bytes = part(&mut buffer, &stretch);
            if !read_exact_at(original, bytes, stretch.start)? {
                // It was cut in the meantime.
                return Err(Errno::IO.into());
            }
            write_all_at(copy, &mut [IoSlice::new(bytes)], stretch.start)?;
            steering.advance(stretch.end - stretch.start);
        }
        at = data.end;
    }
    // A hole at the end.
    disk::ftruncate(copy, size)?;
    Ok(false)
}

/// Whether both hold the same bytes.
pub(super) fn is_equal(one: &OwnedFd, other: &OwnedFd, steering: &Steering) -> Result<bool, Hitch> {
    let size = size_of(one)?;
    if size_of(other)? != size {
        return Ok(false);
    }
    let [mut first, mut second] = [vec![0; STRETCH], vec![0; STRETCH]];
    for stretch in stretches(0..size) {
        steering.may_go_on()?;
        let (first, second) = (part(&mut first, &stretch), part(&mut second, &stretch));
        let is_whole = read_exact_at(one, &mut *first, stretch.start)?
            && read_exact_at(other, &mut *second, stretch.start)?;
        if !is_whole || first != second {
            return Ok(false);
        }
    }
    Ok(true)
}

fn size_of(file: &OwnedFd) -> Result<u64, Errno> {
    Ok(u64::try_from(disk::fstat(file)?.st_size).unwrap_or(0))
}

fn stretches(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let end = range.end;
    range.step_by(STRETCH).map(move |start| start..end.min(start + STRETCH as u64))
}

/// As much of the buffer as the stretch is long.
fn part<'a>(buffer: &'a mut [u8], stretch: &Range<u64>) -> &'a mut [u8] {
    let length = usize::try_from(stretch.end - stretch.start).unwrap_or(STRETCH).min(buffer.len());
    buffer.get_mut(..length).unwrap_or_default()
}
