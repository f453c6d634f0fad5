//! The threads of one disk, and what waits for them.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use sprat_core::geometry::PieceIndex;
use sprat_core::storage::{StorageReply, StorageRequest, TorrentId};

use super::patrol::Patrol;
use super::shard::Shard;
use super::steward::Steward;
use super::turns::Turns;
use super::{Job, Shared};

/// Threads that serve `Read` only: one may wait for a slow disk while the other serves the rest.
const READERS: usize = 2;

/// Threads of a disk besides those that hash and write.
const OTHERS: usize = READERS + 2;

/// How many threads a disk with so many workers has.
pub(super) const fn threads(workers: usize) -> usize {
    workers + OTHERS
}

/// One disk. When it is dropped its threads finish what waits, and end.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) shared: Arc<Shared>,
    shards: Vec<Sender<Job>>,
    reads: Reads,
    steward: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
    /// Says nothing, and is cut off when the last thread has ended.
    ended: Receiver<Infallible>,
}

impl Lane {
    /// Starts the threads.
    pub(super) fn start(shared: Arc<Shared>, workers: usize) -> io::Result<Self> {
        let (alive, ended) = channel::<Infallible>();
        let mut threads = Vec::new();
        let mut spawn = |serve: Box<dyn FnOnce(Arc<Shared>, usize) + Send>| {
            let (shared, number, alive) = (Arc::clone(&shared), threads.len(), alive.clone());
            let run = move || {
                serve(shared, number);
                drop(alive);
            };
            threads.push(std::thread::Builder::new().name("sprat-storage".to_owned()).spawn(run)?);
            io::Result::Ok(())
        };
        let mut shards = Vec::new();
        for _ in 0..workers {
            let (sender, inbox) = channel();
            spawn(Box::new(move |shared, number| Shard::new(shared, number).run(&inbox)))?;
            shards.push(sender);
        }
        let reads = Reads::default();
        for _ in 0..READERS {
            let reads = Arc::clone(&reads.0);
            spawn(Box::new(move |shared, number| serve_reads(&shared, number, &reads)))?;
        }
        let (patrol, beats) = channel();
        let (steward, inbox) = channel();
        spawn(Box::new(move |shared, number| Steward::new(shared, number, patrol).run(&inbox)))?;
        spawn(Box::new(move |shared, number| Patrol::new(shared, number).run(&beats)))?;
        Ok(Self { shared, shards, reads, steward, threads, ended })
    }

    /// Has a request served. Never waits for the disk.
    pub(super) fn dispatch(&self, job: Job) {
        let torrent = job.torrent.content.torrent;
        match &job.request {
            StorageRequest::Write { block, data, .. } => {
                self.shared.pressure.rise(data.len());
                send(self.shard(torrent, block.piece()), job);
            }
            StorageRequest::Finish { piece, .. }
            | StorageRequest::Forget { piece, .. }
            | StorageRequest::Verify { piece, .. }
            | StorageRequest::Leaves { piece, .. } => send(self.shard(torrent, *piece), job),
            StorageRequest::Read { .. } => {
                if !self.read_at_once(&job) {
                    self.reads.0.push(torrent, job);
                }
            }
            StorageRequest::Open { .. } | StorageRequest::Commit { .. } | StorageRequest::Probe { .. } => {
                send(&self.steward, job);
            }
            StorageRequest::Close { files, .. } => {
                // Once: after it the torrent is not known any more.
                let _ = job.torrent.closing.set(*files);
                let Some((last, others)) = self.shards.split_last() else { return };
                for shard in others {
                    send(shard, Job { torrent: Arc::clone(&job.torrent), request: job.request.clone() });
                }
                // Whoever lets go of it last closes and deletes its files, which is nothing for this thread: it keeps no share.
                send(last, job);
            }
        }
    }

    /// Answers a read if the kernel has it in memory: to hand it over to another thread and back costs as much as the copy. While
    /// the disk hangs nothing is tried, for not every file system keeps what it promises of a call that does not wait.
    fn read_at_once(&self, job: &Job) -> bool {
        let StorageRequest::Read { torrent, token, piece, begin, length } = job.request else { return false };
        let mut buffer = self.shared.buffers.take(length as usize);
        let is_read = !self.shared.activity.is_stuck()
            && job.torrent.content.read_resident(piece, begin, buffer.as_mut());
        if is_read {
            self.shared.reply(StorageReply::Read { torrent, token, result: Ok(buffer.freeze()) });
        }
        is_read
    }

    /// One piece, one thread; neighbours go to different ones.
    fn shard(&self, torrent: TorrentId, piece: PieceIndex) -> &Sender<Job> {
        let at = (torrent.0 as usize).wrapping_add(piece.as_usize()) % self.shards.len().max(1);
        self.shards.get(at).unwrap_or(&self.steward)
    }

    /// Has the threads end when nothing waits for them any more.
    pub(super) fn close(self) -> Closing {
        let Self { shared, threads, ended, .. } = self;
        Closing { shared, threads, ended }
    }
}

/// A disk whose threads are about to end.
pub(super) struct Closing {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    ended: Receiver<Infallible>,
}

impl Closing {
    /// Waits for the threads, but leaves them to themselves when they have not ended by `deadline`: the call that one of them
    /// hangs in cannot be taken back.
    pub(super) fn wait(self, deadline: Instant) {
        let patience = deadline.saturating_duration_since(Instant::now());
        if self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            let disk = self.shared.disk.display();
            tracing::error!(%disk, "a disk does not answer; what was to be written to it is given up");
            return;
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a storage thread panicked");
            }
        }
    }
}

/// Reads that wait. The readers end when this is dropped and nothing waits.
#[derive(Debug, Default)]
struct Reads(Arc<Turns<Job>>);

impl Drop for Reads {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn serve_reads(shared: &Shared, number: usize, reads: &Turns<Job>) {
    while let Some(Job { torrent, request }) = reads.next() {
        let StorageRequest::Read { token, piece, begin, length, .. } = request else { continue };
        // The torrent may be dropped here, and its files closed.
        let _work = shared.activity.begin(number);
        let content = Arc::clone(&torrent.content);
        let mut buffer = shared.buffers.take(length as usize);
        let read = content.read(piece, begin, buffer.as_mut());
        let result = read.map(|()| buffer.freeze());
        shared.reply(StorageReply::Read { torrent: content.torrent, token, result });
        drop(torrent);
    }
}

fn send(queue: &Sender<Job>, job: Job) {
    if let Err(std::sync::mpsc::SendError(job)) = queue.send(job) {
        tracing::error!(
            torrent = job.torrent.content.torrent.0,
            "a storage thread has gone; a request is lost"
        );
    }
}
