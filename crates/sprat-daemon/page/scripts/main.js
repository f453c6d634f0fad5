// Puts the page together: the stream feeds the list, the list is filtered, ordered and drawn, and what is chosen is acted on.

import { Actions } from './actions.js';
import * as add from './add.js';
import { Alerts, failed, note } from './alerts.js';
import * as api from './api.js';
import * as changes from './changes.js';
import { Details } from './details.js';
import { byId, el, setText } from './dom.js';
import * as format from './format.js';
import { Graph } from './graph.js';
import { History } from './history.js';
import { icon } from './icons.js';
import * as keyboard from './keyboard.js';
import { List } from './list.js';
import * as login from './login.js';
import { arrange, everything } from './query.js';
import { Selection } from './selection.js';
import * as settings from './settings.js';
import { GROUP_NAMES, Sidebar } from './sidebar.js';
import { Stream } from './stream.js';
import * as theme from './theme.js';
import { Torrents } from './torrents.js';

const torrents = new Torrents();
const selection = new Selection();
const history = new History();
let filter = everything();
/** @type {import('./query.js').Order} */
let order = recallOrder();
/** @type {string[]} */
let labels = [];
let isConnected = false;
let isLoaded = false;

const wide = matchMedia('(min-width: 721px)');
const search = byId('search', HTMLInputElement);

const sidebar = new Sidebar(byId('sidebar'), (change) => {
  filter = { ...filter, ...change };
  openSidebar(false);
  byId('list').scrollTop = 0;
  show();
});

const details = new Details(byId('details'), {
  torrent: (hash) => torrents.get(hash),
  history,
  failed,
  act: (where) => {
    if (details.hash !== null && !selection.has(details.hash)) selection.only(details.hash);
    actions.open(where);
  },
  closed: () => {
    document.body.classList.remove('with-details');
    // On a phone it was selected by being opened.
    if (!wide.matches) selection.clear();
    show();
    byId('list').focus({ preventScroll: true });
  },
});

const list = new List({ list: byId('list'), head: byId('head'), rows: byId('rows') }, selection, {
  sorted: (next) => {
    order = next;
    theme.remember('sprat.order', JSON.stringify(order));
    show();
  },
  selected: () => {
    actions.show();
    showStatus();
    if (details.isOpen && wide.matches && selection.size === 1 && selection.cursor) details.open(selection.cursor);
  },
  opened: openDetails,
  touched: (hash) => {
    if (!wide.matches) openDetails(hash);
  },
  context: (at) => actions.open(at),
});

const actions = new Actions({
  selected: () => {
    /** @type {Torrent[]} */
    const found = [];
    for (const hash of list.order) {
      const torrent = selection.has(hash) ? torrents.get(hash) : undefined;
      if (torrent) found.push(torrent);
    }
    return found;
  },
  labels: () => labels,
  failed,
  done: (text) => note(text),
  open: openDetails,
});

const alerts = new Alerts({
  troubled: () => torrents.all().filter((torrent) => torrent.state === 'trouble'),
  act: (action, of) => void actions.act(action, of),
  open: (hash) => {
    filter = everything();
    search.value = '';
    selection.only(hash);
    show();
    list.reveal();
    openDetails(hash);
  },
});

/** @type {import('./add.js').Context} */
const adding = { labels: () => labels, failed, done: (text) => note(text), open: alerts.from.open };

const stream = new Stream({
  torrents: (page) => {
    isLoaded = true;
    torrents.apply(page);
    show();
  },
  happening: (happening) => alerts.hear(happening),
  connected: (is) => {
    if (isConnected === is) return;
    isConnected = is;
    showStatus();
  },
}, () => torrents.cursor);

const littleGraph = new Graph({ label: 'Speed of all torrents', seconds: 180, isPlain: true });
const status = {
  down: el('span', {}), up: el('span', {}), chosen: el('span', { class: 'chosen' }), connection: el('span', { class: 'connection', role: 'status' }),
};

