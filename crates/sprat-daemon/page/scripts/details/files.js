// The files of a torrent: how much of each is there, how much it is wanted, and a way to watch it.

import { mayChange } from '../access.js';
import * as api from '../api.js';
import { field, show } from '../dialog.js';
import { el, setText } from '../dom.js';
import { medium, tree } from '../filetree.js';
import * as format from '../format.js';
import { icon } from '../icons.js';
import * as menu from '../menu.js';
import { copyLink, play } from './player.js';

/** @typedef {import('../filetree.js').Node<FileDetails>} FileNode */

/** @type {[Priority, string][]} */
const PRIORITIES = [['skip', 'Skip'], ['low', 'Low'], ['normal', 'Normal'], ['high', 'High']];

/** Files that are shown: a torrent may have a million. */
const ROWS = 2000;

/** In a torrent with more files than this folders are closed at first. */
const OPEN = 100;

/**
 * @typedef {object} Row
 * @property {HTMLElement} element
 * @property {string} path Of a folder or file.
 * @property {HTMLElement} done
 * @property {HTMLElement} bar
 * @property {HTMLSelectElement} choice
 * @property {FileDetails[]} files
 */

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
    /** @type {Set<string>} Folders of which nothing is shown. */
    this.closed = new Set();
  }

  clear() {
    this.rows = [];
    this.shape = '';
    this.closed.clear();
    this.body.replaceChildren();
  }

  /** @param {string} hash */
  async load(hash) {
    /** @type {FileDetails[]} */
    const files = await api.get(api.of(hash, '/files'));
    return () => {
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
    const walk = (/** @type {FileNode} */ node, /** @type {string} */ path, /** @type {number} */ depth) => {
      for (const child of node.children) {
        if (left-- <= 0) return;
        const of = `${path}/${child.name}`;
        if (!child.file && depth > 0 && files.length > OPEN) this.closed.add(of);
        this.body.append(this.make(hash, child, of, depth));
        walk(child, of, depth + 1);
      }
    };
    walk(tree(files), '', 0);
    if (left <= 0) this.body.append(el('p', { class: 'hint' }, `The first ${ROWS} of ${files.length} are shown.`));
    this.fold();
  }

  /** Shows what is in no closed folder. */
  fold() {
    const closed = [...this.closed].map((path) => `${path}/`);
    for (const row of this.rows) row.element.hidden = closed.some((path) => row.path.startsWith(path));
  }

  /**
   * @param {string} hash
   * @param {FileNode} node
   * @param {string} path
   * @param {number} depth
   */
  make(hash, node, path, depth) {
    const done = el('span', { class: 'done' });
    const bar = el('div', { class: 'fill' });
    const choice = el('select', { 'aria-label': `Priority of ${node.name}`, disabled: !mayChange() },
      ...PRIORITIES.map(([value, word]) => el('option', { value }, word)), el('option', { value: '', hidden: true }, 'Mixed'));
    choice.addEventListener('change', () => void this.set(hash, node.files, /** @type {Priority} */ (choice.value)));
    const element = el('div', { class: 'file', role: 'row' },
      el('div', { class: 'who', role: 'cell' }, node.file ? icon('file') : this.handle(node, path), el('span', { class: 'name', title: node.name }, node.name)),
      el('div', { class: 'plays', role: 'cell' }, ...(node.file ? this.controls(hash, node, node.file) : [])),
      el('small', { role: 'cell' }, format.size(node.size)),
      el('div', { class: 'has', role: 'cell' }, el('div', { class: 'track' }, bar), done),
      el('div', { role: 'cell' }, choice));
    element.style.setProperty('--depth', String(depth));
    this.rows.push({ element, path, done, bar, choice, files: node.files });
    return element;
  }

  /**
   * Opens and closes a folder.
   * @param {FileNode} node
   * @param {string} path
   */
  handle(node, path) {
    const handle = el('button', { type: 'button', class: 'quiet handle', 'aria-label': `Folder ${node.name}`, 'aria-expanded': String(!this.closed.has(path)), onclick: () => {
      if (!this.closed.delete(path)) this.closed.add(path);
      handle.setAttribute('aria-expanded', String(!this.closed.has(path)));
      this.fold();
    } }, icon('chevron'));
    return handle;
  }

  /**
   * @param {string} hash
   * @param {FileNode} node
   * @param {FileDetails} file
   */
  controls(hash, node, file) {
    const kind = medium(file.path);
    const begin = kind ? () => play(hash, file, kind) : null;
    const more = () => menu.open([
      ...(begin ? [{ label: 'Play', icon: 'play', run: begin }] : []),
      { label: 'Save', icon: 'down', run: () => save(api.contentAddress(hash, file.index), node.name) },
      { label: 'Copy address for a player', icon: 'copy', run: () => void copyLink(hash, file).catch(this.failed) },
      ...(mayChange() ? [{ label: 'Rename…', icon: 'file', run: () => rename(hash, file) }] : []),
    ], button, `What to do with ${node.name}`);
    const button = el('button', { type: 'button', class: 'quiet', 'aria-label': `More of ${node.name}`, 'aria-haspopup': 'menu', title: 'More', onclick: more }, icon('more'));
    return [
      begin && el('button', { type: 'button', class: 'quiet', 'aria-label': `Play ${node.name}`, title: 'Play', onclick: begin }, icon('play')),
      button,
    ];
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
    row.element.classList.toggle('skipped', priorities.size === 1 && priorities.has('skip'));
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
 * @param {string} href
 * @param {string} download
 */
function save(href, download) {
  el('a', { href, download }).click();
}

/**
 * @param {string} hash
 * @param {FileDetails} file
 */
function rename(hash, file) {
  const input = el('input', { type: 'text', value: file.path, 'data-first': '', spellcheck: false });
  show({
    title: 'Rename a file',
    body: [field('Path', input, 'Below the torrent’s directory. The file is moved on the disk.')],
    confirm: 'Rename',
    submit: () => api.patch(api.of(hash, '/files'), { files: [file.index], path: input.value }),
  });
}
