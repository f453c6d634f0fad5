//! When those who share a provider were given something last.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::subnet::Subnet;
use crate::time::Time;

/// How long a subnet is remembered after it was given something.
const MEMORY: Duration = Duration::from_secs(60 * 60);

/// How many subnets are remembered at most.
const MOST: usize = 4096;

/// When subnets were given something last.
#[derive(Debug, Default)]
pub(super) struct SubnetMemory(BTreeMap<Subnet, Time>);

impl SubnetMemory {
    pub(super) fn note(&mut self, subnet: Subnet, now: Time) {
        self.0.insert(subnet, now);
    }

    pub(super) fn last(&self, subnet: Subnet) -> Option<Time> {
        self.0.get(&subnet).copied()
    }

    pub(super) fn forget(&mut self, now: Time) {
        self.0.retain(|_, last| now.since(*last) < MEMORY);
        while self.0.len() > MOST {
            let oldest = self.0.iter().min_by_key(|(subnet, last)| (**last, **subnet));
            let Some(oldest) = oldest.map(|(subnet, _)| *subnet) else { break };
            self.0.remove(&oldest);
        }
    }
}
