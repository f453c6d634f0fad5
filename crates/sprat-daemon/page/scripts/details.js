// All that is known of one torrent, in tabs. Only what is looked at is asked for, every two seconds, and only while somebody looks.

import { el, setText } from './dom.js';
import { FilesTab } from './details/files.js';
import { OverviewTab } from './details/overview.js';
import { PeersTab } from './details/peers.js';
import { SpeedTab } from './details/speed.js';
import { TrackersTab } from './details/trackers.js';
import { icon } from './icons.js';

const EVERY = 2000;

/**
 * @typedef {object} Tab
 * @property {string} name
 * @property {HTMLElement} element
 * @property {(hash: string) => Promise<() => void>} load Asks; what it returns writes it down, if it is still wanted then.
 * @property {(torrent: Torrent) => void} [update] The list says something new of it.
 * @property {() => void} clear Another torrent is looked at.
 */

export class Details {
  /**
   * @param {HTMLElement} element
   * @param {object} from
   * @param {(hash: string) => Torrent | undefined} from.torrent
   * @param {import('./history.js').History} from.history
   * @param {(error: unknown) => void} from.failed
   * @param {(where: HTMLElement) => void} from.act Offers what can be done with it.
   * @param {() => void} from.closed
   */
  constructor(element, from) {
    this.element = element;
    this.from = from;
    /** @type {string | null} */
    this.hash = null;
    /** @type {Tab[]} */
    this.tabs = [new OverviewTab(), new FilesTab(from.failed), new PeersTab(), new TrackersTab(from.failed), new SpeedTab(from.history)];
    this.active = 0;
    this.title = el('h2', {});
    this.error = el('p', { class: 'hint', hidden: true });
    this.buttons = this.tabs.map((tab, at) => el('button', {
      type: 'button', role: 'tab', id: `tab-${at}`, 'aria-controls': `panel-${at}`, onclick: () => this.choose(at),
    }, tab.name));
    const list = el('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Details', onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event) }, ...this.buttons);
    this.tabs.forEach((tab, at) => {
      tab.element.id = `panel-${at}`;
      tab.element.setAttribute('role', 'tabpanel');
      tab.element.setAttribute('aria-labelledby', `tab-${at}`);
      tab.element.classList.add('panel');
      // It may be longer than there is room: so the keyboard can scroll it.
      tab.element.tabIndex = 0;
    });
    element.append(
      el('header', {}, this.title,
        el('button', { type: 'button', class: 'quiet', 'aria-label': 'What to do with it', 'aria-haspopup': 'menu', title: 'More', onclick: (/** @type {MouseEvent} */ event) => {
          if (event.currentTarget instanceof HTMLElement) from.act(event.currentTarget);
        } }, icon('more')),
        el('button', { type: 'button', class: 'quiet', 'aria-label': 'Close details', onclick: () => this.close() }, icon('close'))),
      list, this.error, ...this.tabs.map((tab) => tab.element));
    setInterval(() => void this.load(), EVERY);
    this.choose(0);
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** @param {string} hash */
  open(hash) {
    const wasOpen = this.isOpen;
    this.element.hidden = false;
    if (this.hash !== hash || !wasOpen) {
      this.hash = hash;
      for (const tab of this.tabs) tab.clear();
      this.update();
      void this.load();
    }
  }

  close() {
    this.element.hidden = true;
    this.hash = null;
    this.from.closed();
  }

  /** @param {number} at */
  choose(at) {
    this.active = at;
    this.buttons.forEach((button, one) => {
      button.setAttribute('aria-selected', String(one === at));
      button.tabIndex = one === at ? 0 : -1;
    });
    this.tabs.forEach((tab, one) => {
      tab.element.hidden = one !== at;
    });
    this.update();
    void this.load();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    this.choose((this.active + step + this.tabs.length) % this.tabs.length);
    this.buttons[this.active]?.focus();
  }

  /** The list has changed. */
  update() {
    if (!this.isOpen || this.hash === null) return;
    const torrent = this.from.torrent(this.hash);
    if (!torrent) {
      this.close();
      return;
    }
    setText(this.title, torrent.name);
    this.tabs[this.active]?.update?.(torrent);
  }

  async load() {
    const [tab, hash] = [this.tabs[this.active], this.hash];
    if (!tab || hash === null || !this.isOpen || document.hidden) return;
    try {
      const write = await tab.load(hash);
      if (this.hash !== hash || this.tabs[this.active] !== tab) return;
      write();
      this.error.hidden = true;
    } catch (error) {
      if (this.hash !== hash) return;
      this.error.hidden = false;
      setText(this.error, error instanceof Error ? error.message : String(error));
    }
  }
}
