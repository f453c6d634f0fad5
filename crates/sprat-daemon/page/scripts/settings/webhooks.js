// Whom to tell of what happens. Addresses and secrets are shown by nobody, so they can only be said anew, all of them.

import { el } from '../dom.js';
import * as format from '../format.js';
import { icon } from '../icons.js';
import { several } from './several.js';

/** @typedef {{ url: string, events: string[], secret?: string }} Webhook */

const EVENTS = [['added', 'added'], ['metadata', 'metadata found'], ['finished', 'complete'], ['removed', 'removed'], ['trouble', 'in trouble']];

/**
 * @param {Webhook[]} webhooks As the daemon shows them.
 * @returns {import('./editors.js').Editor}
 */
export function webhooks(webhooks) {
  /** @type {Webhook[]} */
  const anew = [];
  const { element, read } = several(anew, (_, remove) => entry(remove), 'Add an address');
  element.prepend(el('p', { class: 'hint' }, webhooks.length === 0 ? 'Nobody is told.'
    : `${format.count(webhooks.length, 'address is', 'addresses are')} told. They may be secret and are not shown: what is said here replaces them all.`));
  return { element, read };
}

/** @param {() => void} remove */
function entry(remove) {
  const url = el('input', { type: 'text', placeholder: 'address (http or https)', 'aria-label': 'Address', spellcheck: false });
  const secret = el('input', { type: 'password', placeholder: 'secret for the signature', 'aria-label': 'Secret for the signature', autocomplete: 'new-password' });
  const boxes = EVENTS.map(([value, name]) => ({ box: el('input', { type: 'checkbox', value, checked: true }), name }));
  const element = el('div', { class: 'webhook' },
    el('div', {}, url, el('button', { type: 'button', class: 'quiet', 'aria-label': 'Remove this address', onclick: remove }, icon('close'))), secret,
    el('div', { class: 'inline', role: 'group', 'aria-label': 'Tell it when a torrent is' }, ...boxes.map(({ box, name }) => el('label', {}, box, ` ${name}`))));
  const read = () => {
    const events = boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
    if (url.value.trim() === '') throw new Error('The address of a webhook is missing.');
    if (events.length === 0) throw new Error('A webhook wants no event: remove it.');
    return { url: url.value.trim(), events: events.length === EVENTS.length ? [] : events, ...(secret.value === '' ? {} : { secret: secret.value }) };
  };
  return { element, read };
}
