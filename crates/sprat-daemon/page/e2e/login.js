import assert from 'node:assert/strict';

import { click, see, visit } from './browser.js';
import { scene } from './scene.js';

scene('a wrong token is refused, the right one opens, and the page stays open', async ({ browser, daemon }) => {
  const { address } = await daemon('--token', 'the-right-one');
  const { page, faults } = await visit(browser, address);
  await see(page, 'dialog label', 'Access token');
  await page.type('dialog input', 'a wrong one');
  await click(page, 'dialog button', 'Log in');
  await see(page, '.error', 'This is not the token');
  assert.equal(await page.$eval('dialog input', (input) => document.activeElement === input), true, 'ready for the next');
  // Escape is no way in.
  await page.keyboard.press('Escape');
  await see(page, 'dialog label', 'Access token');
  await page.keyboard.type('the-right-one');
  await page.keyboard.press('Enter');
  await see(page, '.empty h2', 'No torrents yet');
  await page.reload();
  await see(page, '.empty h2', 'No torrents yet');
  assert.equal(await page.evaluate(() => document.cookie), '', 'no script can read the cookie');
  assert.deepEqual(faults, []);
});
