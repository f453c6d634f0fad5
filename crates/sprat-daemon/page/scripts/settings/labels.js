// Labels: where the files of their torrents lie, and when these have given enough.

import { mayChange } from '../access.js';
import * as api from '../api.js';
import { field, show } from '../dialog.js';
import { el } from '../dom.js';
import * as format from '../format.js';
import { icon } from '../icons.js';
import { askToRemove } from '../removal.js';
import * as seeding from '../seeding.js';

/** @returns {Promise<import('../settings.js').Pane>} */
export async function labelsPane() {
  const list = el('ul', { class: 'entries' });
  const update = async () => {
    /** @type {LabelDetails[]} */
    const labels = await api.get('/labels');
    list.replaceChildren(...labels.map((label) => entry(label, update)));
    if (labels.length === 0) list.append(el('li', { class: 'hint' }, 'There are none yet.'));
  };
  await update();
  return {
    name: 'Labels',
    element: el('section', { class: 'settings' }, el('h3', {}, 'Labels'),
      el('p', { class: 'hint' }, 'A torrent has one label at the most. New torrents of it go to its directory, and all of them have its limits unless they have their own.'),
      list, el('div', { class: 'buttons changes' }, el('button', { type: 'button', onclick: () => ask(null, update) }, icon('add'), 'New label'))),
  };
}

/**
 * @param {LabelDetails} label
 * @param {() => Promise<void>} update
 */
function entry(label, update) {
  const about = [format.count(label.torrents, 'torrent'), label.directory ?? '', seeding.words(label.seeding)].filter(Boolean).join(' · ');
  return el('li', {}, icon('tag'), el('div', {}, el('b', {}, label.name), el('p', { class: 'hint' }, about)),
    mayChange() && el('button', { type: 'button', onclick: () => ask(label, update), 'aria-label': `Change ${label.name}` }, 'Change…'),
    mayChange() && el('button', { type: 'button', class: 'quiet', onclick: () => remove(label, update), 'aria-label': `Remove ${label.name}`, title: 'Remove' }, icon('remove')));
}

/**
 * @param {LabelDetails | null} label
 * @param {() => Promise<void>} update
 */
function ask(label, update) {
  const name = el('input', { type: 'text', value: label?.name ?? '', disabled: label !== null, maxLength: 200, spellcheck: false });
  const directory = el('input', { type: 'text', value: label?.directory ?? '', spellcheck: false });
  const limits = seeding.fields(label?.seeding, 'what the settings say');
  (label ? directory : name).setAttribute('data-first', '');
  show({
    title: label ? 'Label' : 'New label',
    body: [
      field('Name', name),
      field('Directory', directory, 'Where files of new torrents go; below the usual directory unless it begins with a slash. Empty: the usual one.'),
      limits.element,
    ],
    confirm: label ? 'Set' : 'Make',
    submit: async () => {
      await api.put(`/labels/${encodeURIComponent(name.value.trim())}`, { directory: directory.value.trim() || null, seeding: limits.read() });
      await update();
    },
  });
}

/**
 * @param {LabelDetails} label
 * @param {() => Promise<void>} update
 */
function remove(label, update) {
  askToRemove({
    title: `Remove the label ${label.name}?`,
    outcome: label.torrents === 0 ? 'No torrent has it.' : `${format.count(label.torrents, 'torrent loses', 'torrents lose')} it. Their files stay where they are.`,
    path: `/labels/${encodeURIComponent(label.name)}`,
  }, update);
}
