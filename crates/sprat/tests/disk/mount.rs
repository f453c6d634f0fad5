//! Small file systems of a test's own, for which root is needed.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};

/// Something mounted at a place, until this is dropped.
pub(crate) struct Mount {
    place: PathBuf,
}

impl Mount {
    /// A file system in memory of so many MiB.
    pub(crate) fn memory(place: &Path, mebibytes: u32) -> Result<Self, Errno> {
        fs::create_dir_all(place).unwrap();
        let size = std::ffi::CString::new(format!("size={mebibytes}M")).unwrap();
        mount("tmpfs", place, "tmpfs", MountFlags::empty(), Some(size.as_c_str()))?;
        Ok(Self { place: place.to_path_buf() })
    }

    /// What is at `other`, once more at `place`.
    pub(crate) fn again(other: &Path, place: &Path) -> Result<Self, Errno> {
        fs::create_dir_all(place).unwrap();
        mount_bind(other, place)?;
        Ok(Self { place: place.to_path_buf() })
    }

    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    /// Why a test that needs one must be skipped, if it must.
    pub(crate) fn absence() -> Option<String> {
        let place = tempfile::tempdir().unwrap();
        Self::memory(&place.path().join("try"), 1).err().map(|errno| format!("cannot mount: {errno}"))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Whoever has something open there keeps it; the name is free.
        let _ = unmount(&self.place, UnmountFlags::DETACH);
    }
}

/// Takes all the room that is left in a directory's file system.
pub(crate) fn fill(directory: &Path) -> PathBuf {
    let path = directory.join("ballast");
    let mut file = File::create(&path).unwrap();
    for chunk in [1 << 20, 4096, 1] {
        let bytes = vec![7; chunk];
        loop {
            match file.write(&bytes) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    path
}
