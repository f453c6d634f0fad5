import assert from 'node:assert/strict';

import { click, see, visit } from './browser.js';
import { scene } from './scene.js';

scene('a wrong token is refused, the right one opens, and the page stays open', async ({ browser, daemon }) => {
  const one = await daemon();
  const { page, faults } = await visit(browser, one, { token: null });
  await see(page, 'dialog label', 'Access token');
  await page.type('dialog input', 'a wrong one');
  await click(page, 'dialog button', 'Log in');
  await see(page, '.error', 'This is not the token');
  assert.equal(await page.$eval('dialog input', (input) => document.activeElement === input), true, 'ready for the next');
  // Escape is no way in.
  await page.keyboard.press('Escape');
  await see(page, 'dialog label', 'Access token');
  await page.keyboard.type(one.token);
  await page.keyboard.press('Enter');
  await see(page, '.empty h2', 'No torrents yet');
  await page.reload();
  await see(page, '.empty h2', 'No torrents yet');
  assert.equal(await page.evaluate(() => document.cookie), '', 'no script can read the cookie');
  await page.click('#logout');
  await see(page, 'dialog label', 'Access token');
  assert.deepEqual(faults, []);
});
