//! The files of a torrent. Clients number them as they stand in the list, in which there is no padding; sprat numbers all.

use sprat_core::geometry::Geometry;
use sprat_core::io::FilePriority;
use sprat_wire::metainfo::Metainfo;

use super::failure::{Code, Failure};
use super::names::Name;
use super::params::Params;
use super::value::{Object, Out};
use super::view::View;
use crate::service::{FileDetails, Priority};

/// What does not change but for the last.
pub(super) fn list(view: &View<'_>) -> Out {
    let geometry = view.parts.metainfo.as_deref().map(|metainfo| Geometry::new(&metainfo.info));
    let describe = |file: &FileDetails| {
        let pieces = geometry.as_ref().map(|geometry| geometry.pieces_of(file.index)).unwrap_or_default();
        Out::from(vec![
            (Name::Same("name"), file.path.as_str().into()),
            (Name::Same("length"), file.size.into()),
            (Name::Camel("bytes_completed"), file.have.into()),
            (Name::Same("begin_piece"), pieces.start.into()),
            (Name::Same("end_piece"), pieces.end.into()),
        ])
    };
    view.parts.files.iter().map(describe).collect()
}

/// What changes.
pub(super) fn stats(view: &View<'_>) -> Out {
    let describe = |file: &FileDetails| {
        let object: Object = vec![
            (Name::Camel("bytes_completed"), file.have.into()),
            (Name::Same("wanted"), is_wanted(file).into()),
            (Name::Same("priority"), urgency(file).into()),
        ];
        Out::from(object)
    };
    view.parts.files.iter().map(describe).collect()
}

/// Whether it is wanted.
pub(super) fn is_wanted(file: &FileDetails) -> bool {
    file.priority != Priority::Skip
}

/// -1, 0 or 1. What is not wanted has none, which is the usual one.
pub(super) const fn urgency(file: &FileDetails) -> i64 {
    match file.priority {
        Priority::Low => -1,
        Priority::Normal | Priority::Skip => 0,
        Priority::High => 1,
    }
}

/// What a request says of files, and to which it says it. An empty list means all of them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Wishes(Vec<(Wish, Vec<usize>)>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wish {
    Unwanted,
    Wanted,
    Urgency(Priority),
}

impl Wishes {
    /// Those of `torrent-set` and `torrent-add`.
    pub(super) fn read(params: &Params) -> Result<Self, Failure> {
        let said = [
            ("files_unwanted", Wish::Unwanted),
            ("files_wanted", Wish::Wanted),
            ("priority_low", Wish::Urgency(Priority::Low)),
            ("priority_normal", Wish::Urgency(Priority::Normal)),
            ("priority_high", Wish::Urgency(Priority::High)),
        ];
        let mut wishes = Vec::new();
        for (name, wish) in said {
            wishes.extend(params.numbers(name)?.map(|files| (wish, files)));
        }
        // What is said of all files is said before what is said of some, and how urgent something is after whether it is wanted.
        wishes.sort_by_key(|(wish, files)| (matches!(wish, Wish::Urgency(_)), !files.is_empty()));
        Ok(Self(wishes))
    }

    /// Nothing is wished.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they make of files that have these numbers with us, and have been wanted that much.
    pub(super) fn applied(&self, files: &[(usize, Priority)]) -> Result<Vec<(usize, FilePriority)>, Failure> {
        let mut after: Vec<Priority> = files.iter().map(|(_, priority)| *priority).collect();
        for (wish, which) in &self.0 {
            let all: Vec<usize> = (0..files.len()).collect();
            for place in if which.is_empty() { &all } else { which } {
                let problem = || Failure::new(Code::NoFile, format!("there is no file number {place}"));
                let one = after.get_mut(*place).ok_or_else(problem)?;
                *one = match (*wish, *one) {
                    (Wish::Unwanted, _) => Priority::Skip,
                    (Wish::Wanted, Priority::Skip) => Priority::Normal,
                    (Wish::Urgency(urgency), before) if before != Priority::Skip => urgency,
                    (_, before) => before,
                };
            }
        }
        let changed = files.iter().zip(after).filter(|((_, before), after)| before != after);
        Ok(changed.map(|((index, _), after)| (*index, after.into())).collect())
    }
}

/// The files of a torrent that is to be added: all of them wanted as usual.
pub(super) fn of_metainfo(metainfo: &Metainfo) -> Vec<(usize, Priority)> {
    let files = metainfo.info.files.iter().enumerate().filter(|(_, file)| !file.attributes.pad);
    files.map(|(index, _)| (index, Priority::Normal)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wishes(value: Value) -> Wishes {
        let Value::Object(object) = value else { panic!("not an object") };
        Wishes::read(&object.into()).unwrap()
    }

    #[test]
    fn wishes_are_by_place_and_mean_numbers() {
        // Number 1 is padding.
        let files = [(0, Priority::Normal), (2, Priority::Skip), (3, Priority::High)];
        assert!(wishes(json!({})).is_empty());
        assert_eq!(
            wishes(json!({"files-unwanted": [2]})).applied(&files).unwrap(),
            [(3, FilePriority::Skip)]
        );
        assert_eq!(wishes(json!({"files_wanted": []})).applied(&files).unwrap(), [(2, FilePriority::Normal)]);
        // What is not wanted stays so.
        assert_eq!(
            wishes(json!({"priority-low": []})).applied(&files).unwrap(),
            [(0, FilePriority::Low), (3, FilePriority::Low)]
        );
        let both = wishes(json!({"filesWanted": [1], "priorityHigh": [1]}));
        assert_eq!(both.applied(&files).unwrap(), [(2, FilePriority::High)]);
        assert_eq!(wishes(json!({"files-wanted": [3]})).applied(&files).unwrap_err().code, Code::NoFile);
        // Only this one.
        let only = wishes(json!({"files-unwanted": [], "files-wanted": [1]}));
        assert_eq!(
            only.applied(&files).unwrap(),
            [(0, FilePriority::Skip), (2, FilePriority::Normal), (3, FilePriority::Skip)]
        );
        let but = wishes(json!({"files-unwanted": [0], "files-wanted": []}));
        assert_eq!(but.applied(&files).unwrap(), [(0, FilePriority::Skip), (2, FilePriority::Normal)]);
    }
}
