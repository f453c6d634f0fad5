// What can be changed of torrents, with a question before it: their removal, place, label, tags, name and limits.

import * as api from './api.js';
import { field, show, tick } from './dialog.js';
import { el } from './dom.js';
import * as format from './format.js';
import { readRate, writeRate } from './quantity.js';
import * as seeding from './seeding.js';

/** Names that a question lists; of more it says how many. */
const NAMED = 6;

/** @param {Torrent[]} torrents */
const hashes = (torrents) => torrents.map((torrent) => torrent.hash);

/** @param {Torrent[]} torrents */
function names(torrents) {
  const list = el('ul', { class: 'names-list' }, ...torrents.slice(0, NAMED).map((torrent) =>
    el('li', {}, el('span', {}, torrent.name), el('small', {}, format.size(torrent.size)))));
  if (torrents.length > NAMED) list.append(el('li', {}, `and ${format.count(torrents.length - NAMED, 'more', 'more')}`));
  return list;
}

/** @param {Torrent[]} torrents */
export function remove(torrents) {
  const bytes = torrents.reduce((sum, torrent) => sum + Math.max(0, torrent.wanted - torrent.left), 0);
  const choice = (/** @type {boolean} */ isDelete, /** @type {string} */ text, /** @type {string} */ hint) => {
    const input = el('input', { type: 'radio', name: 'files', value: isDelete ? 'delete' : 'keep', checked: !isDelete });
    return { input, box: el('label', { class: 'tick' }, input, el('span', {}, text, el('small', {}, hint))) };
  };
  const keep = choice(false, 'Keep the files', 'Only the entry in the list goes.');
  const gone = choice(true, `Delete the files (${format.size(bytes)})`,
    'Those that sprat has made and no other torrent uses. They cannot be brought back.');
  keep.input.setAttribute('data-first', '');
  const what = torrents.length === 1 ? 'this torrent' : format.count(torrents.length, 'torrent');
  const { dialog, button } = show({
    title: `Remove ${what}?`,
    body: [names(torrents), el('fieldset', {}, el('legend', {}, torrents.length === 1 ? 'Its files' : 'Their files'), keep.box, gone.box)],
    confirm: 'Remove',
    isDangerous: true,
    submit: () => api.post('/torrents/remove', { torrents: hashes(torrents), delete_files: gone.input.checked }),
  });
  dialog.addEventListener('change', () => {
    if (button) button.textContent = gone.input.checked ? 'Remove and delete files' : 'Remove';
  });
}

/**
 * @param {Torrent[]} torrents
 * @param {boolean} [isThere] Somebody else has put the files elsewhere.
 */
export function move(torrents, isThere = false) {
  const directory = el('input', { type: 'text', value: torrents[0]?.directory ?? '', 'data-first': '', required: true, spellcheck: false });
  const there = tick('The files are there already', isThere, 'sprat takes them up where they are, instead of moving them.');
  const room = el('p', { class: 'hint' });
  /** @type {number | undefined} */
  let timer;
  const ask = async () => {
    try {
      /** @type {Space} */
      const space = await api.get(`/space?directory=${encodeURIComponent(directory.value)}`);
      room.textContent = `${format.size(space.free)} free there.`;
    } catch (error) {
      room.textContent = error instanceof Error ? error.message : '';
    }
  };
  directory.addEventListener('input', () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => void ask(), 300);
  });
  void ask();
  show({
    title: torrents.length === 1 ? 'Move this torrent' : `Move ${format.count(torrents.length, 'torrent')}`,
    body: [names(torrents), field('Directory', directory), room, there.box],
    confirm: 'Move',
    submit: async () => {
      await api.each(torrents, (torrent) => api.post(api.of(torrent.hash, '/move'), { directory: directory.value, is_there: there.input.checked }));
    },
  });
}

/**
 * @param {Torrent[]} torrents
 * @param {string[]} known Labels that there are.
 */
export function label(torrents, known) {
  const isOne = torrents.length === 1;
  const same = common(torrents, (one) => one.label ?? '');
  const input = el('input', { type: 'text', defaultValue: same ?? '', 'data-first': '', list: 'known-labels', maxLength: 200, placeholder: same === undefined ? 'not the same' : 'none' });
  const all = [...new Set(torrents.flatMap((torrent) => torrent.tags))].sort();
  const boxes = all.map((name) => {
    const value = common(torrents, (one) => one.tags.includes(name));
    const { input: box, box: element } = tick(name, value ?? false);
    box.indeterminate = value === undefined;
    return { name, box, element };
  });
  const tags = el('input', { type: 'text' });
  show({
    title: isOne ? 'Label and tags' : `Label and tags of ${format.count(torrents.length, 'torrent')}`,
    body: [
      names(torrents),
      field('Label', input, 'A label has its own directory and limits (Settings, Labels).'),
      el('datalist', { id: 'known-labels' }, ...known.map((name) => el('option', { value: name }))),
      boxes.length > 0 ? el('fieldset', {}, el('legend', {}, 'Tags'), el('div', { class: 'inline' }, ...boxes.map((one) => one.element))) : null,
      field('Add tags', tags, 'Words, with commas between.'),
    ],
    confirm: 'Set',
    submit: async () => {
      const said = boxes.filter(({ box }) => !box.indeterminate);
      const named = (/** @type {boolean} */ is) => said.filter(({ box }) => box.checked === is).map(({ name }) => name);
      const words = split(tags.value);
      await changeAll(torrents, {
        add_tags: [...named(true), ...words],
        remove_tags: named(false).filter((name) => !words.includes(name)),
        ...(isChanged(input) ? { label: input.value.trim() || null } : {}),
      });
    },
  });
}

