import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const style = readFileSync(new URL('../style.css', import.meta.url), 'utf8');
const [light = '', rest = ''] = style.split('[data-theme="dark"]');

/** @param {string} text */
const colours = (text) => Object.fromEntries([...text.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name ?? '', value ?? '']));

/** @param {string} colour */
function luminance(colour) {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** @param {string} one @param {string} other */
function contrast(one, other) {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

for (const [theme, named] of /** @type {[string, Record<string, string>][]} */ ([['light', colours(light)], ['dark', colours(rest)]])) {
  test(`every text of the ${theme} page can be read (WCAG AA)`, () => {
    const pairs = ['text', 'soft', 'faint', 'down', 'up', 'good', 'wait', 'bad'].flatMap((text) =>
      ['surface', 'ground', 'hover', 'chosen'].map((ground) => [text, ground]));
    pairs.push(['soft', 'track'], ['on-accent', 'accent'], ['surface', 'bad'], ['bad', 'bad-ground'], ['soft', 'bad-ground'], ['text', 'bad-ground']);
    for (const [text = '', ground = ''] of pairs) {
      const value = contrast(named[text] ?? '', named[ground] ?? '');
      assert.ok(value >= 4.5, `${text} on ${ground}: ${value.toFixed(2)}`);
    }
  });
}
