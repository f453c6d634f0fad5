//! The same swarms over the network of packets.
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

use sprat_sim::{Behaviour, Fault, Network, PacketConfig, PeerConfig, PeerNumber, Violation};
use swarm::{Swarm, leecher_times, run_seeds};

const LOSSY: PacketConfig = PacketConfig {
    loss_per_mille: 10,
    reorder_per_mille: 10,
    jitter: Duration::from_millis(20),
    duplication_per_mille: 5,
    mtu: 1500,
    queue: 64 << 10,
};

fn twenty(seed: u64, network: Network) -> Result<Vec<u64>, Violation> {
    let swarm = Swarm { leechers: 20, network, ..Swarm::new(seed) };
    let mut simulation = swarm.build();
    simulation.run_until_complete(swarm.patience())?;
    swarm.print_times(&simulation);
    Ok(leecher_times(&simulation))
}

/// They do take longer: headers and acknowledgements are a part of the traffic, requests wait behind blocks in queues,
/// and connections begin slowly. The shorter the swarm lives, the more of it is that.
#[test]
fn with_one_per_cent_of_loss_twenty_leechers_take_hardly_longer() {
    run_seeds(1, |seed| {
        let blocks = twenty(seed, Network::Block)?;
        let packets =
            twenty(seed, Network::Packet(PacketConfig { loss_per_mille: 10, ..PacketConfig::default() }))?;
        let mean = |times: &[u64]| times.iter().sum::<u64>() / times.len() as u64;
        let last = |times: &[u64]| times.iter().copied().max().unwrap();
        for (packets, blocks) in [(mean(&packets), mean(&blocks)), (last(&packets), last(&blocks))] {
            assert!(packets * 4 <= blocks * 5 && packets * 5 >= blocks * 4, "{packets} ms, {blocks} ms");
        }
        Ok(())
    });
}

#[test]
fn the_same_seed_gives_the_same_trace_on_any_number_of_threads() {
    let trace = |seed, threads| {
        let network = Network::Packet(LOSSY);
        let swarm = Swarm { leechers: 6, threads, network, ..Swarm::small(seed) };
        let mut simulation = swarm.build();
        simulation.run(Duration::from_secs(15), |_| false)?;
        Ok::<_, Violation>((simulation.trace_hash(), simulation.events()))
    };
    run_seeds(1, |seed| {
        let alone = trace(seed, 1)?;
        assert_eq!(trace(seed, 3)?, alone);
        assert_ne!(trace(seed + 1000, 1)?.0, alone.0, "another seed is another run");
        Ok(())
    });
}

#[test]
fn faults_are_survived_where_packets_get_lost() {
    run_seeds(2, |seed| {
        let secs = Duration::from_secs;
        let swarm = Swarm { network: Network::Packet(LOSSY), ..Swarm::small(seed) };
        let mut simulation = swarm.build();
        let slow = PeerConfig { behaviour: Behaviour::SlowReader, ..swarm.leecher.clone() };
        simulation.add_peer(slow);
        let crash = |peer, at| Fault::Crash { at: secs(at), down_for: secs(5), peer: PeerNumber(peer) };
        simulation.add_fault(crash(1, 5));
        simulation.add_fault(crash(0, 12));
        let peers = (5..9).map(PeerNumber).collect();
        simulation.add_fault(Fault::Partition { from: secs(8), until: secs(60), peers });
        simulation.add_fault(Fault::Clog {
            from: secs(3),
            until: secs(40),
            peer: PeerNumber(2),
            towards: None,
        });
        simulation.run_until_complete(swarm.patience() + secs(300))?;
        swarm.print_times(&simulation);
        Ok(())
    });
}
