//! Without this no failure could be repeated.
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

use sprat_sim::{Behaviour, PeerConfig, Violation};
use swarm::{Swarm, run_seeds};

/// A run with something of everything.
fn trace(seed: u64, threads: usize) -> Result<(u64, u64), Violation> {
    let swarm = Swarm { leechers: 8, threads, ..Swarm::small(seed) };
    let mut simulation = swarm.build();
    let poisoner = Behaviour::Poisoner { per_mille: 100 };
    simulation.add_peer(PeerConfig { behaviour: poisoner, has_everything: true, ..swarm.leecher });
    simulation.run(Duration::from_secs(30), |_| false)?;
    Ok((simulation.trace_hash(), simulation.events()))
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    run_seeds(3, |seed| {
        let once = trace(seed, 1)?;
        assert_eq!(once, trace(seed, 1)?);
        assert_ne!(once.0, trace(seed + 1000, 1)?.0, "another seed is another run");
        Ok(())
    });
}

#[test]
fn however_many_threads_compute_it_the_run_is_the_same() {
    run_seeds(3, |seed| {
        let alone = trace(seed, 1)?;
        for threads in [2, 3] {
            assert_eq!(trace(seed, threads)?, alone, "{threads} threads");
        }
        Ok(())
    });
}
