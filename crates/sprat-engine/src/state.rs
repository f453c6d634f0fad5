//! What the engine must still know after a power cut: a store of records in two copies.
//!
//! Both copies are databases (redb) with the same records. A commit goes to the first, is durable there, and then to the
//! second; commits are numbered, so that the newer copy is known. Every record has a checksum of its own. At the start all
//! of both is read and checked. A copy that is damaged is set aside and built anew from the other, a record that is damaged
//! in one is taken from the other, and one that is damaged in both is put into `quarantine/`, alone. All of that is
//! reported; nothing is ever replaced by a default. While the store is open its records are in memory: what can be read
//! does not depend on what a commit that failed has left in the files.
//!
//! ```text
//! first.redb, second.redb      the copies            first.redb.damaged-1   what was set aside
//! lock                         who has the store,    quarantine/            records that are damaged in both copies
//!                              and a witness of its last commit
//! ```

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rustix::fs::{Mode, OFlags};

use crate::{disk, whole_file};
use database_file::{retried, write_all_at};
use fault::Trouble;
use merge::{Merged, merge};
use record::Entry;
use replica::{Place, Replica, Row};
use survey::{Content, Definition, Survey};

pub use fault::StateError;

mod database_file;
mod fault;
mod merge;
mod record;
mod replica;
mod salvage;
mod survey;

/// The format of the directory that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// The beginning of the file `lock`; the format follows.
const MARK: &str = "sprat state, format ";

/// Where in the file `lock` the witness is: the number of a commit that both copies have had.
const WITNESS_AT: u64 = 64;

/// What stands for its key in its checksum.
const WITNESS: &[u8] = b"witness";

/// The copies, in the order in which they are written.
const COPIES: [&str; 2] = ["first.redb", "second.redb"];

/// Bytes of a key in the name of a file in quarantine.
const MAX_KEY_IN_NAME: usize = 40;

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Which torrents there are, and what was said about each.
    Torrents,
    /// What is had of each torrent.
    Progress,
    /// What concerns the engine as a whole.
    Settings,
    /// What is counted over many runs.
    Statistics,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Torrents, Self::Progress, Self::Settings, Self::Statistics];

    /// The name in the database. Must never change.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Torrents => "torrents",
            Self::Progress => "progress",
            Self::Settings => "settings",
            Self::Statistics => "statistics",
        }
    }

    /// What stands for it in checksums. Must never change.
    const fn code(self) -> u8 {
        match self {
            Self::Torrents => 1,
            Self::Progress => 2,
            Self::Settings => 3,
            Self::Statistics => 4,
        }
    }

    const fn definition(self) -> Definition {
        Definition::new(self.name())
    }
}

/// Keys and values of a table.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// One change of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The kind of record.
    pub table: Table,
    /// Its name.
    pub key: Vec<u8>,
    /// What it shall be; `None` removes it.
    pub value: Option<Vec<u8>>,
}

/// Something that was not as it had been written, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// A copy was damaged. It is kept under another name, and was built anew.
    CopySetAside {
        /// The name of the copy.
        copy: &'static str,
        /// Where it is now.
        aside: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// A copy was not there although the other was. It was built anew.
    CopyMissing {
        /// The name of the copy.
        copy: &'static str,
    },
    /// A record was damaged in one copy and taken from the other. Nothing is lost.
    RecordMended {
        /// The kind of record.
        table: Table,
        /// Its name.
        key: Vec<u8>,
    },
    /// A record is damaged in both copies: it is lost, unless somebody can make sense of what is left of it.
    RecordLost {
        /// The kind of record.
        table: Table,
        /// Its name.
        key: Vec<u8>,
        /// The files with what each copy had in its place.
        quarantine: Vec<PathBuf>,
    },
    /// Records were in parts of the files of which nothing can be read: not even their names are known.
    RecordsMissing {
        /// The kind of record.
        table: Table,
        /// How many, as far as that can be told.
        count: Option<u64>,
    },
    /// Neither copy has the last commits any more: all that they changed is as it was before.
    CommitsLost {
        /// How many, at the least.
        count: u64,
    },
    /// There has been a store in this directory, and both copies are gone.
    StoreMissing,
}

