//! What the hot operations of the client cost, by time and by instructions. Time is what counts, instructions are what can
//! be compared from one day to the next: they do not depend on what else the machine does.
//!
//! Run it with `cargo xtask bench micro`. Instructions are counted where valgrind is installed.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark tells its figures")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "and how long things took")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails where its set-up does")]

mod bitfields;
mod choke;
mod content;
mod crowd;
mod decode;
mod instructions;
mod leech;
mod operation;

use std::process;

use clap::Parser;

use crate::operation::{Case, Nanoseconds};

/// Nanoseconds that the logic may take for a block, without I/O: 3 % of a core at 1 GB/s.
const BUDGET_OF_A_BLOCK: f64 = 500.0;

/// Measures the operations of the client that happen for every block, message or peer.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only operations with one of these words in their name.
    words: Vec<String>,
    /// Runs of which the median is taken.
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Do not count instructions: that takes minutes.
    #[arg(long)]
    no_instructions: bool,
    /// Do the operation of this name so many rounds, and nothing else: what is run under valgrind.
    #[arg(long, hide = true, num_args = 2, value_names = ["NAME", "ROUNDS"])]
    only: Option<Vec<String>>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let cases =
        [decode::cases(), leech::cases(), crowd::cases(), bitfields::cases(), choke::cases()].concat();
    if let Some([name, rounds]) = arguments.only.as_deref() {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        (case.prepare)().run(rounds.parse().unwrap());
        // Whatever would be taken down now has grown with the rounds, and is no part of them.
        process::exit(0);
    }
    let is_asked_for = |case: &&Case| {
        arguments.words.is_empty() || arguments.words.iter().any(|word| case.name.contains(word))
    };
    println!("| operation | ns: median (min – max) | instructions |");
    println!("|---|---|---|");
    let mut of_a_block = None;
    for case in cases.iter().filter(is_asked_for) {
        let time = case.time(arguments.runs);
        let instructions =
            if arguments.no_instructions { "not counted".to_owned() } else { instructions::count(case) };
        println!("| {} | {time} | {instructions} |", case.name);
        if case.name == leech::OF_THE_BUDGET {
            of_a_block = Some(time);
        }
    }
    if let Some(Nanoseconds { median, .. }) = of_a_block {
        let share = 100.0 * median / BUDGET_OF_A_BLOCK;
        println!();
        println!("\"{}\" is {share:.0} % of the budget of 0.5 µs for a block.", leech::OF_THE_BUDGET);
    }
}
