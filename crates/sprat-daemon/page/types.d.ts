// What the daemon says, for the type checker alone: nothing of this is served.

type TorrentState =
  | 'stopped' | 'queued' | 'fetching_metadata' | 'checking' | 'downloading' | 'seeding' | 'moving' | 'trouble';

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
  download_limit?: number;
  upload_limit?: number;
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

interface LabelDetails { name: string; directory?: string | null; torrents: number }

interface Space { directory: string; free: number; total: number }

interface Setting {
  key: string;
  documentation: string;
  value: unknown;
  default: unknown;
  origin: string;
  change: 'at_once' | 'at_restart' | 'in_file';
}
