import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { click, drop, escape, fill, paste, see, visit } from './browser.js';
import { introduce, scene, seed, until } from './scene.js';
import { lay, make, noise } from './torrent.js';

scene('add a file, choose of its files, watch it finish, stop it, start it, remove it with its files', async ({ browser, daemon }) => {
  const [seeder, leecher] = [await daemon(), await daemon()];
  const files = [
    { path: ['songs', 'first.mp3'], bytes: noise(1, 3_000_000) },
    { path: ['songs', 'second.mp3'], bytes: noise(2, 1_000_000) },
    { path: ['notes.txt'], bytes: noise(3, 50_000) },
  ];
  lay(seeder.downloads, 'An album', files);
  const torrent = make('An album', files);
  await seed(seeder, torrent);

  const { page, faults } = await visit(browser, leecher);
  await see(page, '.empty h2', 'No torrents yet');
  await drop(page, [{ name: 'album.torrent', bytes: torrent.bytes }]);
  await see(page, '.what h3', 'An album');
  // Without its notes: then the folder above is wanted in part.
  await page.click('input[aria-label="notes.txt"]');
  assert.equal(await page.$eval('input[aria-label="An album"]', (box) => /** @type {HTMLInputElement} */ (box).indeterminate), true);
  assert.equal(await page.$eval('input[aria-label="songs"]', (box) => /** @type {HTMLInputElement} */ (box).checked), true);
  await see(page, '.sum', '2 files chosen, 3.81 MiB');
  await page.type('input[list="add-labels"]', 'music');
  await click(page, 'dialog footer button', 'Add');
  await see(page, '.row .title', 'An album');
  await see(page, '.sidebar button', 'music');
  await leecher.ask('PATCH', `/torrents/${torrent.hash}`, { download_limit: 400_000 });
  await introduce(leecher, seeder, torrent.hash);
  await see(page, '.row .cell.down', '/s');
  await click(page, '.row .title', 'An album', { button: 'right' });
  await click(page, '[role=menuitem]', 'Watch what it does');
  await see(page, '.trace li', '127.0.0.1');
  await escape(page);
  await click(page, '.row .title', 'An album', { count: 2 });
  await see(page, '.facts dd', '1 connected');
  await click(page, '[role=tab]', 'Peers');
  await see(page, 'td', '127.0.0.1');
  await click(page, '[role=tab]', 'Files');
  await see(page, '.filetable .name', 'first.mp3');
  assert.equal(await page.$eval('select[aria-label="Priority of notes.txt"]', (select) => /** @type {HTMLSelectElement} */ (select).value), 'skip');
  await see(page, '.row .done', 'Seeding');
  await see(page, '.toast', 'An album is complete');

  await click(page, '.tool', 'Stop');
  await see(page, '.row .done', 'Complete, stopped');
  await click(page, '.tool', 'Start');
  await see(page, '.row .done', 'Seeding');

  const song = join(leecher.downloads, 'An album', 'songs', 'first.mp3');
  assert.ok(existsSync(song));
  await click(page, '.tool', 'Remove');
  await see(page, 'dialog h2', 'Remove this torrent?');
  await see(page, '.names-list', 'An album');
  await click(page, 'dialog .tick', 'Delete the files');
  await click(page, 'dialog footer button', 'Remove and delete files');
  await see(page, '.empty h2', 'No torrents yet');
  await until(async () => !existsSync(song));
  assert.deepEqual(faults, []);
});

scene('a link that is pasted anywhere finds its name and files', async ({ browser, daemon }) => {
  const [seeder, leecher] = [await daemon(), await daemon()];
  const bytes = noise(5, 400_000);
  lay(seeder.downloads, 'Pasted', [{ path: [], bytes }]);
  const torrent = make('Pasted', [{ path: [], bytes }]);
  await seed(seeder, torrent);
  const { page, faults } = await visit(browser, leecher);
  await see(page, '.empty h2', 'No torrents yet');
  await paste(page, `magnet:?xt=urn:btih:${torrent.hash}&dn=As%20the%20link%20says`);
  await see(page, '.what h3', 'As the link says');
  await click(page, 'dialog footer button', 'Add');
  await see(page, '.row .done', 'Finding metadata');
  await introduce(leecher, seeder, torrent.hash);
  await see(page, '.row .done', 'Seeding');
  await click(page, '.row .title', 'Pasted', { count: 2 });
  await click(page, '[role=tab]', 'Files');
  await see(page, '.filetable .name', 'Pasted');
  // Once more, it is there already.
  await paste(page, torrent.hash);
  await see(page, '.toast', 'in the list already');
  // What is no torrent is refused, in words.
  await drop(page, [{ name: 'no.torrent', bytes: Buffer.from('this is no torrent') }]);
  await see(page, '.toast.bad', '');
  assert.deepEqual(faults, []);
});

