//! What is in a torrent, and who else has it.

use std::collections::BTreeMap;

use data_encoding::BASE64;

use super::names::Name;
use super::value::Out;
use super::view::View;
use crate::media_type;

/// How many connected peers have each piece that we lack; -1 for those that we have.
pub(super) fn availability(view: &View<'_>) -> Out {
    each_piece(view).map(|(is_had, others)| if is_had { -1 } else { i64::from(others) }.into()).collect()
}

/// Bytes that we want and lack, and that others have. Whole pieces that lack something are counted, so that it is at the most what is left.
pub(super) fn desired_available(view: &View<'_>) -> Out {
    let Some(metainfo) = view.parts.metainfo.as_deref() else { return 0_i64.into() };
    let pieces = each_piece(view).filter(|(is_had, others)| !is_had && *others > 0).count();
    let length = u64::from(metainfo.info.piece_length);
    u64::try_from(pieces).unwrap_or(u64::MAX).saturating_mul(length).min(view.one.left).into()
}

fn each_piece(view: &View<'_>) -> impl Iterator<Item = (bool, u32)> {
    let pieces = view.parts.pieces.as_ref();
    let had = pieces.and_then(|pieces| BASE64.decode(pieces.have.as_bytes()).ok()).unwrap_or_default();
    let count = pieces.and_then(|pieces| usize::try_from(pieces.count).ok()).unwrap_or_default();
    let others = &view.parts.availability;
    (0..count).map(move |piece| {
        let is_had = had.get(piece / 8).is_some_and(|byte| byte & (0x80 >> (piece % 8)) != 0);
        (is_had, others.get(piece).copied().unwrap_or_default())
    })
}

/// Servers that have it as well.
pub(super) fn web_seeds<'a>(view: &'a View<'_>) -> impl Iterator<Item = &'a str> {
    view.parts.metainfo.iter().flat_map(|metainfo| &metainfo.web_seeds).map(String::as_str)
}

/// Sprat does not fetch from them.
pub(super) fn web_seeds_at_length(view: &View<'_>) -> Out {
    let describe = |url: &str| {
        Out::from(vec![
            (Name::Same("url"), url.into()),
            (Name::Same("is_downloading"), false.into()),
            (Name::Same("download_bytes_per_second"), 0_i64.into()),
        ])
    };
    web_seeds(view).map(describe).collect()
}

/// What most of its bytes are, by the endings of its files' names.
pub(super) fn primary_type(view: &View<'_>) -> Out {
    let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
    for file in &view.parts.files {
        *bytes.entry(media_type::of(&file.path)).or_default() += file.size;
    }
    let most = bytes.into_iter().max_by_key(|(_, bytes)| *bytes);
    most.map_or(media_type::UNKNOWN, |(found, _)| found).into()
}
