import assert from 'node:assert/strict';

import { click, escape, fill, see, visit } from './browser.js';
import { scene } from './scene.js';

scene('settings are what the daemon says of them, only what was changed is sent, and a reset undoes it', async ({ browser, daemon }) => {
  const one = await daemon();
  const { page, faults } = await visit(browser, one);
  const setting = async (/** @type {string} */ key) => {
    /** @type {Setting[]} */
    const all = await one.ask('GET', '/settings');
    return all.find((candidate) => candidate.key === key);
  };
  await see(page, '.empty h2', 'No torrents yet');
  await page.click('#settings');
  await see(page, '.settings h3', 'Paths');
  assert.equal(await page.$eval('#setting-paths-state', (input) => /** @type {HTMLInputElement} */ (input).disabled), true);
  await page.type('dialog input[type=search]', 'received peers together');
  await see(page, '.setting .hint', 'Default: unlimited.');
  await fill(page, '#setting-limits-download_rate', '2 MiB/s');
  await click(page, '.panes nav button', 'Seeding');
  await page.select('#setting-seeding-action', 'super_seed');
  await click(page, '.panes nav button', 'Peers');
  await page.click('#setting-peers-pex');
  await click(page, '.panes nav button', 'Limits');
  await click(page, '#setting-limits-alternative_schedule button', 'Add a time');
  await page.click('.days input[value=sun]');
  await click(page, 'dialog footer button', 'Save');
  await see(page, '.toast', 'At the next start: peers.pex');
  assert.equal((await setting('limits.download_rate'))?.value, '2 MiB/s');
  assert.equal((await setting('seeding.action'))?.value, 'super_seed');
  assert.deepEqual((await setting('limits.alternative_schedule'))?.value, [{ days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat'], from: '08:00', until: '18:00' }]);
  assert.equal((await setting('limits.upload_rate'))?.origin, 'default', 'nobody has touched it');

  // What makes no sense is refused in words, and nothing is lost.
  await page.click('#settings');
  await click(page, '.panes nav button', 'Limits');
  await fill(page, '#setting-limits-download_rate', 'fast');
  await click(page, 'dialog footer button', 'Save');
  await see(page, 'dialog .error', 'limits.download_rate');
  await page.click('[data-key="limits.download_rate"] button');
  await page.waitForFunction(() => document.querySelector('#setting-limits-download_rate') instanceof HTMLInputElement
    && /** @type {HTMLInputElement} */ (document.querySelector('#setting-limits-download_rate')).value === 'unlimited');
  assert.equal((await setting('limits.download_rate'))?.origin, 'default');
  await escape(page);

  // The rates lead to their limits.
  await page.click('#speeds');
  await see(page, 'dialog h2', 'Speed limits');
  await page.keyboard.type('300 KiB/s');
  await page.keyboard.press('Enter');
  await see(page, '.toast', 'The limits hold now.');
  assert.equal((await setting('limits.download_rate'))?.value, '300 KiB/s');
  await page.waitForFunction(() => !document.querySelector('dialog'));
  await page.click('#speeds');
  await see(page, 'dialog h2', 'Speed limits');
  await fill(page, 'dialog .halves input', ' ');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => !document.querySelector('dialog'));
  assert.equal((await setting('limits.download_rate'))?.value, 'unlimited');
  assert.deepEqual(faults, []);
});

scene('labels have a directory and limits, and go', async ({ browser, daemon }) => {
  const one = await daemon();
  const { page, faults } = await visit(browser, one);
  await page.click('#settings');
  await click(page, '.panes nav button', 'Labels');
  await click(page, 'dialog button', 'New label');
  await page.keyboard.type('<i>films</i>');
  await page.keyboard.press('Tab');
  await page.keyboard.type('films');
  await page.select('select[aria-label="Ratio"]', 'limit');
  await fill(page, 'input[aria-label="Ratio, until"]', '1.5');
  await page.select('select[aria-label="Time as a seeder"]', 'unlimited');
  await click(page, 'dialog footer button', 'Make');
  await see(page, '.entries b', '<i>films</i>');
  await see(page, '.entries .hint', 'ratio 1.5, time as a seeder: no limit');
  assert.deepEqual(await one.ask('GET', '/labels'), [
    { name: '<i>films</i>', directory: 'films', seeding: { ratio: { limit: 1.5 }, seconds: 'unlimited', idle_seconds: 'inherit' }, torrents: 0 },
  ]);
  await page.click('[aria-label="Remove <i>films</i>"]');
  await see(page, 'dialog p', 'No torrent has it.');
  await click(page, 'dialog footer button', 'Remove');
  await see(page, '.entries .hint', 'There are none yet.');
  assert.deepEqual(faults, []);
});
