//! `sprat`: the program.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

mod chart;
mod cli;
mod client;
mod create;
mod daemon;
mod demo;
mod dht;
mod exit;
mod get;
mod interrupt;
mod log;
mod magnet;
mod output;
mod record;
mod share;
mod shelf;
mod show;
mod sim;
mod text;
mod tracker;
mod verify;

use cli::{Cli, Command};
use log::Log;
use output::Output;
use sprat_daemon::http::Inherited;

fn main() -> ExitCode {
    // Before there is any thread: it takes descriptors over by their numbers.
    let inherited = Inherited::take();
    let cli = Cli::parse();
    let log = Log::to_stderr(cli.verbose);
    sprat_engine::descriptors::raise_limit();
    let output = Output::new(cli.json, cli.quiet);
    match run(cli.command, inherited, log, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let message = text::safe(&format!("{error:#}"), 2000);
            if output.is_json() {
                output.object(&serde_json::json!({ "event": "error", "message": message }));
            }
            let _ = writeln!(std::io::stderr().lock(), "sprat: {message}");
            exit::code(&error)
        }
    }
}

fn run(
    command: Command,
    inherited: std::io::Result<Inherited>,
    log: Log,
    output: Output,
) -> anyhow::Result<()> {
    match command {
        Command::Get(args) => client::block_on(get::run(args, output)),
        Command::Share(args) => share::run(args, output),
        Command::Create(args) => create::run(&args, output),
        Command::Show(args) => show::run(&args, output),
        Command::Verify(args) => verify::run(&args, output),
        Command::Tracker(args) => tracker::run(args, output),
        Command::Dht(args) => client::block_on(dht::run(args, output)),
        Command::Daemon(args) => daemon::run(args, inherited?, log, output),
        Command::Demo(args) => client::block_on(demo::run(args, output)),
        Command::Sim(args) => sim::run(args, output),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "sprat", &mut std::io::stdout());
            Ok(())
        }
        Command::Manual { directory } => {
            std::fs::create_dir_all(&directory)?;
            clap_mangen::generate_to(Cli::command(), directory)?;
            Ok(())
        }
    }
}
