// What this browser alone is told: how the page looks, and where magnet links lead.

import { note } from '../alerts.js';
import { el } from '../dom.js';
import * as theme from '../theme.js';

/** @returns {import('../settings.js').Pane} */
export function browserPane() {
  const look = el('select', { id: 'browser-look' }, el('option', { value: '' }, 'As the system says'), el('option', { value: 'light' }, 'Light'), el('option', { value: 'dark' }, 'Dark'));
  look.value = theme.chosen() ?? '';
  look.addEventListener('change', () => theme.choose(look.value === 'light' || look.value === 'dark' ? look.value : null));
  const canRegister = 'registerProtocolHandler' in navigator;
  const magnets = el('button', { type: 'button', id: 'browser-magnets', disabled: !canRegister, onclick: () => {
    navigator.registerProtocolHandler('magnet', `${location.origin}/#add=%s`);
    note('The browser asks whether magnet links are to be opened here.');
  } }, 'Open them here');
  return {
    name: 'This browser',
    element: el('section', { class: 'settings' }, el('h3', {}, 'This browser'),
      el('div', { class: 'setting' }, el('div', {}, el('label', { for: look.id }, 'Colours'), el('p', { class: 'hint' }, 'Kept in this browser.')), look),
      el('div', { class: 'setting' }, el('div', {}, el('label', { for: magnets.id }, 'Magnet links'),
        el('p', { class: 'hint' }, canRegister ? 'Has this browser bring magnet links of other pages here; each is shown before it is added.' : 'This browser lets a page have them only over TLS or on the same machine.')), magnets)),
  };
}
