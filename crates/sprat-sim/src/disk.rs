//! A disk in memory. Blocks are held until their piece is finished and really hashed; of a piece that agrees, only
//! the fact is kept, because its bytes are those of the original.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::{BlockRef, Geometry, PieceIndex};
use sprat_core::storage::{
    CommitError, ExpectedHash, Found, StorageError, StorageErrorKind, StorageReply, StorageRequest,
};
use sprat_core::time::Time;
use sprat_wire::BLOCK_LENGTH;
use sprat_wire::hash::{Sha1Hash, Sha256Hash};
use sprat_wire::merkle;
use sprat_wire::metainfo::Version;

use crate::content::{Content, leaves_of};

/// Every so many thousandths of the blocks read are wrong.
#[derive(Debug)]
struct Rot {
    per_mille: u16,
    rng: fastrand::Rng,
}

/// What was written of a piece.
#[derive(Debug)]
enum Block {
    /// The right bytes, so many: they are kept elsewhere.
    Right(usize),
    /// Any others.
    Other(Bytes),
}

/// What goes wrong with the disk of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskFaults {
    /// Every answer takes up to so much longer than the others, at random.
    pub jitter: Duration,
    /// Which calls fail with an I/O error: their numbers, from 0, ascending.
    pub failing_calls: Vec<u64>,
}

/// The disk of one peer.
///
/// What is written is safe from a crash only when it has been committed.
#[derive(Debug)]
pub struct Disk {
    content: Arc<Content>,
    /// What is there and right.
    have: Bitfield,
    unfinished: BTreeMap<PieceIndex, BTreeMap<u32, Block>>,
    rot: Option<Rot>,
    /// What was committed: it outlives a crash.
    record: Bitfield,
    /// Those that nobody has hashed since a crash, as it was committed.
    unproven: Bitfield,
    /// Nothing was written since the last commit, which said so.
    at_rest: bool,
    failing_calls: VecDeque<u64>,
    calls: u64,
    is_full: bool,
    delay: Duration,
    /// When the last answer about each piece is due, and the last of all: answers about one piece keep their order.
    answers: BTreeMap<PieceIndex, Time>,
    last_answer: Time,
}

impl Disk {
    /// With all of the content on it, or nothing.
    #[must_use]
    pub fn new(content: Arc<Content>, has_everything: bool) -> Self {
        let pieces = content.geometry().pieces();
        let have = if has_everything { Bitfield::full(pieces) } else { Bitfield::new(pieces) };
        Self {
            content,
            record: have.clone(),
            unproven: Bitfield::new(pieces),
            at_rest: true,
            have,
            unfinished: BTreeMap::new(),
            rot: None,
            failing_calls: VecDeque::new(),
            calls: 0,
            is_full: false,
            delay: Duration::ZERO,
            answers: BTreeMap::new(),
            last_answer: Time::ZERO,
        }
    }

    /// From now on this share of the blocks read is wrong.
    pub(crate) fn corrupt_reads(&mut self, per_mille: u16, rng: fastrand::Rng) {
        self.rot = Some(Rot { per_mille, rng });
    }

    /// These pieces are there already, and known to be.
    pub(crate) fn with_pieces(mut self, pieces: Bitfield) -> Self {
        self.record = pieces.clone();
        self.have = pieces;
        self
    }

    pub(crate) fn with_faults(mut self, faults: &DiskFaults) -> Self {
        self.failing_calls = faults.failing_calls.iter().copied().collect();
        self
    }

    pub(crate) const fn set_full(&mut self, is_full: bool) {
        self.is_full = is_full;
    }

    /// Every answer takes so much longer from now on.
    pub(crate) fn slow_down(&mut self, by: Duration) {
        self.delay = self.delay.saturating_add(by);
    }

    /// And no more.
    pub(crate) const fn speed_up(&mut self, by: Duration) {
        self.delay = self.delay.saturating_sub(by);
    }

    /// How much longer than usual an answer takes.
    pub(crate) const fn delay(&self) -> Duration {
        self.delay
    }

    /// The machine has stopped in the middle of it all.
    pub(crate) fn crash(&mut self) {
        self.unfinished.clear();
        // Of the rest some may be there, but nobody knows.
        self.have = self.record.clone();
        if !self.at_rest {
            self.unproven = self.record.clone();
        }
        self.answers.clear();
    }

    /// When this answer comes that would be ready at `ready`: not before another about the same piece.
    pub(crate) fn answer_time(&mut self, ready: Time, reply: &StorageReply) -> Time {
        let at = match piece_of(reply) {
            Some(piece) => {
                let last = self.answers.entry(piece).or_insert(ready);
                *last = ready.max(*last);
                *last
            }
            None => ready.max(self.last_answer),
        };
        self.last_answer = self.last_answer.max(at);
        at
    }

    /// The pieces that outlive a crash.
    #[must_use]
    pub const fn durable(&self) -> &Bitfield {
        &self.record
    }

    /// The pieces that were hashed and agreed.
    #[must_use]
    pub const fn have(&self) -> &Bitfield {
        &self.have
    }

