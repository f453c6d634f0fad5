//! One of the two databases.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use redb::{Builder, Database, Durability};
use rustix::fs::CWD;
use rustix::io::Errno;

use super::database_file::DatabaseFile;
use super::fault::{StateError, Trouble, guarded, io_trouble};
use super::survey::{Content, HEADER, HEADER_KEY, Header, Survey};
use super::{FORMAT, Table};
use crate::{disk, whole_file};

/// What the database may keep in memory. Whatever is read is in memory anyway, so this is for pages being written.
const CACHE_BYTES: usize = 4 << 20;

/// Where a copy lies.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    name: &'static str,
}

/// A copy that takes commits.
pub(super) struct Replica {
    /// `None` only while it is being dropped.
    database: Option<Database>,
    name: &'static str,
}

/// One change of one row, as it will lie in the database; `None` removes it.
pub(super) type Row = (Table, Vec<u8>, Option<Vec<u8>>);

impl Place {
    pub(super) fn new(directory: &Path, name: &'static str) -> Self {
        Self { path: directory.join(name), name }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// Opens a copy, believing nothing: every page and every record is checked. `None` when there is no file.
    pub(super) fn open(&self) -> Result<Option<(Replica, Survey)>, Trouble> {
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_trouble(format!("{}: looking at it", self.name), &error)),
            Ok(_) => {}
        }
        let replica = self.open_file(&self.path)?;
        let survey = replica.survey()?;
        let Some(header) = survey.header else {
            return Err(Trouble::Damaged(format!("{}: the record about the store is lost", self.name)));
        };
        if header.format > FORMAT {
            return Err(Trouble::Refused(StateError::TooNew { found: header.format, known: FORMAT }));
        }
        Ok(Some((replica, survey)))
    }

    /// Writes a new copy and puts it in the place of whatever was there, which is set aside if it is damaged. Returns
    /// where.
    pub(super) fn build(
        &self,
        content: &Content,
        generation: u64,
    ) -> Result<(Replica, Option<PathBuf>), StateError> {
        match self.build_once(content, generation) {
            Err(StateError::Full(detail)) => {
                // What was undone is worth less than a second copy.
                disk::unlinkat(CWD, self.undone()).map_err(|_| StateError::Full(detail))?;
                self.build_once(content, generation)
            }
            result => result,
        }
    }

    fn build_once(
        &self,
        content: &Content,
        generation: u64,
    ) -> Result<(Replica, Option<PathBuf>), StateError> {
        let draft = self.with_suffix("new");
        self.discard_draft()?;
        let rows = content
            .iter()
            .map(|((table, key), entry)| (*table, key.clone(), Some(entry.encode(table.code(), key))));
        let built = self.open_file(&draft).and_then(|replica| {
            replica.write(&rows.collect::<Vec<_>>(), generation)?;
            replica.close()
        });
        if let Err(trouble) = built {
            let _ = disk::unlinkat(CWD, &draft);
            return Err(trouble.into_error());
        }
        let aside = self.set_aside()?;
        rename(&draft, &self.path).map_err(|error| StateError::of(self.path.display(), &error))?;
        self.sync_directory()?;
        let _ = disk::unlinkat(CWD, self.undone());
        let replica = self.open_file(&self.path).map_err(Trouble::into_error)?;
        Ok((replica, aside))
    }

    /// What is left of building when the power failed.
    pub(super) fn discard_draft(&self) -> Result<(), StateError> {
        match disk::unlinkat(CWD, self.with_suffix("new")) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(StateError::of(self.path.display(), &errno.into())),
        }
    }

    /// Takes a copy out of the way that has a commit which must not count, and cannot be brought back. The other copy
    /// must be whole and have all that counts.
    pub(super) fn retract(&self) -> Result<(), StateError> {
        match rename(&self.path, &self.undone()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(StateError::of(self.path.display(), &error)),
            Ok(()) => self.sync_directory(),
        }
    }

    /// Gives a damaged file a name under which it is out of the way and can be looked at.
    fn set_aside(&self) -> Result<Option<PathBuf>, StateError> {
        let failed = |error: &io::Error| StateError::of(self.path.display(), error);
        if let Err(error) = fs::symlink_metadata(&self.path) {
            return if error.kind() == ErrorKind::NotFound { Ok(None) } else { Err(failed(&error)) };
        }
        let free = (1..=u32::MAX)
            .map(|number| self.with_suffix(&format!("damaged-{number}")))
            .find(|path| fs::symlink_metadata(path).is_err());
        let Some(aside) = free else { return Err(StateError::Io("no free name".to_owned())) };
        rename(&self.path, &aside).map_err(|error| failed(&error))?;
        Ok(Some(aside))
    }

    fn open_file(&self, path: &Path) -> Result<Replica, Trouble> {
        let database = guarded(self.name, "opening", || {
            let mut builder = Builder::new();
            builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
            Ok(builder.create_with_backend(DatabaseFile::open(path)?)?)
        })?;
        Ok(Replica { database: Some(database), name: self.name })
    }

    fn undone(&self) -> PathBuf {
        self.with_suffix("undone")
    }

    fn with_suffix(&self, suffix: &str) -> PathBuf {
        self.path.with_file_name(format!("{}.{suffix}", self.name))
    }

    fn sync_directory(&self) -> Result<(), StateError> {
        whole_file::sync_directory(whole_file::directory_of(&self.path))
            .map_err(|error| StateError::of(self.path.display(), &error))
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    Ok(disk::renameat(CWD, from, CWD, to)?)
}