/// The store. One process has it at a time.
pub struct StateStore {
    directory: PathBuf,
    places: [Place; 2],
    /// `None` for a copy that could not be written; no commit is accepted until it is back.
    replicas: [Option<Replica>; 2],
    content: Content,
    /// The number of the last commit.
    generation: u64,
    /// Locked as long as it is open.
    lock: File,
}

/// A copy at the start.
enum Found {
    Whole(Replica, Survey),
    Missing,
    /// With whatever can still be read of it.
    Damaged {
        reason: String,
        is_unreadable: bool,
        survey: Option<Survey>,
    },
    /// To be opened it must be repaired, and there is no room for that.
    Full(StateError),
}

impl StateStore {
    /// Opens the store of a directory, which is made if there is none, and says what was damaged.
    ///
    /// Reads and checks everything: not for a thread that serves connections.
    pub fn open(directory: &Path) -> Result<(Self, Vec<Damage>), StateError> {
        let failed = |error: &std::io::Error| StateError::of(directory.display(), error);
        whole_file::make_directory(directory).map_err(|error| failed(&error))?;
        // Whether it can be read is asked first: what cannot be seen is not the same as what is not there.
        fs::read_dir(directory).map_err(|error| failed(&error))?;
        let (lock, past) = lock(&directory.join("lock"))?;
        let places = COPIES.map(|name| Place::new(directory, name));
        let mut store = Self {
            directory: directory.to_owned(),
            places,
            replicas: [None, None],
            content: Content::new(),
            generation: 0,
            lock,
        };
        let damage = store.load(&past)?;
        if !past.is_mark_whole {
            store.mark().map_err(|error| failed(&error))?;
        }
        store.witness();
        Ok((store, damage))
    }

