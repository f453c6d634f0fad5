// How fast a torrent went since the page was opened.

import { el } from '../dom.js';
import { Graph } from '../graph.js';

export class SpeedTab {
  /** @param {import('../history.js').History} history */
  constructor(history) {
    this.name = 'Speed';
    this.history = history;
    this.graph = new Graph({ label: 'Speed of this torrent' });
    this.element = el('div', { class: 'speed' }, this.graph.canvas,
      el('p', { class: 'hint legend' }, el('span', { class: 'key-down' }, 'Down'), el('span', { class: 'key-up' }, 'Up'), 'for ten minutes at the most, since this page was opened'));
  }

  clear() {
    this.graph.draw([]);
  }

  /** @param {Torrent} torrent */
  update(torrent) {
    this.graph.draw(this.history.get(torrent.hash));
  }

  /** @param {string} hash */
  async load(hash) {
    return async () => this.graph.draw(this.history.get(hash));
  }
}
