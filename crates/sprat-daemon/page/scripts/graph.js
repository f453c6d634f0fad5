// Rates over time, on a canvas. The colours are those of the page.

import { el } from './dom.js';
import * as format from './format.js';
import { colour } from './theme.js';

export class Graph {
  /** @param {{ label: string, seconds?: number, isPlain?: boolean }} how */
  constructor({ label, seconds = 600, isPlain = false }) {
    this.seconds = seconds;
    this.isPlain = isPlain;
    this.label = label;
    this.canvas = el('canvas', { class: 'graph', role: 'img', 'aria-label': label });
  }

  /** @param {import('./history.js').Sample[]} samples */
  draw(samples) {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (width === 0 || height === 0) return;
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext('2d');
    if (!context) return;
    context.scale(scale, scale);
    const shown = samples.slice(-this.seconds);
    // It grows with what there is to be shown, from a minute on.
    const span = Math.max(60, shown.length);
    const most = nice(Math.max(1024, ...shown.map((one) => Math.max(one.download, one.upload))));
    const left = this.isPlain ? 0 : 70;
    const bottom = this.isPlain ? height - 1 : height - 20;
    const top = this.isPlain ? 2 : 10;
    const x = (/** @type {number} */ at) => width - ((shown.length - 1 - at) / (span - 1)) * (width - left);
    const y = (/** @type {number} */ value) => bottom - (value / most) * (bottom - top);
    if (!this.isPlain) this.axes(context, { width, left, top, bottom, most, span });
    for (const [key, name] of /** @type {['download' | 'upload', string][]} */ ([['upload', 'up'], ['download', 'down']])) {
      if (shown.every((one) => one[key] === 0)) continue;
      const paint = colour(name);
      context.beginPath();
      shown.forEach((one, at) => (at === 0 ? context.moveTo(x(at), y(one[key])) : context.lineTo(x(at), y(one[key]))));
      context.lineWidth = 1.6;
      context.lineJoin = 'round';
      context.strokeStyle = paint;
      context.stroke();
      if (shown.length > 1) {
        context.lineTo(width, bottom);
        context.lineTo(x(0), bottom);
        context.globalAlpha = 0.13;
        context.fillStyle = paint;
        context.fill();
        context.globalAlpha = 1;
      }
    }
    const last = shown.at(-1);
    canvas.setAttribute('aria-label', `${this.label}: now ${format.size(last?.download ?? 0)}/s down, ${format.size(last?.upload ?? 0)}/s up`);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {{ width: number, left: number, top: number, bottom: number, most: number, span: number }} box
   */
  axes(context, { width, left, top, bottom, most, span }) {
    context.font = '11px system-ui, sans-serif';
    context.fillStyle = colour('soft');
    context.strokeStyle = colour('line');
    context.lineWidth = 1;
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    for (const part of [0, 0.5, 1]) {
      const y = Math.round(bottom - part * (bottom - top)) + 0.5;
      context.beginPath();
      context.moveTo(left, y);
      context.lineTo(width, y);
      context.stroke();
      context.fillText(part === 0 ? '0' : `${format.size(most * part)}/s`, left - 8, y);
    }
    context.textBaseline = 'alphabetic';
    context.textAlign = 'left';
    context.fillText(`${format.duration(span)} ago`, left, bottom + 15);
    context.textAlign = 'right';
    context.fillText('now', width, bottom + 15);
  }
}

/**
 * A round number that is not smaller, in binary units.
 * @param {number} value
 */
function nice(value) {
  const unit = 1024 ** Math.floor(Math.log(value) / Math.log(1024));
  const steps = [1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400, 600, 800, 1024];
  return unit * (steps.find((step) => step * unit >= value) ?? 1024);
}
