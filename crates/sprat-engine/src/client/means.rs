//! What a client may use of its machine, and how that is divided: memory between the disk and the peers, descriptors between
//! files, peers and everything else.

use crate::descriptors;

use super::ClientConfig;
use super::receive::LARGEST_READ;

/// The program itself, and what it keeps for the next use.
const BASE: usize = 32 << 20;

/// Unfinished pieces get at most this part of the memory, if the configuration does not say less.
const PART_OF_PIECES: usize = 4;

/// What waits for the disk gets this part.
const PART_OF_QUEUE: usize = 16;

/// Besides files and peers: listeners, sockets for UDP, trackers that are asked (a hundred at a time), the state's databases,
/// the log. An eighth of all descriptors, between these.
const FEWEST_OTHERS: usize = 16;
const MOST_OTHERS: usize = 160;

/// Of the descriptors for peers, those who have not named a torrent yet get this part at the most.
const PART_OF_STRANGERS: usize = 4;

/// Cuts what the configuration wants down to what there is. Returns the bytes that are taken without any connection: the
/// program, the pieces in memory, and what `queue` reads may bring.
pub(super) fn divide(config: &mut ClientConfig, queue: usize) -> usize {
    divide_descriptors(config, descriptors::limit());
    let memory = config.session.memory;
    let storage = &mut config.storage;
    storage.held_limit = storage.held_limit.min(memory / PART_OF_PIECES);
    storage.queue_limit = storage.queue_limit.min(memory / PART_OF_QUEUE);
    BASE + storage.held_limit + queue * LARGEST_READ
}

/// Connections for which there are descriptors, once they are divided.
pub(super) fn most_peers(config: &ClientConfig) -> usize {
    let sockets = descriptors::limit().map(|limit| sockets(config, limit));
    sockets.map_or(usize::MAX, |sockets| sockets.saturating_sub(config.session.strangers).max(1))
}

/// Of so many descriptors those for peers.
fn sockets(config: &ClientConfig, limit: usize) -> usize {
    // The pool of files takes a quarter at the most by itself.
    let files = config.storage.open_files.min(limit / 4);
    let others = (limit / 8).clamp(FEWEST_OTHERS, MOST_OTHERS);
    limit.saturating_sub(files + others)
}

fn divide_descriptors(config: &mut ClientConfig, limit: Option<usize>) {
    let Some(limit) = limit else { return };
    let sockets = sockets(config, limit);
    let session = &mut config.session;
    session.strangers = session.strangers.min(sockets / PART_OF_STRANGERS).max(1);
    let peers = sockets.saturating_sub(session.strangers).max(1);
    if session.connections > peers {
        tracing::info!(peers, "as many connections as there are file descriptors for them");
    }
    session.connections = session.connections.min(peers);
    session.connections_per_torrent = session.connections_per_torrent.min(peers);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sprat_core::config::Config;

    use super::*;
    use crate::address_policy::AddressPolicy;
    use crate::storage::StorageConfig;
    use crate::udp::UdpConfig;
    use crate::uplink::Uplink;

    fn config(connections: usize) -> ClientConfig {
        ClientConfig {
            session: Config { connections, connections_per_torrent: connections, ..Config::default() },
            listen: None,
            storage: StorageConfig::default(),
            policy: Arc::new(AddressPolicy::permissive()),
            uplink: Uplink::any(),
            udp: UdpConfig::loopback(0),
            dht: None,
            lsd: false,
            home: None,
            seed: None,
        }
    }

    /// Connections, strangers, and everything together with files and the least reserve.
    fn divided(connections: usize, limit: usize) -> (usize, usize, usize) {
        let mut config = config(connections);
        divide_descriptors(&mut config, Some(limit));
        let Config { connections, strangers, .. } = config.session;
        let all = connections + strangers + config.storage.open_files.min(limit / 4) + FEWEST_OTHERS;
        (connections, strangers, all)
    }

    #[test]
    fn connections_are_as_many_as_there_are_descriptors_for() {
        // What was asked for fits, and with one less it does not.
        assert_eq!(divided(2000, 3184), (2000, 512, 2000 + 512 + 512 + 16));
        assert_eq!(divided(2000, 3183), (1999, 512, 1999 + 512 + 512 + 16));
        assert_eq!(divided(500, 1024), (480, 160, 480 + 160 + 256 + 16));
        assert_eq!(divided(500, 64), (24, 8, 64));
    }

    #[test]
    fn however_few_there_are_no_more_are_given_out() {
        for limit in 48..5000 {
            let (connections, strangers, all) = divided(100_000, limit);
            assert!(all <= limit && connections > 0 && strangers > 0, "{limit}: {all}");
        }
    }

    #[test]
    fn with_little_memory_the_disk_leaves_some_to_peers() {
        let mut small = config(500);
        small.session.memory = 128 << 20;
        let elsewhere = divide(&mut small, 64);
        assert_eq!((small.storage.held_limit, small.storage.queue_limit), (32 << 20, 8 << 20));
        assert!(elsewhere + small.storage.queue_limit < small.session.memory * 3 / 4);
        let mut shipped = config(500);
        let elsewhere = divide(&mut shipped, 64);
        assert_eq!((shipped.storage.held_limit, elsewhere), (64 << 20, 112 << 20));
    }
}
