import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decode, shares } from '../scripts/bits.js';

test('the first piece is the highest bit', () => {
  assert.deepEqual([...shares(new Uint8Array([0b1010_0000]), 4, 4)], [1, 0, 1, 0]);
});

test('many pieces share a column', () => {
  assert.deepEqual([...shares(new Uint8Array([0xff, 0x00]), 16, 2)], [1, 0]);
  assert.deepEqual([...shares(new Uint8Array([0xf0]), 8, 1)], [0.5]);
});

test('few pieces fill several columns', () => {
  assert.deepEqual([...shares(new Uint8Array([0x80]), 2, 4)], [1, 1, 0, 0]);
});

test('base64 is bytes', () => {
  assert.deepEqual([...decode('gAE=')], [0x80, 1]);
});
