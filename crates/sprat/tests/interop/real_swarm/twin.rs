//! The same swarm twice: real processes on real sockets, and the simulator. They should agree.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::clients::sprat::Sprat;
use crate::figures::Spread;
use crate::real_swarm::run::run;
use crate::real_swarm::scenario::Scenario;
use crate::real_swarm::simulated::{Completion, simulate};
use crate::shared_content::SharedContent;

/// Runs both several times and prints how they compare.
pub(crate) fn compare(
    scenario: &Scenario,
    rounds: usize,
    file: &SharedContent,
    directory: &Path,
) -> Result<()> {
    println!("\n{}, {} MiB: bound {:.1} s", scenario.name, scenario.content, scenario.lower_bound());
    let mut real = Vec::new();
    for _ in 0..rounds {
        let outcome = run(&Sprat, scenario, file, directory)?;
        let says = outcome.seeder_says.context("sprat says what it has sent")?;
        let completion = Completion::of(outcome.times, says as f64 / scenario.bytes());
        println!(
            "  real       {completion:.2?}, {} packets dropped, {:.0} % of the processors' time left",
            outcome.dropped,
            outcome.spare * 100.0
        );
        real.push(completion);
    }
    let mut simulated = Vec::new();
    for seed in 1..=rounds as u64 {
        let completion = simulate(scenario, seed)?;
        println!("  simulated  {completion:.2?}");
        simulated.push(completion);
    }
    type Figure = (&'static str, fn(&Completion) -> f64);
    const FIGURES: [Figure; 5] = [
        ("first leecher, s", |completion| completion.first),
        ("median, s", |completion| completion.median),
        ("mean, s", |completion| completion.mean),
        ("last, s", |completion| completion.last),
        ("copies sent by the seeder", |completion| completion.copies),
    ];
    println!(
        "\n| {} | real: median (min – max) of {rounds} | simulated | real to simulated |\n|---|---|---|---|",
        scenario.name
    );
    for (name, figure) in FIGURES {
        let (real, simulated) =
            (Spread::of(real.iter().map(figure)), Spread::of(simulated.iter().map(figure)));
        println!("| {name} | {real} | {simulated} | {:.2} |", real.median / simulated.median);
    }
    Ok(())
}