/** @returns {import('./query.js').Order} */
function recallOrder() {
  try {
    const kept = JSON.parse(theme.recall('sprat.order') ?? '');
    return { by: String(kept.by), descending: Boolean(kept.descending) };
  } catch {
    return { by: 'added_at', descending: true };
  }
}

/** @param {string} hash */
function openDetails(hash) {
  document.body.classList.add('with-details');
  details.open(hash);
}

/** @param {boolean} is */
function openSidebar(is) {
  document.body.classList.toggle('with-sidebar', is);
  byId('open-sidebar').setAttribute('aria-expanded', String(is));
  byId('shade').hidden = !is;
}

/** Everything anew, from what is known. */
function show() {
  const all = torrents.all();
  const view = arrange(all, filter, order);
  if (selection.size > 0 || selection.cursor !== null) {
    const shown = new Set(view.map((torrent) => torrent.hash));
    selection.keep((hash) => shown.has(hash));
  }
  list.show(view, order);
  sidebar.show(all, filter);
  actions.show();
  details.update();
  alerts.count(all.reduce((sum, torrent) => sum + (torrent.state === 'trouble' ? 1 : 0), 0));
  showEmpty(view.length);
  showStatus();
}

let emptiness = '';

/** @param {number} shown */
function showEmpty(shown) {
  const kind = shown > 0 ? '' : !isLoaded ? 'loading' : torrents.size === 0 ? 'none' : 'filtered';
  const empty = byId('empty');
  empty.hidden = kind === '';
  if (kind === emptiness) return;
  emptiness = kind;
  const clear = el('button', { type: 'button', onclick: () => {
    filter = everything();
    search.value = '';
    show();
  } }, 'Show all');
  if (kind === 'none') {
    empty.replaceChildren(el('img', { src: '/icon.svg', alt: '', width: 72, height: 72 }), el('h2', {}, 'No torrents yet'),
      el('p', {}, 'Paste a magnet link, drop a torrent file here, or choose one.'),
      el('button', { type: 'button', class: 'primary', onclick: () => add.ask(adding) }, icon('add'), 'Add torrents'));
  } else if (kind === 'filtered') {
    empty.replaceChildren(el('h2', {}, 'Nothing matches'), el('p', {}, 'No torrent is like this.'), clear);
  } else if (kind === 'loading') {
    empty.replaceChildren(el('p', {}, 'Asking the daemon…'));
  }
}

function showStatus() {
  const { download, upload } = torrents.rates();
  setText(status.down, `${format.size(download)}/s`);
  setText(status.up, `${format.size(upload)}/s`);
  const isFiltered = list.view.length !== torrents.size;
  const parts = [isFiltered ? `${list.view.length.toLocaleString('en')} of ${format.count(torrents.size, 'torrent')}` : format.count(torrents.size, 'torrent')];
  if (selection.size > 0) parts.push(`${selection.size.toLocaleString('en')} selected`);
  setText(status.chosen, parts.join(' · '));
  setText(status.connection, isConnected ? '' : isLoaded ? 'Not connected: trying again…' : '');
  document.body.classList.toggle('offline', isLoaded && !isConnected);
  document.body.classList.toggle('with-selection', selection.size > 0);
  document.title = download + upload > 0 ? `↓ ${format.size(download)}/s ↑ ${format.size(upload)}/s – sprat` : 'sprat';
  const group = GROUP_NAMES[filter.group] ?? '';
  byId('list').setAttribute('aria-label', filter.group === 'all' ? 'Torrents' : `Torrents: ${group}`);
}

/** What the stream does not say, once in a while. */
async function refresh() {
  if (document.hidden || !isConnected) return;
  try {
    /** @type {[LabelDetails[], Space]} */
    const [found, space] = await Promise.all([api.get('/labels'), api.get('/space')]);
    labels = found.map((label) => label.name);
    sidebar.showSpace(space);
  } catch {
    sidebar.showSpace(null);
  }
}

