// Removing what is known by a name, once that is confirmed.

import * as api from './api.js';
import { show } from './dialog.js';
import { el } from './dom.js';

/**
 * @param {object} what
 * @param {string} what.title The question.
 * @param {string} what.outcome What becomes of the rest.
 * @param {string} [what.confirm] What the button says.
 * @param {string} what.path Where it is in the API.
 * @param {() => Promise<void>} update Called when it is gone.
 */
export function askToRemove({ title, outcome, confirm = 'Remove', path }, update) {
  show({
    title,
    body: [el('p', {}, outcome)],
    confirm,
    isDangerous: true,
    submit: async () => {
      await api.request('DELETE', path);
      await update();
    },
  });
}
