//! What a scenario file says, as it says it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use sprat_core::choker::ChokerConfig;
use sprat_core::config::Config;
use sprat_core::io::RateLimits;
use sprat_wire::metainfo::Version;

use super::amount::{Rate, Share, Size, Span};
use crate::addresses::MOST_OF_SUBNET;
use crate::behaviour::Behaviour;
use crate::network::{Network, PacketConfig};
use crate::peer_number::LISTEN_PORT;
use crate::place::{Nat, Region};

/// Peers of all groups together.
const MOST_PEERS: u64 = 100_000;
/// Of the model of packets.
const MOST_PEERS_OF_PACKETS: u64 = 200;
/// Pieces of the content.
const MOST_PIECES: u64 = 1 << 16;
/// The content is held in memory once.
const MOST_CONTENT: u64 = 4 << 30;
/// Blocks of all peers together: the time that a run takes goes with them.
const MOST_BLOCKS: u64 = 200_000_000;
/// Virtual time.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// Groups, faults and targets.
const MOST_GROUPS: usize = 32;
const MOST_FAULTS: usize = 1000;
const MOST_TARGETS: usize = 100;

/// One swarm: everything that a run needs but its seed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Setup {
    /// What it asks, in a sentence or two.
    pub question: String,
    /// The virtual time at which it ends even if it has not come to its end.
    pub limit: Span,
    /// Whether every message is held against the rules, and everybody's progress watched: slower.
    #[serde(default)]
    pub check_messages: bool,
    /// Of each group, in the order of arrival, the share of the peers whose times are counted: from, to.
    #[serde(default = "everybody")]
    pub measured: [f64; 2],
    /// What is shared.
    pub content: ContentSetup,
    /// How bytes travel.
    #[serde(default)]
    pub network: NetworkSetup,
    /// The tracker.
    #[serde(default)]
    pub tracker: TrackerSetup,
    /// Settings of all sessions.
    #[serde(default)]
    pub session: SessionSetup,
    /// Peers of a kind, by the group's name.
    pub groups: BTreeMap<String, GroupSetup>,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Vec<FaultSetup>,
    /// What is promised: `last / bound <= 1.30`.
    #[serde(default)]
    pub targets: Vec<String>,
}

/// The content.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ContentSetup {
    /// Bytes of the one file.
    pub size: Size,
    /// Bytes of a piece, a power of two.
    pub piece_length: Size,
    /// Which piece hashes the torrent has.
    #[serde(default)]
    pub version: VersionSetup,
}

/// Generations of piece hashes.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionSetup {
    /// BEP 3.
    #[default]
    V1,
    /// BEP 52.
    V2,
    /// Both.
    Hybrid,
}

/// The network between the peers.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NetworkSetup {
    /// How exactly it is modelled.
    #[serde(default)]
    pub model: Model,
    /// Share of the packets that get lost.
    #[serde(default)]
    pub loss: Share,
    /// Share of them that others overtake.
    #[serde(default)]
    pub reorder: Share,
    /// Share of them that arrive twice.
    #[serde(default)]
    pub duplication: Share,
    /// Bytes of a packet at most.
    pub mtu: Option<Size>,
    /// Bytes that wait before a line at most.
    pub queue: Option<Size>,
}

impl NetworkSetup {
    fn packets(self) -> PacketConfig {
        let usual = PacketConfig::default();
        let bytes = |size: Option<Size>, usual: usize| {
            size.map_or(usual, |size| usize::try_from(size.0).unwrap_or(usize::MAX))
        };
        PacketConfig {
            loss_per_mille: self.loss.0,
            reorder_per_mille: self.reorder.0,
            duplication_per_mille: self.duplication.0,
            mtu: bytes(self.mtu, usual.mtu),
            queue: bytes(self.queue, usual.queue),
            ..usual
        }
    }

