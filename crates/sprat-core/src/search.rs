//! When a torrent looks for peers in the DHT, and tells it of us.
//!
//! The machine knows no DHT: it says [`Output::FindPeers`], and addresses come back.

use std::time::Duration;

use sprat_wire::hash::InfoHashes;

use crate::context::Context;
use crate::io::Output;
use crate::storage::TorrentId;
use crate::time::Time;

/// DHT nodes forget a peer after half an hour or so (BEP 5 leaves it open).
const REGULARLY: Duration = Duration::from_secs(15 * 60);

/// Without a single connection it is worth looking again soon.
const WHEN_LONELY: Duration = Duration::from_secs(60);

/// Between two looks of torrents that sleep, all of them together. A look is some fifty datagrams, so ten thousand torrents that
/// looked each quarter of an hour would send 500 a second for ever. One look a second is as often as that for 900 of them; of more,
/// each has its turn less often (DECISIONS 51). Those that are awake do not wait.
pub(crate) const BETWEEN_SLEEPERS: Duration = Duration::from_secs(1);

/// The appointments of one torrent with the DHT.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// `None` while the torrent does not take part.
    last: Option<Option<Time>>,
}

impl Search {
    pub(crate) fn start(&mut self, cx: &Context<'_>) {
        // Without a DHT there are no appointments with it.
        self.last = (cx.config.dht_port != 0).then_some(None);
    }

    /// As [`Self::start`], after a look that was not long ago.
    pub(crate) fn resume(&mut self, cx: &Context<'_>) {
        self.last = (cx.config.dht_port != 0).then_some(Some(cx.now));
    }

    /// The next look is due now: nobody can reach us where the last one has said that we are.
    pub(crate) const fn hurry(&mut self) {
        if let Some(last) = &mut self.last {
            *last = None;
        }
    }

    pub(crate) const fn stop(&mut self) {
        self.last = None;
    }

    pub(crate) fn next_time(&self, lonely: bool) -> Option<Time> {
        let pause = if lonely { WHEN_LONELY } else { REGULARLY };
        self.last.map(|last| last.map_or(Time::ZERO, |last| last + pause))
    }

    /// Looks, if it is time.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        torrent: TorrentId,
        hashes: &InfoHashes,
        seed: bool,
        lonely: bool,
    ) {
        if self.next_time(lonely).is_none_or(|at| at > cx.now) {
            return;
        }
        self.last = Some(Some(cx.now));
        for info_hash in hashes.on_the_wire() {
            cx.outputs.push_back(Output::FindPeers { torrent, info_hash, seed });
        }
    }
}
