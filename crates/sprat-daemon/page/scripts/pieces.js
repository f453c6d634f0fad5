// Which pieces there are, on a canvas: one strip, in which a column is as many pieces as it must be.

import { decode, shares } from './bits.js';
import { el } from './dom.js';
import * as format from './format.js';
import { colour } from './theme.js';

export class PiecesMap {
  constructor() {
    this.canvas = el('canvas', { class: 'pieces', role: 'img', 'aria-label': 'Pieces' });
  }

  /** @param {Pieces} pieces */
  draw(pieces) {
    const { canvas } = this;
    const width = Math.round(canvas.clientWidth * (devicePixelRatio || 1));
    const height = Math.round(canvas.clientHeight * (devicePixelRatio || 1));
    const context = canvas.getContext('2d');
    if (!context || width === 0) return;
    canvas.width = width;
    canvas.height = height;
    const bits = decode(pieces.have);
    const parts = Math.max(1, Math.min(width, pieces.count));
    context.fillStyle = colour('track');
    context.fillRect(0, 0, width, height);
    context.fillStyle = colour('accent');
    let have = 0;
    shares(bits, pieces.count, parts).forEach((share, part) => {
      if (share === 0) return;
      have += share;
      context.globalAlpha = 0.25 + 0.75 * share;
      const from = Math.floor((part * width) / parts);
      const to = Math.floor(((part + 1) * width) / parts);
      // A hair between pieces while there is room for it.
      const gap = to - from > 5 ? 1 : 0;
      context.fillRect(from, 0, to - from - gap, height);
    });
    context.globalAlpha = 1;
    const done = format.percent(pieces.count === 0 ? 0 : Math.floor((have / parts) * 1000));
    canvas.setAttribute('aria-label', `Pieces: ${done} of ${pieces.count} are there`);
  }
}
