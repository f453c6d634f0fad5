//! The storage alone.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::PieceIndex;
use sprat_core::storage::{Files, ReadToken, StorageReply, StorageRequest, TorrentId};
use sprat_engine::disk::faults::{Fault, Lasting};
use sprat_engine::storage::{Storage, StorageConfig};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::client_under_test::PATIENCE;
use super::sample::Sample;
use super::{Disks, PIECE, assert_complete, sample};

const SLOW: TorrentId = TorrentId(1);
const OTHER: TorrentId = TorrentId(2);

/// A storage, and what it has answered and nobody has looked at.
struct Bench {
    storage: Storage,
    replies: UnboundedReceiver<StorageReply>,
    runtime: tokio::runtime::Runtime,
    early: Vec<StorageReply>,
}

impl Bench {
    fn new(config: StorageConfig) -> Self {
        let (reply, replies) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { storage: Storage::start(config, reply), replies, runtime, early: Vec::new() }
    }

    /// The next answer about this torrent. Those about others are kept.
    fn reply(&mut self, about: TorrentId) -> StorageReply {
        if let Some(at) = self.early.iter().position(|reply| reply.torrent() == about) {
            return self.early.remove(at);
        }
        loop {
            let next = self.replies.recv();
            let next = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, next).await });
            match next.unwrap().unwrap() {
                reply if reply.torrent() == about => return reply,
                reply => self.early.push(reply),
            }
        }
    }

    fn submit_open(&self, torrent: TorrentId, sample: &Sample) {
        let (metainfo, geometry) = (Arc::clone(&sample.metainfo), Arc::clone(&sample.geometry));
        self.storage.submit(StorageRequest::Open { torrent, metainfo, geometry });
    }

    fn open(&mut self, torrent: TorrentId, sample: &Sample, directory: PathBuf) {
        self.storage.place(torrent, directory);
        self.submit_open(torrent, sample);
        let reply = self.reply(torrent);
        assert!(matches!(reply, StorageReply::Opened { result: Ok(_), .. }), "{reply:?}");
    }

    fn submit_piece(&self, torrent: TorrentId, sample: &Sample, piece: PieceIndex) {
        for block in sample.blocks(piece) {
            let data = sample.block(block);
            self.storage.submit(StorageRequest::Write { torrent, block, data });
        }
        let expected = sample.expected(piece);
        self.storage.submit(StorageRequest::Finish { torrent, piece, expected, leaves: false });
    }

    fn submit_commit(&self, torrent: TorrentId, sample: &Sample) {
        let have = Bitfield::full(sample.geometry.pieces());
        let unproven = Bitfield::new(sample.geometry.pieces());
        self.storage.submit(StorageRequest::Commit { torrent, have, unproven, at_rest: true });
    }

    fn submit_read(&self, torrent: TorrentId, piece: PieceIndex) {
        let token = ReadToken(u64::from(piece.get()));
        self.storage.submit(StorageRequest::Read { torrent, token, piece, begin: 0, length: PIECE });
    }

    fn assert_stored(&mut self, torrent: TorrentId) {
        let reply = self.reply(torrent);
        assert!(matches!(reply, StorageReply::Stored { .. }), "{reply:?}");
    }

    fn assert_committed(&mut self, torrent: TorrentId) {
        let reply = self.reply(torrent);
        assert!(matches!(reply, StorageReply::Committed { result: Ok(()), .. }), "{reply:?}");
    }

    fn assert_read(&mut self, torrent: TorrentId, sample: &Sample, piece: PieceIndex) {
        let StorageReply::Read { result, .. } = self.reply(torrent) else { panic!("it was to be read") };
        let parts: Vec<u8> = sample.parts(piece).flat_map(|(_, _, bytes)| bytes.iter().copied()).collect();
        assert!(result.unwrap() == parts);
    }
}

#[test]
fn a_disk_that_hangs_holds_up_its_own_torrents_only() {
    let disks = Disks::new();
    let (slow, other) = (sample(50 * PIECE as usize), sample(40 * PIECE as usize));
    let mut bench = Bench::new(disks.config());
    bench.open(SLOW, &slow, disks.slow());
    let [first, rest @ ..] = &slow.pieces()[..] else { panic!("there are pieces") };
    bench.submit_piece(SLOW, &slow, *first);
    bench.assert_stored(SLOW);

    disks.stall();
    let (begun, later) = rest.split_at(16);
    for piece in begun {
        bench.submit_piece(SLOW, &slow, *piece);
    }
    bench.submit_commit(SLOW, &slow);
    bench.submit_read(SLOW, *first);
    // One thread of each kind.
    disks.slow.await_hanging(3);
    for piece in later {
        bench.submit_piece(SLOW, &slow, *piece);
    }
    let pressure = bench.storage.pressure(SLOW).unwrap();
    assert!(pressure.is_congested());

    bench.open(OTHER, &other, disks.other());
    for piece in other.pieces() {
        assert!(!bench.storage.pressure(OTHER).unwrap().is_congested());
        bench.submit_piece(OTHER, &other, piece);
        bench.assert_stored(OTHER);
    }
    for piece in other.pieces() {
        bench.submit_read(OTHER, piece);
        bench.assert_read(OTHER, &other, piece);
        let expected = other.expected(piece);
        bench.storage.submit(StorageRequest::Verify { torrent: OTHER, piece, expected });
        let reply = bench.reply(OTHER);
        assert!(matches!(reply, StorageReply::Verified { result: Ok(true), .. }), "{reply:?}");
    }
    bench.submit_commit(OTHER, &other);
    bench.assert_committed(OTHER);
    bench.storage.submit(StorageRequest::Close { torrent: OTHER, files: Files::Keep });
    assert!(matches!(bench.reply(OTHER), StorageReply::Closed { .. }));
    assert_complete(&other, &disks.other());
    assert!(bench.early.is_empty() && pressure.is_congested(), "nothing comes from a disk that hangs");

    disks.slow.release();
    let mut answers = [0; 3];
    for _ in 0..rest.len() + 2 {
        match bench.reply(SLOW) {
            StorageReply::Stored { .. } => answers[0] += 1,
            StorageReply::Committed { result: Ok(()), .. } => answers[1] += 1,
            StorageReply::Read { result: Ok(_), .. } => answers[2] += 1,
            reply => panic!("{reply:?}"),
        }
    }
    assert_eq!(answers, [rest.len(), 1, 1]);
    bench.runtime.block_on(pressure.drained());
    assert_complete(&slow, &disks.slow());
    bench.storage.stop(PATIENCE);
}

