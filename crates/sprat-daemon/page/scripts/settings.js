// The settings, as the daemon declares them: each with what it means, its default, and when a change takes effect.

import { note } from './alerts.js';
import * as api from './api.js';
import { show } from './dialog.js';
import { el } from './dom.js';

/** @type {Record<string, string>} */
const WHEN = {
  at_once: '',
  at_restart: 'Takes effect at the next start.',
  in_file: 'Can be changed in the configuration file only.',
};

export async function open() {
  if (!(await api.has('/settings'))) {
    show({
      title: 'Settings',
      body: [el('p', {}, 'This daemon’s settings cannot be changed from the page. They stand in its configuration file.')],
    });
    return;
  }
  const answer = await api.get('/settings');
  /** @type {Setting[]} */
  const settings = Array.isArray(answer) ? answer : answer.settings;
  /** @type {Map<string, Setting[]>} */
  const sections = new Map();
  for (const setting of settings) {
    const [section = ''] = setting.key.split('.');
    sections.set(section, [...(sections.get(section) ?? []), setting]);
  }
  /** @type {Map<string, () => unknown>} */
  const changed = new Map();
  const search = el('input', { type: 'search', placeholder: 'Find a setting', 'aria-label': 'Find a setting', 'data-first': '' });
  const parts = [...sections].map(([section, of]) => el('section', { class: 'settings', 'data-section': section },
    el('h3', {}, title(section)), ...of.map((setting) => entry(setting, changed))));
  search.addEventListener('input', () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const part of parts) {
      for (const one of part.querySelectorAll('.setting')) {
        const text = one.textContent?.toLowerCase() ?? '';
        Reflect.set(one, 'hidden', !words.every((word) => text.includes(word)));
      }
      part.hidden = part.querySelector('.setting:not([hidden])') === null;
    }
  });
  show({
    title: 'Settings',
    isWide: true,
    body: [search, ...parts],
    confirm: 'Save',
    submit: async () => {
      /** @type {Record<string, Record<string, unknown>>} */
      const body = {};
      for (const [key, read] of changed) {
        const [section = '', name = ''] = key.split('.');
        (body[section] ??= {})[name] = read();
      }
      if (changed.size === 0) return;
      /** @type {{ after_restart?: string[] }} */
      const { after_restart: later = [] } = await api.patch('/settings', body);
      note(later.length === 0 ? 'The settings hold now.' : `Kept. At the next start: ${later.join(', ')}.`);
    },
  });
}

/** @param {string} word */
function title(word) {
  return word.charAt(0).toUpperCase() + word.slice(1).replaceAll('_', ' ');
}

/**
 * @param {Setting} setting
 * @param {Map<string, () => unknown>} changed
 */
function entry(setting, changed) {
  const name = title(setting.key.slice(setting.key.indexOf('.') + 1));
  const isFixed = setting.change === 'in_file';
  const { input, read } = editor(setting.value ?? null, setting.default ?? null);
  input.id = `setting-${setting.key.replaceAll('.', '-')}`;
  input.disabled = isFixed;
  input.setAttribute('aria-describedby', `${input.id}-about`);
  input.addEventListener('input', () => changed.set(setting.key, read));
  input.addEventListener('change', () => changed.set(setting.key, read));
  const initial = setting.default === null ? '' : `Default: ${text(setting.default)}.`;
  return el('div', { class: 'setting' },
    el('div', {}, el('label', { for: input.id }, name), el('code', {}, setting.key),
      el('p', { class: 'hint', id: `${input.id}-about` }, [setting.documentation, initial, WHEN[setting.change] ?? ''].filter(Boolean).join(' '))),
    input);
}

/** @param {unknown} value */
function text(value) {
  if (value === true) return 'on';
  if (value === false) return 'off';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * What fits a value.
 * @param {unknown} value
 * @param {unknown} fallback
 * @returns {{ input: HTMLInputElement | HTMLTextAreaElement, read: () => unknown }}
 */
function editor(value, fallback) {
  const like = value ?? fallback;
  if (typeof like === 'boolean') {
    const input = el('input', { type: 'checkbox', checked: value === true });
    return { input, read: () => input.checked };
  }
  if (typeof like === 'number') {
    const input = el('input', { type: 'text', inputMode: 'decimal', value: String(value ?? '') });
    // A number may be said with a unit, or be “unlimited”: the daemon knows which.
    return { input, read: () => (input.value.trim() === '' ? null : /^-?[\d.]+$/.test(input.value.trim()) ? Number(input.value) : input.value.trim()) };
  }
  if (typeof like === 'object' && like !== null) {
    const input = el('textarea', { rows: 3, value: JSON.stringify(value, null, 1), spellcheck: false });
    return { input, read: () => JSON.parse(input.value) };
  }
  const input = el('input', { type: 'text', value: value === null ? '' : String(value), spellcheck: false });
  return { input, read: () => (input.value.trim() === '' ? null : /^\d+$/.test(input.value.trim()) ? Number(input.value) : input.value.trim()) };
}
