//! A seeder that does not say what it has gives each piece once before any twice, whatever its peers would like.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a scenario fails loudly and says what it measured"
)]

mod swarm;

use std::time::Duration;

use sprat_core::io::Manner;
use sprat_sim::{PeerConfig, PeerNumber, Simulation, Violation};
use swarm::{Swarm, run_seeds};

const CONTENT: u64 = 32 << 20;
const LEECHERS: u32 = 12;

/// Whether the others have a whole copy together.
fn has_second_copy(simulation: &Simulation) -> bool {
    let torrents: Vec<_> =
        (1..=LEECHERS).filter_map(|peer| simulation.session(PeerNumber(peer))?.torrents().next()).collect();
    let Some(pieces) = torrents.first().map(|torrent| torrent.geometry().pieces()) else { return false };
    (0..pieces).all(|piece| torrents.iter().any(|torrent| torrent.have().contains(piece)))
}

/// Copies that the seeder has sent when the others have one together, in per cent; then the others get the rest.
fn sent(seed: u64, super_seeding: bool, sequential: bool) -> Result<u64, Violation> {
    let line = PeerConfig {
        upload: 1 << 20,
        download: 16 << 20,
        latency: Duration::from_millis(15),
        sequential,
        ..PeerConfig::default()
    };
    let manner = Manner { super_seeding, ..Manner::USUAL };
    let swarm = Swarm {
        files: vec![CONTENT],
        piece_length: 64 << 10,
        leechers: LEECHERS,
        seeder: PeerConfig { has_everything: true, manner, ..line.clone() },
        leecher: line,
        ..Swarm::new(seed)
    };
    let mut simulation = swarm.build();
    simulation.run(swarm.patience(), has_second_copy)?;
    assert!(has_second_copy(&simulation));
    let sent = simulation.report(PeerNumber(0)).unwrap().uploaded * 100 / CONTENT;
    simulation.run_until_complete(swarm.patience())?;
    swarm.print_times(&simulation);
    Ok(sent)
}

#[test]
fn a_super_seeder_sends_hardly_more_than_one_copy() {
    run_seeds(2, |seed| {
        // Who goes by the order of the pieces asks a seeder for what all others ask it for; the rest take its advice.
        for sequential in [true, false] {
            let (hidden, open) = (sent(seed, true, sequential)?, sent(seed, false, sequential)?);
            println!("{hidden} % of a copy instead of {open} %");
            assert!(hidden <= 110 && hidden < open, "{hidden} {open}");
        }
        Ok(())
    });
}