#[test]
fn what_a_disk_that_hangs_does_not_give_back_is_counted_and_others_go_on() {
    let disks = Disks::new();
    let (slow, other) = (sample(16 * PIECE as usize), sample(40 * PIECE as usize));
    // Pieces that are begun and not finished stay in memory, up to the limit.
    let mut bench = Bench::new(StorageConfig { held_limit: 4 * PIECE as usize, ..disks.config() });
    bench.open(SLOW, &slow, disks.slow());
    disks.stall();
    for piece in slow.pieces() {
        for block in slow.blocks(piece).into_iter().step_by(2) {
            bench.storage.submit(StorageRequest::Write { torrent: SLOW, block, data: slow.block(block) });
        }
    }
    disks.slow.await_hanging(1);
    bench.open(OTHER, &other, disks.other());
    for piece in other.pieces() {
        bench.submit_piece(OTHER, &other, piece);
        bench.assert_stored(OTHER);
    }
    assert_complete(&other, &disks.other());
    assert!(bench.storage.held_beyond_limit() > 0, "what the disk was about to write early");
    disks.slow.release();
    for piece in slow.pieces() {
        bench.storage.submit(StorageRequest::Forget { torrent: SLOW, piece });
    }
    bench.storage.submit(StorageRequest::Close { torrent: SLOW, files: Files::Keep });
    assert!(matches!(bench.reply(SLOW), StorageReply::Closed { .. }));
    assert_eq!((bench.storage.held_beyond_limit(), bench.storage.queued_bytes()), (0, 0));
}

#[test]
fn a_disk_that_is_mounted_late_has_threads_of_its_own_all_the_same() {
    let disks = Disks::new();
    let table = disks.config().mount_table;
    let (late, other) = (sample(16 * PIECE as usize), sample(40 * PIECE as usize));
    let mounts = fs::read_to_string(&table).unwrap();
    // At first there is only one disk, and what lies on the other one is not found.
    fs::write(&table, mounts.replace("8:1", "8:2")).unwrap();
    let mut bench = Bench::new(disks.config());
    bench.open(OTHER, &other, disks.other());
    disks.slow.fail_nth(1, Fault::Io, Lasting::UntilHealed);
    bench.storage.place(SLOW, disks.slow());
    bench.submit_open(SLOW, &late);
    assert!(matches!(bench.reply(SLOW), StorageReply::Opened { result: Err(_), .. }));
    disks.slow.heal();
    fs::write(&table, mounts).unwrap();
    bench.submit_open(SLOW, &late);
    assert!(matches!(bench.reply(SLOW), StorageReply::Opened { result: Ok(_), .. }));
    disks.stall();
    bench.submit_piece(SLOW, &late, late.pieces()[0]);
    disks.slow.await_hanging(1);
    for piece in other.pieces() {
        bench.submit_piece(OTHER, &other, piece);
        bench.assert_stored(OTHER);
    }
    disks.slow.release();
    bench.assert_stored(SLOW);
}

#[test]
fn a_stop_finishes_what_it_can_and_leaves_a_disk_that_hangs_behind() {
    let disks = Disks::new();
    let (slow, other) = (sample(4 * PIECE as usize), sample(40 * PIECE as usize));
    let mut bench = Bench::new(disks.config());
    bench.open(SLOW, &slow, disks.slow());
    bench.open(OTHER, &other, disks.other());
    disks.stall();
    bench.submit_piece(SLOW, &slow, slow.pieces()[0]);
    disks.slow.await_hanging(1);
    for piece in other.pieces() {
        bench.submit_piece(OTHER, &other, piece);
    }
    let begun = Instant::now();
    bench.storage.stop(Duration::from_secs(2));
    let took = begun.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&took), "{took:?}");
    assert_complete(&other, &disks.other());
    // The threads that were left behind end by themselves, and let go of the channel.
    disks.slow.release();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let end = async { while bench.replies.recv().await.is_some() {} };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, end).await }).unwrap();
}
