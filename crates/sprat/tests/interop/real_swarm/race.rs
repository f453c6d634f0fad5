//! sprat beside other clients, against what no swarm could do better.

use std::path::Path;

use anyhow::Result;

use crate::clients::Client;
use crate::figures::Spread;
use crate::real_swarm::interrupt;
use crate::real_swarm::run::{Outcome, run};
use crate::real_swarm::scenario::Scenario;
use crate::real_swarm::simulated::{Completion, simulate};
use crate::shared_content::SharedContent;

/// How often each swarm runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounds {
    /// Of the first client.
    pub(crate) first: usize,
    /// Of each other client. They are spread over the rounds of the first one, so that all have met the same machine.
    pub(crate) others: usize,
}

/// Prints what comes of it.
pub(crate) fn race(
    clients: &[&dyn Client],
    scenario: &Scenario,
    rounds: Rounds,
    file: &SharedContent,
    directory: &Path,
) -> Result<()> {
    println!("\n{}, {} MiB: bound {:.1} s", scenario.name, scenario.content, scenario.lower_bound());
    let mut results: Vec<Vec<Option<Outcome>>> = vec![Vec::new(); clients.len()];
    for index in order(clients.len(), rounds) {
        let (Some(client), Some(results)) = (clients.get(index), results.get_mut(index)) else { continue };
        // One client's failure leaves a gap in its row; the others are measured all the same.
        let outcome = run(*client, scenario, file, directory);
        interrupt::check()?;
        match outcome {
            Ok(outcome) => {
                tell(client.name(), &outcome, scenario);
                results.push(Some(outcome));
            }
            Err(error) => {
                println!("  {:<13} failed: {error:#}", client.name());
                results.push(None);
            }
        }
    }
    sum_up(clients, &results, scenario);
    simulated(scenario, rounds.first)
}

/// Which client runs when.
fn order(clients: usize, rounds: Rounds) -> Vec<usize> {
    let others: Vec<usize> = (0..rounds.others).flat_map(|_| 1..clients).collect();
    let at_a_time = others.len().div_ceil(rounds.first.max(1)).max(1);
    let mut others = others.chunks(at_a_time);
    let mut order = Vec::new();
    for _ in 0..rounds.first {
        order.push(0);
        order.extend(others.next().unwrap_or_default());
    }
    order
}

fn tell(name: &str, outcome: &Outcome, scenario: &Scenario) {
    let (bound, content) = (scenario.lower_bound(), scenario.bytes());
    let says = outcome
        .seeder_says
        .map(|bytes| format!(" ({:.2} by its own account)", bytes as f64 / content))
        .unwrap_or_default();
    println!(
        "  {name:<13} last {:.1} s, {:.2} of the bound; mean {:.2}; seeder {:.2} copies{says}; {:.2} copies received by each; {} packets dropped; \
         {:.0} % of the processors' time left, load at the start {:.1}",
        outcome.last(),
        outcome.last() / bound,
        outcome.mean() / bound,
        outcome.seeder_sent as f64 / content,
        outcome.received as f64 / content / scenario.leechers.len() as f64,
        outcome.dropped,
        outcome.spare * 100.0,
        outcome.load,
    );
}

fn sum_up(clients: &[&dyn Client], results: &[Vec<Option<Outcome>>], scenario: &Scenario) {
    println!(
        "\n| {}, bound {:.1} s | last leecher, of the bound: median (min – max) | mean | copies sent by the seeder | \
         processors' time left |\n|---|---|---|---|---|",
        scenario.name,
        scenario.lower_bound()
    );
    for (client, outcomes) in clients.iter().zip(results) {
        let done: Vec<&Outcome> = outcomes.iter().flatten().collect();
        let spread =
            |figure: &dyn Fn(&Outcome) -> f64| Spread::of(done.iter().map(|outcome| figure(outcome)));
        let failed = outcomes.len() - done.len();
        println!(
            "| {}{} | {} | {} | {} | {} |",
            client.name(),
            if failed > 0 { format!(", {failed} of {} failed", outcomes.len()) } else { String::new() },
            spread(&|outcome| outcome.last() / scenario.lower_bound()),
            spread(&|outcome| outcome.mean() / scenario.lower_bound()),
            spread(&|outcome| outcome.seeder_sent as f64 / scenario.bytes()),
            spread(&|outcome| outcome.spare),
        );
    }
}

/// What the simulator says of sprat, in the same table.
fn simulated(scenario: &Scenario, rounds: usize) -> Result<()> {
    let mut runs = Vec::new();
    for seed in 1..=rounds as u64 {
        runs.push(simulate(scenario, seed)?);
        interrupt::check()?;
    }
    let spread = |figure: fn(&Completion) -> f64, unit: f64| {
        Spread::of(runs.iter().map(|completion| figure(completion) / unit))
    };
    println!(
        "| sprat, simulated | {} | {} | {} | |",
        spread(|completion| completion.last, scenario.lower_bound()),
        spread(|completion| completion.mean, scenario.lower_bound()),
        spread(|completion| completion.copies, 1.0),
    );
    Ok(())
}
