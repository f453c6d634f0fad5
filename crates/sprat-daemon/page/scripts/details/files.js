// The files of a torrent: how much of each is there, how much it is wanted, and a way to watch it.

import * as api from '../api.js';
import { show } from '../dialog.js';
import { el, setText } from '../dom.js';
import { medium, tree } from '../filetree.js';
import * as format from '../format.js';
import { icon } from '../icons.js';

/** @type {[Priority, string][]} */
const PRIORITIES = [['skip', 'Skip'], ['low', 'Low'], ['normal', 'Normal'], ['high', 'High']];

/** Files that are shown: a torrent may have a million. */
const ROWS = 2000;

/** @typedef {{ done: HTMLElement, bar: HTMLElement, choice: HTMLSelectElement, files: FileDetails[] }} Row */

export class FilesTab {
  /** @param {(error: unknown) => void} failed */
  constructor(failed) {
    this.name = 'Files';
    this.failed = failed;
    this.body = el('div', { class: 'filetable', role: 'table', 'aria-label': 'Files' });
    this.element = el('div', {}, this.body);
    /** @type {Row[]} */
    this.rows = [];
    this.shape = '';
    /** @type {Map<number, FileDetails>} */
    this.byIndex = new Map();
    this.canPlay = false;
  }

  clear() {
    this.rows = [];
    this.shape = '';
    this.body.replaceChildren();
  }

  /** @param {string} hash */
  async load(hash) {
    /** @type {[FileDetails[], boolean]} */
    const [files, canPlay] = await Promise.all([
      api.get(api.of(hash, '/files')), api.has('/torrents/{hash}/files/{index}/content'),
    ]);
    return () => {
      this.canPlay = canPlay;
      this.byIndex = new Map(files.map((file) => [file.index, file]));
      const shape = `${hash} ${files.length} ${files.slice(0, ROWS).map((file) => file.path).join('\n')}`;
      if (shape !== this.shape) {
        this.shape = shape;
        this.build(hash, files);
      }
      for (const row of this.rows) this.write(row);
    };
  }

  /**
   * @param {string} hash
   * @param {FileDetails[]} files
   */
  build(hash, files) {
    this.rows = [];
    this.body.replaceChildren();
    let left = ROWS;
    const walk = (/** @type {import('../filetree.js').Node<FileDetails>} */ node, /** @type {number} */ depth) => {
      for (const child of node.children) {
        if (left-- <= 0) return;
        this.body.append(this.make(hash, child, depth));
        walk(child, depth + 1);
      }
    };
    walk(tree(files), 0);
    if (left <= 0) this.body.append(el('p', { class: 'hint' }, `The first ${ROWS} of ${files.length} are shown.`));
  }

  /**
   * @param {string} hash
   * @param {import('../filetree.js').Node<FileDetails>} node
   * @param {number} depth
   */
  make(hash, node, depth) {
    const done = el('span', { class: 'done' });
    const bar = el('div', { class: 'fill' });
    const choice = el('select', { 'aria-label': `Priority of ${node.name}` },
      ...PRIORITIES.map(([value, word]) => el('option', { value }, word)), el('option', { value: '', hidden: true }, 'Mixed'));
    choice.addEventListener('change', () => void this.set(hash, node.files, /** @type {Priority} */ (choice.value)));
    const kind = node.file ? medium(node.file.path) : null;
    const file = node.file;
    const play = this.canPlay && file && kind
      ? el('button', { type: 'button', class: 'quiet', 'aria-label': `Play ${node.name}`, title: 'Play', onclick: () => watch(hash, file, kind) }, icon('play'))
      : null;
    const fetch = this.canPlay && file
      ? el('a', { class: 'quiet', href: api.contentAddress(hash, file.index), download: node.name, 'aria-label': `Save ${node.name}`, title: 'Save' }, icon('down'))
      : null;
    const name = el('span', { class: 'name', title: node.name }, node.name);
    const row = el('div', { class: 'file', role: 'row' }, el('div', { class: 'who', role: 'cell' }, icon(node.file ? 'file' : 'folder'), name),
      el('div', { class: 'plays', role: 'cell' }, play, fetch),
      el('small', { role: 'cell' }, format.size(node.size)),
      el('div', { class: 'has', role: 'cell' }, el('div', { class: 'track' }, bar), done),
      el('div', { role: 'cell' }, choice));
    row.style.setProperty('--depth', String(depth));
    this.rows.push({ done, bar, choice, files: node.files });
    return row;
  }

  /** @param {Row} row */
  write(row) {
    let [have, size] = [0, 0];
    const priorities = new Set();
    for (const { index } of row.files) {
      const file = this.byIndex.get(index);
      if (!file) continue;
      have += file.have;
      size += file.size;
      priorities.add(file.priority);
    }
    const share = size === 0 ? 1 : have / size;
    setText(row.done, format.percent(Math.floor(share * 1000)));
    row.bar.style.transform = `scaleX(${share})`;
    if (document.activeElement !== row.choice) row.choice.value = priorities.size === 1 ? String([...priorities][0]) : '';
  }

  /**
   * @param {string} hash
   * @param {FileDetails[]} files
   * @param {Priority} priority
   */
  async set(hash, files, priority) {
    try {
      await api.patch(api.of(hash, '/files'), { files: files.map((file) => file.index), priority });
    } catch (error) {
      this.failed(error);
    }
  }
}

/**
 * Plays a file here: its pieces are fetched first as they are watched.
 * @param {string} hash
 * @param {FileDetails} file
 * @param {'video' | 'audio'} kind
 */
function watch(hash, file, kind) {
  const player = el(kind, { controls: true, autoplay: true, src: api.contentAddress(hash, file.index), 'data-first': '' });
  const problem = el('p', { class: 'hint' }, 'If this browser cannot play it, save it, or open its address in a player.');
  show({ title: file.path.split('/').at(-1) ?? file.path, isWide: true, body: [player, problem], closed: () => {
    player.pause();
    player.removeAttribute('src');
    player.load();
  } });
}
