// Dialogs: the browser's own, so that the keyboard stays inside and Escape closes.

import { el } from './dom.js';
import { icon } from './icons.js';

/**
 * Shows a dialog with a form. `submit` is called when it is confirmed; the dialog closes when that has ended well, and shows
 * why if not.
 * @param {object} what
 * @param {string} what.title
 * @param {(Node | null)[]} what.body
 * @param {string} [what.confirm] What the button says; none without.
 * @param {boolean} [what.isDangerous]
 * @param {boolean} [what.isWide]
 * @param {() => Promise<void> | void} [what.submit]
 * @param {() => void} [what.closed]
 */
export function show({ title, body, confirm, isDangerous = false, isWide = false, submit, closed }) {
  const error = el('p', { class: 'error', role: 'alert', hidden: true });
  const button = confirm
    ? el('button', { type: 'submit', class: isDangerous ? 'danger' : 'primary' }, confirm)
    : null;
  const close = () => dialog.close();
  const form = el('form', { class: 'dialog', novalidate: true },
    el('header', {}, el('h2', { id: 'dialog-title' }, title),
      el('button', { type: 'button', class: 'quiet', 'aria-label': 'Close', onclick: close }, icon('close'))),
    el('div', { class: 'body' }, ...body, error),
    button && el('footer', {}, el('button', { type: 'button', onclick: close }, 'Cancel'), button));
  const dialog = el('dialog', { class: isWide ? 'wide' : '', 'aria-labelledby': 'dialog-title' }, form);
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

let fields = 0;

/**
 * A labelled field, with what there is to know about it.
 * @param {string} label
 * @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} input
 * @param {string} [hint]
 */
export function field(label, input, hint) {
  fields += 1;
  input.id ||= `field-${fields}`;
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
