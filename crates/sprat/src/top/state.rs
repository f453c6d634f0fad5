//! What the view shows, and how it changes: one input after another, with neither terminal nor network.

use std::collections::VecDeque;

use sprat_daemon::service::Action;
use sprat_daemon::torrents::Summary;

use super::keys::Key;
use super::list::List;
use super::pane::{Details, Tab};
use crate::remote::listing::Page;
use crate::text;

/// So many seconds of the past are shown at the most.
const HISTORY: usize = 512;

/// What happens.
#[derive(Debug)]
pub(super) enum Input {
    /// Somebody has pressed a key.
    Key(Key),
    /// The terminal has another size.
    Resized,
    /// The list has so many rows.
    Rows(usize),
    /// What has changed of the torrents.
    Torrents(Page<Summary>),
    /// The daemon cannot be heard any more, and why.
    Lost(String),
    /// What was asked for of a torrent.
    Details { hash: String, tab: Tab, details: Details },
    /// How something that was wished has gone.
    Told(String),
    /// A second has passed.
    Second,
    /// The system wants an end.
    End,
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    End,
    Act { hash: String, action: Action },
    Remove { hash: String, with_files: bool },
    Load { hash: String, tab: Tab },
}

/// What keys are about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    List,
    /// Words are being written.
    Filter,
    /// Whether to remove this one.
    Removing {
        hash: String,
        name: String,
    },
    Help,
}

/// The details, while they are open.
#[derive(Debug)]
pub(super) struct Pane {
    pub(super) tab: Tab,
    /// Rows that are above what is seen.
    pub(super) scroll: usize,
    asked: Option<(String, Tab)>,
    loaded: Option<(String, Tab, Details)>,
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) list: List,
    pub(super) mode: Mode,
    pub(super) pane: Option<Pane>,
    /// What is received and sent, bytes per second, each second.
    pub(super) history: VecDeque<(u64, u64)>,
    /// Something to be read once.
    pub(super) notice: Option<String>,
    /// Why what is shown may be old.
    pub(super) lost: Option<String>,
    /// Whether there was anything from the daemon.
    pub(super) is_live: bool,
}

impl State {
    /// What an input changes, and what is to be done.
    pub(super) fn handle(&mut self, input: Input) -> Option<Effect> {
        let effect = match input {
            Input::Key(key) => self.key(key),
            Input::End => Some(Effect::End),
            input => {
                self.learn(input);
                None
            }
        };
        effect.or_else(|| self.wish())
    }

    fn learn(&mut self, input: Input) {
        match input {
            Input::Rows(rows) => self.list.set_rows(rows),
            Input::Torrents(page) => {
                self.list.update(page);
                (self.is_live, self.lost) = (true, None);
            }
            Input::Lost(reason) => self.lost = Some(reason),
            Input::Told(notice) => self.notice = Some(notice),
            Input::Details { hash, tab, details } => {
                if let Some(pane) = &mut self.pane {
                    pane.loaded = Some((hash, tab, details));
                }
            }
            Input::Second => self.second(),
            Input::Key(_) | Input::Resized | Input::End => {}
        }
    }

    fn second(&mut self) {
        self.history.push_back(self.list.rates());
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
        if let Some(pane) = &mut self.pane {
            pane.asked = None;
        }
    }

    /// The details that are shown, if they are known.
    pub(super) fn details(&self) -> Option<&Details> {
        let selected = self.list.selected()?;
        let pane = self.pane.as_ref()?;
        let (hash, tab, details) = pane.loaded.as_ref()?;
        (*hash == selected.hash && *tab == pane.tab).then_some(details)
    }

    /// The details that are shown are asked for when others come into view, and every second.
    fn wish(&mut self) -> Option<Effect> {
        let hash = self.list.selected()?.hash.clone();
        let pane = self.pane.as_mut()?;
        let wanted = (hash, pane.tab);
        if pane.asked.as_ref() == Some(&wanted) {
            return None;
        }
        let (hash, tab) = wanted.clone();
        pane.asked = Some(wanted);
        Some(Effect::Load { hash, tab })
    }

