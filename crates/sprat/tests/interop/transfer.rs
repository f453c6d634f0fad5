//! One transfer: a seeder, a leecher, a way for them to meet, and the proof that the copy is the original.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, anyhow, bail};

use crate::clients::sprat::{Sprat, ask_dht, start_dht};
use crate::clients::{Client, Discovery, Job, Role, Running, Tracker};
use crate::content::test_directory;
use crate::http;
use crate::network::{Machine, Network};
use crate::process::{HOST, Process, free_port, wait_until};
use crate::torrent::Torrent;

/// For a client to start, check what is there and be known to the tracker.
pub(crate) const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// For the transfer itself: several times what the slowest client needs on two busy cores.
pub(crate) const TRANSFER_TIMEOUT: Duration = Duration::from_secs(100);
/// Between "complete" and the last byte being visible to others.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(15);

/// How the leecher learns of the seeder.
#[derive(Clone, Copy)]
pub(crate) enum Meeting<'a> {
    /// It is told the address.
    Direct,
    /// Both announce to a tracker over HTTP.
    Http(&'a dyn Tracker),
    /// Both announce to a tracker over UDP.
    Udp(&'a dyn Tracker),
    /// There is no tracker: both take part in a DHT that begins with a node of ours.
    Dht,
    /// The same, and the torrent names the node. The leecher is told of no other.
    Nodes,
    /// Both are on one network, on machines of their own.
    LocalNetwork,
}

impl<'a> Meeting<'a> {
    const fn discovery(self, role: Role, dht_node: Option<SocketAddr>) -> Discovery {
        match (self, role, dht_node) {
            (Self::LocalNetwork, ..) => Discovery::LocalNetwork,
            (Self::Nodes, Role::Leecher, _) => Discovery::DhtOfTorrent,
            (_, _, Some(node)) => Discovery::Dht(node),
            _ => Discovery::None,
        }
    }

    const fn tracker(self) -> Option<&'a dyn Tracker> {
        match self {
            Self::Direct | Self::Dht | Self::Nodes | Self::LocalNetwork => None,
            Self::Http(tracker) | Self::Udp(tracker) => Some(tracker),
        }
    }

    fn announce_url(self, tracker: SocketAddr) -> Option<String> {
        match self {
            Self::Direct | Self::Dht | Self::Nodes | Self::LocalNetwork => None,
            Self::Http(_) => Some(format!("http://{tracker}/announce")),
            Self::Udp(_) => Some(format!("udp://{tracker}/announce")),
        }
    }
}

/// What the leecher knows of the torrent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// The `.torrent` file.
    File,
    /// Its name, and the tracker.
    Magnet,
}

/// Lets one client get a torrent from another and compares the trees, byte for byte.
pub(crate) fn transfer(
    seeder: &dyn Client,
    leecher: &dyn Client,
    torrent: &Torrent,
    meeting: Meeting<'_>,
    known: Known,
) -> Result<()> {
    let directory = test_directory()?;
    let path = directory.path();
    torrent.content.link_into(&path.join("seeder"))?;
    let tracker = Swarm::start(torrent, meeting, path)?;
    let magnet = if known == Known::Magnet { Some(Sprat::magnet_of(&tracker.file)?) } else { None };
    let (_network, [seeder_machine, leecher_machine]) = machines(meeting)?;
    let seeder = Place {
        magnet: None,
        machine: seeder_machine,
        client: seeder,
        role: Role::Seeder,
        name: "seeder",
        port: free_port()?,
        peers: vec![],
    };
    let peers = match meeting {
        Meeting::Direct => vec![SocketAddr::from((HOST, seeder.port))],
        _ => vec![],
    };
    let leecher = Place {
        magnet,
        machine: leecher_machine,
        client: leecher,
        role: Role::Leecher,
        name: "leecher",
        port: free_port()?,
        peers,
    };

    // Whoever comes second learns of the first one, and calls it.
    let mut clients = Vec::new();
    let order = if leecher.client.must_be_called() { [&leecher, &seeder] } else { [&seeder, &leecher] };
    for place in order {
        let discovery = meeting.discovery(place.role, tracker.dht_node());
        clients.push(place.start(torrent, &tracker.file, discovery, path)?);
        let ready = tracker.wait_for(torrent, place, clients.last_mut().context("just pushed")?.as_mut());
        explain(ready, &mut clients)?;
    }

    let what = format!("{} has got it from {}", leecher.client.name(), seeder.client.name());
    let done = wait_until(&what, TRANSFER_TIMEOUT, || {
        let mut complete = true;
        for client in &mut clients {
            client.process().must_not_have_failed()?;
            complete &= client.is_complete()?;
        }
        Ok(complete)
    })
    .and_then(|()| compare(torrent, &path.join("leecher")));
    explain(done, &mut clients)
}

