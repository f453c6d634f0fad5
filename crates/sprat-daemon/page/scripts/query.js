// Which torrents are shown, and in which order. Pure.

/**
 * @typedef {'all' | 'active' | 'complete' | 'incomplete' | TorrentState} Group
 * @typedef {{ group: Group, label: string | null, tag: string | null, text: string }} Filter `label` '' is those without.
 * @typedef {{ by: string, descending: boolean }} Order
 */

/** @type {Group[]} */
export const GROUPS = [
  'all', 'active', 'downloading', 'seeding', 'complete', 'incomplete', 'fetching_metadata', 'checking', 'moving',
  'queued', 'stopped', 'trouble',
];

/** @returns {Filter} */
export function everything() {
  return { group: 'all', label: null, tag: null, text: '' };
}

/**
 * @param {Torrent} torrent
 * @param {Group} group
 */
export function isIn(torrent, group) {
  switch (group) {
    case 'all':
      return true;
    case 'active':
      return torrent.download_rate > 0 || torrent.upload_rate > 0;
    case 'complete':
      return torrent.is_complete;
    case 'incomplete':
      return !torrent.is_complete;
    default:
      return torrent.state === group;
  }
}

/**
 * How many torrents there are in each group, label and tag.
 * @param {Iterable<Torrent>} torrents
 */
export function counts(torrents) {
  /** @type {Map<Group, number>} */
  const groups = new Map(GROUPS.map((group) => [group, 0]));
  /** @type {Map<string, number>} */
  const labels = new Map();
  /** @type {Map<string, number>} */
  const tags = new Map();
  /**
   * @template K
   * @param {Map<K, number>} map
   * @param {K} key
   */
  const add = (map, key) => map.set(key, (map.get(key) ?? 0) + 1);
  for (const torrent of torrents) {
    add(groups, 'all');
    add(groups, torrent.state);
    add(groups, torrent.is_complete ? 'complete' : 'incomplete');
    if (isIn(torrent, 'active')) add(groups, 'active');
    add(labels, torrent.label ?? '');
    for (const tag of torrent.tags) add(tags, tag);
  }
  return { groups, labels, tags };
}

const names = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** In which order states are: what a person may have to see to comes first. */
const STATE_ORDER = ['trouble', 'downloading', 'fetching_metadata', 'checking', 'moving', 'queued', 'seeding', 'stopped'];

/** @type {Record<string, (torrent: Torrent) => number | string>} What is missing is the least, or the last. */
const KEYS = {
  position: (one) => one.position,
  state: (one) => STATE_ORDER.indexOf(one.state),
  size: (one) => one.size,
  progress: (one) => one.progress,
  download_rate: (one) => one.download_rate,
  upload_rate: (one) => one.upload_rate,
  downloaded: (one) => one.downloaded,
  uploaded: (one) => one.uploaded,
  ratio: (one) => one.ratio,
  eta: (one) => one.eta ?? Number.MAX_SAFE_INTEGER,
  peers: (one) => one.peers,
  label: (one) => one.label ?? '\uffff',
  added_at: (one) => one.added_at,
  completed_at: (one) => one.completed_at ?? 0,
};

/** Names that were compared before; a name's place does not change while it is called the same. */
/** @type {{ known: Map<string, number>, size: number }} */
let ranks = { known: new Map(), size: 0 };

/**
 * The place of each name among all, so that thousands of comparisons a second are comparisons of numbers.
 * @param {Torrent[]} torrents
 */
function rank(torrents) {
  if (torrents.every((torrent) => ranks.known.has(torrent.name)) && ranks.size <= 2 * torrents.length + 100) return ranks.known;
  const distinct = [...new Set(torrents.map((torrent) => torrent.name))].sort(names.compare);
  ranks = { known: new Map(distinct.map((name, at) => [name, at])), size: distinct.length };
  return ranks.known;
}

/**
 * Those that are to be seen, in order.
 * @param {Torrent[]} torrents
 * @param {Filter} filter
 * @param {Order} order
 */
export function arrange(torrents, filter, order) {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = torrents.filter((torrent) => {
    if (!isIn(torrent, filter.group)) return false;
    if (filter.label !== null && (torrent.label ?? '') !== filter.label) return false;
    if (filter.tag !== null && !torrent.tags.includes(filter.tag)) return false;
    const key = torrent.key ?? torrent.name.toLowerCase();
    return words.every((word) => key.includes(word) || torrent.hash.startsWith(word));
  });
  const sign = order.descending ? -1 : 1;
  if (order.by === 'name') {
    const places = rank(torrents);
    const place = (/** @type {Torrent} */ one) => places.get(one.name) ?? 0;
    return found.sort((one, other) => sign * (place(one) - place(other)) || one.position - other.position);
  }
  const key = (Object.hasOwn(KEYS, order.by) ? KEYS[order.by] : undefined) ?? ((/** @type {Torrent} */ one) => one.position);
  return found.sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    return a < b ? -sign : a > b ? sign : one.position - other.position || (one.hash < other.hash ? -1 : 1);
  });
}
