//! The other programs, behind one face.

pub(crate) mod aria2;
pub(crate) mod libtorrent;
pub(crate) mod opentracker;
#[allow(dead_code, reason = "for the benchmark, which shares these files")]
pub(crate) mod rqbit;
pub(crate) mod rtorrent;
pub(crate) mod sprat;
pub(crate) mod transmission;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::network::Machine;
use crate::process::{Process, absence_of};

/// Those that are here, of those that were asked for: sprat first.
#[allow(dead_code, reason = "for the benchmarks, which share these files")]
pub(crate) fn present(names: &[String]) -> Vec<&'static dyn Client> {
    let all: [&dyn Client; 6] = [
        &sprat::Sprat,
        &libtorrent::Libtorrent,
        &transmission::Transmission,
        &aria2::Aria2,
        &rqbit::Rqbit,
        &rtorrent::Rtorrent,
    ];
    let asked =
        all.into_iter().filter(|client| names.is_empty() || names.iter().any(|name| name == client.name()));
    let (present, absent): (Vec<_>, Vec<_>) = asked.partition(|client| client.absence().is_none());
    for client in absent {
        println!("skipped: {}", client.absence().unwrap_or_default());
    }
    present
}

/// What a client is to do: take part in one torrent.
pub(crate) struct Job<'a> {
    /// The `.torrent` file; it names the tracker, if there is one.
    pub(crate) torrent: &'a Path,
    /// All that a client is to know instead: a link to the same torrent.
    pub(crate) magnet: Option<&'a str>,
    /// Its (first) info-hash in hex.
    pub(crate) info_hash: &'a str,
    /// The directory in which the content lies, or will lie, under the torrent's name.
    pub(crate) directory: &'a Path,
    /// A directory of the client's own, for settings and logs.
    pub(crate) state: &'a Path,
    /// Where to listen for peers.
    pub(crate) port: u16,
    /// The machine on which it runs, if not this one.
    pub(crate) machine: Option<&'a Machine>,
    /// Who may tell of peers, besides the trackers of the torrent.
    pub(crate) discovery: Discovery,
    /// Peers to contact at once.
    pub(crate) peers: &'a [SocketAddr],
    pub(crate) role: Role,
    /// It goes on giving when it has everything. (Only sprat would not.)
    pub(crate) stays: bool,
}

/// Whether the content is there from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Seeder,
    Leecher,
    /// A leecher so slow that it has nothing to give but the addresses of others.
    Introducer,
}

/// The bytes in a second of a [`Role::Introducer`]: hours for any of the contents.
pub(crate) const INTRODUCER_RATE: u32 = 1024;

/// How a client learns of peers. Not every client can do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discovery {
    /// In no way but from trackers and whoever starts it.
    None,
    /// It takes part in the DHT to which this node belongs.
    Dht(SocketAddr),
    /// It takes part in the DHT on loopback, of which it knows the nodes that the torrent names (BEP 5).
    DhtOfTorrent,
    /// It speaks to the local network (BEP 14).
    LocalNetwork,
    /// Peers tell it of others (BEP 11).
    PeerExchange,
}

impl Job<'_> {
    /// What a client is handed: the link, or the path of the file.
    pub(crate) fn source(&self) -> &OsStr {
        self.magnet.map_or(self.torrent.as_os_str(), OsStr::new)
    }

    /// Starts a program for this job, on its machine.
    fn start(&self, name: &str, mut command: Command) -> Result<Process> {
        if let Some(machine) = self.machine {
            command = machine.run(&command);
        }
        Process::start(name, &mut command, self.state)
    }
}

/// A BitTorrent client.
pub(crate) trait Client: Sync {
    /// What to call it.
    fn name(&self) -> &'static str;

    /// Why it cannot be used here, if so.
    fn absence(&self) -> Option<String>;

    /// Whether it finds nobody by itself when all peers share one address, as they do here: it has to be there
    /// first, so that the other one, who comes later, learns of it and calls it.
    fn must_be_called(&self) -> bool {
        false
    }

    /// Starts it. Everything but plain TCP between peers that it is told of is off: by hand, by a tracker, and as
    /// [`Discovery`] says.
    fn start(&self, job: &Job<'_>) -> Result<Box<dyn Running>>;
}

/// A client at work. It is gone when this is dropped.
pub(crate) trait Running: Send {
    /// Whether it has the whole content, verified. It may end once it has.
    fn is_complete(&mut self) -> Result<bool>;

    /// Whether it has had a connection to a peer. Asked of those who introduce others.
    fn has_met_a_peer(&mut self) -> Result<bool> {
        bail!("it cannot be told whether it has met a peer")
    }

    /// How many bytes of content it says that it has sent, if it does.
    #[allow(dead_code, reason = "for the benchmark, which shares these files")]
    fn sent(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// For alive-checks and failure messages.
    fn process(&mut self) -> &mut Process;
}

/// A tracker.
pub(crate) trait Tracker {
    /// What to call it.
    fn name(&self) -> &'static str;

    /// Why it cannot be used here, if so.
    fn absence(&self) -> Option<String>;

    /// Starts it for some info-hashes (in hex), with a directory of its own; HTTP and UDP on the same port.
    fn start(&self, info_hashes: &[String], port: u16, state: &Path) -> Result<Process>;
}