    /// What is wrong with it, with so many peers.
    fn check(self, peers: u64) -> Result<(), String> {
        let packets = self.packets();
        match self.model {
            Model::Block if packets != PacketConfig::default() => {
                Err("network: only the model \"packet\" has packets".to_owned())
            }
            Model::Packet if peers > MOST_PEERS_OF_PACKETS => {
                Err("network.model: packets are for at most 200 peers".to_owned())
            }
            Model::Packet if self.loss.0 > 500 => Err("network.loss: at most 50 %".to_owned()),
            Model::Packet if !(256..=65_535).contains(&packets.mtu) => {
                Err("network.mtu: 256 B to 65,535 B".to_owned())
            }
            Model::Packet if packets.queue < 2 * packets.mtu => {
                Err("network.queue: room for two packets at least".to_owned())
            }
            Model::Block | Model::Packet => Ok(()),
        }
    }
}

impl From<NetworkSetup> for Network {
    fn from(setup: NetworkSetup) -> Self {
        match setup.model {
            Model::Block => Self::Block,
            Model::Packet => Self::Packet(setup.packets()),
        }
    }
}

/// How exactly the network is modelled.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Model {
    /// Every message; access lines are shared block by block; nothing is lost.
    #[default]
    Block,
    /// Every packet, with queues and TCP.
    Packet,
}

/// The tracker.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TrackerSetup {
    /// Between two announces of a client.
    pub interval: Span,
    /// From the edge of the network to it.
    pub latency: Span,
    /// Peers in an answer at most.
    pub peers: u16,
}

impl Default for TrackerSetup {
    fn default() -> Self {
        Self {
            interval: Span(Duration::from_secs(1800)),
            latency: Span(Duration::from_millis(20)),
            peers: 50,
        }
    }
}

/// Settings of sessions. What is not said is as shipped.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SessionSetup {
    /// Connections of the torrent.
    pub connections: Option<u16>,
    /// Upload slots at least.
    pub min_slots: Option<u16>,
    /// Upload slots at most.
    pub max_slots: Option<u16>,
    /// Tell peers of one another (BEP 11).
    pub pex: Option<bool>,
    /// Look for peers in the DHT (BEP 5); not unless it is said, so that a swarm meets as fast as its tracker lets it.
    pub dht: Option<bool>,
    /// The session is told its upload capacity as a limit, and keeps to it.
    pub knows_upload: Option<bool>,
}

impl SessionSetup {
    /// This, where it says nothing `other`.
    const fn or(self, other: Self) -> Self {
        const fn first<T: Copy>(one: Option<T>, other: Option<T>) -> Option<T> {
            if one.is_some() { one } else { other }
        }
        Self {
            connections: first(self.connections, other.connections),
            min_slots: first(self.min_slots, other.min_slots),
            max_slots: first(self.max_slots, other.max_slots),
            pex: first(self.pex, other.pex),
            dht: first(self.dht, other.dht),
            knows_upload: first(self.knows_upload, other.knows_upload),
        }
    }

    fn config(self, upload: u64) -> Config {
        let shipped = Config::default();
        let limit = self.knows_upload.unwrap_or(false).then_some(upload);
        Config {
            connections: self
                .connections
                .map_or(shipped.connections, |most| usize::from(most).max(shipped.connections)),
            connections_per_torrent: self.connections.map_or(shipped.connections_per_torrent, usize::from),
            pex: self.pex.unwrap_or(shipped.pex),
            dht_port: if self.dht.unwrap_or(false) { LISTEN_PORT } else { 0 },
            limits: RateLimits { upload: limit, ..shipped.limits },
            choker: ChokerConfig {
                upload_limit: limit,
                min_slots: self.min_slots.map_or(shipped.choker.min_slots, usize::from),
                max_slots: self.max_slots.map_or(shipped.choker.max_slots, usize::from),
            },
            ..shipped
        }
    }
}

