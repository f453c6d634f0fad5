//! `piece layers` (BEP 52): "A torrent is not valid if this field is absent, the contained hashes do not match the
//! merkle roots or are not from the correct layer."

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Info, MetainfoError, Problem};
use crate::bencode::Dict;
use crate::hash::Sha256Hash;
use crate::merkle;

pub(super) const FIELD: &str = "piece layers";

/// The piece layer of every file longer than a piece, each checked against its root.
pub(super) fn parse(
    info: &Info,
    outer: Dict<'_>,
) -> Result<BTreeMap<Sha256Hash, Arc<[Sha256Hash]>>, MetainfoError> {
    let mut layers = BTreeMap::new();
    if !info.is_v2() {
        return Ok(layers);
    }
    let lengths = expected_lengths(info)?;
    let Some(value) = outer.value_of(FIELD) else {
        return match lengths.first_key_value() {
            // Absent where it would be empty: nothing is lost.
            None => Ok(layers),
            Some(_) => Err(Problem::Missing.at(FIELD)),
        };
    };
    for (key, value) in value.as_dict().ok_or_else(|| Problem::WrongKind("a dictionary").at(FIELD))? {
        let known = Sha256Hash::from_slice(key).and_then(|root| Some((root, *lengths.get(&root)?)));
        let (root, expected) = known.ok_or_else(|| Problem::UnknownLayer(shortened(key)).at(FIELD))?;
        let bytes =
            value.as_bytes().ok_or_else(|| Problem::WrongKind("a string").at(format!("{FIELD}.{root}")))?;
        let actual = bytes.len() as u64;
        if expected != actual {
            return Err(Problem::WrongLength { expected, actual }.at(format!("{FIELD}.{root}")));
        }
        let hashes: Arc<[Sha256Hash]> = bytes.as_chunks().0.iter().copied().map(Sha256Hash).collect();
        if merkle::root_of_piece_layer(&hashes, info.piece_length) != root
            || layers.insert(root, hashes).is_some()
        {
            return Err(Problem::WrongLayer(root).at(FIELD));
        }
    }
    match lengths.keys().find(|root| !layers.contains_key(root)) {
        Some(root) => Err(Problem::MissingLayer(*root).at(FIELD)),
        None => Ok(layers),
    }
}

/// Whether there is a layer for every file that needs one.
pub(super) fn are_whole(info: &Info, layers: &BTreeMap<Sha256Hash, Arc<[Sha256Hash]>>) -> bool {
    expected_lengths(info).is_ok_and(|lengths| lengths.keys().all(|root| layers.contains_key(root)))
}

/// Bytes of each piece layer by root. Equal files share a root, and then they must have equally many pieces.
fn expected_lengths(info: &Info) -> Result<BTreeMap<Sha256Hash, u64>, MetainfoError> {
    let piece_length = u64::from(info.piece_length.max(1));
    let mut lengths = BTreeMap::new();
    for file in info.files.iter().filter(|file| file.length > piece_length) {
        let Some(root) = file.pieces_root else { continue };
        let length = file.length.div_ceil(piece_length).saturating_mul(Sha256Hash::LENGTH as u64);
        if lengths.insert(root, length).is_some_and(|known| known != length) {
            return Err(Problem::WrongLayer(root).at(FIELD));
        }
    }
    Ok(lengths)
}

fn shortened(key: &[u8]) -> String {
    key.get(..Sha256Hash::LENGTH).unwrap_or(key).escape_ascii().to_string()
}
