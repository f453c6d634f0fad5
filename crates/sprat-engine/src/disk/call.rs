//! A disk call as data: what whoever watches the calls is told of it.

use std::io::IoSlice;
use std::num::NonZero;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{Advice, FallocateFlags, OFlags, RenameFlags};

/// A name, relative to a directory unless it is absolute.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "disk-faults"),
    expect(dead_code, reason = "nobody looks at calls without the feature")
)]
pub(super) struct Place<'a> {
    pub(super) directory: BorrowedFd<'a>,
    pub(super) path: &'a Path,
}

/// What is asked of the file system.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "disk-faults"),
    expect(dead_code, reason = "nobody looks at calls without the feature")
)]
pub(super) enum Call<'a> {
    Open {
        at: Place<'a>,
        flags: OFlags,
    },
    Read {
        file: BorrowedFd<'a>,
        /// Until the bytes are there.
        waits: bool,
    },
    Write {
        file: BorrowedFd<'a>,
        buffers: &'a [IoSlice<'a>],
        offset: u64,
    },
    /// Of a part of a file into another one.
    Copy {
        to: BorrowedFd<'a>,
        offset: u64,
        length: usize,
    },
    /// Of a whole file into another one, by reference.
    Clone {
        to: BorrowedFd<'a>,
    },
    Sync {
        file: BorrowedFd<'a>,
    },
    /// Of the file system on which `file` lies.
    SyncAll {
        file: BorrowedFd<'a>,
    },
    Truncate {
        file: BorrowedFd<'a>,
        length: u64,
    },
    Allocate {
        file: BorrowedFd<'a>,
        flags: FallocateFlags,
        offset: u64,
        length: u64,
    },
    Advise {
        file: BorrowedFd<'a>,
        offset: u64,
        length: Option<NonZero<u64>>,
        advice: Advice,
    },
    Stat {
        file: BorrowedFd<'a>,
    },
    StatAt {
        at: Place<'a>,
    },
    List {
        directory: BorrowedFd<'a>,
    },
    ReadLink {
        at: Place<'a>,
    },
    MakeDirectory {
        at: Place<'a>,
    },
    Rename {
        from: Place<'a>,
        to: Place<'a>,
        flags: RenameFlags,
    },
    Link {
        from: Place<'a>,
        to: Place<'a>,
    },
    Remove {
        at: Place<'a>,
    },
}
