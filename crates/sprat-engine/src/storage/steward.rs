//! The thread that looks after torrents as a whole: opens them and commits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use sprat_core::storage::{StorageReply, StorageRequest};

use super::patrol::Beat;
use super::{Job, Shared, survey};

/// The thread.
#[derive(Debug)]
pub(super) struct Steward {
    shared: Arc<Shared>,
    /// Which of the disk's threads this is.
    number: usize,
    /// Who is to be told of torrents that are open.
    patrol: Sender<Beat>,
}

impl Steward {
    pub(super) const fn new(shared: Arc<Shared>, number: usize, patrol: Sender<Beat>) -> Self {
        Self { shared, number, patrol }
    }

    pub(super) fn run(self, inbox: &Receiver<Job>) {
        while let Ok(job) = inbox.recv() {
            let _work = self.shared.activity.begin(self.number);
            self.serve(job);
        }
    }

    fn serve(&self, Job { torrent: open, request }: Job) {
        let content = &open.content;
        let torrent = content.torrent;
        let reply = match request {
            StorageRequest::Open { .. } => {
                let adopt = open.adopt.load(std::sync::atomic::Ordering::Acquire);
                let result = survey::open(content, adopt);
                // The user may have agreed while it was looked at.
                if open.adopt.load(std::sync::atomic::Ordering::Acquire) {
                    content.watch.adopt_all();
                }
                if result.is_ok() {
                    open.is_found.store(true, std::sync::atomic::Ordering::Release);
                    // It ends only after this thread.
                    let _ = self.patrol.send(Beat::of(&open));
                }
                StorageReply::Opened { torrent, result }
            }
            StorageRequest::Commit { have, unproven, at_rest, .. } => {
                let result = content.commit(have, unproven, at_rest);
                StorageReply::Committed { torrent, result }
            }
            StorageRequest::Probe { .. } => StorageReply::Probed { torrent, result: content.probe() },
            _ => return, // never sent here, see Lane::dispatch
        };
        open.shared.reply(reply);
    }
}
