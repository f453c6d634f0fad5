//! The live table on a terminal; a line now and then elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use serde_json::json;

use super::account::Account;
use crate::output::Output;
use crate::text;

/// Characters of a progress bar.
const BAR: usize = 24;

/// Without a terminal, so many seconds between two lines.
const LINE_EVERY: u64 = 5;

/// Draws over itself.
#[derive(Debug)]
pub(crate) struct Table {
    output: Output,
    live: bool,
    /// Lines on the screen that the next drawing replaces.
    drawn: usize,
    last_line: Option<u64>,
}

impl Table {
    pub(crate) fn new(output: Output) -> Self {
        let live = std::io::stdout().is_terminal() && !output.is_json() && !output.is_quiet();
        Self { output, live, drawn: 0, last_line: None }
    }

    /// Shows the swarm as it is now.
    pub(crate) fn show(&mut self, account: &Account, elapsed: Duration) {
        if self.live {
            self.draw(account);
            return;
        }
        let turn = elapsed.as_secs() / LINE_EVERY;
        if self.last_line.replace(turn) == Some(turn) {
            return;
        }
        let ready = account.peers.iter().filter(|peer| peer.completed.is_some()).count();
        let least = account.peers.iter().map(|peer| peer.permille).min().unwrap_or(0);
        let rate: u64 = account.peers.iter().map(|peer| peer.download_rate).sum();
        self.output.line(format_args!(
            "{:>4} s  {ready} of {} have it, the slowest {} %, {} in all",
            elapsed.as_secs(),
            account.peers.len(),
            least / 10,
            text::rate(rate)
        ));
        self.output.object(&json!({
            "event": "progress", "seconds": elapsed.as_secs_f64(),
            "permille": account.peers.iter().map(|peer| peer.permille).collect::<Vec<_>>(),
        }));
    }

    /// Leaves the last drawing on the screen.
    pub(crate) const fn end(&mut self) {
        self.drawn = 0;
    }

    fn draw(&mut self, account: &Account) {
        let mut screen = String::new();
        if self.drawn > 0 {
            screen.push_str(&format!("\x1b[{}A", self.drawn));
        }
        screen.push_str(&format!(
            "\x1b[2K{:<10} {:<BAR$}       {:>12}  {:>12}   from\n",
            "peer", "progress", "down", "up"
        ));
        for (at, peer) in account.peers.iter().enumerate() {
            let full = peer.permille as usize * BAR / 1000;
            let bar: String = (0..BAR).map(|cell| if cell < full { '█' } else { '·' }).collect();
            screen.push_str(&format!(
                "\x1b[2K{:<10} {bar} {:>3} %  {:>12}  {:>12}   {}\n",
                peer.name,
                peer.permille / 10,
                text::rate(peer.download_rate),
                text::rate(peer.upload_rate),
                sources(account, at)
            ));
        }
        self.drawn = account.peers.len() + 1;
        // A terminal that is gone is noticed elsewhere.
        let _ = std::io::stdout().lock().write_all(screen.as_bytes());
        let _ = std::io::stdout().lock().flush();
    }
}

/// From whom a peer has most, and how much of the whole that is.
fn sources(account: &Account, taker: usize) -> String {
    let mut flows: Vec<(u64, usize)> =
        (0..account.peers.len()).map(|giver| (account.flow(giver, taker), giver)).collect();
    let total: u64 = flows.iter().map(|(bytes, _)| bytes).sum();
    flows.retain(|(bytes, _)| *bytes > 0);
    flows.sort_unstable_by(|one, other| other.cmp(one));
    let name = |giver: usize| if giver == 0 { "S".to_owned() } else { giver.to_string() };
    let shares =
        flows.iter().take(5).map(|(bytes, giver)| format!("{} {}%", name(*giver), bytes * 100 / total));
    shares.collect::<Vec<_>>().join(", ")
}