    /// The value of a record.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let entry = self.content.get(&(table, key.to_vec()));
        Ok(entry.map(|entry| entry.value.clone()))
    }

    /// All records of a table with their keys, in the order of the keys.
    pub fn scan(&self, table: Table) -> Result<Rows, StateError> {
        let from = self.content.range((table, Vec::new())..);
        let rows = from.take_while(|((of, _), _)| *of == table);
        Ok(rows.map(|((_, key), entry)| (key.clone(), entry.value.clone())).collect())
    }

    /// Makes all of these changes durable in both copies, or none of them. Of changes of the same record the last one
    /// counts.
    ///
    /// After an error everything is as it was before. Waits for the disk.
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), StateError> {
        self.restore()?;
        let generation = self.generation + 1;
        let mut next: std::collections::BTreeMap<(Table, &[u8]), Option<Entry>> = Default::default();
        for Change { table, key, value } in changes {
            let entry = value.as_ref().map(|value| Entry { generation, value: value.clone() });
            next.insert((*table, key), entry);
        }
        if next.is_empty() {
            return Ok(());
        }
        let row = |(table, key): &(Table, &[u8]), entry: Option<&Entry>| -> Row {
            (*table, key.to_vec(), entry.map(|entry| entry.encode(table.code(), key)))
        };
        let rows: Vec<Row> = next.iter().map(|(place, entry)| row(place, entry.as_ref())).collect();
        for index in 0..self.replicas.len() {
            let Err(error) = self.write(index, &rows, generation) else { continue };
            let previous =
                next.keys().map(|place| row(place, self.content.get(&(place.0, place.1.to_vec()))));
            let previous: Vec<Row> = previous.collect();
            for written in 0..index {
                // If that fails as well, the copy is out of service, which `settle` sees to.
                let _ = self.write(written, &previous, self.generation);
            }
            self.settle();
            return Err(error);
        }
        for ((table, key), entry) in next {
            let place = (table, key.to_vec());
            match entry {
                Some(entry) => drop(self.content.insert(place, entry)),
                None => drop(self.content.remove(&place)),
            }
        }
        self.generation = generation;
        self.witness();
        Ok(())
    }

    /// Writes to one copy, which is out of service if that fails.
    fn write(&mut self, index: usize, rows: &[Row], generation: u64) -> Result<(), StateError> {
        let Some(place) = self.replicas.get_mut(index) else { return Ok(()) };
        let Some(replica) = place else { return Err(StateError::Closed) };
        replica.write(rows, generation).map_err(|trouble| {
            *place = None;
            trouble.into_error()
        })
    }

    /// After a commit that failed: sees to it that no file has anything of it, lest it be found at the next start.
    fn settle(&mut self) {
        let Err(error) = self.restore() else { return };
        tracing::warn!(%error, "a copy of the state is out of service");
        let retracted = match (&self.places, &self.replicas) {
            ([place, _], [None, Some(_)]) | ([_, place], [Some(_), None]) => place.retract(),
            _ => Err(error),
        };
        if let Err(error) = retracted {
            tracing::warn!(%error, "a commit that failed may count after all at the next start");
            return;
        }
        // Perhaps there is room now for a copy that is smaller; if not, the next commit tries again.
        let _ = self.restore();
    }

    /// Brings copies back that are out of service, to what is in memory.
    fn restore(&mut self) -> Result<(), StateError> {
        for (place, replica) in self.places.iter().zip(&mut self.replicas) {
            if replica.is_none() {
                let found = find(place)?;
                let (restored, aside) = bring_up(place, found, &self.content, self.generation)?;
                if let Some(aside) = aside {
                    tracing::warn!(copy = place.name(), aside = %aside.display(), "damaged copy of the state set aside");
                }
                *replica = Some(restored);
            }
        }
        Ok(())
    }

    fn load(&mut self, past: &Past) -> Result<Vec<Damage>, StateError> {
        let mut found = Vec::with_capacity(self.places.len());
        for place in &self.places {
            place.discard_draft()?;
            found.push(find(place)?);
        }
        let is_whole = |found: &Found| matches!(found, Found::Whole(..));
        if !found.iter().any(is_whole) {
            for found in &found {
                match found {
                    // What cannot be read now may be there all the same.
                    Found::Damaged { is_unreadable: true, reason, .. } => {
                        return Err(StateError::Io(reason.clone()));
                    }
                    Found::Full(error) => return Err(error.clone()),
                    _ => {}
                }
            }
        }
        let merged = {
            let mut surveys = found.iter().map(Found::survey);
            merge(surveys.next().flatten(), surveys.next().flatten())
        };
        let mut damage = Vec::new();
        let is_missing = |found: &Found| matches!(found, Found::Missing);
        let is_new = found.iter().all(is_missing);
        if is_new && past.is_marked {
            damage.push(Damage::StoreMissing);
        }
        if !is_new && merged.generation < past.witness {
            damage.push(Damage::CommitsLost { count: past.witness - merged.generation });
        }
        self.quarantine(&merged, &mut damage)?;
        self.content = merged.content;
        // Whatever a damaged copy had of later commits must not look newer than what is written from now on.
        self.generation = merged.generation + 1;
        if found.iter().all(|found| found.is_just(&self.content, merged.generation)) {
            self.generation = merged.generation;
        }
        let mut refused = None;
        for ((place, replica), found) in self.places.iter().zip(&mut self.replicas).zip(found) {
            let reason = match &found {
                Found::Damaged { reason, .. } => reason.clone(),
                _ => String::new(),
            };
            if is_missing(&found) && !is_new {
                damage.push(Damage::CopyMissing { copy: place.name() });
            }
            match bring_up(place, found, &self.content, self.generation) {
                Ok((restored, aside)) => {
                    *replica = Some(restored);
                    damage.extend(aside.map(|aside| Damage::CopySetAside {
                        copy: place.name(),
                        aside,
                        reason,
                    }));
                }
                Err(error) => {
                    tracing::warn!(%error, copy = place.name(), "a copy of the state is out of service");
                    refused = Some(error);
                }
            }
        }
        match refused {
            Some(error) if self.replicas.iter().all(Option::is_none) => Err(error),
            _ => Ok(damage),
        }
    }

    /// Reports what was mended, and keeps the remains of what was not.
    fn quarantine(&self, merged: &Merged, damage: &mut Vec<Damage>) -> Result<(), StateError> {
        let directory = self.directory.join("quarantine");
        for (table, key) in &merged.mended {
            damage.push(Damage::RecordMended { table: *table, key: key.clone() });
        }
        for ((table, key), remains) in &merged.lost {
            let mut quarantine = Vec::new();
            for bytes in remains {
                let path = unused(&directory, *table, key);
                whole_file::write(&path, bytes).map_err(|error| StateError::of(path.display(), &error))?;
                quarantine.push(path);
            }
            damage.push(Damage::RecordLost { table: *table, key: key.clone(), quarantine });
        }
        for (table, count) in &merged.unreached {
            damage.push(Damage::RecordsMissing { table: *table, count: *count });
        }
        Ok(())
    }

    /// Notes that both copies have the last commit. Nobody waits for it to be durable: it is at worst too low, and then
    /// fewer are missed when copies go back to what they were.
    fn witness(&self) {
        if self.replicas.iter().any(Option::is_none) {
            return;
        }
        let entry = Entry { generation: self.generation, value: Vec::new() };
        let entry = entry.encode(survey::HEADER_CODE, WITNESS);
        if let Err(error) = write_all_at(&self.lock, &entry, WITNESS_AT) {
            tracing::debug!(%error, "the number of the last commit of the state was not noted");
        }
    }

    /// Writes down that there is a store here, so that one that vanishes is missed.
    fn mark(&self) -> std::io::Result<()> {
        retried(|| disk::ftruncate(&self.lock, 0))?;
        write_all_at(&self.lock, format!("{MARK}{FORMAT}\n").as_bytes(), 0)?;
        retried(|| disk::fsync(&self.lock))?;
        whole_file::sync_directory(&self.directory)
    }
}

