//! The picker against a naive one, which knows what must be true of every choice without being able to choose.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;

use super::choose;
use super::tests::{geometry, picked, request, set};
use super::{PickRequest, Picker, PieceState, Received};
use crate::bitfield::Bitfield;
use crate::geometry::{BlockRef, Geometry, PieceIndex};
use crate::io::{ConnectionId, FilePriority};

#[derive(Debug, Clone)]
enum Step {
    Join(Vec<bool>),
    JoinSeed,
    Leave(usize),
    PeerHas(usize, u32),
    Pick { peer: usize, count: usize, whole_pieces: bool, allowed: Option<Vec<u32>>, suggested: Vec<u32> },
    Deliver(usize, usize),
    Release(usize, usize),
    Verify { piece: u32, good: bool },
    SetHave(u32),
    SetMissing(u32),
    Prioritise(u32, FilePriority),
    Sequential(bool),
    Restrict(u32, usize),
    Unrestrict(u32),
}

const PIECES: u32 = 12;
const BLOCKS: u32 = 3;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let piece = 0..PIECES;
    let peer = 0..6_usize;
    let priority = prop_oneof![
        1 => Just(FilePriority::Skip),
        1 => Just(FilePriority::Low),
        3 => Just(FilePriority::Normal),
        1 => Just(FilePriority::High),
    ];
    let allowed = proptest::option::weighted(0.2, vec(piece.clone(), 0..4));
    let pick = (peer.clone(), 0..8_usize, any::<bool>(), allowed, vec(piece.clone(), 0..2)).prop_map(
        |(peer, count, whole_pieces, allowed, suggested)| Step::Pick {
            peer,
            count,
            whole_pieces,
            allowed,
            suggested,
        },
    );
    let step = prop_oneof![
        2 => vec(any::<bool>(), PIECES as usize).prop_map(Step::Join),
        1 => Just(Step::JoinSeed),
        1 => peer.clone().prop_map(Step::Leave),
        3 => (peer.clone(), piece.clone()).prop_map(|(peer, piece)| Step::PeerHas(peer, piece)),
        10 => pick,
        16 => (peer.clone(), any::<usize>()).prop_map(|(peer, which)| Step::Deliver(peer, which)),
        3 => (peer.clone(), any::<usize>()).prop_map(|(peer, which)| Step::Release(peer, which)),
        8 => (piece.clone(), proptest::bool::weighted(0.8)).prop_map(|(piece, good)| Step::Verify { piece, good }),
        1 => piece.clone().prop_map(Step::SetHave),
        1 => piece.clone().prop_map(Step::SetMissing),
        2 => (piece.clone(), priority).prop_map(|(piece, priority)| Step::Prioritise(piece, priority)),
        1 => proptest::bool::weighted(0.2).prop_map(Step::Sequential),
        1 => (piece.clone(), peer).prop_map(|(piece, peer)| Step::Restrict(piece, peer)),
        1 => piece.prop_map(Step::Unrestrict),
    ];
    vec(step, 0..160)
}

#[derive(Debug)]
struct Peer {
    connection: ConnectionId,
    pieces: Bitfield,
    requests: Vec<BlockRef>,
    /// Requests that the picker has forgotten about; answers may still come.
    stale: Vec<BlockRef>,
}

#[derive(Debug, Clone, Default)]
struct Fact {
    have: bool,
    checking: bool,
    received: BTreeMap<u32, ConnectionId>,
    priority: FilePriority,
    only: Option<ConnectionId>,
}

struct Naive {
    geometry: Arc<Geometry>,
    picker: Picker,
    peers: Vec<Peer>,
    facts: Vec<Fact>,
    sequential: bool,
    connections: u64,
    /// Everything that was ever picked, to compare runs.
    history: Vec<BlockRef>,
}

impl Naive {
    fn new(seed: u64) -> Self {
        let geometry = geometry(PIECES, BLOCKS);
        let picker = Picker::new(Arc::clone(&geometry), fastrand::Rng::with_seed(seed));
        let facts = vec![Fact::default(); PIECES as usize];
        Self { geometry, picker, peers: vec![], facts, sequential: false, connections: 0, history: vec![] }
    }

    fn piece(&self, index: u32) -> PieceIndex {
        self.geometry.piece(index).unwrap()
    }

    fn blocks(&self, index: u32) -> Vec<BlockRef> {
        let piece = self.piece(index);
        (0..self.geometry.blocks_in(piece)).map(|block| self.geometry.block(piece, block).unwrap()).collect()
    }

    fn requesters(&self, block: BlockRef) -> usize {
        self.peers.iter().filter(|peer| peer.requests.contains(&block)).count()
    }

