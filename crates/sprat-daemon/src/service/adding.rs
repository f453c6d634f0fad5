//! Adding torrents.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use sprat_core::io::{AddMagnet, AddTorrent, FilePriority, Manner, RateLimits};
use sprat_core::storage::TorrentId;
use sprat_engine::address_policy::Origin;
use sprat_engine::client::{AddError as EngineError, Admission, Ended};
use sprat_engine::storage::Place;
use sprat_wire::hash::InfoHashes;
use sprat_wire::magnet::{Magnet, MagnetError};
use sprat_wire::metainfo::{Metainfo, MetainfoError};
use thiserror::Error;

use super::recording::note_of;
use super::{HappeningKind, PrivateAddress, Service, Torrent, hold};
use crate::clock;
use crate::fetch;
use crate::labels::Labels;
use crate::torrents::{ContentLayout, Facts, Record, SeedingLimits};

/// What is to be added.
#[derive(Debug, Clone)]
pub enum Source {
    /// The bytes of a torrent file.
    File(Bytes),
    /// A magnet link.
    Magnet(String),
}

impl From<fetch::Source> for Source {
    fn from(fetched: fetch::Source) -> Self {
        match fetched {
            fetch::Source::TorrentFile(bytes) => Self::File(bytes),
            fetch::Source::Magnet(magnet) => Self::Magnet(magnet.to_string()),
        }
    }
}

/// How a torrent is to be added.
#[derive(Debug, Clone)]
pub struct NewTorrent {
    /// What.
    pub source: Source,
    /// Where its files lie; `None` is where those of its label do, or all others.
    pub directory: Option<PathBuf>,
    /// Another name for it.
    pub name: Option<String>,
    /// Its label. One that is not known yet becomes so.
    pub label: Option<String>,
    /// Words to tag it with.
    pub tags: BTreeSet<String>,
    /// It is to run.
    pub start: bool,
    /// Before all others in the queue, instead of after them.
    pub at_top: bool,
    /// Files that are there already, and that nobody has recorded as ours, may be written.
    pub adopt: bool,
    /// Its files are at `directory` from the beginning, since they are there already: not where others are until they are complete.
    pub in_place: bool,
    /// Whether its content is in a directory of its own. What is only a link is laid out when its metadata has come.
    pub layout: ContentLayout,
    /// Pieces in order.
    pub sequential: bool,
    /// How it is to go about its work otherwise.
    pub manner: Manner,
    /// How much each file is wanted, by its number; those that are not named as usual.
    pub priorities: Vec<(usize, FilePriority)>,
    /// Trackers besides its own, by tier.
    pub trackers: Vec<Vec<String>>,
    /// Peers that the user knows of.
    pub peers: Vec<SocketAddr>,
    /// Its own limits.
    pub limits: RateLimits,
    /// When it has given enough.
    pub seeding: SeedingLimits,
    /// Who adds it, for a person.
    pub origin: String,
}

impl NewTorrent {
    /// To be added as usual, and to run.
    #[must_use]
    pub const fn new(source: Source) -> Self {
        Self {
            source,
            directory: None,
            name: None,
            label: None,
            tags: BTreeSet::new(),
            start: true,
            at_top: false,
            adopt: false,
            in_place: false,
            layout: ContentLayout::Original,
            sequential: false,
            manner: Manner::USUAL,
            priorities: Vec::new(),
            trackers: Vec::new(),
            peers: Vec::new(),
            limits: RateLimits { download: None, upload: None },
            seeding: SeedingLimits {
                ratio: crate::torrents::SeedingLimit::Inherit,
                seconds: crate::torrents::SeedingLimit::Inherit,
                idle_seconds: crate::torrents::SeedingLimit::Inherit,
            },
            origin: String::new(),
        }
    }
}

/// A torrent that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Its name in the engine.
    pub torrent: TorrentId,
    /// By what it is called here.
    pub hash: String,
    /// As it calls itself.
    pub name: String,
}

