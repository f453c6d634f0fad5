// Dialogs: the browser's own, so that the keyboard stays inside and Escape closes.

import { el } from './dom.js';
import { icon } from './icons.js';

/** What is given to dialogs and fields to be called by. */
let numbers = 0;

/**
 * Shows a dialog with a form. `submit` is called when it is confirmed; the dialog closes when that has ended well, and shows
 * why if not.
 * @param {object} what
 * @param {string} what.title
 * @param {import('./dom.js').Child[]} what.body
 * @param {string} [what.confirm] What the button says; none without.
 * @param {boolean} [what.isDangerous]
 * @param {boolean} [what.isWide]
 * @param {() => Promise<void> | void} [what.submit]
 * @param {() => void} [what.closed]
 */
export function show({ title, body, confirm, isDangerous = false, isWide = false, submit, closed }) {
  numbers += 1;
  const name = `dialog-${numbers}`;
  const error = el('p', { class: 'error', role: 'alert', hidden: true });
  const button = confirm
    ? el('button', { type: 'submit', class: isDangerous ? 'danger' : 'primary' }, confirm)
    : null;
  const close = () => dialog.close();
  const form = el('form', { class: 'dialog', noValidate: true },
    el('header', {}, el('h2', { id: name }, title),
      el('button', { type: 'button', class: 'quiet', 'aria-label': 'Close', onclick: close }, icon('close'))),
    el('div', { class: 'body' }, ...body, error),
    button && el('footer', {}, el('button', { type: 'button', onclick: close }, 'Cancel'), button));
  const dialog = el('dialog', { class: isWide ? 'wide' : '', 'aria-labelledby': name }, form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (!submit || button?.disabled) return;
    error.hidden = true;
    if (button) button.disabled = true;
    try {
      await submit();
      close();
    } catch (problem) {
      error.textContent = problem instanceof Error ? problem.message : String(problem);
      error.hidden = false;
      error.scrollIntoView({ block: 'nearest' });
    } finally {
      if (button) button.disabled = false;
    }
  });
  // The browser gives the focus back by itself, at once; to do it here, later, would take it from whoever has it by then.
  dialog.addEventListener('close', () => {
    // Notes that were shown in it stay.
    const toasts = dialog.querySelector('#toasts');
    if (toasts) document.body.append(toasts);
    dialog.remove();
    closed?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  const first = form.querySelector('[data-first]') ?? button;
  if (first instanceof HTMLElement) first.focus();
  return { dialog, close, button };
}

/** Whether one is open: keys and drops are its business then. */
export function isOpen() {
  return document.querySelector('dialog[open]') !== null;
}

/**
 * A labelled field, with what there is to know about it.
 * @param {string} label
 * @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} input
 * @param {string} [hint]
 */
export function field(label, input, hint) {
  numbers += 1;
  input.id ||= `field-${numbers}`;
  const explained = hint ? el('p', { class: 'hint', id: `${input.id}-hint` }, hint) : null;
  if (explained) input.setAttribute('aria-describedby', explained.id);
  return el('div', { class: 'field' }, el('label', { for: input.id }, label), input, explained);
}

/**
 * A box to tick, with its label.
 * @param {string} label
 * @param {boolean} isTicked
 * @param {string} [hint]
 */
export function tick(label, isTicked, hint) {
  const input = el('input', { type: 'checkbox', checked: isTicked });
  const box = el('label', { class: 'tick' }, input, el('span', {}, label, hint ? el('small', {}, hint) : null));
  return { input, box };
}
