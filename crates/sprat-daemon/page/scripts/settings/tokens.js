// Tokens for programs and for people who may look only. A token is shown once, when it is made.

import { mayChange } from '../access.js';
import { note } from '../alerts.js';
import * as api from '../api.js';
import { copy } from '../clipboard.js';
import { field, show } from '../dialog.js';
import { el } from '../dom.js';
import * as format from '../format.js';
import { icon } from '../icons.js';
import { askToRemove } from '../removal.js';

/** @type {Record<TokenDetails['access'], string>} */
const MAY = { full: 'may do everything', read_only: 'may look only' };

/** @returns {Promise<import('../settings.js').Pane | null>} None where tokens are arranged elsewhere. */
export async function tokensPane() {
  if (!mayChange()) return null;
  const list = el('ul', { class: 'entries' });
  const update = async () => {
    /** @type {TokenDetails[]} */
    const tokens = await api.get('/tokens');
    list.replaceChildren(...tokens.map((token) => entry(token, update)));
  };
  await update();
  return {
    name: 'Tokens',
    element: el('section', { class: 'settings' }, el('h3', {}, 'Tokens'),
      el('p', { class: 'hint' }, 'Give each program and each person a token of their own, so that it can be taken away from one alone.'),
      list, el('div', { class: 'buttons' }, el('button', { type: 'button', onclick: () => ask(update) }, icon('add'), 'New token'))),
  };
}

/**
 * @param {TokenDetails} token
 * @param {() => Promise<void>} update
 */
function entry(token, update) {
  const isOwners = token.id === 'owner';
  const made = Date.parse(token.created) / 1000;
  const about = [MAY[token.access], isOwners ? 'made at the first start' : made > 0 ? `made on ${format.day(made)}` : '', token.last_used_at ? `last used ${format.date(token.last_used_at)}` : ''].filter(Boolean).join(' · ');
  return el('li', {}, icon('key'), el('div', {}, el('b', {}, token.name), el('p', { class: 'hint' }, about)),
    !isOwners && el('button', { type: 'button', onclick: () => revoke(token, update), 'aria-label': `Revoke ${token.name}` }, 'Revoke…'));
}

/** @param {() => Promise<void>} update */
function ask(update) {
  const name = el('input', { type: 'text', maxLength: 64, 'data-first': '', spellcheck: false, placeholder: 'living room' });
  const access = el('select', {}, el('option', { value: 'full' }, 'May do everything'), el('option', { value: 'read_only' }, 'May look only'));
  show({
    title: 'New token',
    body: [field('For whom', name), field('Access', access)],
    confirm: 'Make',
    submit: async () => {
      /** @type {{ token: string }} */
      const { token } = await api.post('/tokens', { name: name.value.trim(), access: access.value });
      await update();
      queueMicrotask(() => reveal(name.value.trim(), token));
    },
  });
}

/**
 * @param {string} name
 * @param {string} token
 */
function reveal(name, token) {
  const box = el('input', { type: 'text', value: token, readOnly: true, spellcheck: false, class: 'token' });
  show({
    title: `The token for ${name}`,
    body: [field('Token', box, 'It is shown this once: the daemon keeps only a fingerprint of it.'),
      el('div', { class: 'buttons' }, el('button', { type: 'button', 'data-first': '', onclick: () => void copy(token, 'The token', note) }, 'Copy'))],
  });
}

/**
 * @param {TokenDetails} token
 * @param {() => Promise<void>} update
 */
function revoke(token, update) {
  askToRemove({
    title: `Revoke the token for ${token.name}?`,
    outcome: 'Whoever uses it is out at once, and so is every browser that has logged in with it.',
    confirm: 'Revoke',
    path: `/tokens/${encodeURIComponent(token.id)}`,
  }, update);
}
