//! Deleting what a torrent has left on the disk: its files, as far as we have made them and nobody else uses them, and the
//! directories that we have made for them, if they are empty.

use rustix::io::Errno;
use sprat_core::storage::StorageError;

use super::contain::Root;
use super::content::Content;
use super::fault::fault;
use super::open_contents::OpenContents;
use super::progress::Origin;
use super::signature::Signature;
use super::users::OtherUsers;
use crate::disk::planted::PlantedBug;

/// Deletes. What cannot be deleted stays, and is said in the log; the first such error is returned.
pub(super) fn delete(content: &Content, open: &OpenContents) -> Result<(), StorageError> {
    let root = match content.root() {
        Ok(root) => root,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(content.root_fault(errno)),
    };
    let device = root.device().map_err(|errno| content.root_fault(errno))?;
    let mut users = content.recorder.other_users(device)?;
    open.note(&mut users, content, device);
    content.close();
    let mut result = Ok(());
    for (file, _) in content.info.files.iter().enumerate().filter(|(_, file)| file.is_on_disk()) {
        if let Err(error) = delete_file(content, &root, &users, file) {
            tracing::warn!(%error, "a file is left behind");
            result = result.and(Err(error));
        }
    }
    // The deepest first. One that is not empty holds something of somebody else.
    for directory in content.made_directories().iter().rev() {
        if let Err(error) = root.remove_directory(directory) {
            tracing::debug!(directory, %error, "a directory is left behind");
        }
    }
    result
}

fn delete_file(content: &Content, root: &Root, users: &OtherUsers, file: usize) -> Result<(), StorageError> {
    let known = content.watch.record(file);
    let is_ours = known.origin == Origin::Ours || content.is_planted(PlantedBug::ForeignFileDeleted);
    let Some(then) = known.signature.filter(|_| is_ours) else { return Ok(()) };
    let Some(now) = content.stat(root, file)?.as_ref().map(Signature::of) else { return Ok(()) };
    // Somebody has put something in its place, or seeds it as part of another torrent.
    if now.inode != then.inode || users.have(&now) {
        return Ok(());
    }
    let path = content.path(file);
    match root.remove_file(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(fault(path, "deleting it", errno)),
    }
}
