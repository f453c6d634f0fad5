// What can be changed of torrents, with a question before it: their removal, place, label, tags, name and limits.

import * as api from './api.js';
import { field, show, tick } from './dialog.js';
import { el } from './dom.js';
import * as format from './format.js';

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
      for (const torrent of torrents) {
        await api.post(api.of(torrent.hash, '/move'), { directory: directory.value, is_there: there.input.checked });
      }
    },
  });
}

/**
 * @param {Torrent[]} torrents
 * @param {string[]} known Labels that there are.
 */
export function label(torrents, known) {
  const input = el('input', { type: 'text', value: torrents[0]?.label ?? '', 'data-first': '', list: 'known-labels', maxLength: 200 });
  const tags = el('input', { type: 'text', value: torrents.length === 1 ? (torrents[0]?.tags ?? []).join(', ') : '' });
  show({
    title: torrents.length === 1 ? 'Label and tags' : `Label ${format.count(torrents.length, 'torrent')}`,
    body: [
      names(torrents),
      field('Label', input, 'A label has its own directory and limits. Empty: none.'),
      el('datalist', { id: 'known-labels' }, ...known.map((name) => el('option', { value: name }))),
      field('Tags', tags, torrents.length === 1 ? 'Words, with commas between.' : 'Words, with commas between; these are added.'),
    ],
    confirm: 'Set',
    submit: async () => {
      const words = split(tags.value);
      for (const torrent of torrents) {
        const all = torrents.length === 1 ? words : [...new Set([...torrent.tags, ...words])];
        await api.patch(api.of(torrent.hash), { label: input.value.trim() || null, tags: all });
      }
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

/** @param {Torrent[]} torrents */
export function limits(torrents) {
  const first = torrents[0];
  const number = (/** @type {number | undefined} */ value) => el('input', {
    type: 'number', min: '0', step: '1', inputMode: 'numeric', placeholder: 'no limit', value: value ? String(Math.round(value / 1024)) : '',
  });
  const [down, up] = [number(first?.download_limit), number(first?.upload_limit)];
  const inOrder = tick('Fetch pieces in order', first?.sequential ?? false, 'For watching while it downloads; slower for everybody else.');
  down.setAttribute('data-first', '');
  const bytes = (/** @type {HTMLInputElement} */ input) => (input.value.trim() === '' ? null : Math.max(0, Math.round(Number(input.value) * 1024)));
  show({
    title: torrents.length === 1 ? 'Limits' : `Limits of ${format.count(torrents.length, 'torrent')}`,
    body: [names(torrents), field('Download, KiB/s', down), field('Upload, KiB/s', up), inOrder.box],
    confirm: 'Set',
    submit: async () => {
      for (const torrent of torrents) {
        await api.patch(api.of(torrent.hash), { download_limit: bytes(down), upload_limit: bytes(up), sequential: inOrder.input.checked });
      }
    },
  });
}

/** Words with commas between. @param {string} text */
export function split(text) {
  return [...new Set(text.split(',').map((word) => word.trim()).filter(Boolean))];
}
