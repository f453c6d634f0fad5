//! The picker of a torrent of 100,000 pieces, a tenth of which is had, with 500 peers each of which has any half of them.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

use sprat_core::bitfield::Bitfield;
use sprat_core::geometry::{BlockRef, Geometry, PieceIndex};
use sprat_core::io::ConnectionId;
use sprat_core::picker::{PickRequest, Picker, Received};

use crate::content::{PIECES, any_half, torrent};
use crate::operation::{Case, Operation};

const PEERS: usize = 500;

/// Blocks that each peer has been asked for while others are picked.
const IN_FLIGHT: usize = 4;

/// Begun pieces, when there are many.
const BEGUN: u32 = 500;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "pick: a block, for slow peers by turns",
            rounds: 20_000,
            per_round: 1,
            prepare: || Box::new(Picks::new(Crowd::gathered(), 1, false)),
        },
        Case {
            name: "pick: a block, for fast peers by turns",
            rounds: 20_000,
            per_round: 1,
            prepare: || Box::new(Picks::new(Crowd::gathered(), 1, true)),
        },
        Case {
            name: "pick: a block of 16 at once, for fast peers by turns",
            rounds: 2000,
            per_round: 16,
            prepare: || Box::new(Picks::new(Crowd::gathered(), 16, true)),
        },
        Case {
            name: "pick: a block of 16 at once, 500 pieces begun",
            rounds: 200,
            per_round: 16,
            prepare: || Box::new(Picks::new(Crowd::gathered().begin_many(), 16, false)),
        },
        Case {
            name: "pick: a block of one at a time, 500 pieces begun",
            rounds: 200,
            per_round: 1,
            prepare: || Box::new(Picks::new(Crowd::gathered().begin_many(), 1, false)),
        },
        Case {
            name: "pick: a block of 16 at once, in order",
            rounds: 200,
            per_round: 16,
            prepare: || {
                let mut crowd = Crowd::gathered();
                crowd.picker.set_sequential(true);
                Box::new(Picks::new(crowd, 16, true))
            },
        },
        Case {
            name: "pick: the life of a block: picked, received, its piece had",
            rounds: 20_000,
            per_round: 1,
            prepare: || Box::new(Lives::new(Crowd::gathered())),
        },
        Case {
            name: "availability: a `have`",
            rounds: 50_000,
            per_round: 1,
            prepare: || Box::new(Haves::new(Crowd::gathered())),
        },
        Case {
            name: "availability: a peer with 50,000 pieces comes and goes",
            rounds: 20,
            per_round: 1,
            prepare: || {
                let Crowd { mut picker, peers, .. } = Crowd::gathered();
                Box::new(move || {
                    picker.peer_joined(black_box(&peers[0]));
                    picker.peer_left(black_box(&peers[0]));
                })
            },
        },
        Case {
            name: "availability: a seed comes and goes",
            rounds: 100_000,
            per_round: 1,
            prepare: || {
                let mut picker = Crowd::gathered().picker;
                let everything = Bitfield::full(PIECES);
                Box::new(move || {
                    picker.peer_joined(black_box(&everything));
                    picker.peer_left(black_box(&everything));
                })
            },
        },
    ]
}

struct Crowd {
    geometry: Arc<Geometry>,
    picker: Picker,
    peers: Vec<Bitfield>,
    /// Whose turn it is.
    turn: usize,
}

impl Crowd {
    fn gathered() -> Self {
        let geometry = Arc::new(Geometry::new(&torrent().info));
        let mut picker = Picker::new(Arc::clone(&geometry), fastrand::Rng::with_seed(1));
        geometry.all_pieces().step_by(10).for_each(|piece| picker.set_have(piece));
        let mut rng = fastrand::Rng::with_seed(2);
        let peers: Vec<Bitfield> = (0..PEERS).map(|_| any_half(&mut rng)).collect();
        peers.iter().for_each(|pieces| picker.peer_joined(pieces));
        Self { geometry, picker, peers, turn: 0 }
    }

    /// One block of each of many pieces is there, as when peers have choked us in the middle of them.
    fn begin_many(mut self) -> Self {
        for piece in self.geometry.all_pieces().skip(1).step_by(10).take(BEGUN as usize) {
            let block = self.geometry.block(piece, 0).unwrap();
            let received = self.picker.received(block, ConnectionId(0));
            assert!(matches!(received, Received::Accepted { .. }), "it was lacking");
        }
        self
    }

