// Dark or light: as the system says, or as somebody has chosen here.

import { el } from './dom.js';
import { draw, icon } from './icons.js';

const KEY = 'sprat.theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

/** @type {Set<() => void>} */
const listeners = new Set();

/** What canvases are painted with has changed. @param {() => void} listener */
export function onChange(listener) {
  listeners.add(listener);
}

/** What somebody has chosen here. @returns {'light' | 'dark' | null} */
export function chosen() {
  const kept = recall(KEY);
  return kept === 'light' || kept === 'dark' ? kept : null;
}

/** @param {'light' | 'dark' | null} look As the system says, if none. */
export function choose(look) {
  remember(KEY, look);
  apply();
}

function isDark() {
  return (chosen() ?? (dark.matches ? 'dark' : 'light')) === 'dark';
}

function apply() {
  document.documentElement.dataset['theme'] = isDark() ? 'dark' : 'light';
  for (const listener of listeners) listener();
}

/** A button that switches. */
export function button() {
  const picture = icon('moon');
  const switcher = el('button', { type: 'button', class: 'quiet', id: 'theme' }, picture);
  const name = () => {
    draw(picture, isDark() ? 'sun' : 'moon');
    switcher.setAttribute('aria-label', isDark() ? 'Switch to light' : 'Switch to dark');
    switcher.title = switcher.getAttribute('aria-label') ?? '';
  };
  switcher.addEventListener('click', () => {
    const next = isDark() ? 'light' : 'dark';
    // What the system says anyway need not be remembered.
    choose((next === 'dark') === dark.matches ? null : next);
  });
  onChange(name);
  name();
  return switcher;
}

/** @param {string} name */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/**
 * What this browser keeps of how the page is to look. It may refuse.
 * @param {string} key
 */
export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {string | null} value
 */
export function remember(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Then it holds until the page is closed.
  }
}

dark.addEventListener('change', apply);
apply();