    fn key(&mut self, key: Key) -> Option<Effect> {
        self.notice = None;
        if key == Key::Interrupt {
            return Some(Effect::End);
        }
        match std::mem::take(&mut self.mode) {
            Mode::List => self.list_key(key),
            Mode::Help => None,
            Mode::Filter => {
                self.filter_key(key);
                None
            }
            Mode::Removing { hash, .. } => match key {
                Key::Character('y') => Some(Effect::Remove { hash, with_files: false }),
                Key::Character('D') => Some(Effect::Remove { hash, with_files: true }),
                _ => None,
            },
        }
    }

    /// Words are written, until Enter; Escape takes them back.
    fn filter_key(&mut self, key: Key) {
        let mut filter = self.list.filter().to_owned();
        match key {
            Key::Character(character) => filter.push(character),
            Key::Backspace => _ = filter.pop(),
            Key::Escape => return self.list.set_filter(String::new()),
            Key::Enter => return,
            _ => {}
        }
        self.mode = Mode::Filter;
        self.list.set_filter(filter);
    }

    fn list_key(&mut self, key: Key) -> Option<Effect> {
        let page = isize::try_from(self.list.rows()).unwrap_or(1);
        match key {
            Key::Up | Key::Character('k') => self.list.step(-1),
            Key::Down | Key::Character('j') => self.list.step(1),
            Key::PageUp => self.list.step(-page),
            Key::PageDown => self.list.step(page),
            Key::First | Key::Character('g') => self.list.select(0),
            Key::Last | Key::Character('G') => self.list.select(usize::MAX),
            Key::Enter => self.toggle_pane(),
            Key::Tab => self.next_tab(),
            Key::Character('[') => self.scroll_pane(-1),
            Key::Character(']') => self.scroll_pane(1),
            Key::Character('o') => self.list.sort_by_next(false),
            Key::Character('O') => self.list.sort_by_next(true),
            Key::Character('r') => self.list.reverse(),
            Key::Character('/') => self.mode = Mode::Filter,
            Key::Character('?') => self.mode = Mode::Help,
            Key::Escape if self.pane.is_some() => self.pane = None,
            Key::Escape => self.list.set_filter(String::new()),
            Key::Character('d') => self.ask_to_remove(),
            Key::Character('q') => return Some(Effect::End),
            Key::Character('s') => return self.act(Action::Start),
            Key::Character('f') => return self.act(Action::ForceStart),
            Key::Character('p') => return self.act(Action::Stop),
            Key::Character('c') => return self.act(Action::Recheck),
            _ => {}
        }
        None
    }

    fn act(&self, action: Action) -> Option<Effect> {
        Some(Effect::Act { hash: self.list.selected()?.hash.clone(), action })
    }

    fn ask_to_remove(&mut self) {
        if let Some(one) = self.list.selected() {
            self.mode = Mode::Removing { hash: one.hash.clone(), name: text::safe(&one.name, 100) };
        }
    }

    fn toggle_pane(&mut self) {
        self.pane = match self.pane {
            Some(_) => None,
            None => Some(Pane { tab: Tab::Overview, scroll: 0, asked: None, loaded: None }),
        };
    }

    fn next_tab(&mut self) {
        if let Some(pane) = &mut self.pane {
            (pane.tab, pane.scroll) = (pane.tab.next(), 0);
        }
    }

