import assert from 'node:assert/strict';

import { click, see, visit } from './browser.js';
import { scene } from './scene.js';

/** @type {Setting[]} */
const SETTINGS = [
  { key: 'limits.download_rate', documentation: 'What is received from all peers together.', value: 'unlimited', default: 'unlimited', origin: 'default', change: 'at_once' },
  { key: 'limits.connections', documentation: 'Connections to peers of all torrents together.', value: 500, default: 500, origin: 'default', change: 'at_restart' },
  { key: 'peers.dht', documentation: 'Look for peers in the DHT, and be a node of it.', value: true, default: true, origin: 'default', change: 'at_restart' },
  { key: 'paths.state', documentation: 'Where the daemon keeps its list <img src=x onerror=alert(1)>.', value: '/var/lib/sprat', default: null, origin: 'file', change: 'in_file' },
  { key: 'webhooks.endpoints', documentation: 'Each is sent a JSON object by POST.', value: [], default: [], origin: 'default', change: 'at_once' },
];

scene('settings are what the daemon says of them, and only what was changed is sent', async ({ browser, daemon }) => {
  const { address } = await daemon();
  /** @type {unknown[]} */
  const sent = [];
  const { page, faults } = await visit(browser, address, {
    answers: {
      'GET /openapi.json': { paths: { '/settings': {} } },
      'GET /settings': SETTINGS,
      'PATCH /settings': (/** @type {string} */ body) => {
        sent.push(JSON.parse(body));
        return { after_restart: ['peers.dht'] };
      },
    },
  });
  await see(page, '.empty h2', 'No torrents yet');
  await page.click('#settings');
  await see(page, '.setting .hint', 'Default: unlimited.');
  await see(page, '.setting .hint', '<img src=x onerror=alert(1)>');
  assert.equal(await page.$eval('#setting-paths-state', (input) => /** @type {HTMLInputElement} */ (input).disabled), true);
  await page.$eval('#setting-limits-download_rate', (input) => {
    /** @type {HTMLInputElement} */ (input).value = '';
  });
  await page.type('#setting-limits-download_rate', '2 MiB/s');
  await page.click('#setting-peers-dht');
  await page.type('dialog input[type=search]', 'connections');
  assert.equal(await page.$$eval('.setting', (all) => all.filter((one) => one.checkVisibility()).length), 1);
  await click(page, 'dialog footer button', 'Save');
  await page.waitForFunction(() => !document.querySelector('dialog'));
  await see(page, '.toast', 'At the next start: peers.dht');
  assert.deepEqual(sent, [{ limits: { download_rate: '2 MiB/s' }, peers: { dht: false } }]);
  assert.deepEqual(faults, []);
});
