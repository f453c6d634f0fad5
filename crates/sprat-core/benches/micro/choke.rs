//! Deciding whom to upload to.

use std::hint::black_box;
use std::net::Ipv4Addr;

use sprat_core::choker::{Candidate, Choker, ChokerConfig, PassesOn, RECHOKE_INTERVAL};
use sprat_core::io::ConnectionId;
use sprat_core::storage::TorrentId;
use sprat_core::time::Time;

use crate::operation::{Case, Operation};

const PEERS: u64 = 500;
const SLOTS: usize = 50;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "choke: a round of a downloader with 500 peers and 50 slots",
            rounds: 100,
            per_round: 1,
            prepare: || Box::new(Decisions::new(false)),
        },
        Case {
            name: "choke: a round of a seeder with 500 peers and 50 slots",
            rounds: 100,
            per_round: 1,
            prepare: || Box::new(Decisions::new(true)),
        },
    ]
}

/// A choker whose decisions are carried out.
struct Decisions {
    choker: Choker,
    candidates: Vec<Candidate>,
    now: Time,
}

impl Decisions {
    fn new(seeding: bool) -> Self {
        let config = ChokerConfig { upload_limit: None, min_slots: SLOTS, max_slots: SLOTS };
        let candidate = |id: u64| {
            let [.., high, low] = id.to_be_bytes();
            Candidate {
                connection: ConnectionId(id),
                torrent: TorrentId(0),
                address: (Ipv4Addr::new(80, high, low, 1), 6881).into(),
                interested: true,
                seeding,
                // Half of them give us something.
                received_rate: if seeding { 0 } else { (id % 2) * (1000 + id) },
                sent_rate: 0,
                sent_since_unchoke: 0,
                unchoked: false,
                last_unchoked: None,
                connected_at: Time::ZERO,
                snubbed: false,
                passes_on: PassesOn::Unknown,
            }
        };
        let choker = Choker::new(config, fastrand::Rng::with_seed(1));
        Self { choker, candidates: (0..PEERS).map(candidate).collect(), now: Time::from_secs(100) }
    }
}

impl Operation for Decisions {
    fn run(&mut self, rounds: u64) {
        for _ in 0..rounds {
            self.now += RECHOKE_INTERVAL;
            let chosen = self.choker.rechoke(self.now, black_box(&self.candidates));
            for candidate in self.candidates.iter_mut().filter(|candidate| candidate.unchoked) {
                candidate.unchoked = false;
            }
            for connection in chosen {
                let candidate = &mut self.candidates[connection.0 as usize];
                candidate.unchoked = true;
                candidate.last_unchoked = Some(self.now);
            }
        }
    }

    fn reset(&mut self) {
        let unchoked = self.candidates.iter().filter(|candidate| candidate.unchoked).count();
        assert_eq!(unchoked, SLOTS, "everybody wants a slot");
    }
}
