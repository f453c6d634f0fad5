//! Names from a torrent, made into paths that are safe to create.
//!
//! A torrent's author may write any bytes. [`PathTable::insert`] changes as little as possible, and always in the
//! same way on every platform, so that a torrent looks alike wherever it is opened:
//!
//! - no component leaves its directory: empty, `.`, `..`, separators, drive letters;
//! - none misleads a reader or a terminal: control characters, bidirectional overrides, invisible characters;
//! - none means something else on Windows: device names, dots and spaces at the end;
//! - none is longer than [`MAX_COMPONENT_LENGTH`]; the extension survives the cut;
//! - bytes that are not UTF-8 are written as `%XX`;
//! - two files never share a path, not even where letter case and Unicode composition do not count, and no file
//!   has the path of a directory. The later one gets a number.

use std::borrow::Cow;
use std::collections::HashMap;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

#[cfg(test)]
mod tests;

/// Longest component of a path, bytes. File systems end at 255; the rest is room for suffixes of unfinished files.
pub const MAX_COMPONENT_LENGTH: usize = 240;

/// Longest path below the download root, bytes: `PATH_MAX` of Linux.
pub const MAX_PATH_LENGTH: usize = 4096;

/// Most components of a path.
pub const MAX_DEPTH: usize = 100;

/// Most files of one directory whose names differ in nothing that all file systems heed. Torrents made of such
/// names have been used to keep other clients busy.
pub const MAX_TWINS: u32 = 500;

/// Extensions up to this length survive a cut, bytes with their dot.
const MAX_EXTENSION_LENGTH: usize = 20;

/// Why no usable path can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// There are no components.
    #[error("an empty path")]
    Empty,
    /// More than [`MAX_DEPTH`] components.
    #[error("more than {MAX_DEPTH} nested directories")]
    TooDeep,
    /// More than [`MAX_PATH_LENGTH`] bytes.
    #[error("a path of more than {MAX_PATH_LENGTH} bytes")]
    TooLong,
    /// More than [`MAX_TWINS`] files of the same name.
    #[error("more than {MAX_TWINS} files with the same name")]
    TooManyTwins,
}

/// A path that is safe to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafePath {
    /// Components joined by `/`.
    pub path: String,
    /// Whether it differs from what the torrent says.
    pub changed: bool,
}

/// All paths of one torrent so far.
#[derive(Debug, Default)]
pub struct PathTable {
    /// By the number of the directory and the collision key of the name in it. Looked up only, never iterated.
    entries: HashMap<(u32, String), Entry>,
    directories: u32,
}

#[derive(Debug, Default)]
struct Entry {
    /// A file has this name.
    is_file: bool,
    /// The directory that the torrent means by this name.
    directory: Option<Directory>,
    /// The number that the last twin got.
    twins: u32,
}

#[derive(Debug, Clone)]
struct Directory {
    number: u32,
    /// The name it had to be given because a file has its own.
    renamed: Option<String>,
}

impl PathTable {
    /// Without paths.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the raw components of a file's path and finds a safe and unused path for it.
    pub fn insert(&mut self, components: &[&[u8]]) -> Result<SafePath, NameError> {
        let (file, directories) = components.split_last().ok_or(NameError::Empty)?;
        if components.len() > MAX_DEPTH {
            return Err(NameError::TooDeep);
        }
        let mut path = String::new();
        let mut changed = false;
        let mut directory = 0;
        for raw in directories {
            let name = safe_component(raw);
            let name = self.enter(&mut directory, name)?;
            changed |= name.as_bytes() != *raw;
            path.push_str(&name);
            path.push('/');
            if path.len() > MAX_PATH_LENGTH {
                return Err(NameError::TooLong);
            }
        }
        let name = self.add_file(directory, safe_component(file))?;
        changed |= name.as_bytes() != *file;
        path.push_str(&name);
        if path.len() > MAX_PATH_LENGTH {
            return Err(NameError::TooLong);
        }
        Ok(SafePath { path, changed })
    }

