// What the tests have in common: daemons, servers and a browser that are gone afterwards, whatever happens.

import { createServer } from 'node:http';
import { test } from 'node:test';

import { launch } from './browser.js';
import { Daemon } from './daemon.js';

/**
 * @typedef {object} Scene
 * @property {import('puppeteer-core').Browser} browser
 * @property {() => Promise<Daemon>} daemon
 * @property {(answer: import('node:http').RequestListener) => Promise<number>} serve An HTTP server on this machine; gives its port.
 * @property {import('node:test').TestContext} context
 */

/**
 * @param {string} name
 * @param {(scene: Scene) => Promise<void>} act
 */
export function scene(name, act) {
  test(name, { timeout: 180_000 }, async (context) => {
    /** @type {Daemon[]} */
    const daemons = [];
    /** @type {import('node:http').Server[]} */
    const servers = [];
    const browser = await launch();
    try {
      await act({
        browser,
        context,
        daemon: async () => {
          const daemon = await Daemon.start();
          daemons.push(daemon);
          return daemon;
        },
        serve: async (answer) => {
          const server = createServer(answer);
          servers.push(server);
          await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
          const at = server.address();
          if (at === null || typeof at === 'string') throw new Error('nowhere to listen');
          return at.port;
        },
      });
    } finally {
      await browser.close();
      // One that still listened would keep this process alive for ever.
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
      for (const daemon of daemons) await daemon.stop();
    }
  });
}

/**
 * Has one daemon seed what is on its disk.
 * @param {Daemon} seeder
 * @param {{ bytes: Uint8Array, hash: string }} torrent
 */
export async function seed(seeder, torrent) {
  await seeder.ask('POST', '/torrents', { file: Buffer.from(torrent.bytes).toString('base64'), adopt: true });
  await until(async () => (await seeder.ask('GET', `/torrents/${torrent.hash}`)).state === 'seeding');
}

/**
 * Tells one daemon of another.
 * @param {Daemon} leecher
 * @param {Daemon} seeder
 * @param {string} hash
 */
export async function introduce(leecher, seeder, hash) {
  const { port } = await seeder.ask('GET', '/version');
  await leecher.ask('POST', `/torrents/${hash}/peers`, { addresses: [`127.0.0.1:${port}`] });
}

/** @param {() => Promise<boolean>} isSo */
export async function until(isSo) {
  for (let left = 200; left > 0; left -= 1) {
    if (await isSo()) return;
    await pause(100);
  }
  throw new Error('this did not come');
}

/** @param {number} milliseconds */
export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