    pub(crate) const fn content(&self) -> &Arc<Content> {
        &self.content
    }

    /// How its content is cut.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        self.content.geometry()
    }

    /// Does as asked; the answer, if there is one.
    pub fn serve(&mut self, request: StorageRequest) -> Option<StorageReply> {
        let call = self.calls;
        self.calls += 1;
        if self.failing_calls.front().is_some_and(|failing| *failing <= call) {
            self.failing_calls.pop_front();
            return self.fail(request, StorageErrorKind::Io);
        }
        if self.is_full && takes_room(&request) {
            return self.fail(request, StorageErrorKind::Full);
        }
        match request {
            StorageRequest::Open { torrent, .. } => {
                Some(StorageReply::Opened { torrent, result: Ok(self.find()) })
            }
            StorageRequest::Write { block, data, .. } => {
                self.write(block, data);
                None
            }
            // A write before it has failed, so that what is there cannot be judged.
            StorageRequest::Finish { torrent, piece, .. } if !self.is_whole(piece) => {
                self.unfinished.remove(&piece);
                Some(StorageReply::Failed { torrent, piece, error: error(StorageErrorKind::Io) })
            }
            StorageRequest::Finish { torrent, piece, expected, leaves } => {
                Some(match self.finish(piece, &expected) {
                    Ok(made) => StorageReply::Stored { torrent, piece, leaves: leaves.then_some(made) },
                    Err((leaves, inconsistent)) => {
                        StorageReply::Rejected { torrent, piece, leaves, inconsistent }
                    }
                })
            }
            StorageRequest::Forget { piece, .. } => {
                self.unfinished.remove(&piece);
                None
            }
            StorageRequest::Verify { torrent, piece, .. } => {
                let result = Ok(self.have.contains(piece.get()));
                Some(StorageReply::Verified { torrent, piece, result })
            }
            StorageRequest::Read { torrent, token, piece, begin, length } => {
                let result = self.read(piece, begin, length);
                Some(StorageReply::Read { torrent, token, result })
            }
            StorageRequest::Leaves { torrent, token, piece } => {
                let there = self.have.contains(piece.get());
                let result = if there { Ok(self.content.leaves(piece).to_vec()) } else { Err(changed()) };
                Some(StorageReply::Leaves { torrent, token, result })
            }
            StorageRequest::Commit { torrent, have, unproven, at_rest } => {
                self.record = have;
                self.unproven = unproven;
                self.at_rest = at_rest;
                Some(StorageReply::Committed { torrent, result: Ok(()) })
            }
            StorageRequest::Probe { torrent } => Some(StorageReply::Probed { torrent, result: Ok(()) }),
            StorageRequest::Close { torrent, .. } => Some(StorageReply::Closed { torrent }),
        }
    }

    /// Cannot do as asked.
    fn fail(&mut self, request: StorageRequest, kind: StorageErrorKind) -> Option<StorageReply> {
        let error = error(kind);
        match request {
            StorageRequest::Open { torrent, .. } => {
                Some(StorageReply::Opened { torrent, result: Err(error) })
            }
            StorageRequest::Write { torrent, block, .. } => {
                self.unfinished.remove(&block.piece());
                Some(StorageReply::Failed { torrent, piece: block.piece(), error })
            }
            StorageRequest::Finish { torrent, piece, .. } => {
                self.unfinished.remove(&piece);
                Some(StorageReply::Failed { torrent, piece, error })
            }
            StorageRequest::Verify { torrent, piece, .. } => {
                Some(StorageReply::Verified { torrent, piece, result: Err(error) })
            }
            StorageRequest::Read { torrent, token, .. } => {
                Some(StorageReply::Read { torrent, token, result: Err(error) })
            }
            StorageRequest::Leaves { torrent, token, .. } => {
                Some(StorageReply::Leaves { torrent, token, result: Err(error) })
            }
            StorageRequest::Commit { torrent, .. } => {
                let result = Err(CommitError::Record(error));
                Some(StorageReply::Committed { torrent, result })
            }
            StorageRequest::Probe { torrent } => Some(StorageReply::Probed { torrent, result: Err(error) }),
            // These cannot fail.
            StorageRequest::Forget { piece, .. } => {
                self.unfinished.remove(&piece);
                None
            }
            StorageRequest::Close { torrent, .. } => Some(StorageReply::Closed { torrent }),
        }
    }

    /// What somebody finds who opens the torrent.
    fn find(&self) -> Found {
        let found = Found::resumed(self.record.clone());
        Found { unproven: self.unproven.clone(), ..found }
    }

    fn is_whole(&self, piece: PieceIndex) -> bool {
        let blocks = self.unfinished.get(&piece).map_or(0, BTreeMap::len);
        blocks == self.content.geometry().blocks_in(piece) as usize
    }

    fn write(&mut self, block: BlockRef, data: Bytes) {
        // To compare them is a tenth of the work of hashing them, and what ten thousand peers have begun fits nowhere.
        let is_right = self
            .content
            .piece(block.piece())
            .get(block.begin() as usize..)
            .is_some_and(|rest| rest.starts_with(&data));
        let written = if is_right { Block::Right(data.len()) } else { Block::Other(data) };
        self.unfinished.entry(block.piece()).or_default().insert(block.begin(), written);
    }

    /// Hashes what was written of a piece. The leaves; and if the piece is bad, whether only one of two hashes is.
    fn finish(
        &mut self,
        piece: PieceIndex,
        expected: &ExpectedHash,
    ) -> Result<Vec<Sha256Hash>, (Vec<Sha256Hash>, bool)> {
        let geometry = self.content.geometry();
        let blocks = self.unfinished.remove(&piece).unwrap_or_default();
        let original = self.content.piece(piece);
        let (digest, leaves) = if is_whole(&original, &blocks) {
            (self.content.digest(piece), self.content.leaves(piece).to_vec())
        } else {
            let bytes = joined(geometry, piece, &original, &blocks);
            (Sha1Hash::digest(&bytes), leaves_of(geometry, piece, &bytes))
        };
        let v1 = expected.v1.map(|hash| digest == hash);
        let v2 = expected.v2.map(|tree| merkle::padded_root(&leaves, 0, tree.leaves as usize) == tree.root);
        if v1 == Some(false) || v2 == Some(false) {
            let inconsistent = matches!((v1, v2), (Some(v1), Some(v2)) if v1 != v2);
            return Err((leaves, inconsistent));
        }
        self.have.insert(piece.get());
        self.at_rest = false;
        Ok(leaves)
    }

    fn read(&mut self, piece: PieceIndex, begin: u32, length: u32) -> Result<Bytes, StorageError> {
        let bytes = self.content.piece(piece);
        let (from, to) = (begin as usize, begin as usize + length as usize);
        if !self.have.contains(piece.get()) || to > bytes.len() {
            return Err(changed());
        }
        let bytes = bytes.slice(from..to);
        match &mut self.rot {
            Some(rot) => Ok(rot.spoil(&bytes)),
            None => Ok(bytes),
        }
    }
}

