// The last lines of the daemon's log, as they are written.

import * as api from './api.js';
import { show } from './dialog.js';
import { el } from './dom.js';
import * as format from './format.js';

/** Looked at so often. */
const EVERY = 2000;

/** Lines that are shown. */
const LINES = 500;

/** @type {[LogEntry['level'], string][]} */
const LEVELS = [['error', 'Errors'], ['warn', 'Warnings too'], ['info', 'What happens too'], ['debug', 'What explains a fault too'], ['trace', 'Everything']];

export async function open() {
  const level = el('select', { 'data-first': '' }, ...LEVELS.map(([value, name]) => el('option', { value }, name)));
  level.value = 'info';
  const list = el('ul', { class: 'log' });
  const problem = el('p', { class: 'error', hidden: true });
  let next = 0;
  /** @type {number | undefined} */
  let timer;
  const update = async () => {
    const shown = level.value;
    try {
      /** @type {{ entries: LogEntry[], next: number }} */
      const answer = await api.get(`/log?${new URLSearchParams({ level: shown, since: String(next), limit: String(LINES) })}`);
      // Meanwhile somebody has wished for others.
      if (shown !== level.value) return;
      next = answer.next;
      // The newest first.
      list.prepend(...answer.entries.reverse().map((entry) => el('li', { class: entry.level === 'error' || entry.level === 'warn' ? 'bad' : '' },
        el('time', {}, format.date(entry.at)), el('span', {}, entry.message))));
      while (list.childElementCount > LINES) list.lastElementChild?.remove();
      problem.hidden = true;
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
      problem.hidden = false;
    }
    if (list.isConnected) timer = window.setTimeout(() => void update(), EVERY);
  };
  level.addEventListener('change', () => {
    clearTimeout(timer);
    next = 0;
    list.replaceChildren();
    void update();
  });
  show({
    title: 'Log',
    isWide: true,
    body: [el('label', { class: 'narrow-choice' }, 'Show ', level), problem, list],
    closed: () => clearTimeout(timer),
  });
  await update();
}
