import assert from 'node:assert/strict';

import { click, see, visit } from './browser.js';
import { crowd } from './crowd.js';
import { pause, scene } from './scene.js';
import { make, noise } from './torrent.js';

/** The longest that the page may need for a frame, milliseconds of the processor: the clock also counts what others do meanwhile. */
const MOST = 100;

/** How many torrents a daemon is given. An unoptimised one takes its time for each; SPRAT_PAGE_TORRENTS=10000 is for one that is. */
const COUNT = Number(process.env['SPRAT_PAGE_TORRENTS'] ?? 1000);

/** Requests to add them. */
const AT_A_TIME = 16;

scene('ten thousand torrents, of which two thousand change each second', async ({ browser, daemon, serve, context }) => {
  const one = await daemon();
  const address = await crowd(one, serve, 10_000);
  const { page, faults } = await visit(browser, one, { address, width: 1400, height: 900 });
  const began = performance.now();
  await see(page, '.status', '10,000 torrents');
  context.diagnostic(`the list was there after ${Math.round(performance.now() - began)} ms`);
  assert.ok(await page.$$eval('.row', (rows) => rows.length) < 60, 'rows are made for what is in view only');

  const client = await page.createCDPSession();
  await client.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent = async () => {
    const { metrics } = await client.send('Performance.getMetrics');
    return (metrics.find((one) => one.name === 'TaskDuration')?.value ?? 0) * 1000;
  };

  /**
   * What the page's thread does for an input until it was drawn: scripts, styles, layout, painting.
   * @template T
   * @param {string} name
   * @param {T[]} inputs
   * @param {(input: T) => void} act In the page.
   */
  const measure = async (name, inputs, act) => {
    /** @type {number[]} */
    const times = [];
    for (const input of inputs) {
      const before = await spent();
      await page.evaluate(/** @type {any} */ (act), input);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(undefined)))));
      times.push(await spent() - before);
    }
    times.sort((a, b) => a - b);
    const [median = 0, last = 0] = [times[Math.floor(times.length / 2)], times.at(-1)];
    context.diagnostic(`${name}: median ${median.toFixed(1)} ms, longest ${last.toFixed(1)} ms of ${times.length}`);
    assert.ok(median < MOST, `${name}: ${median} ms`);
  };

  await measure('scrolling to anywhere', Array.from({ length: 40 }, (_, at) => at), (step) => {
    const list = /** @type {HTMLElement} */ (document.getElementById('list'));
    list.scrollTop = (step * 7919 * 41) % (list.scrollHeight - list.clientHeight);
  });
  await measure('scrolling by two rows', Array.from({ length: 40 }, (_, at) => at), () => {
    /** @type {HTMLElement} */ (document.getElementById('list')).scrollTop += 80;
  });
  await measure('sorting', ['name', 'size', 'down', 'ratio', 'peers', 'label', 'name', 'progress', 'eta', 'up'], (column) => {
    /** @type {HTMLElement} */ (document.querySelector(`[data-column=${column}] button`)).click();
  });
  await measure('filtering', ['seeding', 'all', 'stopped', 'active', 'complete', 'all'], (group) => {
    /** @type {HTMLElement} */ (document.querySelector(`[data-key="group ${group}"]`)).click();
  });
  await measure('searching', ['n', 'no', 'nor', 'nort', 'north', 'northern 9', 'northern 99', ''], (text) => {
    const search = /** @type {HTMLInputElement} */ (document.getElementById('search'));
    search.value = text;
    search.dispatchEvent(new Event('input'));
  });
  await measure('selecting all', [true, false, true], (isAll) => {
    const list = /** @type {HTMLElement} */ (document.getElementById('list'));
    list.focus();
    list.dispatchEvent(new KeyboardEvent('keydown', { key: isAll ? 'a' : 'Escape', ctrlKey: isAll, bubbles: true }));
  });
  await see(page, '.status', '10,000 selected');
  const before = await spent();
  await pause(10_000);
  const each = (await spent() - before) / 10;
  context.diagnostic(`two thousand changes a second: ${each.toFixed(1)} ms each second`);
  assert.ok(each < 2 * MOST, `${each} ms a second`);
  assert.deepEqual(faults, []);
});

scene(`${COUNT} torrents that the daemon really has`, async ({ browser, daemon, context }) => {
  const one = await daemon();
  const numbers = Array.from({ length: COUNT }, (_, at) => at).values();
  const began = performance.now();
  // Each takes the next number when it is done with one.
  await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
    for (const number of numbers) {
      const { bytes } = make(`Volume ${number}`, [{ path: [], bytes: noise(number, 100) }]);
      await one.ask('POST', '/torrents', { file: bytes.toString('base64'), stopped: true, label: number % 2 === 0 ? 'even' : null });
    }
  }));
  context.diagnostic(`added in ${Math.round(performance.now() - began)} ms`);
  const { page, faults } = await visit(browser, one, { width: 1400, height: 900 });
  const opened = performance.now();
  const [all, half] = [COUNT, COUNT / 2].map((number) => number.toLocaleString('en'));
  await see(page, '.status', `${all} torrents`);
  context.diagnostic(`the list was there after ${Math.round(performance.now() - opened)} ms`);
  await page.click('.sidebar [data-key="label even"]');
  await see(page, '.status', `${half} of ${all} torrents`);
  await page.type('#search', `volume ${COUNT - 2}`);
  await see(page, '.status', `1 of ${all} torrents`);
  await page.focus('#list');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await see(page, '.facts dd', 'even');
  await page.keyboard.press('Escape');
  await page.focus('#search');
  await page.keyboard.press('Escape');
  await see(page, '.status', `${half} of ${all} torrents`);
  await page.focus('#list');
  await page.keyboard.down('Control');
  await page.keyboard.press('a');
  await page.keyboard.up('Control');
  await see(page, '.status', `${half} selected`);
  await click(page, '.tool', 'Remove');
  await see(page, 'dialog h2', `Remove ${half} torrents?`);
  const asked = performance.now();
  await click(page, 'dialog footer button', 'Remove');
  await page.waitForFunction(() => !document.querySelector('dialog'), { timeout: 60_000 });
  await see(page, '.status', `0 of ${half} torrents`);
  context.diagnostic(`half of them were gone after ${Math.round(performance.now() - asked)} ms`);
  assert.deepEqual(faults, []);
});
