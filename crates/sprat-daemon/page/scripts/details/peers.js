// Who a torrent is connected to, and what goes on between.

import * as api from '../api.js';
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

/** @param {PeerDetails} peer */
const flags = (peer) => FLAGS.filter(([, , is]) => is(peer));

export class PeersTab {
  constructor() {
    this.name = 'Peers';
    /** @type {Table<PeerDetails>} */
    this.table = new Table('Peers', [
      { name: 'Address', text: (peer) => peer.address },
      { name: 'Program', text: (peer) => peer.client },
      { name: 'Has', text: (peer) => format.percent(peer.progress), isNumber: true },
      { name: 'Flags', text: (peer) => flags(peer).map(([flag]) => flag).join(' '), title: (peer) => flags(peer).map(([flag, words]) => `${flag}: ${words}`).join('\n') },
      { name: 'Down', text: (peer) => format.rate(peer.download_rate), isNumber: true },
      { name: 'Up', text: (peer) => format.rate(peer.upload_rate), isNumber: true },
      { name: 'Received', text: (peer) => format.size(peer.downloaded), isNumber: true },
      { name: 'Sent', text: (peer) => format.size(peer.uploaded), isNumber: true },
    ], (peer) => peer.address);
    this.element = el('div', {}, this.table.empty, el('div', { class: 'scroll' }, this.table.table),
      el('p', { class: 'hint legend' }, ...FLAGS.flatMap(([flag, words], at) => [el('b', {}, flag), ` ${words}${at < FLAGS.length - 1 ? '; ' : ''}`])));
  }

  clear() {
    this.table.clear();
  }

  /** @param {string} hash */
  async load(hash) {
    /** @type {PeerDetails[]} */
    const peers = await api.get(api.of(hash, '/peers'));
    peers.sort((a, b) => b.download_rate + b.upload_rate - a.download_rate - a.upload_rate || (a.address < b.address ? -1 : 1));
    return () => this.table.show(peers, 'No peers are connected.');
  }
}
