// A menu that opens at a button or a pointer: arrows move, Enter chooses, Escape closes.

import { el } from './dom.js';
import { icon } from './icons.js';

/**
 * @typedef {{ label: string, icon?: string, run: () => void, isDangerous?: boolean, isTicked?: boolean, keys?: string } | null} Entry
 *   `null` is a line between two groups.
 */

/** @type {(() => void) | null} */
let closeOpen = null;

/**
 * @param {Entry[]} entries
 * @param {{ x: number, y: number } | HTMLElement} where
 * @param {string} label
 */
export function open(entries, where, label) {
  closeOpen?.();
  const before = document.activeElement;
  const items = entries.map((entry) => {
    if (entry === null) return el('li', { role: 'separator' });
    const item = el('li', {
      role: entry.isTicked === undefined ? 'menuitem' : 'menuitemcheckbox',
      tabIndex: -1,
      class: entry.isDangerous ? 'dangerous' : '',
      ...(entry.isTicked === undefined ? {} : { 'aria-checked': String(entry.isTicked) }),
      onclick: () => {
        close();
        entry.run();
      },
    }, icon(entry.isTicked === undefined ? (entry.icon ?? '') : entry.isTicked ? 'check' : ''), el('span', {}, entry.label),
    entry.keys ? el('kbd', {}, entry.keys) : null);
    return item;
  });
  const menu = el('ul', { class: 'menu', role: 'menu', 'aria-label': label }, ...items);
  const choices = items.filter((item) => item.getAttribute('role') !== 'separator');
  const focus = (/** @type {number} */ at) => choices[(at + choices.length) % choices.length]?.focus();
  menu.addEventListener('keydown', (event) => {
    const at = choices.findIndex((item) => item === document.activeElement);
    if (event.key === 'ArrowDown') focus(at + 1);
    else if (event.key === 'ArrowUp') focus(at - 1);
    else if (event.key === 'Home') focus(0);
    else if (event.key === 'End') focus(-1);
    else if (event.key === 'Enter' || event.key === ' ') choices[at]?.click();
    else if (event.key === 'Escape' || event.key === 'Tab') close();
    else {
      const letter = event.key.toLowerCase();
      const next = [...choices.slice(at + 1), ...choices].find((item) => item.textContent?.toLowerCase().startsWith(letter));
      next?.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  });
  const outside = (/** @type {Event} */ event) => {
    if (!(event.target instanceof Node && menu.contains(event.target))) close();
  };
  const close = () => {
    if (closeOpen !== close) return;
    closeOpen = null;
    menu.remove();
    document.removeEventListener('pointerdown', outside, true);
    if (where instanceof HTMLElement) where.setAttribute('aria-expanded', 'false');
    if (before instanceof HTMLElement) before.focus();
  };
  closeOpen = close;
  document.addEventListener('pointerdown', outside, true);
  document.body.append(menu);
  const at = where instanceof HTMLElement ? where.getBoundingClientRect() : null;
  if (where instanceof HTMLElement) where.setAttribute('aria-expanded', 'true');
  const { width, height } = menu.getBoundingClientRect();
  const x = at ? at.left : /** @type {{ x: number }} */ (where).x;
  const y = at ? at.bottom + 4 : /** @type {{ y: number }} */ (where).y;
  menu.style.left = `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(y, innerHeight - height - 8))}px`;
  focus(0);
}
