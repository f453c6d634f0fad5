//! What the list keeps of a torrent: what the user has decided, and what must be known while it sleeps.
//!
//! An entry is a JSON object in the [ledger](crate::ledger). What a later version adds is passed over by this one; what this
//! one cannot do without has a number of the format.

use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Serialize};
use sprat_core::io::{AddMagnet, AddSleeping, AddTorrent, FilePriority, Manner, RateLimits, Totals};
use sprat_core::storage::Files;
use sprat_wire::hash::{InfoHashes, Sha1Hash, Sha256Hash};
use sprat_wire::metainfo::{Info, Metainfo};
use thiserror::Error;

use super::admission::Admission;
use super::note::Note;
use crate::address_policy::Origin;
use crate::storage::{Begun, Left, Place, PlaceError};

const FORMAT: u32 = 2;

/// Of an entry that has nothing but what the first version knew.
const FIRST_FORMAT: u32 = 1;

/// What a path is escaped by, so that any path is text.
const IN_PATHS: &AsciiSet = &CONTROLS.add(b'%').add(b'\\').add(b'"');

/// Why an entry cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EntryError {
    /// It is not what this program writes.
    #[error("it makes no sense: {0}")]
    Malformed(String),
    /// A newer version of the program has written it.
    #[error("it has format {0}, and this version of the program knows formats up to {FORMAT}")]
    TooNew(u32),
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    format: u32,
    v1: Option<String>,
    v2: Option<String>,
    pub(super) name: String,
    /// Where the files lie, escaped.
    directory: String,
    /// Files that have a path of their own. Since format 2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<(usize, String)>,
    #[serde(default)]
    adopt: bool,
    /// The metadata is on the shelf.
    #[serde(default)]
    pub(super) is_known: bool,
    #[serde(default)]
    pub(super) private: bool,
    /// Bytes and files, padding not counted; 0 while that is not known.
    #[serde(default)]
    pub(super) size: u64,
    #[serde(default)]
    pub(super) files: usize,
    /// Trackers of the torrent, or of the link.
    #[serde(default)]
    trackers: Vec<Vec<String>>,
    /// Those that the user has named.
    #[serde(default)]
    extra_trackers: Vec<Vec<String>>,
    /// Those of `trackers` that the user has named. Who does not know it contacts them as if the torrent had, which is safe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    named: Vec<String>,
    /// One letter per file: skip, low, normal, high.
    #[serde(default)]
    priorities: String,
    /// Of a link: which files, by number.
    #[serde(default)]
    select_only: Option<Vec<(u32, u32)>>,
    #[serde(default)]
    pub(super) sequential: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    first_last_first: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    super_seeding: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connections: Option<usize>,
    #[serde(default)]
    download_limit: Option<u64>,
    #[serde(default)]
    upload_limit: Option<u64>,
    #[serde(default)]
    pub(super) is_paused: bool,
    /// Everything is to be hashed, and has not been yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) recheck: bool,
    #[serde(default)]
    pub(super) is_complete: bool,
    #[serde(default)]
    pub(super) left: u64,
    #[serde(default)]
    totals: [u64; 4],
    #[serde(default, skip_serializing_if = "Note::is_empty")]
    pub(super) note: Note,
    /// The user has removed it, and it is not known to be gone.
    #[serde(default)]
    removing: Option<Removing>,
    /// Its files are on their way. Since format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moving: Option<Moving>,
}

/// A [`Place`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Spot {
    /// Escaped.
    directory: String,
    #[serde(default)]
    names: Vec<(usize, String)>,
    #[serde(default)]
    adopt: bool,
}

/// How far the files of a torrent are on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Moving {
    /// They are being brought there. Not begun: nothing was done yet.
    To {
        spot: Spot,
        mark: u64,
        #[serde(default)]
        begun: Option<Begun>,
    },
    /// They have come from there, where some of them may be left.
    From { spot: Spot, mark: u64, left: Left },
}

/// What is still to be done of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Journey {
    /// The files are to be brought there; they may be there in part.
    To(Place, u64, Option<Begun>),
    /// They are there, and what is left at this place is to be removed.
    From(Place, u64, Left),
}

impl Journey {
    /// Whether the torrent has the files that it speaks of.
    pub(super) fn check(&self, info: &Info) -> Result<(), PlaceError> {
        match self {
            Self::To(to, _, begun) => {
                to.check(info).and_then(|()| begun.iter().try_for_each(|begun| begun.check(info)))
            }
            Self::From(from, _, left) => from.check(info).and_then(|()| left.check(info)),
        }
    }

