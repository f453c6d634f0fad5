//! `torrent-get`.

use std::collections::BTreeSet;

use super::call::Answer;
use super::failure::Failure;
use super::names::{Name, folded};
use super::params::Params;
use super::state::Rpc;
use super::torrent_keys::{KEYS, Key};
use super::value::Out;
use super::view::{Context, Part, Parts, View};
use super::who::{chosen, number};

/// Those that are asked for, as far as there are such, each once.
fn keys_of(fields: &[String]) -> Vec<&'static Key> {
    let mut keys: Vec<&Key> = Vec::with_capacity(fields.len());
    for field in fields {
        let field = folded(field);
        let known = KEYS.iter().find(|key| key.name.is(&field));
        keys.extend(known.filter(|key| !keys.iter().any(|one| one.name == key.name)));
    }
    keys
}

/// What is asked of torrents.
pub(super) async fn get(rpc: &Rpc, params: &Params) -> Answer {
    let fields = params.texts("fields")?.ok_or_else(|| Failure::parameter("fields", "it is missing"))?;
    let keys = keys_of(&fields);
    let as_table = match params.text("format")? {
        None | Some("objects") => false,
        Some("table") => true,
        Some(_) => return Err(Failure::parameter("format", "this is neither objects nor table")),
    };
    let chosen = chosen(rpc, params)?;
    let parts: BTreeSet<Part> = keys.iter().flat_map(|key| key.parts).copied().collect();
    let context = Context::of(rpc, &parts);
    let mut rows = Vec::with_capacity(chosen.lines.len() + 1);
    if as_table {
        rows.push(keys.iter().map(|key| Out::Word(key.name)).collect());
    }
    for line in &chosen.lines {
        let Some(parts) = Parts::fetch(&rpc.service, line, &parts).await else { continue };
        let view = View { torrent: line.torrent, one: &line.summary, parts: &parts, context: &context };
        rows.push(if as_table {
            keys.iter().map(|key| (key.value)(&view)).collect()
        } else {
            keys.iter().map(|key| (key.name, (key.value)(&view))).collect::<Vec<_>>().into()
        });
    }
    let mut answer = vec![(Name::Same("torrents"), Out::List(rows))];
    if let Some(removed) = chosen.removed {
        let removed = removed.into_iter().map(|torrent| number(torrent).into()).collect();
        answer.push((Name::Same("removed"), removed));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_both_spellings_and_once() {
        let fields = ["hashString", "hash_string", "downloadDir", "file-count", "nonsense", "id"];
        let keys = keys_of(&fields.map(str::to_owned));
        let names: Vec<&str> = keys.iter().map(|key| key.name.canonical()).collect();
        assert_eq!(names, ["hash_string", "download_dir", "file_count", "id"]);
    }

    #[test]
    fn each_key_is_there_once() {
        let names: BTreeSet<&str> = KEYS.iter().map(|key| key.name.canonical()).collect();
        assert_eq!(names.len(), KEYS.len());
        assert!(KEYS.len() >= 78, "{}", KEYS.len());
    }
}
