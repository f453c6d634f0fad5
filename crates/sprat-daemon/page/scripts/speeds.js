// The limits of all torrents together, where they are looked for: at the rates.

import { note } from './alerts.js';
import * as api from './api.js';
import { field, show } from './dialog.js';
import { el } from './dom.js';

/** @type {[string, string][]} */
const LIMITS = [['download_rate', 'Download'], ['upload_rate', 'Upload'], ['alternative_download_rate', 'Download, alternative'], ['alternative_upload_rate', 'Upload, alternative']];

/** @type {[string, string][]} When the alternative ones hold. */
const ALTERNATIVE = [['schedule', 'At their times'], ['on', 'Now'], ['off', 'Not now']];

/** @param {() => void} openSettings Where the times are set. */
export async function open(openSettings) {
  /** @type {Setting[]} */
  const settings = await api.get('/settings');
  const inputs = LIMITS.map(([name, label], at) => {
    const value = settings.find((setting) => setting.key === `limits.${name}`)?.value;
    const input = el('input', { type: 'text', value: value === 'unlimited' ? '' : String(value ?? ''), placeholder: 'unlimited', spellcheck: false, ...(at === 0 ? { 'data-first': '' } : {}) });
    return { name, input, element: field(label, input) };
  });
  const alternative = settings.find((setting) => setting.key === 'limits.alternative');
  const choice = el('select', {}, ...ALTERNATIVE.map(([value, name]) => el('option', { value }, name)));
  choice.value = String(alternative?.value ?? 'schedule');
  const { close } = show({
    title: 'Speed limits',
    body: [
      el('p', { class: 'hint' }, 'Of all torrents together: 500 KiB/s, 2 MiB/s, or nothing for no limit.'),
      el('div', { class: 'halves' }, ...inputs.map((one) => one.element)),
      alternative ? field('The alternative ones hold', choice, 'What is chosen here holds until the schedule says the same.') : null,
      el('p', {}, el('button', { type: 'button', class: 'quiet', onclick: () => {
        close();
        openSettings();
      } }, 'Choose the times…')),
    ],
    confirm: 'Set',
    submit: async () => {
      const changed = inputs.filter(({ input }) => input.value !== input.defaultValue);
      const limits = {
        ...Object.fromEntries(changed.map(({ name, input }) => [name, input.value.trim() || 'unlimited'])),
        ...(alternative && choice.value !== alternative.value ? { alternative: choice.value } : {}),
      };
      if (Object.keys(limits).length === 0) return;
      await api.patch('/settings', { limits });
      note('The limits hold now.');
    },
  });
}