scene('several are chosen and acted on together, and the daemon may go away and come back', async ({ browser, daemon }) => {
  const leecher = await daemon();
  for (const name of ['one', 'two', 'three']) {
    const torrent = make(name, [{ path: [], bytes: noise(name.length, 20_000) }]);
    await leecher.ask('POST', '/torrents', { file: torrent.bytes.toString('base64'), stopped: true });
  }
  const { page, faults } = await visit(browser, leecher);
  await see(page, '.status', '3 torrents');
  await click(page, '.row .title', 'one');
  await page.keyboard.down('Control');
  await click(page, '.row .title', 'three');
  await page.keyboard.up('Control');
  await see(page, '.status', '2 selected');
  await page.keyboard.press('l');
  await page.keyboard.type('together');
  await page.keyboard.press('Enter');
  await see(page, '.sidebar [data-key="label together"] .count', '2');
  await page.click('.sidebar [data-key="label together"]');
  await see(page, '.status', '2 of 3 torrents');
  await page.type('#search', 'three');
  await see(page, '.status', '1 of 3 torrents');
  await page.keyboard.press('Escape');
  await page.click('.sidebar [data-key="label together"]');
  await see(page, '.status', '3 torrents');
  // What is there stays to be seen, and the page says that it may be old.
  await leecher.end();
  await see(page, '.connection', 'Not connected');
  await see(page, '.row .title', 'two');
  await leecher.again();
  // A login ends with the daemon.
  await see(page, 'dialog label', 'Access token');
  await page.keyboard.type(leecher.token);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('.connection')?.textContent === '', { timeout: 20_000 });
  await see(page, '.status', '3 torrents');
  await leecher.ask('POST', '/torrents/act', { torrents: 'all', action: 'start' });
  await see(page, '.row .done', 'no peers');
  assert.deepEqual(faults, []);
});

scene('label, tags and limits are given, and taken away again', async ({ browser, daemon }) => {
  const one = await daemon();
  const torrent = make('Arranged', [{ path: [], bytes: noise(6, 20_000) }]);
  await one.ask('POST', '/torrents', { file: torrent.bytes.toString('base64'), stopped: true, label: 'before', tags: ['old', 'kept'], download_limit: 102_400 });
  const { page, faults } = await visit(browser, one);
  const closed = () => page.waitForFunction(() => !document.querySelector('dialog'));
  await click(page, '.row .title', 'Arranged');
  await page.keyboard.press('l');
  await see(page, 'dialog h2', 'Label and tags');
  await fill(page, 'dialog input[list]', ' ');
  await click(page, 'dialog .tick', 'old');
  await fill(page, 'dialog .field:last-of-type input', 'new, newer');
  await click(page, 'dialog footer button', 'Set');
  await closed();
  await click(page, '.row .title', 'Arranged', { button: 'right' });
  await click(page, '[role=menuitem]', 'Limits');
  await see(page, 'dialog h2', 'Limits');
  await fill(page, 'dialog .halves .field:first-child input', ' ');
  await fill(page, 'dialog .halves .field:nth-child(2) input', '2 MiB/s');
  await page.select('select[aria-label="Ratio"]', 'limit');
  await fill(page, 'input[aria-label="Ratio, until"]', '2');
  await click(page, 'dialog .tick', 'in order');
  await click(page, 'dialog footer button', 'Set');
  await closed();
  /** @type {TorrentDetails} */
  const now = await one.ask('GET', `/torrents/${torrent.hash}`);
  assert.deepEqual([now.label, now.tags, now.download_limit, now.upload_limit, now.seeding.ratio, now.seeding.seconds, now.sequential],
    [undefined, ['kept', 'new', 'newer'], undefined, 2_097_152, { limit: 2 }, 'inherit', true]);
  assert.deepEqual(faults, []);
});
