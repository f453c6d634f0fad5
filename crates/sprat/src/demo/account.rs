//! Who gave what to whom, and when the pieces came: what the table and the picture show.

use std::collections::BTreeMap;

/// The books of the whole swarm. Peer 0 is the seeder.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) peers: Vec<Peer>,
    /// Bytes from the first to the second, of connections that are gone.
    closed: BTreeMap<(usize, usize), u64>,
    /// Bytes received by a peer over each of its connections, as seen last: giver and bytes.
    open: BTreeMap<(usize, String), (usize, u64)>,
}

/// One peer's figures.
#[derive(Debug, Default, Clone)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) uploaded: u64,
    pub(crate) downloaded: u64,
    pub(crate) download_rate: u64,
    pub(crate) upload_rate: u64,
    /// Thousandths of the pieces.
    pub(crate) permille: u32,
    /// Seconds and thousandths of the pieces, over time.
    pub(crate) progress: Vec<(f64, u32)>,
    /// When it had everything, in seconds.
    pub(crate) completed: Option<f64>,
}

/// What one look at a peer has shown.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) uploaded: u64,
    pub(crate) downloaded: u64,
    pub(crate) download_rate: u64,
    pub(crate) upload_rate: u64,
    pub(crate) pieces: u32,
    pub(crate) pieces_have: u32,
    /// Over which connection (its remote address), from which peer, how many bytes.
    pub(crate) received: Vec<(String, usize, u64)>,
}

impl Account {
    /// Opens the books.
    pub(crate) fn new(names: impl IntoIterator<Item = String>) -> Self {
        let peers = names.into_iter().map(|name| Peer { name, ..Peer::default() }).collect();
        Self { peers, ..Self::default() }
    }

    /// Enters what was seen of a peer after so many seconds.
    pub(crate) fn enter(&mut self, at: usize, seconds: f64, sample: Sample) {
        let gone: Vec<(usize, String)> = self
            .open
            .keys()
            .filter(|(peer, key)| *peer == at && !sample.received.iter().any(|(other, _, _)| other == key))
            .cloned()
            .collect();
        for key in gone {
            if let Some((giver, bytes)) = self.open.remove(&key) {
                *self.closed.entry((giver, at)).or_default() += bytes;
            }
        }
        for (key, giver, bytes) in sample.received {
            self.open.insert((at, key), (giver, bytes));
        }
        let Some(peer) = self.peers.get_mut(at) else { return };
        peer.uploaded = sample.uploaded;
        peer.downloaded = sample.downloaded;
        peer.download_rate = sample.download_rate;
        peer.upload_rate = sample.upload_rate;
        peer.permille = u32::try_from(u64::from(sample.pieces_have) * 1000 / u64::from(sample.pieces.max(1)))
            .unwrap_or(1000);
        peer.progress.push((seconds, peer.permille));
        if sample.pieces_have == sample.pieces {
            peer.completed.get_or_insert(seconds);
        }
    }

    /// Bytes from one peer to another so far.
    pub(crate) fn flow(&self, giver: usize, taker: usize) -> u64 {
        let open = self.open.iter().filter(|((to, _), (from, _))| *to == taker && *from == giver);
        open.map(|(_, (_, bytes))| bytes).sum::<u64>()
            + self.closed.get(&(giver, taker)).copied().unwrap_or(0)
    }

    /// Every leecher has everything.
    pub(crate) fn is_complete(&self) -> bool {
        self.peers.iter().all(|peer| peer.completed.is_some())
    }

    /// When the last one had it.
    pub(crate) fn seconds_to_complete(&self) -> f64 {
        self.peers.iter().filter_map(|peer| peer.completed).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(received: Vec<(&str, usize, u64)>, have: u32) -> Sample {
        let received = received.into_iter().map(|(key, from, bytes)| (key.to_owned(), from, bytes)).collect();
        Sample {
            uploaded: 0,
            downloaded: 0,
            download_rate: 0,
            upload_rate: 0,
            pieces: 4,
            pieces_have: have,
            received,
        }
    }

    #[test]
    fn connections_that_are_gone_still_count() {
        let mut account = Account::new(["seeder", "a"].map(str::to_owned));
        account.enter(0, 0.0, sample(vec![], 4));
        account.enter(1, 1.0, sample(vec![("x", 0, 100)], 1));
        account.enter(1, 2.0, sample(vec![("x", 0, 150)], 2));
        account.enter(1, 3.0, sample(vec![("y", 0, 20)], 2));
        assert_eq!(account.flow(0, 1), 170);
        assert!(!account.is_complete());
        account.enter(1, 4.0, sample(vec![], 4));
        assert_eq!(account.flow(0, 1), 170);
        assert!(account.is_complete());
        assert!((account.seconds_to_complete() - 4.0).abs() < f64::EPSILON);
    }
}
