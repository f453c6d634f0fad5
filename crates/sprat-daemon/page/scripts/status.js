// The line below: how fast all of it goes, how many there are, and whether the daemon answers.

import { el, setText } from './dom.js';
import * as format from './format.js';
import { icon } from './icons.js';

/**
 * @typedef {object} Totals
 * @property {number} download
 * @property {number} upload
 * @property {number} shown
 * @property {number} all
 * @property {number} selected
 * @property {boolean} isLost Nobody answers any more.
 */

export class Status {
  /**
   * @param {HTMLElement} element
   * @param {() => void} limit Somebody wants the rates to be limited.
   */
  constructor(element, limit) {
    this.down = el('span', {});
    this.up = el('span', {});
    this.count = el('span', { class: 'chosen' });
    this.connection = el('span', { class: 'connection', role: 'status' });
    element.append(
      el('button', { type: 'button', class: 'quiet rates', id: 'speeds', title: 'Speed limits', 'aria-haspopup': 'dialog', onclick: limit },
        el('span', { class: 'rate down' }, icon('down'), el('span', { class: 'hidden' }, 'Received: '), this.down),
        el('span', { class: 'rate up' }, icon('up'), el('span', { class: 'hidden' }, 'Sent: '), this.up)),
      this.count, this.connection);
  }

  /** @param {Totals} totals */
  show({ download, upload, shown, all, selected, isLost }) {
    const [down, up] = [`${format.size(download)}/s`, `${format.size(upload)}/s`];
    setText(this.down, down);
    setText(this.up, up);
    const torrents = format.count(all, 'torrent');
    const parts = [shown === all ? torrents : `${shown.toLocaleString('en')} of ${torrents}`];
    if (selected > 0) parts.push(`${selected.toLocaleString('en')} selected`);
    setText(this.count, parts.join(' · '));
    setText(this.connection, isLost ? 'Not connected: trying again…' : '');
    document.title = download + upload > 0 ? `↓ ${down} ↑ ${up} – sprat` : 'sprat';
  }
}
