// What the daemon says, for the type checker alone: nothing of this is served.

type TorrentState =
  | 'stopped' | 'queued' | 'fetching_metadata' | 'checking' | 'downloading' | 'seeding' | 'moving' | 'trouble';

/** A limit of its own, none, or that of whoever it belongs to. */
type SeedingLimit = 'inherit' | 'unlimited' | { limit: number };

/** When a torrent has given enough: sent for each byte of its content, and seconds. */
interface SeedingLimits { ratio: SeedingLimit; seconds: SeedingLimit; idle_seconds: SeedingLimit }

interface Trouble { kind: string; text: string; remedy: string }

/** A torrent as it stands in the list. Rates are bytes per second, progress is in thousandths. */
interface Torrent {
  hash: string;
  name: string;
  state: TorrentState;
  trouble?: Trouble;
  progress: number;
  size: number;
  wanted: number;
  left: number;
  downloaded: number;
  uploaded: number;
  ratio: number;
  download_rate: number;
  upload_rate: number;
  eta?: number | null;
  peers: number;
  seeds: number;
  known_peers: number;
  availability?: number;
  label?: string | null;
  tags: string[];
  directory: string;
  added_at: number;
  completed_at?: number;
  active_at?: number;
  position: number;
  is_forced: boolean;
  is_complete: boolean;
  is_private: boolean;
  has_metadata: boolean;
  sequential: boolean;
  first_last?: boolean;
  super_seeding?: boolean;
  connection_limit?: number;
  download_limit?: number;
  upload_limit?: number;
  seeding: SeedingLimits;
  has_given_enough: boolean;
  origin: string;
  /** The name in lower case, for searching; added by the page. */
  key?: string;
}

interface TorrentDetails extends Torrent {
  info_hash_v1: string | null;
  info_hash_v2: string | null;
  magnet: string;
  comment: string | null;
  created_by: string | null;
  created_at: number | null;
  piece_length: number;
  pieces: number;
  pieces_have: number;
  files: number;
  web_seeds: string[];
  moving_to: string | null;
  wasted: number;
  seeding_seconds: number;
  active_seconds: number;
  upload_is_bottleneck: boolean;
}

type Priority = 'skip' | 'low' | 'normal' | 'high';

interface FileDetails { index: number; path: string; size: number; have: number; priority: Priority }

interface PeerDetails {
  address: string;
  source: 'user' | 'lsd' | 'incoming' | 'tracker' | 'pex' | 'dht' | null;
  client: string;
  is_incoming: boolean;
  progress: number;
  choking: boolean;
  choked: boolean;
  interested: boolean;
  wanted: boolean;
  snubbed: boolean;
  downloaded: number;
  uploaded: number;
  download_rate: number;
  upload_rate: number;
}

interface TrackerDetails {
  url: string;
  tier: number;
  state: 'idle' | 'updating' | 'working' | 'failed';
  error: string | null;
  failures: number;
  seeders: number | null;
  leechers: number | null;
  next_announce: number | null;
}

interface Pieces { count: number; have: string }

interface ListPage { cursor: string; full?: boolean; gone?: string[]; torrents: Torrent[] }

interface Happening {
  at: number;
  hash?: string;
  name?: string;
  event: string;
  kind?: string;
  text?: string;
  remedy?: string;
  directory?: string;
  reason?: string;
  feed?: string;
  rule?: string;
  title?: string;
}

interface Inspected {
  hash: string;
  name: string;
  version: string | null;
  size: number;
  piece_length: number;
  is_private: boolean;
  comment: string | null;
  files: { index: number; path: string; size: number }[];
  is_known: boolean;
}

interface LabelDetails { name: string; directory: string | null; seeding: SeedingLimits; torrents: number }

interface TokenDetails { id: string; name: string; access: 'full' | 'read_only'; created: string; last_used_at?: number | null }

interface Counts { downloaded: number; uploaded: number; added: number; completed: number; seconds: number; starts: number }

interface Statistics { session: Counts; all: Counts; download_rate: number; upload_rate: number; peers: number; torrents: number }

interface Space { directory: string; free: number; total: number }

interface Setting {
  key: string;
  documentation: string;
  value: unknown;
  default: unknown;
  origin: 'default' | 'file' | 'api';
  change: 'at_once' | 'at_restart' | 'in_file';
}

interface FeedDetails {
  name: string;
  url: string;
  interval_secs: number | null;
  paused: boolean;
  title: string | null;
  fetched_at: number | null;
  error: string | null;
  failures: number;
  next_fetch_secs: number | null;
  items: number;
}

interface FeedItem {
  key: string;
  title: string;
  source: string | null;
  page: string | null;
  published_at: number | null;
  size: number | null;
  is_taken: boolean;
  failure: string | null;
}

interface Rule {
  enabled: boolean;
  feeds: string[];
  notation: 'words' | 'regex';
  must_contain: string;
  must_not_contain: string;
  episodes: string;
  each_episode_once: boolean;
  ignore_days: number;
  add: { label: string | null; tags: string[]; save_path: string | null; paused: boolean };
}

interface RuleDetails extends Rule { name: string; last_match: { at: number; title: string } | null }

interface JudgedItem { feed: string; key: string; title: string; would_be_taken: boolean; is_taken: boolean; rejection: string | null }

interface LogEntry { number: number; at: number; level: 'error' | 'warn' | 'info' | 'debug' | 'trace'; target: string; message: string }

interface TraceLine { at: number; peer?: string; way: 'in' | 'out' | 'here'; text: string; lost?: number }
