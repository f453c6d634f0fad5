import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readRate, readSpan, writeRate, writeSpan } from '../scripts/quantity.js';

test('a rate is read as people write it', () => {
  assert.equal(readRate(''), null);
  assert.equal(readRate('500 KiB/s'), 512_000);
  assert.equal(readRate('2M'), 2_097_152);
  assert.equal(readRate(' 1,5 MB / s '), 1_572_864);
  for (const wrong of ['500', 'fast', '0 KiB/s', '-1 MiB/s', '1 KiB/min', '99999999 TiB/s']) assert.throws(() => readRate(wrong), /no rate/);
});

test('a time is read as people write it', () => {
  assert.equal(readSpan('90 min'), 5400);
  assert.equal(readSpan('14d'), 1_209_600);
  assert.equal(readSpan('2 hours'), 7200);
  for (const wrong of ['', '90', 'a while', '3 weeks']) assert.throws(() => readSpan(wrong), /no time/);
});

test('what was written is read as it was', () => {
  for (const bytes of [1, 1000, 1024, 512_000, 1_600_000, 2 ** 20, 3 * 2 ** 19, 2 ** 33]) assert.equal(readRate(writeRate(bytes)), bytes);
  for (const seconds of [1, 59, 60, 90, 5400, 86_400, 129_600, 1_209_600]) assert.equal(readSpan(writeSpan(seconds)), seconds);
  assert.equal(writeRate(1_572_864), '1.5 MiB/s');
  assert.equal(writeSpan(5400), '1.5 h');
});
