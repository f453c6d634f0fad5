//! Where a command remembers how far it has come with a torrent.

use std::path::Path;

use sprat_engine::ledger::Ledger;
use sprat_engine::state::{StateError, StateStore};
use sprat_wire::hash::{InfoHashes, Sha256Hash};

use crate::exit::{Failure, OrExit as _, fail};
use crate::output::Output;

/// Opens what is remembered of this torrent in this directory. A store of its own for each, so that several commands may run
/// at once; two with the same torrent in the same place may not.
pub(crate) fn open(
    state: &Path,
    hashes: &InfoHashes,
    directory: &Path,
    output: Output,
) -> anyhow::Result<Ledger> {
    let place = std::path::absolute(directory).unwrap_or_else(|_| directory.to_path_buf());
    let place = Sha256Hash::digest(place.as_os_str().as_encoded_bytes()).to_string();
    let place = place.get(..8).unwrap_or_default();
    let store = state.join("torrents").join(format!("{}-{place}", hashes.primary()));
    match StateStore::open(&store) {
        Ok((store, damages)) => {
            for damage in damages {
                output.line(format_args!("warning: {damage}"));
            }
            Ledger::start(store).or_exit(Failure::Disk)
        }
        Err(StateError::InUse(_)) => {
            fail(Failure::Disk, "another command is busy with this torrent in this directory")
        }
        Err(error) => fail(Failure::Disk, error),
    }
}