    fn is_begun(&self, index: u32) -> bool {
        !self.facts[index as usize].received.is_empty()
            || self.blocks(index).into_iter().any(|block| self.requesters(block) > 0)
    }

    fn availability(&self, index: u32) -> u32 {
        self.peers.iter().filter(|peer| peer.pieces.contains(index)).count() as u32
    }

    /// Wanted, and neither received nor requested.
    fn free_blocks(&self, index: u32) -> Vec<BlockRef> {
        let fact = &self.facts[index as usize];
        if fact.have || fact.checking || fact.priority == FilePriority::Skip {
            return vec![];
        }
        let is_free =
            |block: &BlockRef| !fact.received.contains_key(&block.index()) && self.requesters(*block) == 0;
        self.blocks(index).into_iter().filter(is_free).collect()
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Join(bits) => {
                let held = (0..PIECES).filter(|piece| bits[*piece as usize]);
                self.join(set(&self.picker, held));
            }
            Step::JoinSeed => self.join(Bitfield::full(PIECES)),
            Step::Pick { peer, count, whole_pieces, allowed, suggested } => {
                if peer < self.peers.len() {
                    let pieces = |list: Vec<u32>| list.into_iter().map(|index| self.piece(index)).collect();
                    let allowed: Option<Vec<PieceIndex>> = allowed.map(pieces);
                    let suggested: Vec<PieceIndex> = pieces(suggested);
                    self.pick(peer, count, whole_pieces, allowed.as_deref(), &suggested);
                }
            }
            Step::Leave(peer) => self.leave(peer),
            Step::PeerHas(peer, index) => {
                if self.peers.get_mut(peer).is_some_and(|peer| peer.pieces.insert(index)) {
                    self.picker.peer_has(self.piece(index));
                }
            }
            Step::Deliver(peer, which) => self.deliver(peer, which),
            Step::Release(peer, which) => {
                if let Some((block, connection)) = self.take_request(peer, which) {
                    self.picker.release(block, connection);
                }
            }
            Step::Verify { piece, good } => {
                if self.facts[piece as usize].checking {
                    self.run(if good { Step::SetHave(piece) } else { Step::SetMissing(piece) });
                }
            }
            Step::SetHave(index) => {
                self.picker.set_have(self.piece(index));
                self.forget(index);
                let fact = &mut self.facts[index as usize];
                (fact.have, fact.only) = (true, None);
            }
            Step::SetMissing(index) => {
                self.picker.set_missing(self.piece(index));
                self.forget(index);
                self.facts[index as usize].have = false;
            }
            Step::Prioritise(index, priority) => {
                self.picker.set_priority(self.piece(index), priority);
                self.facts[index as usize].priority = priority;
            }
            Step::Sequential(on) => {
                self.picker.set_sequential(on);
                self.sequential = on;
            }
            Step::Restrict(index, peer) => {
                let Some(peer) = self.peers.get(peer) else { return };
                let connection = peer.connection;
                self.picker.restrict(self.piece(index), connection);
                let fact = &mut self.facts[index as usize];
                if !fact.have && fact.only != Some(connection) {
                    fact.only = Some(connection);
                    if !fact.checking {
                        self.forget(index);
                    }
                }
            }
            Step::Unrestrict(index) => {
                self.picker.unrestrict(self.piece(index));
                self.facts[index as usize].only = None;
            }
        }
        self.check_state();
    }

    fn join(&mut self, pieces: Bitfield) {
        if self.peers.len() < 6 {
            self.picker.peer_joined(&pieces);
            let connection = ConnectionId(self.connections);
            self.connections += 1;
            self.peers.push(Peer { connection, pieces, requests: vec![], stale: vec![] });
        }
    }

    fn leave(&mut self, peer: usize) {
        if peer >= self.peers.len() {
            return;
        }
        let peer = self.peers.remove(peer);
        for block in peer.requests.into_iter().chain(peer.stale) {
            self.picker.release(block, peer.connection);
        }
        self.picker.peer_left(&peer.pieces);
        for index in 0..PIECES {
            if self.facts[index as usize].only == Some(peer.connection) {
                self.picker.unrestrict(self.piece(index));
                self.facts[index as usize].only = None;
            }
        }
    }

    fn take_request(&mut self, peer: usize, which: usize) -> Option<(BlockRef, ConnectionId)> {
        let peer = self.peers.get_mut(peer)?;
        let all: Vec<BlockRef> = peer.requests.iter().chain(&peer.stale).copied().collect();
        let block = *all.get(which.checked_rem(all.len())?)?;
        let list = if peer.requests.contains(&block) { &mut peer.requests } else { &mut peer.stale };
        let at = list.iter().position(|other| *other == block)?;
        Some((list.remove(at), peer.connection))
    }

    fn deliver(&mut self, peer: usize, which: usize) {
        let Some(index) = self.peers.get(peer).and_then(|peer| {
            let all = peer.requests.iter().chain(&peer.stale);
            let count = all.clone().count();
            all.clone().nth(which.checked_rem(count)?).map(|block| block.piece().get())
        }) else {
            return;
        };
        let was_begun = self.is_begun(index);
        let Some((block, connection)) = self.take_request(peer, which) else { return };
        let cancel: BTreeSet<ConnectionId> = self
            .peers
            .iter()
            .filter(|peer| peer.requests.contains(&block))
            .map(|peer| peer.connection)
            .collect();
        let fact = &mut self.facts[index as usize];
        let is_welcome = !fact.have
            && !fact.checking
            && fact.only.is_none_or(|only| only == connection)
            && !fact.received.contains_key(&block.index())
            && (fact.priority != FilePriority::Skip || was_begun);
        match self.picker.received(block, connection) {
            Received::Unwanted => assert!(!is_welcome, "{block:?} was refused"),
            Received::Accepted { piece_complete, cancel: told } => {
                assert!(is_welcome, "{block:?} was accepted");
                assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), cancel);
                fact.received.insert(block.index(), connection);
                fact.checking = fact.received.len() as u32 == self.geometry.blocks_in(block.piece());
                assert_eq!(piece_complete, fact.checking);
                for peer in &mut self.peers {
                    peer.requests.retain(|other| *other != block);
                }
            }
        }
    }

    /// The piece starts afresh.
    fn forget(&mut self, index: u32) {
        let fact = &mut self.facts[index as usize];
        fact.received.clear();
        fact.checking = false;
        for peer in &mut self.peers {
            let (gone, kept) = peer.requests.drain(..).partition(|block| block.piece().get() == index);
            let gone: Vec<BlockRef> = gone;
            (peer.requests, _) = (kept, peer.stale.extend(gone));
        }
    }

    fn pick(
        &mut self,
        peer: usize,
        count: usize,
        whole_pieces: bool,
        allowed: Option<&[PieceIndex]>,
        suggested: &[PieceIndex],
    ) {
        let Peer { connection, pieces, .. } = &self.peers[peer];
        let (connection, pieces) = (*connection, pieces.clone());
        let untouched: Vec<u32> = (0..PIECES).filter(|index| !self.is_begun(*index)).collect();
        let mut out = Vec::new();
        self.picker.pick(
            &PickRequest {
                connection,
                pieces: &pieces,
                refused: &[],
                allowed,
                count,
                duplicates: count,
                whole_pieces,
                suggested,
                haste: crate::picker::Haste::default(),
            },
            &mut out,
        );
        assert!(out.len() <= count);
        self.history.extend(&out);

        let mut is_endgame = false;
        for &block in &out {
            let fact = &self.facts[block.piece().as_usize()];
            assert!(pieces.contains(block.piece().get()), "the peer lacks {block:?}");
            assert!(
                allowed.is_none_or(|allowed| allowed.contains(&block.piece())),
                "{block:?} is not allowed"
            );
            assert!(fact.only.is_none_or(|only| only == connection), "{block:?} is restricted");
            assert!(!fact.have && !fact.checking && fact.priority != FilePriority::Skip);
            assert!(!fact.received.contains_key(&block.index()), "{block:?} was received");
            assert!(!self.peers[peer].requests.contains(&block), "{block:?} twice");
            let requesters = self.requesters(block);
            assert!(requesters <= choose::ENDGAME_DUPLICATES as usize);
            is_endgame |= requesters > 0;
            self.peers[peer].requests.push(block);
        }
        for index in 0..PIECES {
            let fact = &self.facts[index as usize];
            assert!(
                !is_endgame
                    || fact.only.is_some()
                    || self.availability(index) == 0
                    || self.free_blocks(index).is_empty(),
                "the endgame began while #{index} had free blocks"
            );
        }

        // What could have been picked instead?
        let is_fit = |index: &u32| {
            pieces.contains(*index)
                && allowed.is_none_or(|allowed| allowed.contains(&self.piece(*index)))
                && self.facts[*index as usize].only.is_none_or(|only| only == connection)
                && !self.free_blocks(*index).is_empty()
        };
        let left: Vec<u32> = (0..PIECES).filter(is_fit).collect();
        assert!(out.len() == count || left.is_empty(), "{left:?} could have been asked for");
        let priority = |index: u32| self.facts[index as usize].priority;
        for index in out.iter().map(|block| block.piece().get()) {
            assert!(left.iter().all(|other| priority(*other) <= priority(index)), "{left:?} are wanted more");
            let is_restricted = |index: u32| self.facts[index as usize].only.is_some();
            let is_by_rarity = !self.sequential
                && suggested.is_empty()
                && self.picker.have().count() >= choose::RANDOM_FIRST_PIECES
                && untouched.contains(&index)
                && !is_restricted(index);
            let is_rarer = |other: &u32| {
                untouched.contains(other)
                    && !self.is_begun(*other)
                    && priority(*other) == priority(index)
                    && self.availability(*other) < self.availability(index)
            };
            assert!(!is_by_rarity || !left.iter().any(is_rarer), "{left:?} has rarer ones than #{index}");
        }
    }

    fn check_state(&self) {
        let picker = &self.picker;
        let is_lacking = |fact: &Fact| !fact.have && fact.priority != FilePriority::Skip;
        let bytes = |is_counted: &dyn Fn(&Fact) -> bool| {
            (0..PIECES)
                .filter(|index| is_counted(&self.facts[*index as usize]))
                .map(|index| u64::from(self.geometry.length_of(self.piece(index))))
                .sum::<u64>()
        };
        assert_eq!(picker.bytes_left(), bytes(&|fact| !fact.have));
        assert_eq!(picker.bytes_wanted_left(), bytes(&is_lacking));
        assert_eq!(picker.wanted_left() as usize, self.facts.iter().filter(|fact| is_lacking(fact)).count());
        assert_eq!(picker.is_finished(), picker.wanted_left() == 0);
        for index in 0..PIECES {
            let (piece, fact) = (self.piece(index), &self.facts[index as usize]);
            assert_eq!(picker.availability(piece), self.availability(index));
            assert_eq!(picker.have().contains(index), fact.have);
            assert_eq!(picker.is_interesting_piece(piece), is_lacking(fact));
            let state = match (fact.have, fact.checking, self.is_begun(index)) {
                (true, _, _) => PieceState::Have,
                (_, true, _) => PieceState::Checking,
                (_, _, true) => PieceState::Partial,
                _ => PieceState::Missing,
            };
            assert_eq!(picker.state(piece), state, "{piece:?}");
            let senders: BTreeMap<u32, ConnectionId> = (0..)
                .zip(picker.senders(piece))
                .filter_map(|(block, sender)| Some((block, (*sender)?)))
                .collect();
            assert_eq!(senders, fact.received);
        }
        for peer in &self.peers {
            let is_interesting = peer.pieces.iter().any(|index| is_lacking(&self.facts[index as usize]));
            assert_eq!(picker.is_interesting(&peer.pieces), is_interesting);
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 400, ..Config::default() })]

    #[test]
    fn no_sequence_of_events_makes_a_wrong_choice_and_the_same_sequence_makes_the_same(
        steps in steps(), seed: u64,
    ) {
        let mut first = Naive::new(seed);
        let mut second = Naive::new(seed);
        for step in steps {
            first.run(step.clone());
            second.run(step);
        }
        assert_eq!(first.history, second.history);
    }

    #[test]
    fn every_swarm_with_a_whole_copy_between_its_peers_finishes(
        holders in vec(0..4_usize, 60), seed: u64, whole_pieces: bool,
    ) {
        let mut picker = Picker::new(geometry(60, 4), fastrand::Rng::with_seed(seed));
        let mut rng = fastrand::Rng::with_seed(!seed);
        let peers: Vec<Bitfield> = (0..4)
            .map(|peer| set(&picker, (0..60).filter(|piece| holders[*piece as usize] == peer || rng.bool())))
            .collect();
        peers.iter().for_each(|pieces| picker.peer_joined(pieces));
        let mut pending: Vec<(BlockRef, ConnectionId)> = Vec::new();
        let mut received = 0;
        while !picker.is_finished() {
            for (connection, pieces) in (0..).zip(&peers) {
                let blocks = picked(&mut picker, &PickRequest { whole_pieces, ..request(connection, pieces, 3) });
                pending.extend(blocks.into_iter().map(|block| (block, ConnectionId(connection))));
            }
            assert!(!pending.is_empty(), "stalled");
            let (block, connection) = pending.swap_remove(rng.usize(..pending.len()));
            if rng.u8(..) < 25 {
                picker.release(block, connection);
                continue;
            }
            let Received::Accepted { piece_complete, cancel } = picker.received(block, connection) else {
                panic!("{block:?} came twice although it was cancelled");
            };
            received += 1;
            pending.retain(|(other, from)| *other != block || !cancel.contains(from));
            if piece_complete {
                picker.set_have(block.piece());
            }
        }
        assert_eq!(received, 59 * 4 + 1);
        assert!(pending.is_empty());
    }
}
