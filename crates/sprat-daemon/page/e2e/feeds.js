import assert from 'node:assert/strict';

import { click, fill, see, visit } from './browser.js';
import { scene } from './scene.js';
import { make, noise } from './torrent.js';

scene('a feed is watched, a rule takes what it wants, and an item is added by hand', async ({ browser, daemon, serve }) => {
  const one = await daemon();
  const titles = ['A series 1x01', 'A series 1x02', 'Something <b>else</b>'];
  const torrents = titles.map((title, at) => make(`Torrent of ${title}`, [{ path: [], bytes: noise(at + 1, 20_000) }]));
  const port = await serve((request, response) => {
    const number = /^\/(\d)\.torrent$/.exec(request.url ?? '')?.[1];
    if (number !== undefined) {
      response.end(torrents[Number(number)]?.bytes);
      return;
    }
    const items = titles.map((title, at) => `<item><title>${title.replaceAll('<', '&lt;')}</title><guid>${at}</guid><enclosure url="http://127.0.0.1:${port}/${at}.torrent" type="application/x-bittorrent" length="1"/></item>`);
    response.setHeader('content-type', 'application/rss+xml');
    response.end(`<?xml version="1.0"?><rss version="2.0"><channel><title>New things</title><link>http://127.0.0.1/</link><description/>${items.join('')}</channel></rss>`);
  });

  const { page, faults } = await visit(browser, one);
  await see(page, '.empty h2', 'No torrents yet');
  await page.click('#feeds');
  await click(page, 'dialog button', 'New feed');
  await page.keyboard.type('things');
  await page.keyboard.press('Tab');
  await page.keyboard.type(`http://127.0.0.1:${port}/feed.xml`);
  await click(page, 'dialog footer button', 'Watch it');
  await see(page, '.entries .hint', '3 items, fetched');
  await see(page, '.entries .hint', 'New things');
  await click(page, 'dialog button', 'New rule');
  await page.keyboard.type('the series');
  await page.keyboard.press('Tab');
  await page.keyboard.type('series');
  await click(page, 'dialog button', 'Try it');
  await see(page, '.found', 'It would take 2 items:');
  await fill(page, 'dialog:last-of-type input[list="rule-labels"]', 'series');
  await click(page, 'dialog footer button', 'Make');
  await see(page, '.entries b', 'the series');
  await click(page, 'dialog button', 'Items…');
  await see(page, '.entries span', 'Something <b>else</b>');
  await page.click('[aria-label="Add Something <b>else</b>"]');
  await see(page, '.what h3', 'Torrent of Something <b>else<_b>');
  await click(page, 'dialog footer button', 'Add');
  for (let open = 3; open > 0; open -= 1) await page.keyboard.press('Escape');
  await page.waitForFunction(() => !document.querySelector('dialog'));
  await see(page, '.status', '3 torrents');
  await see(page, '.sidebar [data-key="label series"] .count', '2');
  assert.deepEqual(faults, []);
});