/// Peers of a kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GroupSetup {
    /// How many.
    pub count: u32,
    /// Capacity of the uplink of each.
    pub upload: Rate,
    /// Capacity of the downlink of each.
    pub download: Rate,
    /// From the peer to the edge of the network.
    #[serde(default = "some_latency")]
    pub latency: Span,
    /// In which part of the world that is; near everything when left out.
    pub region: Option<Region>,
    /// Whether others can call them.
    #[serde(default)]
    pub nat: Nat,
    /// Whether all of them live in one subnet, a /24, as the names of one owner do; each in its own otherwise.
    #[serde(default)]
    pub one_subnet: bool,
    /// How they behave.
    #[serde(default)]
    pub behaviour: BehaviourSetup,
    /// What they have at first.
    #[serde(default)]
    pub has: Has,
    /// When they come.
    #[serde(default)]
    pub arrive: Arrival,
    /// When they leave.
    #[serde(default)]
    pub leave: Leaving,
    /// They know the torrent's name and trackers only.
    #[serde(default)]
    pub from_magnet: bool,
    /// They fetch pieces in order.
    #[serde(default)]
    pub sequential: bool,
    /// How long a disk takes for an answer.
    #[serde(default = "some_disk_latency")]
    pub disk_latency: Span,
    /// By how much longer at most, at random.
    #[serde(default)]
    pub disk_jitter: Span,
    /// Calls of each disk that fail, by their numbers from 0.
    #[serde(default)]
    pub failing_disk_calls: Vec<u64>,
    /// Settings of their sessions, before those of all.
    #[serde(default)]
    pub session: SessionSetup,
}

impl GroupSetup {
    /// They want the content and can get all of it.
    #[must_use]
    pub const fn takes(&self) -> bool {
        let behaves = matches!(
            self.behaviour,
            BehaviourSetup::Honest | BehaviourSetup::FreeRider | BehaviourSetup::Strategic
        );
        behaves && !self.is_seed()
    }

    /// They give as they should.
    #[must_use]
    pub const fn contributes(&self) -> bool {
        matches!(self.behaviour, BehaviourSetup::Honest)
    }

    /// They have everything at first, and give it.
    #[must_use]
    pub const fn is_seed(&self) -> bool {
        matches!(self.has, Has::Everything) && self.contributes()
    }

    pub(super) fn session(&self, all: SessionSetup) -> Config {
        self.session.or(all).config(self.upload.0)
    }
}

/// How peers behave. See [`Behaviour`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum BehaviourSetup {
    /// As the shipped session.
    #[default]
    Honest,
    /// Gives nothing.
    FreeRider,
    /// This share of the blocks it sends is wrong.
    Poisoner(Share),
    /// This share of the pieces is wrong, with the same bytes from all of them.
    ColludingPoisoner(Share),
    /// Claims everything and keeps silent.
    SilentLiar,
    /// Claims everything and refuses.
    RejectingLiar,
    /// Reads for one second of ten.
    SlowReader,
    /// Asks for far too much.
    RequestFlooder,
    /// Gives no more than it must.
    Strategic,
    /// Comes back under other names.
    SeedSlotAttacker,
}

impl From<BehaviourSetup> for Behaviour {
    fn from(setup: BehaviourSetup) -> Self {
        match setup {
            BehaviourSetup::Honest => Self::Honest,
            BehaviourSetup::FreeRider => Self::FreeRider,
            BehaviourSetup::Poisoner(Share(per_mille)) => Self::Poisoner { per_mille },
            BehaviourSetup::ColludingPoisoner(Share(per_mille)) => Self::ColludingPoisoner { per_mille },
            BehaviourSetup::SilentLiar => Self::Liar { rejects: false },
            BehaviourSetup::RejectingLiar => Self::Liar { rejects: true },
            BehaviourSetup::SlowReader => Self::SlowReader,
            BehaviourSetup::RequestFlooder => Self::RequestFlooder,
            BehaviourSetup::Strategic => Self::Strategic,
            BehaviourSetup::SeedSlotAttacker => Self::SeedSlotAttacker,
        }
    }
}

/// What peers have at first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Has {
    /// Nothing.
    #[default]
    Nothing,
    /// All pieces.
    Everything,
    /// This share of the pieces, each peer its own.
    Some(Share),
}

