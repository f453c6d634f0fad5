// What a torrent is and how it does, with the map of its pieces.

import * as api from '../api.js';
import { el, setText } from '../dom.js';
import * as format from '../format.js';
import { icon } from '../icons.js';
import { PiecesMap } from '../pieces.js';
import { writeRate } from '../quantity.js';
import * as seeding from '../seeding.js';

/** @typedef {[name: string, text: (one: TorrentDetails) => string]} Fact What is not so, has no text and is not shown. */

/** @type {[name: string, Fact[]][]} */
const GROUPS = [
  ['Transfer', [
    ['State', (one) => format.STATES[one.state] + (one.state === 'checking' ? `, ${format.percent(one.progress)}` : '') + (one.is_forced ? ', forced' : '')],
    ['Downloaded', (one) => `${format.size(one.downloaded)}${one.download_rate > 0 ? `, ${format.rate(one.download_rate)}` : ''}`],
    ['Uploaded', (one) => `${format.size(one.uploaded)}${one.upload_rate > 0 ? `, ${format.rate(one.upload_rate)}` : ''}${one.upload_is_bottleneck ? '; others wait for it' : ''}`],
    ['Ratio', (one) => format.ratio(one.ratio)],
    ['Time left', (one) => format.duration(one.eta)],
    ['Peers', (one) => `${one.peers} connected, ${one.seeds} of them complete; ${one.known_peers} known`],
    ['Availability', (one) => (one.availability === undefined ? '' : (one.availability / 1000).toFixed(2))],
    ['Seeding for', (one) => (one.seeding_seconds > 0 ? format.duration(one.seeding_seconds) : '')],
    ['Wasted', (one) => (one.wasted > 0 ? format.size(one.wasted) : '')],
  ]],
  ['Torrent', [
    ['Size', (one) => `${format.size(one.size)}${one.wanted < one.size ? `, ${format.size(one.wanted)} wanted` : ''}`],
    ['Pieces', (one) => (one.pieces > 0 ? `${one.pieces_have.toLocaleString('en')} of ${one.pieces.toLocaleString('en')}, ${format.size(one.piece_length)} each` : '')],
    ['Private', (one) => (one.is_private ? 'Yes: only its own trackers hear of it' : '')],
    ['Comment', (one) => one.comment ?? ''],
    ['Made', (one) => [format.date(one.created_at), one.created_by ? `with ${one.created_by}` : ''].filter(Boolean).join(' ')],
    ['Info-hash', (one) => one.info_hash_v1 ?? ''],
    ['Info-hash, v2', (one) => one.info_hash_v2 ?? ''],
  ]],
  ['Here', [
    ['Directory', (one) => one.directory],
    ['Moving to', (one) => one.moving_to ?? ''],
    ['Label', (one) => one.label ?? ''],
    ['Tags', (one) => one.tags.join(', ')],
    ['Limits', (one) => [
      one.download_limit ? `${writeRate(one.download_limit)} down` : '', one.upload_limit ? `${writeRate(one.upload_limit)} up` : '',
      one.connection_limit ? format.count(one.connection_limit, 'connection') : '', seeding.words(one.seeding),
    ].filter(Boolean).join(', ')],
    ['Order', (one) => [
      one.sequential ? 'pieces in order' : '', one.first_last ? 'first and last pieces first' : '', one.super_seeding ? 'super-seeding' : '',
    ].filter(Boolean).join(', ')],
    ['Added', (one) => format.date(one.added_at)],
    ['Completed', (one) => format.date(one.completed_at)],
    ['Last active', (one) => format.date(one.active_at)],
  ]],
];

const FACTS = GROUPS.flatMap(([, facts]) => facts);

export class OverviewTab {
  constructor() {
    this.name = 'Overview';
    this.pieces = new PiecesMap();
    this.trouble = el('div', { class: 'alert', hidden: true });
    this.percent = el('b', {});
    /** @type {Map<Fact, HTMLElement>} */
    this.values = new Map(FACTS.map((fact) => [fact, el('dd', {})]));
    this.element = el('div', {},
      this.trouble,
      el('div', { class: 'pieces-line' }, this.pieces.canvas, this.percent),
      el('div', { class: 'groups' }, ...GROUPS.map(([name, facts]) => el('section', {}, el('h3', {}, name),
        el('dl', { class: 'facts' }, ...facts.map((fact) => el('div', {}, el('dt', {}, fact[0]), this.values.get(fact))))))));
  }

  clear() {
    for (const value of this.values.values()) setText(value, '');
    this.pieces.canvas.width = 1;
  }

  /** @param {Torrent} torrent */
  update(torrent) {
    setText(this.percent, format.percent(torrent.progress));
    this.trouble.hidden = !torrent.trouble;
    if (torrent.trouble) {
      this.trouble.replaceChildren(icon('warning'), el('div', {}, el('p', {}, torrent.trouble.text), el('p', { class: 'remedy' }, torrent.trouble.remedy)));
    }
  }

  /** @param {string} hash */
  async load(hash) {
    /** @type {[TorrentDetails, Pieces | null]} */
    const [details, pieces] = await Promise.all([
      api.get(api.of(hash)),
      // A magnet link has none yet.
      api.get(api.of(hash, '/pieces')).catch(() => null),
    ]);
    return () => {
      for (const [[, text], value] of this.values) {
        const said = text(details);
        setText(value, said);
        if (value.parentElement) value.parentElement.hidden = said === '';
      }
      this.pieces.canvas.hidden = pieces === null;
      if (pieces) this.pieces.draw(pieces);
    };
  }
}
