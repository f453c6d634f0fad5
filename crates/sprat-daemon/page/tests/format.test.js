import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as format from '../scripts/format.js';

test('sizes have three digits at the most and the unit that fits', () => {
  /** @type {[number, string][]} */
  const cases = [
    [0, '0 B'], [999, '999 B'], [1000, '0.98 KiB'], [1024, '1.00 KiB'], [10 * 1024, '10.0 KiB'], [1023 * 1024, '1.00 MiB'],
    [5.5 * 1024 ** 3, '5.50 GiB'], [2 ** 60, '1024 PiB'],
  ];
  for (const [bytes, text] of cases) assert.equal(format.size(bytes), text);
});

test('nothing moves, nothing is said', () => {
  assert.equal(format.rate(0), '');
  assert.equal(format.rate(2048), '2.00 KiB/s');
});

test('durations have two units at the most', () => {
  /** @type {[number | null, string][]} */
  const cases = [
    [null, ''], [0, '0 s'], [59.4, '59 s'], [61, '1 min 1 s'], [600, '10 min'], [3599, '59 min'], [3600, '1 h'], [3661, '1 h 1 min'],
    [86_400 * 3 + 3600, '3 d 1 h'], [86_400 * 400, '1 y 35 d'], [Infinity, ''], [1e12, '> 99 years'],
  ];
  for (const [seconds, text] of cases) assert.equal(format.duration(seconds), text);
});

test('nothing is whole before it is', () => {
  assert.equal(format.percent(999.9), '99.9 %');
  assert.equal(format.percent(1000), '100 %');
  assert.equal(format.percent(0), '0.0 %');
});

test('nouns agree with their numbers', () => {
  assert.equal(format.count(1, 'torrent'), '1 torrent');
  assert.equal(format.count(10_000, 'torrent'), '10,000 torrents');
});

test('a date that is none is nothing', () => {
  assert.equal(format.date(1e300), '');
  assert.equal(format.day(null), '');
});
