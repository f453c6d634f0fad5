// Feeds, and the rules by which what they offer is added.

import { mayChange } from './access.js';
import * as api from './api.js';
import { show } from './dialog.js';
import { el } from './dom.js';
import { askFeed, removeFeed } from './feeds/feed.js';
import { showItems } from './feeds/items.js';
import { askRule, describe, removeRule } from './feeds/rule.js';
import * as format from './format.js';
import { icon } from './icons.js';

/** Feeds are fetched meanwhile, or by the button. */
const EVERY = 2000;

/** @param {import('./add.js').Context} context What is needed to add an item. */
export async function open(context) {
  const feeds = el('ul', { class: 'entries' });
  const rules = el('ul', { class: 'entries' });
  let shape = '';
  const update = async () => {
    /** @type {[FeedDetails[], RuleDetails[]]} */
    const [allFeeds, allRules] = await Promise.all([api.get('/feeds'), api.get('/feed-rules')]);
    const names = allFeeds.map((feed) => feed.name);
    const now = JSON.stringify([allFeeds.map((feed) => ({ ...feed, next_fetch_secs: 0 })), allRules]);
    // What has not changed stays, so that nothing loses the focus.
    if (now === shape) return;
    shape = now;
    feeds.replaceChildren(...allFeeds.map((feed) => feedEntry(feed, context, update)));
    rules.replaceChildren(...allRules.map((rule) => ruleEntry(rule, names, context, update)));
    if (allFeeds.length === 0) feeds.append(el('li', { class: 'hint' }, 'No feed is watched yet.'));
    if (allRules.length === 0) rules.append(el('li', { class: 'hint' }, 'Without a rule nothing is added by itself.'));
    newRule.onclick = () => askRule(null, names, context, update);
  };
  const newRule = el('button', { type: 'button' }, icon('add'), 'New rule');
  await update();
  const timer = setInterval(() => void update().catch(() => {}), EVERY);
  show({
    title: 'Feeds',
    isWide: true,
    body: [
      feeds, el('div', { class: 'buttons changes' }, el('button', { type: 'button', onclick: () => askFeed(null, update) }, icon('add'), 'New feed')),
      el('h3', { class: 'part' }, 'Rules'), el('p', { class: 'hint' }, 'What a feed offers and a rule wants is added. A new rule also takes what is offered already.'),
      rules, el('div', { class: 'buttons changes' }, newRule),
    ],
    closed: () => clearInterval(timer),
  });
}

/**
 * @param {FeedDetails} feed
 * @param {import('./add.js').Context} context
 * @param {() => Promise<void>} update
 */
function feedEntry(feed, context, update) {
  const fetched = feed.fetched_at ? `${format.count(feed.items, 'item')}, fetched ${format.date(feed.fetched_at)}` : 'not fetched yet';
  const about = feed.paused ? 'Paused' : feed.error ?? fetched;
  const refresh = async () => {
    await api.post(`/feeds/${encodeURIComponent(feed.name)}/refresh`, {});
    await update();
  };
  return el('li', { class: feed.error ? 'bad' : '' }, icon(feed.error ? 'warning' : 'feed'),
    el('div', {}, el('b', {}, feed.name), el('p', { class: 'hint' }, [feed.title && feed.title !== feed.name ? feed.title : '', about].filter(Boolean).join(' · '))),
    el('button', { type: 'button', onclick: () => void showItems(feed, context).catch(context.failed), 'aria-label': `What ${feed.name} offers` }, 'Items…'),
    mayChange() && el('button', { type: 'button', class: 'quiet', onclick: () => void refresh().catch(context.failed), 'aria-label': `Fetch ${feed.name} now`, title: 'Fetch now' }, icon('refresh')),
    mayChange() && el('button', { type: 'button', class: 'quiet', onclick: () => askFeed(feed, update), 'aria-label': `Change ${feed.name}`, title: 'Change' }, icon('settings')),
    mayChange() && el('button', { type: 'button', class: 'quiet', onclick: () => removeFeed(feed, update), 'aria-label': `Remove ${feed.name}`, title: 'Remove' }, icon('remove')));
}

/**
 * @param {RuleDetails} rule
 * @param {string[]} feeds
 * @param {import('./add.js').Context} context
 * @param {() => Promise<void>} update
 */
function ruleEntry(rule, feeds, context, update) {
  const last = rule.last_match ? `last: ${rule.last_match.title}` : '';
  return el('li', {}, icon(rule.enabled ? 'check' : 'stop'),
    el('div', {}, el('b', {}, rule.name), el('p', { class: 'hint' }, [rule.enabled ? '' : 'off', describe(rule), last].filter(Boolean).join(' · '))),
    mayChange() && el('button', { type: 'button', class: 'quiet', onclick: () => askRule(rule, feeds, context, update), 'aria-label': `Change ${rule.name}`, title: 'Change' }, icon('settings')),
    mayChange() && el('button', { type: 'button', class: 'quiet', onclick: () => removeRule(rule, update), 'aria-label': `Remove ${rule.name}`, title: 'Remove' }, icon('remove')));
}
