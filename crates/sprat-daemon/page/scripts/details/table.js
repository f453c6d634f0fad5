// A small table of which rows stay what they are while their cells change.

import { el, setText } from '../dom.js';

/**
 * @template T
 * @typedef {{ name: string, text: (one: T) => string, isNumber?: boolean, title?: (one: T) => string }} Column
 */

/** @template T */
export class Table {
  /**
   * @param {string} label
   * @param {Column<T>[]} columns
   * @param {(one: T) => string} key
   */
  constructor(label, columns, key) {
    this.columns = columns;
    this.key = key;
    this.body = el('tbody', {});
    this.empty = el('p', { class: 'hint', hidden: true });
    this.table = el('table', { 'aria-label': label },
      el('thead', {}, el('tr', {}, ...columns.map((column) => el('th', { scope: 'col', class: column.isNumber ? 'number' : '' }, column.name)))),
      this.body);
    /** @type {Map<string, HTMLTableRowElement>} */
    this.rows = new Map();
  }

  clear() {
    this.rows.clear();
    this.body.replaceChildren();
  }

  /**
   * @param {T[]} all
   * @param {string} nothing What to say if there are none.
   */
  show(all, nothing) {
    this.empty.hidden = all.length > 0;
    this.table.hidden = all.length === 0;
    setText(this.empty, nothing);
    const before = this.rows;
    this.rows = new Map();
    const ordered = all.map((one) => {
      const key = this.key(one);
      const row = before.get(key) ?? el('tr', {}, ...this.columns.map((column) => el('td', { class: column.isNumber ? 'number' : '' })));
      this.columns.forEach((column, at) => {
        const cell = row.cells[at];
        if (!cell) return;
        setText(cell, column.text(one));
        cell.title = column.title ? column.title(one) : '';
      });
      this.rows.set(key, row);
      return row;
    });
    if (ordered.length !== this.body.childElementCount || ordered.some((row, at) => this.body.children[at] !== row)) {
      this.body.replaceChildren(...ordered);
    }
  }
}
