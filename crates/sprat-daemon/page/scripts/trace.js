// What one torrent does from now on, line by line: to find out why it does not do what it should.

import * as api from './api.js';
import { show } from './dialog.js';
import { el } from './dom.js';

/** Lines that are shown; older ones go. */
const LINES = 500;

/** A full-speed transfer says thousands of lines a second: they are written down so often. */
const EVERY = 250;

/** @type {Record<TraceLine['way'], [sign: string, meaning: string]>} */
const WAYS = { in: ['←', 'received'], out: ['→', 'sent'], here: ['·', 'here'] };

/** @param {Torrent} torrent */
export function open(torrent) {
  const list = el('ol', { class: 'trace', tabIndex: 0, 'aria-label': 'Lines, the newest first', reversed: true });
  const state = el('p', { class: 'hint', role: 'status' }, 'Waiting for something to happen…');
  /** @type {TraceLine[]} */
  let waiting = [];
  const source = new EventSource(api.BASE + api.of(torrent.hash, '/trace'));
  source.addEventListener('line', (event) => {
    waiting.push(JSON.parse(event.data));
    if (waiting.length > LINES) waiting.shift();
  });
  source.addEventListener('error', () => {
    // It would begin anew by itself, with what was before forgotten.
    source.close();
    state.textContent = 'The trace has ended: the torrent is gone, the daemon does not answer, or too many look.';
  });
  const timer = setInterval(() => {
    if (waiting.length === 0) return;
    list.prepend(...waiting.reverse().map(line));
    waiting = [];
    while (list.childElementCount > LINES) list.lastElementChild?.remove();
    if (source.readyState !== EventSource.CLOSED) state.textContent = 'The newest first. Nothing is kept when this is closed.';
  }, EVERY);
  show({
    title: `What ${torrent.name} does`,
    isWide: true,
    body: [state, list],
    closed: () => {
      clearInterval(timer);
      source.close();
    },
  });
}

/** @param {TraceLine} line */
function line({ at, peer, way, text, lost = 0 }) {
  const [sign, meaning] = WAYS[way];
  return el('li', {}, el('time', {}, at.toFixed(3)), el('span', { title: meaning, 'aria-label': meaning, role: 'img' }, sign), el('span', {}, peer ?? ''),
    el('span', {}, text, lost > 0 ? ` (${lost} lines before it were lost)` : ''));
}
