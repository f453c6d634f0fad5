// What it looks like, with real daemons: all pictures for whoever works on the page, or with SPRAT_PICTURES those of the README.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { click, drop, escape, inColours, see, visit } from './browser.js';
import { introduce, pause, scene, seed } from './scene.js';
import { lay, make } from './torrent.js';

const PICTURES = process.env['SPRAT_PICTURES'] ?? join(tmpdir(), 'sprat-page-pictures');

/** Those of the README. */
const KEPT = ['page-light', 'page-dark', 'page-add', 'phone-light', 'phone-dark'];

/**
 * @param {import('puppeteer-core').Page} page
 * @param {string} name
 */
async function take(page, name) {
  if (process.env['SPRAT_PICTURES'] && !KEPT.includes(name)) return;
  await page.screenshot({ path: /** @type {`${string}.png`} */ (join(PICTURES, `${name}.png`)) });
}

/** Bytes of which no two kibibytes are the same, made quickly. @param {string} seed @param {number} length */
function bytes(seed, length) {
  const block = createHash('sha512').update(seed).digest();
  const all = Buffer.alloc(length, block);
  for (let at = 0; at + 8 < length; at += 1024) all.writeUInt32BE(at, at);
  return all;
}

const MIB = 1 << 20;

/** @type {{ name: string, files: [string, number][], label?: string, tags?: string[], is: 'slow' | 'done' | 'wanted' | 'stopped' | 'alone', limit?: number }[]} */
const SHELF = [
  { name: 'Field recordings of northern birds', label: 'sound', tags: ['lossless'], is: 'slow', limit: 768 * 1024, files: [['Great northern diver.flac', 22], ['Whooper swan.flac', 17], ['Notes/Where and when.pdf', 1], ['Notes/Map.png', 2]] },
  { name: 'Openly licensed films 2024', label: 'films', is: 'slow', limit: 1024 * 1024, files: [['A short film about rivers.webm', 96], ['Making of.mp4', 28], ['Subtitles.en.srt', 1]] },
  { name: 'Planet extract, Scandinavia, March.osm.pbf', label: 'maps', is: 'slow', limit: 512 * 1024, files: [['', 72]] },
  { name: 'Lectures on algorithms, 1–24', label: 'lectures', tags: ['watch'], is: 'done', files: [['01 Introduction.mp4', 3], ['02 Sorting.mp4', 3], ['03 Graphs.mp4', 2]] },
  { name: 'Public-domain typefaces', is: 'done', files: [['Specimens.pdf', 4]] },
  { name: 'Star catalogue, third release', label: 'data', is: 'wanted', limit: 320 * 1024, files: [['', 48]] },
  { name: 'Wikipedia in Danish, text only', label: 'data', is: 'alone', files: [['', 14]] },
  { name: 'Historical weather maps 1880–1950', label: 'maps', tags: ['scans'], is: 'stopped', files: [['', 24]] },
  { name: 'Chamber music from old records', label: 'sound', is: 'done', files: [['Quartet.flac', 5], ['Trio.flac', 5]] },
  { name: 'A Linux installer, 64 bits.iso', label: 'systems', is: 'wanted', limit: 640 * 1024, files: [['', 96]] },
];

