// What fits the value of a setting: a box to tick, a choice, a line, or a list of them.

import { el } from '../dom.js';
import { schedule } from './schedule.js';
import { webhooks } from './webhooks.js';

/** @typedef {{ element: HTMLElement, read: () => unknown }} Editor `read` throws with words for a person if what is there is none. */

/** @type {Record<string, [string, string][]>} What a setting can be, and what that is called. */
const CHOICES = {
  'seeding.action': [
    ['pause', 'Stop it'], ['remove', 'Remove it, keep its files'], ['remove_with_data', 'Remove it and delete its files'], ['super_seed', 'Go on as a super-seeder'],
  ],
  'limits.alternative': [['schedule', 'As scheduled'], ['on', 'On'], ['off', 'Off']],
  'log.level': [['error', 'Errors'], ['warn', 'Warnings'], ['info', 'What an operator may want to know'], ['debug', 'What explains a fault'], ['trace', 'Everything']],
};

/** @type {Record<string, (value: any) => Editor>} Those that are lists of objects. */
const OWN = { 'limits.alternative_schedule': schedule, 'webhooks.endpoints': webhooks };

/**
 * @param {Setting} setting
 * @returns {Editor}
 */
export function editor({ key, value, default: fallback, change }) {
  const own = OWN[key];
  if (own) return own(value);
  const choices = CHOICES[key];
  const like = value ?? fallback;
  if (choices) return choice(choices, String(value));
  if (typeof like === 'boolean') return box(value === true);
  if (Array.isArray(like)) return like.every((one) => typeof one === 'string') ? lines(like) : json(like);
  if (typeof like === 'object' && like !== null) return json(like);
  return line(value, change === 'in_file');
}

/**
 * @param {[string, string][]} choices
 * @param {string} value
 */
function choice(choices, value) {
  const element = el('select', {}, ...choices.map(([word, name]) => el('option', { value: word }, name)));
  element.value = value;
  return { element, read: () => element.value };
}

/** @param {boolean} value */
function box(value) {
  const element = el('input', { type: 'checkbox', checked: value });
  return { element, read: () => element.checked };
}

/**
 * A number or a text. A number may be said with a unit or be “unlimited”: the daemon knows which.
 * @param {unknown} value
 * @param {boolean} isFixed
 */
function line(value, isFixed) {
  const element = el('input', { type: 'text', value: value === null || value === undefined ? '' : String(value), spellcheck: false, placeholder: isFixed ? '' : 'not set' });
  const read = () => {
    const text = element.value.trim();
    return text === '' ? null : /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  };
  return { element, read };
}

/** @param {string[]} value */
function lines(value) {
  const element = el('textarea', { rows: Math.min(6, Math.max(2, value.length)), value: value.join('\n'), spellcheck: false, placeholder: 'one on each line' });
  return { element, read: () => element.value.split('\n').map((one) => one.trim()).filter(Boolean) };
}

/** @param {unknown} value */
function json(value) {
  const element = el('textarea', { rows: 3, value: JSON.stringify(value, null, 1), spellcheck: false });
  return { element, read: () => JSON.parse(element.value) };
}
