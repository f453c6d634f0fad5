//! What keys mean.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A key, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Enter,
    Escape,
    Tab,
    Backspace,
    /// Ctrl-C, wherever one is.
    Interrupt,
    Character(char),
}

/// The key of an event of the terminal.
pub(super) fn key(event: KeyEvent) -> Option<Key> {
    // Some terminals tell of releases as well.
    if event.kind == KeyEventKind::Release {
        return None;
    }
    if event.modifiers.contains(KeyModifiers::CONTROL) {
        return (event.code == KeyCode::Char('c')).then_some(Key::Interrupt);
    }
    Some(match event.code {
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::First,
        KeyCode::End => Key::Last,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Tab => Key::Tab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Char(character) => Key::Character(character),
        _ => return None,
    })
}

/// The keys of the list and what they do, as the help shows them.
pub(super) const HELP: [(&str, &str); 15] = [
    ("↑ ↓ j k", "the torrent above, below"),
    ("PgUp PgDn", "a page up, down"),
    ("Home End g G", "the first, the last torrent"),
    ("Enter", "open and close the details"),
    ("Tab", "the next page of the details"),
    ("[ ]", "scroll the details"),
    ("/", "show torrents whose name, label or state has these words only"),
    ("o O", "sort by the next, the previous column"),
    ("r", "sort the other way round"),
    ("s f", "start; whatever the queue says"),
    ("p", "stop"),
    ("c", "compare the files with their hashes"),
    ("d", "remove; asks first"),
    ("Esc", "leave, or show all torrents again"),
    ("q Ctrl-C", "end"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_c_is_an_interrupt_and_a_release_is_nothing() {
        let press = |code, modifiers| key(KeyEvent::new(code, modifiers));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Interrupt));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::NONE), Some(Key::Character('c')));
        assert_eq!(press(KeyCode::Char('x'), KeyModifiers::CONTROL), None);
        let release = KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::from(KeyCode::Up) };
        assert_eq!(key(release), None);
    }
}
