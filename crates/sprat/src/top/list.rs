//! The torrents: which of them are shown, in which order, and which one is meant.

use std::collections::BTreeMap;
use std::ops::Range;

use sprat_daemon::torrents::Summary;

use crate::cli::remote::Column;
use crate::remote::listing::Page;
use crate::remote::{columns, words};

/// What the list can be sorted by, in the order in which one gets there.
pub(super) const SORTABLE: [Column; 11] = [
    Column::Position,
    Column::Name,
    Column::State,
    Column::Progress,
    Column::Size,
    Column::Down,
    Column::Up,
    Column::Eta,
    Column::Ratio,
    Column::Peers,
    Column::Label,
];

/// The torrents of the daemon, and those that are shown.
#[derive(Debug)]
pub(super) struct List {
    torrents: BTreeMap<String, Summary>,
    /// The hashes of those that are shown, in order.
    shown: Vec<String>,
    sort: Column,
    is_reversed: bool,
    filter: String,
    selected: Option<String>,
    /// The first row that is in view, and how many are.
    offset: usize,
    rows: usize,
}

impl Default for List {
    fn default() -> Self {
        Self {
            torrents: BTreeMap::new(),
            shown: Vec::new(),
            sort: Column::Position,
            is_reversed: false,
            filter: String::new(),
            selected: None,
            offset: 0,
            rows: 1,
        }
    }
}

impl List {
    /// What has changed.
    pub(super) fn update(&mut self, page: Page<Summary>) {
        if page.full {
            self.torrents.clear();
        }
        for hash in &page.gone {
            self.torrents.remove(hash);
        }
        self.torrents.extend(page.torrents.into_iter().map(|one| (one.hash.clone(), one)));
        self.arrange();
    }

    /// Shows only those that have all of these words in their name, label or state.
    pub(super) fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        self.arrange();
    }

    pub(super) fn filter(&self) -> &str {
        &self.filter
    }

    /// Sorts by the next column, or the one before.
    pub(super) fn sort_by_next(&mut self, is_back: bool) {
        let at = SORTABLE.iter().position(|column| *column == self.sort).unwrap_or(0);
        let step = if is_back { SORTABLE.len() - 1 } else { 1 };
        self.sort = SORTABLE[(at + step) % SORTABLE.len()];
        self.arrange();
    }

    pub(super) fn reverse(&mut self) {
        self.is_reversed = !self.is_reversed;
        self.arrange();
    }

    /// By what, and whether the greatest are first.
    pub(super) const fn order(&self) -> (Column, bool) {
        (self.sort, self.is_reversed)
    }

    /// So many rows are in view.
    pub(super) fn set_rows(&mut self, rows: usize) {
        self.rows = rows.max(1);
        self.scroll();
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    /// Selects the torrent so many rows below, or above.
    pub(super) fn step(&mut self, by: isize) {
        let at = self.selected_at().unwrap_or(0).saturating_add_signed(by);
        self.select(at);
    }

    /// Selects a row; the last one if there are not so many.
    pub(super) fn select(&mut self, at: usize) {
        let last = self.shown.len().saturating_sub(1);
        self.selected = self.shown.get(at.min(last)).cloned();
        self.scroll();
    }

    /// The torrent that is meant.
    pub(super) fn selected(&self) -> Option<&Summary> {
        self.torrents.get(self.selected.as_ref()?)
    }

    /// The torrents in view, from the top, and whether they are meant.
    pub(super) fn view(&self) -> impl Iterator<Item = (&Summary, bool)> {
        let in_view = self.shown.get(self.in_view()).unwrap_or_default();
        let line = |hash: &String| {
            let one = self.torrents.get(hash)?;
            Some((one, self.selected.as_ref() == Some(hash)))
        };
        in_view.iter().filter_map(line)
    }

    /// The rows that are in view.
    pub(super) fn in_view(&self) -> Range<usize> {
        self.offset..(self.offset + self.rows).min(self.shown.len()).max(self.offset)
    }

    /// How many are shown, and how many there are.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.shown.len(), self.torrents.len())
    }

    /// What all of them receive and send, bytes per second.
    pub(super) fn rates(&self) -> (u64, u64) {
        self.torrents.values().fold((0, 0), |(down, up), one| {
            (down.saturating_add(one.download_rate), up.saturating_add(one.upload_rate))
        })
    }

    /// Filters and sorts again. Whoever is selected stays so; if it is not shown any more, whoever has its place.
    fn arrange(&mut self) {
        let was_at = self.selected_at().unwrap_or(0);
        let filter = self.filter.to_lowercase();
        let wanted: Vec<&str> = filter.split_whitespace().collect();
        let mut shown: Vec<&Summary> =
            self.torrents.values().filter(|one| wanted.is_empty() || has_all(one, &wanted)).collect();
        if self.sort == Column::Name {
            // Its keys are made once.
            shown.sort_by_cached_key(|one| one.name.to_lowercase());
        } else {
            shown.sort_by(|one, other| columns::order(self.sort, one, other));
        }
        if self.is_reversed {
            shown.reverse();
        }
        self.shown = shown.into_iter().map(|one| one.hash.clone()).collect();
        match self.selected_at() {
            Some(_) => self.scroll(),
            None => self.select(was_at),
        }
    }

    fn selected_at(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.shown.iter().position(|hash| hash == selected)
    }

    /// Brings the selected row into view, and no empty rows below.
    fn scroll(&mut self) {
        let selected = self.selected_at().unwrap_or(0);
        let highest = self.shown.len().saturating_sub(self.rows);
        let least = (selected + 1).saturating_sub(self.rows);
        self.offset = self.offset.clamp(least, selected.max(least)).min(highest.max(least));
    }
}

