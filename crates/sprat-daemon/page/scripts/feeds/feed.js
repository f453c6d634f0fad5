// A feed: from where, and how often.

import * as api from '../api.js';
import { field, show, tick } from '../dialog.js';
import { el } from '../dom.js';
import { readSpan, writeSpan } from '../quantity.js';
import { askToRemove } from '../removal.js';

/**
 * @param {FeedDetails | null} feed
 * @param {() => Promise<void>} update
 */
export function askFeed(feed, update) {
  const name = el('input', { type: 'text', value: feed?.name ?? '', disabled: feed !== null, maxLength: 100, spellcheck: false });
  const url = el('input', { type: 'text', value: feed?.url ?? '', spellcheck: false, inputMode: 'url' });
  const interval = el('input', { type: 'text', value: feed?.interval_secs ? writeSpan(feed.interval_secs) : '', placeholder: 'as in the settings', spellcheck: false });
  const paused = tick('Paused', feed?.paused ?? false, 'It is not fetched.');
  (feed ? url : name).setAttribute('data-first', '');
  show({
    title: feed ? 'Feed' : 'New feed',
    body: [field('Name', name), field('Address', url, 'RSS, Atom or JSON Feed.'), field('Fetched every', interval, 'Such as 30 min or 6 h. A feed may ask for more time.'), paused.box],
    confirm: feed ? 'Set' : 'Watch it',
    submit: async () => {
      await api.put(`/feeds/${encodeURIComponent(name.value.trim())}`, {
        url: url.value.trim(), interval_secs: interval.value.trim() === '' ? null : readSpan(interval.value), paused: paused.input.checked,
      });
      await update();
    },
  });
}

/**
 * @param {FeedDetails} feed
 * @param {() => Promise<void>} update
 */
export function removeFeed(feed, update) {
  askToRemove({
    title: `Remove the feed ${feed.name}?`, outcome: 'What was added from it stays.', path: `/feeds/${encodeURIComponent(feed.name)}`,
  }, update);
}
