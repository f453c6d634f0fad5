//! Which call is to fail, and how.

use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::disk::call::Call;

/// A way in which a disk call can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `EIO`: the device does not do as asked. When it is a sync that fails, as with [`Fault::SyncFails`].
    Io,
    /// `ENOSPC`: no room.
    NoSpace,
    /// `EDQUOT`: no room for this user.
    Quota,
    /// `EROFS`: the file system is read-only, for instance since it met an error.
    ReadOnly,
    /// `EACCES`: no permission.
    Denied,
    /// `EINTR`: a signal came before anything was done.
    Interrupted,
    /// A write or copy takes only half of what it is given, and succeeds.
    ShortWrite,
    /// `EIO` of a sync. The kernel marks the pages clean and keeps them (ext4): they are read as if nothing were
    /// wrong, a later sync succeeds, and what was written before is not on the disk. `POSIX_FADV_DONTNEED` makes the
    /// kernel forget them, and then the file reads as with [`Fault::SyncLoses`].
    SyncFails,
    /// `EIO` of a sync. The kernel throws the pages away (XFS, btrfs): from now on the file reads as it was when it
    /// was synced last.
    SyncLoses,
    /// `EXDEV`: one more name cannot be given, since it would be on another file system.
    OtherDevice,
}

impl Fault {
    /// All that are a fault of the disk.
    pub const ALL: [Self; 9] = [
        Self::Io,
        Self::NoSpace,
        Self::Quota,
        Self::ReadOnly,
        Self::Denied,
        Self::Interrupted,
        Self::ShortWrite,
        Self::SyncFails,
        Self::SyncLoses,
    ];

    /// What the call returns; `None` if it succeeds.
    #[must_use]
    pub const fn errno(self) -> Option<Errno> {
        match self {
            Self::Io | Self::SyncFails | Self::SyncLoses => Some(Errno::IO),
            Self::NoSpace => Some(Errno::NOSPC),
            Self::Quota => Some(Errno::DQUOT),
            Self::ReadOnly => Some(Errno::ROFS),
            Self::Denied => Some(Errno::ACCESS),
            Self::Interrupted => Some(Errno::INTR),
            Self::OtherDevice => Some(Errno::XDEV),
            Self::ShortWrite => None,
        }
    }

    /// Whether this call can fail in this way at all, by the manual pages and what file systems of Linux do.
    fn can_befall(self, call: &Call<'_>) -> bool {
        let syncs = matches!(call, Call::Sync { .. } | Call::SyncAll { .. });
        match self {
            // Advice is never refused.
            Self::Io => !matches!(call, Call::Advise { .. }),
            Self::NoSpace | Self::Quota => takes_room(call) || syncs,
            Self::ReadOnly => changes(call) || syncs || opens_for_writing(call),
            Self::Denied => is_by_name(call),
            Self::Interrupted => matches!(
                call,
                Call::Open { .. }
                    | Call::Read { .. }
                    | Call::Write { .. }
                    | Call::Sync { .. }
                    | Call::Truncate { .. }
                    | Call::Allocate { .. }
            ),
            Self::ShortWrite => length(call) > 1,
            Self::SyncFails | Self::SyncLoses => syncs,
            Self::OtherDevice => matches!(call, Call::Link { .. } | Call::Clone { .. }),
        }
    }
}

/// For how long calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// One call does.
    Once,
    /// That call and all later ones that can fail in this way, until [`Watch::heal`](super::Watch::heal). Signals come
    /// eight in a row, and then let eight calls through: nobody is interrupted for ever.
    UntilHealed,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// It is given so many bytes only.
    Short(usize),
    Fail(Fault, Errno),
}

/// Counts calls, and knows which will fail.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) calls: usize,
    counts: [usize; Fault::ALL.len()],
    failures: Vec<Failure>,
    pub(super) log: Vec<String>,
    pub(super) failed: usize,
}

#[derive(Debug)]
struct Failure {
    fault: Fault,
    lasting: Lasting,
    below: PathBuf,
    /// Calls to let pass before.
    pass: usize,
    in_a_row: u32,
}

/// Interruptions that follow one another, and calls between them and the next ones.
const INTERRUPTIONS: u32 = 8;

/// Failed calls that are remembered in words.
const LOG_LENGTH: usize = 16;

