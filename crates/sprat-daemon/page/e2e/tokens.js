import assert from 'node:assert/strict';

import { click, escape, see, visit } from './browser.js';
import { scene } from './scene.js';
import { make, noise } from './torrent.js';

scene('with a token for looking everything is seen, and nothing is offered that would be refused', async ({ browser, daemon }) => {
  const one = await daemon();
  const torrent = make('To be looked at', [{ path: ['a.txt'], bytes: noise(3, 40_000) }, { path: ['b.txt'], bytes: noise(4, 40_000) }]);
  await one.ask('POST', '/torrents', { file: torrent.bytes.toString('base64'), stopped: true });
  const owner = await visit(browser, one);
  await owner.page.click('#settings');
  await click(owner.page, '.panes nav button', 'Tokens');
  await click(owner.page, 'dialog button', 'New token');
  await owner.page.keyboard.type('a guest');
  await owner.page.select('dialog:last-of-type select', 'read_only');
  await click(owner.page, 'dialog footer button', 'Make');
  await owner.page.waitForSelector('input.token');
  const token = await owner.page.$eval('input.token', (input) => /** @type {HTMLInputElement} */ (input).value);

  const guest = await visit(browser, one, { token });
  const { page } = guest;
  await see(page, '.row .title', 'To be looked at');
  await page.waitForFunction(() => document.body.classList.contains('read-only'));
  const seen = (/** @type {string} */ what) => page.$$eval(what, (all) => all.filter((element) => element.checkVisibility()).map((element) => element.textContent));
  assert.deepEqual(await seen('.tool'), ['Details', 'More']);
  assert.deepEqual(await seen('#add'), []);
  await click(page, '.row .title', 'To be looked at', { button: 'right' });
  assert.deepEqual(await seen('[role=menuitem]'), ['DetailsEnter', 'Copy magnet link', 'Save torrent file', 'Watch what it does…']);
  await escape(page);
  await page.keyboard.press('Delete');
  await page.keyboard.press('a');
  assert.deepEqual(await seen('dialog'), []);
  await click(page, '.row .title', 'To be looked at', { count: 2 });
  await click(page, '[role=tab]', 'Files');
  await see(page, '.filetable .name', 'a.txt');
  assert.deepEqual(await page.$$eval('.filetable select', (all) => all.map((select) => /** @type {HTMLSelectElement} */ (select).disabled)), [true, true, true]);
  await click(page, '[role=tab]', 'Trackers');
  assert.deepEqual(await seen('.panel button'), []);
  await page.click('#settings');
  await see(page, '.settings h3', 'Paths');
  assert.deepEqual(await seen('dialog footer'), []);
  assert.equal(await page.$$eval('.setting input, .setting textarea, .setting select', (all) => all.filter((input) => input.closest('[data-key]') && !Reflect.get(input, 'disabled')).length), 0);
  await escape(page);

  // Revoked, it is out at once.
  await owner.page.click('dialog:last-of-type header button');
  await owner.page.waitForSelector('input.token', { hidden: true });
  await owner.page.click('[aria-label="Revoke a guest"]');
  await click(owner.page, 'dialog footer button', 'Revoke');
  await page.reload();
  await see(page, 'dialog label', 'Access token');
  assert.deepEqual([...owner.faults, ...guest.faults], []);
});
