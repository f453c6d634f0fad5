// What stands where the list would be, while there is none.

import { el } from './dom.js';
import { icon } from './icons.js';

/** @typedef {'loading' | 'none' | 'filtered' | null} Emptiness */

export class Empty {
  /**
   * @param {HTMLElement} element
   * @param {{ add: () => void, showAll: () => void }} from
   */
  constructor(element, from) {
    this.element = element;
    this.from = from;
    /** @type {Emptiness | undefined} */
    this.kind = undefined;
  }

  /** @param {Emptiness} kind */
  show(kind) {
    if (kind === this.kind) return;
    this.kind = kind;
    this.element.hidden = kind === null;
    this.element.replaceChildren(...this.content(kind));
  }

  /**
   * @param {Emptiness} kind
   * @returns {HTMLElement[]}
   */
  content(kind) {
    switch (kind) {
      case 'none':
        return [el('img', { src: '/icon.svg', alt: '', width: 72, height: 72 }), el('h2', {}, 'No torrents yet'),
          el('p', { class: 'changes' }, 'Paste a magnet link, drop a torrent file here, or choose one.'),
          el('button', { type: 'button', class: 'primary changes', onclick: this.from.add }, icon('add'), 'Add torrents')];
      case 'filtered':
        return [el('h2', {}, 'Nothing matches'), el('p', {}, 'No torrent is like this.'), el('button', { type: 'button', onclick: this.from.showAll }, 'Show all')];
      case 'loading':
        return [el('p', {}, 'Asking the daemon…')];
      default:
        return [];
    }
  }
}
