//! A disk in memory. Blocks are held until their piece is finished and really hashed; of a piece that agrees, only
//! the fact is kept, because its bytes are those of the original.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::{BlockRef, Geometry, PieceIndex};
use sprat_core::storage::{
    ExpectedHash, Found, StorageError, StorageErrorKind, StorageReply, StorageRequest,
};
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

/// The disk of one peer.
#[derive(Debug)]
pub struct Disk {
    content: Arc<Content>,
    have: Bitfield,
    unfinished: BTreeMap<PieceIndex, BTreeMap<u32, Bytes>>,
    rot: Option<Rot>,
}

impl Disk {
    /// With all of the content on it, or nothing.
    #[must_use]
    pub fn new(content: Arc<Content>, has_everything: bool) -> Self {
        let pieces = content.geometry().pieces();
        let have = if has_everything { Bitfield::full(pieces) } else { Bitfield::new(pieces) };
        Self { content, have, unfinished: BTreeMap::new(), rot: None }
    }

    /// From now on this share of the blocks read is wrong.
    pub(crate) fn corrupt_reads(&mut self, per_mille: u16, rng: fastrand::Rng) {
        self.rot = Some(Rot { per_mille, rng });
    }

    /// The pieces that were hashed and agreed.
    #[must_use]
    pub const fn have(&self) -> &Bitfield {
        &self.have
    }

    /// How its content is cut.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        self.content.geometry()
    }

    /// Does as asked; the answer, if there is one.
    pub fn serve(&mut self, request: StorageRequest) -> Option<StorageReply> {
        match request {
            StorageRequest::Open { torrent, .. } => {
                let found =
                    if self.have.is_empty() { Found::Nothing } else { Found::Resumed(self.have.clone()) };
                Some(StorageReply::Opened { torrent, result: Ok(found) })
            }
            StorageRequest::Write { block, data, .. } => {
                self.write(block, data);
                None
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
            StorageRequest::SaveResume { .. } => None,
            StorageRequest::Probe { torrent } => Some(StorageReply::Probed { torrent, result: Ok(()) }),
            StorageRequest::Close { torrent } => Some(StorageReply::Closed { torrent }),
        }
    }

    fn write(&mut self, block: BlockRef, data: Bytes) {
        self.unfinished.entry(block.piece()).or_default().insert(block.begin(), data);
    }

    /// Hashes what was written of a piece. The leaves; and if the piece is bad, whether only one of two hashes is.
    fn finish(
        &mut self,
        piece: PieceIndex,
        expected: &ExpectedHash,
    ) -> Result<Vec<Sha256Hash>, (Vec<Sha256Hash>, bool)> {
        let geometry = self.content.geometry();
        let blocks = self.unfinished.remove(&piece).unwrap_or_default();
        let mut bytes = Vec::with_capacity(geometry.length_of(piece) as usize);
        for (begin, block) in &blocks {
            bytes.resize(*begin as usize, 0);
            bytes.extend_from_slice(block);
        }
        bytes.resize(geometry.length_of(piece) as usize, 0);
        if geometry.version() != Version::V1 {
            // Padding is zeros, whatever was received for it.
            let data = geometry.data_length_of(piece) as usize;
            bytes.iter_mut().skip(data).for_each(|byte| *byte = 0);
        }
        let v1 = expected.v1.map(|hash| Sha1Hash::digest(&bytes) == hash);
        let leaves = leaves_of(geometry, piece, &bytes);
        let v2 = expected.v2.map(|tree| merkle::padded_root(&leaves, 0, tree.leaves as usize) == tree.root);
        if v1 == Some(false) || v2 == Some(false) {
            let inconsistent = matches!((v1, v2), (Some(v1), Some(v2)) if v1 != v2);
            return Err((leaves, inconsistent));
        }
        self.have.insert(piece.get());
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

fn changed() -> StorageError {
    StorageError { kind: StorageErrorKind::Changed, detail: "not on this disk".to_owned() }
}