/// Where the two are, if not both on this machine.
fn machines(meeting: Meeting<'_>) -> Result<(Option<Network>, [Option<Machine>; 2])> {
    if !matches!(meeting, Meeting::LocalNetwork) {
        return Ok((None, [None, None]));
    }
    let mut network = Network::new().map_err(Error::msg)?;
    let machines = [network.add().map_err(Error::msg)?, network.add().map_err(Error::msg)?];
    Ok((Some(network), machines.map(Some)))
}

/// One of those in a transfer.
pub(crate) struct Place<'a> {
    pub(crate) magnet: Option<String>,
    pub(crate) machine: Option<Machine>,
    pub(crate) client: &'a dyn Client,
    pub(crate) role: Role,
    /// Of its directories.
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    pub(crate) peers: Vec<SocketAddr>,
}

impl Place<'_> {
    pub(crate) fn start(
        &self,
        torrent: &Torrent,
        file: &Path,
        discovery: Discovery,
        test: &Path,
    ) -> Result<Box<dyn Running>> {
        self.client.start(&Job {
            torrent: file,
            magnet: self.magnet.as_deref(),
            info_hash: torrent.info_hash(),
            directory: &test.join(self.name),
            state: &test.join(format!("{}.state", self.name)),
            port: self.port,
            machine: self.machine.as_ref(),
            discovery,
            peers: &self.peers,
            role: self.role,
            stays: false,
        })
    }
}

/// The torrent file of a test, and the tracker that it names, if any.
struct Swarm {
    file: PathBuf,
    /// Where the tracker answers over HTTP.
    tracker: Option<(SocketAddr, Process)>,
    /// The first node of the DHT.
    dht: Option<(SocketAddr, [Process; 2])>,
}

impl Swarm {
    fn start(torrent: &Torrent, meeting: Meeting<'_>, test: &Path) -> Result<Self> {
        let port = free_port()?;
        let address = SocketAddr::from((HOST, port));
        let file = match meeting {
            Meeting::Nodes => torrent.make_with_node(test, address)?,
            _ => torrent.write(test, meeting.announce_url(address).as_deref())?,
        };
        if matches!(meeting, Meeting::Dht | Meeting::Nodes) {
            let state = test.join("dht.state");
            fs::create_dir_all(&state)?;
            let nodes = start_dht(address, &state)?;
            return Ok(Self { file, tracker: None, dht: Some((address, nodes)) });
        }
        let Some(tracker) = meeting.tracker() else { return Ok(Self { file, tracker: None, dht: None }) };
        let mut process = tracker.start(&torrent.info_hashes, port, &test.join("tracker.state"))?;
        let ready = wait_until(&format!("{} answers", tracker.name()), READY_TIMEOUT, || {
            process.must_be_running()?;
            Ok(scrape(torrent, address).is_ok())
        });
        match ready {
            Ok(()) => Ok(Self { file, tracker: Some((address, process)), dht: None }),
            Err(error) => bail!("{error:#}\n{}", process.log_tail()),
        }
    }

