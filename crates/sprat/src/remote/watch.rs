//! `sprat watch`

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;
use sprat_daemon::service::{Happening, HappeningKind};
use sprat_daemon::torrents::{State, Summary, TroubleText};

use super::caller::Caller;
use super::events::Event;
use super::listing::{self, Page};
use super::{naming, words};
use crate::cli::remote::{FilterArgs, WatchArgs};
use crate::exit::{Failure, fail};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::text;

/// What is needed to know whether a torrent is finished.
#[derive(Debug, Clone, Deserialize)]
struct Progress {
    hash: String,
    is_complete: bool,
    state: State,
    trouble: Option<TroubleText>,
}

/// Who is watched, and what is waited for.
#[derive(Debug, Default)]
struct Watched {
    /// By hash, with the name; none is all.
    torrents: BTreeMap<String, String>,
    /// Those that are not finished yet.
    unfinished: BTreeMap<String, String>,
    /// Whether it ends when all are.
    until_finished: bool,
}

/// What an event means for whoever watches.
#[derive(Debug, PartialEq)]
enum Seen {
    Nothing,
    Happening(Box<Happening>),
    Missed(String),
    AllFinished,
    /// It will not be finished; why.
    Hopeless(String),
}

pub(crate) async fn run(args: WatchArgs, output: Output) -> anyhow::Result<()> {
    let caller = Caller::find(&args.at)?;
    let named = if args.torrents.is_empty() {
        Vec::new()
    } else {
        naming::named(&args.torrents, listing::list(&caller, &FilterArgs::default()).await?)?
    };
    let mut watched = Watched::new(&named, args.until_finished);
    let fields = if args.until_finished { "is_complete,state,trouble" } else { "hash" };
    let mut events = caller.events(&format!("/events?fields={fields}")).await?;
    let mut interrupts = Interrupts::new().context("cannot wait for signals")?;
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            () = interrupts.wanted() => {
                let is_waiting = args.until_finished;
                return if is_waiting { fail(Failure::Interrupted, "interrupted") } else { Ok(()) };
            }
        };
        let Some(event) = event else { return fail(Failure::Network, "the daemon has ended") };
        let printed = match watched.see(&event) {
            Seen::Nothing => Ok(()),
            Seen::Happening(happening) => output.happening(line(&happening), &*happening),
            Seen::Missed(number) => {
                let number = text::safe(&number, 20);
                let object = serde_json::json!({ "event": "missed", "happenings": number });
                output.happening(format_args!("{number} happenings were missed"), &object)
            }
            Seen::AllFinished => return Ok(()),
            Seen::Hopeless(reason) => return fail(Failure::Torrent, reason),
        };
        // Nobody reads any more.
        if printed.is_err() {
            return Ok(());
        }
    }
}

impl Watched {
    fn new(named: &[Summary], until_finished: bool) -> Self {
        let torrents: BTreeMap<String, String> =
            named.iter().map(|one| (one.hash.clone(), text::safe(&one.name, 200))).collect();
        Self { unfinished: torrents.clone(), torrents, until_finished }
    }

    fn see(&mut self, event: &Event) -> Seen {
        match event.name.as_str() {
            "torrents" if self.until_finished => {
                serde_json::from_str(&event.data).map_or(Seen::Nothing, |page| self.progress(&page))
            }
            "happening" => match serde_json::from_str::<Happening>(&event.data) {
                Ok(happening) if self.is_watched(&happening) => Seen::Happening(Box::new(happening)),
                _ => Seen::Nothing,
            },
            "missed" => Seen::Missed(event.data.clone()),
            _ => Seen::Nothing,
        }
    }

    fn is_watched(&self, happening: &Happening) -> bool {
        let is_named = happening.hash.as_ref().is_some_and(|hash| self.torrents.contains_key(hash));
        self.torrents.is_empty() || is_named
    }

    fn progress(&mut self, page: &Page<Progress>) -> Seen {
        for one in &page.torrents {
            let Some(name) = self.unfinished.get(&one.hash) else { continue };
            if one.is_complete {
                self.unfinished.remove(&one.hash);
            } else if one.state == State::Trouble {
                let trouble = one.trouble.as_ref();
                let told = trouble.map(|trouble| format!("{} {}", trouble.text, trouble.remedy));
                return Seen::Hopeless(format!("{name} has stopped: {}", told.unwrap_or_default()));
            }
        }
        let is_there = |hash: &String| page.torrents.iter().any(|one| one.hash == *hash);
        let is_gone = |hash: &String| page.gone.contains(hash) || page.full && !is_there(hash);
        if let Some((_, name)) = self.unfinished.iter().find(|(hash, _)| is_gone(hash)) {
            return Seen::Hopeless(format!("{name} was removed"));
        }
        if self.unfinished.is_empty() { Seen::AllFinished } else { Seen::Nothing }
    }
}

