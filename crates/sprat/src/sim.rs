//! `sprat sim`: swarms in a virtual network, as questions with figures for an answer.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;
use sprat_sim::scenario::{Outcome, Scenario};
use sprat_sim::shrunk;

use crate::cli::sim::{SimArgs, SimCommand, SimRunArgs};
use crate::output::Output;

mod arrivals;
mod csv;
mod figures;
mod page;
mod running;
mod section;
mod soak;
mod table;

use running::{Answer, Cost, Subject};

/// Of a scenario file.
const LONGEST_FILE: u64 = 1 << 20;

pub(crate) fn run(args: SimArgs, output: Output) -> anyhow::Result<()> {
    if let Some(SimCommand::Soak(args)) = &args.command {
        return soak::run(args, output);
    }
    match args.scenario.as_deref() {
        None => list(output),
        Some("all") => {
            let results = Scenario::builtin_names().map(|name| {
                output.line(format_args!("\n{name}"));
                run_one(name, &args.run, output)
            });
            // All of them are run before anything is said of those that failed.
            let failed: Vec<String> =
                results.filter_map(Result::err).map(|error| format!("{error:#}")).collect();
            anyhow::ensure!(failed.is_empty(), "{}", failed.join("; "));
            Ok(())
        }
        Some(name) => run_one(name, &args.run, output),
    }
}

fn run_one(name: &str, args: &SimRunArgs, output: Output) -> anyhow::Result<()> {
    let subjects = subjects(name, args)?;
    if args.print {
        return print(name, args, &subjects, output);
    }
    let (answers, cost) = running::run(&subjects, args, output)?;
    tell(&answers, cost, args, output)?;
    let bad = answers.iter().flat_map(|answer| &answer.outcomes).find(|one| !one.is_good());
    let Some(bad) = bad else { return Ok(()) };
    let command = repeat(name, args, bad.seed);
    if let Some(run) = bad.runs.iter().position(|run| run.violation.is_some()) {
        let subject = subjects.iter().find(|subject| subject.scenario.name() == bad.scenario);
        if let Some(subject) = subject.filter(|_| args.shrink) {
            shrink(subject, run, bad.seed, output)?;
        }
        anyhow::bail!("something happened that must not; repeat it with: {command}");
    }
    anyhow::bail!("not all targets are met; repeat it with: {command}")
}

/// The built-in scenarios.
fn list(output: Output) -> anyhow::Result<()> {
    for name in Scenario::builtin_names() {
        let scenario = Scenario::builtin(name)?;
        output.result(format_args!("{name:<18} {}", scenario.question()));
        output.object(&json!({ "event": "scenario", "name": name, "question": scenario.question() }));
    }
    output.line("\nsprat sim hello --html hello.html");
    Ok(())
}

/// The scenario, and those that it is compared with.
fn subjects(name: &str, args: &SimRunArgs) -> anyhow::Result<Vec<Subject>> {
    let mut scenario = load(name)?;
    for assignment in &args.set {
        scenario = with(&scenario, assignment)?;
    }
    let mut subjects = Vec::new();
    for other in &args.compare {
        let other_scenario = if other.contains('=') { with(&scenario, other)? } else { load(other)? };
        subjects.push(Subject { label: other.clone(), scenario: other_scenario });
    }
    subjects.insert(0, Subject { label: scenario.name().to_owned(), scenario });
    Ok(subjects)
}

/// With `key=value`.
fn with(scenario: &Scenario, assignment: &str) -> anyhow::Result<Scenario> {
    let (key, value) = assignment.split_once('=').context("a key and its value are written key=value")?;
    Ok(scenario.with(key.trim(), value.trim())?)
}

/// A built-in scenario, or one in a file.
fn load(name: &str) -> anyhow::Result<Scenario> {
    if Scenario::builtin_text(name).is_some() {
        return Ok(Scenario::builtin(name)?);
    }
    let path = Path::new(name);
    if !path.exists() {
        anyhow::bail!(
            "there is neither a built-in scenario nor a file `{name}`; `sprat sim` lists the scenarios"
        );
    }
    let length = std::fs::metadata(path)?.len();
    anyhow::ensure!(length <= LONGEST_FILE, "{name}: larger than a scenario can be");
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let text = arrivals::inline(&text, path.parent().unwrap_or_else(|| Path::new(".")))?;
    let stem = path.file_stem().map_or_else(|| name.into(), |stem| stem.to_string_lossy());
    Scenario::parse(&stem, &text).with_context(|| name.to_owned())
}

/// The TOML of the scenario, as it is written if it was not changed.
fn print(name: &str, args: &SimRunArgs, subjects: &[Subject], output: Output) -> anyhow::Result<()> {
    let written = Scenario::builtin_text(name).filter(|_| args.set.is_empty());
    let subject = subjects.first().context("nothing to print")?;
    let text = written.map_or_else(|| subject.scenario.to_toml(), str::to_owned);
    output.result(text.trim_end());
    output.object(&json!({ "event": "scenario", "name": name, "toml": text }));
    Ok(())
}

#[derive(Serialize)]
struct Told<'a> {
    event: &'static str,
    subject: &'a str,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

fn tell(answers: &[Answer], cost: Cost, args: &SimRunArgs, output: Output) -> anyhow::Result<()> {
    for answer in answers {
        for outcome in &answer.outcomes {
            output.object(&Told { event: "outcome", subject: &answer.label, outcome });
        }
    }
    output.line(table::table(answers));
    output.line(cost.text());
    output.object(&cost.json());
    if let Some(path) = &args.csv {
        std::fs::write(path, csv::series(answers))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &args.html {
        std::fs::write(path, page::page(answers))
            .with_context(|| format!("cannot write {}", path.display()))?;
        output.line(format_args!("the pictures: {}", path.display()));
    }
    if let Some(path) = &args.write {
        section::write(answers, path)?;
    }
    Ok(())
}

/// Prints the smallest scenario found in which something happens that must not.
fn shrink(subject: &Subject, run: usize, seed: u64, output: Output) -> anyhow::Result<()> {
    let failure = |scenario: &Scenario| {
        let outcome = scenario.simulate_run(0, seed, 1, &mut ()).ok()?;
        outcome.violation
    };
    let scenario = subject.scenario.alone(run)?;
    let Some(how) = failure(&scenario) else { return Ok(()) };
    let (smallest, how) = shrunk(scenario, how, Scenario::smaller, failure);
    output.result(format_args!("# {how}\n# sprat sim <this file> --seed {seed}\n{}", smallest.to_toml()));
    output.object(&json!({ "event": "shrunk", "seed": seed, "how": how, "toml": smallest.to_toml() }));
    Ok(())
}

/// The command that repeats a run.
fn repeat(name: &str, args: &SimRunArgs, seed: u64) -> String {
    let quoted =
        |text: &String| if text.contains([' ', '"', '{']) { format!("'{text}'") } else { text.clone() };
    let mut command = format!("sprat sim {name} --seed {seed}");
    for assignment in &args.set {
        command.push_str(&format!(" --set {}", quoted(assignment)));
    }
    for other in &args.compare {
        command.push_str(&format!(" --compare {}", quoted(other)));
    }
    command
}
