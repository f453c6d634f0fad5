// A rule: what of the feeds is added, and how.

import * as api from '../api.js';
import { split } from '../changes.js';
import { field, show, tick } from '../dialog.js';
import { el } from '../dom.js';
import * as format from '../format.js';
import { askToRemove } from '../removal.js';

/** Titles that a trial shows. */
const SHOWN = 20;

/** In words. @param {Rule} rule */
export function describe(rule) {
  return [
    rule.must_contain || 'everything', rule.must_not_contain ? `without ${rule.must_not_contain}` : '', rule.episodes ? `episodes ${rule.episodes}` : '',
    rule.feeds.length > 0 ? `from ${rule.feeds.join(', ')}` : '',
  ].filter(Boolean).join(' · ');
}

/**
 * @param {RuleDetails | null} rule
 * @param {string[]} feeds All there are.
 * @param {import('../add.js').Context} context
 * @param {() => Promise<void>} update
 */
export function askRule(rule, feeds, context, update) {
  const line = (/** @type {string | null | undefined} */ value, placeholder = '') => el('input', { type: 'text', value: value ?? '', placeholder, spellcheck: false });
  const name = el('input', { type: 'text', value: rule?.name ?? '', disabled: rule !== null, maxLength: 100, spellcheck: false });
  const [wanted, unwanted, episodes] = [line(rule?.must_contain, 'anything'), line(rule?.must_not_contain, 'nothing'), line(rule?.episodes, 'all')];
  const isRegex = tick('These are regular expressions', rule?.notation === 'regex', 'Otherwise words that must all be there; | between alternatives, * and ? for any characters.');
  const once = tick('Each episode once', rule?.each_episode_once ?? true, 'But a correction (PROPER, REPACK) as well.');
  const isOn = tick('Follow this rule', rule?.enabled ?? true);
  const stopped = tick('Add without starting', rule?.add.paused ?? false);
  const days = el('input', { type: 'number', min: '0', max: '3650', step: '1', value: rule?.ignore_days ? String(rule.ignore_days) : '', placeholder: '0' });
  const label = el('input', { type: 'text', value: rule?.add.label ?? '', list: 'rule-labels', maxLength: 200 });
  const [directory, tags] = [line(rule?.add.save_path, 'that of the label'), line(rule?.add.tags.join(', '))];
  const of = feeds.map((feed) => ({ feed, ...tick(feed, rule === null || rule.feeds.length === 0 || rule.feeds.includes(feed)) }));
  (rule ? wanted : name).setAttribute('data-first', '');
  const read = () => {
    const chosen = of.filter(({ input }) => input.checked).map(({ feed }) => feed);
    if (feeds.length > 0 && chosen.length === 0) throw new Error('Choose a feed.');
    return {
      enabled: isOn.input.checked,
      feeds: chosen.length === feeds.length ? [] : chosen,
      notation: /** @type {Rule['notation']} */ (isRegex.input.checked ? 'regex' : 'words'),
      must_contain: wanted.value.trim(),
      must_not_contain: unwanted.value.trim(),
      episodes: episodes.value.trim(),
      each_episode_once: once.input.checked,
      ignore_days: Number(days.value) || 0,
      add: { label: label.value.trim() || null, tags: split(tags.value), save_path: directory.value.trim() || null, paused: stopped.input.checked },
    };
  };
  const found = el('ul', { class: 'hint found', role: 'status' });
  const attempt = () => {
    void (async () => test(found, name.value.trim(), read()))().catch(context.failed);
  };
  show({
    title: rule ? 'Rule' : 'New rule',
    isWide: true,
    body: [
      field('Name', name),
      el('div', { class: 'halves' }, field('The title has', wanted), field('The title has not', unwanted)),
      isRegex.box,
      el('div', { class: 'halves' }, field('Episodes', episodes, '1x2-5;8;2x is episodes 2 to 5 and 8 of season 1, and season 2.'), field('After a match, ignore for days', days)),
      of.length > 1 ? el('fieldset', {}, el('legend', {}, 'Feeds'), el('div', { class: 'inline' }, ...of.map(({ box }) => box))) : null,
      el('div', { class: 'halves' }, field('Label', label), field('Directory', directory)),
      el('datalist', { id: 'rule-labels' }, ...context.labels().map((one) => el('option', { value: one }))),
      field('Tags', tags, 'Words, with commas between.'),
      el('div', { class: 'ticks' }, isOn.box, once.box, stopped.box),
      el('div', { class: 'buttons' }, el('button', { type: 'button', onclick: attempt }, 'Try it on what is offered')), found,
    ],
    confirm: rule ? 'Set' : 'Make',
    submit: async () => {
      await api.put(`/feed-rules/${encodeURIComponent(name.value.trim())}`, read());
      await update();
    },
  });
}

/**
 * Which of what is offered a rule would take.
 * @param {HTMLElement} list
 * @param {string} name
 * @param {Rule} rule
 */
async function test(list, name, rule) {
  /** @type {{ would_take: number, items: JudgedItem[] }} */
  const { would_take: number, items } = await api.post(`/feed-rules/${encodeURIComponent(name || 'new')}/test`, rule);
  const shown = items.filter((item) => item.would_be_taken).slice(0, SHOWN);
  list.replaceChildren(el('li', {}, el('b', {}, number === 0 ? 'It would take nothing of what is offered now.' : `It would take ${format.count(number, 'item')}:`)),
    ...shown.map((item) => el('li', {}, item.title)), ...(number > shown.length ? [el('li', {}, `and ${number - shown.length} more`)] : []));
}

/**
 * @param {RuleDetails} rule
 * @param {() => Promise<void>} update
 */
export function removeRule(rule, update) {
  askToRemove({
    title: `Remove the rule ${rule.name}?`, outcome: 'What it has added stays.', path: `/feed-rules/${encodeURIComponent(rule.name)}`,
  }, update);
}
