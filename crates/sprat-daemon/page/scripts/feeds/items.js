// What a feed offers at present, to be added by hand.

import { mayChange } from '../access.js';
import * as add from '../add.js';
import * as api from '../api.js';
import { show } from '../dialog.js';
import { el } from '../dom.js';
import * as format from '../format.js';

/**
 * @param {FeedDetails} feed
 * @param {add.Context} context
 */
export async function showItems(feed, context) {
  /** @type {FeedItem[]} */
  const items = await api.get(`/feeds/${encodeURIComponent(feed.name)}/items`);
  const search = el('input', { type: 'search', placeholder: 'Find', 'aria-label': 'Find an item', 'data-first': '' });
  const rows = items.map((item) => ({ item, element: row(item, context) }));
  search.addEventListener('input', () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { item, element } of rows) element.hidden = !words.every((word) => item.title.toLowerCase().includes(word));
  });
  show({
    title: feed.name,
    isWide: true,
    body: items.length === 0 ? [el('p', {}, 'It offers nothing, or was not fetched yet.')] : [search, el('ul', { class: 'entries' }, ...rows.map(({ element }) => element))],
  });
}

/**
 * @param {FeedItem} item
 * @param {add.Context} context
 */
function row(item, context) {
  const [source] = add.sources(item.source ?? '');
  return el('li', {},
    el('div', {}, el('span', {}, item.title), el('p', { class: 'hint' }, [format.day(item.published_at), item.size ? format.size(item.size) : '', item.is_taken ? 'taken by a rule' : '', item.failure ?? ''].filter(Boolean).join(' · '))),
    mayChange() && source && el('button', { type: 'button', onclick: () => void add.look([source], context), 'aria-label': `Add ${item.title}` }, 'Add…'));
}