    fn next_peer(&mut self) -> ConnectionId {
        self.turn = (self.turn + 1) % PEERS;
        ConnectionId(self.turn as u64)
    }

    fn pick(&mut self, connection: ConnectionId, count: usize, whole_pieces: bool, out: &mut Vec<BlockRef>) {
        let request = PickRequest {
            connection,
            pieces: &self.peers[connection.0 as usize],
            refused: &[],
            allowed: None,
            count,
            duplicates: 1,
            whole_pieces,
            suggested: &[],
            haste: sprat_core::picker::Haste::default(),
        };
        self.picker.pick(black_box(&request), out);
    }
}

/// Nothing but picks; what was picked is given back between the runs.
struct Picks {
    crowd: Crowd,
    count: usize,
    whole_pieces: bool,
    asked: u64,
    picked: Vec<BlockRef>,
    /// Of whom, for `count` blocks each.
    askers: Vec<ConnectionId>,
}

impl Picks {
    const fn new(crowd: Crowd, count: usize, whole_pieces: bool) -> Self {
        Self { crowd, count, whole_pieces, asked: 0, picked: Vec::new(), askers: Vec::new() }
    }
}

impl Operation for Picks {
    fn run(&mut self, rounds: u64) {
        for _ in 0..rounds {
            let connection = self.crowd.next_peer();
            self.crowd.pick(connection, self.count, self.whole_pieces, &mut self.picked);
            self.askers.push(connection);
        }
        self.asked += rounds;
    }

    fn reset(&mut self) {
        assert_eq!(self.picked.len() as u64, self.asked * self.count as u64, "there was enough to be picked");
        for (blocks, connection) in self.picked.chunks(self.count).zip(&self.askers) {
            blocks.iter().for_each(|block| self.crowd.picker.release(*block, *connection));
        }
        self.picked.clear();
        self.askers.clear();
        self.asked = 0;
    }
}

/// All that happens to a block in the picker, while others are in flight.
struct Lives {
    crowd: Crowd,
    in_flight: VecDeque<(BlockRef, ConnectionId)>,
    picked: Vec<BlockRef>,
    done: Vec<PieceIndex>,
}

impl Lives {
    fn new(crowd: Crowd) -> Self {
        let mut lives = Self { crowd, in_flight: VecDeque::new(), picked: Vec::new(), done: Vec::new() };
        for _ in 0..IN_FLIGHT * PEERS {
            let connection = lives.crowd.next_peer();
            lives.ask(connection);
        }
        lives
    }

    fn ask(&mut self, connection: ConnectionId) {
        self.crowd.pick(connection, 1, true, &mut self.picked);
        self.in_flight.extend(self.picked.drain(..).map(|block| (block, connection)));
    }
}

impl Operation for Lives {
    fn run(&mut self, rounds: u64) {
        for _ in 0..rounds {
            let (block, connection) = self.in_flight.pop_front().unwrap();
            match self.crowd.picker.received(black_box(block), connection) {
                Received::Accepted { piece_complete: true, .. } => {
                    self.crowd.picker.set_have(block.piece());
                    self.done.push(block.piece());
                }
                Received::Accepted { piece_complete: false, .. } => {}
                Received::Unwanted => panic!("it was asked for"),
            }
            self.ask(connection);
        }
    }

    fn reset(&mut self) {
        assert_eq!(self.in_flight.len(), IN_FLIGHT * PEERS, "for each block that came, one was asked for");
        self.done.drain(..).for_each(|piece| self.crowd.picker.set_missing(piece));
    }
}

/// Each run, one peer says of each of its pieces that it has it.
struct Haves {
    picker: Picker,
    pieces: Vec<PieceIndex>,
    said: usize,
}

impl Haves {
    fn new(crowd: Crowd) -> Self {
        let mut pieces: Vec<PieceIndex> = crowd.geometry.all_pieces().collect();
        fastrand::Rng::with_seed(3).shuffle(&mut pieces);
        Self { picker: crowd.picker, pieces, said: 0 }
    }
}

impl Operation for Haves {
    fn run(&mut self, rounds: u64) {
        for piece in self.pieces.iter().take(rounds as usize) {
            self.picker.peer_has(black_box(*piece));
        }
        self.said = rounds as usize;
    }

    fn reset(&mut self) {
        let mut said = Bitfield::new(PIECES);
        self.pieces.iter().take(self.said).for_each(|piece| assert!(said.insert(piece.get())));
        self.picker.peer_left(&said);
    }
}
