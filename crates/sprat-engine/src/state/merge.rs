//! What the two copies say together.

use std::collections::{BTreeMap, BTreeSet};

use super::Table;
use super::record::Entry;
use super::survey::{Content, Place, Survey};

/// What is to be believed.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) content: Content,
    /// The number of the last commit of which something is there.
    pub(super) generation: u64,
    /// Records that one copy had to give for the other.
    pub(super) mended: Vec<Place>,
    /// Records that neither copy can give: what lies in their place.
    pub(super) lost: BTreeMap<Place, Vec<Vec<u8>>>,
    /// Tables of which neither copy shows everything, and how many records are missing at the most.
    pub(super) unreached: BTreeMap<Table, Option<u64>>,
}

/// Puts two copies together: the first, which is written first, and the second.
pub(super) fn merge(first: Option<&Survey>, second: Option<&Survey>) -> Merged {
    match (first, second) {
        (Some(first), Some(second)) => {
            if let Some(whole) = sufficient(first, second) {
                return alone(whole, if std::ptr::eq(whole, first) { second } else { first });
            }
            record_by_record(first, second)
        }
        (Some(only), None) | (None, Some(only)) if only.is_whole() => alone(only, &Survey::default()),
        (Some(only), None) | (None, Some(only)) => record_by_record(only, &Survey::nothing()),
        (None, None) => Merged::default(),
    }
}

/// The copy that has all that counts, if there is one.
fn sufficient<'a>(first: &'a Survey, second: &'a Survey) -> Option<&'a Survey> {
    let is_newer = first.generation() >= second.generation();
    match (first.is_whole(), second.is_whole()) {
        (true, true) => Some(if is_newer { first } else { second }),
        (true, false) => is_newer.then_some(first),
        // A commit that only the first copy has was never acknowledged: the second was still to come.
        (false, true) => {
            let next = second.generation().map(|generation| generation + 1);
            (first.generation() <= next).then_some(second)
        }
        (false, false) => None,
    }
}

fn alone(whole: &Survey, other: &Survey) -> Merged {
    let mended = other.damaged.keys().filter(|place| whole.records.contains_key(*place)).cloned().collect();
    Merged {
        content: whole.records.clone(),
        generation: whole.generation().unwrap_or(0),
        mended,
        ..Merged::default()
    }
}

fn record_by_record(first: &Survey, second: &Survey) -> Merged {
    let mut merged = Merged::default();
    let places: BTreeSet<&Place> = [first, second]
        .into_iter()
        .flat_map(|survey| survey.records.keys().chain(survey.damaged.keys()))
        .collect();
    for place in places {
        let bytes =
            || [first, second].iter().filter_map(|survey| survey.damaged.get(place).cloned()).collect();
        match verdict(first, second, place) {
            Verdict::Is(entry) => {
                if first.damaged.contains_key(place) || second.damaged.contains_key(place) {
                    merged.mended.push(place.clone());
                }
                merged.content.insert(place.clone(), entry.clone());
            }
            Verdict::Lost => drop(merged.lost.insert(place.clone(), bytes())),
            Verdict::Removed => {}
        }
    }
    let known = [first.generation(), second.generation()].into_iter().flatten();
    let seen = merged.content.values().map(|entry| entry.generation);
    merged.generation = known.chain(seen).max().unwrap_or(0);
    for (table, count) in &first.unreached {
        if let Some(other) = second.unreached.get(table) {
            // What one copy does not show, the other may have shown.
            let found =
                merged.content.keys().chain(merged.lost.keys()).filter(|place| place.0 == *table).count();
            let expected = |survey: &Survey, unreached: Option<u64>| Some(survey.count(*table) + unreached?);
            let expected = expected(first, *count).max(expected(second, *other));
            let missing = expected.map(|expected| expected.saturating_sub(found as u64));
            if missing != Some(0) {
                merged.unreached.insert(*table, missing);
            }
        }
    }
    merged
}

enum Verdict<'a> {
    Is(&'a Entry),
    Removed,
    Lost,
}