    /// Goes into a subdirectory, makes it where it is new, and tells the name that it has.
    fn enter<'a>(&mut self, directory: &mut u32, name: Cow<'a, str>) -> Result<Cow<'a, str>, NameError> {
        let key = (*directory, collision_key(&name));
        let entry = self.entries.entry(key.clone()).or_default();
        if let Some(known) = &entry.directory {
            *directory = known.number;
            return Ok(known.renamed.clone().map_or(name, Cow::Owned));
        }
        self.directories = self.directories.saturating_add(1);
        let number = self.directories;
        let renamed = if entry.is_file { Some(self.free_twin(&key, &name)?) } else { None };
        if let Some(renamed) = &renamed {
            let twin = self.entries.entry((key.0, collision_key(renamed))).or_default();
            twin.directory = Some(Directory { number, renamed: None });
        }
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.directory = Some(Directory { number, renamed: renamed.clone() });
        }
        *directory = number;
        Ok(renamed.map_or(name, Cow::Owned))
    }

    fn add_file<'a>(&mut self, directory: u32, name: Cow<'a, str>) -> Result<Cow<'a, str>, NameError> {
        let key = (directory, collision_key(&name));
        let entry = self.entries.entry(key.clone()).or_default();
        if !entry.is_file && entry.directory.is_none() {
            entry.is_file = true;
            return Ok(name);
        }
        let twin = self.free_twin(&key, &name)?;
        self.entries.entry((directory, collision_key(&twin))).or_default().is_file = true;
        Ok(Cow::Owned(twin))
    }

    /// `name (2).ext`, or with the next number that is free. Numbers that were tried are not tried again.
    fn free_twin(&mut self, key: &(u32, String), name: &str) -> Result<String, NameError> {
        let mut number = self.entries.get(key).map_or(0, |entry| entry.twins).max(1);
        loop {
            number = number.saturating_add(1);
            if number > MAX_TWINS {
                return Err(NameError::TooManyTwins);
            }
            let twin = with_suffix(name, &format!(" ({number})"));
            if self.entries.contains_key(&(key.0, collision_key(&twin))) {
                continue;
            }
            if let Some(entry) = self.entries.get_mut(key) {
                entry.twins = number;
            }
            return Ok(twin);
        }
    }
}

/// One component of a path, safe on its own.
#[must_use]
pub fn safe_component(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(name) if is_safe(name) => Cow::Borrowed(name),
        _ => Cow::Owned(made_safe(raw)),
    }
}

/// What two names have in common that some file system takes for the same: canonical composition (NFC), upper and
/// lower case, and joiners, which some file systems ignore.
#[must_use]
pub fn collision_key(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfc()
        .filter(|char| !matches!(char, '\u{200c}' | '\u{200d}'))
        // Down, up and down again: so that all three Greek sigmas, the Kelvin sign and k, and both capital and small
        // sharp s and "ss" become one.
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfc()
        .collect()
}

fn is_safe(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_COMPONENT_LENGTH
        && !name.ends_with(['.', ' '])
        && !name.chars().any(is_unsafe_char)
        && !has_drive_letter(name)
        && !is_device_name(name)
}

fn made_safe(raw: &[u8]) -> String {
    let mut name = String::with_capacity(raw.len().min(MAX_COMPONENT_LENGTH));
    for chunk in raw.utf8_chunks() {
        name.extend(chunk.valid().chars().map(|char| if is_unsafe_char(char) { '_' } else { char }));
        for byte in chunk.invalid() {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    if matches!(name.as_str(), "" | "." | "..") {
        return "_".to_owned();
    }
    if has_drive_letter(&name) {
        name.replace_range(1..2, "_");
    }
    if is_device_name(&name) {
        name.insert(0, '_');
    }
    name = with_suffix(&name, "");
    if name.ends_with(['.', ' ']) {
        name.pop();
        name.push('_');
    }
    name
}

/// Control characters, separators, line breaks, and what is invisible or turns the direction of text around. Joiners
/// stay: emoji and several scripts need them.
fn is_unsafe_char(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '/' | '\\'
                | '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// `C:` at the beginning makes Windows leave the directory.
const fn has_drive_letter(name: &str) -> bool {
    matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// Names that Windows takes for devices, with any extension.
fn is_device_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    port.is_some_and(|port| {
        matches!(port, "\u{b9}" | "\u{b2}" | "\u{b3}") || matches!(port.as_bytes(), [b'0'..=b'9'])
    })
}

/// Puts `suffix` before the extension and cuts what stands before it to the length that is left.
fn with_suffix(name: &str, suffix: &str) -> String {
    let (stem, extension) = match name.rfind('.').and_then(|dot| name.split_at_checked(dot)) {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= MAX_EXTENSION_LENGTH => {
            (stem, extension)
        }
        _ => (name, ""),
    };
    let room = MAX_COMPONENT_LENGTH.saturating_sub(suffix.len()).saturating_sub(extension.len());
    let stem = (0..=room.min(stem.len())).rev().find_map(|end| stem.get(..end)).unwrap_or_default();
    format!("{stem}{suffix}{extension}")
}
