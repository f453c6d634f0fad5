import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sources } from '../scripts/add.js';

test('links, hashes and addresses are found, and nothing else', () => {
  const hash = 'a'.repeat(40);
  assert.deepEqual(sources(`  magnet:?xt=urn:btih:${hash}&dn=x\n\nhello ${hash} http://localhost/a.torrent javascript:alert(1)`), [
    { magnet: `magnet:?xt=urn:btih:${hash}&dn=x` }, { magnet: `magnet:?xt=urn:btih:${hash}` }, { url: 'http://localhost/a.torrent' },
  ]);
  assert.deepEqual(sources('b'.repeat(64)), [{ magnet: `magnet:?xt=urn:btmh:1220${'b'.repeat(64)}` }]);
});
