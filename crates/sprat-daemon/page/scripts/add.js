// Adding: what was pasted, dropped or chosen is looked into first, and added as somebody wants it.

import { mayChange } from './access.js';
import * as api from './api.js';
import { split } from './changes.js';
import { field, show, tick } from './dialog.js';
import { el } from './dom.js';
import { tree, wanted } from './filetree.js';
import * as format from './format.js';
import { icon } from './icons.js';

/** @typedef {{ file: string } | { magnet: string } | { url: string }} Source */

/** A torrent file that is greater is none. */
const MOST = 32 * 1024 * 1024;

/** Rows of folders and files that are shown at a time: a torrent may have a million. */
const ROWS = 2000;

/**
 * What a text names: a magnet link, the address of a torrent file, or an info-hash alone.
 * @param {string} text
 * @returns {Source[]}
 */
export function sources(text) {
  const found = text.split(/\s+/).map((word) => word.trim()).filter(Boolean);
  return found.flatMap(source);
}

/** @param {string} word @returns {Source[]} */
function source(word) {
  if (/^magnet:\?/i.test(word)) return [{ magnet: word }];
  if (/^[0-9a-f]{40}$/i.test(word)) return [{ magnet: `magnet:?xt=urn:btih:${word}` }];
  if (/^[0-9a-f]{64}$/i.test(word)) return [{ magnet: `magnet:?xt=urn:btmh:1220${word}` }];
  if (/^https?:\/\//i.test(word)) return [{ url: word }];
  return [];
}

/** @param {File} file @returns {Promise<Source>} */
async function read(file) {
  if (file.size > MOST) throw new Error(`${file.name} is too large for a torrent file.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return { file: btoa(text) };
}

/**
 * Asks what is to be added.
 * @param {Context} context
 */
export function ask(context) {
  const text = el('textarea', { rows: 3, 'data-first': '', spellcheck: false, placeholder: 'magnet:?xt=…' });
  const file = el('input', { type: 'file', accept: '.torrent,application/x-bittorrent', multiple: true });
  const { close } = show({
    title: 'Add torrents',
    body: [
      field('Magnet links, info-hashes or addresses', text, 'One on each line. They can also be pasted anywhere on the page.'),
      field('Torrent files', file, 'They can also be dropped anywhere on the page.'),
    ],
    confirm: 'Next',
    submit: async () => {
      const found = sources(text.value);
      const files = [...(file.files ?? [])];
      if (found.length + files.length === 0) throw new Error('Paste a magnet link or choose a torrent file.');
      const all = [...found, ...(await Promise.all(files.map(read)))];
      queueMicrotask(() => void look(all, context));
    },
  });
  file.addEventListener('change', () => {
    if (text.value.trim() !== '' || !file.files?.length) return;
    const files = [...file.files];
    close();
    void addFiles(files, context);
  });
}

/**
 * @typedef {object} Context
 * @property {() => string[]} labels
 * @property {(error: unknown) => void} failed
 * @property {(text: string) => void} done
 * @property {(hash: string) => void} open
 */

/**
 * @param {File[]} files
 * @param {Context} context
 */
export async function addFiles(files, context) {
  try {
    await look(await Promise.all(files.map(read)), context);
  } catch (error) {
    context.failed(error);
  }
}

/** How something is added: what is sent beside its source and its files. @typedef {Record<string, unknown>} Way */

/**
 * Looks into each, one dialog after the other, until somebody wants the others like one.
 * @param {Source[]} found
 * @param {Context} context
 */
export async function look(found, context) {
  /** @type {Way | null} */
  let way = null;
  for (const [at, source] of found.entries()) {
    try {
      if (way) {
        /** @type {{ name: string }} */
        const { name } = await api.post('/torrents', { ...source, ...way });
        context.done(`${name} was added.`);
        continue;
      }
      /** @type {Inspected} */
      const inspected = await api.post('/torrents/inspect', source);
      if (inspected.is_known) {
        context.done(`${inspected.name} is in the list already.`);
        context.open(inspected.hash);
      } else way = await confirm(source, inspected, context, { at, all: found.length });
    } catch (error) {
      context.failed(error);
    }
  }
}

/**
 * @param {Source} source
 * @param {Inspected} inspected
 * @param {Context} context
 * @param {{ at: number, all: number }} place Which of several.
 * @returns {Promise<Way | null>} When the dialog is closed: how the others are to be added, if without asking.
 */
async function confirm(source, inspected, context, { at, all }) {
  /** @type {Space | null} */
  const space = await api.get('/space').catch(() => null);
  const chosen = new Set(inspected.files.map((file) => file.index));
  const directory = el('input', { type: 'text', value: space?.directory ?? '', spellcheck: false });
  const label = el('input', { type: 'text', list: 'add-labels', maxLength: 200 });
  const tags = el('input', { type: 'text' });
  const start = tick('Start it now', true);
  const top = tick('Put it at the top of the queue', false);
  const inOrder = tick('Fetch pieces in order', false, 'For watching while it downloads.');
  const ends = tick('First and last pieces first', false, 'A player finds there what it needs to begin.');
  const others = all - at - 1;
  const likewise = others > 0 ? tick(`Add the other ${others} likewise`, false, 'With all of their files, and without asking.') : null;
  const adopt = tick('Its files may be there already', false, 'What is there is checked and taken up, and may be written.');
  const sum = el('p', { class: 'hint sum' });
  const total = () => {
    const bytes = inspected.files.reduce((all, file) => all + (chosen.has(file.index) ? file.size : 0), 0);
    const room = space ? ` · ${format.size(space.free)} free` : '';
    sum.textContent = `${format.count(chosen.size, 'file')} chosen, ${format.size(bytes)}${room}`;
    sum.classList.toggle('scarce', space !== null && bytes > space.free);
  };
  total();
  const files = inspected.files.length > 0
    ? el('div', { class: 'field' }, el('div', { class: 'label', id: 'files-label' }, 'Files'), fileTree(inspected, chosen, total), sum)
    : el('p', { class: 'hint' }, 'Its files are known when its metadata has been found.');
  /** @type {Way | null} */
  let forOthers = null;
  return new Promise((resolve) => {
    show({
      title: all > 1 ? `Add torrent (${at + 1} of ${all})` : 'Add torrent',
      isWide: true,
      body: [
        el('div', { class: 'what' }, icon(inspected.files.length > 0 ? 'file' : 'magnet'), el('div', {},
          el('h3', {}, inspected.name),
          el('p', { class: 'hint' }, [
            inspected.files.length > 0 ? format.size(inspected.size) : '', inspected.version ? `BitTorrent ${inspected.version}` : '',
            inspected.is_private ? 'private' : '',
          ].filter(Boolean).join(' · ')),
          inspected.comment ? el('p', { class: 'comment' }, inspected.comment) : null)),
        files,
        el('div', { class: 'pair' }, field('Directory', directory, 'Unchanged: that of its label, if it has one.'), field('Label', label)),
        el('datalist', { id: 'add-labels' }, ...context.labels().map((name) => el('option', { value: name }))),
        field('Tags', tags, 'Words, with commas between.'),
        el('div', { class: 'ticks' }, start.box, top.box, inOrder.box, ends.box, adopt.box, likewise?.box),
      ],
      confirm: 'Add',
      submit: async () => {
        if (inspected.files.length > 0 && chosen.size === 0) throw new Error('No file is chosen.');
        const skipped = inspected.files.filter((file) => !chosen.has(file.index));
        const isElsewhere = directory.value.trim() !== '' && directory.value !== space?.directory;
        /** @type {Way} */
        const way = {
          ...(isElsewhere ? { directory: directory.value.trim() } : {}),
          ...(label.value.trim() ? { label: label.value.trim() } : {}),
          tags: split(tags.value),
          stopped: !start.input.checked,
          at_top: top.input.checked,
          sequential: inOrder.input.checked,
          adopt: adopt.input.checked,
          first_last: ends.input.checked,
        };
        await api.post('/torrents', { ...source, ...way, priorities: skipped.map((file) => ({ file: file.index, priority: 'skip' })) });
        if (likewise?.input.checked) forOthers = way;
        context.done(`${inspected.name} was added.`);
      },
      closed: () => resolve(forOthers),
    });
  });
}

/**
 * @param {Inspected} inspected
 * @param {Set<number>} chosen
 * @param {() => void} changed
 */
function fileTree(inspected, chosen, changed) {
  const root = tree(inspected.files);
  /** @type {{ input: HTMLInputElement, node: import('./filetree.js').Node<any> }[]} */
  const rows = [];
  const update = () => {
    for (const { input, node } of rows) {
      const state = wanted(node, (index) => chosen.has(index));
      input.checked = state === 'all';
      input.indeterminate = state === 'some';
    }
    changed();
  };
  const item = (/** @type {import('./filetree.js').Node<any>} */ node, /** @type {number} */ depth) => {
    const input = el('input', { type: 'checkbox', 'aria-label': node.name });
    input.addEventListener('change', () => {
      for (const file of node.files) {
        if (input.checked) chosen.add(file.index);
        else chosen.delete(file.index);
      }
      update();
    });
    rows.push({ input, node });
    const row = el('div', { class: 'file', role: 'treeitem', 'aria-level': depth }, input, icon(node.file ? 'file' : 'folder'),
      el('span', { class: 'name', title: node.name }, node.name), el('small', {}, format.size(node.size)));
    row.style.paddingInlineStart = `${8 + (depth - 1) * 20}px`;
    return row;
  };
  const box = el('div', { class: 'files', role: 'tree', 'aria-labelledby': 'files-label' });
  let left = ROWS;
  const fill = (/** @type {import('./filetree.js').Node<any>} */ node, /** @type {number} */ depth) => {
    for (const child of node.children) {
      if (left-- <= 0) return;
      box.append(item(child, depth));
      fill(child, depth + 1);
    }
  };
  // Most have one folder of their own, which is all of it already.
  const isMany = root.children.length > 1;
  if (isMany) box.append(item({ ...root, name: 'All files' }, 1));
  fill(root, isMany ? 2 : 1);
  if (left <= 0) box.append(el('p', { class: 'hint' }, `And more: the first ${ROWS} are shown.`));
  update();
  return box;
}

/**
 * Takes what is dropped or pasted on the page.
 * @param {HTMLElement} veil Shown while something hovers.
 * @param {Context} context
 */
export function listen(veil, context) {
  const isWelcome = (/** @type {DragEvent} */ event) => {
    const types = event.dataTransfer?.types ?? [];
    return mayChange() && (types.includes('Files') || types.includes('text/uri-list') || types.includes('text/plain'));
  };
  document.addEventListener('dragover', (event) => {
    if (!isWelcome(event)) return;
    event.preventDefault();
    veil.hidden = false;
  });
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) veil.hidden = true;
  });
  document.addEventListener('drop', (event) => {
    veil.hidden = true;
    if (!event.dataTransfer || !isWelcome(event)) return;
    event.preventDefault();
    const files = [...event.dataTransfer.files];
    if (files.length > 0) void addFiles(files, context);
    else void look(sources(event.dataTransfer.getData('text/plain')), context);
  });
  document.addEventListener('paste', (event) => {
    const at = event.target;
    if (!mayChange() || (at instanceof HTMLElement && at.closest('input, textarea, dialog'))) return;
    const files = [...(event.clipboardData?.files ?? [])];
    const found = sources(event.clipboardData?.getData('text/plain') ?? '');
    if (files.length + found.length === 0) return;
    event.preventDefault();
    if (files.length > 0) void addFiles(files, context);
    else void look(found, context);
  });
}
