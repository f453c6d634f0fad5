// The stream of events: opened again when it breaks, from where it broke.

import { BASE, get } from './api.js';
import { FIELDS } from './torrents.js';

/** How long to wait before another attempt, at the most. */
const LONGEST = 15_000;

/**
 * @typedef {object} Listener
 * @property {(page: ListPage) => void} torrents
 * @property {(happening: Happening) => void} happening
 * @property {(isConnected: boolean) => void} connected
 */

export class Stream {
  /**
   * @param {Listener} listener
   * @param {() => string} cursor Where the list is.
   */
  constructor(listener, cursor) {
    this.listener = listener;
    this.cursor = cursor;
    /** @type {EventSource | null} */
    this.source = null;
    this.wait = 500;
    /** @type {number | undefined} */
    this.timer = undefined;
  }

  open() {
    this.close();
    const since = this.cursor();
    const query = new URLSearchParams({ fields: FIELDS.join(','), ...(since ? { since } : {}) });
    const source = new EventSource(`${BASE}/events?${query}`);
    this.source = source;
    source.addEventListener('torrents', (event) => {
      this.wait = 500;
      this.listener.connected(true);
      this.listener.torrents(JSON.parse(event.data));
    });
    source.addEventListener('happening', (event) => this.listener.happening(JSON.parse(event.data)));
    source.addEventListener('error', () => {
      // The browser would try again by itself, but not after a refusal, and for ever every three seconds.
      this.listener.connected(false);
      this.close();
      this.timer = window.setTimeout(() => void this.again(), this.wait);
      this.wait = Math.min(LONGEST, this.wait * 2);
    });
  }

  async again() {
    try {
      // An event source does not say why it was refused: this asks for the token if that is why.
      await get('/version');
      this.open();
    } catch (error) {
      if (error instanceof Error && 'status' in error && error.status === 401) return;
      this.timer = window.setTimeout(() => void this.again(), this.wait);
      this.wait = Math.min(LONGEST, this.wait * 2);
    }
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }
}
