// How fast all of it goes, and what was counted: since the daemon was started, and since ever.

import * as api from './api.js';
import { show } from './dialog.js';
import { el, setText } from './dom.js';
import * as format from './format.js';
import { Graph } from './graph.js';

/** @type {[string, (counts: Counts) => string][]} */
const COUNTED = [
  ['Downloaded', (counts) => format.size(counts.downloaded)],
  ['Uploaded', (counts) => format.size(counts.uploaded)],
  ['Ratio', (counts) => (counts.downloaded > 0 ? format.ratio(counts.uploaded / counts.downloaded) : '')],
  ['Torrents added', (counts) => counts.added.toLocaleString('en')],
  ['Torrents completed', (counts) => counts.completed.toLocaleString('en')],
  ['Running for', (counts) => format.duration(counts.seconds)],
  ['Starts', (counts) => counts.starts.toLocaleString('en')],
];

/** @param {import('./history.js').History} history */
export async function open(history) {
  const graph = new Graph({ label: 'Speed of all torrents' });
  const cells = COUNTED.map(([name]) => ({ name, session: el('td', { class: 'number' }), all: el('td', { class: 'number' }) }));
  const now = el('p', { class: 'hint' });
  const update = async () => {
    graph.draw(history.total);
    /** @type {Statistics} */
    const { session, all, peers, torrents } = await api.get('/statistics');
    setText(now, `${format.count(torrents, 'torrent')}, ${format.count(peers, 'peer')} connected`);
    COUNTED.forEach(([, text], at) => {
      const cell = cells[at];
      if (!cell) return;
      setText(cell.session, text(session));
      setText(cell.all, text(all));
    });
  };
  // Until it is closed; what fails is tried again, and the list says already that nobody answers.
  const timer = setInterval(() => void update().catch(() => {}), 1000);
  show({
    title: 'Statistics',
    isWide: true,
    body: [
      el('div', { class: 'speed tall' }, graph.canvas,
        el('p', { class: 'hint legend' }, el('span', { class: 'key-down' }, 'Down'), el('span', { class: 'key-up' }, 'Up'), 'for ten minutes at the most, since this page was opened')),
      el('table', { 'aria-label': 'What was counted' },
        el('thead', {}, el('tr', {}, el('th', {}, el('span', { class: 'hidden' }, 'What')), el('th', { scope: 'col', class: 'number' }, 'Since the start'), el('th', { scope: 'col', class: 'number' }, 'In all'))),
        el('tbody', {}, ...cells.map(({ name, session, all }) => el('tr', {}, el('th', { scope: 'row' }, name), session, all)))),
      now,
    ],
    closed: () => clearInterval(timer),
  });
  await update();
}