async function begin() {
  try {
    const version = await api.get('/version');
    alerts.damages = version.damages ?? [];
    stream.open();
    setTimeout(() => void refresh(), 300);
    byId('logout').hidden = !(await api.has('/session'));
  } catch (error) {
    if (error instanceof api.ApiError && error.status === 401) return;
    failed(error);
    void stream.again();
  }
}

/** What stands in index.html without its pictures and listeners. */
function furnish() {
  const quiet = (/** @type {string} */ id, /** @type {string} */ name, /** @type {string} */ picture, /** @type {() => void} */ run) =>
    el('button', { type: 'button', class: 'quiet', id, 'aria-label': name, title: name, onclick: run }, icon(picture));
  byId('open-sidebar').append(icon('menu'));
  byId('open-sidebar').addEventListener('click', () => openSidebar(!document.body.classList.contains('with-sidebar')));
  byId('shade').addEventListener('click', () => openSidebar(false));
  byId('add').prepend(icon('add'));
  byId('add').addEventListener('click', () => add.ask(adding));
  byId('search-box').prepend(icon('search'));
  byId('tools').append(...actions.buttons);
  byId('corner').append(alerts.button, theme.button(),
    quiet('settings', 'Settings', 'settings', () => void settings.open().catch(failed)),
    quiet('logout', 'Log out', 'logout', () => void login.end().catch(failed)));
  byId('logout').hidden = true;
  sidebar.graph.append(littleGraph.canvas);
  byId('status').append(
    el('span', { class: 'rate down', title: 'Received from all' }, icon('down'), status.down),
    el('span', { class: 'rate up', title: 'Sent to all' }, icon('up'), status.up),
    status.chosen, status.connection);
  let timer = 0;
  search.addEventListener('input', () => {
    cancelAnimationFrame(timer);
    timer = requestAnimationFrame(() => {
      filter = { ...filter, text: search.value };
      byId('list').scrollTop = 0;
      show();
    });
  });
  search.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' && event.key !== 'ArrowDown' && event.key !== 'Enter') return;
    if (event.key === 'Escape' && search.value !== '') {
      search.value = '';
      filter = { ...filter, text: '' };
      show();
    } else byId('list').focus();
    event.preventDefault();
  });
  keyboard.listen([
    { keys: ['a'], does: 'Add torrents', run: () => add.ask(adding) },
    { keys: ['/'], does: 'Search', run: () => search.focus() },
    { keys: ['↑', '↓', 'Page', 'Home', 'End'], does: 'Go through the list; with Shift, select', run: null },
    { keys: ['Space'], does: 'Select or not', run: null },
    { keys: ['Ctrl A'], does: 'Select all that are shown', run: null },
    { keys: ['Enter'], does: 'Open the details', run: null },
    { keys: ['s'], does: 'Start', run: () => void actions.act('start') },
    { keys: ['p'], does: 'Stop', run: () => void actions.act('stop') },
    { keys: ['l'], does: 'Label and tags', run: () => withSelected((all) => changes.label(all, labels)) },
    { keys: ['m'], does: 'Move', run: () => withSelected((all) => changes.move(all)) },
    { keys: ['F2'], does: 'Rename', run: () => withSelected(([first]) => first && changes.rename(first)) },
    { keys: ['Delete'], does: 'Remove', run: () => actions.askRemove() },
    { keys: ['Escape'], does: 'Close the details; then select nothing', run: () => {
      if (details.isOpen) details.close();
      else {
        selection.clear();
        show();
      }
    } },
  ]);
  add.listen(byId('drop'), adding);
}

/** @param {(torrents: Torrent[]) => void} act */
function withSelected(act) {
  const selected = actions.from.selected();
  if (selected.length > 0) act(selected);
}

api.onUnauthorised(() => {
  stream.close();
  login.ask(() => void begin());
});
furnish();
show();
setInterval(() => {
  history.sample(torrents.byHash.values());
  if (document.hidden) return;
  littleGraph.draw(history.total);
}, 1000);
setInterval(() => void refresh(), 15_000);
theme.onChange(() => {
  littleGraph.draw(history.total);
  details.update();
  void details.load();
});
void begin();