impl Plan {
    pub(super) fn fail(&mut self, nth: usize, fault: Fault, lasting: Lasting, below: PathBuf) {
        self.failures.push(Failure { fault, lasting, below, pass: nth.saturating_sub(1), in_a_row: 0 });
    }

    pub(super) fn heal(&mut self) {
        self.failures.clear();
    }

    /// Calls until now that could have failed in this way.
    pub(super) fn count(&self, fault: Fault) -> usize {
        Fault::ALL.iter().zip(self.counts).find(|(one, _)| **one == fault).map_or(0, |(_, count)| count)
    }

    /// `path`: what the call is about, from the watched root.
    pub(super) fn judge(&mut self, call: &Call<'_>, path: &Path) -> Verdict {
        self.calls += 1;
        for (fault, count) in Fault::ALL.iter().zip(&mut self.counts) {
            *count += usize::from(fault.can_befall(call));
        }
        let due = self.failures.iter_mut().position(|failure| failure.is_due(call, path));
        let Some((at, failure)) = due.and_then(|at| Some((at, self.failures.get(at)?))) else {
            return Verdict::Go;
        };
        let fault = failure.fault;
        if failure.lasting == Lasting::Once {
            self.failures.remove(at);
        }
        self.failed += 1;
        if self.log.len() < LOG_LENGTH {
            self.log.push(format!("call {}: {fault:?} at {} {}", self.calls, verb(call), path.display()));
        }
        match fault.errno() {
            Some(errno) => Verdict::Fail(fault, errno),
            None => Verdict::Short(length(call).div_ceil(2)),
        }
    }
}

impl Failure {
    fn is_due(&mut self, call: &Call<'_>, path: &Path) -> bool {
        if !self.fault.can_befall(call) || !path.starts_with(&self.below) {
            return false;
        }
        if self.pass > 0 {
            self.pass -= 1;
            return false;
        }
        self.in_a_row += 1;
        if self.fault != Fault::Interrupted {
            return true;
        }
        self.in_a_row %= 2 * INTERRUPTIONS;
        (1..=INTERRUPTIONS).contains(&self.in_a_row)
    }
}

/// Bytes that the call moves.
fn length(call: &Call<'_>) -> usize {
    match call {
        Call::Write { buffers, .. } => buffers.iter().map(|buffer| buffer.len()).sum(),
        Call::Copy { length, .. } => *length,
        _ => 0,
    }
}

fn takes_room(call: &Call<'_>) -> bool {
    match call {
        Call::Open { flags, .. } => flags.contains(OFlags::CREATE),
        Call::Write { .. }
        | Call::Copy { .. }
        | Call::Clone { .. }
        | Call::Truncate { .. }
        | Call::Allocate { .. }
        | Call::MakeDirectory { .. }
        | Call::Rename { .. }
        | Call::Link { .. } => true,
        _ => false,
    }
}

fn changes(call: &Call<'_>) -> bool {
    takes_room(call) || matches!(call, Call::Remove { .. })
}

fn opens_for_writing(call: &Call<'_>) -> bool {
    let writes = OFlags::WRONLY | OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC;
    matches!(call, Call::Open { flags, .. } if flags.intersects(writes))
}

fn is_by_name(call: &Call<'_>) -> bool {
    matches!(
        call,
        Call::Open { .. }
            | Call::StatAt { .. }
            | Call::ReadLink { .. }
            | Call::MakeDirectory { .. }
            | Call::Rename { .. }
            | Call::Link { .. }
            | Call::Remove { .. }
    )
}

fn verb(call: &Call<'_>) -> &'static str {
    match call {
        Call::Open { flags, .. } if flags.contains(OFlags::CREATE) => "create",
        Call::Open { .. } => "open",
        Call::Read { .. } => "read",
        Call::Write { .. } => "write",
        Call::Copy { .. } => "copy",
        Call::Clone { .. } => "clone",
        Call::Sync { .. } => "sync",
        Call::SyncAll { .. } => "sync all",
        Call::Truncate { .. } => "truncate",
        Call::Allocate { .. } => "allocate",
        Call::Advise { .. } => "advise",
        Call::Stat { .. } | Call::StatAt { .. } => "stat",
        Call::List { .. } => "list",
        Call::ReadLink { .. } => "readlink",
        Call::MakeDirectory { .. } => "mkdir",
        Call::Rename { .. } => "rename",
        Call::Link { .. } => "link",
        Call::Remove { .. } => "remove",
    }
}
