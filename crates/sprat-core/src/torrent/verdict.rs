//! Pieces that failed their hash: who is to blame, and how the piece is fetched again. Also the hash trees of v2, which
//! tell exactly (BEP 52), and which we tell others.

use std::time::Duration;

use sprat_wire::hash::Sha256Hash;
use sprat_wire::merkle::{self, HashRange, Shape, Tree};
use sprat_wire::peer::message::{HashRequest, Message};

use crate::blame::Verdict;
use crate::connection::PeerConnection;
use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::io::{ConnectionId, DisconnectReason, Event, Trouble};
use crate::planted::PlantedBug;
use crate::storage::{ReadToken, StorageError, StorageRequest};

use super::{HashQuestion, LeafRead, Torrent};

/// A question for hashes that is not answered in so long will not be.
const HASH_ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Leaf questions of others that may be with the disk at once: each costs reading and hashing a piece.
const LEAF_READS: usize = 4;

/// What a leaf question costs its sender: a part of the piece that has to be read and hashed for it.
const LEAVES_PER_COST: u32 = 16;

/// What other hashes cost, by their length.
const HASHES_PER_COST: u32 = 32;

/// Trees kept for answering questions, the smallest file number going first.
const TREES: usize = 8;

impl Torrent {
    pub(super) fn on_rejected(
        &mut self,
        cx: &mut Context<'_>,
        piece: PieceIndex,
        leaves: Vec<Sha256Hash>,
        inconsistent: bool,
    ) {
        let senders =
            self.picker.senders(piece).iter().map(|sender| self.identity((*sender)?)).collect::<Vec<_>>();
        self.picker.set_missing(piece);
        self.totals.rejected_pieces += 1;
        self.totals.wasted += u64::from(self.geometry.length_of(piece));
        cx.emit(Event::PieceRejected { torrent: self.id, piece });
        if inconsistent {
            return self.enter_trouble(cx, Trouble::Inconsistent);
        }
        if cx.config.planted().is(PlantedBug::EverybodyBanned) {
            for sender in senders.iter().copied().flatten() {
                self.ban(cx, sender);
            }
        }
        match self.blame.rejected(piece, leaves, senders) {
            Verdict::Convicted(guilty) => self.ban(cx, guilty),
            Verdict::Suspect => {
                self.suspects.insert(piece, None);
                self.ask_for_leaves(cx, piece);
            }
            Verdict::Doubtful => {
                self.suspects.insert(piece, None);
            }
        }
        self.assign_suspects(cx);
        self.ask_everyone(cx);
    }

    /// A copy passed: its blocks clear or convict those who sent the bad ones.
    pub(super) fn on_good_copy(&mut self, cx: &mut Context<'_>, piece: PieceIndex, leaves: &[Sha256Hash]) {
        self.suspects.remove(&piece);
        for guilty in self.blame.cleared(piece, leaves) {
            self.ban(cx, guilty);
        }
    }

    /// Gives each suspect piece to one peer that has it: what that one sends, it alone answers for.
    fn assign_suspects(&mut self, cx: &Context<'_>) {
        let mut assigned = Vec::new();
        for (piece, to) in &mut self.suspects {
            if to.is_some() {
                continue;
            }
            let candidates = self.connections.values().filter(|connection| {
                let tried =
                    self.identities.get(&connection.id).is_some_and(|who| self.blame.has_tried(*piece, *who));
                !connection.choked
                    && !connection.snubbed
                    && !connection.has_refused(cx.now, *piece)
                    && !tried
                    && connection.pieces.contains(piece.get())
            });
            // Whoever has been quickest will settle the question soonest.
            if let Some(chosen) = candidates.max_by_key(|connection| (connection.downloaded, connection.id)) {
                self.picker.restrict(*piece, chosen.id);
                *to = Some(chosen.id);
                assigned.push(*piece);
            }
        }
        // What was under way of these pieces is not wanted any more: they begin anew.
        for piece in assigned {
            self.cancel_piece(cx, piece);
        }
    }