    fn scroll_pane(&mut self, by: isize) {
        let last = self.details().map_or(0, |details| details.len().saturating_sub(1));
        if let Some(pane) = &mut self.pane {
            pane.scroll = pane.scroll.saturating_add_signed(by).min(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::words::tests::summary;

    fn state() -> State {
        let mut state = State::default();
        let torrents = ["aa", "bb", "cc"].map(|hash| summary(hash, &format!("name {hash}"))).into();
        state.handle(Input::Rows(10));
        state.handle(Input::Torrents(Page { full: true, gone: Vec::new(), torrents }));
        state
    }

    fn press(state: &mut State, keys: &str) -> Option<Effect> {
        let mut last = None;
        for key in keys.chars() {
            last = state.handle(Input::Key(Key::Character(key)));
        }
        last
    }

    fn load(hash: &str, tab: Tab) -> Option<Effect> {
        Some(Effect::Load { hash: hash.to_owned(), tab })
    }

    #[test]
    fn what_is_done_is_done_with_the_selected_torrent() {
        let mut state = state();
        let act = |hash: &str, action| Some(Effect::Act { hash: hash.to_owned(), action });
        assert_eq!(press(&mut state, "js"), act("bb", Action::Start));
        assert_eq!(press(&mut state, "Gp"), act("cc", Action::Stop));
        assert_eq!(press(&mut state, "gf"), act("aa", Action::ForceStart));
        assert_eq!(press(&mut state, "c"), act("aa", Action::Recheck));
        assert_eq!(press(&mut state, "q"), Some(Effect::End));
        assert_eq!(press(&mut State::default(), "spcd"), None);
    }

    #[test]
    fn only_who_says_so_removes() {
        let mut state = state();
        assert_eq!(press(&mut state, "d"), None);
        assert_eq!(state.mode, Mode::Removing { hash: "aa".to_owned(), name: "name aa".to_owned() });
        assert_eq!(press(&mut state, "n"), None);
        assert_eq!(state.mode, Mode::List);
        let remove = |with_files| Some(Effect::Remove { hash: "aa".to_owned(), with_files });
        assert_eq!(press(&mut state, "dy"), remove(false));
        assert_eq!(press(&mut state, "dD"), remove(true));
        // Whoever was asked about is removed, even if another one has its place meanwhile.
        press(&mut state, "d");
        state.handle(Input::Torrents(Page {
            full: false,
            gone: vec!["aa".to_owned()],
            torrents: Vec::new(),
        }));
        assert_eq!(press(&mut state, "y"), remove(false));
    }

    #[test]
    fn a_filter_is_written_and_taken_back() {
        let mut state = state();
        assert_eq!(press(&mut state, "/bq"), None);
        assert_eq!((state.list.filter(), state.list.counts()), ("bq", (0, 3)));
        state.handle(Input::Key(Key::Backspace));
        state.handle(Input::Key(Key::Enter));
        assert_eq!((state.mode.clone(), state.list.counts()), (Mode::List, (1, 3)));
        press(&mut state, "/");
        state.handle(Input::Key(Key::Escape));
        assert_eq!((state.list.filter(), state.list.counts()), ("", (3, 3)));
        assert_eq!(press(&mut state, "/q"), None);
        assert_eq!(state.handle(Input::Key(Key::Interrupt)), Some(Effect::End));
    }

    #[test]
    fn details_are_asked_for_when_they_come_into_view_and_each_second() {
        let mut state = state();
        assert_eq!(state.handle(Input::Second), None);
        assert_eq!(state.handle(Input::Key(Key::Enter)), load("aa", Tab::Overview));
        assert_eq!(state.handle(Input::Rows(10)), None);
        assert_eq!(state.handle(Input::Key(Key::Tab)), load("aa", Tab::Files));
        assert_eq!(press(&mut state, "j"), load("bb", Tab::Files));
        let late = Details::Nothing("late".to_owned());
        state.handle(Input::Details { hash: "aa".to_owned(), tab: Tab::Files, details: late });
        assert_eq!(state.details(), None);
        let right = Details::Nothing("right".to_owned());
        state.handle(Input::Details { hash: "bb".to_owned(), tab: Tab::Files, details: right.clone() });
        assert_eq!(state.details(), Some(&right));
        assert_eq!(state.handle(Input::Second), load("bb", Tab::Files));
        press(&mut state, "]]");
        assert_eq!(state.pane.as_ref().map(|pane| pane.scroll), Some(0));
        assert_eq!(state.handle(Input::Key(Key::Escape)), None);
        assert!(state.pane.is_none());
    }

    #[test]
    fn a_daemon_that_was_lost_and_found_is_shown_as_it_is_now() {
        let mut state = state();
        state.handle(Input::Lost("gone".to_owned()));
        assert_eq!(state.lost.as_deref(), Some("gone"));
        let torrents = vec![Summary { download_rate: 7, upload_rate: 5, ..summary("dd", "d") }];
        state.handle(Input::Torrents(Page { full: true, gone: Vec::new(), torrents }));
        assert_eq!((state.lost.as_ref(), state.list.counts()), (None, (1, 1)));
        for _ in 0..HISTORY + 3 {
            state.handle(Input::Second);
        }
        assert_eq!((state.history.len(), state.history.back()), (HISTORY, Some(&(7, 5))));
    }
}
