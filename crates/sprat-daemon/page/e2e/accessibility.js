import assert from 'node:assert/strict';

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { click, drop, escape, inColours, see, visit } from './browser.js';
import { introduce, scene, seed } from './scene.js';
import { lay, make, noise } from './torrent.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds against WCAG 2.2, levels A and AA. @param {import('puppeteer-core').Page} page */
async function violations(page) {
  const isThere = await page.evaluate(() => 'axe' in window);
  if (!isThere) await page.evaluate(AXE);
  return page.evaluate(async () => {
    /** @type {{ violations: { id: string, help: string, nodes: { html: string, failureSummary: string }[] }[] }} */
    const found = await Reflect.get(window, 'axe').run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
    return found.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`);
  });
}

scene('what helps people who cannot see or point finds no fault, wherever one is', async ({ browser, daemon }) => {
  const [seeder, leecher] = [await daemon(), await daemon()];
  const files = [{ path: ['folder', 'first.mp3'], bytes: noise(1, 300_000) }, { path: ['second.mp3'], bytes: noise(2, 100_000) }];
  lay(seeder.downloads, 'An album', files);
  const torrent = make('An album', files, { trackers: ['http://127.0.0.1:1/announce'] });
  await seed(seeder, torrent);
  await leecher.ask('POST', '/torrents', { file: torrent.bytes.toString('base64'), label: 'music', tags: ['old'], download_limit: 20_000 });
  await introduce(leecher, seeder, torrent.hash);
  const { page, faults } = await visit(browser, leecher);
  await see(page, '.row .cell.down', '/s');
  /** @type {string[]} */
  const found = [];
  const look = async (/** @type {string} */ where) => {
    for (const violation of await violations(page)) found.push(`${where}: ${violation}`);
  };
  const close = async () => {
    await escape(page);
  };
  await look('list');
  await click(page, '.row .title', 'An album', { count: 2 });
  for (const [tab, what, text] of /** @type {[string, string, string][]} */ ([
    ['Overview', '.facts dd', '1 connected'], ['Files', '.filetable .name', 'first.mp3'], ['Peers', 'td', '127.0.0.1'], ['Trackers', 'td', 'announce'], ['Speed', '.legend', 'Down'],
  ])) {
    await click(page, '[role=tab]', tab);
    await see(page, what, text);
    await look(tab);
  }
  await page.click('[aria-label="Close details"]');
  await page.click('#settings');
  await see(page, 'dialog h2', 'Settings');
  for (const pane of await page.$$eval('.panes nav button', (buttons) => buttons.map((button) => button.textContent ?? ''))) {
    await click(page, '.panes nav button', pane);
    await look(`settings, ${pane}`);
  }
  await close();
  for (const [button, title] of /** @type {[string, string][]} */ ([['#alerts', 'Alerts'], ['#add', 'Add torrents'], ['.little-graph', 'Statistics'], ['#speeds', 'Speed limits']])) {
    await page.click(button);
    await see(page, 'dialog h2', title);
    await look(title);
    await close();
  }
  await click(page, '.row .title', 'An album');
  for (const [key, title] of /** @type {[import('puppeteer-core').KeyInput, string][]} */ ([['l', 'Label and tags'], ['m', 'Move this torrent'], ['F2', 'Rename'], ['Delete', 'Remove this torrent?'], ['?', 'Keyboard']])) {
    await page.focus('#list');
    await page.keyboard.press(key);
    await see(page, 'dialog h2', title);
    await look(title);
    await close();
  }
  await click(page, '.row .title', 'An album', { button: 'right' });
  await look('menu');
  await click(page, '[role=menuitem]', 'Limits');
  await see(page, 'dialog h2', 'Limits');
  await look('limits');
  await close();
  await drop(page, [{ name: 'x.torrent', bytes: make('Another', files.slice(0, 1)).bytes }]);
  await see(page, '.what h3', 'Another');
  await look('adding');
  await close();
  await inColours(page, 'dark');
  await look('dark');
  assert.deepEqual(found, []);
  assert.deepEqual(faults, []);
});
