// A list of which rows can be added and removed.

import { el } from '../dom.js';
import { icon } from '../icons.js';

/**
 * @template T
 * @param {T[]} values
 * @param {(value: T | null, remove: () => void) => { element: HTMLElement, read: () => T }} make A row, of a new value if there is none.
 * @param {string} more What the button says that adds one.
 * @returns {import('./editors.js').Editor}
 */
export function several(values, make, more) {
  const list = el('div', { class: 'rows-of' });
  /** @type {Map<HTMLElement, () => T>} */
  const rows = new Map();
  const changed = () => element.dispatchEvent(new Event('change', { bubbles: true }));
  const add = (/** @type {T | null} */ value) => {
    const row = make(value, () => {
      rows.delete(row.element);
      row.element.remove();
      changed();
    });
    rows.set(row.element, row.read);
    list.append(row.element);
  };
  const element = el('div', { class: 'several' }, list, el('button', { type: 'button', class: 'changes', onclick: () => {
    add(null);
    changed();
  } }, icon('add'), more));
  values.forEach(add);
  return { element, read: () => [...rows.values()].map((read) => read()) };
}
