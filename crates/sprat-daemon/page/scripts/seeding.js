// When a torrent has given enough: the fields in which that is said, of a torrent or of a label.

import { el } from './dom.js';
import * as quantity from './quantity.js';

/** @type {Record<keyof SeedingLimits, { name: string, example: string, write: (value: number) => string, read: (text: string) => number }>} */
const KINDS = {
  ratio: { name: 'Ratio', example: '2.0', write: String, read: readRatio },
  seconds: { name: 'Time as a seeder', example: '14 d', write: quantity.writeSpan, read: quantity.readSpan },
  idle_seconds: { name: 'Time in which nobody takes anything', example: '2 d', write: quantity.writeSpan, read: quantity.readSpan },
};

/** @param {string} text */
function readRatio(text) {
  const value = Number(text.trim().replace(',', '.'));
  if (text.trim() === '' || !(value >= 0 && value <= 1_000_000)) throw new Error(`“${text.trim()}” is no ratio. Write it as 1.5.`);
  return value;
}

/**
 * @param {SeedingLimits | undefined} limits What is so now; none where several say different things.
 * @param {string} usual What holds if nothing is said here.
 * @returns {{ element: HTMLElement, isTouched: () => boolean, read: () => SeedingLimits }}
 */
export function fields(limits, usual) {
  let isTouched = false;
  const parts = /** @type {(keyof SeedingLimits)[]} */ (Object.keys(KINDS)).map((key) => {
    const { name, example, write, read } = KINDS[key];
    const limit = limits?.[key] ?? 'inherit';
    const number = typeof limit === 'object' ? limit.limit : null;
    const choice = el('select', { 'aria-label': name },
      el('option', { value: 'inherit' }, 'As usual'), el('option', { value: 'unlimited' }, 'No limit'), el('option', { value: 'limit' }, 'Until'));
    choice.value = typeof limit === 'object' ? 'limit' : limit;
    const input = el('input', { type: 'text', value: number === null ? '' : write(number), placeholder: example, 'aria-label': `${name}, until`, spellcheck: false });
    const show = () => {
      input.hidden = choice.value !== 'limit';
    };
    show();
    choice.addEventListener('change', () => {
      show();
      if (!input.hidden) input.focus();
    });
    return {
      key,
      element: el('div', { class: 'until' }, el('span', {}, name), choice, input),
      read: () => (choice.value === 'limit' ? { limit: read(input.value) } : /** @type {'inherit' | 'unlimited'} */ (choice.value)),
    };
  });
  const element = el('fieldset', {}, el('legend', {}, 'It has given enough after'), ...parts.map((part) => part.element),
    el('p', { class: 'hint' }, `As usual is ${usual}.`));
  element.addEventListener('input', () => {
    isTouched = true;
  });
  return {
    element,
    isTouched: () => isTouched,
    read: () => /** @type {SeedingLimits} */ (/** @type {unknown} */ (Object.fromEntries(parts.map((part) => [part.key, part.read()])))),
  };
}

/**
 * In words; nothing if nothing is said.
 * @param {SeedingLimits} limits
 */
export function words(limits) {
  return /** @type {(keyof SeedingLimits)[]} */ (Object.keys(KINDS)).flatMap((key) => {
    const limit = limits[key];
    if (limit === 'inherit') return [];
    const { name, write } = KINDS[key];
    return [limit === 'unlimited' ? `${name.toLowerCase()}: no limit` : `${name.toLowerCase()} ${write(limit.limit)}`];
  }).join(', ');
}