/// When the peers of a group come.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Arrival {
    /// All at the beginning.
    #[default]
    AtOnce,
    /// All at this time.
    At(Span),
    /// Most at first, fewer and fewer later: each at an exponential time with this mean.
    FlashCrowd {
        /// The mean.
        mean: Span,
    },
    /// One after the other, independent of each other.
    Poisson {
        /// Arrivals in this time on average.
        peers: u32,
        /// The time.
        every: Span,
    },
    /// At these times, one for each peer.
    Recorded(Vec<Span>),
}

/// When peers leave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Leaving {
    /// Never.
    #[default]
    Never,
    /// So long after having everything.
    AfterCompletion(Span),
    /// After an exponential time with this mean from having everything on.
    AfterCompletionAbout(Span),
    /// With a number of pieces that is drawn evenly from one to all but one.
    AtRandomProgress,
    /// When every piece is had by somebody else.
    OnceReplicated,
}

/// Something that goes wrong. See [`Fault`](crate::Fault). Peers are the first of a group, or all of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum FaultSetup {
    /// Cut off from the others, together.
    Partition {
        /// Its beginning.
        from: Span,
        /// Its end.
        until: Span,
        /// Whose group.
        group: String,
        /// How many; all when left out.
        count: Option<u32>,
    },
    /// Cannot send.
    Clog {
        /// Its beginning.
        from: Span,
        /// Its end.
        until: Span,
        /// Whose group.
        group: String,
        /// How many; all when left out.
        count: Option<u32>,
    },
    /// Stops at once and starts again.
    Crash {
        /// When.
        at: Span,
        /// Until it is back.
        down_for: Span,
        /// Whose group.
        group: String,
        /// How many; all when left out.
        count: Option<u32>,
    },
    /// Suspended, with all connections, and then awake again.
    Suspend {
        /// When.
        at: Span,
        /// For how long.
        by: Span,
        /// Whose group.
        group: String,
        /// How many; all when left out.
        count: Option<u32>,
    },
    /// Every answer of the disk takes longer.
    SlowDisk {
        /// Its beginning.
        from: Span,
        /// Its end.
        until: Span,
        /// How much longer.
        by: Span,
        /// Whose group.
        group: String,
        /// How many; all when left out.
        count: Option<u32>,
    },
    /// No room on the disk.
    FullDisk {
        /// Its beginning.
        from: Span,
        /// Its end.
        until: Span,
        /// Whose group.
        group: String,
        /// How many; all when left out.
        count: Option<u32>,
    },
    /// The tracker answers nothing.
    TrackerOutage {
        /// Its beginning.
        from: Span,
        /// Its end.
        until: Span,
    },
    /// Nobody answers in the DHT.
    DhtOutage {
        /// Its beginning.
        from: Span,
        /// Its end.
        until: Span,
    },
}

impl FaultSetup {
    fn group(&self) -> Option<&str> {
        match self {
            Self::Partition { group, .. }
            | Self::Clog { group, .. }
            | Self::Crash { group, .. }
            | Self::Suspend { group, .. }
            | Self::SlowDisk { group, .. }
            | Self::FullDisk { group, .. } => Some(group),
            Self::TrackerOutage { .. } | Self::DhtOutage { .. } => None,
        }
    }
}

impl From<VersionSetup> for Version {
    fn from(setup: VersionSetup) -> Self {
        match setup {
            VersionSetup::V1 => Self::V1,
            VersionSetup::V2 => Self::V2,
            VersionSetup::Hybrid => Self::Hybrid,
        }
    }
}

impl Setup {
    /// The groups in the order in which they are counted: seeds, those who want the content, others.
    pub fn ordered_groups(&self) -> impl Iterator<Item = (&str, &GroupSetup)> {
        let place = |group: &GroupSetup| if group.is_seed() { 0 } else { 1 + u8::from(!group.takes()) };
        let of_place = move |wanted| self.groups.iter().filter(move |(_, group)| place(group) == wanted);
        (0..=2).flat_map(of_place).map(|(name, group)| (name.as_str(), group))
    }