    /// What stays on the disk if nobody goes on with it, in words for a person.
    pub(super) fn leaves(&self) -> Option<String> {
        match self {
            Self::To(to, ..) => Some(format!("unfinished copies may be left at {}", to.directory.display())),
            Self::From(_, _, left) if left.is_empty() => None,
            Self::From(from, ..) => {
                Some(format!("what was moved is still at {} as well", from.directory.display()))
            }
        }
    }
}

/// What is to become of the files of a torrent that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Removing {
    Forget,
    Delete,
}

impl Entry {
    pub(super) fn of_torrent(add: &AddTorrent, admission: &Admission) -> Self {
        let mut entry = Self::new(&add.metainfo.info_hashes, admission);
        entry.is_paused = add.paused;
        entry.set_manner(add.manner);
        entry.extra_trackers.clone_from(&add.extra_trackers);
        entry.sequential = add.sequential;
        entry.set_priorities(&add.priorities);
        entry.set_limits(add.limits);
        entry.know(&add.metainfo);
        entry.settle_trackers(admission);
        entry
    }

    pub(super) fn of_magnet(add: &AddMagnet, admission: &Admission) -> Self {
        let mut entry = Self::new(&add.info_hashes, admission);
        entry.is_paused = add.paused;
        entry.set_manner(add.manner);
        entry.trackers.clone_from(&add.trackers);
        entry.extra_trackers.clone_from(&add.extra_trackers);
        entry.sequential = add.sequential;
        entry.set_limits(add.limits);
        let ranges = add.select_only.as_ref();
        entry.select_only =
            ranges.map(|ranges| ranges.iter().map(|range| (*range.start(), *range.end())).collect());
        entry.settle_trackers(admission);
        entry
    }

    fn new(hashes: &InfoHashes, admission: &Admission) -> Self {
        let Spot { directory, names, adopt } = Spot::of(&admission.place);
        Self {
            format: FIRST_FORMAT,
            v1: hashes.v1().map(|hash| hash.to_string()),
            v2: hashes.v2().map(|hash| hash.to_string()),
            name: String::new(),
            directory,
            names,
            adopt,
            is_known: false,
            private: false,
            size: 0,
            files: 0,
            trackers: Vec::new(),
            extra_trackers: Vec::new(),
            named: Vec::new(),
            priorities: String::new(),
            select_only: None,
            sequential: false,
            first_last_first: false,
            super_seeding: false,
            connections: None,
            download_limit: None,
            upload_limit: None,
            is_paused: false,
            recheck: false,
            is_complete: false,
            left: 0,
            totals: [0; 4],
            note: admission.note.clone(),
            removing: None,
            moving: None,
        }
    }

    /// The metadata is there and on the shelf. It may tell a hash that a link did not.
    pub(super) fn know(&mut self, metainfo: &Metainfo) {
        self.is_known = true;
        self.v1 = metainfo.info_hashes.v1().map(|hash| hash.to_string());
        self.v2 = metainfo.info_hashes.v2().map(|hash| hash.to_string());
        self.name.clone_from(&metainfo.info.name);
        self.private = metainfo.info.private;
        if !metainfo.trackers.is_empty() {
            self.trackers.clone_from(&metainfo.trackers);
        }
        self.size = metainfo.info.content_length();
        self.files = metainfo.info.files.iter().filter(|file| !file.attributes.pad).count();
        self.left = self.size;
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let needs_second = self.moving.is_some() || !self.names.is_empty();
        let entry = Self { format: if needs_second { FORMAT } else { FIRST_FORMAT }, ..self.clone() };
        // It has no map whose keys could fail.
        serde_json::to_vec(&entry).unwrap_or_default()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let malformed = |error: serde_json::Error| EntryError::Malformed(error.to_string());
        let Format { format } = serde_json::from_slice(bytes).map_err(malformed)?;
        if format > FORMAT {
            return Err(EntryError::TooNew(format));
        }
        let entry: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        entry.hashes().ok_or_else(|| EntryError::Malformed("it has no info-hash".to_owned()))?;
        Ok(entry)
    }

    /// The entry, if one can go on where it says that we were.
    pub(super) fn checked(self) -> Result<Self, EntryError> {
        self.check_moving().map(|()| self).map_err(EntryError::Malformed)
    }

