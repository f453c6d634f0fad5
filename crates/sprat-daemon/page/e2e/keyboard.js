import assert from 'node:assert/strict';

import { escape, see, visit } from './browser.js';
import { crowd } from './crowd.js';
import { scene } from './scene.js';

scene('everything can be done with the keyboard, and everything has a name', async ({ browser, daemon, serve }) => {
  const one = await daemon();
  const address = await crowd(one, serve, 200);
  const { page, faults } = await visit(browser, one, { address });
  await see(page, '.status', '200 torrents');
  await page.focus('#list');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.down('Shift');
  for (let times = 0; times < 3; times += 1) await page.keyboard.press('ArrowDown');
  await page.keyboard.up('Shift');
  await see(page, '.status', '4 selected');
  const active = () => page.$eval('#list', (list) => {
    const id = list.getAttribute('aria-activedescendant') ?? '';
    const row = document.getElementById(id);
    return row ? Number(row.getAttribute('aria-rowindex')) : null;
  });
  assert.equal(await active(), 5, 'the header is the first row');
  await page.keyboard.press('End');
  assert.equal(await active(), 201);
  await page.keyboard.down('Control');
  await page.keyboard.press('a');
  await page.keyboard.up('Control');
  await see(page, '.status', '200 selected');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Home');
  await page.keyboard.press('Delete');
  await see(page, 'dialog h2', 'Remove this torrent?');
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('value')), 'keep', 'nothing is deleted by Enter alone');
  await escape(page);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'list', 'back where one was');
  await page.keyboard.press('?');
  await see(page, 'dialog h2', 'Keyboard');
  await escape(page);
  await page.keyboard.press('a');
  await see(page, 'dialog h2', 'Add torrents');
  // Every control says what it is.
  const nameless = () => page.evaluate(() => [...document.querySelectorAll('button, input, select, a, textarea, [role=grid]')].filter((element) => {
    const labels = [...(/** @type {HTMLInputElement} */ (element).labels ?? [])].map((label) => label.textContent).join('');
    return !(element.textContent?.trim() || element.getAttribute('aria-label') || labels.trim());
  }).map((element) => element.outerHTML));
  assert.deepEqual(await nameless(), []);
  await escape(page);
  assert.deepEqual(await nameless(), []);
  assert.deepEqual(faults, []);
});

scene('on a narrow screen nothing is cut off, and the list opens and closes what there is', async ({ browser, daemon, serve }) => {
  const one = await daemon();
  const address = await crowd(one, serve, 200);
  const { page, faults } = await visit(browser, one, { address, width: 360, height: 720 });
  await see(page, '.status', '200 torrents');
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  assert.equal(await page.$eval('#list', (list) => list.scrollWidth <= list.clientWidth), true, 'no scrolling sideways');
  await page.tap('#open-sidebar');
  await see(page, '.sidebar button', 'Seeding');
  await page.tap('.sidebar [data-key="group seeding"]');
  await see(page, '.status', '100 of 200 torrents');
  // What can be done is offered once something is selected.
  assert.equal(await page.$eval('#tools', (tools) => tools.checkVisibility()), false);
  await page.tap('.row .pick input');
  await see(page, '.status', '1 selected');
  assert.equal(await page.$eval('#tools', (tools) => tools.checkVisibility()), true);
  const small = await page.$$eval('#bar button', (buttons) => buttons.filter((button) => button.checkVisibility() && button.getBoundingClientRect().height < 36).length);
  assert.equal(small, 0, 'large enough for a thumb');
  assert.deepEqual(faults, []);
});