/** @param {Torrent} torrent */
export function rename(torrent) {
  const input = el('input', { type: 'text', value: torrent.name, 'data-first': '', maxLength: 250 });
  show({
    title: 'Rename',
    body: [field('Name in the list', input, 'Files keep their names. Empty: the name that the torrent gives itself.')],
    confirm: 'Rename',
    submit: () => api.patch(api.of(torrent.hash), { name: input.value }),
  });
}

/**
 * Limits, and in which order pieces come. Of several torrents only what is said anew is changed.
 * @param {Torrent[]} torrents
 */
export async function limits(torrents) {
  const rate = (/** @type {number | null | undefined} */ value) => el('input', {
    type: 'text', spellcheck: false, defaultValue: value ? writeRate(value) : '', placeholder: value === undefined ? 'not the same' : 'no limit',
  });
  const [down, up] = [rate(common(torrents, (one) => one.download_limit ?? null)), rate(common(torrents, (one) => one.upload_limit ?? null))];
  down.setAttribute('data-first', '');
  const same = common(torrents, (one) => JSON.stringify(one.seeding));
  const enough = seeding.fields(same === undefined ? undefined : JSON.parse(same), 'what its label or the settings say');
  const orders = orderFields(torrents);
  const most = common(torrents, (one) => one.connection_limit ?? null);
  const connections = el('input', {
    type: 'number', min: '1', step: '1', defaultValue: most ? String(most) : '', placeholder: most === undefined ? 'not the same' : 'as many as any',
  });
  show({
    title: torrents.length === 1 ? 'Limits' : `Limits of ${format.count(torrents.length, 'torrent')}`,
    body: [
      names(torrents),
      el('div', { class: 'halves' }, field('Download', down, 'Such as 500 KiB/s or 2 MiB/s.'), field('Upload', up), field('Connections', connections)),
      enough.element,
      el('div', { class: 'ticks' }, ...orders.map((one) => one.box)),
    ],
    confirm: 'Set',
    submit: async () => {
      const change = {
        ...(isChanged(down) ? { download_limit: readRate(down.value) } : {}),
        ...(isChanged(up) ? { upload_limit: readRate(up.value) } : {}),
        ...(isChanged(connections) ? { connection_limit: connections.value.trim() === '' ? null : Number(connections.value) } : {}),
        ...(enough.isTouched() ? { seeding: enough.read() } : {}),
        ...Object.fromEntries(orders.filter((one) => one.isTouched()).map((one) => [one.key, one.input.checked])),
      };
      await changeAll(torrents, change);
    },
  });
}

/** @type {{ key: 'sequential' | 'first_last' | 'super_seeding', name: string, hint: string }[]} */
const ORDERS = [
  { key: 'sequential', name: 'Fetch pieces in order', hint: 'For watching while it downloads; slower for everybody else.' },
  { key: 'first_last', name: 'First and last pieces first', hint: 'A player finds there what it needs to begin.' },
  { key: 'super_seeding', name: 'Super-seed', hint: 'For the only seed of a new torrent: gives each piece to as few as possible.' },
];

/** @param {Torrent[]} torrents */
function orderFields(torrents) {
  return ORDERS.map(({ key, name, hint }) => {
    const value = common(torrents, (one) => one[key] ?? false);
    const { input, box } = tick(name, value ?? false, hint);
    input.indeterminate = value === undefined;
    let isTouched = false;
    input.addEventListener('change', () => {
      isTouched = true;
    });
    return { key, input, box, isTouched: () => isTouched };
  });
}

/** Whether somebody has written something else. @param {HTMLInputElement} input Made with a `defaultValue`. */
function isChanged(input) {
  return input.value !== input.defaultValue;
}

/**
 * Changes all of them, or if one is gone, none.
 * @param {Torrent[]} torrents
 * @param {Record<string, unknown>} change
 */
async function changeAll(torrents, change) {
  if (Object.keys(change).length > 0) await api.patch('/torrents', { torrents: hashes(torrents), change });
}

/**
 * What all of them have; undefined if they differ.
 * @template T
 * @param {Torrent[]} torrents
 * @param {(torrent: Torrent) => T} value
 * @returns {T | undefined}
 */
function common(torrents, value) {
  const [first, ...others] = torrents;
  const said = first && value(first);
  return others.every((one) => value(one) === said) ? said : undefined;
}

/** Words with commas between. @param {string} text */
export function split(text) {
  return [...new Set(text.split(',').map((word) => word.trim()).filter(Boolean))];
}