    fn cancel_piece(&mut self, cx: &Context<'_>, piece: PieceIndex) {
        let asked = |connection: &mut PeerConnection| connection.cancel_piece(cx.now, piece);
        let touched = self.connections.values_mut().filter_map(|peer| asked(peer).then_some(peer.id));
        self.touched.extend(touched);
    }

    /// This connection will not settle anything any more.
    pub(super) fn set_suspects_free(&mut self, id: ConnectionId) {
        for (piece, to) in &mut self.suspects {
            if *to == Some(id) {
                *to = None;
                self.picker.unrestrict(*piece);
            }
        }
    }

    /// This connection will not settle the question of this piece.
    pub(super) fn set_suspect_free(&mut self, piece: PieceIndex, id: ConnectionId) {
        if let Some(to) = self.suspects.get_mut(&piece)
            && *to == Some(id)
        {
            *to = None;
            self.picker.unrestrict(piece);
        }
    }

    // Asking for leaf hashes.

    fn ask_for_leaves(&mut self, cx: &Context<'_>, piece: PieceIndex) {
        let Some(request) = self.leaf_request(piece) else { return };
        let witness = self
            .connections
            .values_mut()
            .find(|connection| connection.can_tell_hashes() && connection.pieces.contains(piece.get()));
        if let Some(witness) = witness {
            witness.ask_hashes(request);
            let id = witness.id;
            self.hash_questions.insert(request, HashQuestion { piece, asked_at: cx.now });
            self.touch(id);
        }
    }

    /// All leaves of a piece, with no proof: the hash of the piece is known.
    fn leaf_request(&self, piece: PieceIndex) -> Option<HashRequest> {
        let expected = self.expected(piece).v2.filter(|expected| expected.leaves >= 2)?;
        let (file, nth) = self.geometry.file_of(piece)?;
        Some(HashRequest {
            pieces_root: self.metainfo.info.files.get(file)?.pieces_root?,
            base_layer: 0,
            index: nth.checked_mul(expected.leaves)?,
            length: expected.leaves,
            proof_layers: 0,
        })
    }

    pub(super) fn on_hashes(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        request: HashRequest,
        hashes: &[Sha256Hash],
    ) {
        let Some(HashQuestion { piece, .. }) = self.hash_questions.remove(&request) else { return };
        let Some(expected) = self.expected(piece).v2 else { return };
        let fits = hashes.len() == expected.leaves as usize
            && merkle::padded_root(hashes, 0, hashes.len()) == expected.root;
        if !fits {
            return self.disconnect(
                cx,
                id,
                DisconnectReason::Misbehaved("hashes that do not lead to the root"),
            );
        }
        let blocks = self.geometry.data_length_of(piece).div_ceil(sprat_wire::BLOCK_LENGTH) as usize;
        let exact = self.blame.exact(piece, hashes.get(..blocks).unwrap_or(hashes));
        for guilty in exact.guilty {
            self.ban(cx, guilty);
        }
    }

    pub(super) fn on_hashes_refused(&mut self, request: HashRequest) {
        // The single-sender way goes on without.
        self.hash_questions.remove(&request);
    }

    pub(super) fn look_after_questions(&mut self, cx: &Context<'_>) {
        self.hash_questions.retain(|_, question| cx.now.since(question.asked_at) < HASH_ANSWER_LIMIT);
        self.assign_suspects(cx);
    }

    // Answering questions for hashes.

    pub(super) fn on_hashes_wanted(&mut self, cx: &mut Context<'_>, id: ConnectionId, request: HashRequest) {
        let cost = match request.base_layer {
            0 => self.geometry.piece_length() / LEAVES_PER_COST,
            _ => request.length.saturating_mul(32) / HASHES_PER_COST,
        };
        if !self.connections.get_mut(&id).is_some_and(|connection| connection.may_have_work(cost)) {
            return self.answer_hashes(id, request, None);
        }
        let answer = self.piece_layer_answer(request);
        if answer.is_none() && self.read_leaves(cx, id, request).is_some() {
            return;
        }
        self.answer_hashes(id, request, answer);
    }

