//! How often one address may be dialled, however many ports are claimed for it.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use crate::time::Time;

/// Attempts per network in [`WINDOW`]. A swarm that is told a victim's address, with whatever ports, must not become a
/// weapon.
const ATTEMPTS: usize = 3;

const WINDOW: Duration = Duration::from_secs(10 * 60);

/// Attempts of the last ten minutes.
#[derive(Debug, Default)]
pub(super) struct DialBudget {
    /// In order of time.
    all: VecDeque<(Time, IpAddr)>,
    /// By network, in order of time.
    by_network: BTreeMap<IpAddr, VecDeque<Time>>,
}

impl DialBudget {
    /// Counts an attempt, or says when one will be possible.
    pub(super) fn spend(&mut self, now: Time, network: IpAddr) -> Result<(), Time> {
        self.forget(now);
        let attempts = self.by_network.entry(network).or_default();
        if attempts.len() >= ATTEMPTS
            && let Some(oldest) = attempts.front()
        {
            return Err(*oldest + WINDOW);
        }
        attempts.push_back(now);
        self.all.push_back((now, network));
        Ok(())
    }

    fn forget(&mut self, now: Time) {
        while let Some((at, network)) = self.all.front().copied()
            && now.since(at) >= WINDOW
        {
            self.all.pop_front();
            if let Some(attempts) = self.by_network.get_mut(&network) {
                attempts.pop_front();
                if attempts.is_empty() {
                    self.by_network.remove(&network);
                }
            }
        }
    }
}
