//! Once every piece is somewhere else, the first seeder is not needed any more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a scenario fails loudly and says what it measured"
)]

mod swarm;

use sprat_sim::{Departure, PeerConfig, PeerNumber};
use swarm::{Swarm, run_seeds};

#[test]
fn the_seeder_may_leave_after_one_full_copy() {
    run_seeds(5, |seed| {
        let swarm = Swarm { leechers: 20, ..Swarm::new(seed) };
        let seeder = PeerConfig { leaves: Departure::OnceReplicated, ..swarm.seeder.clone() };
        let swarm = Swarm { seeder, ..swarm };
        let mut simulation = swarm.build();
        simulation.run_until_complete(swarm.patience())?;
        let content: u64 = swarm.files.iter().sum();
        let given = simulation.report(PeerNumber(0)).unwrap().uploaded;
        swarm.print_times(&simulation);
        println!("the seeder gave {} % of one copy", given * 100 / content);
        assert!(given >= content);
        assert!(given < 2 * content, "it gave {given} bytes before every piece was out");
        Ok(())
    });
}
