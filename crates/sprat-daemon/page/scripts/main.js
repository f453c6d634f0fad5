// Puts the page together: the stream feeds the list, the list is filtered, ordered and drawn, and what is chosen is acted on.

import * as access from './access.js';
import { Actions } from './actions.js';
import * as add from './add.js';
import { Alerts, failed, note } from './alerts.js';
import * as api from './api.js';
import * as changes from './changes.js';
import { Details } from './details.js';
import { byId, el } from './dom.js';
import { Empty } from './empty.js';
import * as feeds from './feeds.js';
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
import * as speeds from './speeds.js';
import * as statistics from './statistics.js';
import { Status } from './status.js';
import { Stream } from './stream.js';
import * as theme from './theme.js';
import { Torrents } from './torrents.js';

const torrents = new Torrents();
const selection = new Selection();
const speed = new History();
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
}, () => openSettings('Labels'));

const details = new Details(byId('details'), {
  torrent: (hash) => torrents.get(hash),
  history: speed,
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
    showAll();
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
const empty = new Empty(byId('empty'), { add: () => add.ask(adding), showAll });
const status = new Status(byId('status'), () => {
  if (access.mayChange()) void speeds.open(() => openSettings('Limits')).catch(failed);
});

/** @returns {import('./query.js').Order} */
function recallOrder() {
  try {
    const kept = JSON.parse(theme.recall('sprat.order') ?? '');
    return { by: String(kept.by), descending: Boolean(kept.descending) };
  } catch {
    return { by: 'added_at', descending: true };
  }
}

/** @param {string} [pane] */
function openSettings(pane) {
  void settings.open(pane).catch(failed);
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
  empty.show(view.length > 0 ? null : !isLoaded ? 'loading' : torrents.size === 0 ? 'none' : 'filtered');
  showStatus();
}

function showStatus() {
  const selected = selection.size;
  const isLost = isLoaded && !isConnected;
  status.show({ ...torrents.rates(), shown: list.view.length, all: torrents.size, selected, isLost });
  document.body.classList.toggle('offline', isLost);
  document.body.classList.toggle('with-selection', selected > 0);
  const group = GROUP_NAMES[filter.group] ?? '';
  byId('list').setAttribute('aria-label', filter.group === 'all' ? 'Torrents' : `Torrents: ${group}`);
}

function showAll() {
  filter = everything();
  search.value = '';
  show();
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
    const [version] = await Promise.all([api.get('/version'), access.learn()]);
    alerts.damages = version.damages ?? [];
    stream.open();
    actions.show();
    setTimeout(() => void refresh(), 300);
    alerts.hasLog = access.mayChange();
    addFromAddress();
  } catch (error) {
    if (error instanceof api.ApiError && error.status === 401) return;
    failed(error);
    void stream.again();
  }
}

/** A magnet link that the browser brings here stands in the address, behind the #, where no server sees it. */
function addFromAddress() {
  const [, link] = /^#add=(.+)$/.exec(location.hash) ?? [];
  if (link === undefined) return;
  history.replaceState(null, '', '/');
  if (!access.mayChange()) return;
  try {
    // Of what another page has brought only what can be looked at without asking anybody.
    void add.look(add.sources(decodeURIComponent(link)).filter((source) => 'magnet' in source), adding);
  } catch {
    note('The link that was brought here cannot be read.', { isBad: true });
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
  byId('corner').append(alerts.button,
    quiet('feeds', 'Feeds', 'feed', () => void feeds.open(adding).catch(failed)),
    theme.button(), quiet('settings', 'Settings', 'settings', () => openSettings()),
    quiet('logout', 'Log out', 'logout', () => void login.end().catch(failed)));
  byId('order').append(icon('sort'));
  byId('order').addEventListener('click', () => list.chooseOrder(byId('order')));
  sidebar.graph.append(littleGraph.canvas);
  sidebar.graph.addEventListener('click', () => void statistics.open(speed).catch(failed));
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
    { keys: ['a'], does: 'Add torrents', isChange: true, run: () => add.ask(adding) },
    { keys: ['/'], does: 'Search', run: () => search.focus() },
    { keys: ['↑', '↓', 'Page', 'Home', 'End'], does: 'Go through the list; with Shift, select', run: null },
    { keys: ['Space'], does: 'Select or not', run: null },
    { keys: ['Ctrl A'], does: 'Select all that are shown', run: null },
    { keys: ['Enter'], does: 'Open the details', run: null },
    { keys: ['s'], does: 'Start', isChange: true, run: () => void actions.act('start') },
    { keys: ['p'], does: 'Stop', isChange: true, run: () => void actions.act('stop') },
    { keys: ['l'], does: 'Label and tags', isChange: true, run: () => withSelected((all) => changes.label(all, labels)) },
    { keys: ['m'], does: 'Move', isChange: true, run: () => withSelected((all) => changes.move(all)) },
    { keys: ['F2'], does: 'Rename', isChange: true, run: () => withSelected(([first]) => first && changes.rename(first)) },
    { keys: ['Delete'], does: 'Remove', isChange: true, run: () => actions.askRemove() },
    { keys: [','], does: 'Settings', run: () => openSettings() },
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
  speed.sample(torrents.byHash.values());
  if (document.hidden) return;
  littleGraph.draw(speed.total);
}, 1000);
setInterval(() => void refresh(), 15_000);
theme.onChange(() => {
  littleGraph.draw(speed.total);
  details.update();
  void details.load();
});
void begin();