    fn dht_node(&self) -> Option<SocketAddr> {
        self.dht.as_ref().map(|(node, _)| *node)
    }

    /// Waits until a client is at work and the tracker can tell others of it.
    fn wait_for(&self, torrent: &Torrent, place: &Place<'_>, client: &mut dyn Running) -> Result<()> {
        let (name, role) = (place.client.name(), place.role);
        // What stands in a scrape without seeders, or without leechers (BEP 48).
        let nobody = match role {
            Role::Seeder => "8:completei0e",
            Role::Leecher | Role::Introducer => "10:incompletei0e",
        };
        if role == Role::Seeder {
            wait_until(&format!("{name} seeds"), READY_TIMEOUT, || {
                client.process().must_be_running()?;
                client.is_complete()
            })?;
        }
        if let Some(node) = self.dht_node().filter(|_| role == Role::Seeder) {
            return wait_until(&format!("the DHT knows {name}"), READY_TIMEOUT, || {
                client.process().must_not_have_failed()?;
                let answer = ask_dht(node, &["peers", torrent.info_hash()])?;
                Ok(answer.iter().any(|event| event["event"] == "peer"))
            });
        }
        let Some((address, _)) = &self.tracker else { return Ok(()) };
        wait_until(&format!("the tracker knows {name}"), READY_TIMEOUT, || {
            client.process().must_not_have_failed()?;
            let answer = scrape(torrent, *address)?;
            // A fast leecher is complete by now, and may have gone.
            let is_done = role == Role::Leecher && client.is_complete()?;
            Ok(is_done || is_counted(&answer, nobody))
        })
    }
}

/// Whether a scrape answers for some info-hash, and counts somebody. (A hybrid has two, and need not be known by both.)
fn is_counted(scrape: &[u8], nobody: &str) -> bool {
    let scrape = String::from_utf8_lossy(scrape);
    let key = nobody.trim_end_matches("0e");
    scrape.matches(key).count() > scrape.matches(nobody).count()
}

/// Waits for the last writes, then compares.
pub(crate) fn compare(torrent: &Torrent, copy: &Path) -> Result<()> {
    let mut difference = None;
    let same = wait_until("the copy is the original", FLUSH_TIMEOUT, || {
        difference = torrent.content.difference(copy)?;
        Ok(difference.is_none())
    });
    same.with_context(|| difference.unwrap_or_default())
}

/// Adds the ends of the logs to an error.
pub(crate) fn explain(result: Result<()>, clients: &mut [Box<dyn Running>]) -> Result<()> {
    result.map_err(|error| {
        let logs: String = clients.iter_mut().map(|client| client.process().log_tail()).collect();
        anyhow!("{error:#}\n{logs}")
    })
}

fn scrape(torrent: &Torrent, tracker: SocketAddr) -> Result<Vec<u8>> {
    let query: Vec<String> =
        torrent.info_hashes.iter().map(|hash| format!("info_hash={}", percent_encode(hash))).collect();
    http::request(tracker, "GET", &format!("/scrape?{}", query.join("&")), &[], &[])?.success()
}

/// Every byte of a hex string as `%xx`.
fn percent_encode(hex: &str) -> String {
    hex.as_bytes().chunks(2).map(|byte| format!("%{}", String::from_utf8_lossy(byte))).collect()
}

/// Leaves nothing behind of a run that was killed; called before the first transfer of a process.
pub(crate) fn remove_leftovers() -> Result<()> {
    let hour = Duration::from_secs(3600);
    for entry in fs::read_dir(env!("CARGO_TARGET_TMPDIR"))? {
        let entry = entry?;
        let is_ours = entry.file_name().to_string_lossy().starts_with("sprat-interop-");
        #[expect(clippy::disallowed_methods, reason = "files know no other clock")]
        let age = entry.metadata()?.modified()?.elapsed();
        if is_ours && age.is_ok_and(|age| age > hour) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