fn line(happening: &Happening) -> String {
    let what = match &happening.kind {
        HappeningKind::Added => "added".to_owned(),
        HappeningKind::MetadataFound => "metadata found".to_owned(),
        HappeningKind::Finished => "finished".to_owned(),
        HappeningKind::TroubleBegan(trouble) => format!("trouble: {} {}", trouble.text, trouble.remedy),
        HappeningKind::TroubleEnded => "trouble ended".to_owned(),
        HappeningKind::GaveEnough => "gave enough".to_owned(),
        HappeningKind::Moved { directory } => format!("moved to {directory}"),
        HappeningKind::MoveFailed { reason } => format!("could not be moved: {reason}"),
        HappeningKind::Removed => "removed".to_owned(),
        HappeningKind::FeedMatch { rule, .. } => format!("added for the rule {rule}"),
        HappeningKind::FeedMatchFailed { rule, title, reason, .. } => {
            format!("the rule {rule} wants {title}, which could not be added: {reason}")
        }
    };
    let hash = happening.hash.as_deref().map(naming::short).unwrap_or_default();
    let name = text::safe(happening.name.as_deref().unwrap_or_default(), 200);
    format!("{}  {hash}  {name}  {}", words::moment(happening.at), text::safe(&what, 1000))
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::summary;
    use super::*;

    fn torrents(data: &str) -> Event {
        Event { name: "torrents".to_owned(), data: data.to_owned() }
    }

    fn page(full: bool, complete: &[(&str, bool)], gone: &[&str]) -> Event {
        let torrents_of = complete.iter().map(|(hash, is_complete)| {
            serde_json::json!({ "hash": hash, "is_complete": is_complete, "state": "downloading" })
        });
        let torrents_of: Vec<_> = torrents_of.collect();
        torrents(&serde_json::json!({ "full": full, "torrents": torrents_of, "gone": gone }).to_string())
    }

    fn watched() -> Watched {
        Watched::new(&[summary("aa", "a"), summary("bb", "b")], true)
    }

    #[test]
    fn it_ends_when_all_that_are_watched_are_finished() {
        let mut watched = watched();
        let first = page(true, &[("aa", false), ("bb", true), ("cc", false)], &[]);
        assert_eq!(watched.see(&first), Seen::Nothing);
        assert_eq!(watched.see(&page(false, &[], &["cc"])), Seen::Nothing);
        assert_eq!(watched.see(&page(false, &[("aa", true)], &["bb"])), Seen::AllFinished);
    }

    #[test]
    fn it_does_not_wait_for_what_will_not_come() {
        let removed = watched().see(&page(false, &[], &["bb"]));
        assert_eq!(removed, Seen::Hopeless("b was removed".to_owned()));
        let missing = watched().see(&page(true, &[("bb", false)], &[]));
        assert_eq!(missing, Seen::Hopeless("a was removed".to_owned()));
        let trouble = torrents(
            r#"{"torrents": [{"hash": "aa", "is_complete": false, "state": "trouble",
                "trouble": {"kind": "disk_full", "text": "full.", "remedy": "Make room."}}]}"#,
        );
        assert_eq!(watched().see(&trouble), Seen::Hopeless("a has stopped: full. Make room.".to_owned()));
    }

    #[test]
    fn happenings_are_those_of_whom_is_watched_and_cannot_write_to_the_terminal() {
        let happening = |hash: &str| Event {
            name: "happening".to_owned(),
            data: serde_json::json!({ "at": 0, "hash": hash, "name": "x\u{1b}[2J", "event": "move_failed",
                "reason": "\u{202e}\n" })
            .to_string(),
        };
        assert_eq!(watched().see(&happening("cc")), Seen::Nothing);
        let Seen::Happening(seen) = watched().see(&happening("aa")) else { panic!() };
        let line = line(&seen);
        assert!(line.contains("could not be moved"), "{line}");
        assert!(!line.contains(['\u{1b}', '\u{202e}', '\n']), "{line:?}");
        assert!(matches!(Watched::default().see(&happening("cc")), Seen::Happening(_)));
    }
}