/// Whether these are the right bytes, all of them.
fn is_whole(original: &Bytes, blocks: &BTreeMap<u32, Block>) -> bool {
    let length = |block: &Block| match block {
        Block::Right(length) => Some(*length),
        Block::Other(_) => None,
    };
    blocks.values().map(length).sum::<Option<usize>>() == Some(original.len())
}

/// The bytes of a piece, with zeros where nothing was written.
fn joined(
    geometry: &Geometry,
    piece: PieceIndex,
    original: &Bytes,
    blocks: &BTreeMap<u32, Block>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(geometry.length_of(piece) as usize);
    for (begin, block) in blocks {
        let begin = *begin as usize;
        bytes.resize(begin, 0);
        match block {
            Block::Right(length) => {
                bytes.extend_from_slice(original.get(begin..begin + length).unwrap_or_default());
            }
            Block::Other(data) => bytes.extend_from_slice(data),
        }
    }
    bytes.resize(geometry.length_of(piece) as usize, 0);
    if geometry.version() != Version::V1 {
        // Padding is zeros, whatever was received for it.
        let data = geometry.data_length_of(piece) as usize;
        bytes.iter_mut().skip(data).for_each(|byte| *byte = 0);
    }
    bytes
}

impl Rot {
    fn spoil(&mut self, bytes: &Bytes) -> Bytes {
        let mut spoilt = bytes.to_vec();
        for block in spoilt.chunks_mut(BLOCK_LENGTH as usize) {
            if self.rng.u16(0..1000) < self.per_mille
                && let Some(byte) = block.first_mut()
            {
                *byte = !*byte;
            }
        }
        spoilt.into()
    }
}

/// Whether a full disk must refuse it.
const fn takes_room(request: &StorageRequest) -> bool {
    matches!(
        request,
        StorageRequest::Write { .. }
            | StorageRequest::Finish { .. }
            | StorageRequest::Commit { .. }
            | StorageRequest::Probe { .. }
    )
}

const fn piece_of(reply: &StorageReply) -> Option<PieceIndex> {
    match reply {
        StorageReply::Stored { piece, .. }
        | StorageReply::Rejected { piece, .. }
        | StorageReply::Verified { piece, .. }
        | StorageReply::Failed { piece, .. } => Some(*piece),
        StorageReply::Opened { .. }
        | StorageReply::Read { .. }
        | StorageReply::Leaves { .. }
        | StorageReply::Committed { .. }
        | StorageReply::FileChanged { .. }
        | StorageReply::Failing { .. }
        | StorageReply::Probed { .. }
        | StorageReply::Closed { .. } => None,
    }
}

fn error(kind: StorageErrorKind) -> StorageError {
    StorageError { kind, detail: "so says the simulation".to_owned() }
}

fn changed() -> StorageError {
    StorageError { kind: StorageErrorKind::Changed, detail: "not on this disk".to_owned() }
}
