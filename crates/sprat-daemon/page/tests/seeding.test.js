import assert from 'node:assert/strict';
import { test } from 'node:test';

import { words } from '../scripts/seeding.js';

test('limits are said in words, and what is as usual is not said', () => {
  assert.equal(words({ ratio: 'inherit', seconds: 'inherit', idle_seconds: 'inherit' }), '');
  assert.equal(words({ ratio: { limit: 1.5 }, seconds: 'unlimited', idle_seconds: { limit: 172_800 } }),
    'ratio 1.5, time as a seeder: no limit, time in which nobody takes anything 2 d');
});
