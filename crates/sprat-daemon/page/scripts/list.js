// The list: rows only for what is in view, each kept and written anew as its torrent changes. What is shown and selected is decided
// elsewhere (`query.js`, `selection.js`); this draws it and says what was done to it.

import { COLUMNS, progress, shown, toggle } from './columns.js';
import { el, setText } from './dom.js';
import * as format from './format.js';
import { draw, GROUP_ICONS, icon } from './icons.js';
import * as menu from './menu.js';

const phone = matchMedia('(max-width: 720px)');

/** Rows above and below what is in view, so that a quick thumb sees no gaps. */
const MARGIN = 6;

/**
 * @typedef {object} Row
 * @property {HTMLDivElement} element
 * @property {HTMLInputElement} box
 * @property {SVGElement} state
 * @property {HTMLSpanElement} name
 * @property {HTMLSpanElement} note
 * @property {HTMLDivElement} bar
 * @property {HTMLSpanElement} done
 * @property {HTMLSpanElement} brief
 * @property {Map<string, HTMLElement>} cells
 * @property {Torrent | null} torrent What it shows.
 * @property {string} look
 */

/**
 * @typedef {object} Listener
 * @property {(order: import('./query.js').Order) => void} sorted
 * @property {() => void} selected
 * @property {(hash: string) => void} opened
 * @property {(hash: string) => void} touched Chosen by a plain click.
 * @property {(at: { x: number, y: number }) => void} context
 */

export class List {
  /**
   * @param {{ list: HTMLElement, head: HTMLElement, rows: HTMLElement }} elements
   * @param {import('./selection.js').Selection} selection
   * @param {Listener} listener
   */
  constructor({ list, head, rows }, selection, listener) {
    this.element = list;
    this.head = head;
    this.rows = rows;
    this.selection = selection;
    this.listener = listener;
    /** @type {Torrent[]} */
    this.view = [];
    /** @type {string[]} */
    this.order = [];
    /** @type {import('./query.js').Order} */
    this.sorting = { by: 'added_at', descending: true };
    /** @type {Map<number, Row>} By place in the list. */
    this.drawn = new Map();
    /** @type {Row[]} */
    this.spare = [];
    this.columns = shown();
    this.isAwaited = false;

    // The browser sends one for each frame, before it draws.
    list.addEventListener('scroll', () => this.draw(), { passive: true });
    new ResizeObserver(() => this.await()).observe(list);
    phone.addEventListener('change', () => this.relayout());
    list.addEventListener('click', (event) => this.click(event));
    list.addEventListener('dblclick', (event) => {
      const torrent = this.at(event.target);
      if (torrent) listener.opened(torrent.hash);
    });
    list.addEventListener('contextmenu', (event) => {
      if (event.target instanceof Node && head.contains(event.target)) {
        event.preventDefault();
        this.chooseColumns({ x: event.clientX, y: event.clientY });
        return;
      }
      const torrent = this.at(event.target);
      if (!torrent) return;
      event.preventDefault();
      if (!selection.has(torrent.hash)) selection.only(torrent.hash);
      listener.selected();
      this.draw();
      listener.context({ x: event.clientX, y: event.clientY });
    });
    list.addEventListener('keydown', (event) => this.key(event));
    this.relayout();
  }

  get rowHeight() {
    return phone.matches ? 76 : 40;
  }

  relayout() {
    this.columns = shown();
    this.element.style.setProperty('--columns', `44px ${this.columns.map((column) => column.width).join(' ')}`);
    // Said rather than left to the browser, which would ask each row how wide it would like to be.
    const least = this.columns.reduce((sum, column) => sum + Number(/\d+/.exec(column.width)?.[0] ?? 0), 44);
    this.element.style.setProperty('--least', `${least}px`);
    for (const row of [...this.drawn.values(), ...this.spare]) row.element.remove();
    this.drawn.clear();
    this.spare = [];
    this.drawHead();
    this.show(this.view, this.sorting);
  }

