// What can be done with the selected torrents: buttons, and a menu with all of it.

import { mayChange } from './access.js';
import * as api from './api.js';
import * as changes from './changes.js';
import { copy } from './clipboard.js';
import { el } from './dom.js';
import { icon } from './icons.js';
import * as menu from './menu.js';
import * as trace from './trace.js';

export class Actions {
  /**
   * @param {object} from
   * @param {() => Torrent[]} from.selected
   * @param {() => string[]} from.labels
   * @param {(error: unknown) => void} from.failed
   * @param {(text: string) => void} from.done
   * @param {(hash: string) => void} from.open
   */
  constructor(from) {
    this.from = from;
    /** What a torrent does can be watched. */
    const tool = (/** @type {string} */ name, /** @type {string} */ picture, /** @type {() => void} */ run, isChange = true) =>
      el('button', { type: 'button', class: isChange ? 'tool changes' : 'tool', onclick: run, 'data-action': name.toLowerCase() }, icon(picture), el('span', {}, name));
    this.start = tool('Start', 'start', () => void this.act('start'));
    this.stop = tool('Stop', 'stop', () => void this.act('stop'));
    this.remove = tool('Remove', 'remove', () => this.askRemove());
    this.details = tool('Details', 'all', () => {
      const [first] = from.selected();
      if (first) from.open(first.hash);
    }, false);
    this.more = tool('More', 'more', () => this.open(this.more), false);
    this.more.setAttribute('aria-haspopup', 'menu');
    this.buttons = [this.start, this.stop, this.remove, this.details, this.more];
    this.show();
  }

  /** The selection has changed. */
  show() {
    const torrents = this.from.selected();
    const isNone = torrents.length === 0;
    this.start.disabled = isNone || torrents.every((one) => one.state !== 'stopped');
    this.stop.disabled = isNone || torrents.every((one) => one.state === 'stopped');
    this.remove.disabled = isNone;
    this.details.disabled = torrents.length !== 1;
    this.more.disabled = isNone;
  }

  askRemove() {
    const torrents = this.from.selected();
    if (torrents.length > 0) changes.remove(torrents);
  }

  /**
   * @param {string} action
   * @param {Torrent[]} [torrents]
   */
  async act(action, torrents = this.from.selected()) {
    if (torrents.length === 0) return;
    try {
      await api.post('/torrents/act', { torrents: torrents.map((torrent) => torrent.hash), action });
    } catch (error) {
      this.from.failed(error);
    }
  }

  /** @param {HTMLElement | { x: number, y: number }} where */
  open(where) {
    const torrents = this.from.selected();
    const [first] = torrents;
    if (!first) return;
    const isOne = torrents.length === 1;
    const act = (/** @type {string} */ action) => () => void this.act(action);
    const copyLinks = async () => {
      try {
        /** @type {TorrentDetails[]} */
        const all = await api.each(torrents, (torrent) => api.get(api.of(torrent.hash)));
        await copy(all.map((one) => one.magnet).join('\n'), isOne ? 'The magnet link' : 'The list of magnet links', this.from.done);
      } catch (error) {
        this.from.failed(error);
      }
    };
    const save = () => {
      const link = el('a', { href: api.BASE + api.of(first.hash, '/torrent'), download: `${first.hash}.torrent` });
      document.body.append(link);
      link.click();
      link.remove();
    };
    /** @type {(menu.Entry | false)[]} */
    const looking = [
      { label: 'Copy magnet link', icon: 'magnet', run: () => void copyLinks() },
      isOne && first.has_metadata && { label: 'Save torrent file', icon: 'file', run: save },
      isOne && { label: 'Watch what it does…', icon: 'all', run: () => trace.open(first) },
    ];
    /** @type {(menu.Entry | false)[]} */
    const changing = [
      { label: 'Start', icon: 'start', run: act('start'), keys: 'S' },
      { label: 'Force start', icon: 'force', run: act('force_start') },
      { label: 'Stop', icon: 'stop', run: act('stop'), keys: 'P' },
      { label: 'Recheck', icon: 'refresh', run: act('recheck') },
      { label: 'Ask trackers now', icon: 'active', run: act('reannounce') },
      first.trouble?.kind === 'conflict' && { label: 'Adopt the files that are there', icon: 'check', run: act('adopt') },
      null,
      { label: 'Label and tags…', icon: 'tag', run: () => changes.label(torrents, this.from.labels()), keys: 'L' },
      { label: 'Limits…', icon: 'settings', run: () => void changes.limits(torrents).catch(this.from.failed) },
      { label: 'Move…', icon: 'folder', run: () => changes.move(torrents), keys: 'M' },
      isOne && { label: 'Rename…', icon: 'file', run: () => changes.rename(first), keys: 'F2' },
      null,
      { label: 'To the top of the queue', icon: 'up', run: act('queue_top') },
      { label: 'Up in the queue', icon: 'up', run: act('queue_up') },
      { label: 'Down in the queue', icon: 'down', run: act('queue_down') },
      { label: 'To the end of the queue', icon: 'down', run: act('queue_bottom') },
      null,
      ...looking,
      null,
      { label: 'Remove…', icon: 'remove', run: () => this.askRemove(), isDangerous: true, keys: 'Del' },
    ];
    /** @type {(menu.Entry | false)[]} */
    const entries = [
      ...(isOne ? [{ label: 'Details', icon: 'all', run: () => this.from.open(first.hash), keys: 'Enter' }, null] : []),
      ...(mayChange() ? changing : looking),
    ];
    menu.open(entries.filter((entry) => entry !== false), where, 'What to do with the selected torrents');
  }
}
