import assert from 'node:assert/strict';
import { test } from 'node:test';

import { medium, tree, wanted } from '../scripts/filetree.js';

const files = [
  { index: 0, path: 'film/part 10.mkv', size: 5 },
  { index: 1, path: 'film/part 9.mkv', size: 4 },
  { index: 3, path: 'film/extras/cover.jpg', size: 1 },
  { index: 4, path: 'readme', size: 2 },
];

test('folders come first and names in the order in which a person counts', () => {
  const root = tree(files);
  assert.equal(root.size, 12);
  assert.deepEqual(root.children.map((one) => one.name), ['film', 'readme']);
  const film = root.children[0];
  assert.deepEqual(film?.children.map((one) => one.name), ['extras', 'part 9.mkv', 'part 10.mkv']);
  assert.equal(film?.size, 10);
});

test('a folder is wanted wholly, in part, or not', () => {
  const root = tree(files);
  const film = /** @type {import('../scripts/filetree.js').Node<any>} */ (root.children[0]);
  assert.equal(wanted(film, () => true), 'all');
  assert.equal(wanted(film, (index) => index === 3), 'some');
  assert.equal(wanted(film, (index) => index === 4), 'none');
  assert.equal(wanted(root, (index) => index === 4), 'some');
});

test('names that objects have of their own are names like others', () => {
  const root = tree([{ index: 0, path: '__proto__/constructor', size: 1 }, { index: 1, path: 'constructor', size: 1 }]);
  assert.deepEqual(root.children.map((one) => one.name), ['__proto__', 'constructor']);
});

test('what can be watched', () => {
  assert.equal(medium('a/b.MKV'), 'video');
  assert.equal(medium('song.flac'), 'audio');
  assert.equal(medium('mp4'), 'video');
  assert.equal(medium('text.txt'), null);
});