  drawHead() {
    this.head.replaceChildren(
      el('div', { class: 'cell pick', role: 'columnheader' },
        el('button', { type: 'button', class: 'quiet', 'aria-label': 'Columns', title: 'Columns', tabIndex: -1, onclick: (/** @type {MouseEvent} */ event) => {
          if (event.currentTarget instanceof HTMLElement) this.chooseColumns(event.currentTarget);
        } }, icon('columns'))),
      ...this.columns.map((column) => {
        const isSorted = column.sort === this.sorting.by && !(column.id === 'directory');
        const direction = this.sorting.descending ? 'descending' : 'ascending';
        return el('div', {
          class: `cell ${column.isNumber ? 'number' : ''}`, role: 'columnheader', 'data-column': column.id,
          'aria-sort': isSorted ? direction : 'none',
        }, el('button', { type: 'button', tabIndex: -1, onclick: () => this.sortBy(column) }, column.label));
      }));
  }

  /** @param {import('./columns.js').Column} column */
  sortBy(column) {
    const isSame = this.sorting.by === column.sort;
    // Of rates and sizes one wants to see the greatest, of names the first.
    const first = column.isNumber === true || column.id === 'added' || column.id === 'completed';
    this.listener.sorted({ by: column.sort, descending: isSame ? !this.sorting.descending : first && column.id !== 'queue' && column.id !== 'eta' });
  }

  /** Where there is no room for the columns’ heads. @param {HTMLElement} where */
  chooseOrder(where) {
    menu.open(this.columns.filter((column) => column.id !== 'directory').map((column) => ({
      label: column.sort === this.sorting.by ? `${column.label}, ${this.sorting.descending ? 'falling' : 'rising'}` : column.label,
      isTicked: column.sort === this.sorting.by,
      run: () => this.sortBy(column),
    })), where, 'Order');
  }

  /** @param {HTMLElement | { x: number, y: number }} where */
  chooseColumns(where) {
    const now = new Set(this.columns.map((column) => column.id));
    menu.open(COLUMNS.filter((column) => column.id !== 'name').map((column) => ({
      label: column.label,
      isTicked: now.has(column.id),
      run: () => {
        toggle(column.id);
        this.relayout();
      },
    })), where, 'Columns');
  }

  /**
   * @param {Torrent[]} view
   * @param {import('./query.js').Order} sorting
   */
  show(view, sorting) {
    this.view = view;
    this.order = view.map((torrent) => torrent.hash);
    if (sorting !== this.sorting) {
      this.sorting = sorting;
      this.drawHead();
    }
    this.rows.style.height = `${view.length * this.rowHeight}px`;
    this.element.setAttribute('aria-rowcount', String(view.length + 1));
    this.draw();
  }

  /** Draws at the next frame, once. */
  await() {
    if (this.isAwaited) return;
    this.isAwaited = true;
    requestAnimationFrame(() => {
      this.isAwaited = false;
      this.draw();
    });
  }

  draw() {
    const height = this.rowHeight;
    const first = Math.max(0, Math.floor(this.element.scrollTop / height) - MARGIN);
    const last = Math.min(this.view.length, Math.ceil((this.element.scrollTop + this.element.clientHeight) / height) + MARGIN);
    for (const [at, row] of this.drawn) {
      if (at < first || at >= last) {
        this.drawn.delete(at);
        this.spare.push(row);
      }
    }
    let active = '';
    for (let at = first; at < last; at += 1) {
      const torrent = this.view[at];
      if (!torrent) continue;
      let row = this.drawn.get(at);
      if (!row) {
        row = this.spare.pop() ?? this.make();
        this.drawn.set(at, row);
        row.element.style.transform = `translateY(${at * height}px)`;
        row.element.setAttribute('aria-rowindex', String(at + 2));
        row.element.id = `row-${at}`;
        row.element.hidden = false;
        if (!row.element.isConnected) this.rows.append(row.element);
      }
      this.write(row, torrent);
      if (torrent.hash === this.selection.cursor) active = row.element.id;
    }
    for (const row of this.spare) row.element.hidden = true;
    if (active) this.element.setAttribute('aria-activedescendant', active);
    else this.element.removeAttribute('aria-activedescendant');
  }

  /** @returns {Row} */
  make() {
    const box = el('input', { type: 'checkbox', tabIndex: -1 });
    const state = icon('');
    const name = el('span', { class: 'title' });
    const note = el('span', { class: 'note' });
    const bar = el('div', { class: 'fill' });
    const done = el('span', { class: 'done' });
    const brief = el('span', { class: 'brief' });
    /** @type {Map<string, HTMLElement>} */
    const cells = new Map();
    const cellsInOrder = this.columns.map((column) => {
      const cell = el('div', { class: `cell ${column.id} ${column.isNumber ? 'number' : ''}`, role: 'gridcell' });
      if (column.id === 'name') cell.append(state, el('span', { class: 'names' }, name, note), brief);
      else if (column.id === 'progress') cell.append(el('div', { class: 'track' }, bar), done);
      else cells.set(column.id, cell);
      return cell;
    });
    const element = el('div', { class: 'row', role: 'row' },
      el('div', { class: 'cell pick', role: 'gridcell' }, el('label', {}, box)), ...cellsInOrder);
    return { element, box, state, name, note, bar, done, brief, cells, torrent: null, look: '' };
  }

