// Keys that work wherever nothing else wants them.

import { mayChange } from './access.js';
import { show, isOpen } from './dialog.js';
import { el } from './dom.js';

/**
 * @typedef {{ keys: string[], does: string, run: (() => void) | null, isChange?: boolean }} Key Without `run` it is the list's own; changes are not for
 *   everybody.
 */

/** @param {Key[]} keys */
export function listen(keys) {
  /** @type {Key[]} */
  const all = [...keys, { keys: ['?'], does: 'Show this', run: () => help(all.filter(isAllowed)) }];
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isOpen()) return;
    const at = event.target;
    if (at instanceof HTMLElement && at.closest('input:not([type=checkbox]), textarea, select, [role=menu]')) return;
    const found = all.filter(isAllowed).find((one) => one.run && one.keys.some((key) => key.toLowerCase() === event.key.toLowerCase()));
    if (!found?.run) return;
    event.preventDefault();
    found.run();
  });
}

/** @param {Key} key */
function isAllowed(key) {
  return !key.isChange || mayChange();
}

/** @param {Key[]} keys */
function help(keys) {
  show({
    title: 'Keyboard',
    body: [el('dl', { class: 'keys' }, ...keys.flatMap((one) => [
      el('dt', {}, ...one.keys.flatMap((key, at) => (at > 0 ? [' ', el('kbd', {}, key)] : [el('kbd', {}, key)]))),
      el('dd', {}, one.does),
    ]))],
  });
}