    /// Whether what it says of a move can be what we have written. Which files there are is seen when the metadata is at hand.
    fn check_moving(&self) -> Result<(), String> {
        let Some(Moving::To { spot, .. } | Moving::From { spot, .. }) = &self.moving else { return Ok(()) };
        if !self.is_known {
            return Err("its files are on their way, and not known".to_owned());
        }
        for place in [self.place(), spot.place()] {
            place.check_directory().and_then(|()| place.check_names()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn hashes(&self) -> Option<InfoHashes> {
        let bytes = |text: &String| HEXLOWER.decode(text.as_bytes()).ok();
        let v1 = match &self.v1 {
            Some(text) => Some(Sha1Hash::from_slice(&bytes(text)?)?),
            None => None,
        };
        let v2 = match &self.v2 {
            Some(text) => Some(Sha256Hash::from_slice(&bytes(text)?)?),
            None => None,
        };
        InfoHashes::new(v1, v2)
    }

    /// What it is; whoever decoded it has seen that it has one.
    pub(super) fn info_hashes(&self) -> InfoHashes {
        let nobody = || InfoHashes::new(Some(Sha1Hash([0; 20])), None);
        self.hashes().or_else(nobody).unwrap_or_else(|| unreachable!("there is a hash"))
    }

    pub(super) fn place(&self) -> Place {
        place(&self.directory, &self.names, self.adopt)
    }

    pub(super) fn set_place(&mut self, place: &Place) {
        self.put(Spot::of(place));
        self.is_complete = false;
    }

    /// Puts it there, and returns where it was.
    fn put(&mut self, spot: Spot) -> Spot {
        let Spot { directory, names, adopt } = spot;
        Spot {
            directory: std::mem::replace(&mut self.directory, directory),
            names: std::mem::replace(&mut self.names, names),
            adopt: std::mem::replace(&mut self.adopt, adopt),
        }
    }

    /// The files are to be brought there. `mark` is in the names of unfinished copies.
    pub(super) fn set_out(&mut self, to: &Place, mark: u64) {
        self.moving = Some(Moving::To { spot: Spot::of(to), mark, begun: None });
    }

    /// It has come so far.
    pub(super) fn begin(&mut self, so_far: Begun) {
        if let Some(Moving::To { begun, .. }) = &mut self.moving {
            *begun = Some(so_far);
        }
    }

    /// The files are where they were to be brought.
    pub(super) fn arrive(&mut self, left: Left) {
        match self.moving.take() {
            Some(Moving::To { spot, mark, .. }) => {
                let spot = self.put(spot);
                self.moving = Some(Moving::From { spot, mark, left });
            }
            moving => self.moving = moving,
        }
    }

    /// So much is left at the old place.
    pub(super) fn note_left(&mut self, rest: Left) {
        if let Some(Moving::From { left, .. }) = &mut self.moving {
            *left = rest;
        }
    }

    /// Nothing is left of the move.
    pub(super) fn settle(&mut self) {
        self.moving = None;
    }

    pub(super) fn journey(&self) -> Option<Journey> {
        self.moving.as_ref().map(|moving| match moving {
            Moving::To { spot, mark, begun } => Journey::To(spot.place(), *mark, begun.clone()),
            Moving::From { spot, mark, left } => Journey::From(spot.place(), *mark, left.clone()),
        })
    }

    /// The user lets us write files that are there already, also where the torrent is going.
    pub(super) const fn adopt(&mut self) {
        self.adopt = true;
        if let Some(Moving::To { spot, .. }) = &mut self.moving {
            spot.adopt = true;
        }
    }

    pub(super) fn user_trackers(&self) -> impl Iterator<Item = &String> {
        self.extra_trackers.iter().flatten().chain(&self.named)
    }

    /// Extra trackers that the user has not named are like those of the torrent.
    fn settle_trackers(&mut self, admission: &Admission) {
        if admission.trackers_by == Origin::Torrent {
            self.trackers.splice(0..0, std::mem::take(&mut self.extra_trackers));
        }
    }

    /// These are the trackers from now on, and the user has named these of them.
    pub(super) fn set_trackers(&mut self, tiers: Vec<Vec<String>>, named: Vec<String>) {
        self.extra_trackers.clear();
        self.trackers = tiers;
        self.named = named;
    }

    pub(super) const fn limits(&self) -> RateLimits {
        RateLimits { download: self.download_limit, upload: self.upload_limit }
    }

    pub(super) const fn set_limits(&mut self, limits: RateLimits) {
        self.download_limit = limits.download;
        self.upload_limit = limits.upload;
    }

    pub(super) const fn manner(&self) -> Manner {
        Manner {
            first_last_first: self.first_last_first,
            super_seeding: self.super_seeding,
            connections: self.connections,
        }
    }

    pub(super) const fn set_manner(&mut self, manner: Manner) {
        self.first_last_first = manner.first_last_first;
        self.super_seeding = manner.super_seeding;
        self.connections = manner.connections;
    }

    pub(super) fn set_priorities(&mut self, priorities: &[FilePriority]) {
        self.priorities = priorities.iter().copied().map(letter_of).collect();
    }

    pub(super) fn priorities(&self) -> Vec<FilePriority> {
        self.priorities.chars().map(priority_of).collect()
    }

    pub(super) const fn totals(&self) -> Totals {
        let [downloaded, uploaded, wasted, rejected_pieces] = self.totals;
        Totals { downloaded, uploaded, wasted, rejected_pieces }
    }

    pub(super) const fn set_totals(&mut self, totals: Totals) {
        let Totals { downloaded, uploaded, wasted, rejected_pieces } = totals;
        self.totals = [downloaded, uploaded, wasted, rejected_pieces];
    }

    /// What is still to be done with its files, if it was removed.
    pub(super) fn removing(&self) -> Option<Files> {
        self.removing.map(|removing| match removing {
            Removing::Forget => Files::Forget,
            Removing::Delete => Files::Delete,
        })
    }

    pub(super) fn set_removing(&mut self, files: Option<Files>) {
        self.removing =
            files.map(|files| if files == Files::Delete { Removing::Delete } else { Removing::Forget });
    }

    /// As it was when the last session ended.
    pub(super) fn asleep(&self) -> AddSleeping {
        AddSleeping {
            info_hashes: self.info_hashes(),
            private: self.private,
            tiers: [self.extra_trackers.as_slice(), self.trackers.as_slice()].concat(),
            complete: self.is_complete,
            left: self.left,
            totals: self.totals(),
            paused: self.is_paused,
            recheck: self.recheck,
            priorities: self.priorities(),
            sequential: self.sequential,
            limits: self.limits(),
            manner: self.manner(),
        }
    }

    /// Of a torrent whose metadata has not been found yet.
    pub(super) fn magnet(&self) -> AddMagnet {
        AddMagnet {
            info_hashes: self.info_hashes(),
            trackers: self.trackers.clone(),
            extra_trackers: self.extra_trackers.clone(),
            peers: Vec::new(),
            select_only: self
                .select_only
                .as_ref()
                .map(|ranges| ranges.iter().map(|(from, to)| *from..=*to).collect()),
            sequential: self.sequential,
            limits: self.limits(),
            manner: self.manner(),
            paused: self.is_paused,
        }
    }
}

impl Spot {
    fn of(place: &Place) -> Self {
        let directory = percent_encode(place.directory.as_os_str().as_bytes(), IN_PATHS).to_string();
        Self { directory, names: place.names.clone().into_iter().collect(), adopt: place.adopt }
    }

    fn place(&self) -> Place {
        place(&self.directory, &self.names, self.adopt)
    }
}

fn place(directory: &str, names: &[(usize, String)], adopt: bool) -> Place {
    let directory = percent_decode_str(directory).collect::<Vec<u8>>();
    let directory = PathBuf::from(std::ffi::OsString::from_vec(directory));
    Place { directory, names: names.iter().cloned().collect(), adopt }
}

const fn letter_of(priority: FilePriority) -> char {
    match priority {
        FilePriority::Skip => 's',
        FilePriority::Low => 'l',
        FilePriority::Normal => 'n',
        FilePriority::High => 'h',
    }
}

const fn priority_of(letter: char) -> FilePriority {
    match letter {
        's' => FilePriority::Skip,
        'l' => FilePriority::Low,
        'h' => FilePriority::High,
        _ => FilePriority::Normal,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn sample() -> Entry {
        let hashes = InfoHashes::new(Some(Sha1Hash([1; 20])), Some(Sha256Hash([2; 32]))).unwrap();
        let directory = PathBuf::from(std::ffi::OsString::from_vec(b"/d/100%\xff\"x".to_vec()));
        let mut add = AddMagnet::new(hashes);
        add.trackers = vec![vec!["http://a/".to_owned()], vec!["udp://b:1".to_owned()]];
        add.extra_trackers = vec![vec!["http://mine/".to_owned()]];
        add.select_only = Some(vec![0..=2, 7..=7]);
        let mut entry = Entry::of_magnet(&add, &Place { adopt: true, ..Place::from(directory) }.into());
        entry.name = "name".to_owned();
        entry.set_priorities(&[FilePriority::Skip, FilePriority::High]);
        entry.set_limits(RateLimits { download: Some(5), upload: None });
        entry.set_totals(Totals { downloaded: 1, uploaded: 2, wasted: 3, rejected_pieces: 4 });
        entry.set_removing(Some(Files::Delete));
        entry
    }

    /// The first format: what was written with it must be read for ever.
    const FIRST: &str = include_str!("entry_1.json");

    /// The second one: with names of its own, and on the way.
    const SECOND: &str = include_str!("entry_2.json");

    #[test]
    fn the_first_format_is_still_read() {
        let entry = Entry::decode(FIRST.as_bytes()).unwrap();
        assert_eq!(entry, sample());
        assert_eq!(entry.place().directory.as_os_str().as_bytes(), b"/d/100%\xff\"x");
        assert_eq!(entry.magnet().select_only, Some(vec![0..=2, 7..=7]));
        assert_eq!(entry.asleep().priorities, [FilePriority::Skip, FilePriority::High]);
    }

    /// On its way from `/d/…` to `/new`, where a file has another name.
    fn travelling() -> Entry {
        let mut entry = sample();
        let names = BTreeMap::from([(1, "other/name".to_owned())]);
        entry.set_out(&Place { names, ..Place::from(PathBuf::from("/new")) }, 77);
        entry
    }

    #[test]
    fn the_second_format_is_still_read() {
        let entry = Entry::decode(SECOND.as_bytes()).unwrap();
        let left = match entry.journey().unwrap() {
            Journey::From(from, mark, left) => {
                assert_eq!((from, mark), (sample().place(), 77));
                left
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(left, serde_json::from_str(r#"{"files":[[0,7],[1,9]],"directories":["a"]}"#).unwrap());
        assert_eq!(entry.place().names[&1], "other/name");
        let mut written = travelling();
        written.arrive(left);
        assert_eq!(Entry { format: FORMAT, ..written }, entry);
    }

    /// What has been added to the first format since, and what an older version passes over.
    const ADDED: &str = include_str!("entry_1_added.json");

    #[test]
    fn what_was_added_to_the_first_format_is_read() {
        let mut entry = sample();
        (entry.size, entry.files, entry.recheck) = (5, 2, true);
        entry.note = Note::new("a note").unwrap();
        entry.set_manner(Manner { first_last_first: true, super_seeding: true, connections: Some(9) });
        entry.set_trackers(vec![vec!["http://mine/".to_owned()]], vec!["http://mine/".to_owned()]);
        assert_eq!(Entry::decode(ADDED.as_bytes()), Ok(entry.clone()));
        assert_eq!(String::from_utf8(entry.encode()).unwrap(), ADDED.trim_end());
    }

    #[test]
    fn a_move_is_an_entry_that_older_versions_refuse() {
        let entry = travelling();
        let read = Entry::decode(&entry.encode()).unwrap();
        assert_eq!(read.format, FORMAT);
        assert_eq!(read.journey(), entry.journey());
        let mut settled = read;
        settled.settle();
        assert_eq!(Entry::decode(&settled.encode()), Ok(sample()), "and none of their business later");
    }

    #[test]
    fn what_is_not_known_cannot_be_on_its_way() {
        let mut entry = travelling();
        assert!(matches!(entry.clone().checked(), Err(EntryError::Malformed(_))));
        entry.is_known = true;
        assert_eq!(entry.clone().checked(), Ok(entry));
        assert_eq!(sample().checked(), Ok(sample()));
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let entry = sample();
        assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
    }

    #[test]
    fn trackers_that_the_user_has_named_are_known_among_those_of_the_torrent() {
        let mut entry = sample();
        assert_eq!(entry.user_trackers().collect::<Vec<_>>(), ["http://mine/"]);
        let tiers = vec![vec!["http://a/".to_owned(), "http://new/".to_owned()]];
        entry.set_trackers(tiers.clone(), vec!["http://new/".to_owned()]);
        let read = Entry::decode(&entry.encode()).unwrap();
        assert_eq!(read.user_trackers().collect::<Vec<_>>(), ["http://new/"]);
        assert_eq!((read.asleep().tiers, read.magnet().tiers()), (tiers.clone(), tiers));
    }

    #[test]
    fn what_cannot_be_understood_is_refused_and_not_guessed() {
        let newer = FIRST.replacen("\"format\":1", "\"format\":3", 1);
        assert_eq!(Entry::decode(newer.as_bytes()), Err(EntryError::TooNew(3)));
        let nameless = FIRST.replace(&"01".repeat(20), "01").replace(&"02".repeat(32), "x");
        for bad in ["", "{}", "[]", "{\"format\":1}", &nameless] {
            assert!(matches!(Entry::decode(bad.as_bytes()), Err(EntryError::Malformed(_))), "{bad}");
        }
        let later = FIRST.replacen('{', "{\"new\":[1],", 1);
        assert_eq!(Entry::decode(later.as_bytes()), Ok(sample()));
    }
}