/// Why a torrent was not added.
#[derive(Debug, Error)]
pub enum AddError {
    /// It is there already.
    #[error("this torrent is there already: {}", .0.hash)]
    Duplicate(Added),
    /// No usable torrent file.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
    /// No usable link.
    #[error(transparent)]
    Magnet(#[from] MagnetError),
    /// Files may not lie there.
    #[error("{} is not below a directory that torrents may lie in", .0.display())]
    Directory(PathBuf),
    /// No name for a label or a tag.
    #[error("{0:?} cannot be the name of a label or a tag")]
    Name(String),
    /// A peer that nobody is to call on somebody's word.
    #[error(transparent)]
    Address(#[from] PrivateAddress),
    /// The engine refuses.
    #[error(transparent)]
    Engine(EngineError),
    /// The client has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// What was understood of a source.
enum Parsed {
    File(Arc<Metainfo>),
    Magnet(Box<Magnet>),
}

impl Parsed {
    fn info_hashes(&self) -> InfoHashes {
        match self {
            Self::File(metainfo) => metainfo.info_hashes,
            Self::Magnet(magnet) => magnet.info_hashes,
        }
    }

    /// As it calls itself; empty where a link says nothing.
    fn name(&self) -> String {
        match self {
            Self::File(metainfo) => metainfo.info.name.clone(),
            Self::Magnet(magnet) => magnet.name.clone().unwrap_or_default(),
        }
    }
}

impl Service {
    /// Adds a torrent. It is in the list for good when this returns.
    pub async fn add(&self, new: NewTorrent) -> Result<Added, AddError> {
        let parsed = match &new.source {
            // Large ones take a while.
            Source::File(bytes) => {
                let bytes = bytes.clone();
                let parsed = tokio::task::spawn_blocking(move || Metainfo::parse(&bytes)).await;
                Parsed::File(Arc::new(parsed.map_err(|_| Ended)??))
            }
            Source::Magnet(link) => Parsed::Magnet(Box::new(link.parse::<Magnet>()?)),
        };
        for name in new.label.iter().chain(&new.tags) {
            if !Labels::is_name(name) {
                return Err(AddError::Name(name.clone()));
            }
        }
        self.may_call(&new.peers)?;
        let (directory, destination) = self.directories_of(&new)?;
        let (names, layout) = match &parsed {
            Parsed::File(metainfo) => (new.layout.names(&metainfo.info), ContentLayout::Original),
            Parsed::Magnet(_) => (BTreeMap::new(), new.layout),
        };
        let place = Place { directory, names, adopt: new.adopt };
        let record = Record { layout, ..self.record_of(&new, destination) };
        let admission = Admission { place, note: note_of(&record), trackers_by: Origin::Torrent };
        let hashes = parsed.info_hashes();
        let name = parsed.name();
        let added = match parsed {
            Parsed::File(metainfo) => self.add_file(metainfo, new, admission).await?,
            Parsed::Magnet(magnet) => self.add_magnet(*magnet, new, admission).await?,
        };
        match added {
            Ok(torrent) => {
                self.enter(torrent, record, &name).await?;
                Ok(self.known_as(torrent, &hashes, name))
            }
            Err(EngineError::Duplicate(torrent)) => {
                Err(AddError::Duplicate(self.known_as(torrent, &hashes, name)))
            }
            Err(error) => Err(AddError::Engine(error)),
        }
    }

    async fn add_file(
        &self,
        metainfo: Arc<Metainfo>,
        new: NewTorrent,
        admission: Admission,
    ) -> Result<Result<TorrentId, EngineError>, Ended> {
        let mut priorities = vec![FilePriority::Normal; metainfo.info.files.len()];
        for (file, priority) in &new.priorities {
            if let Some(one) = priorities.get_mut(*file) {
                *one = *priority;
            }
        }
        let add = AddTorrent {
            extra_trackers: new.trackers,
            peers: new.peers,
            priorities,
            sequential: new.sequential,
            manner: new.manner,
            limits: new.limits,
            paused: true,
            ..AddTorrent::new(metainfo)
        };
        self.0.client.add(add, admission).await
    }

    async fn add_magnet(
        &self,
        magnet: Magnet,
        new: NewTorrent,
        admission: Admission,
    ) -> Result<Result<TorrentId, EngineError>, Ended> {
        // Names of hosts would have to be resolved; addresses are what links have.
        let named = magnet
            .peers
            .iter()
            .filter_map(|(host, port)| Some(SocketAddr::new(host.parse().ok()?, *port)))
            // The link is a stranger's.
            .filter(|peer| self.0.policy.accepts_peer(*peer, None));
        let add = AddMagnet {
            trackers: magnet.trackers.iter().map(|tracker| vec![tracker.clone()]).collect(),
            extra_trackers: new.trackers,
            peers: new.peers.iter().copied().chain(named).collect(),
            select_only: magnet.select_only.clone(),
            sequential: new.sequential,
            manner: new.manner,
            limits: new.limits,
            paused: true,
            ..AddMagnet::new(magnet.info_hashes)
        };
        self.0.client.add_magnet(add, admission).await
    }

    /// Where its files lie now, and where they are to lie when they are complete.
    fn directories_of(&self, new: &NewTorrent) -> Result<(PathBuf, Option<PathBuf>), AddError> {
        let choices = self.choices();
        let of_label = || {
            let labels = hold(&self.0.labels);
            let directory = labels.labels.get(new.label.as_ref()?)?.directory.clone()?;
            Some(choices.downloads.join(directory))
        };
        let last = new.directory.clone().or_else(of_label).unwrap_or_else(|| choices.downloads.clone());
        if !choices.allows(&last) {
            return Err(AddError::Directory(last));
        }
        match choices.incomplete {
            // What is there already is not brought elsewhere to be completed.
            Some(incomplete) if !new.adopt && !new.in_place && incomplete != last => {
                Ok((incomplete, Some(last)))
            }
            _ => Ok((last, None)),
        }
    }

    fn record_of(&self, new: &NewTorrent, destination: Option<PathBuf>) -> Record {
        let positions = hold(&self.0.known);
        let positions = positions.torrents.values().map(|torrent| torrent.record.position);
        let position = if new.at_top {
            positions.min().map_or(0, |first| first - 1)
        } else {
            positions.max().map_or(0, |last| last + 1)
        };
        Record {
            added_at: clock::unix_now(),
            name: new.name.clone(),
            label: new.label.clone(),
            tags: new.tags.clone(),
            is_started: new.start,
            position,
            seeding: new.seeding,
            destination,
            origin: new.origin.clone(),
            ..Record::default()
        }
    }

    /// Notes a new torrent, and lets the policies look at it.
    async fn enter(&self, torrent: TorrentId, record: Record, name: &str) -> Result<(), Ended> {
        if let Some(label) = &record.label
            && !hold(&self.0.labels).labels.contains_key(label)
        {
            self.change_labels(|labels| labels.labels.entry(label.clone()).or_default().clone());
        }
        let listing = self.0.client.listing(torrent).await?;
        if let Some(listing) = listing {
            let mut known = hold(&self.0.known);
            let facts = Facts {
                name: if listing.name.is_empty() { name.to_owned() } else { listing.name.clone() },
                ..Facts::of(&listing)
            };
            // Whoever has read the whole list meanwhile may have found it there.
            if !known.torrents.contains_key(&torrent) {
                known.enter(torrent, Torrent::new(facts, record));
            }
        }
        hold(&self.0.statistics).session.added += 1;
        // What has happened to it before it was noted was passed over.
        self.read_facts(torrent).await?;
        self.lay_out(torrent);
        if hold(&self.0.known).torrents.get(&torrent).is_some_and(|one| one.facts.is_complete) {
            self.on_complete(torrent);
        }
        // It is in the list at once. Whether it may run is decided soon, together with others: to look at all for each would make ten
        // thousand take hours.
        self.publish();
        self.reconsider();
        self.0.nudge.notify_one();
        self.tell_of(torrent, HappeningKind::Added);
        Ok(())
    }

    /// What a torrent is called here. One that somebody else is just adding is known to the engine first: it is called as its source says.
    fn known_as(&self, torrent: TorrentId, hashes: &InfoHashes, name: String) -> Added {
        let known = hold(&self.0.known);
        let found = known.torrents.get(&torrent);
        let hash = found.map_or_else(|| hashes.primary().to_string(), |known| known.facts.hash());
        let name =
            found.map(|known| known.facts.name.clone()).filter(|name| !name.is_empty()).unwrap_or(name);
        Added { torrent, hash, name }
    }
}
