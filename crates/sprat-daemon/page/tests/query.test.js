import assert from 'node:assert/strict';
import { test } from 'node:test';

import { arrange, counts, everything } from '../scripts/query.js';
import { torrent } from './some.js';

const some = [
  torrent('a1', { name: 'Film 10', label: 'films', tags: ['old'], position: 2, size: 30 }),
  torrent('b2', { name: 'film 9', state: 'downloading', is_complete: false, download_rate: 5, position: 0, size: 10, eta: 7 }),
  torrent('c3', { name: 'Österreich', state: 'stopped', label: 'maps', tags: ['old', 'new'], position: 1, size: 20 }),
];
const hashes = (/** @type {Torrent[]} */ torrents) => torrents.map((one) => one.hash);

test('each filter alone and all together', () => {
  const shown = (/** @type {Partial<import('../scripts/query.js').Filter>} */ change) =>
    hashes(arrange(some, { ...everything(), ...change }, { by: 'position', descending: false }));
  assert.deepEqual(shown({}), ['b2', 'c3', 'a1']);
  assert.deepEqual(shown({ group: 'active' }), ['b2']);
  assert.deepEqual(shown({ group: 'complete' }), ['c3', 'a1']);
  assert.deepEqual(shown({ group: 'stopped' }), ['c3']);
  assert.deepEqual(shown({ label: '' }), ['b2']);
  assert.deepEqual(shown({ label: 'films' }), ['a1']);
  assert.deepEqual(shown({ tag: 'old' }), ['c3', 'a1']);
  assert.deepEqual(shown({ text: '  FILM 1 ' }), ['a1']);
  assert.deepEqual(shown({ text: 'c3' }), ['c3']);
  assert.deepEqual(shown({ group: 'complete', tag: 'old', text: 'öster' }), ['c3']);
  assert.deepEqual(shown({ text: 'nothing like it' }), []);
});

test('names are in the order in which a person counts', () => {
  assert.deepEqual(hashes(arrange(some, everything(), { by: 'name', descending: false })), ['b2', 'a1', 'c3']);
  assert.deepEqual(hashes(arrange(some, everything(), { by: 'name', descending: true })), ['c3', 'a1', 'b2']);
});

test('a new name finds its place among those that were compared before', () => {
  const more = [...some, torrent('d4', { name: 'Film 9½' })];
  assert.deepEqual(hashes(arrange(more, everything(), { by: 'name', descending: false })), ['b2', 'd4', 'a1', 'c3']);
});

test('equal ones stay in the order of the queue, whichever way', () => {
  assert.deepEqual(hashes(arrange(some, everything(), { by: 'upload_rate', descending: true })), ['b2', 'c3', 'a1']);
  assert.deepEqual(hashes(arrange(some, everything(), { by: 'upload_rate', descending: false })), ['b2', 'c3', 'a1']);
});

test('what will never end comes after what will', () => {
  assert.deepEqual(hashes(arrange(some, everything(), { by: 'eta', descending: false }))[0], 'b2');
});

test('an order that nobody knows is that of the queue', () => {
  assert.deepEqual(hashes(arrange(some, everything(), { by: '__proto__', descending: false })), ['b2', 'c3', 'a1']);
});

test('everything is counted where it belongs', () => {
  const found = counts(some);
  assert.equal(found.groups.get('all'), 3);
  assert.equal(found.groups.get('active'), 1);
  assert.equal(found.groups.get('complete'), 2);
  assert.equal(found.groups.get('downloading'), 1);
  assert.deepEqual([...found.labels], [['films', 1], ['', 1], ['maps', 1]]);
  assert.deepEqual([...found.tags], [['old', 2], ['new', 1]]);
});

test('ten thousand are arranged within a frame or two', () => {
  const many = Array.from({ length: 10_000 }, (_, at) => torrent(`${at}`, { name: `Name ${at * 7919 % 10_000}`, download_rate: at * 31 % 977 }));
  arrange(many, everything(), { by: 'name', descending: false });
  const began = performance.now();
  for (const by of ['name', 'download_rate', 'added_at']) arrange(many, { ...everything(), text: 'name' }, { by, descending: true });
  const each = (performance.now() - began) / 3;
  assert.ok(each < 100, `${each} ms`);
});
