//! What can still be read of a database that is damaged.
//!
//! Its checksums are of no help here: they say that something is wrong, and nothing of the rest. So the file is read as
//! it is, without repair, from memory, and only records are believed that prove themselves by a checksum of their own.
//! Where the tree breaks off, reading goes on behind the break. A damaged tree may also lead in circles, or to more
//! pages than there are, so every step may read a few pages only.

use std::ops::{Bound, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use redb::{
    BackendError, Builder, ConcurrencyMode, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase as _,
    ReadableTableMetadata as _, StorageBackend,
};

use super::Table;
use super::fault::{Trouble, guarded};
use super::survey::{Definition, HEADER, HEADER_KEY, Header, Survey};

/// Pages that one step may read. A tree of this many levels has more rows than any disk.
const PAGES_PER_STEP: u32 = 64;

/// The byte whose lock says that a writer keeps the file consistent (`docs/design.md` of redb, "Lock bytes").
const CONSISTENT_BYTE: u64 = (1 << 62) + 4;

type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Reads all that is left. `name` is for messages.
pub(super) fn salvage(name: &str, bytes: Vec<u8>) -> Survey {
    let image = Arc::new(Image { bytes, allowance: AtomicU32::new(0) });
    let mut survey = Survey::default();
    let header = with_table(name, &image, HEADER, |rows| {
        Ok(rows.get(HEADER_KEY)?.and_then(|bytes| Header::decode(bytes.value())))
    });
    survey.header = header.ok().flatten();
    for table in Table::ALL {
        let Ok(expected) = with_table(name, &image, table.definition(), |rows| Ok(rows.len()?)) else {
            survey.unreached.insert(table, None);
            continue;
        };
        // From both ends of the whole, then of each part of it.
        for part in std::iter::once(0..=u8::MAX).chain((0..=u8::MAX).map(|first| first..=first)) {
            if survey.count(table) >= expected {
                break;
            }
            for backwards in [false, true] {
                let _ = read_part(name, &image, table, &part, backwards, expected, &mut survey);
            }
        }
        let unreached = expected.saturating_sub(survey.count(table));
        if unreached > 0 {
            survey.unreached.insert(table, Some(unreached));
        }
    }
    survey
}

/// Reads the rows whose key begins with one of these bytes, up to the first that cannot be reached.
fn read_part(
    name: &str,
    image: &Arc<Image>,
    table: Table,
    part: &RangeInclusive<u8>,
    backwards: bool,
    expected: u64,
    survey: &mut Survey,
) -> Result<(), Trouble> {
    let from = [*part.start()];
    let to = part.end().checked_add(1).map(|end| [end]);
    with_table(name, image, table.definition(), |rows| {
        let start = if from == [0] { Bound::Unbounded } else { Bound::Included(from.as_slice()) };
        let end = to.as_ref().map_or(Bound::Unbounded, |to| Bound::Excluded(to.as_slice()));
        image.allow();
        let mut range = rows.range::<&[u8]>((start, end))?;
        // A tree that leads in circles has no end.
        for _ in 0..=expected {
            image.allow();
            let row = if backwards { range.next_back() } else { range.next() };
            let Some(row) = row else { break };
            let (key, value) = row?;
            survey.note(table, key.value(), value.value());
        }
        Ok(())
    })
}

/// Opens the database for one attempt: after an error it refuses everything.
fn with_table<T>(
    name: &str,
    image: &Arc<Image>,
    definition: Definition,
    read: impl FnOnce(&Rows) -> Result<T, redb::Error>,
) -> Result<T, Trouble> {
    guarded(name, "salvaging", || {
        image.allow();
        let mut builder = Builder::new();
        // As a reader beside a writer it repairs nothing. Without a cache, circles lead back to the image, which counts.
        builder.set_concurrency_mode(ConcurrencyMode::SingleWriter).set_cache_size(0);
        let database: ReadOnlyDatabase = builder.open_read_only_with_backend(View(Arc::clone(image)))?;
        image.allow();
        let reading = database.begin_read()?;
        image.allow();
        let table = reading.open_table(definition)?;
        image.allow();
        read(&table)
    })
}

/// The bytes of the file, and how many pages the present step may still read.
#[derive(Debug)]
struct Image {
    bytes: Vec<u8>,
    allowance: AtomicU32,
}

impl Image {
    fn allow(&self) {
        self.allowance.store(PAGES_PER_STEP, Ordering::Relaxed);
    }
}

/// The file as the database sees it. Nobody else has it, so that every lock is free.
#[derive(Debug)]
struct View(Arc<Image>);

impl StorageBackend for View {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.0.bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let spend = |left: u32| left.checked_sub(1);
        self.0
            .allowance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend)
            .map_err(|_| std::io::Error::other("the tree of the database has no end"))?;
        let found =
            usize::try_from(offset).ok().and_then(|offset| self.0.bytes.get(offset..)?.get(..out.len()));
        out.copy_from_slice(found.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, _: u64) -> std::io::Result<()> {
        Err(std::io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> std::io::Result<()> {
        Err(std::io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn write(&self, _: u64, _: &[u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn try_lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn query_lock_range(&self, start: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(start == Bound::Included(CONSISTENT_BYTE))
    }
}
