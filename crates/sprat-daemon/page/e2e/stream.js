import assert from 'node:assert/strict';

import { click, see, visit } from './browser.js';
import { introduce, scene, seed } from './scene.js';
import { lay, make, tone } from './torrent.js';

scene('a file is listened to while it comes, and one may go anywhere in it', async ({ browser, daemon, context }) => {
  const [seeder, leecher] = [await daemon(), await daemon()];
  const files = [{ path: ['A long tone.wav'], bytes: tone(300) }, { path: ['notes.txt'], bytes: Buffer.from('nothing') }];
  lay(seeder.downloads, 'To be heard', files);
  const torrent = make('To be heard', files, { pieceLength: 65_536 });
  await seed(seeder, torrent);
  await leecher.ask('POST', '/torrents', { file: torrent.bytes.toString('base64'), download_limit: 1_000_000 });
  await introduce(leecher, seeder, torrent.hash);
  const { page, faults } = await visit(browser, leecher);
  await click(page, '.row .title', 'To be heard', { count: 2 });
  await click(page, '[role=tab]', 'Files');
  await see(page, '.filetable .name', 'A long tone.wav');
  assert.equal((await page.$$('[aria-label="Play notes.txt"]')).length, 0, 'that cannot be played');
  await page.click('[aria-label="Play A long tone.wav"]');
  await page.waitForFunction(() => (document.querySelector('audio')?.currentTime ?? 0) > 0.2, { timeout: 20_000 });
  // Near its end, where nothing is yet.
  const waited = await page.$eval('audio', (audio) => new Promise((resolve) => {
    const began = performance.now();
    audio.addEventListener('seeked', () => resolve(performance.now() - began), { once: true });
    audio.currentTime = 290;
  }));
  context.diagnostic(`what is played elsewhere was there after ${Math.round(Number(waited))} ms`);
  const { progress } = await leecher.ask('GET', `/torrents/${torrent.hash}`);
  assert.ok(progress < 1000, 'before all of it was there');
  await page.waitForFunction(() => (document.querySelector('audio')?.currentTime ?? 0) > 290.2);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => !document.querySelector('audio'));
  assert.deepEqual(faults, []);
});
