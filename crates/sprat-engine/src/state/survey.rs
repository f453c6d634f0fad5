//! What is found in one copy of the store, record by record.

use std::collections::BTreeMap;

use redb::{ReadableDatabase, ReadableTable as _, ReadableTableMetadata as _, TableDefinition};

use super::Table;
use super::record::Entry;

/// What a table of the store is in its database.
pub(super) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// The table of the one record about the store itself.
pub(super) const HEADER: Definition = TableDefinition::new("store");
/// The key of that record.
pub(super) const HEADER_KEY: &[u8] = b"store";
/// What stands for its table in the checksum: no [`Table`] has this code.
pub(super) const HEADER_CODE: u8 = 0;

/// Where a record belongs.
pub(super) type Place = (Table, Vec<u8>);

/// All records, in order.
pub(super) type Content = BTreeMap<Place, Entry>;

/// What one copy says.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Format and number of the last commit, unless that record is lost.
    pub(super) header: Option<Header>,
    pub(super) records: Content,
    /// Records whose checksum is wrong, as they lie there.
    pub(super) damaged: BTreeMap<Place, Vec<u8>>,
    /// The tables of which not all records could be reached, and of how many there must be more, if that is known.
    pub(super) unreached: BTreeMap<Table, Option<u64>>,
}

/// The record about the store itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) format: u32,
    /// The number of the commit that this copy has last.
    pub(super) generation: u64,
}

impl Header {
    pub(super) fn encode(self) -> Vec<u8> {
        let entry = Entry { generation: self.generation, value: self.format.to_le_bytes().to_vec() };
        entry.encode(HEADER_CODE, HEADER_KEY)
    }

    /// The beginning of the value is the format in all formats to come.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let entry = Entry::decode(HEADER_CODE, HEADER_KEY, bytes)?;
        let format = u32::from_le_bytes(*entry.value.first_chunk()?);
        Some(Self { format, generation: entry.generation })
    }
}

impl Survey {
    /// Reads all of a database that has just shown that its structure is sound.
    pub(super) fn of(database: &impl ReadableDatabase) -> Result<Self, redb::Error> {
        let mut survey = Self::default();
        let reading = database.begin_read()?;
        let header = reading.open_table(HEADER)?;
        survey.header = header.get(HEADER_KEY)?.and_then(|bytes| Header::decode(bytes.value()));
        for table in Table::ALL {
            let rows = reading.open_table(table.definition())?;
            for row in rows.iter()? {
                let (key, value) = row?;
                survey.note(table, key.value(), value.value());
            }
            if rows.len()? != survey.count(table) {
                return Err(redb::Error::Corrupted(format!("the table {} has lost rows", table.name())));
            }
        }
        Ok(survey)
    }

    /// What a copy says of which nothing can be read.
    pub(super) fn nothing() -> Self {
        let unreached = Table::ALL.into_iter().map(|table| (table, None)).collect();
        Self { unreached, ..Self::default() }
    }

    /// Takes down one row. Of a damaged tree it may come twice.
    pub(super) fn note(&mut self, table: Table, key: &[u8], bytes: &[u8]) {
        let place = (table, key.to_vec());
        if self.records.contains_key(&place) {
            return;
        }
        match Entry::decode(table.code(), key, bytes) {
            Some(entry) => {
                self.damaged.remove(&place);
                self.records.insert(place, entry);
            }
            None => drop(self.damaged.insert(place, bytes.to_vec())),
        }
    }

    /// Rows of a table that have been taken down.
    pub(super) fn count(&self, table: Table) -> u64 {
        let of_table = |place: &&Place| place.0 == table;
        let good = self.records.keys().filter(of_table).count();
        let bad = self.damaged.keys().filter(of_table).count();
        (good + bad) as u64
    }

    /// Whether nothing is wrong with it.
    pub(super) fn is_whole(&self) -> bool {
        self.header.is_some() && self.damaged.is_empty() && self.unreached.is_empty()
    }

    /// The number of its last commit, if that is known.
    pub(super) fn generation(&self) -> Option<u64> {
        self.header.map(|header| header.generation)
    }
}
