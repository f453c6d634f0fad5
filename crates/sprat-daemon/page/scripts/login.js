// The question for the token. What is typed is sent once; the browser keeps a cookie that no script can read.

import * as api from './api.js';
import { field } from './dialog.js';
import { el } from './dom.js';

let isAsking = false;

/** @param {() => void} done */
export function ask(done) {
  if (isAsking) return;
  isAsking = true;
  const token = el('input', { type: 'password', autocomplete: 'current-password', spellcheck: false, required: true });
  const error = el('p', { class: 'error', role: 'alert', hidden: true });
  const button = el('button', { type: 'submit', class: 'primary' }, 'Log in');
  const form = el('form', { class: 'dialog login' },
    el('div', { class: 'body' },
      el('img', { src: '/icon.svg', alt: '', width: 56, height: 56 }),
      el('h2', { id: 'login-title' }, 'sprat'),
      field('Access token', token, 'The daemon made it when it first started, in a file that it names whenever it starts.'),
      error, button));
  const dialog = el('dialog', { class: 'narrow', 'aria-labelledby': 'login-title' }, form);
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    error.hidden = true;
    try {
      await api.post('/login', { token: token.value.trim() });
      isAsking = false;
      dialog.close();
      dialog.remove();
      done();
    } catch (problem) {
      error.textContent = problem instanceof api.ApiError && problem.status === 401
        ? 'This is not the token, or it has been revoked.'
        : problem instanceof Error ? problem.message : String(problem);
      error.hidden = false;
      token.select();
    } finally {
      button.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
  token.focus();
}

export async function end() {
  await api.post('/logout', {});
  location.reload();
}
