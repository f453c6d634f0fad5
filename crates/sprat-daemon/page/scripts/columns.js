// What the list shows of a torrent, and how wide.

import * as format from './format.js';
import { recall, remember } from './theme.js';

/**
 * @typedef {object} Column
 * @property {string} id
 * @property {string} label
 * @property {string} sort By which field.
 * @property {string} width Of a CSS grid.
 * @property {(torrent: Torrent) => string} text
 * @property {boolean} [isNumber]
 * @property {boolean} [isHidden] Unless somebody wants it.
 */

/** @type {Column[]} */
export const COLUMNS = [
  { id: 'name', label: 'Name', sort: 'name', width: 'minmax(200px, 1fr)', text: (one) => one.name },
  { id: 'progress', label: 'Progress', sort: 'progress', width: '140px', text: progress },
  { id: 'size', label: 'Size', sort: 'size', width: '82px', isNumber: true, text: (one) => (one.has_metadata ? format.size(one.size) : '') },
  { id: 'down', label: 'Down', sort: 'download_rate', width: '100px', isNumber: true, text: (one) => format.rate(one.download_rate) },
  { id: 'up', label: 'Up', sort: 'upload_rate', width: '100px', isNumber: true, text: (one) => format.rate(one.upload_rate) },
  { id: 'eta', label: 'Left', sort: 'eta', width: '96px', isNumber: true, text: (one) => format.duration(one.eta) },
  { id: 'peers', label: 'Peers', sort: 'peers', width: '66px', isNumber: true, text: (one) => (one.peers > 0 ? `${one.peers}` : '') },
  { id: 'ratio', label: 'Ratio', sort: 'ratio', width: '62px', isNumber: true, text: (one) => format.ratio(one.ratio) },
  { id: 'label', label: 'Label', sort: 'label', width: '110px', text: (one) => one.label ?? '' },
  { id: 'added', label: 'Added', sort: 'added_at', width: '116px', isHidden: true, text: (one) => format.day(one.added_at) },
  { id: 'queue', label: 'Queue', sort: 'position', width: '62px', isNumber: true, isHidden: true, text: (one) => `${one.position + 1}` },
  { id: 'uploaded', label: 'Uploaded', sort: 'uploaded', width: '86px', isNumber: true, isHidden: true, text: (one) => format.size(one.uploaded) },
  { id: 'downloaded', label: 'Downloaded', sort: 'downloaded', width: '96px', isNumber: true, isHidden: true, text: (one) => format.size(one.downloaded) },
  { id: 'completed', label: 'Completed', sort: 'completed_at', width: '116px', isHidden: true, text: (one) => format.day(one.completed_at) },
  { id: 'directory', label: 'Directory', sort: 'name', width: '200px', isHidden: true, text: (one) => one.directory },
];

/**
 * In words what the bar shows.
 * @param {Torrent} torrent
 */
export function progress(torrent) {
  const done = format.percent(torrent.progress);
  switch (torrent.state) {
    case 'seeding':
      return torrent.is_forced ? 'Seeding, forced' : 'Seeding';
    case 'downloading':
      return torrent.download_rate > 0 || torrent.peers > 0 ? done : `${done}, no peers`;
    case 'stopped':
      return torrent.has_given_enough ? 'Has given enough' : torrent.is_complete ? 'Complete, stopped' : `${done}, stopped`;
    case 'queued':
      return torrent.is_complete ? 'Complete, queued' : `${done}, queued`;
    case 'fetching_metadata':
      return 'Finding metadata';
    case 'checking':
      return `Checking ${done}`;
    case 'moving':
      return 'Moving files';
    default:
      return 'Needs attention';
  }
}

const KEY = 'sprat.columns';

/** Which are shown. */
export function shown() {
  const chosen = recall(KEY)?.split(',');
  return COLUMNS.filter((column) => (chosen ? column.id === 'name' || chosen.includes(column.id) : !column.isHidden));
}

/** @param {string} id */
export function toggle(id) {
  const now = shown().map((column) => column.id);
  remember(KEY, (now.includes(id) ? now.filter((one) => one !== id) : [...now, id]).join(','));
}