scene('pictures', async ({ browser, daemon }) => {
  mkdirSync(PICTURES, { recursive: true });
  const [seeder, leecher] = [await daemon(), await daemon()];
  /** @type {{ hash: string, name: string }[]} */
  const all = [];
  for (const one of SHELF) {
    const files = one.files.map(([path, size]) => ({ path: path === '' ? [] : path.split('/'), bytes: bytes(one.name + path, size * MIB) }));
    const torrent = make(one.name, files, { pieceLength: 256 * 1024, comment: 'Made for a picture', createdBy: 'sprat' });
    all.push({ hash: torrent.hash, name: one.name });
    const isThere = one.is === 'done' || one.is === 'wanted';
    if (isThere) lay(leecher.downloads, one.name, files);
    if (one.is === 'slow' || one.is === 'done') {
      lay(seeder.downloads, one.name, files);
      await seed(seeder, torrent);
    } else if (one.is === 'wanted') {
      await seeder.ask('POST', '/torrents', { file: torrent.bytes.toString('base64'), download_limit: one.limit });
    }
    await leecher.ask('POST', '/torrents', {
      file: torrent.bytes.toString('base64'), label: one.label, tags: one.tags ?? [], adopt: isThere, stopped: one.is === 'stopped',
      ...(one.is === 'slow' ? { download_limit: one.limit } : {}),
    });
    if (one.is !== 'stopped' && one.is !== 'alone') await introduce(leecher, seeder, torrent.hash);
  }
  // Somebody’s file has the place of this one.
  const letters = [{ path: [], bytes: bytes('letters', 3 * MIB) }];
  const taken = make('Letters, volume two', letters);
  lay(seeder.downloads, 'Letters, volume two', letters);
  await seed(seeder, taken);
  lay(leecher.downloads, 'Letters, volume two', [{ path: [], bytes: Buffer.from('something else') }]);
  await leecher.ask('POST', '/torrents', { file: taken.bytes.toString('base64') });
  await introduce(leecher, seeder, taken.hash);

  const { page, faults } = await visit(browser, leecher, { width: 1360, height: 850 });
  await see(page, '.row .done', 'Needs attention');
  await pause(20_000);
  const films = all[1]?.name ?? '';
  const picture = async (/** @type {string} */ name) => {
    await pause(400);
    await take(page, name);
  };
  const look = async (/** @type {boolean} */ isDark) => {
    await inColours(page, isDark ? 'dark' : 'light');
    await pause(1200);
  };
  await page.evaluate(() => document.querySelectorAll('.toast button').forEach((button) => button instanceof HTMLElement && button.click()));
  await click(page, '.row .title', films, { count: 2 });
  await see(page, '.facts dd', '1 connected');
  await picture('page-light');
  await click(page, '[role=tab]', 'Files');
  await see(page, '.filetable .name', 'Making of.mp4');
  await look(true);
  await picture('page-dark-files');
  await click(page, '[role=tab]', 'Speed');
  await pause(2100);
  await picture('page-dark');
  await look(false);
  await click(page, '[role=tab]', 'Peers');
  await see(page, 'td', '127.0.0.1');
  await picture('page-peers');
  await page.click('[aria-label="Close details"]');
  await page.click('#alerts');
  await see(page, '.alert h3', 'Letters');
  await picture('page-alerts');
  await escape(page);
  await drop(page, [{ name: 'x.torrent', bytes: make('An atlas of the sea floor', [
    { path: ['Plates', 'Atlantic, north.tif'], bytes: bytes('a', MIB) }, { path: ['Plates', 'Atlantic, south.tif'], bytes: bytes('b', MIB) },
    { path: ['Plates', 'Pacific.tif'], bytes: bytes('c', MIB) }, { path: ['Index.pdf'], bytes: bytes('d', 40_000) },
  ], { comment: 'Scanned from the edition of 1912' }).bytes }]);
  await see(page, '.what h3', 'An atlas');
  await page.click('input[aria-label="Pacific.tif"]');
  await picture('page-add');
  await escape(page);
  await click(page, '.row .title', films);
  await page.click('.tool[data-action=remove]');
  await look(true);
  await picture('page-remove');
  await escape(page);
  await click(page, '.row .title', films, { button: 'right' });
  await picture('page-menu');
  await escape(page);

  await look(false);
  for (const [button, title, name] of /** @type {[string, string, string][]} */ ([['#settings', 'Settings', 'page-settings'], ['.little-graph', 'Statistics', 'page-statistics'], ['#speeds', 'Speed limits', 'page-speeds']])) {
    await page.click(button);
    await see(page, 'dialog h2', title);
    await pause(1200);
    await picture(name);
    if (button === '#settings') {
      for (const pane of ['Limits', 'Labels']) {
        await click(page, '.panes nav button', pane);
        await picture(`page-settings-${pane.toLowerCase()}`);
      }
    }
    await escape(page);
  }
  await click(page, '.row .title', films, { button: 'right' });
  await click(page, '[role=menuitem]', 'Limits');
  await picture('page-limits');
  await escape(page);

  const small = await visit(browser, leecher, { width: 390, height: 800, scale: 2 });
  await see(small.page, '.row .title', films);
  await pause(1500);
  await small.page.evaluate(() => document.querySelectorAll('.toast button').forEach((button) => button instanceof HTMLElement && button.click()));
  await take(small.page, 'phone-light');
  await small.page.tap('#open-sidebar');
  await pause(500);
  await take(small.page, 'phone-filters');
  await small.page.touchscreen.tap(375, 500);
  await pause(400);
  await inColours(small.page, 'dark');
  await click(small.page, '.row .title', films);
  await see(small.page, '.facts dd', '1 connected');
  await pause(600);
  await small.page.evaluate(() => document.querySelectorAll('.toast button').forEach((button) => button instanceof HTMLElement && button.click()));
  await take(small.page, 'phone-dark');
  await small.page.click('[aria-label="Close details"]');
  await small.page.click('#settings');
  await see(small.page, 'dialog h2', 'Settings');
  await pause(400);
  await take(small.page, 'phone-settings');
  assert.deepEqual([...faults, ...small.faults], []);
});
