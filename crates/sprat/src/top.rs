//! `sprat top`: a daemon's torrents, live in the terminal.
//!
//! ```text
//! keys ──┐                                   ┌─► draw ─► terminal
//! events ┼─► Input ─► state::State::handle ──┤
//! answers┘                                   └─► Effect ─► requests ─► answers
//! ```

mod draw;
mod keys;
mod list;
mod pane;
mod state;

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::Method;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use ratatui::layout::{Position, Rect};
use serde_json::json;
use tokio::sync::mpsc;

use crate::cli::remote::TopArgs;
use crate::interrupt::Interrupts;
use crate::log::Log;
use crate::remote::caller::Caller;
use crate::text;
use pane::{Details, Tab};
use state::{Effect, Input, State};

/// Until a daemon that was lost is looked for again.
const RETRY: Duration = Duration::from_secs(2);

/// How often rates are noted and details are asked for.
const SECOND: Duration = Duration::from_secs(1);

/// Inputs that may wait. Whoever has more waits.
const WAITING: usize = 64;

/// Runs until somebody wants an end.
pub(crate) async fn run(args: TopArgs, log: Log) -> anyhow::Result<()> {
    let caller = Arc::new(Caller::find(&args.at)?);
    anyhow::ensure!(
        std::io::stdout().is_terminal() && std::io::stdin().is_terminal(),
        "this is for a terminal: `sprat ls` and `sprat watch` write to anything"
    );
    // Whoever may not is told so before the screen is taken.
    caller.get::<serde_json::Value>("/session").await?;
    // Lines of the log would lie over the picture.
    log.set_level("off");
    let (sender, inputs) = mpsc::channel(WAITING);
    // Standard input can only be waited for by a thread; it ends with the program.
    let keys = sender.clone();
    std::thread::Builder::new().name("keys".to_owned()).spawn(move || read_keys(&keys))?;
    tokio::spawn(follow(Arc::clone(&caller), sender.clone()));
    tokio::spawn(tell_time(sender.clone(), Interrupts::new().context("cannot wait for signals")?));
    let mut screen = Screen::take()?;
    show(&mut screen.0, &caller, sender, inputs).await
}

/// The terminal, which is given back as it was; also by a panic.
struct Screen(DefaultTerminal);

impl Screen {
    fn take() -> anyhow::Result<Self> {
        ratatui::try_init().map(Self).context("cannot draw on this terminal")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

async fn show(
    terminal: &mut DefaultTerminal,
    caller: &Arc<Caller>,
    sender: mpsc::Sender<Input>,
    mut inputs: mpsc::Receiver<Input>,
) -> anyhow::Result<()> {
    let address = caller.address();
    let mut state = State::default();
    let mut waiting = Vec::with_capacity(WAITING);
    loop {
        let whole = Rect::from((Position::ORIGIN, terminal.size()?));
        let rows = draw::rows(whole, state.pane.is_some());
        state.handle(Input::Rows(rows)).into_iter().for_each(|effect| carry_out(effect, caller, &sender));
        terminal.draw(|frame| draw::draw(frame, &state, &address))?;
        inputs.recv_many(&mut waiting, WAITING).await;
        for input in waiting.drain(..) {
            match state.handle(input) {
                Some(Effect::End) => return Ok(()),
                Some(effect) => carry_out(effect, caller, &sender),
                None => {}
            }
        }
    }
}

/// Does what is to be done beside the drawing; how it has gone comes as an input.
fn carry_out(effect: Effect, caller: &Arc<Caller>, sender: &mpsc::Sender<Input>) {
    let (caller, sender) = (Arc::clone(caller), sender.clone());
    tokio::spawn(async move {
        let input = match effect {
            Effect::End => return,
            Effect::Load { hash, tab } => {
                let details = load(&caller, &hash, tab).await;
                let details =
                    details.unwrap_or_else(|error| Details::Nothing(text::safe(&format!("{error:#}"), 500)));
                Input::Details { hash, tab, details }
            }
            Effect::Act { hash, action } => {
                let body = json!({ "torrents": [hash], "action": action });
                match caller.tell(Method::POST, "/torrents/act", &body).await {
                    Ok(()) => return,
                    Err(error) => Input::Told(format!("{error:#}")),
                }
            }
            Effect::Remove { hash, with_files } => {
                let body = json!({ "torrents": [hash], "delete_files": with_files });
                match caller.tell(Method::POST, "/torrents/remove", &body).await {
                    Ok(()) => return,
                    Err(error) => Input::Told(format!("{error:#}")),
                }
            }
        };
        // Nobody is there any more when the program ends.
        let _ = sender.send(input).await;
    });
}

async fn load(caller: &Caller, hash: &str, tab: Tab) -> anyhow::Result<Details> {
    let path = |list: &str| format!("/torrents/{hash}{list}");
    Ok(match tab {
        Tab::Overview => Details::overview(&caller.get(&path("")).await?),
        Tab::Files => Details::Files(caller.get(&path("/files")).await?),
        Tab::Peers => Details::Peers(caller.get(&path("/peers")).await?),
        Tab::Trackers => Details::Trackers(caller.get(&path("/trackers")).await?),
    })
}

/// Tells what changes, for as long as somebody wants to know, and looks for the daemon again whenever it is lost.
async fn follow(caller: Arc<Caller>, sender: mpsc::Sender<Input>) {
    loop {
        let reason = match read_events(&caller, &sender).await {
            Ok(()) => "the daemon has ended".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if sender.send(Input::Lost(reason)).await.is_err() {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn read_events(caller: &Caller, sender: &mpsc::Sender<Input>) -> anyhow::Result<()> {
    let mut events = caller.events("/events").await?;
    while let Some(event) = events.next().await? {
        if event.name == "torrents" {
            let page = serde_json::from_str(&event.data).context("the daemon is of another version")?;
            sender.send(Input::Torrents(page)).await?;
        }
    }
    Ok(())
}

/// Tells each second, and when the system wants an end.
async fn tell_time(sender: mpsc::Sender<Input>, mut interrupts: Interrupts) {
    let mut seconds = tokio::time::interval(SECOND);
    loop {
        let input = tokio::select! {
            _ = seconds.tick() => Input::Second,
            () = interrupts.wanted() => Input::End,
        };
        let is_end = matches!(input, Input::End);
        if sender.send(input).await.is_err() || is_end {
            return;
        }
    }
}

/// Tells what is pressed, and has everything drawn again when the terminal has another size.
fn read_keys(sender: &mpsc::Sender<Input>) {
    while let Ok(event) = event::read() {
        let input = match event {
            Event::Key(event) => keys::key(event).map(Input::Key),
            Event::Resize(..) => Some(Input::Resized),
            _ => None,
        };
        if let Some(input) = input
            && sender.blocking_send(input).is_err()
        {
            return;
        }
    }
    // Without keys nobody could end it.
    let _ = sender.blocking_send(Input::End);
}
