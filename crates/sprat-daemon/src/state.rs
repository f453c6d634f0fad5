//! What outlives the daemon: one directory, with the ledger and the metadata of torrents.

use std::io;
use std::path::Path;

use sprat_engine::ledger::Ledger;
use sprat_engine::shelf::Shelf;
use sprat_engine::state::{Damage, StateError, StateStore};
use thiserror::Error;

/// The state of a daemon, open.
#[derive(Debug)]
pub struct State {
    /// Records.
    pub ledger: Ledger,
    /// Metadata.
    pub shelf: Shelf,
    /// What was damaged, for a person.
    pub damages: Vec<String>,
}

/// Why it cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It cannot be read, or another daemon has it.
    #[error("cannot open the state: {0}")]
    State(#[from] StateError),
    /// No thread for it.
    #[error("cannot start the thread that keeps the state: {0}")]
    Thread(#[from] io::Error),
}

impl State {
    /// Opens it, and makes it if there is none. Waits for the disk.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let directory = directory.join("torrents");
        let (store, damages) = StateStore::open(&directory)?;
        let damages = damages.iter().map(Damage::to_string).collect();
        Ok(Self { ledger: Ledger::start(store)?, shelf: Shelf::below(&directory), damages })
    }
}