fn has_all(one: &Summary, wanted: &[&str]) -> bool {
    let label = one.label.as_deref().unwrap_or_default();
    let text = format!("{}\n{}\n{}", one.name, label, words::state(one.state)).to_lowercase();
    wanted.iter().all(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::words::tests::summary;

    fn page(full: bool, torrents: Vec<Summary>, gone: &[&str]) -> Page<Summary> {
        Page { full, torrents, gone: gone.iter().map(|hash| (*hash).to_owned()).collect() }
    }

    /// So many, in the order of the queue.
    fn list(count: usize) -> List {
        let torrent = |at: usize| Summary {
            position: i64::try_from(at).unwrap(),
            download_rate: (at as u64 * 7) % 5,
            ..summary(&format!("{at:05}"), &format!("torrent {at}"))
        };
        let mut list = List::default();
        list.set_rows(10);
        list.update(page(true, (0..count).map(torrent).collect(), &[]));
        list
    }

    fn seen(list: &List) -> Vec<&str> {
        list.view().map(|(one, _)| one.hash.as_str()).collect()
    }

    fn selected(list: &List) -> &str {
        list.selected().map_or("", |one| &one.hash)
    }

    #[test]
    fn only_what_is_in_view_is_looked_at_however_many_there_are() {
        let mut list = list(10_000);
        assert_eq!((list.view().count(), selected(&list)), (10, "00000"));
        list.select(usize::MAX);
        assert_eq!(selected(&list), "09999");
        assert_eq!(seen(&list).first(), Some(&"09990"));
        list.step(-9);
        assert_eq!(seen(&list).first(), Some(&"09990"));
        list.step(-1);
        assert_eq!(seen(&list).first(), Some(&"09989"));
        list.step(isize::MIN);
        assert_eq!((list.in_view(), selected(&list)), (0..10, "00000"));
    }

    #[test]
    fn who_is_selected_stays_so_and_its_neighbour_follows_it() {
        let mut list = list(30);
        list.select(20);
        list.sort_by_next(false);
        list.reverse();
        assert_eq!(list.order(), (Column::Name, true));
        assert_eq!(selected(&list), "00020");
        assert!(seen(&list).contains(&"00020"));
        list.reverse();
        list.sort_by_next(true);
        list.update(page(false, Vec::new(), &["00020"]));
        assert_eq!(selected(&list), "00021");
        // One that has changed is one still.
        list.update(page(false, vec![Summary { download_rate: 9, ..summary("00021", "x") }], &[]));
        assert_eq!(list.counts(), (29, 29));
        list.update(page(true, Vec::new(), &[]));
        assert_eq!((selected(&list), list.view().count(), list.counts()), ("", 0, (0, 0)));
        list.step(1);
    }

    #[test]
    fn a_filter_has_words_of_name_label_or_state() {
        let mut list = list(30);
        list.set_filter("TORRENT 2".to_owned());
        assert_eq!(list.counts(), (12, 30));
        list.set_filter("downloading".to_owned());
        assert_eq!((list.counts().0, selected(&list)), (0, ""));
        list.set_filter("stopped 29".to_owned());
        assert_eq!(seen(&list), ["00029"]);
        assert_eq!(selected(&list), "00029");
    }

    #[test]
    fn a_smaller_window_keeps_the_selected_one_in_view() {
        let mut list = list(30);
        list.select(9);
        list.set_rows(3);
        assert_eq!(list.in_view(), 7..10);
        list.set_rows(0);
        assert_eq!(list.in_view(), 9..10);
        list.set_rows(100);
        assert_eq!(list.in_view(), 0..30);
    }
}
