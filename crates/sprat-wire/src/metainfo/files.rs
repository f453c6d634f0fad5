//! The two ways in which torrents list files: `files` (BEP 3, BEP 47) and `file tree` (BEP 52).

use super::names::NameError;
use super::{Attributes, MAX_FILES, MAX_TOTAL_LENGTH, MetainfoError, Problem};
use crate::bencode::{Dict, DictIter, List, Value};
use crate::hash::Sha256Hash;

/// A file as the torrent has it.
pub(super) struct RawFile<'a> {
    /// Components below the torrent's own directory.
    pub(super) path: Vec<&'a [u8]>,
    pub(super) length: u64,
    pub(super) attributes: Attributes,
    pub(super) pieces_root: Option<Sha256Hash>,
}

/// The one file of an info dictionary with `length`.
pub(super) fn parse_single<'a>(dict: Dict<'a>, name: &'a [u8]) -> Result<RawFile<'a>, MetainfoError> {
    let attributes = attributes(dict);
    let length = length(dict, attributes).map_err(|problem| problem.at("info.length"))?;
    Ok(RawFile {
        path: vec![name],
        length,
        attributes: Attributes { pad: false, ..attributes },
        pieces_root: None,
    })
}

/// The files of an info dictionary with `files`.
pub(super) fn parse_list(list: List<'_>) -> Result<Vec<RawFile<'_>>, MetainfoError> {
    let mut files = Vec::new();
    for (index, value) in list.iter().enumerate() {
        if index >= MAX_FILES {
            return Err(Problem::TooLarge(MAX_FILES as u64).at("number of info.files"));
        }
        let at = |key: &str| format!("info.files[{index}]{key}");
        let dict = value.as_dict().ok_or_else(|| Problem::WrongKind("a dictionary").at(at("")))?;
        let attributes = attributes(dict);
        let length = length(dict, attributes).map_err(|problem| problem.at(at(".length")))?;
        let path = path(dict, attributes).map_err(|problem| problem.at(at(".path")))?;
        files.push(RawFile { path, length, attributes, pieces_root: None });
    }
    Ok(files)
}

/// The files of a `file tree`, in its order.
pub(super) fn parse_tree(tree: Dict<'_>) -> Result<Vec<RawFile<'_>>, MetainfoError> {
    let mut files = Vec::new();
    let mut path: Vec<&[u8]> = Vec::new();
    // One iterator for each directory of `path`, and one for the root.
    let mut open: Vec<DictIter<'_>> = vec![tree.iter()];
    while let Some(directory) = open.last_mut() {
        let Some((name, value)) = directory.next() else {
            open.pop();
            path.pop();
            continue;
        };
        path.push(name);
        let dict = value.as_dict().ok_or_else(|| Problem::WrongKind("a dictionary").at(tree_field(&path)))?;
        if name.is_empty() {
            // In the root this would make the whole tree a file.
            return Err(Problem::FileAndDirectory.at(tree_field(&path)));
        }
        let mut entries = dict.iter();
        match entries.next() {
            Some((b"", description)) => {
                if entries.next().is_some() {
                    return Err(Problem::FileAndDirectory.at(tree_field(&path)));
                }
                if files.len() >= MAX_FILES {
                    return Err(Problem::TooLarge(MAX_FILES as u64).at("number of files in info.file tree"));
                }
                files.push(tree_file(&path, description)?);
                path.pop();
            }
            _ => open.push(dict.iter()),
        }
    }
    Ok(files)
}

fn tree_file<'a>(path: &[&'a [u8]], description: Value<'a>) -> Result<RawFile<'a>, MetainfoError> {
    let at = |key: &str| format!("{}{key}", tree_field(path));
    let dict = description.as_dict().ok_or_else(|| Problem::WrongKind("a dictionary").at(at("")))?;
    // Padding is implied by the alignment of files: there are no pad files in a tree.
    let attributes = Attributes { pad: false, ..attributes(dict) };
    let length = length(dict, attributes).map_err(|problem| problem.at(at(".length")))?;
    let pieces_root = match dict.value_of("pieces root") {
        _ if length == 0 => None,
        None => return Err(Problem::Missing.at(at(".pieces root"))),
        Some(value) => {
            let root = value.as_bytes().and_then(Sha256Hash::from_slice);
            Some(root.ok_or_else(|| Problem::WrongKind("a string of 32 bytes").at(at(".pieces root")))?)
        }
    };
    if pieces_root == Some(Sha256Hash::ZERO) {
        return Err(Problem::ZeroHash.at(at(".pieces root")));
    }
    Ok(RawFile { path: path.to_vec(), length, attributes, pieces_root })
}

/// Checks that the v1 list of a hybrid torrent describes the v2 files in the same order and at the same places, and
/// gives its files their roots.
///
/// Every file must begin a piece, so the pad files are exactly those that BEP 47 describes: each fills the piece that
/// the file before it left unfinished. There may be one after the last file as well.
pub(super) fn match_hybrid(
    v1: &mut [RawFile<'_>],
    v2: &[RawFile<'_>],
    piece_length: u32,
) -> Result<(), MetainfoError> {
    let inconsistent = |index: usize| Problem::Inconsistent.at(format!("info.files[{index}]"));
    let piece_length = u64::from(piece_length);
    let mut tree = v2.iter();
    let mut offset = 0_u64;
    for (index, file) in v1.iter_mut().enumerate() {
        // Neither is zero, nor can a sum of checked lengths overflow.
        let unfilled = offset.next_multiple_of(piece_length).saturating_sub(offset);
        if file.attributes.pad {
            if file.length != unfilled || unfilled == 0 {
                return Err(inconsistent(index));
            }
        } else {
            let twin = tree.next().ok_or_else(|| inconsistent(index))?;
            let aligned = unfilled == 0 || file.length == 0;
            if !aligned
                || twin.path != file.path
                || twin.length != file.length
                || twin.attributes.symlink != file.attributes.symlink
            {
                return Err(inconsistent(index));
            }
            file.pieces_root = twin.pieces_root;
        }
        offset = offset.saturating_add(file.length);
        if offset > MAX_TOTAL_LENGTH {
            return Err(Problem::TooLarge(MAX_TOTAL_LENGTH).at("length of all files"));
        }
    }
    if tree.next().is_some() { Err(inconsistent(v1.len())) } else { Ok(()) }
}

/// BEP 47: "Characters appear in no particular order and unknown characters should be ignored."
fn attributes(dict: Dict<'_>) -> Attributes {
    let flags = dict.bytes("attr").unwrap_or_default();
    Attributes {
        pad: flags.contains(&b'p'),
        executable: flags.contains(&b'x'),
        hidden: flags.contains(&b'h'),
        symlink: flags.contains(&b'l'),
    }
}

fn length(dict: Dict<'_>, attributes: Attributes) -> Result<u64, Problem> {
    let length = match dict.value_of("length") {
        // BEP 47: the length of links is zero and may one day be left out.
        None if attributes.symlink => 0,
        None => return Err(Problem::Missing),
        Some(value) => value.as_int().ok_or(Problem::WrongKind("an integer"))?,
    };
    match u64::try_from(length) {
        Err(_) => Err(Problem::Negative),
        Ok(1..) if attributes.symlink => Err(Problem::BadLength("a symbolic link has no content")),
        Ok(length @ 0..=MAX_TOTAL_LENGTH) => Ok(length),
        Ok(_) => Err(Problem::TooLarge(MAX_TOTAL_LENGTH)),
    }
}

/// The raw components, in UTF-8 where the torrent offers that.
fn path(dict: Dict<'_>, attributes: Attributes) -> Result<Vec<&[u8]>, Problem> {
    let utf8 = dict
        .list("path.utf-8")
        .and_then(|list| list.iter().map(|part| part.as_str().map(str::as_bytes)).collect());
    if let Some(path) = utf8.filter(|path: &Vec<_>| !path.is_empty()) {
        return Ok(path);
    }
    let path: Vec<&[u8]> = match dict.value_of("path").map(Value::as_list) {
        Some(Some(list)) => list
            .iter()
            .map(|part| part.as_bytes().ok_or(Problem::WrongKind("a list of strings")))
            .collect::<Result<_, _>>()?,
        Some(None) => return Err(Problem::WrongKind("a list of strings")),
        // BEP 47: clients should not require the path of a pad file.
        None if attributes.pad => vec![b".pad"],
        None => return Err(Problem::Missing),
    };
    // An empty path would name the directory of the torrent itself.
    if path.is_empty() { Err(NameError::Empty.into()) } else { Ok(path) }
}

/// `info.file tree.dir.file`, shortened, for errors.
fn tree_field(path: &[&[u8]]) -> String {
    const SHOWN: usize = 200;
    let mut field = String::from("info.file tree");
    for name in path {
        field.push('.');
        field.push_str(&name.get(..SHOWN).unwrap_or(name).escape_ascii().to_string());
        if field.len() > SHOWN {
            field.push('…');
            break;
        }
    }
    field
}
