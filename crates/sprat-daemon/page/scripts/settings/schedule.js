// When the alternative rates are on: windows of the week.

import { el } from '../dom.js';
import { icon } from '../icons.js';
import { several } from './several.js';

/** @typedef {{ days: string[], from: string, until: string }} Span */

/** As the daemon calls them, short, and whole. @type {[string, string, string][]} */
const DAYS = [['mon', 'Mo', 'Monday'], ['tue', 'Tu', 'Tuesday'], ['wed', 'We', 'Wednesday'], ['thu', 'Th', 'Thursday'], ['fri', 'Fr', 'Friday'], ['sat', 'Sa', 'Saturday'], ['sun', 'Su', 'Sunday']];

/**
 * @param {Span[]} spans
 * @returns {import('./editors.js').Editor}
 */
export function schedule(spans) {
  return several(spans, (span, remove) => entry(span ?? { days: [], from: '08:00', until: '18:00' }, remove), 'Add a time');
}

/**
 * @param {Span} span
 * @param {() => void} remove
 */
function entry({ days, from, until }, remove) {
  const boxes = DAYS.map(([value, short, name]) => ({
    short, box: el('input', { type: 'checkbox', value, 'aria-label': name, title: name, checked: days.length === 0 || days.includes(value) }),
  }));
  const [begin, end] = [el('input', { type: 'time', value: from, 'aria-label': 'From', required: true }), el('input', { type: 'time', value: until, 'aria-label': 'Until', required: true })];
  const element = el('div', { class: 'window' },
    el('div', { class: 'days', role: 'group', 'aria-label': 'Days' }, ...boxes.map(({ short, box }) => el('label', {}, box, el('span', { 'aria-hidden': 'true' }, short)))),
    begin, el('span', {}, '–'), end,
    el('button', { type: 'button', class: 'quiet changes', 'aria-label': 'Remove this time', onclick: remove }, icon('close')));
  const read = () => {
    const chosen = boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
    if (chosen.length === 0) throw new Error('Choose a day, or remove the time.');
    if (begin.value === '' || end.value === '') throw new Error('Say from when until when.');
    // No day is every day.
    return { days: chosen.length === DAYS.length ? [] : chosen, from: begin.value, until: end.value };
  };
  return { element, read };
}