    fn answer_hashes(&mut self, id: ConnectionId, request: HashRequest, hashes: Option<Vec<Sha256Hash>>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.say(&match hashes {
            Some(hashes) => Message::Hashes { request, hashes },
            None => Message::HashReject(request),
        });
        self.touch(id);
    }

    /// The answer out of the piece layers of the metainfo, if that is what was asked for.
    fn piece_layer_answer(&mut self, request: HashRequest) -> Option<Vec<Sha256Hash>> {
        if request.base_layer != merkle::piece_layer_height(self.geometry.piece_length()) {
            return None;
        }
        let file = self.file_with_root(&request.pieces_root)?;
        self.tree(file)?.answer(range(request)).ok()
    }

    /// Has the disk hash the piece whose leaves are asked for, if we have it.
    fn read_leaves(&mut self, cx: &mut Context<'_>, id: ConnectionId, request: HashRequest) -> Option<()> {
        if request.base_layer != 0 || self.leaf_reads.len() >= LEAF_READS {
            return None;
        }
        let file = self.file_with_root(&request.pieces_root)?;
        let shape = Shape::of_file(self.metainfo.info.files.get(file)?.length)?;
        range(request).check(shape).ok()?;
        let leaves_per_piece = self.geometry.piece_length() / sprat_wire::BLOCK_LENGTH;
        let first = self.geometry.pieces_of(file).start;
        let piece = self.geometry.piece(first.checked_add(request.index / leaves_per_piece)?)?;
        if request.length > leaves_per_piece || !self.picker.have().contains(piece.get()) {
            return None;
        }
        let token = cx.names.read();
        self.leaf_reads.insert(token, LeafRead { connection: id, request, file });
        cx.storage(StorageRequest::Leaves { torrent: self.id, token, piece });
        Some(())
    }

    pub(super) fn on_leaves(&mut self, token: ReadToken, result: Result<Vec<Sha256Hash>, StorageError>) {
        let Some(LeafRead { connection, request, file }) = self.leaf_reads.remove(&token) else { return };
        let answer = result.ok().and_then(|leaves| match self.tree(file) {
            Some(tree) => tree.answer_leaves(&leaves, range(request)).ok(),
            // A file of at most one piece: its leaves are the whole tree.
            None => {
                let shape = Shape::of_file(self.metainfo.info.files.get(file)?.length)?;
                Tree::new(shape, 0, leaves)?.answer(range(request)).ok()
            }
        });
        self.answer_hashes(connection, request, answer);
    }

    /// The tree of a file of more than one piece, from the piece layer up.
    fn tree(&mut self, file: usize) -> Option<&Tree> {
        if !self.trees.contains_key(&file) {
            let entry = self.metainfo.info.files.get(file)?;
            let layer = self.metainfo.piece_layers.get(&entry.pieces_root?)?;
            let height = merkle::piece_layer_height(self.geometry.piece_length());
            let tree = Tree::new(Shape::of_file(entry.length)?, height, layer.to_vec())?;
            if self.trees.len() >= TREES {
                self.trees.pop_first();
            }
            self.trees.insert(file, tree);
        }
        self.trees.get(&file)
    }

    fn file_with_root(&mut self, root: &Sha256Hash) -> Option<usize> {
        if self.files_by_root.is_empty() {
            let files = self.metainfo.info.files.iter().enumerate();
            self.files_by_root = files.filter_map(|(at, file)| Some((file.pieces_root?, at))).collect();
        }
        self.files_by_root.get(root).copied()
    }
}

const fn range(request: HashRequest) -> HashRange {
    HashRange {
        base_layer: request.base_layer,
        index: request.index,
        length: request.length,
        proof_layers: request.proof_layers,
    }
}
