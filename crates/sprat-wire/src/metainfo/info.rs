//! The info dictionary.

use std::sync::Arc;

use bytes::Bytes;

use super::files::{self, RawFile};
use super::names::{PathTable, safe_component};
use super::{
    File, Info, MAX_PIECES, MAX_TOTAL_LENGTH, MAX_V1_PIECE_LENGTH, MAX_V2_PIECE_LENGTH, MIN_V2_PIECE_LENGTH,
    MetainfoError, Problem, Version,
};
use crate::bencode::{Dict, Document, Limits, Value};
use crate::hash::Sha1Hash;

/// Most info-hashes and collection names that BEP 38 lets a torrent refer to, here.
const MAX_RELATED: usize = 1000;

pub(super) fn parse(bytes: &[u8]) -> Result<Info, MetainfoError> {
    let document = Document::decode(bytes, Limits::TORRENT)?;
    let dict = document.as_dict().ok_or_else(|| Problem::WrongKind("a dictionary").at("info"))?;
    let version = version(dict)?;
    document.root().check_canonical()?;

    let name = name(dict)?;
    let piece_length = piece_length(dict, version)?;
    let listing = listing(dict, version, name, piece_length)?;
    let mut info = Info {
        name: safe_component(name).into_owned(),
        version,
        piece_length,
        files: safe_files(name, listing.files, listing.single_file)?,
        v1_pieces: None,
        // Whoever writes anything but 0 wants no strangers: the safe side.
        private: dict.value_of("private").is_some_and(|value| value.as_int() != Some(0)),
        single_file: listing.single_file,
        similar: related(dict, "similar")
            .filter_map(|value| Sha1Hash::from_slice(value.as_bytes()?))
            .collect(),
        collections: related(dict, "collections")
            .filter_map(|value| Some(value.as_str()?.to_owned()))
            .collect(),
    };
    check_size(&info)?;
    if info.is_v1() {
        info.v1_pieces = Some(v1_pieces(dict, info.piece_count())?);
    }
    if let (true, Some(file)) = (info.single_file, info.files.first()) {
        info.name.clone_from(&file.path);
    }
    Ok(info)
}

/// BEP 52: "Implementations must check this field first".
fn version(dict: Dict<'_>) -> Result<Version, MetainfoError> {
    const FIELD: &str = "info.meta version";
    let Some(value) = dict.value_of("meta version") else { return Ok(Version::V1) };
    match value.as_int().ok_or_else(|| Problem::WrongKind("an integer").at(FIELD))? {
        1 => Ok(Version::V1),
        2 if ["pieces", "files", "length"].iter().any(|key| dict.value_of(key).is_some()) => {
            Ok(Version::Hybrid)
        }
        2 => Ok(Version::V2),
        other => Err(Problem::UnknownVersion(other).at(FIELD)),
    }
}

/// The raw name, in UTF-8 where the torrent offers that.
fn name(dict: Dict<'_>) -> Result<&[u8], MetainfoError> {
    let value = dict
        .value_of("name.utf-8")
        .filter(|value| value.as_str().is_some())
        .or_else(|| dict.value_of("name"));
    let value = value.ok_or_else(|| Problem::Missing.at("info.name"))?;
    value.as_bytes().ok_or_else(|| Problem::WrongKind("a string").at("info.name"))
}

fn piece_length(dict: Dict<'_>, version: Version) -> Result<u32, MetainfoError> {
    const FIELD: &str = "info.piece length";
    let value = dict.value_of("piece length").ok_or_else(|| Problem::Missing.at(FIELD))?;
    let length = value.as_int().ok_or_else(|| Problem::WrongKind("an integer").at(FIELD))?;
    match u32::try_from(length) {
        _ if length < 0 => Err(Problem::Negative.at(FIELD)),
        Ok(length) if version == Version::V1 => match length {
            0 => Err(Problem::BadLength("zero").at(FIELD)),
            1..=MAX_V1_PIECE_LENGTH => Ok(length),
            _ => Err(Problem::TooLarge(MAX_V1_PIECE_LENGTH.into()).at(FIELD)),
        },
        Err(_) if version == Version::V1 => Err(Problem::TooLarge(MAX_V1_PIECE_LENGTH.into()).at(FIELD)),
        Ok(length @ MIN_V2_PIECE_LENGTH..=MAX_V2_PIECE_LENGTH) if length.is_power_of_two() => Ok(length),
        _ => Err(Problem::PieceLength.at(FIELD)),
    }
}