  /**
   * @param {Row} row
   * @param {Torrent} torrent
   */
  write(row, torrent) {
    const isSelected = this.selection.has(torrent.hash);
    const look = `row ${torrent.state}${isSelected ? ' selected' : ''}${torrent.hash === this.selection.cursor ? ' current' : ''}`;
    if (row.look !== look) {
      row.look = look;
      row.element.className = look;
      row.element.setAttribute('aria-selected', String(isSelected));
      row.box.checked = isSelected;
      draw(row.state, GROUP_ICONS[torrent.state] ?? '');
    }
    if (row.torrent === torrent) return;
    if (row.torrent?.name !== torrent.name) {
      setText(row.name, torrent.name);
      row.name.title = torrent.name;
      row.box.setAttribute('aria-label', `Select ${torrent.name}`);
    }
    row.torrent = torrent;
    setText(row.note, torrent.trouble?.text ?? '');
    const words = progress(torrent);
    setText(row.done, words);
    row.bar.style.transform = `scaleX(${torrent.progress / 1000})`;
    if (phone.matches) setText(row.brief, brief(torrent, words));
    for (const column of this.columns) {
      const cell = row.cells.get(column.id);
      if (cell) setText(cell, column.text(torrent));
    }
  }

  /** @param {EventTarget | null} target */
  at(target) {
    const element = target instanceof Element ? target.closest('.row') : null;
    for (const row of this.drawn.values()) if (row.element === element) return row.torrent;
    return null;
  }

  /** @param {MouseEvent} event */
  click(event) {
    const torrent = this.at(event.target);
    if (!torrent) return;
    const isBox = event.target instanceof Element && event.target.closest('.pick') !== null;
    if (isBox && event.target instanceof HTMLLabelElement) return; // The box is clicked next.
    if (event.shiftKey) this.selection.extend(torrent.hash, this.order);
    else if (isBox || event.ctrlKey || event.metaKey) this.selection.toggle(torrent.hash);
    else {
      this.selection.only(torrent.hash);
      this.listener.touched(torrent.hash);
    }
    this.listener.selected();
    this.draw();
    if (isBox && event.target instanceof HTMLInputElement) event.target.checked = this.selection.has(torrent.hash);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.target !== this.element) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const step = /** @type {Record<string, number>} */ (steps)[event.key];
    if (step !== undefined) this.selection.move(step, this.order, { extend: event.shiftKey });
    else if (event.key === ' ' && this.selection.cursor) this.selection.toggle(this.selection.cursor);
    else if (event.key === 'Enter' && this.selection.cursor) this.listener.opened(this.selection.cursor);
    else if (event.key.toLowerCase() === 'a' && (event.ctrlKey || event.metaKey)) this.selection.all(this.order);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.reveal();
    this.listener.selected();
    this.draw();
  }

  /** Scrolls to where the keyboard is. */
  reveal() {
    const at = this.selection.cursor === null ? -1 : this.order.indexOf(this.selection.cursor);
    if (at < 0) return;
    const [top, height, head] = [at * this.rowHeight, this.rowHeight, this.head.offsetHeight];
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    const below = top + height + head - this.element.clientHeight;
    if (below > this.element.scrollTop) this.element.scrollTop = below;
  }
}

/**
 * The line below the name on a phone.
 * @param {Torrent} torrent
 * @param {string} words
 */
function brief(torrent, words) {
  const parts = [words];
  if (torrent.has_metadata) parts.push(format.size(torrent.size));
  if (torrent.download_rate > 0) parts.push(`↓ ${format.rate(torrent.download_rate)}`);
  if (torrent.upload_rate > 0) parts.push(`↑ ${format.rate(torrent.upload_rate)}`);
  if (torrent.eta) parts.push(`${format.duration(torrent.eta)} left`);
  return parts.join(' · ');
}
