//! `sprat daemon`: torrents that are looked after for years.

use std::sync::Arc;

use anyhow::Context as _;
use signal_hook::consts::SIGHUP;
use sprat_daemon::http::Inherited;
use sprat_daemon::notify::Supervisor;
use sprat_daemon::settings::{Places, default_file};
use sprat_daemon::{Daemon, Options};
use tokio::sync::mpsc;

use crate::cli::DaemonArgs;
use crate::exit::{Failure, OrExit as _};
use crate::interrupt::Interrupts;
use crate::log::Log;
use crate::output::Output;

/// Runs until it is told to end. `inherited` was taken before there was any thread.
pub(crate) fn run(args: DaemonArgs, inherited: Inherited, log: Log, output: Output) -> anyhow::Result<()> {
    if args.print_config {
        output.result(default_file().trim_end());
        return Ok(());
    }
    // SIGHUP is ours: it reads the configuration again.
    let interrupts = Interrupts::without_hangups().context("cannot wait for signals")?;
    let reload = reloads().context("cannot wait for signals")?;
    let log = Arc::new(log);
    let options = Options {
        file: args.config,
        places: Places::of_environment(),
        inherited,
        supervisor: Supervisor::of_environment(),
        journal: log.journal(),
        set_log_level: Box::new(move |level| log.set_level(level.name())),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("cannot start the event loop")?;
    let result = runtime.block_on(serve(options, interrupts, reload, output));
    sprat_engine::runtime::end(runtime);
    result
}

async fn serve(
    options: Options,
    mut interrupts: Interrupts,
    reload: mpsc::Receiver<()>,
    output: Output,
) -> anyhow::Result<()> {
    let daemon = Daemon::start(options).await.or_exit(Failure::Disk)?;
    for address in daemon.addresses() {
        output.line(format_args!("listening on {address}"));
    }
    output.line(format_args!("the token is in {}", daemon.token_file().display()));
    let addresses: Vec<String> = daemon.addresses().iter().map(ToString::to_string).collect();
    output.object(&serde_json::json!({
        "event": "ready", "listening": addresses, "token_file": daemon.token_file(),
    }));
    daemon.run(interrupts.wanted(), reload).await;
    daemon.stop().await;
    output.object(&serde_json::json!({ "event": "stopped" }));
    Ok(())
}

/// Each SIGHUP is a message. One that comes while another waits means the same.
fn reloads() -> std::io::Result<mpsc::Receiver<()>> {
    let (wish, wishes) = mpsc::channel(1);
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP])?;
    std::thread::Builder::new().name("reload".to_owned()).spawn(move || {
        for _ in signals.forever() {
            let _ = wish.try_send(());
        }
    })?;
    Ok(wishes)
}