struct Listing<'a> {
    /// Paths without the name of the torrent, except that of a single file, which is its name.
    files: Vec<RawFile<'a>>,
    single_file: bool,
}

fn listing<'a>(
    dict: Dict<'a>,
    version: Version,
    name: &'a [u8],
    piece_length: u32,
) -> Result<Listing<'a>, MetainfoError> {
    let v1 = match version {
        Version::V2 => None,
        Version::V1 | Version::Hybrid => Some(v1_listing(dict, name)?),
    };
    if version == Version::V1 {
        return v1.ok_or_else(|| Problem::Missing.at("info.files"));
    }
    let tree = dict.value_of("file tree").ok_or_else(|| Problem::Missing.at("info.file tree"))?;
    let tree = tree.as_dict().ok_or_else(|| Problem::WrongKind("a dictionary").at("info.file tree"))?;
    let files = files::parse_tree(tree)?;
    let Some(mut v1) = v1 else {
        // A tree of one file is that file where the names agree, else a directory of this name with the file in it.
        let single_file = matches!(files.as_slice(), [file] if file.path == [name]);
        return Ok(Listing { files, single_file });
    };
    files::match_hybrid(&mut v1.files, &files, piece_length)?;
    Ok(v1)
}

fn v1_listing<'a>(dict: Dict<'a>, name: &'a [u8]) -> Result<Listing<'a>, MetainfoError> {
    match (dict.value_of("length"), dict.value_of("files")) {
        (Some(_), Some(_)) => Err(Problem::LengthAndFiles.at("info.files")),
        (None, None) => Err(Problem::Missing.at("info.length")),
        (Some(_), None) => Ok(Listing { files: vec![files::parse_single(dict, name)?], single_file: true }),
        (None, Some(list)) => {
            let list = list.as_list().ok_or_else(|| Problem::WrongKind("a list").at("info.files"))?;
            Ok(Listing { files: files::parse_list(list)?, single_file: false })
        }
    }
}

/// Gives every file a path that is safe to create.
fn safe_files(name: &[u8], raw: Vec<RawFile<'_>>, single_file: bool) -> Result<Vec<File>, MetainfoError> {
    let mut table = PathTable::new();
    let mut files = Vec::with_capacity(raw.len());
    let mut components: Vec<&[u8]> = Vec::new();
    for (index, file) in raw.into_iter().enumerate() {
        components.clear();
        if !single_file {
            components.push(name);
        }
        components.extend(&file.path);
        // Many pad files may share a path, and none is ever created.
        let safe = if file.attributes.pad {
            PathTable::new().insert(&components)
        } else {
            table.insert(&components)
        };
        let safe = safe.map_err(|error| Problem::from(error).at(format!("path of file {index}")))?;
        files.push(File {
            path: safe.path,
            original_path: safe
                .changed
                .then(|| components.iter().map(|raw| Bytes::copy_from_slice(raw)).collect()),
            length: file.length,
            attributes: file.attributes,
            pieces_root: file.pieces_root,
        });
    }
    Ok(files)
}

fn check_size(info: &Info) -> Result<(), MetainfoError> {
    match info.total_length() {
        0 => return Err(Problem::NoContent.at("info")),
        1..=MAX_TOTAL_LENGTH => {}
        _ => return Err(Problem::TooLarge(MAX_TOTAL_LENGTH).at("length of all files")),
    }
    if info.piece_count() > MAX_PIECES {
        return Err(Problem::TooLarge(MAX_PIECES.into()).at("number of pieces"));
    }
    Ok(())
}

fn v1_pieces(dict: Dict<'_>, count: u32) -> Result<Arc<[Sha1Hash]>, MetainfoError> {
    const FIELD: &str = "info.pieces";
    let value = dict.value_of("pieces").ok_or_else(|| Problem::Missing.at(FIELD))?;
    let bytes = value.as_bytes().ok_or_else(|| Problem::WrongKind("a string").at(FIELD))?;
    let expected = u64::from(count).saturating_mul(Sha1Hash::LENGTH as u64);
    if bytes.len() as u64 != expected {
        return Err(Problem::WrongLength { expected, actual: bytes.len() as u64 }.at(FIELD));
    }
    Ok(bytes.as_chunks().0.iter().copied().map(Sha1Hash).collect())
}

fn related<'a>(dict: Dict<'a>, key: &str) -> impl Iterator<Item = Value<'a>> + use<'a> {
    dict.list(key).into_iter().flatten().take(MAX_RELATED)
}
