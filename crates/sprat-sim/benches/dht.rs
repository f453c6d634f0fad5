//! A large network of DHT nodes on a virtual network: what a node costs, what is found, and what attackers achieve.
//!
//! All figures but those of time and memory follow from the seed. Run it with `cargo xtask bench dht`.

#![allow(clippy::print_stdout, reason = "a benchmark tells its figures")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "and how long they took")]

use std::fs;
use std::time::{Duration, Instant};

use clap::Parser;
use sprat_dht::io::Operation;
use sprat_sim::dht::{Network, Survey, besiege, infiltrate};
use sprat_wire::hash::{InfoHash, NodeId};

/// Measures a network of DHT nodes.
#[derive(Debug, Parser)]
struct Arguments {
    /// Nodes.
    #[arg(long, default_value_t = 100_000)]
    nodes: usize,
    /// Virtual minutes of churn, with sessions of an hour in the median.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Virtual seconds between two searches.
    #[arg(long, default_value_t = 1.0)]
    search_every: f64,
    /// Share of the datagrams that are lost.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Afterwards, put 100 hostile nodes next to each of ten keys.
    #[arg(long)]
    siege: bool,
    /// Afterwards, make three of ten nodes hostile, in 20 networks.
    #[arg(long)]
    sybils: bool,
    /// From which everything follows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let empty = resident_bytes();
    let mut clock = Clock::start();
    let mut network = Network::grown(arguments.seed, arguments.nodes);
    network.lose(arguments.loss);
    clock.tell(&network, "grown and settled");
    if let (Some(empty), Some(full)) = (empty, resident_bytes()) {
        println!(
            "  memory: {:.1} KiB a node, the simulator's own included ({:.0} MiB in all)",
            (full - empty) as f64 / 1024.0 / arguments.nodes as f64,
            (full - empty) as f64 / 1048576.0
        );
    }
    contacts(&network);

    network.churn(Duration::from_secs(3600));
    let survey = Survey {
        duration: Duration::from_secs(60 * arguments.minutes),
        swarms: 50,
        search_every: Duration::from_secs_f64(arguments.search_every),
    };
    let findings = survey.run(&mut network);
    clock.tell(&network, &format!("{} minutes of churn", arguments.minutes));
    let hops_allowed = (arguments.nodes as f64).log2() / 3.0 + 1.0;
    println!(
        "  found: {} of {} searches, {:.3} %",
        findings.found,
        findings.searches,
        100.0 * findings.share_found()
    );
    println!(
        "  a search: {:.2} hops (log2(N)/3 + 1 = {hops_allowed:.2}), {:.1} queries",
        findings.hops, findings.queries
    );
    println!(
        "  first peer: p50 {:?}, p95 {:?}, p99 {:?}, longest {:?}",
        findings.first_peer_within(0.5),
        findings.first_peer_within(0.95),
        findings.first_peer_within(0.99),
        findings.first_peer_within(1.0),
    );
    println!("  traffic: {:.2} MB a day and node", findings.bytes_per_day / 1e6);
    contacts(&network);

    if arguments.siege {
        let found = stored_and_found(&mut network, |network, key| besiege(network, key, 100));
        clock.tell(&network, "a siege of each of ten keys by 100 hostile nodes");
        println!("  found: {found} of 1000");
    }
    if arguments.sybils {
        infiltrate(&mut network, arguments.nodes * 3 / 7, 20);
        network.run(Duration::from_secs(1800));
        let found = stored_and_found(&mut network, |_, _| ());
        clock.tell(&network, "three of ten nodes hostile, in 20 networks, for half an hour");
        println!("  found: {found} of 1000");
    }
}

/// Ten keys are attacked, then announced, and then each is sought by a hundred nodes.
fn stored_and_found(network: &mut Network, mut attack: impl FnMut(&mut Network, NodeId)) -> u32 {
    let mut found = 0;
    for key in 0..10 {
        let info_hash = InfoHash([200 + key; 20]);
        attack(network, NodeId(info_hash.0));
        let Some(publisher) = network.some_honest() else { continue };
        let announce = Operation::Announce { info_hash, port: 7000, implied_port: false, seed: false };
        network.complete(publisher, announce);
        for _ in 0..100 {
            let Some(host) = network.some_honest() else { continue };
            let since = network.now();
            network.complete(host, Operation::Peers { info_hash, no_seed: false });
            found += u32::from(network.first_peers(host, since).is_some());
            network.forget(host);
        }
    }
    found
}

fn contacts(network: &Network) {
    let nodes = network.honest();
    let statistics: Vec<_> =
        nodes.iter().filter_map(|host| network.node(*host)).map(sprat_dht::Node::statistics).collect();
    let mean = |figure: fn(&sprat_dht::node::Statistics) -> usize| {
        statistics.iter().map(figure).sum::<usize>() as f64 / statistics.len().max(1) as f64
    };
    let mut sizes: Vec<f64> = statistics.iter().filter_map(|node| node.network_size).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| sizes.get(sizes.len() * share / 100).copied().unwrap_or_default();
    println!(
        "  a node: {:.0} contacts, {:.0} spare; thinks the network has {:.0} nodes (p10 {:.0}, p90 {:.0})",
        mean(|node| node.v4_contacts),
        mean(|node| node.spare_contacts),
        at(50),
        at(10),
        at(90)
    );
}

/// How fast virtual time passes.
struct Clock {
    since: Instant,
    events: u64,
    virtual_since: sprat_dht::time::Time,
}

impl Clock {
    fn start() -> Self {
        Self { since: Instant::now(), events: 0, virtual_since: sprat_dht::time::Time::ZERO }
    }

    fn tell(&mut self, network: &Network, what: &str) {
        let (wall, events) = (self.since.elapsed(), network.events() - self.events);
        println!(
            "{what}: {:.0} s of virtual time in {:.1} s, {:.1} M events, {:.2} M events a second",
            network.now().since(self.virtual_since).as_secs_f64(),
            wall.as_secs_f64(),
            events as f64 / 1e6,
            events as f64 / 1e6 / wall.as_secs_f64()
        );
        *self = Self { since: Instant::now(), events: network.events(), virtual_since: network.now() };
    }
}

/// Of this process; only Linux tells.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
