import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Torrents } from '../scripts/torrents.js';
import { torrent } from './some.js';

test('what has changed replaces what was there, and what is gone goes', () => {
  const torrents = new Torrents();
  torrents.apply({ cursor: '1-1', full: true, gone: [], torrents: [torrent('a'), torrent('b')] });
  torrents.apply({ cursor: '1-2', full: false, gone: ['a'], torrents: [torrent('b', { download_rate: 5 }), torrent('c', { upload_rate: 2 })] });
  assert.deepEqual(torrents.all().map((one) => one.hash), ['b', 'c']);
  assert.deepEqual(torrents.rates(), { download: 5, upload: 2 });
  assert.equal(torrents.cursor, '1-2');
});

test('everything anew forgets what was there', () => {
  const torrents = new Torrents();
  torrents.apply({ cursor: '1-1', full: true, gone: [], torrents: [torrent('a')] });
  torrents.apply({ cursor: '2-1', full: true, gone: [], torrents: [torrent('b')] });
  assert.deepEqual(torrents.all().map((one) => one.hash), ['b']);
});

test('what was removed and added again since is there', () => {
  const torrents = new Torrents();
  torrents.apply({ cursor: '1-1', full: true, gone: [], torrents: [torrent('a')] });
  torrents.apply({ cursor: '1-4', full: false, gone: ['a'], torrents: [torrent('a', { name: 'again' })] });
  assert.equal(torrents.get('a')?.name, 'again');
});

test('a name is searched as it is called now', () => {
  const torrents = new Torrents();
  torrents.apply({ cursor: '1-1', full: true, gone: [], torrents: [torrent('a', { name: 'Old' })] });
  torrents.apply({ cursor: '1-2', full: false, gone: [], torrents: [torrent('a', { name: 'NEW' })] });
  assert.equal(torrents.get('a')?.key, 'new');
});
