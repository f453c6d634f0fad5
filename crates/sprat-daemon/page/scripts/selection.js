// Which rows are selected, and where the keyboard is. By hash, so that it stays what it is while the list is sorted anew. Pure.

export class Selection {
  constructor() {
    /** @type {Set<string>} */
    this.chosen = new Set();
    /** @type {string | null} Where the keyboard is. */
    this.cursor = null;
    /** @type {string | null} From where shift extends. */
    this.anchor = null;
  }

  /** @param {string} hash */
  has(hash) {
    return this.chosen.has(hash);
  }

  get size() {
    return this.chosen.size;
  }

  /** @param {string} hash */
  only(hash) {
    this.chosen = new Set([hash]);
    this.cursor = this.anchor = hash;
  }

  /** @param {string} hash */
  toggle(hash) {
    if (!this.chosen.delete(hash)) this.chosen.add(hash);
    this.cursor = this.anchor = hash;
  }

  /**
   * From the anchor to here.
   * @param {string} hash
   * @param {string[]} order
   */
  extend(hash, order) {
    const to = order.indexOf(hash);
    const from = this.anchor === null ? to : order.indexOf(this.anchor);
    if (to < 0) return;
    if (from < 0) {
      this.only(hash);
      return;
    }
    this.chosen = new Set(order.slice(Math.min(from, to), Math.max(from, to) + 1));
    this.cursor = hash;
  }

  /** @param {string[]} order */
  all(order) {
    this.chosen = new Set(order);
  }

  clear() {
    this.chosen.clear();
  }

  /**
   * What is not in the list any more, or not shown, is not selected: an action must not reach what nobody sees.
   * @param {(hash: string) => boolean} isShown
   */
  keep(isShown) {
    for (const hash of this.chosen) if (!isShown(hash)) this.chosen.delete(hash);
    if (this.cursor !== null && !isShown(this.cursor)) this.cursor = null;
    if (this.anchor !== null && !isShown(this.anchor)) this.anchor = null;
  }

  /**
   * Moves the cursor. Returns where it is.
   * @param {number} by Rows; infinite is the end.
   * @param {string[]} order
   * @param {{ extend?: boolean }} [how]
   */
  move(by, order, { extend = false } = {}) {
    if (order.length === 0) return null;
    const at = this.cursor === null ? -1 : order.indexOf(this.cursor);
    const start = at < 0 ? (by > 0 ? -1 : order.length) : at;
    const to = order[Math.max(0, Math.min(order.length - 1, start + by))];
    if (to === undefined) return null;
    if (extend) this.extend(to, order);
    else this.only(to);
    return to;
  }
}
