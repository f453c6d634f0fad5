import assert from 'node:assert/strict';

import { click, drop, escape, see, visit } from './browser.js';
import { introduce, pause, scene } from './scene.js';
import { bencode, make, noise } from './torrent.js';

/** Each text would show a dialog if it were ever markup. */
const evil = (/** @type {string} */ where) =>
  `<img src=x onerror="alert('${where}')"><script>alert('${where}')</${''}script>"'><svg onload=alert(1)>{{${where}}}`;

scene('a torrent whose every text is markup is text', async ({ browser, daemon, serve }) => {
  const tracker = await serve((_, response) => response.end(bencode({ 'failure reason': evil('tracker') })));
  const files = [
    { path: [evil('folder').replaceAll('/', '_'), evil('file').replaceAll('/', '_')], bytes: noise(7, 30_000) },
    { path: ['\u202egpj.exe', 'a\u0000b\n\tc.mp4'], bytes: noise(8, 30_000) },
    { path: ['__proto__', 'constructor'], bytes: noise(9, 100) },
  ];
  const torrent = make(evil('name'), files, {
    comment: evil('comment'), createdBy: evil('maker'), trackers: [`http://127.0.0.1:${tracker}/${encodeURIComponent(evil('url'))}`],
  });
  const [one, other] = [await daemon(), await daemon()];
  const { page, faults } = await visit(browser, one);
  await drop(page, [{ name: `${evil('torrent file')}.torrent`, bytes: torrent.bytes }]);
  await see(page, '.what h3', '<img src=x');
  await see(page, '.comment', `alert('comment')`);
  await page.type('input[list="add-labels"]', '<b>label</b>');
  await click(page, 'dialog footer button', 'Add');
  await see(page, '.row .title', `alert('name')`);
  await see(page, '.sidebar .word', '<b>label</b>');
  // Somebody who speaks with it, so that there is a peer to be shown.
  await other.ask('POST', '/torrents', { file: torrent.bytes.toString('base64'), tags: ['<i>tag</i>'] });
  await introduce(one, other, torrent.hash);
  await click(page, '.row .title', `alert('name')`, { count: 2 });
  await see(page, '.facts dd', `alert('maker')`);
  for (const [tab, what, text] of /** @type {[string, string, string][]} */ ([
    ['Files', '.filetable .name', '<img src=x'], ['Peers', 'td', '127.0.0.1'], ['Trackers', 'td', `alert('tracker')`], ['Speed', '.legend', 'Down'],
  ])) {
    await click(page, '[role=tab]', tab);
    await see(page, what, text);
  }
  await page.focus('#list');
  await page.keyboard.press('F2');
  await see(page, 'dialog h2', 'Rename');
  await escape(page);
  await click(page, '.tool', 'Remove');
  await see(page, '.names-list', `alert('name')`);
  await click(page, 'dialog footer button', 'Cancel');
  await page.keyboard.press('/');
  await page.keyboard.type('<img src=x onerror=alert(1)>');
  await see(page, '.empty h2', 'Nothing matches');
  await pause(300);
  const foreign = await page.$$eval('img, script, svg, iframe, b', (elements) => elements
    .filter((element) => element.hasAttribute('onerror') || element.hasAttribute('onload') || element.getAttribute('src') === 'x'
      || (element.localName === 'b' && element.textContent === 'label') || (element.localName === 'script' && !element.getAttribute('src')))
    .map((element) => element.outerHTML));
  assert.deepEqual(foreign, []);
  assert.deepEqual(faults, []);
  // What the policy would do if a mistake were made here: nothing becomes markup.
  const trusted = await page.evaluate(() => {
    try {
      document.createElement('p').innerHTML = '<b>x</b>';
      return 'taken';
    } catch {
      return 'refused';
    }
  });
  assert.equal(trusted, 'refused');
});