fn verdict<'a>(first: &'a Survey, second: &'a Survey, place: &Place) -> Verdict<'a> {
    let (mine, other) = match (first.records.get(place), second.records.get(place)) {
        (Some(one), Some(two)) => {
            return Verdict::Is(if one.generation >= two.generation { one } else { two });
        }
        (Some(one), None) => ((one, first), second),
        (None, Some(two)) => ((two, second), first),
        (None, None) => {
            // A key that changed in one copy stands where nothing should be, as the other shows.
            let never_was = |survey: &Survey| {
                survey.header.is_some()
                    && !survey.unreached.contains_key(&place.0)
                    && !survey.damaged.contains_key(place)
            };
            return if never_was(first) || never_was(second) { Verdict::Removed } else { Verdict::Lost };
        }
    };
    let (entry, survey) = mine;
    let is_behind = other.generation() > survey.generation();
    if other.damaged.contains_key(place) {
        // What this copy has may be older than what the other had.
        return if is_behind { Verdict::Lost } else { Verdict::Is(entry) };
    }
    if is_behind && !other.unreached.contains_key(&place.0) { Verdict::Removed } else { Verdict::Is(entry) }
}

#[cfg(test)]
mod tests {
    use super::super::FORMAT;
    use super::super::survey::Header;
    use super::*;

    fn survey(generation: u64, records: &[(&str, u64, &str)]) -> Survey {
        let records = records.iter().map(|(key, generation, value)| {
            let entry = Entry { generation: *generation, value: value.as_bytes().to_vec() };
            (place(key), entry)
        });
        let header = Some(Header { format: FORMAT, generation });
        Survey { header, records: records.collect(), ..Survey::default() }
    }

    fn place(key: &str) -> Place {
        (Table::Torrents, key.as_bytes().to_vec())
    }

    fn damage(survey: &mut Survey, key: &str) {
        survey.records.remove(&place(key));
        survey.damaged.insert(place(key), b"garbage".to_vec());
    }

    fn values(merged: &Merged) -> Vec<(&str, &str)> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        merged.content.iter().map(|(place, entry)| (text(&place.1), text(&entry.value))).collect()
    }

    #[test]
    fn the_newer_of_two_whole_copies_counts_with_what_it_removed() {
        let old = survey(4, &[("a", 1, "old"), ("b", 2, "gone")]);
        let new = survey(5, &[("a", 5, "new")]);
        for merged in [merge(Some(&old), Some(&new)), merge(Some(&new), Some(&old))] {
            assert_eq!(values(&merged), [("a", "new")]);
            assert_eq!(merged.generation, 5);
        }
    }

    #[test]
    fn each_copy_gives_what_the_other_lacks() {
        let records = [("a", 1, "1"), ("b", 2, "2"), ("c", 3, "3")];
        let (mut first, mut second) = (survey(3, &records), survey(3, &records));
        damage(&mut first, "a");
        damage(&mut second, "b");
        damage(&mut first, "c");
        damage(&mut second, "c");
        let merged = merge(Some(&first), Some(&second));
        assert_eq!(values(&merged), [("a", "1"), ("b", "2")]);
        assert_eq!(merged.mended, [place("a"), place("b")]);
        assert_eq!(merged.lost[&place("c")], [b"garbage", b"garbage"]);
    }

    #[test]
    fn an_older_value_does_not_stand_in_for_a_damaged_newer_one() {
        let mut first = survey(9, &[("a", 9, "new"), ("b", 1, "1")]);
        let mut second = survey(7, &[("a", 6, "old"), ("b", 1, "1")]);
        damage(&mut first, "a");
        damage(&mut second, "b");
        let merged = merge(Some(&first), Some(&second));
        assert_eq!(values(&merged), [("b", "1")]);
        assert!(merged.lost.contains_key(&place("a")));
    }

    #[test]
    fn a_key_that_changed_in_one_copy_is_not_a_record() {
        let mut first = survey(3, &[("a", 1, "1"), ("q", 2, "2")]);
        let mut second = survey(3, &[("a", 1, "1"), ("p", 2, "2")]);
        damage(&mut first, "q");
        damage(&mut second, "a");
        let merged = merge(Some(&first), Some(&second));
        assert_eq!(values(&merged), [("a", "1"), ("p", "2")]);
        assert!(merged.lost.is_empty());
    }

    #[test]
    fn what_neither_copy_shows_is_counted() {
        let mut first = survey(3, &[("a", 1, "1")]);
        let mut second = survey(3, &[("b", 2, "2")]);
        first.unreached.insert(Table::Torrents, Some(3));
        second.unreached.insert(Table::Torrents, Some(3));
        let merged = merge(Some(&first), Some(&second));
        assert_eq!(values(&merged), [("a", "1"), ("b", "2")]);
        assert_eq!(merged.unreached[&Table::Torrents], Some(2));
        let only = merge(Some(&first), None);
        assert_eq!(only.unreached[&Table::Torrents], Some(3));
    }
}