impl fmt::Debug for StateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateStore")
            .field("directory", &self.directory)
            .field("generation", &self.generation)
            .field("records", &self.content.len())
            .finish_non_exhaustive()
    }
}

impl Found {
    fn survey(&self) -> Option<&Survey> {
        match self {
            Self::Whole(_, survey) => Some(survey),
            Self::Damaged { survey, .. } => survey.as_ref(),
            Self::Missing | Self::Full(_) => None,
        }
    }

    /// Whether it needs no work.
    fn is_just(&self, content: &Content, generation: u64) -> bool {
        match self {
            Self::Whole(_, survey) => {
                survey.is_whole() && survey.generation() == Some(generation) && survey.records == *content
            }
            _ => false,
        }
    }
}

/// Looks at a copy. An error is what the system refuses, and no damage.
fn find(place: &Place) -> Result<Found, StateError> {
    let (reason, is_unreadable) = match place.open() {
        Ok(Some((replica, survey))) => return Ok(Found::Whole(replica, survey)),
        Ok(None) => return Ok(Found::Missing),
        Err(Trouble::Refused(error @ StateError::Full(_))) => return Ok(Found::Full(error)),
        Err(Trouble::Refused(error)) => return Err(error),
        Err(Trouble::Damaged(reason)) => (reason, false),
        Err(Trouble::Unreadable(reason)) => (reason, true),
    };
    let survey = fs::read(place.path()).ok().map(|bytes| salvage::salvage(place.name(), bytes));
    if let Some(header) = survey.as_ref().and_then(|survey| survey.header)
        && header.format > FORMAT
    {
        return Err(StateError::TooNew { found: header.format, known: FORMAT });
    }
    Ok(Found::Damaged { reason, is_unreadable, survey })
}

