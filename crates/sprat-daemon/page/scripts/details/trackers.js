// Whom a torrent asks for peers, what they say, and which they are.

import * as api from '../api.js';
import { field, show } from '../dialog.js';
import { el } from '../dom.js';
import * as format from '../format.js';
import { Table } from './table.js';

/** @type {Record<TrackerDetails['state'], string>} */
const WORDS = { idle: 'Not asked', updating: 'Asking', working: 'Working', failed: 'Failed' };

export class TrackersTab {
  /** @param {(error: unknown) => void} failed */
  constructor(failed) {
    this.name = 'Trackers';
    this.failed = failed;
    /** @type {string | null} */
    this.hash = null;
    /** @type {TrackerDetails[]} */
    this.trackers = [];
    /** @type {Table<TrackerDetails>} */
    this.table = new Table('Trackers', [
      { name: 'Tier', text: (one) => String(one.tier + 1), isNumber: true },
      { name: 'Address', text: (one) => one.url },
      { name: 'State', text: (one) => WORDS[one.state] + (one.error ? `: ${one.error}` : ''), title: (one) => one.error ?? '' },
      { name: 'Seeds', text: (one) => (one.seeders === null ? '' : String(one.seeders)), isNumber: true },
      { name: 'Leechers', text: (one) => (one.leechers === null ? '' : String(one.leechers)), isNumber: true },
      { name: 'Next in', text: (one) => format.duration(one.next_announce), isNumber: true },
    ], (one) => `${one.tier} ${one.url}`);
    this.webSeeds = el('div', { class: 'web-seeds', hidden: true });
    this.element = el('div', {}, this.table.empty, el('div', { class: 'scroll' }, this.table.table),
      el('div', { class: 'buttons changes' },
        el('button', { type: 'button', onclick: () => void this.reannounce() }, 'Ask now'),
        el('button', { type: 'button', onclick: () => this.edit() }, 'Change…')),
      this.webSeeds);
  }

  clear() {
    this.table.clear();
    this.trackers = [];
  }

  /** @param {string} hash */
  async load(hash) {
    this.hash = hash;
    /** @type {[TrackerDetails[], TorrentDetails]} */
    const [trackers, { web_seeds: servers }] = await Promise.all([api.get(api.of(hash, '/trackers')), api.get(api.of(hash))]);
    return () => {
      this.webSeeds.hidden = servers.length === 0;
      this.webSeeds.replaceChildren(el('h3', { class: 'part' }, 'Servers that have it as well'), el('ul', {}, ...servers.map((server) => el('li', {}, server))));
      this.trackers = trackers;
      // A hybrid torrent has each twice, once for each of its swarms.
      const seen = new Map(trackers.map((one) => [`${one.tier} ${one.url}`, one]));
      this.table.show([...seen.values()], 'It has no trackers: peers are found by other means.');
    };
  }

  async reannounce() {
    try {
      await api.post('/torrents/act', { torrents: [this.hash], action: 'reannounce' });
    } catch (error) {
      this.failed(error);
    }
  }

  edit() {
    const { hash } = this;
    if (hash === null) return;
    /** @type {Map<number, Set<string>>} */
    const tiers = new Map();
    for (const one of this.trackers) tiers.set(one.tier, (tiers.get(one.tier) ?? new Set()).add(one.url));
    const text = [...tiers.values()].map((urls) => [...urls].join('\n')).join('\n\n');
    const input = el('textarea', { rows: 8, value: text, spellcheck: false, 'data-first': '' });
    show({
      title: 'Trackers',
      isWide: true,
      body: [field('Addresses', input, 'One on each line; an empty line begins the next tier, which is asked when nobody of the one before answers.')],
      confirm: 'Set',
      submit: () => api.put(api.of(hash, '/trackers'), {
        tiers: input.value.split(/\n\s*\n/).map((tier) => tier.split('\n').map((line) => line.trim()).filter(Boolean)).filter((tier) => tier.length > 0),
      }),
    });
  }
}
