// The settings, as the daemon declares them: each with what it means, its default, and when a change takes effect; and what else is arranged
// once and rarely changed, in panes beside them.

import { mayChange } from './access.js';
import { note } from './alerts.js';
import * as api from './api.js';
import { show } from './dialog.js';
import { el } from './dom.js';
import { icon } from './icons.js';
import { browserPane } from './settings/browser.js';
import { editor } from './settings/editors.js';
import { labelsPane } from './settings/labels.js';
import { tokensPane } from './settings/tokens.js';

/** @type {Record<string, string>} */
const WHEN = {
  at_once: '',
  at_restart: 'Takes effect at the next start.',
  in_file: 'Can be changed in the configuration file only.',
};

/**
 * @typedef {object} Pane
 * @property {string} name
 * @property {HTMLElement} element
 * @property {boolean} [isSettings] It is a section of the settings, which can be searched.
 */

/** @param {string} [first] The name of the pane to begin with. */
export async function open(first) {
  /** @type {[Setting[], Pane[]]} */
  const [settings, others] = await Promise.all([
    api.get('/settings'),
    Promise.all([labelsPane(), tokensPane(), browserPane()]).then((panes) => panes.filter((pane) => pane !== null)),
  ]);
  /** @type {Map<string, () => unknown>} */
  const changed = new Map();
  const panes = [...sections(settings, changed), ...others];
  const search = el('input', { type: 'search', placeholder: 'Find a setting', 'aria-label': 'Find a setting' });
  // On a phone it would bring up the keyboard.
  if (matchMedia('(min-width: 721px)').matches) search.setAttribute('data-first', '');
  const choose = (/** @type {Pane} */ chosen) => {
    search.value = '';
    panes.forEach((pane, at) => {
      pane.element.hidden = pane !== chosen;
      for (const one of pane.element.querySelectorAll('.setting')) Reflect.set(one, 'hidden', false);
      buttons[at]?.setAttribute('aria-current', String(pane === chosen));
    });
  };
  const buttons = panes.map((pane) => el('button', { type: 'button', onclick: () => choose(pane) }, pane.name));
  search.addEventListener('input', () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const [begin] = panes;
    if (words.length === 0 && begin) {
      choose(begin);
      return;
    }
    panes.forEach((pane, at) => {
      buttons[at]?.setAttribute('aria-current', 'false');
      for (const one of pane.element.querySelectorAll('.setting')) {
        const text = one.textContent?.toLowerCase() ?? '';
        Reflect.set(one, 'hidden', !words.every((word) => text.includes(word)));
      }
      pane.element.hidden = !pane.isSettings || pane.element.querySelector('.setting:not([hidden])') === null;
    });
  });
  const start = panes.find((pane) => pane.name === first) ?? panes[0];
  if (start) choose(start);
  show({
    title: 'Settings',
    isWide: true,
    body: [el('div', { class: 'panes' }, el('nav', { 'aria-label': 'Settings' }, search, ...buttons), el('div', { class: 'pane', tabIndex: 0, role: 'region', 'aria-label': 'What can be set' }, ...panes.map((pane) => pane.element)))],
    ...(mayChange() ? { confirm: 'Save' } : {}),
    submit: async () => {
      if (changed.size === 0) return;
      /** @type {Record<string, Record<string, unknown>>} */
      const body = {};
      for (const [key, read] of changed) {
        const [section = '', name = ''] = key.split('.');
        (body[section] ??= {})[name] = read();
      }
      tell(await api.patch('/settings', body));
    },
  });
}

/** @param {{ after_restart: string[] }} answer */
function tell({ after_restart: later }) {
  note(later.length === 0 ? 'The settings hold now.' : `Kept. At the next start: ${later.join(', ')}.`);
}

/**
 * @param {Setting[]} settings
 * @param {Map<string, () => unknown>} changed
 * @returns {Pane[]}
 */
function sections(settings, changed) {
  const names = new Set(settings.map((setting) => setting.key.split('.')[0] ?? ''));
  return [...names].map((section) => ({
    name: title(section),
    isSettings: true,
    element: el('section', { class: 'settings' }, el('h3', {}, title(section)),
      ...settings.filter((setting) => setting.key.startsWith(`${section}.`)).map((setting) => entry(setting, changed))),
  }));
}

/** @type {Record<string, string>} Words of keys that are more than words. */
const SPELLED = { api: 'API', dht: 'DHT', lsd: 'Local discovery', pex: 'Peer exchange', tls: 'TLS', qbittorrent: 'qBittorrent' };

/** @param {string} key */
function title(key) {
  const words = key.split('_').map((word) => SPELLED[word] ?? word).join(' ');
  return words.startsWith('qB') ? words : words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * @param {Setting} setting
 * @param {Map<string, () => unknown>} changed
 * @returns {HTMLElement}
 */
function entry(setting, changed) {
  const { key, documentation, change, origin } = setting;
  const { element: input, read } = editor(setting);
  const isFixed = change === 'in_file' || !mayChange();
  const id = `setting-${key.replaceAll('.', '-')}`;
  input.id = id;
  input.setAttribute('aria-describedby', `${id}-about`);
  const isGroup = input.localName === 'div';
  if (isGroup) {
    input.setAttribute('role', 'group');
    input.setAttribute('aria-labelledby', `${id}-name`);
  }
  for (const control of isGroup ? input.querySelectorAll('input, button, textarea') : [input]) Reflect.set(control, 'disabled', isFixed);
  for (const event of ['input', 'change']) input.addEventListener(event, () => changed.set(key, read));
  const initial = setting.default === null ? '' : `Default: ${text(setting.default)}.`;
  const name = title(key.slice(key.indexOf('.') + 1));
  const element = el('div', { class: isGroup ? 'setting tall' : 'setting', 'data-key': key },
    el('div', {}, isGroup ? el('b', { id: `${id}-name` }, name) : el('label', { for: id }, name), el('code', {}, key),
      origin === 'api' && !isFixed ? el('button', { type: 'button', class: 'quiet small', title: 'As the configuration file has it, or the default', onclick: () => void reset() }, icon('refresh'), 'Reset') : null,
      el('p', { class: 'hint', id: `${id}-about` }, [documentation, initial, WHEN[change] ?? ''].filter(Boolean).join(' '))),
    input);
  const reset = async () => {
    try {
      tell(await api.post('/settings/reset', { keys: [key] }));
      changed.delete(key);
      /** @type {Setting[]} */
      const settings = await api.get('/settings');
      const now = settings.find((one) => one.key === key);
      if (now) element.replaceWith(entry(now, changed));
    } catch (error) {
      note(error instanceof Error ? error.message : String(error), { isBad: true });
    }
  };
  return element;
}

/** @param {unknown} value @returns {string} */
function text(value) {
  if (value === true) return 'on';
  if (value === false) return 'off';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(text).join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
