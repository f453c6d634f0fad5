//! What all torrents of a session together know of the hosts of their trackers: whether they answer, and whose turn it is.
//!
//! Ten thousand torrents may have one tracker. When it is gone, one of them finds that out for all of them, and one at a time
//! looks whether it is back; the others count it as failed, and their next tier is asked. When it is there, torrents that
//! sleep announce one after the other, and those that somebody waits for need not wait for them.
//!
//! Nobody is told when it may announce: whoever has to wait is given a time at which to ask again (`Pace`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::io::TrackerFailure;
use crate::pace::Pace;
use crate::time::Time;

#[cfg(test)]
mod tests;

/// Announces of sleepers to one host, apart from each other: 50 in a second. Ten thousand torrents have announced after 200 s,
/// and a hundred thousand within little more than the half hour that trackers ask for; one announce costs us a connection,
/// some 0.2 ms of the processor.
const GAP: Duration = Duration::from_millis(20);

/// After so many failures in a row a host is down: one may be chance.
const DOWN_AFTER: u32 = 3;

/// A host that is down is asked again after this, and after twice as long each time that it still is.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// And at least this often, however long it has been down: the swarms should not miss us for much longer than it was away.
const LAST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Sleepers that wait for the answer of one host: as many as announces are under way at a time in the engine.
const MOST_UNANSWERED: u32 = 100;

/// Whoever has not answered by now will not: twice what an announce may take. The torrent may be gone that has asked.
const PATIENCE: Duration = Duration::from_secs(2 * 60);

/// Whoever has to wait for an answer of another does not ask again sooner.
const WAIT: Duration = Duration::from_secs(1);

/// As [`WAIT`], for torrents that are awake, and of which there are few.
const WAIT_AWAKE: Duration = Duration::from_secs(10);

/// Hosts that are remembered. Torrents can name any number of them; of more than these each torrent knows for itself.
const MOST_HOSTS: usize = 4096;

/// How much somebody waits for an announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// Nobody: the torrent sleeps, and waits for its turn.
    Patient,
    /// Nobody, and it is its turn.
    InTurn,
    /// The torrent is awake.
    Awake,
    /// The user has just added or resumed it, or wants to hear from the trackers now.
    Asked,
}

/// Whether an announce may be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Granted,
    /// Then it is its turn.
    Later(Time),
    /// The host does not answer.
    Down {
        /// When to ask again.
        until: Time,
        /// In words for a person.
        reason: Arc<str>,
    },
}

/// The hosts of all trackers of a session.
#[derive(Debug, Default)]
pub struct TrackerHosts {
    /// By what stands in URLs up to the path.
    hosts: BTreeMap<String, Host>,
}

#[derive(Debug)]
struct Host {
    /// In a row, because nothing came back.
    failures: u32,
    /// Of the last one.
    reason: Arc<str>,
    /// It has answered.
    is_proven: bool,
    /// While it is down it is not asked before.
    retry_at: Time,
    /// Announces since it was last heard of.
    unanswered: u32,
    asked_at: Time,
    pace: Pace,
}

impl TrackerHosts {
    /// Whether the tracker at `url` may be announced to. If so, that is counted as done.
    pub fn admit(&mut self, now: Time, url: &str, haste: Haste) -> Admission {
        let key = host_of(url);
        if !self.hosts.contains_key(&key) && self.hosts.len() >= MOST_HOSTS {
            self.hosts.retain(|_, host| host.is_worth_knowing(now));
            if self.hosts.len() >= MOST_HOSTS {
                return Admission::Granted;
            }
        }
        self.hosts.entry(key).or_insert_with(Host::new).admit(now, haste)
    }

    /// Whether nothing but silence is to be expected of the tracker at `url`.
    #[must_use]
    pub fn is_down(&self, url: &str) -> bool {
        self.hosts.get(&host_of(url)).is_some_and(Host::is_down)
    }

    /// Our own network has changed: those that did not answer may have been there all the time. Whoever was told to come later
    /// is to ask again.
    pub fn network_changed(&mut self) {
        self.hosts.clear();
    }

    /// How an announce to the tracker at `url` has ended.
    pub fn note<T>(&mut self, now: Time, url: &str, result: &Result<T, TrackerFailure>) {
        let Some(host) = self.hosts.get_mut(&host_of(url)) else { return };
        match result {
            Err(failure) if failure.is_unreachable => host.failed(now, &failure.reason),
            Ok(_) | Err(_) => host.answered(),
        }
    }
}

impl Host {
    fn new() -> Self {
        Self {
            failures: 0,
            reason: Arc::from(""),
            is_proven: false,
            retry_at: Time::ZERO,
            unanswered: 0,
            asked_at: Time::ZERO,
            pace: Pace::new(GAP),
        }
    }

    const fn is_down(&self) -> bool {
        self.failures >= DOWN_AFTER
    }

    fn is_worth_knowing(&self, now: Time) -> bool {
        (self.is_down() && now < self.retry_at + LAST_PAUSE) || !self.pace.is_at_rest(now)
    }

    fn admit(&mut self, now: Time, haste: Haste) -> Admission {
        // Of one that was never heard of, or not for long, a single answer is awaited before others ask.
        let most_unanswered = if self.is_proven && !self.is_down() { MOST_UNANSWERED } else { 1 };
        let is_awaited = self.unanswered >= most_unanswered && now < self.asked_at + PATIENCE;
        let is_too_soon = now < self.retry_at && haste != Haste::Asked;
        let is_patient = matches!(haste, Haste::Patient | Haste::InTurn);
        if self.is_down() && (is_awaited || is_too_soon) {
            let until = if is_patient {
                self.pace.take(self.retry_at.max(now + WAIT))
            } else {
                self.retry_at.max(now + WAIT_AWAKE)
            };
            return Admission::Down { until, reason: Arc::clone(&self.reason) };
        }
        if is_patient && is_awaited {
            return Admission::Later(self.pace.take(now + WAIT));
        }
        if haste != Haste::InTurn {
            let turn = self.pace.take(now);
            if haste == Haste::Patient && turn > now {
                return Admission::Later(turn);
            }
        }
        self.unanswered += 1;
        self.asked_at = now;
        Admission::Granted
    }

    /// Those who were told to come later come as they were told: one after the other.
    const fn answered(&mut self) {
        self.failures = 0;
        self.is_proven = true;
        self.unanswered = 0;
    }

    fn failed(&mut self, now: Time, reason: &str) {
        self.unanswered = self.unanswered.saturating_sub(1);
        // Those that were under way when it went down tell nothing new.
        if self.is_down() && now < self.retry_at {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.reason = Arc::from(reason);
        if let Some(doublings) = self.failures.checked_sub(DOWN_AFTER) {
            self.retry_at = now + FIRST_PAUSE.saturating_mul(1 << doublings.min(16)).min(LAST_PAUSE);
        }
    }
}

/// Scheme, host and port, without the name and password of a user.
fn host_of(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}").to_ascii_lowercase()
}