/// Makes a copy say what it should. Returns where a damaged one was put.
fn bring_up(
    place: &Place,
    found: Found,
    content: &Content,
    generation: u64,
) -> Result<(Replica, Option<PathBuf>), StateError> {
    match found {
        Found::Whole(replica, survey) => match replica.correct(&survey, content, generation) {
            Ok(()) => return Ok((replica, None)),
            Err(Trouble::Refused(error)) => return Err(error),
            Err(Trouble::Damaged(_) | Trouble::Unreadable(_)) => {}
        },
        Found::Full(error) => return Err(error),
        Found::Missing | Found::Damaged { .. } => {}
    }
    place.build(content, generation)
}

/// What the file `lock` says.
struct Past {
    /// There has been a store here.
    is_marked: bool,
    /// And the file says of which format.
    is_mark_whole: bool,
    /// Both copies have had this commit.
    witness: u64,
}

/// Takes the directory for this process.
fn lock(path: &Path) -> Result<(File, Past), StateError> {
    let failed = |error: &std::io::Error| StateError::of(path.display(), error);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let file = disk::open(path, flags, Mode::from_raw_mode(0o666)).map_err(|errno| failed(&errno.into()))?;
    let file = File::from(file);
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => StateError::InUse(path.display().to_string()),
        TryLockError::Error(error) => failed(&error),
    })?;
    let mut bytes = Vec::new();
    (&file).take(2 * WITNESS_AT).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    let (text, witness) = bytes.split_at(bytes.len().min(64));
    let line = text.split(|byte| *byte == b'\n').next().and_then(|line| str::from_utf8(line).ok());
    match line.and_then(|line| line.strip_prefix(MARK)?.parse().ok()) {
        Some(found) if found > FORMAT => Err(StateError::TooNew { found, known: FORMAT }),
        format => {
            let witness = Entry::decode(survey::HEADER_CODE, WITNESS, witness);
            let witness = witness.map_or(0, |entry| entry.generation);
            Ok((file, Past { is_marked: !text.is_empty(), is_mark_whole: format.is_some(), witness }))
        }
    }
}

/// A file that does not exist yet, for the remains of a record.
fn unused(directory: &Path, table: Table, key: &[u8]) -> PathBuf {
    let start = key.get(..MAX_KEY_IN_NAME).unwrap_or(key);
    let name = format!("{}-{}", table.name(), HEXLOWER.encode(start));
    let mut number = 1_u32;
    loop {
        let path = directory.join(format!("{name}-{number}"));
        if fs::symlink_metadata(&path).is_err() || number == u32::MAX {
            return path;
        }
        number += 1;
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CopySetAside { copy, aside, reason } => {
                write!(f, "{copy} was damaged ({reason}); it is now {}, and was built anew", aside.display())
            }
            Self::CopyMissing { copy } => write!(f, "{copy} was not there, and was built anew"),
            Self::RecordMended { table, key } => {
                write!(
                    f,
                    "the record {} in {} was damaged in one copy; nothing is lost",
                    show(key),
                    table.name()
                )
            }
            Self::RecordLost { table, key, quarantine } => {
                write!(
                    f,
                    "the record {} in {} is damaged in both copies; what is left is in",
                    show(key),
                    table.name()
                )?;
                for path in quarantine {
                    write!(f, " {}", path.display())?;
                }
                Ok(())
            }
            Self::RecordsMissing { table, count: Some(count) } => {
                write!(f, "{count} more records of {} are lost, and it is not known which", table.name())
            }
            Self::RecordsMissing { table, count: None } => {
                write!(f, "records of {} may be lost, and it is not known which", table.name())
            }
            Self::CommitsLost { count } => {
                write!(f, "what was changed last (in {count} or more commits) is lost in both copies")
            }
            Self::StoreMissing => f.write_str("there was a store here, and both of its copies are gone"),
        }
    }
}

/// A key for people: text if it is text.
fn show(key: &[u8]) -> String {
    match str::from_utf8(key) {
        Ok(text) if text.chars().all(|character| character.is_ascii_graphic()) => text.to_owned(),
        _ => HEXLOWER.encode(key),
    }
}

#[cfg(test)]
mod tests;
