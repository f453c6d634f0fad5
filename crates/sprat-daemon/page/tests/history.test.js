import assert from 'node:assert/strict';
import { test } from 'node:test';

import { History } from '../scripts/history.js';
import { torrent } from './some.js';

test('everything is summed, and who moves has a line of its own', () => {
  const history = new History();
  history.sample([torrent('a', { download_rate: 3 }), torrent('b'), torrent('c', { upload_rate: 4 })]);
  history.sample([torrent('a'), torrent('b'), torrent('c', { upload_rate: 1 })]);
  assert.deepEqual(history.total, [{ download: 3, upload: 4 }, { download: 0, upload: 1 }]);
  assert.deepEqual(history.get('a'), [{ download: 3, upload: 0 }, { download: 0, upload: 0 }]);
  assert.deepEqual(history.get('b'), []);
});

test('what is gone or has long been quiet is forgotten, and nothing grows for ever', () => {
  const history = new History();
  history.sample([torrent('a', { download_rate: 3 }), torrent('b', { upload_rate: 1 })]);
  for (let second = 0; second < 700; second += 1) history.sample([torrent('a')]);
  assert.equal(history.of.size, 0);
  assert.equal(history.total.length, 600);
  history.sample(Array.from({ length: 1000 }, (_, at) => torrent(`${at}`, { upload_rate: 1 })));
  assert.ok(history.of.size <= 300);
});
