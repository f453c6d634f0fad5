//! The watched directories: what is found there is added.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprat_engine::ledger::LedgerHandle;
use sprat_engine::state::{Change, Table};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::running::Running;
use crate::service::{AddError, NewTorrent, Service, Source};
use crate::settings::{Afterwards, Settings, WatchFolder as Wish};
use crate::watch_folder::{self, Document, Found, Left, News, Verdict, WatchConfig, WatchFolder};

/// What a directory may tell before somebody has listened.
const NEWS: usize = 16;

/// Watches all that the settings name.
pub(super) fn start(shared: &Arc<Running>, settings: &Settings) -> Vec<JoinHandle<()>> {
    let watch = |wish: &Wish| {
        let mut wish = wish.clone();
        wish.directory = shared.layers().resolve(&wish.directory);
        wish.downloads = wish.downloads.as_deref().map(|path| shared.layers().resolve(path));
        tokio::spawn(watch(shared.service.clone(), wish))
    };
    settings.paths.watch.iter().map(watch).collect()
}

async fn watch(service: Service, wish: Wish) {
    let afterwards = match wish.afterwards {
        Afterwards::Rename => watch_folder::Afterwards::Rename,
        Afterwards::Remove => watch_folder::Afterwards::Delete,
        Afterwards::Keep => watch_folder::Afterwards::Leave,
    };
    let config = WatchConfig { afterwards, ..WatchConfig::new(wish.directory.clone()) };
    let key = [b"daemon/watched/", wish.directory.as_os_str().as_encoded_bytes()].concat();
    let (ledger, reading) = (service.ledger().clone(), key.clone());
    let read = tokio::task::spawn_blocking(move || ledger.get(Table::Settings, &reading)).await;
    let kept = read.ok().and_then(Result::ok).flatten();
    let left: Vec<Left> = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let mut remembered: BTreeMap<Vec<u8>, Left> =
        left.iter().map(|one| (one.name.clone(), one.clone())).collect();
    let (news, mut heard) = mpsc::channel(NEWS);
    let folder = match WatchFolder::start(config, left, news) {
        Ok(folder) => folder,
        Err(error) => {
            tracing::error!(directory = %wish.directory.display(), %error, "cannot be watched");
            return;
        }
    };
    while let Some(news) = heard.recv().await {
        match news {
            News::Found(found) => take(&service, &wish, found).await,
            News::Left(left) => {
                remembered.insert(left.name.clone(), left);
                keep(service.ledger(), &key, &remembered);
            }
            News::Gone(name) => {
                remembered.remove(&name);
                keep(service.ledger(), &key, &remembered);
            }
        }
    }
    drop(folder);
}

async fn take(service: &Service, wish: &Wish, found: Found) {
    let source = match found.document {
        Document::TorrentFile(bytes) => Source::File(bytes),
        Document::Magnet(magnet) => Source::Magnet(magnet.to_string()),
    };
    let new = NewTorrent {
        directory: wish.downloads.clone(),
        label: wish.label.clone(),
        start: wish.start,
        origin: "watch folder".to_owned(),
        ..NewTorrent::new(source)
    };
    let verdict = match service.add(new).await {
        Ok(_) | Err(AddError::Duplicate(_)) => Verdict::Added,
        Err(error @ (AddError::Engine(_) | AddError::Ended(_))) => {
            tracing::warn!(file = found.name, %error, "a torrent of a watched directory cannot be added yet");
            Verdict::Later
        }
        Err(error) => Verdict::Refused(error.to_string()),
    };
    // The directory may not be watched any more.
    let _ = found.verdict.send(verdict);
}

fn keep(ledger: &LedgerHandle, key: &[u8], remembered: &BTreeMap<Vec<u8>, Left>) {
    let left: Vec<&Left> = remembered.values().collect();
    let change = Change { table: Table::Settings, key: key.to_vec(), value: serde_json::to_vec(&left).ok() };
    ledger.write(vec![change], |result| {
        if let Err(error) = result {
            tracing::warn!(%error, "what was left in a watched directory could not be written down");
        }
    });
}
