//! Ctrl-C, SIGTERM and SIGHUP: the first one asks for an end in good order, another one ends the program at once.
//!
//! A thread of their own waits for them: the second one must end the program whatever the others wait for.

use std::io;
use std::process;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::watch;

use crate::exit::Failure;

/// What comes so soon after the first one means the same: timeout(1) and some service managers signal a process and then its
/// whole group, or SIGHUP after SIGTERM.
const ONE_WISH: Duration = Duration::from_millis(250);

/// Whether the user wants an end.
#[derive(Debug, Clone)]
pub(crate) struct Interrupts {
    is_wanted: watch::Receiver<bool>,
}

impl Interrupts {
    /// From now on no such signal ends the program by itself, unless it is the second.
    pub(crate) fn new() -> io::Result<Self> {
        if ignores_hangups() { Self::without_hangups() } else { Self::of(&[SIGINT, SIGTERM, SIGHUP]) }
    }

    /// The same, for a program to which SIGHUP means something else.
    pub(crate) fn without_hangups() -> io::Result<Self> {
        Self::of(&[SIGINT, SIGTERM])
    }

    fn of(signals: &[i32]) -> io::Result<Self> {
        let mut signals = Signals::new(signals)?;
        let (wish, is_wanted) = watch::channel(false);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut first: Option<Instant> = None;
            for _ in signals.forever() {
                match first {
                    None => {
                        first = Some(Instant::now());
                        wish.send_replace(true);
                    }
                    Some(at) if at.elapsed() < ONE_WISH => {}
                    Some(_) => process::exit(Failure::Interrupted as i32),
                }
            }
        })?;
        Ok(Self { is_wanted })
    }

    /// Waits until an end is wanted.
    pub(crate) async fn wanted(&mut self) {
        // The thread that could drop the other end runs as long as the program.
        let _ = self.is_wanted.wait_for(|is_wanted| *is_wanted).await;
    }
}

/// Whether whoever started us has decided that we go on without a terminal: nohup(1).
fn ignores_hangups() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| is_ignored(&status, SIGHUP))
}

/// By the mask of ignored signals in proc_pid_status(5).
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_mask() {
        let status =
            "Name:\tsprat\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert!(is_ignored(status, SIGHUP));
        assert!(!is_ignored(status, SIGINT) && !is_ignored(status, SIGTERM));
        assert!(!is_ignored("Name:\tsprat\n", SIGHUP));
    }
}
