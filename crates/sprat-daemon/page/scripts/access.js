// What whoever is logged in may do. With a token for looking nothing is offered that would be refused: what has the class `changes` is not
// shown, and keys, drops and menus ask here.

import * as api from './api.js';

let isReadOnly = false;

/** Asks, and has the page show it. */
export async function learn() {
  /** @type {{ read_only: boolean }} */
  const session = await api.get('/session');
  isReadOnly = session.read_only;
  document.body.classList.toggle('read-only', isReadOnly);
}

export function mayChange() {
  return !isReadOnly;
}
