// Copying. A browser lets a page write to the clipboard only over TLS or on the same machine; otherwise a person copies what is shown.

import { field, show } from './dialog.js';
import { el } from './dom.js';

/**
 * @param {string} text
 * @param {string} what It is, for the person: “The magnet link”.
 * @param {(text: string) => void} done
 */
export async function copy(text, what, done) {
  try {
    await navigator.clipboard.writeText(text);
    done(`${what} is in the clipboard.`);
  } catch {
    const box = el('textarea', { rows: 5, value: text, readOnly: true, spellcheck: false, 'data-first': '' });
    show({ title: 'Copy', body: [field(what, box, 'This browser lets a page write to the clipboard only over TLS: copy it from here.')] });
    box.select();
  }
}