    /// What is wrong with it that its fields alone do not show, beginning with the name of the field.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_content()?;
        let within =
            |field: &str, is: bool, text: &str| if is { Ok(()) } else { Err(format!("{field}: {text}")) };
        within(
            "limit",
            self.limit.0 <= LONGEST && !self.limit.0.is_zero(),
            "more than nothing, at most 30 d",
        )?;
        let [from, to] = self.measured;
        within(
            "measured",
            0.0 <= from && from < to && to <= 1.0,
            "two shares from 0 to 1, the lower one first",
        )?;
        within("groups", (1..=MOST_GROUPS).contains(&self.groups.len()), "1 to 32")?;
        within("faults", self.faults.len() <= MOST_FAULTS, "at most 1000")?;
        within("targets", self.targets.len() <= MOST_TARGETS, "at most 100")?;
        within("tracker.peers", self.tracker.peers > 0, "at least 1")?;
        within("tracker.interval", self.tracker.interval.0 >= Duration::from_secs(1), "at least 1 s")?;
        let peers: u64 = self.groups.values().map(|group| u64::from(group.count)).sum();
        within("groups", peers <= MOST_PEERS, "at most 100,000 peers in all of them together")?;
        self.network.check(peers)?;
        let blocks = (self.content.size.0 / u64::from(sprat_wire::BLOCK_LENGTH)).saturating_mul(peers);
        within(
            "groups",
            blocks <= MOST_BLOCKS,
            "fewer peers or less content: at most 200,000,000 blocks for all",
        )?;
        for (name, group) in &self.groups {
            check_group(name, group)?;
        }
        for (number, fault) in self.faults.iter().enumerate() {
            let known = fault.group().is_none_or(|group| self.groups.contains_key(group));
            within(&format!("faults[{number}].group"), known, "there is no such group")?;
        }
        Ok(())
    }

    fn check_content(&self) -> Result<(), String> {
        let (size, piece) = (self.content.size.0, self.content.piece_length.0);
        if !piece.is_power_of_two() || !(16 << 10..=64 << 20).contains(&piece) {
            return Err("content.piece-length: a power of two from 16 KiB to 64 MiB".to_owned());
        }
        if size == 0 || size > MOST_CONTENT || size.div_ceil(piece) > MOST_PIECES {
            return Err("content.size: more than nothing, at most 4 GiB and 65,536 pieces".to_owned());
        }
        Ok(())
    }
}

fn check_group(name: &str, group: &GroupSetup) -> Result<(), String> {
    let wrong = |field: &str, text: &str| Err(format!("groups.{name}.{field}: {text}"));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 32 || !name.chars().all(plain) {
        return Err(format!(
            "groups.{name}: a name is made of small letters, digits and hyphens, 32 at most"
        ));
    }
    if group.upload.0 == 0 {
        return wrong("upload", "more than nothing; who gives nothing is a free-rider");
    }
    if group.download.0 == 0 {
        return wrong("download", "more than nothing");
    }
    if group.one_subnet && group.count > MOST_OF_SUBNET {
        return wrong("count", "at most 254 peers live in one subnet");
    }
    if group.latency.0 > Duration::from_secs(10) {
        return wrong("latency", "at most 10 s");
    }
    match &group.arrive {
        Arrival::Recorded(times) if times.len() != group.count as usize => {
            return wrong("arrive", &format!("{} times for {} peers", times.len(), group.count));
        }
        Arrival::Poisson { peers: 0, .. } => return wrong("arrive.poisson.peers", "at least 1"),
        _ => {}
    }
    if group.session.connections == Some(0) || group.session.max_slots == Some(0) {
        return wrong("session", "no connections or slots, no swarm");
    }
    Ok(())
}

const fn everybody() -> [f64; 2] {
    [0.0, 1.0]
}

const fn some_latency() -> Span {
    Span(Duration::from_millis(20))
}

const fn some_disk_latency() -> Span {
    Span(Duration::from_millis(2))
}