impl Replica {
    /// All of these changes and the number of the commit, or nothing. After trouble the copy must be opened anew.
    pub(super) fn write(&self, rows: &[Row], generation: u64) -> Result<(), Trouble> {
        self.write_as(rows, Header { format: FORMAT, generation })
    }

    pub(super) fn write_as(&self, rows: &[Row], header: Header) -> Result<(), Trouble> {
        let database = self.database()?;
        guarded(self.name, "committing", || {
            let mut writing = database.begin_write()?;
            writing.set_durability(Durability::Immediate)?;
            // Otherwise the database goes back to the commit before when it finds the last one damaged, and says nothing.
            writing.set_two_phase_commit(true);
            // All of them, so that a table that is not there is one that was lost.
            for table in Table::ALL {
                let mut open = writing.open_table(table.definition())?;
                for (_, key, value) in rows.iter().filter(|row| row.0 == table) {
                    match value {
                        Some(value) => drop(open.insert(key.as_slice(), value.as_slice())?),
                        None => drop(open.remove(key.as_slice())?),
                    }
                }
            }
            writing.open_table(HEADER)?.insert(HEADER_KEY, header.encode().as_slice())?;
            writing.commit()?;
            Ok(())
        })
    }

    /// Makes the copy say just this.
    pub(super) fn correct(&self, survey: &Survey, content: &Content, generation: u64) -> Result<(), Trouble> {
        let mut rows: Vec<Row> = Vec::new();
        for (place, entry) in content {
            if survey.records.get(place) != Some(entry) {
                rows.push((place.0, place.1.clone(), Some(entry.encode(place.0.code(), &place.1))));
            }
        }
        let found = survey.records.keys().chain(survey.damaged.keys());
        let superfluous = found.filter(|place| !content.contains_key(*place));
        rows.extend(superfluous.map(|(table, key)| (*table, key.clone(), None)));
        if rows.is_empty() && survey.header == Some(Header { format: FORMAT, generation }) {
            return Ok(());
        }
        self.write(&rows, generation)
    }

    /// Writes down that all is well, so that the next opening need not repair anything.
    pub(super) fn close(mut self) -> Result<(), Trouble> {
        let Some(database) = self.database.take() else { return Ok(()) };
        guarded(self.name, "closing", || Ok(database.close()?))
    }

    fn survey(&self) -> Result<Survey, Trouble> {
        let database = self.database()?;
        guarded(self.name, "reading", || Survey::of(database))
    }

    fn database(&self) -> Result<&Database, Trouble> {
        self.database.as_ref().ok_or(Trouble::Refused(StateError::Closed))
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // Closing a file that is damaged or full may fail, and what it would have written is not needed.
        if let Some(database) = self.database.take() {
            let _ = guarded(self.name, "closing", || Ok(database.close()?));
        }
    }
}
