//! Somebody who begins to look in the middle of a film need not wait for what is before it.

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

use sprat_core::time::Time;
use sprat_sim::{PeerConfig, Simulation, Violation};
use swarm::{Swarm, run_seeds};

/// 128 MiB in pieces of 256 KiB.
const PIECES: u32 = 512;
const MIDDLE: u32 = PIECES / 2;
const READS_AFTER: Duration = Duration::from_secs(8);

/// How long after `READS_AFTER` the reader has the piece in the middle and the seven that follow, in milliseconds.
fn waits(seed: u64, reader: &PeerConfig, others: &[PeerConfig]) -> Result<[u64; 2], Violation> {
    let line = PeerConfig { upload: 1 << 20, download: 4 << 20, ..PeerConfig::default() };
    let swarm = Swarm {
        files: vec![u64::from(PIECES) * (256 << 10)],
        piece_length: 256 << 10,
        seeder: PeerConfig { has_everything: true, ..line },
        ..Swarm::new(seed)
    };
    let mut simulation = swarm.empty();
    for other in others {
        simulation.add_peer(other.clone());
    }
    let reader = simulation.add_peer(reader.clone());
    let has = |simulation: &Simulation, pieces: u32| {
        let torrent = simulation.session(reader).and_then(|session| session.torrents().next());
        torrent.is_some_and(|torrent| (MIDDLE..MIDDLE + pieces).all(|piece| torrent.have().contains(piece)))
    };
    let mut ends = [0; 2];
    for (end, pieces) in ends.iter_mut().zip([1, 8]) {
        simulation.run(Duration::from_secs(200), |simulation| has(simulation, pieces))?;
        assert!(has(&simulation, pieces));
        *end = simulation.now().since(Time::ZERO).as_millis() as u64;
    }
    Ok(ends.map(|end| end.saturating_sub(READS_AFTER.as_millis() as u64)))
}

fn swarm_of(slow: usize) -> Vec<PeerConfig> {
    let seed =
        PeerConfig { has_everything: true, upload: 1 << 20, download: 4 << 20, ..PeerConfig::default() };
    let slow_one = PeerConfig { upload: 16 << 10, ..seed.clone() };
    let slow_ones = std::iter::repeat_n(slow_one, slow);
    std::iter::repeat_n(seed, 3).chain(slow_ones).collect()
}

#[test]
fn the_middle_is_there_in_well_under_a_second() {
    let line = PeerConfig { upload: 1 << 20, download: 16 << 20, ..PeerConfig::default() };
    let reads = PeerConfig { reads: Some((READS_AFTER, MIDDLE)), ..line.clone() };
    let in_order = PeerConfig { sequential: true, ..line };
    run_seeds(3, |seed| {
        for slow in [0, 12] {
            let [first, eighth] = waits(seed, &reads, &swarm_of(slow))?;
            let [in_order, _] = waits(seed, &in_order, &swarm_of(slow))?;
            println!("{slow} slow ones: after {first} ms, eight after {eighth} ms; in order {in_order} ms");
            assert!(first < 900, "{first}");
            // It is needed after 1,750 ms.
            assert!(eighth < 1800, "{eighth}");
            assert!(in_order > 4 * first, "{in_order}");
        }
        Ok(())
    });
}
