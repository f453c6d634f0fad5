// Filters with their counts, how fast all of it goes, and how much room there is.

import { el, setText } from './dom.js';
import * as format from './format.js';
import { GROUP_ICONS, icon } from './icons.js';
import { counts, GROUPS } from './query.js';

/** @type {Record<string, string>} */
export const GROUP_NAMES = {
  ...format.STATES, all: 'All', active: 'Active', complete: 'Complete', incomplete: 'Incomplete',
};

/** Shown although nothing is in them. */
const ALWAYS = new Set(['all', 'active', 'downloading', 'seeding', 'complete', 'stopped']);

export class Sidebar {
  /**
   * @param {HTMLElement} element
   * @param {(change: Partial<import('./query.js').Filter>) => void} choose
   * @param {() => void} arrangeLabels
   */
  constructor(element, choose, arrangeLabels) {
    this.choose = choose;
    this.groups = el('ul', {});
    this.labels = el('ul', {});
    this.tags = el('ul', {});
    this.labelsPart = el('section', {}, el('header', {}, el('h2', {}, 'Labels'),
      el('button', { type: 'button', class: 'quiet changes', 'aria-label': 'Arrange labels', title: 'Arrange labels', onclick: arrangeLabels }, icon('settings'))), this.labels);
    this.tagsPart = el('section', {}, el('h2', {}, 'Tags'), this.tags);
    this.space = el('div', { class: 'space' });
    this.graph = el('button', { type: 'button', class: 'little-graph', 'aria-label': 'Statistics', title: 'Statistics' });
    element.append(
      el('div', { class: 'filters' }, el('section', {}, el('h2', { class: 'hidden' }, 'States'), this.groups), this.labelsPart, this.tagsPart),
      el('div', { class: 'foot' }, this.graph, this.space));
    /** @type {Map<string, { button: HTMLButtonElement, count: HTMLElement, item: HTMLElement }>} */
    this.entries = new Map();
  }

  /**
   * @param {Torrent[]} torrents
   * @param {import('./query.js').Filter} filter
   */
  show(torrents, filter) {
    const found = counts(torrents);
    for (const group of GROUPS) {
      const count = found.groups.get(group) ?? 0;
      const isChosen = filter.group === group;
      this.entry(this.groups, `group ${group}`, GROUP_NAMES[group] ?? group, GROUP_ICONS[group] ?? '', count, isChosen,
        ALWAYS.has(group) || count > 0 || isChosen, () => this.choose({ group }));
    }
    this.words(this.labelsPart, this.labels, 'label', found.labels, filter.label, (label) => this.choose({ label }));
    this.words(this.tagsPart, this.tags, 'tag', found.tags, filter.tag, (tag) => this.choose({ tag }));
  }

  /**
   * @param {HTMLElement} part
   * @param {HTMLElement} list
   * @param {string} kind
   * @param {Map<string, number>} found
   * @param {string | null} chosen
   * @param {(word: string | null) => void} choose
   */
  words(part, list, kind, found, chosen, choose) {
    const named = [...found.keys()].filter((word) => word !== '');
    if (chosen && !found.has(chosen)) named.push(chosen);
    part.hidden = named.length === 0;
    const words = named.sort((a, b) => a.localeCompare(b, 'en'));
    if (found.has('') && words.length > 0) words.push('');
    const keys = new Set(words.map((word) => `${kind} ${word}`));
    for (const [key, entry] of this.entries) {
      if (key.startsWith(`${kind} `) && !keys.has(key)) {
        entry.item.remove();
        this.entries.delete(key);
      }
    }
    for (const word of words) {
      const isChosen = chosen === word;
      this.entry(list, `${kind} ${word}`, word || 'No label', 'tag', found.get(word) ?? 0, isChosen, true,
        // Chosen once more, it is not chosen any more.
        () => choose(this.entries.get(`${kind} ${word}`)?.button.getAttribute('aria-pressed') === 'true' ? null : word));
    }
  }

  /**
   * @param {HTMLElement} list
   * @param {string} key
   * @param {string} name
   * @param {string} picture
   * @param {number} number
   * @param {boolean} isChosen
   * @param {boolean} isShown
   * @param {() => void} choose
   */
  entry(list, key, name, picture, number, isChosen, isShown, choose) {
    let entry = this.entries.get(key);
    if (!entry) {
      const count = el('span', { class: 'count' });
      const button = el('button', { type: 'button', onclick: choose, 'data-key': key }, icon(picture), el('span', { class: 'word' }, name), count);
      entry = { button, count, item: el('li', {}, button) };
      this.entries.set(key, entry);
      list.append(entry.item);
    }
    entry.item.hidden = !isShown;
    setText(entry.count, number.toLocaleString('en'));
    entry.button.setAttribute('aria-pressed', String(isChosen));
  }

  /** @param {Space | null} space */
  showSpace(space) {
    this.space.hidden = space === null;
    if (!space) return;
    const share = space.total > 0 ? (space.total - space.free) / space.total : 0;
    const fill = el('div', { class: share > 0.95 ? 'fill scarce' : 'fill' });
    fill.style.transform = `scaleX(${share})`;
    this.space.replaceChildren(
      el('p', {}, icon('disk'), el('span', {}, el('b', {}, format.size(space.free)), ` free of ${format.size(space.total)}`)),
      el('div', { class: 'track', role: 'meter', 'aria-label': 'Disk in use', 'aria-valuenow': Math.round(share * 100), 'aria-valuemin': 0, 'aria-valuemax': 100 }, fill));
    this.space.title = space.directory;
  }
}
