// What a person should know: short notes as things happen, and a list of what is wrong with what to do about it.

import * as changes from './changes.js';
import { show } from './dialog.js';
import { byId, el, setText } from './dom.js';
import * as format from './format.js';
import { icon } from './icons.js';
import * as log from './log.js';

/** Things that have happened are kept for the list. */
const KEPT = 100;

/** Notes on the screen at a time. */
const NOTES = 4;

/**
 * @param {string} text
 * @param {{ isBad?: boolean, detail?: string }} [how]
 */
export function note(text, { isBad = false, detail = '' } = {}) {
  const toasts = byId('toasts');
  const close = () => toast.remove();
  const toast = el('div', { class: isBad ? 'toast bad' : 'toast' }, icon(isBad ? 'warning' : 'check'),
    el('div', {}, el('p', {}, text), detail ? el('small', {}, detail) : null),
    el('button', { type: 'button', class: 'quiet', 'aria-label': 'Dismiss', onclick: close }, icon('close')));
  // Nothing is seen beside an open dialog.
  (document.querySelector('dialog[open]:last-of-type') ?? document.body).append(toasts);
  toasts.append(toast);
  while (toasts.childElementCount > NOTES) toasts.firstElementChild?.remove();
  setTimeout(close, isBad ? 12_000 : 5_000);
}

/** @param {unknown} error */
export function failed(error) {
  note(error instanceof Error ? error.message : String(error), { isBad: true });
}

/**
 * In words.
 * @param {Happening} happening
 */
export function words(happening) {
  const name = happening.name ?? 'A torrent';
  switch (happening.event) {
    case 'added':
      return `${name} was added`;
    case 'metadata_found':
      return `${name}: its metadata was found`;
    case 'finished':
      return `${name} is complete`;
    case 'trouble_began':
      return `${name}: ${happening.text ?? 'it has stopped'}`;
    case 'trouble_ended':
      return `${name} goes on`;
    case 'gave_enough':
      return `${name} has given enough`;
    case 'moved':
      return `${name} was moved`;
    case 'move_failed':
      return `${name} could not be moved: ${happening.reason ?? ''}`;
    case 'removed':
      return `${name} was removed`;
    case 'feed_match':
      return `${name} was added by the rule ${happening.rule ?? ''}`;
    case 'feed_match_failed':
      return `${happening.title ?? 'What a feed offers'} could not be added by the rule ${happening.rule ?? ''}: ${happening.reason ?? ''}`;
    default:
      return `${name}: ${happening.event.replaceAll('_', ' ')}`;
  }
}

const BAD = new Set(['trouble_began', 'move_failed', 'feed_match_failed']);

/** Of these somebody who did not do them wants to hear. */
const WORTH_A_NOTE = new Set(['finished', 'trouble_began', 'move_failed', 'moved', 'gave_enough', 'metadata_found', 'feed_match', 'feed_match_failed']);

export class Alerts {
  /**
   * @param {object} from
   * @param {() => Torrent[]} from.troubled
   * @param {(action: string, torrents: Torrent[]) => void} from.act
   * @param {(hash: string) => void} from.open
   */
  constructor(from) {
    this.from = from;
    /** @type {Happening[]} */
    this.log = [];
    /** @type {string[]} */
    this.damages = [];
    this.badge = el('span', { class: 'badge', hidden: true });
    this.button = el('button', { type: 'button', class: 'quiet', id: 'alerts', 'aria-label': 'Alerts', title: 'Alerts', onclick: () => this.open() },
      icon('bell'), this.badge);
    /** The daemon's log can be read. */
    this.hasLog = false;
  }

  /** @param {Happening} happening */
  hear(happening) {
    this.log.unshift(happening);
    this.log.length = Math.min(this.log.length, KEPT);
    if (!WORTH_A_NOTE.has(happening.event)) return;
    note(words(happening), { isBad: BAD.has(happening.event), detail: happening.remedy ?? '' });
  }

  /** @param {number} number How many torrents are in trouble. */
  count(number) {
    const all = number + this.damages.length;
    this.badge.hidden = all === 0;
    setText(this.badge, all > 99 ? '99+' : String(all));
    this.button.setAttribute('aria-label', all === 0 ? 'Alerts: none' : `Alerts: ${all}`);
  }

  open() {
    const troubled = this.from.troubled();
    const { close } = show({
      title: 'Alerts',
      isWide: true,
      body: [
        ...this.damages.map((damage) => el('article', { class: 'alert' }, icon('warning'), el('div', {}, el('h3', {}, 'Kept state was damaged'), el('p', {}, damage)))),
        ...troubled.map((torrent) => this.trouble(torrent, () => close())),
        troubled.length + this.damages.length === 0 ? el('p', { class: 'calm' }, icon('check'), 'Nothing needs your attention.') : null,
        this.hasLog && el('div', { class: 'buttons' }, el('button', { type: 'button', onclick: () => void log.open().catch(failed) }, 'The daemon’s log…')),
        this.log.length > 0 ? el('h3', { class: 'part' }, 'Since this page was opened') : null,
        el('ul', { class: 'log' }, ...this.log.map((happening) =>
          el('li', { class: BAD.has(happening.event) ? 'bad' : '' }, el('time', {}, format.date(happening.at)), el('span', {}, words(happening))))),
      ],
    });
  }

  /**
   * @param {Torrent} torrent
   * @param {() => void} close
   */
  trouble(torrent, close) {
    const button = (/** @type {string} */ text, /** @type {() => void} */ run, kind = 'changes') => el('button', { type: 'button', class: kind, onclick: () => {
      close();
      run();
    } }, text);
    const kind = torrent.trouble?.kind;
    return el('article', { class: 'alert' }, icon('warning'), el('div', {},
      el('h3', {}, torrent.name),
      el('p', {}, torrent.trouble?.text ?? ''),
      el('p', { class: 'remedy' }, torrent.trouble?.remedy ?? ''),
      el('div', { class: 'buttons' },
        kind === 'conflict' ? button('Adopt the files', () => this.from.act('adopt', [torrent])) : null,
        kind === 'missing' ? button('Say where they are…', () => changes.move([torrent], true)) : null,
        kind === 'not_writable' || kind === 'conflict' ? button('Move…', () => changes.move([torrent])) : null,
        button('Show', () => this.from.open(torrent.hash), ''),
        button('Remove…', () => changes.remove([torrent])))));
  }
}
