//! `sprat`: the program.

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
mod remote;
mod share;
mod shelf;
mod show;
mod sim;
mod text;
mod top;
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
            output.problem(&error);
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
        Command::Add(args) => client::block_on(remote::add::run(args, output)),
        Command::Ls(args) => client::block_on(remote::list::run(args, output)),
        Command::Start(args) => client::block_on(remote::act::start(args, output)),
        Command::Stop(args) => client::block_on(remote::act::stop(args, output)),
        Command::Recheck(args) => client::block_on(remote::act::recheck(args, output)),
        Command::Rm(args) => client::block_on(remote::remove::run(args, output)),
        Command::Mv(args) => client::block_on(remote::relocate::run(args, output)),
        Command::Set(args) => client::block_on(remote::change::run(args, output)),
        Command::Peers(args) => client::block_on(remote::peers::run(args, output)),
        Command::Trackers(args) => client::block_on(remote::trackers::run(args, output)),
        Command::Files(args) => client::block_on(remote::files::run(args, output)),
        Command::Stats(args) => client::block_on(remote::statistics::run(args, output)),
        Command::Watch(args) => client::block_on(remote::watch::run(args, output)),
        Command::Log(args) => client::block_on(remote::log::run(args, output)),
        Command::Top(args) => client::block_on(top::run(args, log)),
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
