// Who a torrent is connected to, and what goes on between.

import * as api from '../api.js';
import { field, show } from '../dialog.js';
import { el } from '../dom.js';
import * as format from '../format.js';
import { Table } from './table.js';

/** @type {[string, string, (peer: PeerDetails) => boolean][]} */
const FLAGS = [
  ['D', 'gives us blocks', (peer) => peer.interested && !peer.choked],
  ['d', 'has what we want, but gives us nothing', (peer) => peer.interested && peer.choked],
  ['U', 'is given blocks', (peer) => peer.wanted && !peer.choking],
  ['u', 'wants something, but is given nothing', (peer) => peer.wanted && peer.choking],
  ['S', 'owes us blocks and does not deliver', (peer) => peer.snubbed],
  ['I', 'has called us', (peer) => peer.is_incoming],
];

/** @type {Record<NonNullable<PeerDetails['source']>, string>} By whom a peer is known. */
const SOURCES = {
  user: 'You named it', lsd: 'Found on the local network', incoming: 'It has called us', tracker: 'A tracker named it', pex: 'Another peer named it', dht: 'Found in the DHT',
};

/** @param {PeerDetails} peer */
const flags = (peer) => FLAGS.filter(([, , is]) => is(peer));

export class PeersTab {
  constructor() {
    this.name = 'Peers';
    /** @type {Table<PeerDetails>} */
    this.table = new Table('Peers', [
      { name: 'Address', text: (peer) => peer.address, title: (peer) => (peer.source ? SOURCES[peer.source] : '') },
      { name: 'Program', text: (peer) => peer.client },
      { name: 'Has', text: (peer) => format.percent(peer.progress), isNumber: true },
      { name: 'Flags', text: (peer) => flags(peer).map(([flag]) => flag).join(' '), title: (peer) => flags(peer).map(([flag, words]) => `${flag}: ${words}`).join('\n') },
      { name: 'Down', text: (peer) => format.rate(peer.download_rate), isNumber: true },
      { name: 'Up', text: (peer) => format.rate(peer.upload_rate), isNumber: true },
      { name: 'Received', text: (peer) => format.size(peer.downloaded), isNumber: true },
      { name: 'Sent', text: (peer) => format.size(peer.uploaded), isNumber: true },
    ], (peer) => peer.address);
    /** @type {string | null} */
    this.hash = null;
    this.element = el('div', {}, this.table.empty, el('div', { class: 'scroll' }, this.table.table),
      el('p', { class: 'hint legend' }, ...FLAGS.flatMap(([flag, words], at) => [el('b', {}, flag), ` ${words}${at < FLAGS.length - 1 ? '; ' : ''}`])),
      el('div', { class: 'buttons changes' }, el('button', { type: 'button', onclick: () => this.add() }, 'Name a peer…')));
  }

  clear() {
    this.table.clear();
  }

  /** @param {string} hash */
  async load(hash) {
    this.hash = hash;
    /** @type {PeerDetails[]} */
    const peers = await api.get(api.of(hash, '/peers'));
    peers.sort((a, b) => b.download_rate + b.upload_rate - a.download_rate - a.upload_rate || (a.address < b.address ? -1 : 1));
    return () => this.table.show(peers, 'No peers are connected.');
  }

  add() {
    const { hash } = this;
    if (hash === null) return;
    const input = el('textarea', { rows: 4, spellcheck: false, 'data-first': '', placeholder: '192.0.2.7:6881' });
    show({
      title: 'Name peers',
      body: [field('Addresses with ports', input, 'One on each line. They are called at once.')],
      confirm: 'Call',
      submit: () => api.post(api.of(hash, '/peers'), { addresses: input.value.split(/[\s,]+/).filter(Boolean) }),
    });
  }
}
