import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Selection } from '../scripts/selection.js';

const order = ['a', 'b', 'c', 'd', 'e'];
const chosen = (/** @type {Selection} */ selection) => [...selection.chosen].sort().join('');

test('shift extends from where one began, to and fro', () => {
  const selection = new Selection();
  selection.only('c');
  selection.extend('e', order);
  assert.equal(chosen(selection), 'cde');
  selection.extend('b', order);
  assert.equal(chosen(selection), 'bc');
});

test('one more and one less', () => {
  const selection = new Selection();
  selection.only('a');
  selection.toggle('d');
  selection.toggle('a');
  assert.equal(chosen(selection), 'd');
});

test('the keyboard goes no further than the ends', () => {
  const selection = new Selection();
  assert.equal(selection.move(1, order), 'a');
  assert.equal(selection.move(-1, order), 'a');
  assert.equal(selection.move(Infinity, order), 'e');
  assert.equal(selection.move(-2, order, { extend: true }), 'c');
  assert.equal(chosen(selection), 'cde');
  assert.equal(selection.move(1, []), null);
});

test('what is not shown any more is not selected', () => {
  const selection = new Selection();
  selection.all(order);
  selection.cursor = 'a';
  selection.keep((hash) => hash > 'b');
  assert.equal(chosen(selection), 'cde');
  assert.equal(selection.cursor, null);
  assert.equal(selection.move(1, ['c', 'd', 'e']), 'c');
});

test('to extend from what is gone is to begin', () => {
  const selection = new Selection();
  selection.only('x');
  selection.extend('b', order);
  assert.equal(chosen(selection), 'b');
});
