//! The addresses of this machine, and when they change: another network, a lease that has ended, a tunnel that opens.
//!
//! They are looked at again and again. Systems tell of changes, each in its own way; to look costs 0.1 ms and is the same everywhere.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// Promise P-15 gives ten seconds.
const LOOK: Duration = Duration::from_secs(2);

/// What has become of them since the last look.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// These are not ours any more.
    pub(crate) gone: BTreeSet<IpAddr>,
    /// There is one by which others may reach us and could not before.
    pub(crate) is_elsewhere: bool,
}

/// Tells of changes until nobody listens.
pub(crate) async fn watch(changes: mpsc::UnboundedSender<Change>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known: Option<BTreeSet<IpAddr>> = None;
    while !changes.is_closed() {
        looks.tick().await;
        // Many interfaces take their time.
        let Ok(Ok(interfaces)) = tokio::task::spawn_blocking(if_addrs::get_if_addrs).await else { continue };
        let now: BTreeSet<IpAddr> = interfaces.iter().map(if_addrs::Interface::ip).collect();
        if let Some(change) = known.as_ref().and_then(|before| compare(before, &now))
            && changes.send(change).is_err()
        {
            return;
        }
        known = Some(now);
    }
}

fn compare(before: &BTreeSet<IpAddr>, now: &BTreeSet<IpAddr>) -> Option<Change> {
    let is_elsewhere = now.difference(before).any(|ip| !is_confined(*ip));
    let change = Change { gone: before - now, is_elsewhere };
    (before != now).then_some(change)
}

/// To this machine, or to one cable: containers come and go with such addresses, and no tracker hears of them.
const fn is_confined(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(addresses: &[&str]) -> BTreeSet<IpAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_gone_is_told_and_what_is_new_counts_if_others_can_use_it() {
        let home = set(&["127.0.0.1", "192.168.1.2", "fe80::1"]);
        let change = |now| compare(&home, &set(now));
        assert_eq!(change(&["127.0.0.1", "192.168.1.2", "fe80::1"]), None);
        let away = Change { gone: set(&["192.168.1.2", "fe80::1"]), is_elsewhere: false };
        assert_eq!(change(&["127.0.0.1"]), Some(away));
        let elsewhere = Change { gone: set(&["192.168.1.2"]), is_elsewhere: true };
        assert_eq!(change(&["127.0.0.1", "10.0.0.7", "fe80::1"]), Some(elsewhere));
        let container = Change { gone: set(&[]), is_elsewhere: false };
        assert_eq!(change(&["127.0.0.1", "192.168.1.2", "fe80::1", "fe80::2"]), Some(container));
    }
}
